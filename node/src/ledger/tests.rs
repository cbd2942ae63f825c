//! The ledger on a real disk: reopened, meddled with, shared, failing.

use super::*;
use samensom_protocol::codec::{Blob, List};
use samensom_protocol::ids::{AttemptId, ExtractHash, NodeId, PublicKey, ResultHash, RosterHash};
use samensom_protocol::roster::SignedRoster;

fn frozen(slot: u64) -> Record {
    Record::Frozen {
        lock: samensom_protocol::codec::Text::new("goods").unwrap(),
        slot,
        extract: ExtractHash([1; 32]),
        roster: RosterHash([2; 32]),
        at: Time(5),
    }
}

fn three(dir: &Path) -> Vec<Record> {
    let records = vec![
        frozen(7),
        Record::Released { sid: AttemptId([3; 32]) },
        Record::Filed { sid: AttemptId([3; 32]), result: ResultHash([4; 32]) },
    ];
    let mut ledger = Ledger::open(dir).unwrap();
    for (seq, record) in (1..).zip(&records) {
        assert_eq!(ledger.append(record).unwrap(), seq);
    }
    records
}

fn meddle(dir: &Path, sql: &str) {
    let connection = Connection::open(dir.join(DATABASE)).unwrap();
    connection
        .execute_batch("DROP TRIGGER record_is_not_changed; DROP TRIGGER record_is_not_deleted")
        .unwrap();
    assert_eq!(connection.execute(sql, ()).unwrap(), 1, "{sql}");
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let records = three(dir.path());
    let mut ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!((ledger.seq(), ledger.records().unwrap()), (3, records));
    assert_eq!(ledger.append(&frozen(8)).unwrap(), 4);
    let beside = Ledger::open_to_read(dir.path()).unwrap();
    assert_eq!(beside.seq(), 4);
    assert!(beside.entries().unwrap().iter().all(|entry| entry.at.0 > 1_600_000_000_000));
}

#[test]
fn a_ledger_that_was_changed_is_refused() {
    for (sql, seq, what) in [
        ("UPDATE record SET body = replace(body, 'goods', 'goodt') WHERE seq = 1", 1, "changed"),
        ("UPDATE record SET at_ms = at_ms + 1 WHERE seq = 2", 2, "changed"),
        ("UPDATE record SET hash = zeroblob(32) WHERE seq = 3", 3, "changed"),
        ("UPDATE record SET previous = zeroblob(32) WHERE seq = 2", 2, "follow"),
        ("DELETE FROM record WHERE seq = 2", 2, "missing"),
        ("UPDATE record SET seq = 9 WHERE seq = 3", 3, "missing"),
        ("UPDATE record SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 2", 2, "damaged"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        three(dir.path());
        meddle(dir.path(), sql);
        for refused in [Ledger::open(dir.path()), Ledger::open_to_read(dir.path())] {
            let Err(LedgerError::BrokenChain { seq: at, what: text, .. }) = refused else { panic!("{sql}") };
            assert!(at == seq && text.contains(what), "{sql}: record {at}: {text}");
        }
    }
}

#[test]
fn a_second_agent_over_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Ledger::open(dir.path()).unwrap();
    assert!(matches!(Ledger::open(dir.path()), Err(LedgerError::InUse { .. })));
    assert!(is_running(dir.path()));
    drop(first);
    assert!(!is_running(dir.path()));
    Ledger::open(dir.path()).unwrap();
}

#[test]
fn a_failed_write_is_the_last() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path());
    let mut ledger = Ledger::open(dir.path()).unwrap();
    let other = Connection::open(dir.path().join(DATABASE)).unwrap();
    other.execute_batch("ALTER TABLE record RENAME TO gone").unwrap();
    assert!(matches!(ledger.append(&frozen(8)), Err(LedgerError::Disk { doing: "writing", .. })));
    other.execute_batch("ALTER TABLE gone RENAME TO record").unwrap();
    assert!(matches!(ledger.append(&frozen(8)), Err(LedgerError::Unknown)));
    assert_eq!(Ledger::open_to_read(dir.path()).unwrap().seq(), 3);
}

#[test]
fn what_is_durable_stays_within_sqlites_promise() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let ask = |pragma: &str| -> String {
        ledger
            .connection
            .query_row(pragma, (), |row| row.get::<_, rusqlite::types::Value>(0))
            .map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
    };
    assert_eq!(ask("PRAGMA journal_mode"), "Text(\"wal\")");
    assert_eq!(ask("PRAGMA synchronous"), "Integer(2)");
}

#[test]
fn an_absent_and_a_newer_state_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Ledger::open_to_read(dir.path()), Err(LedgerError::Absent { .. })));
    three(dir.path());
    let connection = Connection::open(dir.path().join(DATABASE)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(dir.path()), Err(LedgerError::Newer { found: 99, .. })));
}

#[test]
fn the_state_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    Pins::open(&state).unwrap();
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn pins_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut pins = Pins::open(dir.path()).unwrap();
    assert_eq!(pins.enrolment().unwrap(), None);
    let first = Enrolment {
        coordinator: "a:1".to_owned(),
        coordinator_key: PublicKey([1; 32]),
        founding_roster: RosterHash([2; 32]),
        hospital: NodeId(12),
        institution: "h12".to_owned(),
    };
    pins.enrol(&first).unwrap();
    let moved = Enrolment { coordinator: "b:2".to_owned(), hospital: NodeId(9), ..first.clone() };
    pins.enrol(&moved).unwrap();
    let expected = Enrolment { coordinator: "b:2".to_owned(), ..first };
    assert_eq!(Pins::open_to_read(dir.path()).unwrap().enrolment().unwrap(), Some(expected));

    let signed = SignedRoster { body: Blob::new(vec![1, 2]).unwrap(), signatures: List::default() };
    let held = StoredRoster { signed, accepted: false };
    for epoch in 0..3 {
        pins.add_roster(epoch, &held).unwrap();
    }
    let other = SignedRoster { body: Blob::new(vec![3]).unwrap(), signatures: List::default() };
    assert!(pins.add_roster(1, &StoredRoster { signed: other, accepted: true }).is_err());
    assert_eq!(pins.accepted_epoch().unwrap(), None);
    pins.accept(1).unwrap();
    pins.add_roster(1, &held).unwrap();
    assert_eq!(pins.accepted_epoch().unwrap(), Some(1));
    let accepted: Vec<_> = pins.rosters().unwrap().iter().map(|roster| roster.accepted).collect();
    assert_eq!(accepted, [true, true, false]);
    assert!(
        Connection::open(dir.path().join(DATABASE))
            .unwrap()
            .execute("UPDATE roster SET accepted = 0", ())
            .is_err()
    );
    assert!(Connection::open(dir.path().join(DATABASE)).unwrap().execute("DELETE FROM roster", ()).is_err());
}
