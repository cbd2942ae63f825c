//! What the scenario tests share: the real programs, the demo as a process, a look into memory.

pub mod harness;
pub mod needles;
pub mod relay;
