//! Every shipped query can be read, and says what its file name says.

use samensom_protocol::query::{MeasureKind, Purpose, Query};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/queries")
}

fn read(path: &Path) -> Query {
    let text = std::fs::read_to_string(path).unwrap();
    let mut codes = |list: &str| std::fs::read_to_string(folder().join(list)).map_err(|why| why.to_string());
    Query::from_toml(&text, &mut codes).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn every_shipped_query_is_a_query() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let queries: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    assert!(!queries.is_empty());
    for path in queries {
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), read(&path).id());
    }
}

#[test]
fn the_ccv_query_asks_what_the_demo_shows() {
    let query = read(&folder().join("ccv-stock.toml"));
    assert_eq!((query.purpose(), query.floor_hospitals()), (Purpose::Stock, 5));
    assert_eq!(query.dimensions()[0].codes().len(), 13);
    let names: Vec<&str> = query.measures().iter().map(|measure| measure.name()).collect();
    assert_eq!(names, ["stock_regular", "stock_ccv", "holders"]);
    assert!(matches!(query.measures()[2].kind(), MeasureKind::Hospitals { .. }));
    assert_eq!(query.derives()[0].name(), "ccv_share");
    assert_eq!(query.layout().cells(), 13 * 3);
}
