//! The leakage oracle over drop-outs: every pattern of up to five nodes, each kind of pattern of six, and
//! random runs with retries, later slots and VOIDs.

use crate::runs::{all, asked, number, replay};
use samensom_protocol::ids::NodeId;
use samensom_protocol::params::Thresholds;
use samensom_tests::adversary::drops::{self, Stops, must_finish};
use samensom_tests::adversary::office::Stop;
use samensom_tests::adversary::{Outcome, run};
use std::time::Instant;

/// Sizes of the random runs.
const SMALL: [u16; 4] = [3, 4, 5, 6];

/// The pattern of a number in base six.
fn stops(n: u16, mut number: u64) -> Stops {
    let digits = (1..=n).map(|i| {
        let digit = usize::try_from(number % 6).unwrap();
        number /= 6;
        (NodeId(i), Stop::ALL[digit])
    });
    digits.collect()
}

/// True for patterns of six that are judged: one of each kind, unless all are asked for.
fn is_chosen(stops: &Stops) -> bool {
    stops.len() < 6 || number("SAMENSOM_ALL_PATTERNS", 0) > 0 || stops.values().is_sorted()
}

fn check(stops: &Stops, seed: u64) -> Result<(Outcome, bool), String> {
    let Some((outcome, ended, right)) = drops::pattern(stops, seed) else { return Err("no roster".into()) };
    let thresholds = Thresholds::for_size(u16::try_from(stops.len()).unwrap(), 0).unwrap();
    if outcome.violates() || outcome.strays() {
        return Err(format!("{outcome:?}"));
    }
    match ended {
        Ok(_) if !right => Err("a wrong sum".into()),
        Ok(_) if outcome.opened == 0 => Err("a sum that the oracle does not see".into()),
        Ok(_) => Ok((outcome, true)),
        Err(failure) if must_finish(&thresholds, stops) => Err(format!("{failure:?}")),
        Err(_) => Ok((outcome, false)),
    }
}

#[test]
#[cfg_attr(samensom_ablation, ignore = "runs with every check on, without the cfg")]
fn every_pattern_of_drop_outs_opens_one_sum_or_none() {
    let begun = Instant::now();
    for n in 3u16..=6 {
        let (mut patterns, mut sums, mut broken) = (0, 0, Vec::new());
        let count = 6u64.pow(u32::from(n));
        let judge = |seed: u64| {
            let stops = stops(n, seed);
            is_chosen(&stops).then(|| (check(&stops, seed), stops))
        };
        all(
            (0, count),
            || {},
            judge,
            |seed, judged| {
                let Some((judged, stops)) = judged else { return true };
                patterns += 1;
                match judged {
                    Ok((_, opened)) => sums += usize::from(opened),
                    Err(what) => broken.push(format!("pattern {seed} of {n}: {stops:?}: {what}")),
                }
                broken.len() < 5
            },
        );
        println!("{n} nodes: {patterns} patterns, {sums} sums, {:.0} s", begun.elapsed().as_secs_f64());
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

#[test]
#[cfg_attr(samensom_ablation, ignore = "runs with every check on, without the cfg")]
fn random_runs_leak_nothing() {
    let (begun, asked) = (Instant::now(), asked(20_000));
    let (mut runs, mut opened, mut reports, mut broken) = (0u64, 0u64, 0usize, Vec::new());
    // In turn: an honest coordinator and vanishing nodes; the adversary.
    let run = |seed: u64| if seed.is_multiple_of(2) { drops::run(seed, &SMALL) } else { run(seed, &SMALL) };
    all(
        asked,
        || {},
        run,
        |seed, outcome| {
            runs += 1;
            opened += u64::from(outcome.opened > 0);
            reports += outcome.reports;
            if outcome.violates() || outcome.strays() {
                broken.push((seed, outcome));
            }
            broken.len() < 5
        },
    );
    let seconds = begun.elapsed().as_secs_f64();
    println!("{runs} runs from seed {} in {seconds:.0} s: {opened} opened a sum; {reports} reports", asked.0);
    for (seed, outcome) in &broken {
        println!("{outcome:?}\n  {}", replay("leakage::random_runs_leak_nothing", *seed));
    }
    assert!(broken.is_empty(), "{} runs leaked", broken.len());
    assert!(opened * 3 > runs || runs < 100, "too few runs opened a sum");
}
