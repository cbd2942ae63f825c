//! Every shipped query can be read, and says what its file name says.

use samensom_protocol::query::{Column, Language, MeasureKind, Purpose, Query};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/queries")
}

fn read(path: &Path) -> Query {
    let text = std::fs::read_to_string(path).unwrap();
    let mut codes = |list: &str| std::fs::read_to_string(folder().join(list)).map_err(|why| why.to_string());
    Query::from_toml(&text, &mut codes).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn files() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut queries: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    queries.sort();
    queries
}

fn id(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn every_shipped_query_is_a_query_under_a_floor() {
    let files = files();
    assert_eq!(files.len(), 20);
    for path in files {
        let query = read(&path);
        assert_eq!(id(&path), query.id());
        assert!(query.floor_hospitals() >= 5, "{}", query.id());
    }
}

/// Their cells are of classes of hospitals, which the roster names when the warrant is made.
#[test]
fn cells_per_class_of_hospitals_are_those_of_the_roster() {
    let by_class = [
        ("iv-to-oral-switch", Column::HospitalKind),
        ("label-spread", Column::PurchasingGroup),
        ("redistribution", Column::PurchasingGroup),
        ("restricted-antibiotics", Column::HospitalKind),
    ];
    let all: Vec<Query> = files().iter().map(|path| read(path)).filter(Query::is_by_class).collect();
    let found: Vec<(&str, Column)> =
        all.iter().map(|query| (query.id(), query.properties().next().unwrap())).collect();
    assert_eq!(found, by_class);
    for query in all {
        assert!(query.awaits_roster(), "{}", query.id());
        let filled = query.clone().with_classes(&|_| vec!["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!(filled.layout().cells(), 2 * query.without_classes().layout().cells());
    }
}

/// What hospitals read before they agree: the texts stand beside the queries.
#[test]
fn plain_words_are_those_beside_the_queries() {
    let write = std::env::var_os("SAMENSOM_WRITE").is_some();
    for path in files() {
        let query = read(&path);
        let words = format!("{}\n\n{}\n", query.describe(Language::Dutch), query.describe(Language::English));
        let beside = folder().join("plain").join(format!("{}.txt", query.id()));
        if write {
            std::fs::write(&beside, &words).unwrap();
        }
        let kept = std::fs::read_to_string(&beside).unwrap_or_default();
        assert!(
            kept == words,
            "{}: {} says something else\n{words}\nwritten anew by SAMENSOM_WRITE=1 cargo test -p samensom-tests --test e2e plain_words",
            query.id(),
            beside.display()
        );
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
