//! Sections 2 and 4 to 7 of the manual: hashes, trees, keys, signatures, sealing, masks, numbers.

use super::Checked;
use aes::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::{Aead, KeyInit};
pub use curve25519_dalek::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hmac::Mac;
use sha2::{Digest, Sha256};
use x_wing::{Decapsulate, DecapsulationKey, Decapsulator, EncapsulationKey, KeyExport};

pub type Hash = [u8; 32];

pub fn sha(data: &[u8]) -> Hash {
    Sha256::digest(data).into()
}

/// A hash being built: a label, then parts.
#[derive(Clone)]
pub struct H(Vec<u8>);

impl H {
    pub fn new(label: &str) -> Self {
        H(Vec::new()).bytes(format!("fa/1 {label}").as_bytes())
    }
    pub fn fixed(mut self, part: &Hash) -> Self {
        self.0.extend(part);
        self
    }
    pub fn u16(mut self, part: u16) -> Self {
        self.0.extend(part.to_be_bytes());
        self
    }
    pub fn u32(mut self, part: u32) -> Self {
        self.0.extend(part.to_be_bytes());
        self
    }
    pub fn u64(mut self, part: u64) -> Self {
        self.0.extend(part.to_be_bytes());
        self
    }
    pub fn count(self, items: usize) -> Self {
        self.u32(u32::try_from(items).unwrap_or(u32::MAX))
    }
    pub fn bytes(mut self, part: &[u8]) -> Self {
        self = self.count(part.len());
        self.0.extend(part);
        self
    }
    pub fn end(self) -> Hash {
        sha(&self.0)
    }
}

pub fn leaf(data: &[u8]) -> Hash {
    sha(&[&[0], data].concat())
}

fn split(count: usize) -> usize {
    let mut k = 1;
    while 2 * k < count {
        k *= 2;
    }
    k
}

pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha(b""),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            sha(&[&[1], &root(left)[..], &root(right)].concat())
        }
    }
}

/// Siblings of leaf `i`, from the leaf up.
pub fn path(leaves: &[Hash], i: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, sibling) =
        if i < left.len() { (path(left, i), root(right)) } else { (path(right, i - left.len()), root(left)) };
    below.push(sibling);
    below
}

/// Hashes by which the tree of the first `old` leaves is seen to be the beginning of this one; `whole` while
/// those are the whole old tree.
pub fn consistency(leaves: &[Hash], old: usize, whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, beside) = if old <= left.len() {
        (consistency(left, old, whole), root(right))
    } else {
        (consistency(right, old - left.len(), false), root(left))
    };
    proof.push(beside);
    proof
}

pub fn hmac(key: &[u8], data: &[u8]) -> Hash {
    let mut mac = <hmac::Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("any length is a key");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub fn extract(salt: &Hash, ikm: &[u8]) -> Hash {
    hmac(salt, ikm)
}

pub fn expand<const N: usize>(key: &Hash, label: &str, context: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let hkdf = hkdf::Hkdf::<Sha256>::from_prk(key).expect("32 bytes are a key");
    let info = [format!("fa/1 {label}").as_bytes(), context].concat();
    hkdf.expand(&info, &mut out).expect("short enough");
    out
}

pub fn derive(seed: &Hash, label: &str, context: &[u8]) -> Hash {
    expand(&extract(&[0; 32], seed), label, context)
}

/// An Ed25519 identity by its seed.
pub fn public(seed: &Hash) -> Hash {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

fn to_sign(what: &str, raw: &[u8]) -> Vec<u8> {
    [b"fa/1 sig ", what.as_bytes(), &[0], &sha(raw)[..]].concat()
}

pub fn sign(seed: &Hash, what: &str, raw: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(&to_sign(what, raw)).to_bytes()
}

pub fn verify(key: &Hash, what: &str, raw: &[u8], signature: &[u8; 64]) -> Checked<()> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| "no key".to_owned())?;
    let verified = key.verify_strict(&to_sign(what, raw), &Signature::from_bytes(signature));
    verified.map_err(|_| format!("a {what} is not signed"))
}

pub fn seal(key: &Hash, plain: &[u8]) -> Vec<u8> {
    chacha20poly1305::ChaCha20Poly1305::new(key.into()).encrypt(&Default::default(), plain).expect("short")
}

pub fn open(key: &Hash, sealed: &[u8]) -> Checked<Vec<u8>> {
    let cipher = chacha20poly1305::ChaCha20Poly1305::new(key.into());
    cipher.decrypt(&Default::default(), sealed).map_err(|_| "a sealed value does not open".to_owned())
}

/// X-Wing: the public key of a seed, a ciphertext and its secret from 64 bytes, and back.
pub fn xwing_public(seed: &Hash) -> Vec<u8> {
    DecapsulationKey::from(*seed).encapsulation_key().to_bytes().to_vec()
}

pub fn encapsulate(public: &[u8], random: &[u8; 64]) -> Checked<(Vec<u8>, Hash)> {
    let key = EncapsulationKey::try_from(public).map_err(|_| "no X-Wing key".to_owned())?;
    let (ciphertext, shared) = key.encapsulate_deterministic(random.into());
    Ok((ciphertext.to_vec(), shared.into()))
}

pub fn decapsulate(seed: &Hash, ciphertext: &[u8]) -> Checked<Hash> {
    let bytes: [u8; 1120] = ciphertext.try_into().map_err(|_| "no ciphertext".to_owned())?;
    Ok(DecapsulationKey::from(*seed).decapsulate(&bytes.into()).into())
}

/// One end of a channel: announce, ciphertext made, secret in it.
pub type End<'a> = (&'a Hash, &'a [u8], &'a Hash);

pub fn channel_key(low: End, high: End) -> Hash {
    let salt = H::new("chan").fixed(low.0).fixed(high.0).bytes(low.1).bytes(high.1).end();
    extract(&salt, &[&low.2[..], high.2].concat())
}

pub fn confirmation(key: &Hash, from: &Hash) -> Hash {
    hmac(key, &H::new("chan confirm").fixed(from).end())
}

pub fn pair_commitment(sigma: &Hash, u: u16, v: u16, sid: &Hash) -> Hash {
    H::new("c").fixed(sigma).u16(u.min(v)).u16(u.max(v)).fixed(sid).end()
}

/// Envelope key of a share and its commitment.
pub fn share_key(channel: &Hash, sid: &Hash, dealer: u16, holder: u16, nonce: &Hash) -> (Hash, Hash) {
    let context = [&sid[..], &dealer.to_be_bytes(), &holder.to_be_bytes(), nonce].concat();
    let both: [u8; 64] = expand(channel, "share", &context);
    let (mut k, mut kc) = ([0; 32], [0; 32]);
    k.copy_from_slice(&both[..32]);
    kc.copy_from_slice(&both[32..]);
    (k, H::new("key commit").fixed(&kc).fixed(&k).end())
}

pub fn own_seed(b: &Scalar, go: &Hash, node: u16) -> Hash {
    derive(&b.to_bytes(), "self", &[&go[..], &node.to_be_bytes()].concat())
}

pub fn scalar(bytes: &Hash) -> Checked<Scalar> {
    Option::from(Scalar::from_canonical_bytes(*bytes)).ok_or_else(|| "a scalar is not canonical".to_owned())
}

/// The value of a polynomial, lowest coefficient first.
pub fn at(f: &[Scalar], x: u16) -> Scalar {
    f.iter().rev().fold(Scalar::ZERO, |sum, c| sum * Scalar::from(x) + c)
}

pub fn share_hash(label: &str, sid: &Hash, dealer: u16, position: u16, value: &Scalar) -> Hash {
    H::new(label).fixed(sid).u16(dealer).u16(position).fixed(&value.to_bytes()).end()
}

/// d_r (`second` false) or d_b.
pub fn challenge(sid: &Hash, dealer: u16, threshold: u16, leaves: &Hash, second: bool) -> Scalar {
    let half = |j| H::new("d").fixed(sid).u16(dealer).u16(threshold).fixed(leaves).u16(j).end();
    let first = if second { 2 } else { 0 };
    wide(&[half(first), half(first + 1)].concat())
}

pub fn wide(bytes: &[u8]) -> Scalar {
    let mut wide = [0; 64];
    wide.copy_from_slice(bytes);
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// g + d f.
pub fn combine(f: &[Scalar], g: &[Scalar], d: &Scalar) -> Vec<Scalar> {
    f.iter().zip(g).map(|(f, g)| g + d * f).collect()
}

/// The polynomial through these points, by Lagrange.
pub fn interpolate(points: &[(u16, Scalar)]) -> Vec<Scalar> {
    let mut sum = vec![Scalar::ZERO; points.len()];
    for (i, (x_i, y_i)) in points.iter().enumerate() {
        let (mut basis, mut divisor) = (vec![Scalar::ONE], Scalar::ONE);
        for (_, (x_j, _)) in points.iter().enumerate().filter(|(j, _)| *j != i) {
            // Times (x - x_j).
            let x_j = Scalar::from(*x_j);
            let mut next = vec![Scalar::ZERO; basis.len() + 1];
            for (k, c) in basis.iter().enumerate() {
                next[k] -= x_j * c;
                next[k + 1] += c;
            }
            basis = next;
            divisor *= Scalar::from(*x_i) - x_j;
        }
        let factor = y_i * divisor.invert();
        sum.iter_mut().zip(&basis).for_each(|(total, c)| *total += factor * c);
    }
    sum
}

/// `lanes` lanes of a seed's stream, from lane `from`.
pub fn stream(seed: &Hash, from: usize, lanes: usize) -> Vec<u64> {
    let key = derive(seed, "cells", &[]);
    let mut bytes = vec![0u8; (from + lanes) * 8];
    ctr::Ctr64LE::<aes::Aes256>::new((&key).into(), &[0; 16].into()).apply_keystream(&mut bytes);
    bytes[from * 8..].chunks(8).map(|c| c.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))).collect()
}

/// Adds (or takes away) a seed's stream, modulo 2^64.
pub fn mask(lanes: &mut [u64], seed: &Hash, plus: bool) {
    let words = stream(seed, 0, lanes.len());
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = if plus { lane.wrapping_add(word) } else { lane.wrapping_sub(word) };
    }
}

pub fn reduce(lanes: &mut [u64], width: u32) {
    lanes.iter_mut().for_each(|lane| *lane &= u64::MAX >> (64 - width));
}

pub fn pack(lanes: &[u64], width: u32) -> Vec<u8> {
    let bits: Vec<bool> = lanes.iter().flat_map(|lane| (0..width).map(move |i| lane >> i & 1 == 1)).collect();
    bits.chunks(8).map(|byte| (0u8..).zip(byte).map(|(i, bit)| u8::from(*bit) << i).sum()).collect()
}

pub fn unpack(packed: &[u8], cells: usize, width: u32) -> Vec<u64> {
    let width = width as usize;
    let bit = |i: usize| u64::from(packed.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1));
    (0..cells).map(|cell| (0..width).map(|i| bit(cell * width + i) << i).sum()).collect()
}

/// con_hash, over the root of the blocks, the hash of the masked blindings and the commitments.
pub fn report_hash(
    go: &Hash,
    node: u16,
    (width, cells): (u32, u32),
    root: &Hash,
    blindings: &Hash,
    commitments: &[Hash],
) -> Hash {
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    let head = H::new("con").fixed(go).u16(node).u16(width).u32(cells).fixed(root);
    head.fixed(blindings).fixed(&sha(commitments.as_flattened())).end()
}

pub fn total_root(lanes: &[u64]) -> Hash {
    let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    root(&bytes.chunks(65_536).map(leaf).collect::<Vec<_>>())
}

/// X, k, q, t_s of N members.
pub fn thresholds(n: u64, honest_min: u64) -> (u64, u64, u64, u64) {
    let x = (n - 1) / 3;
    let k = honest_min.max(if n >= 40 { 10 } else { 2.max(n / 5) });
    (x, k, (n + x) / 2 + 1, (n / 2 + 1).max(x + k))
}

/// w for N members and the widest range.
pub fn width(n: u64, widest: u64) -> u32 {
    (128 - (u128::from(n) * u128::from(widest)).leading_zeros()).max(1)
}
