//! A large extract without its database: what a survey becomes in a snapshot, and what is not made of it.

use super::*;
use crate::extract::accounting::{DateSeen, UnitSeen};
use crate::extract::database::{Survey, kept};
use crate::extract::draft;
use samensom_protocol::query::{Dataset, Date, Unit};
use std::path::Path;

const LARGE: &str = "select = \"v.sql\"\ndatabase = \"d.toml\"\nlarge = true\nunit = \"piece\"\n";

fn large(dataset: &str, more: &str) -> ExtractConfig {
    let day = match dataset {
        "stock" => "as_of",
        "use" => "period",
        _ => "ordered",
    };
    config(&format!(
        "dataset = \"{dataset}\"\n{LARGE}{more}[columns]\ncode = \"c\"\nquantity = \"q\"\n{day} = \"d\"\n"
    ))
}

fn survey(dataset: Dataset) -> Survey {
    let mut accounting = Accounting::new(dataset, "v.sql".to_owned());
    accounting.used = 3;
    accounting.newest = Date::parse("2026-11-01");
    accounting.units = vec![UnitSeen { unit: Unit::Piece, rows: 3, first_row: 0 }];
    Survey { digest: "12-34".to_owned(), accounting }
}

/// Writes a draft of extracts of which these surveys were kept, as the reading child does, and opens it.
fn frozen(folder: &Path, configs: &[ExtractConfig], surveys: &[Survey]) -> Result<Frozen, ExtractError> {
    let _ = std::fs::remove_file(folder.join(draft::NAME));
    for config in configs {
        let survey = surveys.iter().find(|survey| survey.accounting.dataset == config.dataset);
        if let (Some(survey), Some(kept)) = (survey, kept(config, folder)) {
            std::fs::write(kept, serde_json::to_vec(survey).unwrap()).unwrap();
        }
    }
    draft::write(configs, folder, folder, NOW)?;
    Frozen::open(&folder.join(draft::NAME))
}

fn hashes(frozen: &Frozen) -> ([u8; 32], [u8; 32]) {
    (frozen.content.0, frozen.hash.0)
}

#[test]
fn the_hashes_are_of_the_digest_the_counts_and_the_description() {
    let folder = tempfile::tempdir().unwrap();
    let stock = large("stock", "");
    let of = |config: &ExtractConfig, survey: Survey| {
        hashes(&frozen(folder.path(), std::slice::from_ref(config), &[survey]).unwrap())
    };
    let first = of(&stock, survey(Dataset::Stock));
    assert_eq!(of(&stock, survey(Dataset::Stock)), first);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "the snapshot alone: the survey is gone"
    );
    let other = |change: &dyn Fn(&mut Survey)| {
        let mut other = survey(Dataset::Stock);
        change(&mut other);
        of(&stock, other)
    };
    for change in [
        &(|survey: &mut Survey| survey.digest = "12-35".to_owned()) as &dyn Fn(&mut Survey),
        &|survey| survey.accounting.used = 4,
        &|survey| survey.accounting.units[0].rows = 2,
        &|survey| survey.accounting.units[0].unit = Unit::Ml,
    ] {
        let (content, id) = other(change);
        assert!(content != first.0 && id != first.1);
    }
    // Who objects is in no row, and another code kind is another meaning of the same rows.
    assert_eq!(other(&|survey| survey.accounting.objected = 9), first);
    let (content, id) = of(&large("stock", "code_kind = \"zi\"\n"), survey(Dataset::Stock));
    assert!(content == first.0 && id != first.1);
}

#[test]
fn a_snapshot_that_says_something_else_of_a_large_extract_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join(draft::NAME);
    for change in [
        "UPDATE pushed SET digest = '12-35'",
        "DELETE FROM pushed",
        "UPDATE pushed SET dataset = 'use'",
        "UPDATE pushed SET dataset = 'nothing'",
        "UPDATE unit SET rows = 2",
        "UPDATE unit SET unit = 'ml'",
        "UPDATE accounting SET account = replace(account, '\"total\":3,\"used\":3', '\"total\":4,\"used\":4')",
        "INSERT INTO pushed VALUES ('orders', '12-34')",
        "UPDATE description SET declared = replace(declared, 'large', 'small')",
    ] {
        frozen(folder.path(), &[large("stock", "")], &[survey(Dataset::Stock)]).unwrap();
        let changed = rusqlite::Connection::open(&db).unwrap().execute(change, []).unwrap();
        assert_eq!(changed, 1, "{change}");
        let told = text(Frozen::open(&db));
        assert!(told.contains("not the extract that was frozen"), "{change}: {told}");
    }
}

#[test]
fn the_rules_over_the_whole_hold_for_a_survey() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &str, change: &dyn Fn(&mut Accounting)| {
        let mut survey = survey(Dataset::Stock);
        change(&mut survey.accounting);
        text(frozen(folder.path(), &[large("stock", more)], &[survey]))
    };
    let two = refused("", &|accounting| {
        accounting.units.push(UnitSeen { unit: Unit::Ml, rows: 1, first_row: 0 });
    });
    assert!(two.contains("several units in one file: `piece`, `ml`, expected one"), "{two}");
    let days = refused("", &|accounting| {
        let day = |text: &str| DateSeen { date: Date::parse(text).unwrap(), first_row: 0 };
        accounting.dates = vec![day("2026-10-31"), day("2026-11-01")];
    });
    assert!(
        days.contains("several reference dates in one stock: 2026-10-31, 2026-11-01, expected"),
        "{days}"
    );
    let old = refused("max_age = \"36h\"\n", &|accounting| accounting.newest = Date::parse("2026-10-01"));
    assert!(old.contains("its newest date is 2026-10-01"), "{old}");
    // A survey of another data set is none of this one.
    let mut other = survey(Dataset::Use);
    let path = kept(&large("stock", ""), folder.path()).unwrap();
    other.accounting.used = 3;
    std::fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
    let told = text(draft::survey(&large("stock", ""), folder.path()));
    assert!(told.contains("stock.survey: reading the kept survey: of another data set"), "{told}");
}

#[test]
fn nothing_is_made_of_rows_that_are_not_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = |dataset: &str, day: &str, row: &str| {
        std::fs::write(folder.path().join(format!("{dataset}.csv")), format!("c;q;d\n{row}\n")).unwrap();
        config(&format!(
            "dataset = \"{dataset}\"\nfile = \"{dataset}.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
             decimal = \",\"\nunit = \"piece\"\n[columns]\ncode = \"c\"\nquantity = \"q\"\n{day} = \"d\"\n"
        ))
    };
    let files = [
        file("stock", "as_of", "a;1;2026-11-01"),
        file("orders", "ordered", "a;1;2026-10-01"),
        file("use", "period", "a;1;2026-10-01"),
    ];
    let position = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"position\" }\n\
                    [[measure]]\nname = \"n\"\nrows = true\n";
    let position = Query::from_toml(position, &mut |_| Err(String::new())).unwrap();
    let all = frozen(folder.path(), &files, &[]).unwrap();
    assert_eq!(evaluate(&position, &all).unwrap(), [1]);
    let mixed = [files[0].clone(), files[1].clone(), large("use", "")];
    let part = frozen(folder.path(), &mixed, &[survey(Dataset::Use)]).unwrap();
    let told = evaluate(&position, &part).unwrap_err();
    assert_eq!(told.code(), "cannot");
    let told = told.to_string();
    assert!(told.contains("data set position is made of use, whose [[extract]] is large"), "{told}");
    // The others are here, and the large one is not answered from here.
    let lines = "[[measure]]\nname = \"n\"\nrows = true\n";
    assert_eq!(evaluate(&query(lines), &part).unwrap(), [1]);
    let head = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"use\" }\n";
    let of_use = Query::from_toml(&format!("{head}{lines}"), &mut |_| Err(String::new())).unwrap();
    let told = evaluate(&of_use, &part).unwrap_err().to_string();
    assert!(told.contains("its rows stay in the database"), "{told}");
}

/// Of administrations alone a course can be made, and another one of them and of what is not here.
#[test]
fn no_course_is_made_without_the_admissions_that_are_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let columns = "[columns]\nperson = \"p\"\ncode = \"c\"\nat = \"d\"\nquantity = \"q\"\n";
    std::fs::write(folder.path().join("a.csv"), "p;c;d;q\n1;a;2026-01-01;1\n").unwrap();
    let given = config(&format!(
        "dataset = \"administration\"\nfile = \"a.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n\
         unit = \"mg\"\n{columns}"
    ));
    let stays = config(
        "dataset = \"admission\"\nselect = \"v.sql\"\ndatabase = \"d.toml\"\nlarge = true\n[columns]\nperson = \"p\"\n\
         stay = \"s\"\nfrom = \"f\"\n",
    );
    let alone = frozen(folder.path(), std::slice::from_ref(&given), &[]).unwrap();
    assert!(alone.accounting_of(Dataset::Course).is_some());
    let mut survey = survey(Dataset::Admission);
    survey.accounting.units.clear();
    let part = frozen(folder.path(), &[given, stays], &[survey]).unwrap();
    assert!(part.accounting_of(Dataset::Course).is_none());
    assert!(part.accounting_of(Dataset::Administration).is_some());
}

/// Asked of the snapshot, which has no such rows, it failed as a defect of the agent in place of saying so.
#[test]
fn repro_of_a_person_in_a_large_extract_nothing_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let given = config(&format!(
        "dataset = \"administration\"\n{LARGE}[columns]\nperson = \"p\"\ncode = \"c\"\nat = \"d\"\nquantity = \"q\"\n"
    ));
    let frozen = frozen(folder.path(), &[given], &[survey(Dataset::Administration)]).unwrap();
    let text = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"t\", en = \"t\" }\npurpose = \"quality\"\n\
                dataset = \"administration\"\n[[measure]]\nname = \"persons\"\npatients = true\n\
                [[measure]]\nname = \"there\"\nhospitals = \"count(*) > 0\"\n[floors]\nhospitals = 1\npatients = 10\n";
    let query = samensom_protocol::query::Query::from_toml(text, &mut |_| Err(String::new())).unwrap();
    assert_eq!(crate::extract::rows_of_person(&query, &frozen, "p1").unwrap(), None);
}
