//! Scenario tests: the real programs, the shipped files, the rules of the house.

mod audit;
mod bad_network;
mod bundle;
mod catalogue;
mod classes;
mod consent;
mod crash;
mod crash_server;
mod database;
mod datasets;
mod demo;
mod json;
mod losses;
mod membership;
mod overlap;
mod partition;
mod passes;
mod passphrase;
mod privacy;
mod reader;
mod service;
mod state;
mod stolen;
mod tidy;
mod times;
mod tree;
