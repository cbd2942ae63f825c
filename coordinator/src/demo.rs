//! The demo.

#[path = "../../deploy/demo/generator.rs"]
pub mod generator;
