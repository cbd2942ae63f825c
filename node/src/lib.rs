//! The hospital's agent.
#![deny(missing_docs)]

pub mod chain;
pub mod config;
pub mod consent;
pub mod error;
pub mod extract;
pub mod identity;
pub mod ledger;
pub mod link;
pub mod tls;

#[cfg(test)]
pub(crate) mod testing;
