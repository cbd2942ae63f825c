//! The rule for bad pairs as a game of 30 slots and more: few go, nobody is out in more than half.

use super::*;
use std::collections::VecDeque;

const VICTIM: NodeId = NodeId(69);

fn thresholds() -> Thresholds {
    Thresholds::for_size(69, 0).unwrap()
}

fn everyone() -> BTreeSet<NodeId> {
    (1..=69).map(NodeId).collect()
}

fn pairs(of: impl IntoIterator<Item = (u16, u16)>) -> BTreeSet<Pair> {
    of.into_iter().map(|(a, b)| pair(NodeId(a), NodeId(b))).collect()
}

/// Plays slots; in each, these are the bad pairs. Returns who was left out, by slot.
fn play(slots: u8, of: &dyn Fn(u8) -> BTreeSet<Pair>) -> Vec<BTreeSet<NodeId>> {
    let (mut before, mut gone) = (VecDeque::<(BTreeSet<Pair>, BTreeSet<NodeId>)>::new(), Vec::new());
    for slot in 0..slots {
        let mut history = History::default();
        before.iter().for_each(|(pairs, out)| history.slot(pairs, out));
        let bad = of(slot);
        let stay = part(everyone(), &bad, &AttemptId([slot; 32]), &history, (&thresholds(), 46));
        assert!(bad.iter().all(|(a, b)| !stay.contains(a) || !stay.contains(b)), "slot {slot}");
        let out: BTreeSet<NodeId> = everyone().difference(&stay).copied().collect();
        assert!(out.len() <= 22, "slot {slot}: {} went", out.len());
        before.push_back((bad, out.clone()));
        if before.len() > BEFORE {
            before.pop_front();
        }
        gone.push(out);
    }
    gone
}

/// The most that one node was out in 30 slots on end.
fn most_out(gone: &[BTreeSet<NodeId>], node: NodeId) -> usize {
    gone.windows(SLOTS).map(|slots| slots.iter().filter(|out| out.contains(&node)).count()).max().unwrap()
}

#[test]
fn no_colluders_keep_one_hospital_out_of_more_than_half_of_30_slots() {
    for liars in 1..=22u16 {
        // All at once, in turns, and three at a time.
        let all = move |_| pairs((1..=liars).map(|liar| (liar, 69)));
        let turns = move |slot: u8| pairs([(1 + u16::from(slot) % liars, 69)]);
        let three = move |slot: u8| pairs((0..3).map(|i| (1 + (3 * u16::from(slot) + i) % liars, 69)));
        for of in [&all as &dyn Fn(u8) -> BTreeSet<Pair>, &turns, &three] {
            let gone = play(90, of);
            let most = most_out(&gone, VICTIM);
            assert!(most <= 15, "{liars} liars: out in {most} of 30");
            let honest = (23..69).map(NodeId).any(|node| gone.iter().any(|out| out.contains(&node)));
            assert!(!honest, "{liars} liars: another is out");
        }
    }
}

/// Liars who keep each other out look like victims. What that costs them: the victim is out more often than
/// in half of the slots only on account of liars who were out as often, give or take one.
#[test]
fn only_those_who_are_out_as_often_keep_a_hospital_out_of_more_than_half() {
    for liars in [2u16, 3, 5, 10, 22] {
        let clique = move |_| {
            let within = (1..=liars).flat_map(move |a| (a + 1..=liars).map(move |b| (a, b)));
            pairs(within.chain((1..=liars).map(|liar| (liar, 69))))
        };
        let padded = move |slot: u8| {
            let hub = 1 + u16::from(slot) % liars;
            let fight = (1..=liars).filter(move |liar| *liar != hub).map(move |liar| (hub, liar));
            pairs(fight.chain([(1 + (u16::from(slot) + 1) % liars, 69)]))
        };
        for of in [&clique as &dyn Fn(u8) -> BTreeSet<Pair>, &padded] {
            let gone = play(60, of);
            let victim = most_out(&gone, VICTIM);
            let liar = (1..=liars).map(|liar| most_out(&gone, NodeId(liar))).max().unwrap();
            assert!(victim <= 15 || victim <= liar + 1, "{liars}: {victim} of 30, a liar {liar}");
        }
    }
}

/// Fewest first: one after the other by the number of pairs, 22 liars had 44 of the other 47 left out.
#[test]
fn repro_x_liars_never_leave_more_than_x_out() {
    // For each k from 22 down to 2, honest nodes that k of the liars make a bad pair with, disjointly.
    let (mut bad, mut honest) = (BTreeSet::new(), 23u16);
    for k in (2..=22u16).rev() {
        for block in 0..22 / k {
            if honest <= 69 {
                bad.extend(pairs((0..k).map(|i| (1 + block * k + i, honest))));
                honest += 1;
            }
        }
    }
    let stay = part(everyone(), &bad, &AttemptId([1; 32]), &History::default(), (&thresholds(), 46));
    assert!(stay.len() >= 47, "{} stay", stay.len());
}

/// One liar against many hospitals goes alone, and so does a hospital without links.
#[test]
fn one_with_many_bad_pairs_goes_alone() {
    for partners in [2u16, 22, 23, 68] {
        let bad = pairs((1..=partners).map(|other| (other, 69)));
        let stay = part(everyone(), &bad, &AttemptId([2; 32]), &History::default(), (&thresholds(), 46));
        assert_eq!(everyone().difference(&stay).copied().collect::<Vec<_>>(), [VICTIM], "{partners}");
    }
}

/// More than X partners in all slots together prove that one is no victim: it is not kept for having been
/// out, and the hospitals it lies about stay.
#[test]
fn a_liar_with_more_than_x_partners_is_not_spared() {
    let turns = |slot: u8| pairs((0..3).map(|i| (1 + (3 * u16::from(slot) + i) % 60, 69)));
    let gone = play(60, &turns);
    assert!(gone.iter().all(|out| *out == BTreeSet::from([VICTIM])), "{gone:?}");
}

/// Where sparing a hospital would leave too few for a sum, it goes.
#[test]
fn nobody_is_spared_at_the_price_of_the_sum() {
    let bad = pairs((1..=10).map(|liar| (liar, 69)));
    let mut history = History::default();
    (0..15).for_each(|_| history.slot(&bad, &BTreeSet::from([VICTIM])));
    let rule = |least| part(everyone(), &bad, &AttemptId([3; 32]), &history, (&thresholds(), least));
    assert_eq!((rule(59).len(), rule(59).contains(&VICTIM)), (59, true));
    assert_eq!((rule(60).len(), rule(60).contains(&VICTIM)), (68, false));
    assert_eq!(rule(69).len(), 68, "too few either way");
}
