//! Runs the target of this name (`tests/src/fuzzed.rs`).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| samensom_tests::fuzzed::run("coordinator_config", data));
