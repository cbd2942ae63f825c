#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]
#![deny(missing_docs)]

#[cfg(samensom_ablation)]
pub mod ablation;
#[cfg(not(samensom_ablation))]
mod ablation;
pub mod admission;
pub mod audit;
pub mod bundle;
pub mod codec;
pub mod coordinator;
pub mod crypto;
pub mod error;
pub mod ids;
pub mod io;
pub mod ledger;
pub mod manual;
pub mod message;
pub mod node;
pub mod params;
pub mod query;
pub mod ring;
pub mod roster;
pub mod rounds;
pub mod secret;
pub mod time;
pub mod transparency;
pub mod warrant;

#[cfg(test)]
mod testing;
