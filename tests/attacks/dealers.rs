//! Attacks by hospitals: false dealings, false shares, garbage lists, mismatched pairs, figures out of range,
//! and those who come only to vanish. The coordinator is honest, or as bad as they are.

use crate::*;
use samensom_protocol::codec::{Blob, Bytes, List};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::crypto::seal::seal;
use samensom_protocol::crypto::sharing::{Which, commit, scalar};
use samensom_protocol::io::{Failure, FailureCode, Sum};
use samensom_protocol::message::{Deposit, Leaf, Ready, Round};
use samensom_protocol::rounds::deposit::{pair_commitment, recovery_key, share_key};
use samensom_protocol::rounds::leaves_root;
use samensom_tests::adversary::drops::{Stops, is_right};
use samensom_tests::adversary::office::{Liars, Office, Stop, Twist};
use samensom_tests::adversary::town::{LARGEST, town};
use samensom_tests::forge::message::{deposit, edit, resign};
use samensom_tests::forge::puppet::{Cards, Puppet, Spoil};

/// Nine hospitals: X = 2, q = 6, t_s = 5; one holder more than t_s may be missing from q.
const N: u16 = 9;
/// The hospital that lies; it has no machine where it is a puppet.
const LIAR: u16 = 9;

struct Ran {
    world: World,
    office: Office,
    ended: Result<Sum, Failure>,
}

impl Ran {
    /// The true sum over all but the liar.
    #[track_caller]
    fn goes_on_without_the_liar(&self, attempts: u16) {
        let sum = self.ended.as_ref().unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(is_right(&self.world, sum), "a false total");
        assert_eq!(sum.survivors, (1..LIAR).map(NodeId).collect::<Vec<_>>());
        assert_eq!(self.office.attempts, attempts);
        self.names_nobody_but_the_liar();
    }
    /// No honest hospital is named by any fault.
    #[track_caller]
    fn names_nobody_but_the_liar(&self) {
        let named: Set = self.office.faults.iter().flat_map(|fault| fault.culprits().to_vec()).collect();
        assert!(named.iter().all(|node| node.0 == LIAR), "{:?}", self.office.faults);
    }
    #[track_caller]
    fn fails(&self, code: FailureCode, round: Round) -> &Failure {
        let failure = self.ended.as_ref().map(|sum| &sum.survivors).unwrap_err();
        assert_eq!((failure.code, failure.round), (code, round), "{failure:?}");
        failure
    }
    /// A total that every survivor's own program took for right, and is not.
    #[cfg(samensom_ablation)]
    #[track_caller]
    fn is_a_false_total(&self) {
        let sum = self.ended.as_ref().unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(!is_right(&self.world, sum));
        assert!(self.world.verified.len() >= 6, "{:?}", self.world.ended);
    }
}

/// A session of nine, in which the liar is a puppet if its deposits are to be spoilt.
fn ran(spoil: Option<Spoil>, stops: &[(u16, Stop)], node: Option<Twist>) -> Ran {
    let machines: Vec<NodeId> = (1..=N).filter(|id| spoil.is_none() || *id != LIAR).map(NodeId).collect();
    let mut world = World::new(town(N), 3, &machines, BTreeSet::new());
    let stops: Stops = stops.iter().map(|(node, stop)| (NodeId(*node), *stop)).collect();
    let puppets = spoil.map(|spoil| (NodeId(LIAR), Puppet::new(NodeId(LIAR), spoil))).into_iter().collect();
    let mut office = Office::default();
    let mut liars = Liars { coordinator: None, node, puppets };
    let ended = office.among(&mut world, &stops, &mut liars);
    Ran { world, office, ended }
}

fn sections(deposit: &mut Deposit, change: impl FnOnce(&mut Vec<samensom_protocol::message::Section>)) {
    edit(&mut deposit.sections, change);
    let leaves = leaves_root(deposit.sections.iter().map(|section| &section.leaf)).unwrap();
    deposit.head.leaves = Bytes(leaves);
}

/// Shares for the first two holders lie off the polynomials; envelopes and commitments are as they must be.
fn two_polynomials(_: &World, cards: &mut Cards, _: &Deposit) {
    let (sid, me, nonce) = (cards.facts.sid, NodeId(LIAR), cards.deposit.head.nonce);
    let channels = cards.channels.clone();
    let mut seven = Bytes([0; 32]);
    seven.0[0] = 7;
    let value = scalar(&seven).unwrap();
    sections(&mut cards.deposit, |all| {
        for (position, section) in (1u16..).zip(all.iter_mut()).take(2) {
            let (key, _) = share_key(&channels[&section.holder], &sid, me, section.holder, &nonce);
            // Two shares, and no head of the transparency log.
            let plain = [&seven.0[..], &seven.0, &[0; 104]].concat();
            section.sealed = Blob::new(seal(&key, &plain).unwrap()).unwrap();
            let commitment = |which| commit(which, &sid, me, position, (&value, &value));
            let ((r, g_r), (b, g_b)) = (commitment(Which::R), commitment(Which::B));
            let key = section.leaf.key;
            section.leaf = Leaf { r: Bytes(r), b: Bytes(b), g_r: Bytes(g_r), g_b: Bytes(g_b), key };
        }
    });
}

/// A z of a wrong degree, of another dealing, not on its polynomial.
const BAD_Z: [fn(&World, &mut Cards, &Deposit); 3] = [
    |_, cards, _| edit(&mut cards.deposit.z.r, |z| z.truncate(4)),
    |_, cards, second| cards.deposit.z = second.z.clone(),
    |_, cards, _| edit(&mut cards.deposit.sections, |all| all[0].z.b.0[0] ^= 1),
];

#[test]
fn attack_15_a_dealer_off_its_polynomial_a01_a09() {
    let all = ran(Some(Box::new(two_polynomials)), &[], None);
    all.goes_on_without_the_liar(2);
    for bad in BAD_Z {
        let bad = ran(Some(Box::new(bad)), &[], None);
        bad.goes_on_without_the_liar(1);
        assert!(bad.office.faults.iter().all(|fault| fault.check == Check::A01), "{:?}", bad.office.faults);
        assert_eq!(bad.office.refused, set(&[LIAR]));
    }
}

/// Wins: a false total, which hospitals take for the true one.
#[cfg(samensom_ablation)]
#[test]
fn control_15_shares_of_any_polynomial() {
    let ran = off(Some("relation-off"), Some(Check::A26), || ran(Some(Box::new(two_polynomials)), &[], None));
    assert_eq!(ran.world.observer.reports.len(), 8);
    let sum = ran.ended.as_ref().unwrap_or_else(|failure| panic!("{failure:?}"));
    assert!(!is_right(&ran.world, sum) && !ran.world.verified.is_empty());
}

/// What can be wrong with one holder's section.
const BAD_SECTIONS: [fn(&mut samensom_protocol::message::Section); 5] = [
    |section| section.sealed = Blob::new(vec![1; section.sealed.len()]).unwrap(),
    |section| section.sealed = Blob::default(),
    |section| section.leaf.key.0[0] ^= 1,
    |section| section.leaf.r.0[0] ^= 1,
    |section| section.leaf.b.0[0] ^= 1,
];

/// Garbage for the first `count` holders.
fn garbage(field: usize, count: u16) -> Spoil {
    Box::new(move |_, cards, _| {
        edit(&mut cards.deposit.sections, |all| {
            all.iter_mut().take(usize::from(count)).for_each(BAD_SECTIONS[field]);
        });
    })
}

fn spoilt(field: usize, count: u16, stops: &[(u16, Stop)]) -> Ran {
    ran(Some(garbage(field, count)), stops, None)
}

#[test]
fn attack_16_sections_that_cannot_be_used_a01_a09() {
    for field in [0, 1] {
        // One holder can be spared: the dealer stays, and is in the sum.
        let one = spoilt(field, 1, &[]);
        let sum = one.ended.as_ref().unwrap();
        assert!(is_right(&one.world, sum) && sum.survivors.len() == 9 && one.office.attempts == 1);
        // With two it makes a bad pair with each and goes; more than X prove its fault.
        for count in [2, 3, 8] {
            spoilt(field, count, &[]).goes_on_without_the_liar(2);
        }
        // The dealer that vanishes takes nothing with it.
        spoilt(field, 8, &[(LIAR, Stop::Report)]).goes_on_without_the_liar(2);
    }
    // A false commitment moves the root, so that the deposit is no more what its head says.
    for field in 2..5 {
        spoilt(field, 1, &[]).goes_on_without_the_liar(1);
    }
    // A holder that lists every dealer frames nobody.
    let mut lists = |_: u16, from: NodeId, mut message: Message| {
        if let (LIAR, Message::Ready(ready)) = (from.0, &mut message) {
            let by = (&*town(N).identities[&from], Signed::Ready);
            resign(ready, by, |body: &mut Ready| {
                body.unusable = List::new((1..9).map(NodeId).collect()).unwrap()
            });
        }
        Some(message)
    };
    let framed = ran(None, &[], Some(&mut lists));
    assert_eq!(framed.ended.as_ref().unwrap().survivors.len(), 9);
    framed.names_nobody_but_the_liar();
}

/// Wins: one hospital that vanishes after READY costs the slot of all who contributed.
#[cfg(samensom_ablation)]
#[test]
fn control_16_unusable_dealers_stay() {
    let ran = off(Some("unusable-stay"), None, || spoilt(0, 8, &[(LIAR, Stop::Report)]));
    ran.fails(FailureCode::TooFew, Round::Reveal);
    assert_eq!(ran.world.observer.reports.len(), 8);
}

/// Hospital 2 gives false shares of everything.
fn false_shares(change: fn(&mut samensom_protocol::message::ShareOf)) -> Ran {
    let mut twist = |_: u16, from: NodeId, mut message: Message| {
        if let (2, Message::RevealR(given) | Message::RevealB(given)) = (from.0, &mut message) {
            edit(&mut given.shares, |shares| shares.iter_mut().for_each(change));
        }
        Some(message)
    };
    ran(None, &[(8, Stop::Report)], Some(&mut twist))
}

#[test]
fn attack_17_false_shares_at_the_reveal_a18() {
    let lies: [fn(&mut samensom_protocol::message::ShareOf); 3] = [
        |share| share.share.0[0] ^= 1,
        |share| share.share = Bytes([0; 32]),
        |share| share.share = Bytes([0xff; 32]),
    ];
    for lie in lies {
        let ran = false_shares(lie);
        let sum = ran.ended.as_ref().unwrap();
        assert!(is_right(&ran.world, sum));
        assert_eq!((sum.survivors.len(), ran.world.verified.len()), (8, 8));
        assert_eq!(ran.office.faults.len(), 2, "one for r, one for b: {:?}", ran.office.faults);
        for fault in &ran.office.faults {
            assert_eq!((fault.check, fault.culprits()), (Check::A18, &[NodeId(2)][..]));
        }
    }
}

/// Wins: honest dealers are named for what hospital 2 did.
#[cfg(samensom_ablation)]
#[test]
fn control_17_shares_that_nobody_compares() {
    let ran = off(Some("leaf-off"), None, || false_shares(|share| share.share.0[0] ^= 1));
    let named: Set = ran.office.faults.iter().flat_map(|fault| fault.culprits().to_vec()).collect();
    assert!(named.iter().any(|node| node.0 != 2), "{:?}", ran.office.faults);
}

/// The liar's recovery list is sealed as it must be, and holds other seeds; then it vanishes.
fn garbage_list() -> Ran {
    let spoil: Spoil = Box::new(|_, cards, _| {
        let key = recovery_key(&cards.r.expose().at_zero(), &cards.facts.sid);
        let list = seal(&key, &[3; 32 * 9]).unwrap();
        cards.deposit.recovery = Blob::new(list).unwrap();
    });
    ran(Some(spoil), &[(LIAR, Stop::Report)], None)
}

#[test]
fn attack_18_a_garbage_recovery_list_a18() {
    for list in [0, 1] {
        let ran = match list {
            0 => garbage_list(),
            _ => {
                let spoil: Spoil = Box::new(|_, cards, _| {
                    cards.deposit.recovery = Blob::new(vec![1; cards.deposit.recovery.len()]).unwrap();
                });
                self::ran(Some(spoil), &[(LIAR, Stop::Report)], None)
            }
        };
        assert_eq!(ran.fails(FailureCode::Fault, Round::Reveal).culprits, [NodeId(LIAR)]);
        let given = |(_, _, which): &(_, _, samensom_tests::leak::observer::Which)| {
            *which == samensom_tests::leak::observer::Which::B
        };
        assert!(!ran.world.observer.revealed.keys().any(given), "no b is asked for");
    }
}

/// Wins: a false total that everybody takes for the true one.
#[cfg(samensom_ablation)]
#[test]
fn control_18_seeds_that_nobody_compares() {
    off(Some("list-off"), Some(Check::A26), garbage_list).is_a_false_total();
}

/// Towards hospital 1 the liar commits to another seed than their channel gives, and lists it.
fn mismatch(cards: &mut Cards) {
    let (sid, me) = (cards.facts.sid, NodeId(LIAR));
    let false_pair = pair_commitment(&[3; 32], me, NodeId(1), &sid);
    edit(&mut cards.deposit.sections, |all| all[0].pair = Bytes(false_pair));
    let key = recovery_key(&cards.r.expose().at_zero(), &sid);
    let own = |node: &NodeId| cards.kept.pairs.get(node).map_or([0; 32], |seed| *seed.expose());
    let mut list: Vec<[u8; 32]> = cards.facts.header.invited.iter().map(|one| own(&one.node)).collect();
    list[0] = [3; 32];
    cards.deposit.recovery = Blob::new(seal(&key, &list.concat()).unwrap()).unwrap();
}

fn mismatched(stops: &[(u16, Stop)]) -> Ran {
    ran(Some(Box::new(|_, cards, _| mismatch(cards))), stops, None)
}

#[test]
fn attack_19_a_pair_that_shares_no_seed_a09() {
    // An honest coordinator leaves one end out, never both.
    let one = mismatched(&[]);
    let sum = one.ended.as_ref().unwrap();
    assert!(is_right(&one.world, sum));
    assert_eq!((sum.survivors.len(), one.office.attempts), (8, 1));
    // One that keeps both finds that the honest end does not follow.
    let mut scene = seven();
    let (everyone, ask) = (scene.everyone.clone(), scene.honest_ask(0));
    let t = scene.open(ask).unwrap();
    let by = scene.world.town.identities[&NodeId(7)].clone();
    let dealt = scene.hand.tries[t].deposits.get_mut(&NodeId(7)).unwrap();
    deposit(dealt, &by, |dealt| edit(&mut dealt.sections, |all| all[0].pair.0[0] ^= 1));
    let s = scene.start(t, &everyone, &everyone).unwrap();
    end_by(&scene, &[1], Check::A09);
    assert!(!scene.ready(t, s).contains(&NodeId(1)));
    holds(&scene);
}

/// Wins: with the dropout's listed seed a false total comes out, that everybody takes for the true one.
#[cfg(samensom_ablation)]
#[test]
fn control_19_pairs_that_nobody_compares() {
    off(Some("total-uncommitted"), Some(Check::A09), || mismatched(&[(LIAR, Stop::Report)]))
        .is_a_false_total();
}

/// Hospital 1 has this figure.
fn planted(figure: i64) -> Ran {
    let machines: Vec<NodeId> = (1..=N).map(NodeId).collect();
    let mut world = World::new(town(N), 3, &machines, BTreeSet::new());
    world.planted.insert(NodeId(1), figure);
    let mut office = Office::default();
    let ended = office.among(&mut world, &Stops::new(), &mut Liars::default());
    Ran { world, office, ended }
}

/// The figure with which the total is exactly 2^w.
fn wrapping() -> i64 {
    let world = planted(0).world;
    let others: u64 = (2..=N).map(|node| world.value(NodeId(node), world.slot(world.now))).sum();
    let width = world.town.warrants[0].1.params().width;
    i64::try_from((1u64 << width) - others).unwrap()
}

#[test]
fn attack_20_a_figure_beyond_its_bounds_range() {
    for figure in [1 << 40, -5, i64::MIN, i64::MAX, wrapping(), i64::try_from(LARGEST).unwrap() + 1] {
        let ran = planted(figure);
        let sum = ran.ended.as_ref().unwrap();
        assert!(is_right(&ran.world, sum) && sum.survivors.len() == 8, "{:?}", sum.survivors);
        assert!(!sum.survivors.contains(&NodeId(1)), "its own program refuses");
        assert_eq!(ends(&ran.world, 1), [None]);
    }
}

/// Wins: a total of zero, that everybody takes for the true one. With A26 there is no total: integers do not wrap.
#[cfg(samensom_ablation)]
#[test]
fn control_20_figures_of_any_size() {
    let figure = wrapping();
    let ran = off(Some("range-off"), None, || planted(figure));
    ran.fails(FailureCode::Uncommitted, Round::Result);
    let ran = off(Some("range-off"), Some(Check::A26), || planted(figure));
    assert_eq!(ran.ended.as_ref().unwrap().lanes, [0]);
    assert_eq!(ran.world.verified.len(), 9);
}

/// The last three vanish before READY, each in the attempts that `when` says.
fn droppers(when: fn(u16, u16) -> bool) -> Ran {
    let mut twist = |attempt: u16, from: NodeId, message: Message| {
        let vanishes = matches!(message, Message::Ready(_)) && from.0 > 6 && when(attempt, from.0);
        (!vanishes).then_some(message)
    };
    ran(None, &[], Some(&mut twist))
}

#[test]
fn attack_32_hospitals_that_come_to_vanish_a19() {
    for (when, attempts) in
        [((|_, _| true) as fn(u16, u16) -> bool, 2), (|attempt, node| attempt == node - 6, 4)]
    {
        let ran = droppers(when);
        let sum = ran.ended.as_ref().unwrap();
        assert!(is_right(&ran.world, sum));
        assert_eq!((sum.survivors.len(), ran.office.attempts), (6, attempts));
    }
}

/// Wins: the session lasts as long as they like.
#[cfg(samensom_ablation)]
#[test]
fn control_32_those_who_vanished_are_asked_again() {
    let ran = off(Some("droppers-stay"), None, || droppers(|attempt, node| node == 9 && attempt < 30));
    assert_eq!(ran.office.attempts, 30);
}
