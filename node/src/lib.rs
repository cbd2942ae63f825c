//! The hospital's agent.
#![deny(missing_docs)]

pub mod extract;
pub mod link;
pub mod tls;
