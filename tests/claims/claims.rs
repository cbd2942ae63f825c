//! C1 to C3: a random adversary over real node machines breaks none of them.

use samensom_tests::adversary::run;
use samensom_tests::adversary::schemes::Scheme;
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
fn quick() {
    let begun = Instant::now();
    let mut kinds: BTreeMap<Scheme, (usize, usize)> = BTreeMap::new();
    let mut opened = 0;
    let mut bad = 0;
    for seed in 0..1000 {
        let outcome = run(seed, &[4, 5, 6, 7, 8, 9]);
        for scheme in &outcome.schemes {
            kinds.entry(*scheme).or_default().0 += 1;
        }
        kinds.entry(outcome.schemes[0]).or_default().1 += usize::from(outcome.opened > 0);
        opened += usize::from(outcome.opened > 0);
        if outcome.violates() || outcome.strays() {
            bad += 1;
            if bad < 10 {
                println!("seed {seed}: {outcome:?}");
            }
        }
    }
    println!("{:?} {opened} opened, {bad} bad {kinds:?}", begun.elapsed());
}
