//! C1 to C3: a random adversary over real node machines breaks none of them.

use crate::runs::{SIZES, all, asked, replay};
use samensom_tests::adversary::run;
use samensom_tests::adversary::schemes::Scheme;
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
#[cfg_attr(samensom_ablation, ignore = "runs with every check on, without the cfg")]
fn c1_c2_c3_hold_under_a_random_adversary() {
    let (begun, asked) = (Instant::now(), asked(10_000));
    let mut played: BTreeMap<Scheme, usize> = BTreeMap::new();
    let (mut runs, mut opened, mut reports) = (0u64, 0usize, 0usize);
    let mut broken = Vec::new();
    all(
        asked,
        || {},
        |seed| run(seed, &SIZES),
        |seed, outcome| {
            runs += 1;
            outcome.schemes.iter().for_each(|scheme| *played.entry(*scheme).or_default() += 1);
            opened += usize::from(outcome.opened > 0);
            reports += outcome.reports;
            if outcome.violates() || outcome.strays() {
                broken.push((seed, outcome));
            }
            broken.len() < 5
        },
    );
    let seconds = begun.elapsed().as_secs_f64();
    println!("{runs} runs from seed {} in {seconds:.0} s, {:.0} a second", asked.0, runs as f64 / seconds);
    println!("{opened} opened a sum; {reports} reports; schemes played: {played:?}");
    let test = "claims::c1_c2_c3_hold_under_a_random_adversary";
    for (seed, outcome) in &broken {
        println!("{outcome:?}\n  {}", replay(test, *seed));
    }
    assert!(broken.is_empty(), "{} runs broke a claim", broken.len());
    assert!(opened as u64 * 4 > runs || runs < 100, "too few runs opened a sum: the adversary is too clumsy");
}
