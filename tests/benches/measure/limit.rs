//! What the primitives alone cost on this machine, in this run: nothing that uses them can be faster.
//!
//! Straight to the crates of the primitives, never through the core; inputs that stay in the nearest cache.

#![allow(dead_code, reason = "two benchmarks share this file, and neither uses all of it")]

use super::table::{median, timed};
use aes::Aes256;
use ctr::Ctr64LE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Duration;

/// Cost of each primitive.
pub struct Limit {
    /// Picoseconds of one 64-bit word of stream, expanded and added.
    word_ps: f64,
    /// Picoseconds of one hashed byte.
    byte_ps: f64,
    /// One strict verification, its key decoded before.
    verify: Duration,
    /// One signature.
    sign: Duration,
}

fn ps(time: Duration, of: usize) -> f64 {
    time.as_secs_f64() * 1e12 / of as f64
}

impl Limit {
    pub fn measure() -> Limit {
        let key = SigningKey::from_bytes(&[7; 32]);
        let (signature, public) =
            (key.sign(b"forty-two bytes of a message, more or less"), key.verifying_key());
        let of = |work: &dyn Fn()| {
            work();
            median((0..9).map(|_| timed(work).0).collect())
        };
        let verify = of(&|| {
            for _ in 0..50 {
                let message = black_box(b"forty-two bytes of a message, more or less");
                black_box(public.verify_strict(message, &signature).is_ok());
            }
        });
        let sign = of(&|| {
            for _ in 0..50 {
                black_box(key.sign(black_box(b"forty-two bytes of a message, more or less")));
            }
        });
        Limit {
            word_ps: ps(of(&|| stream(1 << 20)), 1 << 20),
            byte_ps: ps(of(&|| hash(1 << 20)), 1 << 20),
            verify: verify / 50,
            sign: sign / 50,
        }
    }

    pub fn print(&self) {
        println!(
            "limits: AES-256-CTR expanded and added {:.3} ns a word, SHA-256 {:.3} ns a byte, \
             Ed25519 strict {:.1} us, signing {:.1} us",
            self.word_ps / 1e3,
            self.byte_ps / 1e3,
            self.verify.as_secs_f64() * 1e6,
            self.sign.as_secs_f64() * 1e6,
        );
    }

    /// So many words of stream, expanded and added in one tight loop.
    pub fn words(&self, count: u64) -> Duration {
        Duration::from_secs_f64(self.word_ps * count as f64 / 1e12)
    }
    /// So many bytes hashed once.
    pub fn bytes(&self, count: u64) -> Duration {
        Duration::from_secs_f64(self.byte_ps * count as f64 / 1e12)
    }
    /// So many signatures verified.
    pub fn verified(&self, count: u32) -> Duration {
        self.verify * count
    }
    /// So many signatures made.
    pub fn signed(&self, count: u32) -> Duration {
        self.sign * count
    }
}

/// One stream, expanded in pieces and added to lanes that never leave the cache.
fn stream(words: usize) {
    const PIECE: usize = 1024;
    let mut cipher = Ctr64LE::<Aes256>::new(&[3; 32].into(), &[0; 16].into());
    let (mut lanes, mut bytes) = (vec![0u64; PIECE], vec![0u8; PIECE * 8]);
    for _ in 0..words / PIECE {
        bytes.fill(0);
        cipher.apply_keystream(&mut bytes);
        let (chunks, _) = bytes.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(chunks) {
            *lane = lane.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    black_box(lanes);
}

fn hash(bytes: usize) {
    const PIECE: usize = 16 << 10;
    let buffer = vec![5u8; PIECE];
    let mut hash = Sha256::new();
    for _ in 0..bytes / PIECE {
        hash.update(black_box(&buffer));
    }
    black_box(hash.finalize());
}
