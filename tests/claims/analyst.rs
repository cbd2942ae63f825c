//! The random analyst (06): no pair of released figures is about fewer hospitals than the floor.

use crate::runs::{all, asked, replay};
use samensom_tests::analyst::{Analysts, Told};

const QUERIES: usize = 300;
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
            (sum.lost, sum.figures) = (sum.lost + told.lost, sum.figures + told.figures);
            isolated = told.isolated.map(|what| (seed, what));
            isolated.is_none()
        },
    );
    println!(
        "{count} sequences: {} passes gave a sum, {} were refused, {} lost, {} figures",
        sum.ran, sum.refused, sum.lost, sum.figures
    );
    if let Some((seed, what)) = isolated {
        panic!("{what}\n{}", replay("analyst::random_analyst", seed));
    }
    assert!(count < 1000 || sum.ran > sum.refused / 4 && sum.figures > sum.ran / 2, "{sum:?}");
}

/// The model finds what the rules prevent.
#[test]
fn without_the_rules_a_random_analyst_finds_few() {
    let analysts = Analysts::new(QUERIES, POOL);
    let isolated = (0..500).filter(|seed| analysts.ask(*seed, false).isolated.is_some()).count();
    assert!(isolated > 20, "{isolated} of 500 sequences");
}

/// Wins: with any one rule of the ledger off, some two figures are about too few.
#[cfg(samensom_ablation)]
#[test]
fn control_a_random_analyst_finds_few_without_any_one_rule() {
    use samensom_protocol::ablation;
    use samensom_protocol::error::Check;
    let analysts = Analysts::new(QUERIES, POOL);
    let first = |name, check| {
        ablation::only(name);
        ablation::without(check);
        let found = (0..20_000).find(|seed| analysts.ask(*seed, true).isolated.is_some());
        ablation::only(None);
        ablation::without(None);
        found
    };
    let named = [
        "a03-bound-and-spent",
        "bound-off",
        "a14-equal-survivors",
        "tree-off",
        "series-off",
        "series-by-warrant",
        "series-of-classes",
    ];
    let mut unseen = Vec::new();
    for name in named {
        let found = first(Some(name), None);
        println!("{name}: {found:?}");
        unseen.extend(found.is_none().then_some(name.to_owned()));
    }
    for check in [Check::A22, Check::A23] {
        let found = first(None, Some(check));
        println!("{check}: {found:?}");
        unseen.extend(found.is_none().then_some(check.to_string()));
    }
    assert!(unseen.is_empty(), "{unseen:?}");
}
