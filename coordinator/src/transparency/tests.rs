//! A log is what its head signs, begins with what hospitals kept, and names a bundle once; a changed one is refused
//! with its line.

use super::*;
use crate::store::tests::identity;
use samensom_protocol::ids::{AttemptId, ResultHash, SessionId, WarrantHash};
use std::path::PathBuf;
use tempfile::TempDir;

fn entries() -> Vec<Entry> {
    let attempt = AttemptId([3; 32]);
    vec![
        Entry::Warrant { warrant: WarrantHash([1; 32]) },
        Entry::Refusals { attempt, hospitals: 4 },
        Entry::Ended { session: SessionId([2; 32]), attempt: Some(attempt), ending: Ending::Sum },
        Entry::Bundle { attempt, result: ResultHash([4; 32]), bundle: BundleHash([5; 32]) },
        Entry::Ended { session: SessionId([6; 32]), attempt: None, ending: Ending::NoSum },
    ]
}

fn signed(entries: &[Entry]) -> SignedTreeHead {
    let tree = tree_of(entries).unwrap();
    SignedTreeHead::new(&identity(700), head_of(&tree, tree.size()).unwrap()).unwrap()
}

fn lines(head: SignedTreeHead, entries: &[Entry]) -> Vec<String> {
    let head = serde_json::to_string(&HeadLine { coordinator: identity(700).public(), head }).unwrap();
    let of =
        |(number, entry): (u64, &Entry)| serde_json::to_string(&EntryLine { number, entry: *entry }).unwrap();
    [head].into_iter().chain((0..).zip(entries).map(of)).collect()
}

fn write(folder: &TempDir, name: &str, lines: &[String]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

#[test]
fn a_log_is_counted_once_its_head_signs_it() {
    let folder = TempDir::new().unwrap();
    let all = entries();
    let file = write(&folder, "log", &lines(signed(&all), &all));
    let verdict = verify(&file, None, None).unwrap();
    assert_eq!((verdict.entries, verdict.warrants, verdict.refusals), (5, 1, 4));
    assert_eq!((verdict.sums, verdict.failures, verdict.bundles, verdict.rosters), (1, 1, 1, 0));
    assert!(verdict.to_string().starts_with("5 entries, signed by "), "{verdict}");
}

#[test]
fn a_changed_log_is_refused_with_its_line() {
    let folder = TempDir::new().unwrap();
    let all = entries();
    let (head, mut other) = (signed(&all), all.clone());
    other[1] = Entry::Refusals { attempt: AttemptId([3; 32]), hospitals: 3 };
    let mut swapped = all.clone();
    swapped.swap(0, 1);
    let forged = SignedTreeHead::new(&identity(701), signed(&other).head).unwrap();
    let mut gap = lines(head, &all);
    gap.remove(2);
    let mut odd = lines(head, &all);
    odd[3] = odd[3].replace("\"number\"", "\"nummer\"");
    for (name, lines, says) in [
        ("one count changed", lines(head, &other), "not those that the head signs"),
        ("two swapped", lines(head, &swapped), "not those that the head signs"),
        ("the last left out", lines(head, &all[..4]), "not those that the head signs"),
        ("signed by another", lines(forged, &other), "not signed by the key beside it"),
        ("one left out", gap, "line 3"),
        ("another field", odd, "line 4"),
        ("empty", Vec::new(), "empty"),
    ] {
        let error = verify(&write(&folder, "log", &lines), None, None).unwrap_err();
        assert!(error.exit_code() == 8 && error.to_string().contains(says), "{name}: {error}");
    }
}

fn kept(head: SignedTreeHead) -> String {
    serde_json::json!({ "number": 1, "record": { "event": "tree-head", "head": head } }).to_string()
}

#[test]
fn a_log_begins_with_every_head_that_a_hospital_kept() {
    let folder = TempDir::new().unwrap();
    let all = entries();
    let file = write(&folder, "log", &lines(signed(&all), &all));
    let other = r#"{ "number": 2, "record": { "event": "started" } }"#.to_owned();
    let two = write(&folder, "two", &[kept(signed(&all[..2])), other.clone(), kept(signed(&all))]);
    assert_eq!(verify(&file, None, Some(&two)).unwrap().compared, 2);
    let mut story = all.clone();
    story[0] = Entry::Warrant { warrant: WarrantHash([9; 32]) };
    let longer = [all.clone(), entries()].concat();
    let stranger = SignedTreeHead::new(&identity(701), signed(&all).head).unwrap();
    for (name, kept, says) in [
        ("another story", vec![kept(signed(&all)), kept(signed(&story[..2]))], "line 2"),
        ("longer than the log", vec![kept(signed(&longer))], "does not begin with"),
        ("another coordinator's", vec![kept(stranger)], "not signed by the coordinator"),
        ("none", vec![other], "no head"),
        ("no records", vec!["x".to_owned()], "no record"),
    ] {
        let error = verify(&file, None, Some(&write(&folder, "kept", &kept))).unwrap_err();
        assert!(error.exit_code() == 8 && error.to_string().contains(says), "{name}: {error}");
    }
}
