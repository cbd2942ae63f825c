//! The forge kit: any wrong message, and those who send it, over the real state machines.
//!
//! [`message`] changes one place of a message and signs it again; [`hand`] is a coordinator that makes every
//! message itself, with its colluders; [`puppet`] is a hospital that follows no rule. An honest machine with
//! liars around it is [`crate::adversary::office::Office`]; `wire` stands between real programs. The kit must
//! not judge who won.

pub mod hand;
pub mod message;
pub mod puppet;
#[cfg(feature = "programs")]
pub mod wire;
