//! The manual: pages that hold no code. It must not say what the code does not do.

#[doc = include_str!("manual/attacks.md")]
pub mod attacks {}
