//! What the scenario tests share: the real programs as a small country or as the demo, bad networks, a look
//! into memory; the worlds of the claims: an adversary over real machines, and the leakage oracle; the forge kit;
//! and what the fuzzer runs.

pub mod adversary;
pub mod analyst;
pub mod bad_network;
#[cfg(feature = "programs")]
pub mod deployment;
pub mod forge;
pub mod fuzzed;
#[cfg(feature = "programs")]
pub mod harness;
pub mod leak;
pub mod needles;
#[cfg(feature = "programs")]
pub mod oracle;
#[cfg(feature = "programs")]
pub mod postgres;
pub mod relay;
pub mod second;
#[cfg(feature = "programs")]
pub mod shim;
pub mod sim;
