//! The hospital's agent: see the library.

fn main() {}
