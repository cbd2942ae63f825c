//! The bundle that a demo leaves: accepted as it is, refused when a single byte of it changed.

use samensom_tests::harness::{Ended, demo, samensom};
use std::path::PathBuf;
use std::process::{Command, Output};

const FLIPS: usize = 1_000;

/// A demo that ended, and its bundle; dropped together.
fn bundle() -> (Ended, PathBuf) {
    let ended = demo(&["--hospitals", "9"]);
    let path = PathBuf::from(ended.facts["bundle"].as_str().unwrap());
    (ended, path)
}

fn verify(args: &[&str]) -> Output {
    Command::new(samensom()).args(["result", "verify"]).args(args).output().unwrap()
}

#[test]
fn the_bundle_is_enough_to_verify_and_its_words_are_compared() {
    let (_ended, path) = bundle();
    let path = path.to_str().unwrap();
    let bare = verify(&[path, "--format", "json"]);
    assert!(bare.status.success(), "{}", String::from_utf8_lossy(&bare.stderr));
    let facts: serde_json::Value = serde_json::from_slice(&bare.stdout).unwrap();
    assert_eq!(facts["words_compared"], false);
    let words = facts["founding_roster_words"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 6);
    assert!(verify(&[path, "--roster-fingerprint", words]).status.success());
    // It says what it checked, in both languages, and warns when there was nothing to compare.
    for (lang, says, warns) in [
        ("nl", "de woorden die u opgaf", "iemand anders"),
        ("en", "the words that you gave", "somebody else's"),
    ] {
        let told = |args: &[&str]| String::from_utf8(verify(args).stdout).unwrap();
        let (bare, compared) =
            (told(&[path, "--lang", lang]), told(&[path, "--lang", lang, "--roster-fingerprint", words]));
        assert!(bare.contains(warns) && !bare.contains(says) && bare.contains(words), "{bare}");
        assert!(compared.contains(says) && !compared.contains(warns), "{compared}");
        assert!(bare.lines().filter(|line| line.starts_with("- ")).count() == 5, "{bare}");
    }
    let wrong = words.split(' ').rev().collect::<Vec<_>>().join(" ");
    assert_eq!(verify(&[path, "--roster-fingerprint", &wrong]).status.code(), Some(8));
}

#[test]
fn a_result_is_exported_as_table_facts_and_chart() {
    let (ended, path) = bundle();
    let export = |name: &str| {
        let out = path.with_file_name(name);
        let told =
            Command::new(samensom()).args(["result", "export"]).arg(&path).arg("--out").arg(&out).output();
        (told.unwrap(), std::fs::read_to_string(&out).unwrap_or_default())
    };
    let [csv, json, svg] = ["r.csv", "r.json", "r.svg"].map(|name| {
        let (told, text) = export(name);
        assert!(told.status.success(), "{name}: {}", String::from_utf8_lossy(&told.stderr));
        text
    });
    let facts: serde_json::Value = serde_json::from_str(&json).unwrap();
    let totals = ended.facts["totals"].as_array().unwrap();
    assert!(!totals.is_empty() && facts["totals"] == ended.facts["totals"]);
    // A figure is the same text everywhere, and the chart has all of them.
    for total in totals {
        let value = total["value"].as_str().unwrap();
        assert!(csv.contains(value), "{value}: {csv}");
        assert!(svg.contains(&format!("\n{value}\n</text>")), "{value}: {svg}");
    }
    let measures: std::collections::BTreeSet<_> =
        totals.iter().filter_map(|one| one["measure"].as_str()).collect();
    let lines = csv.lines().count() - 1;
    assert_eq!(lines * measures.len(), totals.len(), "{csv}");
    let (told, _) = export("r.pdf");
    assert!(String::from_utf8_lossy(&told.stderr).contains(".csv, .json or .svg"), "{told:?}");
    // A file that is there is never written over.
    let (told, kept) = export("r.svg");
    assert!(!told.status.success() && kept == svg);
}

#[test]
fn a_thousand_flipped_bytes_are_each_refused() {
    let (_ended, path) = bundle();
    let bytes = std::fs::read(&path).unwrap();
    assert!(samensom_coordinator::result::read_bundle(&bytes).is_ok());
    // A multiplicative walk over the places, reproducible and without a pattern that the format shares.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for flip in 0..FLIPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = usize::try_from(state >> 16).unwrap() % bytes.len();
        let bit = 1_u8 << (state >> 8 & 7);
        let mut wrong = bytes.clone();
        wrong[place] ^= bit;
        assert!(
            samensom_coordinator::result::read_bundle(&wrong).is_err(),
            "flip {flip}: bit {bit:#04x} of byte {place}"
        );
    }
    println!("{FLIPS} flips of {} bytes were refused", bytes.len());
    let wrong = path.with_extension("wrong");
    let mut changed = bytes;
    let last = changed.len() / 2;
    changed[last] ^= 1;
    std::fs::write(&wrong, changed).unwrap();
    assert_eq!(verify(&[wrong.to_str().unwrap()]).status.code(), Some(8));
}
