//! The manual: pages without code. Each says what no single file of the core can.
//!
//! It must hold no item but its pages, and not say what the code does not do.

#[doc = include_str!("manual/wire.md")]
pub mod wire {}

#[doc = include_str!("manual/attacks.md")]
pub mod attacks {}
