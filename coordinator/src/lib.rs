//! LCG's side of Samensom: carries the messages of a session, forms the sum, keeps and verifies results.
//!
//! From the command line inwards: [`cli`] (a file per verb) reads, shows and asks; verbs that change
//! something travel over [`control`] to the running server, where [`ops`] does them; [`listener`] turns
//! links into events; [`session`] drives the protocol; [`store`] holds all SQL.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![deny(missing_docs)]

pub mod admission;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod error;
pub mod folder;
pub mod frame;
pub mod links;
pub mod listener;
pub mod ops;
pub mod passphrase;
pub mod person;
pub mod result;
pub mod roster_file;
pub mod rules;
pub mod sealed;
pub mod session;
pub mod shown;
pub mod store;
pub mod tls;
pub mod toml_file;
pub mod transparency;
