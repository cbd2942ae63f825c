//! The attack catalogue: every number has a test and a red control, and the manual's table is made of their
//! names.
//!
//! A test is `attack_NN_what_checks`, its control `control_NN_what`. The checks are ids (`a07`), or one of a
//! few words for a defence that is none. `SAMENSOM_WRITE=1` writes the table anew.

use super::{Source, root, sources};
use std::collections::BTreeMap;

const PAGE: &str = "protocol/src/manual/attacks.md";

/// Numbers of protocol.md, section 2, that can be tested at this stage, and 59, the rule of 3.2 (a). 49 is a claim of
/// its own.
const NUMBERS: [u16; 57] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 27, 28, 29, 30,
    31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56,
    57, 58, 59,
];

/// Defences that are no check by an id.
const DEFENCES: [(&str, &str); 11] = [
    ("blinded", "blindings under the masks of the cells, modulo ell"),
    ("canonical", "one encoding"),
    ("caps", "caps in the types"),
    ("kdf", "attempt and GO in every key"),
    ("length", "lengths follow the warrant alone"),
    ("overlap", "patients between two predicates, on the hospital's own rows"),
    ("pq", "X-Wing, hashes for commitments"),
    ("range", "range of a figure, at its hospital"),
    ("sid", "the attempt's id covers the header"),
    ("uniform", "uniform secrets, zero included"),
    ("wipe", "secrets are given once, then wiped"),
];

/// A test's place and name.
#[derive(Debug)]
struct Named<'a> {
    path: &'a str,
    name: &'a str,
}

/// Tests whose names begin so, by the number that follows.
fn tests<'a>(sources: &'a [Source], prefix: &str) -> BTreeMap<u16, Vec<Named<'a>>> {
    let mut found: BTreeMap<u16, Vec<Named>> = BTreeMap::new();
    let mut files: Vec<&Source> =
        sources.iter().filter(|one| one.path.starts_with("tests/") && one.path.ends_with(".rs")).collect();
    files.sort_by_key(|one| &one.path);
    for source in files {
        let mut is_test = false;
        for line in source.text.lines() {
            if let Some(rest) = line.strip_prefix("fn ")
                && let Some(number) = rest.strip_prefix(prefix).and_then(|rest| rest.split('_').next())
                && let (true, Ok(number)) = (is_test, number.parse())
            {
                let name = rest.split('(').next().unwrap_or_default();
                found.entry(number).or_default().push(Named { path: &source.path, name });
            }
            is_test = line == "#[test]" || (is_test && line.starts_with("#["));
        }
    }
    found
}

/// What a test's name says: the attack in words, and its checks.
fn read(name: &str) -> (String, Vec<String>) {
    let mut words: Vec<&str> = name.splitn(3, '_').nth(2).unwrap_or_default().split('_').collect();
    let mut checks = Vec::new();
    while let Some(check) = words.last().and_then(|word| check(word)) {
        words.pop();
        checks.insert(0, check);
    }
    (words.join(" "), checks)
}

fn check(word: &str) -> Option<String> {
    let id = word.strip_prefix('a').is_some_and(|id| id.len() == 2 && id.parse::<u8>().is_ok());
    let defence = DEFENCES.iter().find(|(name, _)| *name == word);
    id.then(|| word.to_uppercase()).or_else(|| defence.map(|(_, text)| (*text).to_owned()))
}

/// The page, from the tests.
fn page(sources: &[Source]) -> String {
    use std::fmt::Write as _;
    let (attacks, controls) = (tests(sources, "attack_"), tests(sources, "control_"));
    let mut page = String::from(
        "# Attacks, and what stops each\n\nThe numbers are those of the catalogue in the specification, \
         section 2. A test plays its attack with\nevery check on; its red control, compiled under `--cfg \
         samensom_ablation` alone, plays the same attack with\nthat defence off, and there the liar must win. \
         What is played over the wire\nis played between the real programs; its control is that of the same \
         number in memory. This table is made of\nthe tests' names (`tests/e2e/tidy/attacks.rs`).\n\n\
         | # | attack | check | test | red control |\n|---|---|---|---|---|\n",
    );
    let list = |all: &[Named]| all.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ");
    for (number, of) in &attacks {
        let own = controls.get(number).map_or(&[][..], Vec::as_slice);
        for one in of {
            let (what, checks) = read(one.name);
            let row =
                format!("| {number} | {what} | {} | `{}` | {} |", checks.join(", "), one.name, list(own));
            let _ = writeln!(page, "{row}");
        }
    }
    page
}

/// Every number has a test.
pub(super) fn the_catalogue_is_whole(sources: &[Source]) -> Vec<String> {
    let attacks = tests(sources, "attack_");
    let missing = NUMBERS.iter().filter(|number| !attacks.contains_key(number));
    missing.map(|number| format!("attack {number} has no test")).collect()
}

/// Every test names its attack and its check, and has a control; no control is without its attack.
pub(super) fn every_attack_has_its_control(sources: &[Source]) -> Vec<String> {
    let (attacks, controls) = (tests(sources, "attack_"), tests(sources, "control_"));
    let mut complaints = Vec::new();
    for (number, of) in &attacks {
        if !controls.contains_key(number) {
            complaints.push(format!("attack {number} has no red control"));
        }
        for one in of {
            let (what, checks) = read(one.name);
            if what.is_empty() || checks.is_empty() {
                complaints.push(format!("{}: {} does not say what and by which check", one.path, one.name));
            }
        }
    }
    let stray = controls.keys().filter(|number| !attacks.contains_key(number));
    complaints.extend(stray.map(|number| format!("control {number} has no attack")));
    complaints
}

/// The manual's page is what the tests' names give.
pub(super) fn the_table_is_the_tests(sources: &[Source]) -> Vec<String> {
    let found = sources.iter().find(|source| source.path == PAGE).map(|source| source.text.as_str());
    if found == Some(page(sources).as_str()) {
        return Vec::new();
    }
    vec![format!("{PAGE} is not what the tests' names give; SAMENSOM_WRITE=1 writes it")]
}

/// Writes the page when it is asked for.
pub(super) fn write_if_asked() {
    if std::env::var_os("SAMENSOM_WRITE").is_some() {
        let path = root().join(PAGE);
        std::fs::write(path, page(&sources())).expect("the page can be written");
    }
}
