//! ChaCha20-Poly1305 (RFC 8439) under one-time keys, with the zero nonce.
//!
//! A key seals one message ever: its derivation binds the attempt, both ends and a fresh nonce. The
//! cipher does not commit to its key, so every sealed share comes with a key commitment.

use crate::secret::{Key, Secret};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

/// Bytes that sealing adds.
pub const TAG_LEN: usize = 16;

/// Seals `plain` under a key that is used once; `None` only beyond 256 GB.
#[must_use]
pub fn seal(key: &Key, plain: &[u8]) -> Option<Vec<u8>> {
    ChaCha20Poly1305::new(key.expose().into()).encrypt(&Nonce::default(), plain).ok()
}

/// Opens what [`seal`] made; `None` if one bit of it or of the key differs.
#[must_use]
pub fn open(key: &Key, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
    ChaCha20Poly1305::new(key.expose().into()).decrypt(&Nonce::default(), sealed).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_hex, to_hex};
    use chacha20poly1305::aead::Payload;

    /// RFC 8439, section 2.8.2.
    #[test]
    fn rfc8439_vector() {
        let key: [u8; 32] = from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
            .unwrap()
            .try_into()
            .unwrap();
        let nonce: [u8; 12] = from_hex("070000004041424344454647").unwrap().try_into().unwrap();
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let aad = from_hex("50515253c0c1c2c3c4c5c6c7").unwrap();
        let sealed = ChaCha20Poly1305::new((&key).into())
            .encrypt(&nonce.into(), Payload { msg: plain, aad: &aad })
            .unwrap();
        let expected = concat!(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6",
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36",
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc",
            "3ff4def08e4b7a9de576d26586cec64b6116",
            "1ae10b594f09e26a7e902ecbd0600691"
        );
        assert_eq!(to_hex(&sealed), expected);
    }

    #[test]
    fn opens_only_what_was_sealed() {
        let key = Secret::new([3; 32]);
        let sealed = seal(&key, b"ninety-six bytes of shares").unwrap();
        assert_eq!(open(&key, &sealed).unwrap().expose(), b"ninety-six bytes of shares");
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(open(&key, &bad).is_none());
        }
        assert!(open(&Secret::new([4; 32]), &sealed).is_none());
    }
}
