//! A deterministic simulation of whole sessions: real machines, a virtual clock, network and disk.
//!
//! One thread runs one seed. All faults are drawn from the seed and stand in a list, so that a failing
//! seed can be told again and shortened. The simulator plays the drivers and owes the core what they do.

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
