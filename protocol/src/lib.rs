//! Samensom's secure-sum protocol, FA/1.
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

pub mod admission;
pub mod codec;
pub mod crypto;
pub mod error;
pub mod ids;
pub mod query;
pub mod time;
pub mod warrant;
