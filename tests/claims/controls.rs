//! Red controls: with one check switched off the same adversary breaks a claim within 2,000 runs; and leaks
//! planted in the core are found.

use crate::runs::{SIZES, all};
use samensom_protocol::ablation::{CHECKS, only};
use samensom_tests::adversary::{Outcome, run};

const MOST: u64 = 2_000;
/// Runs in which a check with backups must open nothing.
const QUIET: u64 = 1_000;

/// The first run, counted from 1, at which `red` holds with this check off.
fn first_red(
    name: &'static str,
    most: u64,
    red: impl Fn(&Outcome) -> bool + Send + Sync,
) -> Option<(u64, Outcome)> {
    let mut found: Option<(u64, Outcome)> = None;
    all(
        (1, most),
        || only(Some(name)),
        |seed| run(seed, &SIZES),
        |seed, outcome| {
            if red(&outcome) && found.as_ref().is_none_or(|(first, _)| seed < *first) {
                found = Some((seed, outcome));
            }
            found.is_none()
        },
    );
    found
}

fn must_leak(name: &'static str) {
    let found = first_red(name, MOST, |outcome| !outcome.leaks.is_empty());
    let Some((run, outcome)) = found else { panic!("{name}: no leak in {MOST} runs") };
    println!(
        "{name}: run {run}, n = {}, {:?}: {:?} {:?}",
        outcome.n, outcome.schemes, outcome.leaks, outcome.breaches
    );
}

#[test]
fn every_check_switched_off_lets_a_figure_leak() {
    let checks = CHECKS.iter().map(|(name, _)| *name);
    let leaking = |name: &&str| name.starts_with('a') && !name.ends_with("-alone") && *name != "a03-spacing";
    checks.filter(leaking).for_each(must_leak);
}

#[test]
fn every_leak_planted_in_the_core_is_found() {
    CHECKS.iter().map(|(name, _)| *name).filter(|name| name.starts_with("leak-")).for_each(must_leak);
}

/// The extracts of two slots are almost the same; that no sum of them may be so near is a claim of its own.
#[test]
fn slots_seconds_apart_are_found() {
    let Some((run, outcome)) = first_red("a03-spacing", MOST, Outcome::violates) else { panic!("not found") };
    println!("a03-spacing: run {run}, n = {}, {:?}: {:?}", outcome.n, outcome.schemes, outcome.breaches);
}

/// A19 and A20 back each other up, and A08's q backs both up: one alone off breaks a step of the proof, but
/// opens nothing.
#[test]
fn a_check_with_backups_breaks_the_proof_but_opens_nothing() {
    for name in CHECKS.iter().map(|(name, _)| *name).filter(|name| name.ends_with("-alone")) {
        let Some((run, outcome)) = first_red(name, MOST, Outcome::strays) else {
            panic!("{name}: no step breaks")
        };
        println!("{name}: run {run}, n = {}, {:?}: {:?}", outcome.n, outcome.schemes, outcome.breaches);
        let leak = first_red(name, QUIET, Outcome::violates);
        assert!(leak.is_none(), "{name}: {leak:?}");
    }
}
