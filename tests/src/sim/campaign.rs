//! Many seeds on all cores: counts, speed, and the first failures with the command that tells them again.

use super::bugs::Bug;
use super::plan::{Plan, Size};
use super::run::{Run, Violation};
use super::tally::Tally;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// What many seeds gave.
#[derive(Debug, Default)]
pub struct Campaign {
    /// Seeds run.
    pub seeds: u64,
    /// Counts over all of them.
    pub tally: Tally,
    /// Hash over all their events, in no order.
    pub hash: u64,
    /// Seeds that failed, and how; at most a few.
    pub failures: Vec<(u64, Violation)>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Runs one seed; a panic is a violation like any other.
#[must_use]
pub fn one(seed: u64, size: Size, bug: Option<Bug>) -> (Option<Violation>, Tally, u64) {
    let ran =
        catch_unwind(AssertUnwindSafe(|| Run::new(Plan::of(seed, size), &BTreeSet::new(), bug, false).run()));
    match ran {
        Ok(outcome) => (outcome.violation, outcome.tally, outcome.hash),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let what = text.unwrap_or_else(|| "a panic".to_owned());
            (Some(Violation { claim: "a machine never panics", what }), Tally::default(), 0)
        }
    }
}

/// Runs seeds until they are done, some have failed, or `until` says so.
#[must_use]
pub fn run(seeds: std::ops::Range<u64>, size: Size, most_failures: usize) -> Campaign {
    let begun = Instant::now();
    let (next, enough) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let all = Mutex::new(Campaign::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Campaign::default();
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let (violation, tally, hash) = one(seed, size, None);
                    own.seeds += 1;
                    own.tally.add(tally);
                    own.hash ^= hash;
                    if (seed + 1).is_multiple_of(1_000) {
                        println!("seed {seed} after {} s", begun.elapsed().as_secs());
                    }
                    if let Some(violation) = violation {
                        own.failures.push((seed, violation));
                        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        all.failures.append(&mut own.failures);
                        enough.store(all.failures.len() >= most_failures, Ordering::Relaxed);
                    }
                }
                let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                all.seeds += own.seeds;
                all.hash ^= own.hash;
                all.tally.add(own.tally);
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    all.failures.sort_by_key(|(seed, _)| *seed);
    all
}

/// The first seed from `base` on that finds a bug, and what it found; none within `most` seeds.
#[must_use]
pub fn first(base: u64, most: u64, bug: Option<Bug>) -> Option<(u64, Violation)> {
    (0..most).find_map(|count| Some((count + 1, one(base + count, Size::Small, bug).0?)))
}

/// The command that tells a seed again.
#[must_use]
pub fn command(seed: u64, size: Size) -> String {
    let large = if size == Size::Large { "SAMENSOM_SIM_SIZE=69 " } else { "" };
    format!(
        "SAMENSOM_SIM_SEED={seed} {large}cargo test -p samensom-tests --no-default-features --test sim replay -- --ignored --nocapture"
    )
}

impl Campaign {
    /// The report of the campaign, for people.
    #[must_use]
    pub fn report(&self, size: Size) -> String {
        let speed = self.seeds * 1000 / self.took_ms.max(1);
        let mut lines = vec![format!(
            "{} seeds in {}.{} s, {speed} a second, {} failed, event hash {:016x}",
            self.seeds,
            self.took_ms / 1000,
            self.took_ms % 1000 / 100,
            self.failures.len(),
            self.hash
        )];
        lines.extend(self.tally.iter().map(|(what, count)| format!("{count:>9}  {what}")));
        for (seed, violation) in self.failures.iter().take(5) {
            lines.push(format!("seed {seed} VIOLATES: {}: {}", violation.claim, violation.what));
            lines.push(format!("  again: {}", command(*seed, size)));
        }
        if let Some((seed, _)) = self.failures.first() {
            lines.push(super::shrink::story(&Plan::of(*seed, size), None));
        }
        lines.join("\n")
    }
}
