//! A dealer that commits to shares off its polynomials where nobody honest looks: its own, and those of
//! holders that collude with it. Its slot keeps its sum as long as t_s good ones remain.

use super::*;
use crate::bundle::tests::bundle_of;
use crate::codec::{Bytes, List, decode};
use crate::crypto::seal::open;
use crate::crypto::sharing::{
    Inverses, Polynomial, Statement, combine, commit, interpolate, scalar, scalar_bytes,
};
use crate::crypto::transcript::sha256;
use crate::io::{Failure, FailureCode, Sum};
use crate::message::{Deposit, FreezeBody, Public, PublicAt, Ready, Reveal, Round, Section, ShareOf};
use crate::rounds::offer::Facts;
use crate::rounds::ready::Cohort;
use crate::rounds::result::polynomial;
use crate::rounds::reveal::{Which, is_dealt, is_garbage, reveal};
use crate::rounds::{contribute, deposit, deposit_hash, leaves_root, ready};
use crate::testing::Forge;
use curve25519_dalek::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;

const DEALER: u16 = 2;
const BOTH: [Which; 2] = [Which::R, Which::B];

/// The polynomials that a deposit shares, from what its dealer sealed.
fn shared(world: &World, facts: &Facts, dealt: &Deposit) -> [Polynomial; 2] {
    let me = dealt.head.node;
    let channels = world.nodes[&me].as_ref().unwrap().pair_keys(facts);
    let mut points = Vec::new();
    for (position, section) in (1u16..).zip(dealt.sections.iter()) {
        let Some(key) = channels.get(&section.holder) else { continue };
        let (key, _) = deposit::share_key(key, &facts.sid, me, section.holder, &dealt.head.nonce);
        let plain = open(&key, &section.sealed).unwrap();
        let part =
            |i: usize| scalar(&Bytes(plain.expose()[32 * i..32 * i + 32].try_into().unwrap())).unwrap();
        points.push((position, [part(0), part(1)]));
    }
    let threshold = usize::from(facts.params().thresholds.shares);
    [0, 1].map(|which| {
        let points: Vec<_> = points.iter().take(threshold).map(|(at, shares)| (*at, shares[which])).collect();
        interpolate(&points, &Inverses::up_to(9)).unwrap()
    })
}

/// Changes a dealer's sections and makes both z fit them again, with the polynomials that it drew.
pub(super) fn refit(world: &World, facts: &Facts, dealt: &mut Deposit, change: &dyn Fn(&mut Vec<Section>)) {
    let (me, threshold) = (dealt.head.node, facts.params().thresholds.shares);
    let statement = |root| Statement { sid: &facts.sid, dealer: me, threshold, root };
    let before = dealt.head.leaves.0;
    let mut sections = dealt.sections.to_vec();
    change(&mut sections);
    let root = leaves_root(sections.iter().map(|section| &section.leaf)).unwrap();
    let drawn = BOTH.into_iter().zip(shared(world, facts, dealt)).zip([&dealt.z.r, &dealt.z.b]);
    let z: Vec<Polynomial> = drawn
        .map(|((which, f), z)| {
            let z: Vec<Scalar> = z.iter().map(|z| scalar(z).unwrap()).collect();
            let back = -statement(&before).challenge(which);
            let g = combine(&f, &Polynomial::from_coefficients(z), &back);
            combine(&f, &g, &statement(&root).challenge(which))
        })
        .collect();
    for (position, section) in (1u16..).zip(sections.iter_mut()) {
        let at = |which: usize| scalar_bytes(&z[which].at(position));
        section.z = PublicAt { r: at(0), b: at(1) };
    }
    let list = |which: usize| List::new(z[which].coefficients().iter().map(scalar_bytes).collect()).unwrap();
    dealt.z = Public { r: list(0), b: list(1) };
    dealt.head.leaves = Bytes(root);
    dealt.head.z = Bytes(sha256(&crate::codec::encode(&dealt.z).unwrap()));
    dealt.sections = List::new(sections).unwrap();
    dealt.signature = identity(me.0).sign(Signed::Deposit, &deposit_hash(dealt).unwrap().0);
}

/// A share off every polynomial, to which the crooked leaves are commitments.
fn bogus() -> Scalar {
    Scalar::from(7u64)
}

/// A dealer that does all as it should but for some holders' leaves.
struct Crooked {
    /// Positions (ids) of the leaves that it committed to something else.
    off: BTreeSet<u16>,
    /// It vanishes after READY.
    vanishes: bool,
    facts: Option<Facts>,
    kept: Option<deposit::Kept>,
    cohort: Option<Cohort>,
    survivors: Vec<NodeId>,
}

impl Crooked {
    fn new(off: &[u16], vanishes: bool) -> Self {
        let (off, survivors) = (off.iter().copied().collect(), Vec::new());
        Crooked { off, vanishes, facts: None, kept: None, cohort: None, survivors }
    }

    fn deal(&mut self, world: &World, raw: &[u8]) -> Message {
        let me = NodeId(DEALER);
        let facts = Facts::new(raw, world.roster.clone(), world.warrant.clone()).unwrap();
        let channels = world.nodes[&me].as_ref().unwrap().pair_keys(&facts);
        let view = crate::ledger::LedgerView::default();
        let own = identity(DEALER);
        let dealer = deposit::Dealer {
            me,
            identity: &own,
            channels: &channels,
            ledger_seq: 1,
            seen: &view,
            head: None,
        };
        let contribution = world.measured(me, &world.warrant);
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (mut dealt, mut kept) = deposit::deal(&facts, &dealer, &contribution, &mut rng).unwrap();
        refit(world, &facts, &mut dealt, &|sections| {
            for (position, section) in (1u16..).zip(sections).filter(|(at, _)| self.off.contains(at)) {
                let of = |which| commit(which, &facts.sid, me, position, (&bogus(), &bogus())).0;
                (section.leaf.r, section.leaf.b) = (Bytes(of(Which::R)), Bytes(of(Which::B)));
            }
        });
        kept.deposit = deposit_hash(&dealt).unwrap();
        (self.facts, self.kept) = (Some(facts), Some(kept));
        Message::Deposit(dealt)
    }

    /// Its answers, in order.
    fn answer(&mut self, world: &World, message: &Message) -> Vec<Vec<u8>> {
        if let Message::Offer(offer) = message {
            return vec![self.deal(world, &offer.header.body).to_frame().unwrap()];
        }
        let (me, own, coordinator) = (NodeId(DEALER), identity(DEALER), identity(COORDINATOR).public());
        let (Some(facts), Some(kept)) = (&self.facts, &self.kept) else { return Vec::new() };
        let answer = match message {
            Message::Start(start) => {
                let body = ready::open_start(start, facts, &coordinator).unwrap();
                let channels = world.nodes[&me].as_ref().unwrap().pair_keys(facts);
                let view = crate::ledger::LedgerView::default();
                let holder = ready::Holder {
                    me,
                    coordinator: &coordinator,
                    channels: &channels,
                    ledger: &view,
                    head: None,
                };
                let cohort = ready::check(start, &body, facts, &holder, kept).unwrap();
                let message = Message::Ready(ready::ready(&cohort, facts, &own).unwrap());
                self.cohort = Some(cohort);
                message
            }
            Message::Go(_) if self.vanishes => return Vec::new(),
            Message::Go(go) => {
                let body = contribute::open_go(go, facts, &coordinator).unwrap();
                let cohort = self.cohort.as_ref().unwrap();
                let hash = contribute::check(go, &body, facts, cohort).unwrap();
                let contribution = world.measured(me, &world.warrant);
                let by = (me, &own, 2);
                return contribute::mask(facts, &hash, &contribution, cohort, kept, by).unwrap().frames;
            }
            Message::Freeze(freeze) => {
                self.survivors = freeze.survivors.iter().map(|one| one.node).collect();
                let body: FreezeBody = decode(&freeze.body.body).unwrap();
                Message::Confirm(Sealed::new(&own, Signed::Confirm, &body).unwrap())
            }
            Message::Certificate(certificate) => match self.shares(Which::R, &certificate.body.body) {
                reveal if reveal.shares.is_empty() => return Vec::new(),
                reveal => Message::RevealR(reveal),
            },
            Message::AskB(ask) => Message::RevealB(self.shares(Which::B, &ask.body)),
            _ => return Vec::new(),
        };
        vec![answer.to_frame().unwrap()]
    }

    /// Its shares of the dropouts' r, or the survivors' b; of its own, the one it committed to.
    fn shares(&self, which: Which, body: &[u8]) -> Reveal {
        let FreezeBody { freeze, .. } = decode(body).unwrap();
        let (facts, cohort) = (self.facts.as_ref().unwrap(), self.cohort.as_ref().unwrap());
        let wanted = |node: &NodeId| self.survivors.contains(node) == (which == Which::B);
        let mut given = reveal(which, cohort.members().filter(wanted), facts, &freeze, cohort).unwrap();
        if self.off.contains(&DEALER) {
            given = with_bogus(given);
        }
        given
    }
}

/// The same shares, but for the dealer's the one that it committed to.
fn with_bogus(mut reveal: Reveal) -> Reveal {
    let mut shares: Vec<ShareOf> =
        reveal.shares.iter().copied().filter(|share| share.dealer != NodeId(DEALER)).collect();
    shares.push(ShareOf { dealer: NodeId(DEALER), share: scalar_bytes(&bogus()) });
    shares.sort_by_key(|share| share.dealer);
    reveal.shares = List::new(shares).unwrap();
    reveal
}

/// Holders that collude with the dealer: they list nobody, and give the share that it committed to.
fn colluding(off: BTreeSet<u16>, vanishes: bool) -> Forge {
    Box::new(move |_, from, bytes| {
        let message = Message::from_frame(&bytes).unwrap();
        if !off.contains(&from.0) || from.0 == DEALER {
            return vec![bytes];
        }
        let message = match message {
            Message::Ready(sealed) => {
                let ready: Ready = decode(&sealed.body).unwrap();
                let ready = Ready { unusable: List::default(), ..ready };
                Message::Ready(Sealed::new(&identity(from.0), Signed::Ready, &ready).unwrap())
            }
            Message::RevealR(reveal) if vanishes => Message::RevealR(with_bogus(reveal)),
            Message::RevealB(reveal) if !vanishes => Message::RevealB(with_bogus(reveal)),
            message => message,
        };
        vec![message.to_frame().unwrap()]
    })
}

/// A session of nine (t_s = 5) in which the dealer's leaves for these holders are off its polynomials.
fn session(off: &[u16], vanishes: bool, silence: &Silence) -> (World, Result<Sum, Failure>) {
    let mut world = World::new(9, 1);
    world.forge = Some(colluding(off.iter().copied().collect(), vanishes));
    let mut dealer = Crooked::new(off, vanishes);
    let ran = world.run_with(silence, &mut |world, to, bytes| {
        if to != NodeId(DEALER) {
            return vec![bytes];
        }
        for bytes in dealer.answer(world, &Message::from_frame(&bytes).unwrap()) {
            world.injected.borrow_mut().push((NodeId(DEALER), bytes));
        }
        Vec::new()
    });
    let named: Vec<_> = world.rejected.iter().filter(|(who, _)| who.is_none()).collect();
    let dealers = named.iter().all(|(_, fault)| fault.culprits() == [NodeId(DEALER)]);
    assert!(!named.is_empty() && dealers, "{off:?}: {:?}", world.rejected);
    (world, ran)
}

/// The slot keeps its sum, every honest survivor and a third party verify it, and the dealer is named.
#[track_caller]
fn keeps_its_sum(off: &[u16], vanishes: bool, silence: &Silence, survivors: usize) {
    let (world, ran) = session(off, vanishes, silence);
    let sum = ran.unwrap_or_else(|failure| panic!("{off:?}: {failure:?}"));
    assert_eq!((sum.survivors.len(), sum.attempt), (survivors, 0), "{off:?}: {:?}", world.faults);
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    let machines = sum.survivors.iter().filter(|node| **node != NodeId(DEALER)).count();
    assert_eq!(world.verified.len(), machines, "{off:?}: {:?}", world.faults);
    assert_eq!(
        bundle_of(&world, &sum).verify(&mut crate::bundle::tests::rng()).unwrap().totals(),
        world.totals(&sum)
    );
}

#[test]
fn a18_crooked_leaves_cost_nothing_while_enough_good_ones_remain() {
    keeps_its_sum(&[2], false, &Silence::new(), 9);
    keeps_its_sum(&[1, 2, 3, 4], false, &Silence::new(), 9);
    keeps_its_sum(&[1, 2, 3], false, &Silence::from([(9, 2)]), 8);
}

#[test]
fn a18_crooked_leaves_of_a_dropout_cost_nothing_while_enough_good_ones_remain() {
    keeps_its_sum(&[1], true, &Silence::new(), 8);
    keeps_its_sum(&[1, 3, 4], true, &Silence::new(), 8);
    keeps_its_sum(&[1, 3], true, &Silence::from([(9, 2)]), 7);
}

/// One more, and the slot is lost: its dealer is named, and nobody who held its shares.
#[test]
fn a18_one_crooked_leaf_more_names_its_dealer() {
    for (off, vanishes, silence, round, present) in [
        (&[1, 2, 3, 4, 5][..], false, Silence::new(), Round::Result, 4),
        (&[1, 2, 3, 4], false, Silence::from([(9, 2)]), Round::Result, 4),
        (&[1, 3, 4, 5], true, Silence::new(), Round::Reveal, 4),
    ] {
        let (world, ran) = session(off, vanishes, &silence);
        let culprits = vec![NodeId(DEALER)];
        let expected = Failure { code: FailureCode::Fault, round, needed: 5, present, culprits, block: None };
        assert_eq!(ran.map(|sum| sum.survivors), Err(expected), "{:?}", world.faults);
    }
}

/// Holders that give other shares than the committed ones are named, as many as it takes to lose the slot.
#[test]
fn a18_holders_of_false_shares_are_named() {
    let liars = [3u16, 4, 5, 6, 7];
    for count in 1..=liars.len() {
        let lying: Vec<NodeId> = liars.iter().take(count).map(|id| NodeId(*id)).collect();
        let mut world = World::new(9, 1);
        let liars = lying.clone();
        world.forge = Some(Box::new(move |_, from, bytes| match Message::from_frame(&bytes).unwrap() {
            Message::RevealB(reveal) if liars.contains(&from) => {
                vec![Message::RevealB(with_bogus(reveal)).to_frame().unwrap()]
            }
            _ => vec![bytes],
        }));
        let ran = world.run(&Silence::new());
        let named: BTreeSet<NodeId> =
            world.rejected.iter().flat_map(|(_, fault)| fault.culprits().to_vec()).collect();
        assert_eq!(named.into_iter().collect::<Vec<_>>(), lying, "{:?}", world.rejected);
        match ran {
            Ok(sum) => assert!(count <= 4 && world.totals(&sum) == world.clear(&sum.survivors)),
            Err(failure) => {
                let (code, round, culprits) = (FailureCode::Fault, Round::Result, lying);
                assert_eq!(failure, Failure { code, round, needed: 5, present: 4, culprits, block: None });
                assert_eq!(count, 5);
            }
        }
    }
}

/// A polynomial is that of its dealer only if t_s holders were committed good shares on it.
#[test]
fn a18_fewer_good_leaves_than_open_a_secret_prove_nothing() {
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
    let Some(Message::Deposit(genuine)) = world.sent_by(3).into_iter().next() else { panic!() };
    let f = polynomial(&sum.outcome.opened[2], 3).unwrap();
    type Change = fn(&mut Section);
    for change in [
        (|section| section.leaf.b.0[0] ^= 1) as Change,
        |section| section.leaf.g_b.0[0] ^= 1,
        |section| section.z.b = Bytes([1; 32]),
        |section| section.z.b = Bytes([0xff; 32]),
    ] {
        for crooked in 0..=5 {
            let mut sections = genuine.sections.to_vec();
            sections.iter_mut().take(crooked).for_each(change);
            let deposit = Deposit { sections: List::new(sections).unwrap(), ..genuine.clone() };
            assert_eq!(is_dealt(Which::B, &f, &deposit, &facts), crooked <= 2, "{crooked} of five");
        }
    }
    assert!(!is_dealt(Which::R, &f, &genuine, &facts), "another secret");
    // A third party's look at a recovery list: only a signed one that its own r opens to garbage is.
    let garbage =
        |deposit: &Deposit| shared(&world, &facts, &genuine).map(|f| is_garbage(&f, deposit, &facts));
    let (mut list, mut false_list) = (genuine.recovery.to_vec(), genuine.clone());
    list[20] ^= 1;
    false_list.recovery = crate::codec::Blob::new(list).unwrap();
    assert_eq!([garbage(&genuine), garbage(&false_list)], [[false; 2]; 2], "true, and unsigned");
    false_list.signature = identity(3).sign(Signed::Deposit, &deposit_hash(&false_list).unwrap().0);
    assert_eq!(garbage(&false_list), [true, false], "r proves it, another polynomial does not");

    let mut other = f.coefficients().to_vec();
    other[2] += Scalar::ONE;
    assert!(!is_dealt(Which::B, &Polynomial::from_coefficients(other), &genuine, &facts));
}
