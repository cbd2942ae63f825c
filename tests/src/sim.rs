//! A deterministic simulation of whole sessions: real machines, a virtual clock, network and disk.
//!
//! One thread runs one seed. Everything that is asked for or goes wrong is drawn from the seed and stands in
//! a list (`plan.rs`), so that a failing seed can be told again and shortened (`shrink.rs`). The simulator
//! plays the drivers (`hospital.rs`, `centre.rs`, `session.rs`) and keeps their contract; claims are read off
//! frames, records and sums (`oracle.rs`, `said.rs`), at the end off sessions that must succeed (`heal.rs`).
//!
//! Channel keys are dealt but in one seed of ten; in one of seven the coordinator lies: a copy of it goes on
//! by itself, or frames are forged. `tests/sim/main.rs` says how to run many seeds, or to tell one again.

pub mod bugs;
pub mod campaign;
mod centre;
mod faults;
mod forge;
mod heal;
mod hospital;
mod net;
mod oracle;
pub mod plan;
mod run;
mod said;
mod session;
pub mod shrink;
pub mod tally;
pub mod world;

pub use run::{Outcome, Violation};

use plan::{Plan, Size};
use run::Run;
use std::collections::BTreeSet;

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, size: Size) -> Outcome {
    Run::new(Plan::of(seed, size), &BTreeSet::new(), None, false).run()
}

/// Runs a seed and tells what happened.
#[must_use]
pub fn tell(seed: u64, size: Size) -> Outcome {
    Run::new(Plan::of(seed, size), &BTreeSet::new(), None, true).run()
}
