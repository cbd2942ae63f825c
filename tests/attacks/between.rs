//! Attacks between attempts, sessions and slots: another set over one extract, other warrants, clocks,
//! rosters, forged `bound`, superseded attempts.

use crate::*;
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::ids::{FreezeHash, RosterHash};
use samensom_protocol::message::Bound;
#[cfg(samensom_ablation)]
use samensom_tests::adversary::referee::Breach;
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::town::{
    APPROVER, SPACING_S, Town, approved, next_roster, town_of_series, town_of_times,
};
use samensom_tests::forge::hand::Ask;
use std::sync::Arc;

/// An attempt over these nodes as an honest coordinator runs it, as far as it goes.
fn attempt(scene: &mut Scene, ask: Ask, survivors: &Set) -> Option<usize> {
    let (everyone, t) = (scene.everyone.clone(), scene.open(ask)?);
    let cohort = scene.deposited(t);
    let s = scene.start(t, &cohort, &everyone)?;
    let go = scene.go((t, s), (false, false), &everyone)?;
    if let Some(f) = scene.freeze((t, s, go), survivors, &everyone) {
        scene.close((t, f), false, &everyone);
    }
    scene.end_all();
    Some(t)
}

/// The session over all is opened; a retry leaves hospital 1 out.
fn retry() -> Scene {
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    scene.end_all();
    let rest = without(&scene, &[1]);
    let ask = Ask { attempt: 1, invited: rest.clone(), ..plain_ask(&scene) };
    attempt(&mut scene, ask, &rest);
    scene
}

#[test]
fn attack_04_a_retry_with_others_a03() {
    let scene = retry();
    holds(&scene);
    for node in 2..=5 {
        assert_eq!(ends(&scene.world, node).last(), Some(&Some(Check::A03)), "{:?}", scene.world.ended);
    }
}

/// Wins: the difference of the two sums is hospital 1's figure.
#[cfg(samensom_ablation)]
#[test]
fn control_04_the_record_is_not_looked_at() {
    leaks(&off(Some("a03-bound-and-spent"), None, retry));
}

/// Everybody but hospital 1 has nothing. The coordinator "crashes" after the reports and asks again.
fn restarted() -> Scene {
    let mut scene = seven();
    scene.world.planted.extend((2..=5).map(|node| (NodeId(node), 0)));
    let (t, s, g) = gone(&mut scene);
    let most = without(&scene, &[5]);
    let f = scene.freeze((t, s, g), &most, &most).unwrap();
    scene.close((t, f), false, &most);
    (1..=5).for_each(|node| scene.world.restart(NodeId(node)));
    let rest = without(&scene, &[1]);
    let ask = Ask { attempt: 1, invited: rest.clone(), ..plain_ask(&scene) };
    attempt(&mut scene, ask, &rest);
    scene
}

#[test]
fn attack_39_a_restart_where_the_others_have_nothing_a03() {
    let scene = restarted();
    holds(&scene);
    // Hospital 5 left its report and knows no survivors; the others know theirs.
    end_by(&scene, &[2, 3, 4, 5], Check::A03);
}

/// Wins: one sum with hospital 1, one without it, all others zero.
#[cfg(samensom_ablation)]
#[test]
fn control_39_a_restart_opens_another_set() {
    leaks(&off(Some("a03-bound-and-spent"), None, restarted));
}

/// After the sum over all, another warrant over the same rows, without hospital 1.
fn second_warrant(bound: bool) -> Scene {
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    scene.end_all();
    let rest = without(&scene, &[1]);
    let bound = scene.standing().filter(|_| bound);
    let invited = if bound.is_some() { everyone } else { rest.clone() };
    let ask = Ask { warrant: 1, bound, invited, ..plain_ask(&scene) };
    attempt(&mut scene, ask, &rest);
    scene
}

#[test]
fn attack_25_another_warrant_over_one_extract_a03_a14() {
    let scene = second_warrant(false);
    holds(&scene);
    assert_eq!(ends(&scene.world, 2).last(), Some(&Some(Check::A03)), "{:?}", scene.world.ended);
    let scene = second_warrant(true);
    holds(&scene);
    for node in 2..=5 {
        assert!(ends(&scene.world, node).contains(&Some(Check::A14)), "{:?}", scene.world.ended);
    }
    // Rows that change within the slot change nothing: the frozen extract is used.
    let mut scene = seven();
    let (everyone, slot) = (scene.everyone.clone(), scene.slot());
    summed(&mut scene, &everyone);
    scene.end_all();
    let before = scene.world.value(NodeId(1), slot);
    scene.world.change_rows(NodeId(1));
    let ask = Ask { warrant: 1, bound: scene.standing(), ..plain_ask(&scene) };
    attempt(&mut scene, ask, &everyone);
    assert_eq!(scene.world.value(NodeId(1), slot), before);
    assert_eq!(scene.world.observer.reports.len(), 10, "five honest reports in each session");
    holds(&scene);
}

/// Wins: a second sum of the slot without hospital 1.
#[cfg(samensom_ablation)]
#[test]
fn control_25_other_survivors_in_a_bound_slot() {
    leaks(&off(Some("a14-equal-survivors"), None, || second_warrant(true)));
}

/// Where a coordinator leaves hospital 1 out in the slot after a sum over all.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    Offer,
    Start,
    Freeze,
}

/// A warrant that keeps its hospitals, over all; in the next slot, with other rows, hospital 1 is left out.
fn series(leaves: Leaves) -> Scene {
    let mut scene = seven();
    scene.world.town = town_of_series(&scene.world.town);
    let (everyone, rest) = (scene.everyone.clone(), without(&scene, &[1]));
    summed(&mut scene, &everyone);
    scene.end_all();
    scene.world.pass(u64::from(SPACING_S) * 1000);
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let invited = if leaves == Leaves::Offer { rest.clone() } else { everyone.clone() };
    let ask = Ask { invited: invited.clone(), ..plain_ask(&scene) };
    let Some(t) = scene.open(ask) else { return scene };
    let cohort = if leaves == Leaves::Freeze { everyone.clone() } else { rest.clone() };
    let Some(s) = scene.start(t, &cohort, &everyone) else { return scene };
    let Some(g) = scene.go((t, s), (false, false), &everyone) else { return scene };
    if let Some(f) = scene.freeze((t, s, g), &rest, &everyone) {
        scene.close((t, f), false, &everyone);
    }
    scene.end_all();
    scene
}

#[test]
fn attack_25_a_hospital_left_out_of_a_series_a03_a08_a14() {
    for (leaves, check) in
        [(Leaves::Offer, Check::A03), (Leaves::Start, Check::A08), (Leaves::Freeze, Check::A14)]
    {
        let scene = series(leaves);
        holds(&scene);
        end_by(&scene, &[2, 3, 4, 5], check);
        assert_eq!(scene.hand.bounds.len(), 1, "one certified set, that of the first slot");
    }
}

/// Wins: a sum with hospital 1 and, a slot later, one without it; where its rows stayed, their difference is its figure.
#[cfg(samensom_ablation)]
#[test]
fn control_25_a_series_of_whoever_is_invited() {
    for leaves in [Leaves::Offer, Leaves::Start, Leaves::Freeze] {
        let scene = off(Some("series-off"), None, || series(leaves));
        assert_eq!(sets(&scene), [7, 6]);
    }
}

/// The use of one time over all, and in the next slot, with other rows, that of another time without hospital 1, under a
/// warrant of its own.
fn times(of: [&str; 2]) -> Scene {
    let mut scene = seven();
    scene.world.town = town_of_times(&scene.world.town, &of);
    let (everyone, rest) = (scene.everyone.clone(), without(&scene, &[1]));
    summed(&mut scene, &everyone);
    scene.end_all();
    scene.world.pass(u64::from(SPACING_S) * 1000);
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let ask = Ask { warrant: 1, invited: rest.clone(), ..plain_ask(&scene) };
    attempt(&mut scene, ask, &rest);
    scene
}

/// How many stand behind each sum.
fn sets(scene: &Scene) -> Vec<usize> {
    scene.hand.bounds.iter().map(|(_, bound)| bound.survivors.len()).collect()
}

const DECEMBER: &str = "period = '2026-12-01'";

#[test]
fn attack_25_a_month_that_is_over_under_another_warrant_a03() {
    let scene = times([DECEMBER, DECEMBER]);
    holds(&scene);
    end_by(&scene, &[2, 3, 4, 5], Check::A03);
    assert_eq!(sets(&scene), [7]);
    // November shares no row with December, and January is not over.
    assert_eq!(sets(&times([DECEMBER, "period = '2026-11-01'"])), [7, 6]);
    assert_eq!(sets(&times(["period = '2027-01-01'", "period = '2027-01-01'"])), [7, 6]);
}

/// Wins: December with hospital 1 and December without it.
#[cfg(samensom_ablation)]
#[test]
fn control_25_a_month_is_bound_by_its_warrant_alone() {
    assert_eq!(sets(&off(Some("series-by-warrant"), None, || times([DECEMBER, DECEMBER]))), [7, 6]);
}

/// Two slots at one moment, the rows changed in between; the clock of hospital 1 runs ahead and back.
fn slots() -> Scene {
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    scene.end_all();
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let rest = without(&scene, &[1]);
    for slot in [scene.slot() + 1, scene.slot() - 1] {
        let ask = Ask { slot, invited: rest.clone(), ..plain_ask(&scene) };
        attempt(&mut scene, ask, &rest);
    }
    scene
}

#[test]
fn attack_41_slots_named_by_the_coordinator_a03() {
    let scene = slots();
    holds(&scene);
    for node in 2..=5 {
        assert_eq!(ends(&scene.world, node), [Some(Check::A03); 2], "{:?}", scene.world.ended);
    }
    // Both sides of a boundary: too soon after the last freeze.
    let mut scene = seven();
    let spacing = u64::from(SPACING_S) * 1000;
    let left = spacing - scene.world.now.0 % spacing;
    scene.world.pass(left - 1_000);
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    scene.end_all();
    scene.world.pass(2_000);
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let ask = plain_ask(&scene);
    attempt(&mut scene, ask, &everyone);
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A03);
    // A clock set back by a slot: that slot is before one that was used.
    scene.world.pass(spacing);
    let ask = plain_ask(&scene);
    scene.world.set_ahead(NodeId(1), spacing);
    let ahead = Ask { slot: ask.slot + 1, ..ask.clone() };
    let t = scene.hand.ask(&mut scene.world, ahead).unwrap();
    scene.hand.send_offer(&mut scene.world, t, NodeId(1));
    assert!(scene.deposited(t).contains(&NodeId(1)), "its own clock says so");
    scene.hand.send_end(&mut scene.world, t, NodeId(1));
    scene.world.set_ahead(NodeId(1), 0);
    let t = scene.hand.ask(&mut scene.world, ask).unwrap();
    scene.hand.send_offer(&mut scene.world, t, NodeId(1));
    assert!(!scene.deposited(t).contains(&NodeId(1)));
    assert_eq!(ends(&scene.world, 1), [Some(Check::A03); 2]);
    holds(&scene);
}

/// Wins: sums of three slots at one moment, two of them without hospital 1.
#[cfg(samensom_ablation)]
#[test]
fn control_41_any_slot_that_is_named() {
    leaks(&off(Some("a03-own-slot"), None, slots));
}

/// Old attempt's GO after the next was offered; then two FREEZEs, as around a restart of the coordinator.
fn superseded() -> Scene {
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    let ask = plain_ask(&scene);
    let old = scene.open(ask.clone()).unwrap();
    let s = scene.start(old, &everyone, &everyone).unwrap();
    let new = scene.open(Ask { attempt: 1, ..ask }).unwrap();
    scene.go((old, s), (false, false), &everyone).unwrap();
    assert!(scene.world.observer.reports.is_empty(), "nobody reports in an attempt that is over");
    let s = scene.start(new, &everyone, &everyone).unwrap();
    let go = scene.go((new, s), (false, false), &everyone).unwrap();
    let fewer = scene.freeze((new, s, go), &without(&scene, &[1]), &everyone).unwrap();
    scene.freeze((new, s, go), &everyone, &everyone).unwrap();
    scene.close((new, fewer), false, &without(&scene, &[1]));
    scene
}

#[test]
fn attack_50_an_old_go_and_two_freezes_a13_a19() {
    let scene = superseded();
    holds(&scene);
    assert!(scene.world.ended.is_empty(), "the attempt goes on: {:?}", scene.world.ended);
    for node in 2..=5 {
        assert_eq!(refuses(&scene.world, node), [Check::A19, Check::A13], "{:?}", scene.world.refused);
    }
}

/// Wins: two certificates in one slot.
#[cfg(samensom_ablation)]
#[test]
fn control_50_a_second_set_after_the_first() {
    let scene = off(Some("second-freeze"), None, superseded);
    let breaches = verdict(&scene).breaches;
    assert!(breaches.iter().any(|breach| matches!(breach, Breach::TwoCertificates(_))), "{breaches:?}");
}

/// A sum without hospital 1; a slot later most rows changed, those of hospital 2 did not, and all are asked.
fn unchanged_extract() -> Scene {
    let mut scene = seven();
    let rest = without(&scene, &[1]);
    summed(&mut scene, &rest);
    scene.end_all();
    scene.world.pass(u64::from(SPACING_S) * 1000);
    [1, 3, 4, 5].iter().for_each(|node| scene.world.change_rows(NodeId(*node)));
    let everyone = scene.everyone.clone();
    let ask = plain_ask(&scene);
    attempt(&mut scene, ask, &everyone);
    scene
}

#[test]
fn attack_54_an_unchanged_extract_with_others_a03() {
    let scene = unchanged_extract();
    holds(&scene);
    let by: Vec<_> = ends(&scene.world, 2);
    assert_eq!(by, [Some(Check::A03)], "before it contributes: {:?}", scene.world.ended);
    let second = scene.world.observer.reports.iter().filter(|seen| seen.node == NodeId(2)).count();
    assert_eq!(second, 1);
}

/// Wins: the extract of hospital 2 is in sums over two sets.
#[cfg(samensom_ablation)]
#[test]
fn control_54_a_header_without_bound() {
    leaks(&off(Some("bound-off"), None, unchanged_extract));
}

/// The extract is frozen under one roster; a new one comes within the slot, and a warrant under it.
fn two_rosters() -> Scene {
    let mut scene = seven();
    let ask = plain_ask(&scene);
    scene.open(ask.clone()).unwrap();
    scene.end_all();
    let old = Arc::clone(&scene.world.town);
    let roster = next_roster(&old.roster);
    let signed = approved(&roster, 0, &[APPROVER]);
    let warrant = Arc::new(signed.verify(&roster, scene.world.now).unwrap());
    (1..=5).for_each(|node| assert!(scene.world.adopt(NodeId(node), &roster)));
    scene.world.town = Arc::new(Town {
        warrants: vec![(signed, warrant)],
        coordinator: Arc::clone(&old.coordinator),
        identities: old.identities.clone(),
        lock: old.lock.clone(),
        roster,
    });
    scene.open(ask).unwrap();
    scene
}

#[test]
fn attack_55_a_second_roster_inside_a_slot_a03() {
    let scene = two_rosters();
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A03);
    assert_eq!(scene.hand.tries[1].deposits.len(), 2, "the colluders' alone");
}

/// Wins: everybody takes part under both rosters, whose quorums need not share an honest hospital.
#[cfg(samensom_ablation)]
#[test]
fn control_55_the_roster_changes_inside_a_slot() {
    let scene = off(Some("one-roster-off"), None, two_rosters);
    assert_eq!(scene.hand.tries[1].deposits.len(), 7);
}

type Swap = fn(&mut Bound);

/// Each field of a genuine `bound`, false.
const SWAPS: [Swap; 6] = [
    |bound| bound.survivors = List::new((1..=7).map(NodeId).collect()).unwrap(),
    |bound| bound.freeze = FreezeHash([1; 32]),
    |bound| bound.sid.0[0] ^= 1,
    |bound| bound.roster = RosterHash([1; 32]),
    |bound| bound.certificate = List::new(bound.certificate.iter().skip(2).copied().collect()).unwrap(),
    |bound| {
        let mut all = bound.certificate.to_vec();
        all[0].signature = Bytes([1; 64]);
        bound.certificate = List::new(all).unwrap();
    },
];

/// A sum without hospital 1, whose certificate hospital 2 never saw; then a header with a false `bound`.
fn false_bound(swap: Swap) -> Scene {
    let mut scene = seven();
    let go = gone(&mut scene);
    let rest = without(&scene, &[1]);
    let f = scene.freeze(go, &rest, &rest).unwrap();
    scene.close((go.0, f), false, &without(&scene, &[1, 2]));
    scene.end_all();
    let mut bound = scene.standing().unwrap();
    swap(&mut bound);
    let invited: Set = bound.survivors.iter().copied().collect();
    let ask = Ask { attempt: 1, invited: invited.clone(), bound: Some(bound), ..plain_ask(&scene) };
    attempt(&mut scene, ask, &invited);
    scene
}

#[test]
fn attack_58_a_false_bound_a03() {
    for swap in SWAPS {
        let mut scene = false_bound(swap);
        holds(&scene);
        for node in 2..=5 {
            assert_eq!(ends(&scene.world, node).last(), Some(&Some(Check::A03)), "{:?}", scene.world.ended);
        }
        assert_eq!(scene.world.observer.reports.len(), 5, "nobody contributes again");
        // The survivors stayed unknown at hospital 2; the true ones make them known.
        let rest = without(&scene, &[1]);
        let ask = Ask { attempt: 2, invited: rest.clone(), bound: scene.standing(), ..plain_ask(&scene) };
        attempt(&mut scene, ask, &rest);
        assert_eq!(scene.world.observer.reports.len(), 9);
        holds(&scene);
    }
}

/// Wins: a second set of survivors over the same extracts.
#[cfg(samensom_ablation)]
#[test]
fn control_58_any_bound_is_believed() {
    leaks(&off(Some("a03-bound-and-spent"), None, || false_bound(SWAPS[0])));
}
