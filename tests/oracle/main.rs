//! Every query over every extract is answered as the oracle answers it.
//!
//! `SAMENSOM_ORACLE_CASES` queries (20,000 when it is not set) from `SAMENSOM_ORACLE_SEED` on; what was met is
//! counted, so that none of it can go missing in silence.

mod pushed;

use samensom_tests::oracle::{Met, run, unmet};

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// Asked in two threads, of seeds that are far apart.
fn asked(seed: u64, cases: u64) -> Met {
    let halves = [(seed, cases.div_ceil(2)), (seed.wrapping_add(1 << 32), cases / 2)];
    std::thread::scope(|scope| {
        let mut all = Met::new();
        let threads = halves.map(|(seed, cases)| scope.spawn(move || run(seed, cases)));
        for thread in threads {
            let met = thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why));
            met.into_iter().for_each(|(what, times)| *all.entry(what).or_default() += times);
        }
        all
    })
}

#[test]
fn random_queries_over_random_extracts_are_answered_as_the_oracle_answers() {
    let begun = std::time::Instant::now();
    let chosen = set("SAMENSOM_ORACLE_CASES");
    let met = asked(set("SAMENSOM_ORACLE_SEED").unwrap_or(1), chosen.unwrap_or(20_000));
    for (what, times) in &met {
        println!("{times:>8}  {what}");
    }
    println!("{:?}", begun.elapsed());
    if chosen.is_none() {
        let wanted = [
            "data set position",
            "data set course",
            "cells of classes of hospitals",
            "measure Sum",
            "measure Rows",
            "measure Hospitals",
            "measure Patients",
            "measure Histogram",
            "measure Moments",
            "measure Regression",
            "measure Survival",
            "all figures open",
            "figures stay closed",
            "shares judged, all open",
            "shares judged, some closed",
            "refused: ForeignUnit",
            "refused: FigureOutOfRange",
            "refused: ValueOutOfRange",
            "shown Figure of Ratio",
            "shown NoUse of Ratio",
            "shown Suppressed of Ratio",
            "shown Figure of Cover",
            "shown NoUse of Cover",
            "shown Figure of Share",
            "shown Suppressed of Share",
            "shown Figure of Mean",
            "shown NoUse of Mean",
            "shown Figure of Variance",
            "shown NoUse of Variance",
            "shown Figure of Quantile",
            "shown Below of Quantile",
            "shown AtLeast of Quantile",
            "shown NoUse of Quantile",
            "shown Figure of Coefficients",
            "shown Suppressed of Coefficients",
            "shown NoUse of Coefficients",
            "shown Figure of Curve",
            "shown NoUse of Curve",
        ];
        assert_eq!(unmet(&met, wanted), Default::default());
    }
}
