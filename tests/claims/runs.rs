//! Many runs on all cores, from consecutive seeds; the first seed and the count come from the environment.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Sizes of the adversary's runs, the smaller ones more often.
pub const SIZES: [u16; 12] = [4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 9];

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The first seed and how many runs.
pub fn asked(runs: u64) -> (u64, u64) {
    (number("SAMENSOM_SEED", 1), number("SAMENSOM_RUNS", runs))
}

/// How to replay one run of a test.
pub fn replay(test: &str, seed: u64) -> String {
    format!(
        "SAMENSOM_SEED={seed} SAMENSOM_RUNS=1 cargo test -p samensom-tests --no-default-features --test claims -- \
         --exact {test} --nocapture"
    )
}

/// Runs them all, in any order; `each` sees every outcome and may say that it is enough.
pub fn all<T>(
    (first, count): (u64, u64),
    prepare: impl Fn() + Sync,
    run: impl Fn(u64) -> T + Sync,
    each: impl FnMut(u64, T) -> bool + Send,
) {
    let (next, enough, each) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(each));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                prepare();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = run(first + index);
                    let mut each = each.lock().unwrap();
                    // Another thread's run ended since: what was found stays the last that is told.
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    if !each(first + index, outcome) {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// A run that ended on another thread took the place of what was found, and a search told that it found nothing.
#[test]
fn repro_nothing_is_told_after_the_end() {
    for first in 0..50 {
        let mut told = Vec::new();
        let slow = |seed: u64| thread::sleep(std::time::Duration::from_millis(seed % 3));
        all(
            (first, 1000),
            || {},
            slow,
            |seed, ()| {
                told.push(seed % 10 == 7);
                !told.contains(&true)
            },
        );
        assert_eq!(told.iter().filter(|found| **found).count(), 1);
        assert_eq!(told.last(), Some(&true), "{told:?}");
    }
}
