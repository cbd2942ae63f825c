//! What the scenario tests share: the real programs, the demo as a process, a look into memory; and the
//! worlds of the claims: an adversary over real machines, and the leakage oracle.

pub mod adversary;
#[cfg(feature = "programs")]
pub mod harness;
pub mod leak;
pub mod needles;
pub mod relay;
pub mod sim;
