//! What the fuzzer runs: one function of bytes for each way in, and a table of them.
//!
//! `tests/fuzz` wraps each for libFuzzer; `tests/replay` runs each over its corpus on stable Rust. A target
//! panics when a promise is broken and takes anything else. What the product does with the bytes goes
//! through `taking`, so that a test can measure it. It must not know libFuzzer.

pub mod acts;
mod centre;
pub mod decode;
mod forged;
pub mod play;
#[cfg(feature = "programs")]
mod program_seeds;
mod promises;
pub mod seeds;
#[cfg(feature = "programs")]
pub mod text;

use std::cell::Cell;

/// Runs the work that takes so many received bytes in, and measures it.
pub type Meter = fn(usize, &mut dyn FnMut());

thread_local! {
    static METER: Cell<Option<Meter>> = const { Cell::new(None) };
}

/// Measures what this thread's targets do with received bytes.
pub fn measure_with(meter: Meter) {
    METER.set(Some(meter));
}

/// The product's part of a target: it takes `received` bytes in.
pub(crate) fn taking<T>(received: usize, work: impl FnOnce() -> T) -> T {
    let Some(meter) = METER.get() else { return work() };
    let (mut work, mut done) = (Some(work), None);
    meter(received, &mut || done = work.take().map(|work| work()));
    done.expect("a meter runs the work, once")
}

/// A target: its name, also the folder of its corpus, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("message", decode::message),
    ("body", decode::body),
    ("admission", decode::admission),
    ("record", decode::record),
    ("roster", decode::roster),
    ("warrant", decode::warrant),
    ("query_text", decode::query_text),
    ("query_canonical", decode::query_canonical),
    ("secrets", decode::secrets),
    ("network", acts::network),
    ("inputs", acts::inputs),
    ("tampered", acts::tampered),
    ("lying_coordinator", acts::lying_coordinator),
    ("lying_node", acts::lying_node),
    #[cfg(feature = "programs")]
    ("bundle", text::bundle),
    #[cfg(feature = "programs")]
    ("token", text::token),
    #[cfg(feature = "programs")]
    ("node_config", text::node_config),
    #[cfg(feature = "programs")]
    ("coordinator_config", text::coordinator_config),
    #[cfg(feature = "programs")]
    ("rules", text::rules),
    #[cfg(feature = "programs")]
    ("person", text::person),
    #[cfg(feature = "programs")]
    ("control", text::control),
    #[cfg(feature = "programs")]
    ("frame", text::frame),
    #[cfg(feature = "programs")]
    ("extract", text::extract),
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or a promise is broken.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = found.expect("a target of that name");
    target(data);
}
