//! The benchmarks' clock and their table: every figure beside its limit and its goal.
//!
//! Times are processor time of this thread, so that others on the machine cost cache, not seconds. Nothing is
//! asserted about a time: what misses its goal is printed so.

#![allow(dead_code, reason = "two benchmarks share this file, and neither uses all of it")]

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Processor time of this thread so far.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Processor time of one piece of work.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let since = cpu();
    let made = work();
    (cpu() - since, made)
}

/// The middle one of some times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median of some runs of `work`, after one that is not counted.
pub fn sample<I>(runs: usize, mut make: impl FnMut() -> I, mut work: impl FnMut(I)) -> Duration {
    work(make());
    let one = |_| {
        let input = make();
        timed(|| work(input)).0
    };
    median((0..runs).map(one).collect())
}

/// A smoke test is asked for: `SAMENSOM_BENCH=quick`, or `cargo test --benches`.
pub fn quick() -> bool {
    let bench = std::env::args().any(|arg| arg == "--bench");
    !bench || std::env::var("SAMENSOM_BENCH").is_ok_and(|how| how == "quick")
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Goal {
    None,
    /// At most so many milliseconds.
    Ms(u64),
    /// At most so many times the limit, in hundredths.
    Ratio(u32),
}

/// One line of the table.
pub struct Line<'a> {
    pub what: &'a str,
    pub n: u16,
    pub cells: u32,
    pub dropped: u16,
    pub median: Duration,
    pub limit: Duration,
    pub goal: Goal,
}

/// The table's first line, and the machine's load when it began.
pub fn heading(title: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\n{title}; load {}", load.trim());
    println!(
        "{:<48} {:>3} {:>9} {:>7} {:>11} {:>11} {:>6} {:>9}",
        "what", "n", "L", "dropped", "median ms", "limit ms", "ratio", "goal"
    );
}

impl Line<'_> {
    pub fn print(&self) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (median, limit) = (ms(self.median), ms(self.limit));
        let ratio = median / limit;
        let (goal, reached) = match self.goal {
            Goal::None => (String::new(), ""),
            Goal::Ms(most) => (format!("{most} ms"), said(median <= most as f64)),
            Goal::Ratio(most) => {
                let most = f64::from(most) / 100.0;
                (format!("{most:.2} x"), said(ratio <= most))
            }
        };
        let (limit, ratio) = match self.limit.is_zero() {
            true => (String::new(), String::new()),
            false => (format!("{limit:.3}"), format!("{ratio:.2}")),
        };
        let Line { what, n, cells, dropped, .. } = self;
        println!(
            "{what:<48} {n:>3} {cells:>9} {dropped:>7} {median:>11.3} {limit:>11} {ratio:>6} {goal:>9} {reached}"
        );
    }
}

/// Whether a goal was reached, in words.
pub fn said(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT REACHED" }
}
