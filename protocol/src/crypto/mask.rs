//! Masks: AES-256 in counter mode (FIPS 197, SP 800-38A), added to a vector of 64-bit lanes.
//!
//! `M(seed)` is the stream under `HKDF(seed, "fa/1 cells")`, zero nonce, 64-bit little-endian block
//! counter from 0, read as little-endian u64 lanes (protocol.md 1.7). All streams are added piece by
//! piece, so that a piece of the vector stays in the cache. Lanes wrap modulo 2^64; the reduction to w
//! bits, a divisor, comes last (`ring.rs`). The blindings of commitments are masked in the same way, in their
//! own field: of the stream under `HKDF(seed, "fa/1 rho")` each block's mask is 64 bytes modulo ell.

use super::transcript::{Label, derive};
use aes::Aes256Enc;
use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use curve25519_dalek::Scalar;

/// Lanes added at a time: 16 KiB of stream and as much of the vector, which the nearest cache holds.
const PIECE: usize = 2048;

/// Whether a mask is added or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Add the stream.
    Plus,
    /// Subtract the stream.
    Minus,
}

impl Sign {
    /// The other sign.
    #[must_use]
    pub fn flip(self) -> Self {
        match self {
            Sign::Plus => Sign::Minus,
            Sign::Minus => Sign::Plus,
        }
    }
}

/// The keystream of one seed and the sign with which it goes into the vector.
pub struct Mask {
    sign: Sign,
    cipher: Aes256Enc,
    /// Words of the stream that are used up.
    used: u64,
}

impl core::fmt::Debug for Mask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Mask(<redacted>)")
    }
}

impl Mask {
    /// The mask that `seed` (32 bytes) expands to.
    #[must_use]
    pub fn new(seed: &[u8; 32], sign: Sign) -> Self {
        let key = derive(seed, Label::Cells, &[]);
        Mask { sign, cipher: Aes256Enc::new(key.expose().into()), used: 0 }
    }

    /// Adds the next words of the stream to `lanes`; `stream` is room for the blocks that hold them.
    fn add(&mut self, lanes: &mut [u64], stream: &mut [Block<Aes256Enc>]) {
        // A block holds two words; the first may be used up already.
        let (first, skip) = (self.used >> 1, self.used & 1);
        let skip = usize::from(skip == 1);
        let blocks = lanes.len().saturating_add(skip).div_ceil(2);
        let (stream, _) = stream.split_at_mut(blocks.min(stream.len()));
        for (counter, block) in (first..).zip(stream.iter_mut()) {
            *block = u128::from(counter).to_le_bytes().into();
        }
        self.cipher.encrypt_blocks(stream);
        let words = Block::<Aes256Enc>::slice_as_flattened(stream).as_chunks::<8>().0.iter().skip(skip);
        match self.sign {
            Sign::Plus => lanes
                .iter_mut()
                .zip(words)
                .for_each(|(lane, word)| *lane = lane.wrapping_add(u64::from_le_bytes(*word))),
            Sign::Minus => lanes
                .iter_mut()
                .zip(words)
                .for_each(|(lane, word)| *lane = lane.wrapping_sub(u64::from_le_bytes(*word))),
        }
        self.used = self.used.saturating_add(u64::try_from(lanes.len()).unwrap_or(u64::MAX));
    }
}

/// Adds every mask to `lanes`, each from where it stands, modulo 2^64.
pub fn apply(lanes: &mut [u64], masks: &mut [Mask]) {
    let room = lanes.len().min(PIECE).saturating_add(2).div_ceil(2);
    let mut stream = vec![Block::<Aes256Enc>::default(); room];
    for piece in lanes.chunks_mut(PIECE) {
        for mask in masks.iter_mut() {
            mask.add(piece, &mut stream);
        }
    }
    stream.iter_mut().for_each(|block| zeroize::Zeroize::zeroize(&mut block[..]));
}

/// Adds the mask of `seed` to the blinding of each block, or takes it away.
#[allow(clippy::arithmetic_side_effects, reason = "scalars form a field; nothing overflows")]
pub fn blind(blindings: &mut [Scalar], seed: &[u8; 32], sign: Sign) {
    let key = derive(seed, Label::Blinding, &[]);
    let cipher = Aes256Enc::new(key.expose().into());
    let mut stream = zeroize::Zeroizing::new([0u8; 64]);
    for (block, blinding) in (0u128..).step_by(4).zip(blindings) {
        let (pieces, _) = stream.as_chunks_mut::<16>();
        for (counter, piece) in (block..).zip(pieces) {
            *piece = counter.to_le_bytes();
            cipher.encrypt_block(piece.into());
        }
        let mask = Scalar::from_bytes_mod_order_wide(&stream);
        match sign {
            Sign::Plus => *blinding += mask,
            Sign::Minus => *blinding -= mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_hex, to_hex};
    use aes::Aes256;

    /// FIPS 197, appendix C.3.
    #[test]
    fn fips197_block() {
        let key: Vec<u8> = (0..32).collect();
        let mut block: [u8; 16] = from_hex("00112233445566778899aabbccddeeff").unwrap().try_into().unwrap();
        Aes256::new_from_slice(&key).unwrap().encrypt_block((&mut block).into());
        assert_eq!(to_hex(&block), "8ea2b7ca516745bfeafc49904b496089");
    }

    /// SP 800-38A, F.1.5: ECB-AES256, first two blocks.
    #[test]
    fn sp800_38a_blocks() {
        let key = from_hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
        let aes = Aes256::new_from_slice(&key).unwrap();
        for (plain, cipher) in [
            ("6bc1bee22e409f96e93d7e117393172a", "f3eed1bdb5d2a03c064b5a7e3db181f8"),
            ("ae2d8a571e03ac9c9eb76fac45af8e51", "591ccb10d410ed26dc5ba74a31362870"),
        ] {
            let mut block: [u8; 16] = from_hex(plain).unwrap().try_into().unwrap();
            aes.encrypt_block((&mut block).into());
            assert_eq!(to_hex(&block), cipher);
        }
    }

    /// 64 KiB of the stream equal block-by-block encryption of le64(i) || 0^8.
    #[test]
    fn the_stream_is_counter_mode_with_a_little_endian_counter() {
        let seed = [5u8; 32];
        let mut lanes = vec![0u64; 8192];
        apply(&mut lanes, &mut [Mask::new(&seed, Sign::Plus)]);
        let aes = Aes256::new_from_slice(derive(&seed, Label::Cells, &[]).expose()).unwrap();
        for (i, pair) in lanes.chunks(2).enumerate() {
            let mut block = [0u8; 16];
            block[..8].copy_from_slice(&(i as u64).to_le_bytes());
            aes.encrypt_block((&mut block).into());
            assert_eq!(pair[0].to_le_bytes(), block[..8]);
            assert_eq!(pair[1].to_le_bytes(), block[8..]);
        }
    }

    #[test]
    fn opposite_signs_cancel_whatever_the_piece_size() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let mut lanes: Vec<u64> = (0..len as u64).collect();
            let before = lanes.clone();
            apply(&mut lanes, &mut [Mask::new(&[1; 32], Sign::Plus), Mask::new(&[2; 32], Sign::Minus)]);
            assert!(len == 0 || lanes != before);
            apply(&mut lanes, &mut [Mask::new(&[2; 32], Sign::Plus)]);
            apply(&mut lanes, &mut [Mask::new(&[1; 32], Sign::Minus)]);
            assert_eq!(lanes, before);
        }
    }

    #[test]
    fn a_vector_masked_in_parts_equals_one_masked_at_once() {
        let mut whole = vec![0u64; 10_000];
        apply(&mut whole, &mut [Mask::new(&[9; 32], Sign::Plus)]);
        let mut parts = vec![0u64; 10_000];
        let mut masks = [Mask::new(&[9; 32], Sign::Plus)];
        let (left, right) = parts.split_at_mut(4097);
        apply(left, &mut masks);
        apply(right, &mut masks);
        assert_eq!(whole, parts);
    }

    #[test]
    fn blindings_are_masked_by_the_wide_reduction_of_their_stream() {
        let seed = [7u8; 32];
        let aes = Aes256::new_from_slice(derive(&seed, Label::Blinding, &[]).expose()).unwrap();
        let mut blindings = vec![Scalar::ZERO; 3];
        blind(&mut blindings, &seed, Sign::Plus);
        for (i, blinding) in blindings.iter().enumerate() {
            let mut wide = [0u8; 64];
            for (j, piece) in wide.chunks_mut(16).enumerate() {
                let mut block = [0u8; 16];
                block[..8].copy_from_slice(&((4 * i + j) as u64).to_le_bytes());
                aes.encrypt_block((&mut block).into());
                piece.copy_from_slice(&block);
            }
            assert_eq!(*blinding, Scalar::from_bytes_mod_order_wide(&wide));
        }
        blind(&mut blindings, &seed, Sign::Minus);
        assert_eq!(blindings, [Scalar::ZERO; 3]);
    }
}
