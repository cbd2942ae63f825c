//! A dealer that commits to shares off its polynomial where nobody else can look.

use super::*;
use crate::codec::{Blob, Bytes, List, decode};
use crate::crypto::seal::open;
use crate::crypto::sharing::{
    Inverses, Polynomial, challenges, combine, interpolate, scalar, scalar_bytes, share_hash,
};
use crate::crypto::transcript::{Label, sha256};
use crate::io::FailureCode;
use crate::message::{
    Deposit, FreezeBody, GoBody, Ready, Report, ReportBlock, ReportBody, Reveal, ShareOf, StartBody,
};
use crate::rounds::offer::Facts;
use crate::rounds::result::polynomial;
use crate::rounds::reveal::{Which, is_dealt};
use crate::rounds::{deposit, deposit_hash, leaves_root, report_hash, start_hash};
use curve25519_dalek::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Changes a dealer's sections and makes z fit them again, with the polynomials that its shares give.
pub(super) fn refit(
    world: &World,
    facts: &Facts,
    dealt: &mut Deposit,
    change: &dyn Fn(&mut Vec<crate::message::Section>),
) {
    let me = dealt.head.node;
    let channels = world.nodes[&me].as_ref().unwrap().pair_keys(facts);
    let mut points = Vec::new();
    for (position, section) in (1u16..).zip(dealt.sections.iter()) {
        let Some(key) = channels.get(&section.holder) else { continue };
        let (key, _) = deposit::share_key(key, &facts.sid, me, section.holder, &dealt.head.nonce);
        let plain = open(&key, &section.sealed).unwrap();
        let part =
            |i: usize| scalar(&Bytes(plain.expose()[32 * i..32 * i + 32].try_into().unwrap())).unwrap();
        points.push((position, [part(0), part(1), part(2)]));
    }
    let threshold = facts.params().thresholds.shares;
    let [r, b, g]: [Polynomial; 3] = [0, 1, 2].map(|which| {
        let points: Vec<_> =
            points.iter().take(usize::from(threshold)).map(|(at, shares)| (*at, shares[which])).collect();
        interpolate(&points, &Inverses::up_to(9)).unwrap()
    });
    let mut sections = dealt.sections.to_vec();
    change(&mut sections);
    let root = leaves_root(sections.iter().map(|section| &section.leaf)).unwrap();
    let z = combine(&r, &b, &g, &challenges(&facts.sid, me, threshold, &root));
    for (position, section) in (1u16..).zip(sections.iter_mut()) {
        section.z = scalar_bytes(&z.at(position));
    }
    dealt.z = List::new(z.coefficients().iter().map(scalar_bytes).collect()).unwrap();
    dealt.head.leaves = Bytes(root);
    dealt.head.z = Bytes(sha256(&crate::codec::encode(&dealt.z).unwrap()));
    dealt.sections = List::new(sections).unwrap();
    dealt.signature = identity(me.0).sign(Signed::Deposit, &deposit_hash(dealt).unwrap().0);
}

/// A dealer whose leaf for its own share lies off its polynomial, with a share to match: everything else
/// it does is right as far as anyone can see.
struct Crooked {
    facts: Option<Facts>,
    deposit: Option<Deposit>,
    bogus: Scalar,
}

impl Crooked {
    /// Deals rightly, then moves the commitment to the own share of b and makes z fit again.
    fn deal(&mut self, world: &World, raw: &[u8]) -> Message {
        let me = NodeId(VICTIM);
        let facts = Facts::new(raw, world.roster.clone(), world.warrant.clone()).unwrap();
        let channels = world.nodes[&me].as_ref().unwrap().pair_keys(&facts);
        let view = crate::ledger::LedgerView::default();
        let own = identity(VICTIM);
        let dealer = deposit::Dealer { me, identity: &own, channels: &channels, ledger_seq: 1, seen: &view };
        let contribution = world.measured(me, &world.warrant);
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (mut dealt, _) = deposit::deal(&facts, &dealer, &contribution, &mut rng).unwrap();
        let leaf = share_hash(Label::LeafB, &facts.sid, me, 1, &self.bogus);
        refit(world, &facts, &mut dealt, &|sections| sections[0].leaf.b = Bytes(leaf));
        self.facts = Some(facts);
        self.deposit = Some(dealt.clone());
        Message::Deposit(dealt)
    }

    fn answer(&mut self, world: &World, message: &Message) -> Vec<Message> {
        let own = identity(VICTIM);
        match message {
            Message::Offer(offer) => vec![self.deal(world, &offer.header.body)],
            Message::Start(start) => {
                let body: StartBody = decode(&start.body.body).unwrap();
                let start = start_hash(&body.sid, &body.cohort);
                let ready = Ready { sid: body.sid, start, unusable: List::default() };
                vec![Message::Ready(Sealed::new(&own, Signed::Ready, &ready).unwrap())]
            }
            Message::Go(go) => {
                let GoBody { sid, go } = decode(&go.body.body).unwrap();
                let params = *self.facts.as_ref().unwrap().params();
                let bytes = vec![0; params.report_len()];
                let leaves = [crate::crypto::commit::leaf(&bytes)];
                let report = report_hash(&go, NodeId(VICTIM), params.width, params.cells, &leaves);
                let body = Sealed::new(&own, Signed::Report, &ReportBody { sid, go, report, ledger_seq: 2 });
                let block = ReportBlock { sid, index: 0, bytes: Blob::new(bytes).unwrap() };
                vec![Message::Report(Report { body: body.unwrap() }), Message::ReportBlock(block)]
            }
            Message::Freeze(freeze) => {
                let body: FreezeBody = decode(&freeze.body.body).unwrap();
                vec![Message::Confirm(Sealed::new(&own, Signed::Confirm, &body).unwrap())]
            }
            Message::AskB(ask) => {
                let FreezeBody { sid, freeze } = decode(&ask.body).unwrap();
                let share = ShareOf { dealer: NodeId(VICTIM), share: scalar_bytes(&self.bogus) };
                vec![Message::RevealB(Reveal { sid, freeze, shares: List::new(vec![share]).unwrap() })]
            }
            _ => Vec::new(),
        }
    }
}

/// One hospital could make the coordinator publish a false total that no bundle ever proves.
#[test]
fn repro_a_leaf_off_its_polynomial_names_its_dealer() {
    let mut world = World::new(5, 1);
    let mut liar = Crooked { facts: None, deposit: None, bogus: Scalar::from(7u64) };
    let ran = world.run_with(&Silence::new(), &mut |world, to, bytes| {
        if to != NodeId(VICTIM) {
            return vec![bytes];
        }
        for message in liar.answer(world, &Message::from_frame(&bytes).unwrap()) {
            world.injected.borrow_mut().push((NodeId(VICTIM), message.to_frame().unwrap()));
        }
        Vec::new()
    });
    let failure = ran.map(|sum| sum.survivors).unwrap_err();
    assert_eq!(failure.code, FailureCode::Fault);
    assert_eq!(failure.culprits, [NodeId(VICTIM)], "{:?}", world.faults);
}

/// A polynomial is that of its dealer only if t_s holders, who did not refuse, were committed shares on it.
#[test]
fn a18_fewer_holders_than_open_a_secret_prove_nothing() {
    let mut world = World::new(5, 1);
    let mut header = None;
    let sum = world
        .run_with(&Silence::new(), &mut |_, _, bytes| {
            if let Ok(Message::Offer(offer)) = Message::from_frame(&bytes) {
                header = Some(offer.header.body.to_vec());
            }
            vec![bytes]
        })
        .unwrap();
    let facts = Facts::new(&header.unwrap(), world.roster.clone(), world.warrant.clone()).unwrap();
    let Some(Message::Deposit(deposit)) = world.sent_by(3).into_iter().next() else { panic!() };
    let f = polynomial(&sum.outcome.opened[2], 3).unwrap();
    let dealt = |holders: std::ops::RangeInclusive<u16>, which| {
        is_dealt(which, &f, &deposit, holders.map(NodeId), &facts)
    };
    assert!(dealt(1..=5, Which::B) && dealt(3..=5, Which::B));
    assert!(!dealt(1..=2, Which::B), "two of the three that it takes");
    assert!(!dealt(1..=5, Which::R), "another secret");
    assert!(!dealt(1..=6, Which::B), "nobody invited");
}
