//! Wycheproof's sets (C2SP, Apache-2.0; `vectors/public/wycheproof`) against the very functions the core uses.
//!
//! RFC 9496 (ristretto255) has none there: its own stand in `crypto/pedersen/tests.rs`.

use crate::codec::from_hex;
use crate::crypto::keys::is_signature;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use curve25519_dalek::MontgomeryPoint;
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;

/// Runs every test of a set: `run` gets group and test, and says whether the input was accepted and the
/// output right. Gives how many were accepted and how many refused.
fn every(set: &str, run: impl Fn(&Value, &Value) -> bool) -> (usize, usize) {
    let set: Value = serde_json::from_str(set).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in set["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let good = run(group, test);
            let id = &test["tcId"];
            match test["result"].as_str().unwrap() {
                "valid" => assert!(good, "test {id}: {}", test["comment"]),
                "invalid" => assert!(!good, "test {id}: {}", test["comment"]),
                // An implementation may refuse these; X-Wing's X25519 does not (RFC 7748, 6.1).
                "acceptable" => assert!(good, "test {id}: {}", test["comment"]),
                other => panic!("{other}"),
            }
            if good { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!(set["numberOfTests"], accepted + refused);
    (accepted, refused)
}

fn bytes(of: &Value, field: &str) -> Vec<u8> {
    from_hex(of[field].as_str().unwrap()).unwrap()
}

/// Strict verification refuses what it must, and everything that is not canonical.
#[test]
fn ed25519() {
    let run = |group: &Value, test: &Value| {
        let key = bytes(&group["publicKey"], "pk").try_into().unwrap();
        // Another length than 64 bytes cannot be decoded from a message.
        bytes(test, "sig").try_into().is_ok_and(|sig| is_signature(&key, &bytes(test, "msg"), &sig))
    };
    let counted = every(include_str!("../../vectors/public/wycheproof/ed25519_test.json"), run);
    assert!(counted.0 > 50 && counted.1 > 50, "{counted:?}");
}

/// The multiplication behind X-Wing's X25519 (`x25519-dalek` calls it and nothing else).
#[test]
fn x25519() {
    let run = |_: &Value, test: &Value| {
        let public: Option<[u8; 32]> = bytes(test, "public").try_into().ok();
        let private: [u8; 32] = bytes(test, "private").try_into().unwrap();
        public.is_some_and(|public| {
            MontgomeryPoint(public).mul_clamped(private).to_bytes().as_slice() == bytes(test, "shared")
        })
    };
    let counted = every(include_str!("../../vectors/public/wycheproof/x25519_test.json"), run);
    assert!(counted.0 > 500, "{counted:?}");
}

#[test]
fn chacha20_poly1305() {
    let run = |_: &Value, test: &Value| {
        let cipher = ChaCha20Poly1305::new_from_slice(&bytes(test, "key")).unwrap();
        let Ok(nonce) = <[u8; 12]>::try_from(bytes(test, "iv")) else { return false };
        let (plain, aad) = (bytes(test, "msg"), bytes(test, "aad"));
        let sealed = [bytes(test, "ct"), bytes(test, "tag")].concat();
        let opened = cipher.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &aad });
        let again = cipher.encrypt(&nonce.into(), Payload { msg: &plain, aad: &aad });
        opened.is_ok_and(|opened| opened == plain) && again.is_ok_and(|again| again == sealed)
    };
    let counted = every(include_str!("../../vectors/public/wycheproof/chacha20_poly1305_test.json"), run);
    assert!(counted.0 > 200 && counted.1 > 50, "{counted:?}");
}

#[test]
fn hkdf_sha256() {
    let run = |_: &Value, test: &Value| {
        let mut okm = vec![0; usize::try_from(test["size"].as_u64().unwrap()).unwrap()];
        let hkdf = Hkdf::<Sha256>::new(Some(&bytes(test, "salt")), &bytes(test, "ikm"));
        hkdf.expand(&bytes(test, "info"), &mut okm).is_ok() && okm == bytes(test, "okm")
    };
    let counted = every(include_str!("../../vectors/public/wycheproof/hkdf_sha256_test.json"), run);
    assert!(counted.0 > 70 && counted.1 > 0, "{counted:?}");
}
