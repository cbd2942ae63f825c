//! Claims C1 to C4 of the protocol, as tests: random adversaries over real machines, the leakage oracle,
//! red controls, and what an honest coordinator survives.
//!
//! Every failure prints a seed and the one command that replays it.

mod analyst;
mod blame;
#[cfg(feature = "programs")]
mod catalogue;
mod claims;
mod commitments;
#[cfg(samensom_ablation)]
mod controls;
mod leakage;
mod liveness;
mod planted;
mod ranges;
mod runs;
