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
    let wrong = words.split(' ').rev().collect::<Vec<_>>().join(" ");
    assert_eq!(verify(&[path, "--roster-fingerprint", &wrong]).status.code(), Some(8));
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
