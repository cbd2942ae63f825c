//! Every key and seed, from the incarnation's secret to the streams; sealed shares and recovery lists.

use super::hex;
use crate::codec::Bytes;
use crate::crypto::channel::{End, IncarnationSecret, channel_key, confirmation, encapsulate};
use crate::crypto::keys::Identity;
use crate::crypto::mask::{Mask, Sign, apply};
use crate::crypto::seal::seal;
use crate::crypto::transcript::{Label, derive, expand, extract};
use crate::ids::{AnnounceHash, AttemptId, GoHash, NodeId, TreeRoot};
use crate::rounds::deposit::{Shares, pair_commitment, pair_seed, plain, recovery_key, share_key};
use crate::rounds::ready::{mask_seed, self_seed};
use crate::secret::Secret;
use crate::testing::tape::Tape;
use crate::transparency::{SignedTreeHead, TreeHead};
use curve25519_dalek::Scalar;
use serde_json::{Value, json};

const U: NodeId = NodeId(3);
const V: NodeId = NodeId(69);
const SID: AttemptId = AttemptId([1; 32]);
const GO: GoHash = GoHash([3; 32]);

pub(super) fn all() -> Value {
    json!({ "hkdf": hkdf(), "channel": channel(), "attempt": attempt(), "masks": masks(), "plain": plain_channel() })
}

fn hkdf() -> Value {
    let (salt, a, b) = ([0x51; 32], [0x52; 32], [0x53; 32]);
    let key = extract(&salt, &[&a, &b]);
    json!({
        "salt": hex(salt), "parts": [hex(a), hex(b)], "extracted": hex(key.expose()),
        "label": "fa/1 share", "context": [hex([7, 8]), hex([9])],
        "expanded": hex(expand::<64>(&key, Label::Share, &[&[7, 8], &[9]]).expose()),
        "derive_label": "fa/1 cells", "derive_context": [hex([1])],
        "derived": hex(derive(&a, Label::Cells, &[&[1]]).expose()),
    })
}

/// Two incarnations, both ciphertexts, the key and both confirmations.
fn channel() -> Value {
    let mut tape = Tape::new(1);
    let (u, v) = (IncarnationSecret::generate(&mut tape), IncarnationSecret::generate(&mut tape));
    let (ct1, ss1) = encapsulate(&v.public(), &mut tape).unwrap();
    let (ct2, ss2) = encapsulate(&u.public(), &mut tape).unwrap();
    let drawn: Vec<&Vec<u8>> = tape.drawn.iter().map(|(_, bytes)| bytes).collect();
    let [seed_u, seed_v, random_u, random_v] = drawn[..] else { panic!("{} draws", drawn.len()) };
    let (au, av) = (AnnounceHash([5; 32]), AnnounceHash([6; 32]));
    let key = channel_key(
        &End { announce: au, ciphertext: &ct1, shared: &ss1 },
        &End { announce: av, ciphertext: &ct2, shared: &ss2 },
    );
    let end = |seed,
               random,
               public: Bytes<1216>,
               ct: Bytes<1120>,
               ss: &Secret<[u8; 32]>,
               announce: AnnounceHash| {
        json!({
            "seed": hex(seed), "public": hex(public.0), "announce": hex(announce.0),
            "encapsulated_with": hex(random), "ciphertext": hex(ct.0), "shared": hex(ss.expose()),
            "confirmation": hex(confirmation(&key, &announce).unwrap().0),
        })
    };
    json!({
        "low": end(seed_u, random_u, u.public(), ct1, &ss1, au),
        "high": end(seed_v, random_v, v.public(), ct2, &ss2, av),
        "key": hex(key.expose()),
    })
}

/// A channel key of parts that need no X-Wing.
fn plain_channel() -> Value {
    let (low, high) = (Secret::new([12; 32]), Secret::new([13; 32]));
    let key = channel_key(
        &End { announce: AnnounceHash([5; 32]), ciphertext: &Bytes([10; 1120]), shared: &low },
        &End { announce: AnnounceHash([6; 32]), ciphertext: &Bytes([11; 1120]), shared: &high },
    );
    json!({
        "low": { "announce": hex([5; 32]), "ciphertext_is_1120_times": 10, "shared": hex(low.expose()) },
        "high": { "announce": hex([6; 32]), "ciphertext_is_1120_times": 11, "shared": hex(high.expose()) },
        "key": hex(key.expose()),
        "confirmation_of_low": hex(confirmation(&key, &AnnounceHash([5; 32])).unwrap().0),
    })
}

fn attempt() -> Value {
    let key = Secret::new([2; 32]);
    let sigma = pair_seed(&key, &SID);
    let commitment = pair_commitment(sigma.expose(), U, V, &SID);
    assert_eq!(commitment, pair_commitment(sigma.expose(), V, U, &SID));
    let (share, key_commitment) = share_key(&key, &SID, U, V, &Bytes([4; 32]));
    let (r, b) = (Scalar::from(7u64), -Scalar::from(8u64));
    let head = TreeHead { size: 0x0102_0304, root: TreeRoot([6; 32]) };
    let head = SignedTreeHead::new(&Identity::from_seed(&Secret::new([5; 32])), head).unwrap();
    let plain = plain(&Secret::new(Shares { r, b }), Some(&head));
    let list = recovery_key(&r, &SID);
    let seeds = [[0; 32], *sigma.expose()].concat();
    json!({
        "channel_key": hex(key.expose()), "sid": hex(SID.0), "dealer": U.0, "holder": V.0,
        "sigma": hex(sigma.expose()), "commitment": hex(commitment),
        "share": {
            "nonce": hex([4; 32]), "key": hex(share.expose()), "key_commitment": hex(key_commitment),
            "r": hex(r.to_bytes()), "b": hex(b.to_bytes()), "head": head,
            "sealed": hex(seal(&share, &plain).unwrap()),
        },
        "recovery": {
            "r": hex(r.to_bytes()), "key": hex(list.expose()), "list": hex(&seeds),
            "sealed": hex(seal(&list, &seeds).unwrap()),
        },
    })
}

fn masks() -> Value {
    let sigma = pair_seed(&Secret::new([2; 32]), &SID);
    let (pair, own) = (mask_seed(sigma.expose(), &GO), self_seed(&Scalar::from(7u64), &GO, U));
    let stream = |seed: &[u8; 32]| hex(derive(seed, Label::Cells, &[]).expose());
    let mut lanes = [0u64; 8];
    apply(&mut lanes, &mut [Mask::new(pair.expose(), Sign::Plus)]);
    let first: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    json!({
        "pair_stream": hex(first),
        "go": hex(GO.0), "sigma": hex(sigma.expose()), "pair_seed": hex(pair.expose()),
        "pair_stream_key": stream(pair.expose()),
        "b": hex(Scalar::from(7u64).to_bytes()), "node": U.0, "own_seed": hex(own.expose()),
        "own_stream_key": stream(own.expose()),
    })
}
