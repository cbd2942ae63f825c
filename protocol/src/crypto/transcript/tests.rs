//! Published vectors of the primitives, and the labels as they are on the wire.

use super::*;
use crate::codec::{from_hex, to_hex};
use hmac::{Hmac, KeyInit, Mac};

fn bytes(hex: &str) -> Vec<u8> {
    from_hex(&hex.replace(' ', "")).unwrap()
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(data).finalize().into_bytes().to_vec()
}

/// FIPS 180-4 (examples of NIST): one block, two blocks, none, a million letters.
#[test]
fn fips180_4_sha256() {
    let million = vec![b'a'; 1_000_000];
    for (message, digest) in [
        (&b"abc"[..], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ] {
        assert_eq!(to_hex(&sha256(message)), digest);
    }
}

/// RFC 4231, section 4: test cases 1 to 4, 6 and 7; case 5 is a truncated one.
#[test]
fn rfc4231_hmac_sha256() {
    let long = b"This is a test using a larger than block-size key and a larger than block-size data. \
                 The key needs to be hashed before being used by the HMAC algorithm.";
    let counting: Vec<u8> = (1..=25).collect();
    for (key, data, tag) in [
        (
            vec![0x0b; 20],
            &b"Hi There"[..],
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (counting, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (vec![0xaa; 131], long, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ] {
        assert_eq!(to_hex(&hmac(&key, data)), tag);
    }
    let truncated = hmac(&[0x0c; 20], b"Test With Truncation");
    assert_eq!(to_hex(&truncated[..16]), "a3b6167473100ee06e0c796c2955552b");
}

/// RFC 5869, appendix A.1 to A.3.
#[test]
fn rfc5869_hkdf_sha256() {
    let run = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    for (salt, ikm, info, prk, okm) in [
        (
            Some(run(0x00, 0x0c)),
            vec![0x0b; 22],
            run(0xf0, 0xf9),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            Some(run(0x60, 0xaf)),
            run(0x00, 0x4f),
            run(0xb0, 0xff),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            concat!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
                "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71",
                "cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            None,
            vec![0x0b; 22],
            Vec::new(),
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let (found, hkdf) = Hkdf::<Sha256>::extract(salt.as_deref(), &ikm);
        assert_eq!(to_hex(&found), prk);
        let mut out = vec![0; bytes(okm).len()];
        hkdf.expand(&info, &mut out).unwrap();
        assert_eq!(out, bytes(okm));
    }
}

/// The house's Extract and Expand are those of RFC 5869 over the parts one after the other.
#[test]
fn keys_are_derived_as_hkdf_says() {
    let (salt, a, b) = ([1; 32], [2; 32], [3; 32]);
    let prk = hmac(&salt, &[a, b].concat());
    let key = extract(&salt, &[&a, &b]);
    assert_eq!(key.expose().as_slice(), prk);
    let info = [&b"fa/1 share"[..], &[7, 8], &[9]].concat();
    let first = hmac(&prk, &[&info[..], &[1]].concat());
    let second = hmac(&prk, &[&first[..], &info[..], &[2]].concat());
    let both = expand::<64>(&key, Label::Share, &[&[7, 8], &[9]]);
    assert_eq!(both.expose().as_slice(), [first, second].concat());
    let zero = hmac(&[0; 32], &a);
    let expected = hmac(&zero, &[&b"fa/1 cells"[..], &[1]].concat());
    assert_eq!(derive(&a, Label::Cells, &[]).expose().as_slice(), expected);
}

/// Adding a label means adding it here: the match does not compile without it.
fn place(label: Label) -> usize {
    match label {
        Label::Roster => 0,
        Label::Query => 1,
        Label::Warrant => 2,
        Label::Session => 3,
        Label::Attempt => 4,
        Label::Tie => 5,
        Label::Announce => 6,
        Label::Channel => 7,
        Label::ChannelConfirm => 8,
        Label::PairSeed => 9,
        Label::PairCommit => 10,
        Label::PairMask => 11,
        Label::SelfMask => 12,
        Label::Cells => 13,
        Label::Blinding => 14,
        Label::Generator => 15,
        Label::Share => 16,
        Label::RecoveryList => 17,
        Label::LeafR => 18,
        Label::LeafB => 19,
        Label::LeafHideR => 20,
        Label::LeafHideB => 21,
        Label::KeyCommit => 22,
        Label::Challenge => 23,
        Label::Start => 24,
        Label::Go => 25,
        Label::Readies => 26,
        Label::Report => 27,
        Label::Freeze => 28,
        Label::Certificate => 29,
        Label::Result => 30,
        Label::Opened => 31,
        Label::Fingerprint => 32,
        Label::Token => 33,
        Label::Chain => 34,
        Label::Extract => 35,
        Label::Log => 36,
        Label::Range => 37,
        Label::Family => 38,
    }
}

/// Every label and its text on the wire, without `fa/1 `.
pub(crate) const ALL: [(Label, &str); 39] = [
    (Label::Roster, "roster"),
    (Label::Query, "query"),
    (Label::Warrant, "warrant"),
    (Label::Session, "session"),
    (Label::Attempt, "sid"),
    (Label::Tie, "tie"),
    (Label::Announce, "announce"),
    (Label::Channel, "chan"),
    (Label::ChannelConfirm, "chan confirm"),
    (Label::PairSeed, "sigma"),
    (Label::PairCommit, "c"),
    (Label::PairMask, "pair"),
    (Label::SelfMask, "self"),
    (Label::Cells, "cells"),
    (Label::Blinding, "rho"),
    (Label::Generator, "gen"),
    (Label::Share, "share"),
    (Label::RecoveryList, "list"),
    (Label::LeafR, "leaf r"),
    (Label::LeafB, "leaf b"),
    (Label::LeafHideR, "leaf g r"),
    (Label::LeafHideB, "leaf g b"),
    (Label::KeyCommit, "key commit"),
    (Label::Challenge, "d"),
    (Label::Start, "start"),
    (Label::Go, "go"),
    (Label::Readies, "readies"),
    (Label::Report, "con"),
    (Label::Freeze, "frz"),
    (Label::Certificate, "cert"),
    (Label::Result, "res"),
    (Label::Opened, "opened"),
    (Label::Fingerprint, "words"),
    (Label::Token, "token"),
    (Label::Chain, "chain"),
    (Label::Extract, "extract"),
    (Label::Log, "log"),
    (Label::Range, "range"),
    (Label::Family, "family"),
];

#[test]
fn labels_are_frozen_and_no_two_are_equal() {
    for (i, (label, text)) in ALL.iter().enumerate() {
        assert_eq!(place(*label), i);
        assert_eq!(label.text(), format!("fa/1 {text}").as_bytes());
        assert!(ALL[..i].iter().all(|(_, other)| other != text), "{text}");
        // What is hashed begins with the label's length, so that none is the beginning of another.
        let prefixed = [&u32::try_from(label.text().len()).unwrap().to_be_bytes()[..], label.text()].concat();
        assert_eq!(Transcript::new(*label).finish(), sha256(&prefixed));
    }
}

#[test]
fn parts_are_big_endian_and_carry_their_length() {
    let hash = Transcript::new(Label::Go).fixed(&[1; 32]).u16(2).u32(3).u64(4).count(5).bytes(b"ab").finish();
    let raw = bytes(
        &[
            "00000007 666131 20 676f".replace("666131", "66612f31").as_str(),
            &"01".repeat(32),
            "0002 00000003 0000000000000004 00000005 00000002 6162",
        ]
        .concat(),
    );
    assert_eq!(hash, sha256(&raw));
}
