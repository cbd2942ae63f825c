//! Red controls: each planted bug must be found, from five seed bases.
//!
//! Compiled only under `--cfg samensom_ablation`. Bugs of the core are switched by name in the protocol,
//! bugs of a driver in the simulator's own; both must be seen by the claims, within as many seeds.

use samensom_protocol::ablation;
use samensom_tests::sim::bugs::Bug;
use samensom_tests::sim::campaign;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const MOST: u64 = 10_000;
const BASES: [u64; 5] = [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000];

/// Checks without which the simulator, too, finds a violation.
const ALSO: [&str; 5] = ["a03-spacing", "a16-quorum", "a24-confirmed", "a24-quorum", "leak-b-of-dropouts"];

#[derive(Clone, Copy)]
enum Planted {
    Core(&'static str),
    Driver(Bug),
}

fn find(planted: Planted, base: u64, most: u64) -> Option<(u64, &'static str)> {
    let (core, driver) = match planted {
        Planted::Core(name) => (Some(name), None),
        Planted::Driver(bug) => (None, Some(bug)),
    };
    ablation::only(core);
    let found = campaign::first(base, most, driver);
    ablation::only(None);
    found.map(|(count, violation)| (count, violation.claim))
}

fn all() -> Vec<(Planted, String)> {
    let checks = ablation::CHECKS.iter().filter(|(name, _)| ALSO.contains(name));
    let core =
        checks.chain(ablation::BUGS).map(|(name, what)| (Planted::Core(name), format!("core   {what}")));
    let driver = Bug::ALL.iter().map(|(bug, what)| (Planted::Driver(*bug), format!("driver {what}")));
    core.chain(driver).collect()
}

#[test]
fn every_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let most = std::env::var("SAMENSOM_SIM_MOST").ok().and_then(|most| most.parse().ok()).unwrap_or(MOST);
    let only = std::env::var("SAMENSOM_SIM_BUG").unwrap_or_default();
    let bugs: Vec<_> = all().into_iter().filter(|(_, what)| what.contains(&only)).collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((planted, what)) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found: Vec<_> = BASES.iter().map(|base| find(*planted, *base, most)).collect();
                    let mut counts: Vec<u64> =
                        found.iter().map(|one| one.map_or(u64::MAX, |(n, _)| n)).collect();
                    let shown: Vec<String> = counts
                        .iter()
                        .map(|n| if *n == u64::MAX { "-".to_owned() } else { n.to_string() })
                        .collect();
                    counts.sort_unstable();
                    let claim = found.iter().flatten().next().map_or("NOT FOUND", |(_, claim)| claim);
                    let missed = found.iter().any(Option::is_none);
                    let line = format!("{what}: {} (median {}): {claim}", shown.join(" "), counts[2]);
                    println!("{line}");
                    lines.lock().unwrap().push((missed, line));
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let lines = lines.into_inner().unwrap();
    let missed: Vec<&String> = lines.iter().filter(|(missed, _)| *missed).map(|(_, line)| line).collect();
    println!("{} of {} planted bugs are found from every base", lines.len() - missed.len(), lines.len());
    assert!(missed.is_empty(), "not found: {missed:#?}");
}
