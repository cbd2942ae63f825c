//! Random children of the corpus on stable Rust: a weak fuzzer that needs nothing to be installed.
//!
//! It knows no coverage; `tests/fuzz/run` does. A failure prints the input, which is a file for the corpus.

use super::{files, fuzz, memory};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::to_hex;
use samensom_tests::fuzzed::{TARGETS, measure_with};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Children of each target in an ordinary run.
const USUAL: u64 = 40;

fn below(rng: &mut ChaCha20Rng, most: usize) -> usize {
    usize::try_from(rng.next_u32()).unwrap() % most.max(1)
}

/// One input with a few places changed, or two put together.
fn child(parents: &[Vec<u8>], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut child = parents[below(rng, parents.len())].clone();
    for _ in 0..=below(rng, 6) {
        let at = below(rng, child.len() + 1);
        match below(rng, 6) {
            0 => child.truncate(at),
            1 => child.extend_from_slice(&parents[below(rng, parents.len())]),
            2 => (0..below(rng, 24)).for_each(|_| child.push(rng.next_u32().to_le_bytes()[0])),
            3 => child.splice(at..at, [rng.next_u32().to_le_bytes()[0]]).for_each(drop),
            4 if at < child.len() => child[at] = [0, 1, 0x7f, 0x80, 0xff, b'9'][below(rng, 6)],
            _ if at < child.len() => child[at] ^= 1 << below(rng, 8),
            _ => {}
        }
    }
    child
}

#[test]
fn random_children_of_the_corpus_break_nothing() {
    let asked = std::env::var("SAMENSOM_CHILDREN").ok().and_then(|n| n.parse().ok());
    let (runs, seed) = (asked.unwrap_or(USUAL), std::env::var("SAMENSOM_SEED").ok());
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(22);
    measure_with(memory::hold);
    for (name, run) in TARGETS {
        let inputs = files(&fuzz().join("corpus").join(name));
        let parents: Vec<Vec<u8>> = inputs.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for number in 0..runs {
            let input = child(&parents, &mut rng);
            memory::now_at(name, Path::new(&format!("child {number} of {name}")));
            let taken = catch_unwind(AssertUnwindSafe(|| run(&input)));
            assert!(taken.is_ok(), "{name}, seed {seed}, child {number}: {}", to_hex(&input));
        }
        println!("{name}: {runs} children of {}; at most {}", parents.len(), memory::most());
    }
}
