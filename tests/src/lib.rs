//! What the scenario tests share: the real programs, the demo as a process, a look into memory.

#[cfg(feature = "programs")]
pub mod harness;
pub mod needles;
pub mod relay;
