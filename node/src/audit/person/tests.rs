//! One person at a time over a frozen extract, and over one that is gone.

use super::*;
use crate::audit::{Asked, Audit, rows};
use crate::extract::{Frozen, Stop};
use crate::identity;
use samensom_protocol::ids::{AttemptId, RosterHash, WarrantHash};
use std::sync::Arc;
use tempfile::TempDir;

const EXTRACT: &str = r#"
[node]
state = "state"
[[extract]]
dataset = "administration"
file = "given.csv"
encoding = "utf-8"
separator = ";"
decimal = ","
unit_column = "e"
[extract.columns]
person = "p"
code = "c"
at = "d"
quantity = "q"
ward = "w"
"#;

const ROWS: &str = "p;c;d;q;w;e\nP1;a;2026-11-02;1;IC;mg\nP1;b;2026-11-02;1;C2;mg\nP2;b;2026-11-02;1;IC;mg\n\
                    P3;a;2026-11-02;1;C2;mg\nP4;x;2026-11-02;1;IC;mg\n";

/// Persons with code a or b on ward IC: P1 and P2.
const QUERY: &str = r#"
query = { id = "q", version = 3, title = { nl = "t", en = "t" }, purpose = "quality", dataset = "administration" }
floors = { hospitals = 1, patients = 10 }
population.where = "ward = 'IC'"
[[dimension]]
column = "code"
codes = ["a", "b"]
[[measure]]
name = "patients"
patients = true
[[measure]]
name = "holders"
hospitals = "count(*) > 0"
"#;

const SESSION: SessionId = SessionId([0xab; 32]);

struct Hospital {
    dir: TempDir,
    config: Config,
    audit: Audit,
}

fn hospital() -> Hospital {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("given.csv"), ROWS).unwrap();
    let config =
        Config::parse(EXTRACT, &dir.path().join("node.toml")).unwrap_or_else(|error| panic!("{error}"));
    let key = Arc::new(identity::load_or_make(&config.state).unwrap());
    let audit = Audit::open(&config.state, &key).unwrap();
    Hospital { dir, config, audit }
}

impl Hospital {
    fn freeze(&self) -> Frozen {
        let Config { reader, extracts, base_dir, state, .. } = &self.config;
        let now = crate::clock::now();
        let frozen = Snapshots::of_state(state).of_slot(
            reader,
            extracts,
            base_dir,
            ("care", 7),
            now,
            &Stop::default(),
        );
        frozen.unwrap_or_else(|error| panic!("{error}"))
    }

    fn answers(&self) -> Frozen {
        let query =
            Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap_or_else(|error| panic!("{error}"));
        let hash = QueryHash(Transcript::new(Label::Query).bytes(&query.canonical().unwrap()).finish());
        self.audit.keep_query(&hash, &query).unwrap();
        let asked = Asked {
            id: "q".to_owned(),
            version: 3,
            hash,
            purpose: "quality".to_owned(),
            dataset: "administration".to_owned(),
            cells: 2,
            floor_hospitals: 5,
            requested_by: ["B. Smit".to_owned(), "lcg".to_owned()],
            approved_by: vec![],
        };
        let (attempt, lock, slot) = (AttemptId([1; 32]), "care".to_owned(), 7);
        let warrant = WarrantHash([3; 32]);
        let offered = Event::Offered {
            attempt: attempt.to_hex(),
            session: SESSION,
            warrant,
            lock: lock.clone(),
            slot,
            query: asked,
        };
        self.audit.tell(offered).unwrap();
        let frozen = self.freeze();
        let (extract, declared) = (frozen.content, frozen.hash);
        let answered =
            Event::Answered { session: SESSION, lock, slot, extract, declared, rows: rows(&frozen) };
        self.audit.tell(answered).unwrap();
        let roster = RosterHash([4; 32]);
        self.audit.tell(Event::Spent { attempt, session: SESSION, warrant, roster, extract }).unwrap();
        frozen
    }

    fn asks(&self, person: &str) -> Result<Answer, Error> {
        ask(&self.config, "abab", person)
    }
}

#[test]
fn a_person_is_in_the_population_when_one_of_its_rows_is_in_a_cell() {
    let hospital = hospital();
    hospital.answers();
    for (person, expected) in
        [("P1", true), ("P2", true), ("P3", false), ("P4", false), ("P9", false), ("' OR 1=1 --", false)]
    {
        let answer = hospital.asks(person).unwrap();
        assert_eq!(answer.in_population, Some(expected), "{person}");
        assert_eq!((answer.report_left, answer.query.as_str()), (true, "q version 3"));
        assert_eq!(answer.records.first_chunk::<3>(), Some(&[1, 2, 3]), "offered, answered, spent");
    }
    let log = std::fs::read_to_string(folder(&hospital.config.state).join(file::LOG)).unwrap();
    for person in ["P1", "P2", "P9", "OR 1=1"] {
        assert!(!log.contains(person), "the log does not say of whom it was asked: {person}");
    }
    assert_eq!(log.matches("\"event\":\"person-asked\"").count(), 6);
}

#[test]
fn of_an_extract_that_is_gone_or_another_it_says_so() {
    let hospital = hospital();
    let frozen = hospital.answers();
    std::fs::remove_file(frozen.path()).unwrap();
    let gone = hospital.asks("P1").unwrap();
    assert_eq!(gone.in_population, None);
    assert!(gone.to_string().contains("no longer kept"), "{gone}");
    // Frozen anew from other rows under the same name: not the extract of the session.
    std::fs::write(hospital.dir.path().join("given.csv"), ROWS.replace("P1;a", "P3;a")).unwrap();
    hospital.freeze();
    assert_eq!(hospital.asks("P1").unwrap().in_population, None);
    assert!(hospital.asks("P1").unwrap().to_string().contains("cannot be told"));
}

#[test]
fn a_query_that_was_changed_and_an_unknown_session_are_named() {
    let hospital = hospital();
    hospital.answers();
    for wrong in ["cdcd", "ab", ""] {
        let error = ask(&hospital.config, wrong, "P1").unwrap_err();
        assert!(error.to_string().contains("session"), "{error}");
    }
    let queries = folder(&hospital.config.state).join("queries");
    let kept = std::fs::read_dir(queries).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&kept).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&kept, bytes).unwrap();
    assert!(hospital.asks("P1").unwrap_err().to_string().contains("it was changed"));
}
