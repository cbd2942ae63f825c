//! The seeded simulator: claims over many seeds.

use samensom_tests::sim;
use samensom_tests::sim::plan::Size;

#[test]
fn first() {
    let mut all = sim::tally::Tally::default();
    let begun = std::time::Instant::now();
    for seed in 0..200 {
        let outcome = sim::run(seed, Size::Small);
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation:?}");
        }
        all.add(outcome.tally);
    }
    println!("{:?}", begun.elapsed());
    for (what, count) in all.iter() {
        println!("{count:>8} {what}");
    }
}

#[test]
fn replay() {
    let seed = std::env::var("SAMENSOM_SIM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let outcome = sim::tell(seed, Size::Small);
    for line in outcome.story {
        println!("{line}");
    }
}
