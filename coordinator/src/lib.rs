//! LCG's side of Samensom: carries the messages of a session, forms the sum, keeps and verifies results.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![deny(missing_docs)]

pub mod admission;
pub mod clock;
pub mod error;
pub mod frame;
pub mod links;
pub mod listener;
pub mod store;
pub mod tls;
