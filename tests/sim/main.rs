//! The seeded simulator: claims over many seeds.

use samensom_tests::sim::campaign;
use samensom_tests::sim::plan::{Plan, Size};
use samensom_tests::sim::shrink;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn size() -> Size {
    if number("SAMENSOM_SIM_SIZE") == Some(69) { Size::Large } else { Size::Small }
}

/// Tells one seed: `SAMENSOM_SIM_SEED`, and `SAMENSOM_SIM_SIZE=69` for the large ones.
#[test]
fn replay() {
    let Some(seed) = number("SAMENSOM_SIM_SEED") else { return };
    if number("SAMENSOM_SIM_WHOLE").is_some() {
        return println!("{}", samensom_tests::sim::tell(seed, size()).story.join("\n"));
    }
    println!("{}", shrink::story(&Plan::of(seed, size()), None));
    let (violation, _, _) = campaign::one(seed, size(), None);
    assert_eq!(violation, None);
}

#[test]
#[ignore = "as long as one likes: SAMENSOM_SIM_SEEDS"]
fn long() {
    let first = number("SAMENSOM_SIM_SEED").unwrap_or(0);
    let seeds = number("SAMENSOM_SIM_SEEDS").unwrap_or(1_000_000);
    let ran = campaign::run(first..first + seeds, size(), 5);
    println!("{}", ran.report(size()));
    assert!(ran.failures.is_empty());
}
