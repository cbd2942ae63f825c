//! The manual: pages without code. Each says what no single file of the core can.
//!
//! It must hold no item but its pages.

#[doc = include_str!("wire.md")]
pub mod wire {}
