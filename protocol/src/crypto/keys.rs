//! Ed25519 identities (RFC 8032), strict verification, and the one form of signature.
//!
//! `sig = Ed25519(sk, "fa/1 sig " || type || 0x00 || SHA256(raw bytes))` over the bytes as received,
//! never a re-encoding (protocol.md 1.5). A signature of one type is never valid as another.

use super::transcript::sha256;
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::ids::PublicKey;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;

/// What is being signed. The texts are part of the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the message of that name")]
pub enum Signed {
    Roster,
    Approval,
    Announce,
    Encapsulation,
    Header,
    Deposit,
    Start,
    Ready,
    Go,
    Report,
    Freeze,
    Confirm,
    Certificate,
    AskB,
    Result,
    Alarm,
    End,
    VoidAsk,
    Void,
    Enrolment,
    Log,
    LogHead,
    TreeHead,
}

impl Signed {
    const fn text(self) -> &'static [u8] {
        match self {
            Signed::Roster => b"roster",
            Signed::Approval => b"approval",
            Signed::Announce => b"announce",
            Signed::Encapsulation => b"encapsulation",
            Signed::Header => b"header",
            Signed::Deposit => b"deposit",
            Signed::Start => b"start",
            Signed::Ready => b"ready",
            Signed::Go => b"go",
            Signed::Report => b"contribute",
            Signed::Freeze => b"freeze",
            Signed::Confirm => b"confirm",
            Signed::Certificate => b"cert",
            Signed::AskB => b"ask-b",
            Signed::Result => b"result",
            Signed::Alarm => b"alarm",
            Signed::End => b"end",
            Signed::VoidAsk => b"void-ask",
            Signed::Void => b"void",
            Signed::Enrolment => b"enrolment",
            Signed::Log => b"log",
            Signed::LogHead => b"log-head",
            Signed::TreeHead => b"tree-head",
        }
    }
    fn message(self, raw: &[u8]) -> Vec<u8> {
        let mut message = b"fa/1 sig ".to_vec();
        if !ablated!("type-off") {
            message.extend_from_slice(self.text());
        }
        message.push(0);
        message.extend_from_slice(&sha256(raw));
        message
    }
}

/// A signature's 64 bytes.
pub type SignatureBytes = Bytes<64>;

/// The signing key of a hospital, a person or the coordinator. Prints as its public key.
pub struct Identity(SigningKey);

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({})", self.public())
    }
}

impl Identity {
    /// A new identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = crate::secret::Secret::new([0u8; 32]);
        rng.fill_bytes(&mut seed.0);
        Identity(SigningKey::from_bytes(seed.expose()))
    }
    /// The identity of a stored 32-byte seed (RFC 8032's secret key).
    #[must_use]
    pub fn from_seed(seed: &crate::secret::Key) -> Self {
        Identity(SigningKey::from_bytes(seed.expose()))
    }
    /// The 32-byte seed, for storing it and for the transport.
    #[must_use]
    pub fn seed(&self) -> crate::secret::Key {
        crate::secret::Secret::new(self.0.to_bytes())
    }
    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
    /// Signs `raw` as a message of one type.
    #[must_use]
    pub fn sign(&self, what: Signed, raw: &[u8]) -> SignatureBytes {
        Bytes(self.0.sign(&what.message(raw)).to_bytes())
    }
}

/// Whose signature is looked for: a key as it stands, or one that was decoded.
pub trait Author {
    /// Strict Ed25519 verification of a message as it stands.
    fn wrote(&self, message: &[u8], signature: &[u8; 64]) -> bool;
}

impl Author for PublicKey {
    fn wrote(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        is_signature(&self.0, message, signature)
    }
}

/// A public key decoded once, for those whose signatures come often: decoding costs a sixth of verifying.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(VerifyingKey);

impl Verifier {
    /// None if these bytes are no key.
    #[must_use]
    pub fn new(key: &PublicKey) -> Option<Self> {
        VerifyingKey::from_bytes(&key.0).ok().map(Verifier)
    }
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Verifier({})", PublicKey(self.0.to_bytes()))
    }
}

impl Author for Verifier {
    fn wrote(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// True if `signature` is `author`'s over `raw` as a message of this type (strict: no weak keys, no
/// malleable encodings).
#[must_use]
pub fn verify(author: &impl Author, what: Signed, raw: &[u8], signature: &SignatureBytes) -> bool {
    author.wrote(&what.message(raw), &signature.0)
}

/// Strict Ed25519 verification of a message as it stands.
pub(crate) fn is_signature(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    Verifier::new(&PublicKey(*key)).is_some_and(|key| key.wrote(message, signature))
}

/// True if `key` is a point that may stand in a roster: canonical and not of small order.
#[must_use]
pub fn is_usable(key: &PublicKey) -> bool {
    let point = VerifyingKey::from_bytes(&key.0);
    point.is_ok_and(|point| !point.is_weak() && point.to_edwards().compress().0 == key.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::from_hex;
    use crate::secret::Secret;
    use ed25519_dalek::Verifier as _;

    fn array<const N: usize>(hex: &str) -> [u8; N] {
        from_hex(hex).unwrap().try_into().unwrap()
    }

    /// RFC 8032, section 7.1, TEST 2 and TEST 3.
    #[test]
    fn rfc8032_vectors() {
        for (seed, public, message, signature) in [
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let key = Identity::from_seed(&Secret::new(array(seed)));
            assert_eq!(key.public().to_hex(), public);
            let sig = key.0.sign(&from_hex(message).unwrap()).to_bytes();
            assert_eq!(sig, array::<64>(signature));
        }
    }

    #[test]
    fn a_signature_holds_for_one_type_key_and_message() {
        let key = Identity::from_seed(&Secret::new([7; 32]));
        let sig = key.sign(Signed::Ready, b"bytes");
        assert!(verify(&key.public(), Signed::Ready, b"bytes", &sig));
        assert!(!verify(&key.public(), Signed::Go, b"bytes", &sig));
        assert!(!verify(&key.public(), Signed::Ready, b"byteS", &sig));
        let other = Identity::from_seed(&Secret::new([8; 32])).public();
        assert!(!verify(&other, Signed::Ready, b"bytes", &sig));
        let decoded = Verifier::new(&key.public()).unwrap();
        assert!(verify(&decoded, Signed::Ready, b"bytes", &sig));
        assert!(!verify(&decoded, Signed::Go, b"bytes", &sig));
        assert!(!verify(&Verifier::new(&other).unwrap(), Signed::Ready, b"bytes", &sig));
        for bit in 0..512 {
            let mut bad = sig;
            bad.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key.public(), Signed::Ready, b"bytes", &bad), "bit {bit}");
            assert!(!verify(&decoded, Signed::Ready, b"bytes", &bad), "bit {bit}");
        }
    }

    /// A decoded key is as strict: one of small order verifies nothing, not even what its equation holds for.
    #[test]
    fn a_weak_key_verifies_nothing_decoded_or_not() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let weak = PublicKey(identity_point);
        let mut signature = [0; 64];
        signature[0] = 1; // R = identity, S = 0: S B = R + k A
        let decoded = Verifier::new(&weak).unwrap();
        assert!(decoded.0.verify(b"anything", &Signature::from_bytes(&signature)).is_ok());
        assert!(!decoded.wrote(b"anything", &signature) && !weak.wrote(b"anything", &signature));
    }

    #[test]
    fn small_order_keys_are_not_usable() {
        assert!(!is_usable(&PublicKey([0; 32])));
        let mut one = [0; 32];
        one[0] = 1;
        assert!(!is_usable(&PublicKey(one)));
        assert!(is_usable(&Identity::from_seed(&Secret::new([7; 32])).public()));
    }

    /// Of y = 18 the encoding of 18 + p was taken too: one key under two names.
    #[test]
    fn repro_a_key_has_one_encoding() {
        let mut canonical = [0; 32];
        canonical[0] = 18;
        canonical[31] = 0x80;
        assert!(is_usable(&PublicKey(canonical)));
        assert!(!is_usable(&PublicKey([0xff; 32])));
    }

    #[test]
    fn debug_shows_the_public_key_only() {
        let key = Identity::from_seed(&Secret::new([0xab; 32]));
        assert!(!format!("{key:?}").contains("abab"));
    }
}
