//! Scenario tests: the real programs, the shipped files, the rules of the house.

mod catalogue;
mod tidy;
