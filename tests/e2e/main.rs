//! Scenario tests: the real programs, the shipped files, the rules of the house.

mod bad_network;
mod bundle;
mod catalogue;
mod crash;
mod demo;
mod privacy;
mod tidy;
