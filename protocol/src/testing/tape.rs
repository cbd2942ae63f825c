//! A world's randomness: seeded, and written down as it is drawn, so that a session can be told in full.
//!
//! It must not be reachable from anything but tests.

use crate::io::Peer;
use core::convert::Infallible;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_core::{TryCryptoRng, TryRng};

pub(crate) struct Tape {
    rng: ChaCha20Rng,
    /// Who draws now.
    pub by: Peer,
    /// What was drawn, in order.
    pub drawn: Vec<(Peer, Vec<u8>)>,
}

impl Tape {
    pub(crate) fn new(seed: u64) -> Self {
        Tape { rng: ChaCha20Rng::seed_from_u64(seed), by: Peer::Coordinator, drawn: Vec::new() }
    }
    fn note(&mut self, bytes: &[u8]) {
        self.drawn.push((self.by, bytes.to_vec()));
    }
}

impl TryRng for Tape {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let word = self.rng.next_u32();
        self.note(&word.to_le_bytes());
        Ok(word)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let word = self.rng.next_u64();
        self.note(&word.to_le_bytes());
        Ok(word)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(bytes);
        self.note(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Tape {}
