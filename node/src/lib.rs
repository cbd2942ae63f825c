//! The hospital's agent.
#![deny(missing_docs)]

pub mod extract;
pub mod ledger;
pub mod link;
pub mod tls;
