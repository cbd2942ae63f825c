//! The random analyst (06): no pair of released figures is about fewer hospitals than the floor.

use crate::runs::{all, asked, replay};
use samensom_tests::analyst::{Analysts, Told};

const QUERIES: usize = 400;
const POOL: u64 = 6;

/// The most runs by `SAMENSOM_RUNS=1000000`.
#[test]
#[cfg_attr(samensom_ablation, ignore = "runs with every check on, without the cfg")]
fn random_analyst() {
    let analysts = Analysts::new(QUERIES, POOL);
    let (seed, count) = asked(50_000);
    let (mut sum, mut isolated) = (Told::default(), None);
    all(
        (seed, count),
        || {},
        |seed| analysts.ask(seed, true),
        |seed, told| {
            (sum.ran, sum.refused) = (sum.ran + told.ran, sum.refused + told.refused);
            sum.figures += told.figures;
            isolated = told.isolated.map(|what| (seed, what));
            isolated.is_none()
        },
    );
    println!("{count} sequences: {} queries ran, {} refused, {} figures", sum.ran, sum.refused, sum.figures);
    if let Some((seed, what)) = isolated {
        panic!("{what}\n{}", replay("analyst::random_analyst", seed));
    }
    assert!(count < 1000 || sum.ran > sum.refused / 4 && sum.figures > sum.ran, "{sum:?}");
}

/// The model finds what the rule prevents.
#[test]
fn without_the_rule_a_random_analyst_finds_few() {
    let analysts = Analysts::new(QUERIES, POOL);
    let isolated = (0..500).filter(|seed| analysts.ask(*seed, false).isolated.is_some()).count();
    assert!(isolated > 20, "{isolated} of 500 sequences");
}
