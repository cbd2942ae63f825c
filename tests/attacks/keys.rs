//! Attacks on keys, seeds and signatures: streams used twice, long-term keys, signatures of another type,
//! recorded traffic, biased secrets.

use crate::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::crypto::channel::{
    CIPHERTEXT_LEN, End, IncarnationSecret, PUBLIC_LEN, channel_key, encapsulate,
};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::crypto::sharing::{Polynomial, scalar, scalar_bytes};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AnnounceHash, AttemptId, ResultHash};
use samensom_protocol::message::{AlarmBody, Certificate, Confirmation, FreezeBody};
use samensom_protocol::rounds::result::polynomial;
use samensom_protocol::rounds::reveal::recover;
use samensom_protocol::secret::{Key, Secret};
use samensom_tests::adversary::drops::{Stops, world};
use samensom_tests::adversary::office::{Office, Stop};
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::town::{SPACING_S, town};
use samensom_tests::forge::message::sign;
#[cfg(samensom_ablation)]
use samensom_tests::leak::observer::Which;
use std::collections::BTreeMap;

/// Two sessions of one incarnation in two slots; the reports of both.
fn two_sessions() -> Scene {
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    scene.end_all();
    scene.world.pass(u64::from(SPACING_S) * 1000);
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    summed(&mut scene, &everyone);
    scene
}

/// Attempts in which each stream masks a report.
fn streams(scene: &Scene) -> BTreeMap<[u8; 32], BTreeSet<AttemptId>> {
    let mut all: BTreeMap<[u8; 32], BTreeSet<AttemptId>> = BTreeMap::new();
    for seen in &scene.world.observer.reports {
        for term in &seen.terms {
            all.entry(term.seed).or_default().insert(seen.sid);
        }
    }
    all
}

#[test]
fn attack_13_one_stream_in_two_attempts_kdf() {
    let scene = two_sessions();
    holds(&scene);
    let streams = streams(&scene);
    // Five own masks, ten pairs among the honest, ten with a colluder; twice.
    assert_eq!(streams.len(), 50);
    assert!(streams.values().all(|attempts| attempts.len() == 1));
}

/// Wins: the masks of one session lie on the reports of the next.
#[cfg(samensom_ablation)]
#[test]
fn control_13_keys_that_no_attempt_is_in() {
    let scene = off(Some("kdf-without-attempt"), None, two_sessions);
    assert!(streams(&scene).values().any(|attempts| attempts.len() == 2));
}

/// What the dropout's list gives away in one session, and the pair seeds it uses in the next.
fn dropped_and_back() -> (Vec<[u8; 32]>, Vec<[u8; 32]>) {
    let (mut world, mut office) = (world(7, 3), Office::default());
    let dropped: Stops = [(NodeId(1), Stop::Report)].into();
    let sum = office.session(&mut world, &dropped, &mut |_, _, message| Some(message)).unwrap();
    let facts = world.observer.facts(&sum.sid).unwrap().clone();
    let opened = sum.outcome.opened.iter().find(|one| one.dealer == NodeId(1)).unwrap();
    let r = polynomial(opened, facts.params().thresholds.shares).unwrap().at_zero();
    let seeds = recover(&r, &opened.recovery, &facts, NodeId(1), |_| None).unwrap();
    world.pass(u64::from(SPACING_S) * 1000);
    (1..=7).for_each(|node| world.change_rows(NodeId(node)));
    office.session(&mut world, &Stops::new(), &mut |_, _, message| Some(message)).unwrap();
    let again = world.observer.reports.iter().find(|seen| seen.node == NodeId(1)).unwrap();
    let used = again.terms.iter().filter_map(|term| term.pair.map(|(_, sigma)| sigma)).collect();
    (seeds.values().map(|seed| *seed.expose()).collect(), used)
}

#[test]
fn attack_14_a_long_term_key_from_a_dropout_kdf() {
    let (open, used) = dropped_and_back();
    assert_eq!((open.len(), used.len()), (6, 6));
    assert!(used.iter().all(|seed| !open.contains(seed)));
}

/// Wins: what one drop-out opened opens the next session.
#[cfg(samensom_ablation)]
#[test]
fn control_14_a_seed_for_ever() {
    let (open, used) = off(Some("leak-seed-without-sid"), None, dropped_and_back);
    assert!(used.iter().all(|seed| open.contains(seed)));
}

/// A certificate one signature short, filled up with the last colluder's ALARM over the same bytes.
fn alarm_for_confirm(n: u16) -> Scene {
    let x = (n - 1) / 3;
    let colluders: Vec<u16> = (n - x + 1..=n).collect();
    let mut scene = scene(n, &colluders);
    let everyone = scene.everyone.clone();
    let go = gone(&mut scene);
    let f = scene.freeze(go, &everyone, &everyone).unwrap();
    let made = &scene.hand.tries[go.0].freezes[f];
    let body = FreezeBody { sid: scene.hand.tries[go.0].facts.sid, freeze: made.hash };
    let few = usize::from(scene.thresholds.quorum) - 1;
    let mut all: Vec<Confirmation> = made.confirmations.values().take(few).copied().collect();
    let alarm = AlarmBody { sid: body.sid, result: ResultHash(body.freeze.0) };
    let signed = sign::<_, 128>(&scene.world.town.identities[&NodeId(n)], Signed::Alarm, &alarm);
    all.push(Confirmation { node: NodeId(n), signature: signed.signature });
    let certificate = Certificate {
        body: sign(&scene.world.town.coordinator, Signed::Certificate, &body),
        confirmations: List::new(all).unwrap(),
    };
    (1..=n - x).for_each(|node| tell(&mut scene, node, &Message::Certificate(certificate.clone())));
    (1..=n - x).for_each(|node| scene.hand.send_ask(&mut scene.world, (go.0, f), NodeId(node)));
    scene
}

/// S + ell: a second encoding of the same signature, which a lax verifier takes.
fn malleated(signature: &Bytes<64>) -> Bytes<64> {
    const ELL: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (mut other, mut carry) = (*signature, 0u16);
    for (byte, ell) in other.0[32..].iter_mut().zip(ELL) {
        let sum = u16::from(*byte) + u16::from(ell) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    other
}

#[test]
fn attack_28_signatures_of_another_type_a01_a16_canonical() {
    let scene = alarm_for_confirm(8);
    holds(&scene);
    end_by(&scene, &[1, 2, 3, 4, 5, 6], Check::A16);
    assert!(scene.world.observer.revealed.is_empty());
    // Another encoding of a genuine message: each is refused before anything is read from it.
    let mut scene = seven();
    let ask = plain_ask(&scene);
    let t = scene.hand.ask(&mut scene.world, ask).unwrap();
    let genuine = scene.hand.tries[t].offer.clone();
    let Ok(Message::Offer(mut one)) = Message::from_frame(&genuine) else { panic!() };
    one.header.signature = malleated(&one.header.signature);
    for lie in
        [[&genuine[..], &[0]].concat(), genuine[..genuine.len() - 1].to_vec(), frame(&Message::Offer(one))]
    {
        scene.world.deliver(NodeId(1), lie);
    }
    assert_eq!(refuses(&scene.world, 1), [Check::A01; 3]);
    assert!(scene.world.ledger(NodeId(1)).is_empty() && scene.world.inbox.is_empty());
    // No scalar has two encodings: of s, s + ell is refused, and so is any that is no scalar.
    let small = scalar_bytes(&Polynomial::random(1, &mut ChaCha20Rng::seed_from_u64(1)).expose().at_zero());
    let doubled = malleated(&Bytes([[0; 32], small.0].concat().try_into().unwrap()));
    assert!(scalar(&small).is_some());
    assert!(scalar(&Bytes(doubled.0[32..].try_into().unwrap())).is_none());
    assert!(scalar(&Bytes([0xff; 32])).is_none());
    // Signing keys of small order verify anything in a lax verifier; none may stand in a roster.
    let mut one = [0; 32];
    one[0] = 1;
    for key in [[0; 32], one, [0xff; 32]] {
        assert!(!samensom_protocol::crypto::keys::is_usable(&samensom_protocol::ids::PublicKey(key)));
    }
    assert!(town(7).identities.values().all(|key| samensom_protocol::crypto::keys::is_usable(&key.public())));
}

/// Wins: shares come out under a certificate that lacks a confirmation. The town is made under the same
/// switch, for its approvals are signatures too.
#[cfg(samensom_ablation)]
#[test]
fn control_28_signatures_without_a_type() {
    let scene = off(Some("type-off"), None, || alarm_for_confirm(10));
    assert!(scene.world.observer.revealed.keys().any(|(_, _, which)| *which == Which::B));
}

/// What whoever breaks X25519 one day has of a recorded pair: the X25519 halves, and all that follows.
fn broken(public: &Bytes<PUBLIC_LEN>, ciphertext: &Bytes<CIPHERTEXT_LEN>) -> Key {
    let last = |bytes: &[u8]| *bytes.last_chunk::<32>().unwrap();
    Secret::new(sha256(&[last(&public.0), last(&ciphertext.0)].concat()))
}

/// The true channel key of a recorded pair, and the one that the later computer finds.
fn recorded(seed: u64) -> ([u8; 32], [u8; 32]) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (u, v) = (IncarnationSecret::generate(&mut rng), IncarnationSecret::generate(&mut rng));
    let (to_v, ss1) = encapsulate(&v.public(), &mut rng).unwrap();
    let (to_u, ss2) = encapsulate(&u.public(), &mut rng).unwrap();
    assert_eq!(v.decapsulate(&to_v).expose(), ss1.expose());
    let key = |ss1: &Key, ss2: &Key| {
        let low = End { announce: AnnounceHash([1; 32]), ciphertext: &to_v, shared: ss1 };
        let high = End { announce: AnnounceHash([2; 32]), ciphertext: &to_u, shared: ss2 };
        *channel_key(&low, &high).expose()
    };
    (key(&ss1, &ss2), key(&broken(&v.public(), &to_v), &broken(&u.public(), &to_u)))
}

/// Types of a group element in what is sent; a long-lived public key and a signature are none of a secret.
fn group_elements(schema: &str) -> Vec<String> {
    let words = ["Ristretto", "EdwardsPoint", "MontgomeryPoint", "X25519", "Affine", "Projective"];
    let code = schema.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.filter(|line| words.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
}

#[test]
fn attack_29_recorded_traffic_and_a_later_computer_pq() {
    for seed in 0..16 {
        let (key, found) = recorded(seed);
        assert_ne!(key, found);
    }
    // Every part of ML-KEM's ciphertext is in the key.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let v = IncarnationSecret::generate(&mut rng);
    let (ciphertext, shared) = encapsulate(&v.public(), &mut rng).unwrap();
    for at in (0..CIPHERTEXT_LEN - 32).step_by(64) {
        let mut other = ciphertext;
        other.0[at] ^= 1;
        assert_ne!(v.decapsulate(&other).expose(), shared.expose(), "byte {at}");
    }
    // Nothing that is sent is a group element over a secret: shares are committed to by hashes.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src");
    for file in ["message.rs", "rounds/deposit.rs", "rounds/reveal.rs"] {
        let schema = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(schema.contains("Bytes<32>") || schema.contains("Scalar"), "{file} is what is meant");
        assert_eq!(group_elements(&schema), Vec::<String>::new(), "{file}");
    }
    assert_eq!(group_elements("pub commitment: CompressedRistretto,").len(), 1);
}

/// Wins: every channel key of the record.
#[cfg(samensom_ablation)]
#[test]
fn control_29_x25519_alone() {
    off(Some("classic-only"), None, || {
        (0..4).map(recorded).for_each(|(key, found)| assert_eq!(key, found));
    });
}

/// Secrets that one share of two gives away, if secret and slope are below the position.
fn guessed(count: u64) -> usize {
    let guess = |seed: u64| {
        let f = Polynomial::random(2, &mut ChaCha20Rng::seed_from_u64(seed));
        let (share, secret) = (scalar_bytes(&f.expose().at(300)), scalar_bytes(&f.expose().at_zero()));
        let (low, rest) = share.0.split_first_chunk::<8>().unwrap();
        let found = u64::from_le_bytes(*low) % 300;
        rest.iter().all(|byte| *byte == 0) && secret.0[..8] == found.to_le_bytes()
    };
    (0..count).filter(|seed| guess(*seed)).count()
}

/// Chi-square of each of a share's low 31 bytes over 256 values; the largest.
fn largest_chi_square(count: u64) -> f64 {
    let mut counts = vec![[0f64; 256]; 31];
    for seed in 0..count {
        let share =
            scalar_bytes(&Polynomial::random(3, &mut ChaCha20Rng::seed_from_u64(seed)).expose().at(7));
        share.0[..31].iter().zip(&mut counts).for_each(|(byte, of)| of[usize::from(*byte)] += 1.0);
    }
    let expected = f64::from(u32::try_from(count).unwrap()) / 256.0;
    let chi = |of: &[f64; 256]| of.iter().map(|n| (n - expected).powi(2) / expected).sum();
    counts.iter().map(chi).fold(0.0, f64::max)
}

/// A generator that gives nothing but zeros.
struct Zeros;

impl rand_core::TryRng for Zeros {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Zeros {}

#[test]
fn attack_30_biased_secrets_uniform() {
    assert_eq!(guessed(1_000), 0);
    // 255 degrees of freedom, standard deviation 22.6: six of them.
    let chi = largest_chi_square(8_192);
    assert!(chi < 391.0, "{chi}");
    // A zero is as good as any other coefficient; rejecting it gives a little away each time.
    let zeros = Polynomial::random(3, &mut Zeros);
    assert_eq!(zeros.expose().coefficients().len(), 3);
    assert!(zeros.expose().coefficients().iter().all(|one| scalar_bytes(one).0 == [0; 32]));
}

/// Wins: the secret, from one share fewer than it takes.
#[cfg(samensom_ablation)]
#[test]
fn control_30_secrets_of_eight_bits() {
    assert_eq!(off(Some("narrow-secrets"), None, || guessed(100)), 100);
    assert!(off(Some("narrow-secrets"), None, || largest_chi_square(1_000)) > 391.0);
}
