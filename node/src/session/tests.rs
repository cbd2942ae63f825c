//! What an extract is known by.

use super::answered::Before;
use super::*;
use crate::extract::ExtractConfig;
use samensom_protocol::message::Pass;
use samensom_protocol::query::Query;

/// A03: what a slot is bound to is the rows; another way to write and to declare them changes nothing.
#[test]
fn repro_an_extract_declared_in_another_way_is_the_same_extract() {
    let query = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"q\", en = \"q\" }\npurpose = \"stock\"\n\
                 dataset = \"stock\"\n[[measure]]\nname = \"lines\"\nrows = true\n";
    let query = Query::from_toml(query, &mut |_| Err(String::new())).unwrap();
    let warrant = crate::testing::warrant(&query);
    let class = query.class_of(|_| None);
    let what = What {
        sid: AttemptId([0; 32]),
        me: NodeId(1),
        pass: Pass::Value,
        open: None,
        patients_each: 0,
        dominance: None,
        class,
    };
    let contributed = |decimal: &str, rows: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.csv"), format!("c;q\n{rows}\n")).unwrap();
        let text = format!(
            "[[extract]]\ndataset = \"stock\"\nfile = \"s.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
             decimal = \"{decimal}\"\nunit = \"piece\"\n[extract.columns]\ncode = \"c\"\nquantity = \"q\"\n"
        );
        let config = Config::parse(&text, &folder.path().join("node.toml")).unwrap();
        let snapshots = Snapshots::of_state(&folder.path().join("state"));
        figures(
            (&config, &config.extracts, &Before::default()),
            &snapshots,
            ("goods", 1),
            (&warrant, &what),
            &Stop::default(),
        )
        .unwrap()
        .0
        .extract()
    };
    let first = contributed(",", "a;1,5");
    assert_eq!(contributed(".", "a;1.5"), first);
    assert_ne!(contributed(".", "a;1.6"), first);
}

/// A03 is over the rows of one lock: stock that changes every night opens no extract of patients anew.
#[test]
fn repro_an_extract_is_of_the_data_sets_of_its_lock() {
    let of = |dataset: &str, columns: &str| -> ExtractConfig {
        let text = format!(
            "dataset = \"{dataset}\"\nfile = \"x.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n\
             date = \"%Y-%m-%d\"\nunit = \"mg\"\ncolumns = {{ code = \"c\", quantity = \"q\"{columns} }}\n"
        );
        toml::from_str(&text).unwrap()
    };
    let declared = [of("stock", ""), of("administration", ", person = \"p\", at = \"d\"")];
    let founding = crate::testing::founding();
    let goods = founding.locks.first();
    let names = |lock| -> Vec<&str> {
        of_lock(&declared, lock).iter().map(|one| one.dataset.name()).collect::<Vec<_>>()
    };
    assert_eq!(names(goods), ["stock"]);
    assert_eq!(names(None), ["stock", "administration"]);
}
