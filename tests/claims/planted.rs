//! Leaks planted in what the oracle is shown: it finds each, and nothing without them.
//!
//! Those that can be planted in the core itself are in `controls`.

use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_tests::adversary::scene::{Scene, Set};
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::{judged, scene, town};
use samensom_tests::leak::Leak;
use samensom_tests::leak::observer::{Seen, Which};
use std::collections::BTreeSet;

/// Four hospitals, the last a colluder: q = 3, t_s = 3, X = 1.
fn four() -> Scene {
    scene(4, 7, [NodeId(4)].into(), BTreeSet::new()).unwrap()
}

fn without(scene: &Scene, nodes: &[u16]) -> Set {
    scene.everyone.iter().copied().filter(|node| !nodes.contains(&node.0)).collect()
}

/// A session in a slot of its own, over new rows; everybody reports, `dropped` come too late. Opened unless
/// all are dropped.
fn session(scene: &mut Scene, dropped: &[u16]) -> AttemptId {
    scene.end_all();
    scene.world.pass(u64::from(town::SPACING_S) * 1000);
    scene.honest.clone().into_iter().for_each(|node| scene.world.change_rows(node));
    let everyone = scene.everyone.clone();
    let ask = plain_ask(scene);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    let g = scene.go((t, s), (false, false), &everyone).unwrap();
    assert_eq!(scene.reported((t, s, g)), everyone);
    let survivors = without(scene, dropped);
    if !survivors.is_empty() {
        let f = scene.freeze((t, s, g), &survivors, &survivors).unwrap();
        scene.close((t, f), false, &survivors);
    }
    scene.hand.tries[t].facts.sid
}

fn leaks(scene: &Scene) -> Vec<Leak> {
    judged(scene, Vec::new()).leaks
}

fn report<'a>(scene: &'a mut Scene, node: u16, sid: &AttemptId) -> &'a mut Seen {
    let mut reports = scene.world.observer.reports.iter_mut();
    reports.find(|seen| seen.node.0 == node && seen.sid == *sid).unwrap()
}

/// Shares of one of a dealer's secrets at these positions.
fn reveal(scene: &mut Scene, dealer: u16, sid: AttemptId, which: Which, positions: &[u16]) {
    scene.world.observer.revealed.entry((NodeId(dealer), sid, which)).or_default().extend(positions);
}

/// True if the node's figure stands alone in what leaked.
#[track_caller]
fn isolates(scene: &Scene, node: u16) {
    let found = leaks(scene);
    let alone = |leak: &Leak| match leak {
        Leak::Several { isolated, .. } => *isolated == [NodeId(node)],
        Leak::TooFew { members, .. } => *members == [NodeId(node)],
        _ => false,
    };
    assert!(found.iter().any(alone), "{found:?}");
}

#[test]
fn l01_both_secrets_of_one_node() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    assert_eq!(leaks(&scene), []);
    reveal(&mut scene, 1, sid, Which::R, &[1, 2, 3]);
    assert!(!leaks(&scene).is_empty());
}

#[test]
fn l02_a_mask_reused_in_two_attempts() {
    let mut scene = four();
    let (one, two) = (session(&mut scene, &[1, 2, 3, 4]), session(&mut scene, &[1, 2, 3, 4]));
    assert_eq!(leaks(&scene), []);
    let terms = report(&mut scene, 1, &one).terms.clone();
    report(&mut scene, 1, &two).terms = terms;
    assert_eq!(leaks(&scene), [Leak::Across]);
}

#[test]
fn l03_one_share_too_many() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    // The colluder's own share is the third.
    reveal(&mut scene, 3, sid, Which::B, &[1]);
    assert_eq!(leaks(&scene), []);
    reveal(&mut scene, 3, sid, Which::B, &[2]);
    isolates(&scene, 3);
}

#[test]
fn l04_a_threshold_one_too_low() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    reveal(&mut scene, 3, sid, Which::B, &[1]);
    assert_eq!(leaks(&scene), []);
    scene.world.observer.threshold = Some(scene.thresholds.shares - 1);
    isolates(&scene, 3);
}

#[test]
fn l05_a_report_without_its_own_mask() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    assert_eq!(leaks(&scene), []);
    report(&mut scene, 3, &sid).terms.retain(|term| term.pair.is_some());
    isolates(&scene, 3);
}

#[test]
fn l06_a_pair_mask_missing_in_one_report() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    assert_eq!(leaks(&scene), []);
    report(&mut scene, 1, &sid).terms.retain(|term| term.pair.is_none_or(|(other, _)| other != NodeId(2)));
    isolates(&scene, 1);
}

/// Moves the reports of an attempt into the slot and over the figures of another.
fn moved(scene: &mut Scene, from: &AttemptId, to: &AttemptId, nodes: &[u16]) {
    for node in nodes {
        let (slot, figure) = {
            let seen = report(scene, *node, to);
            (seen.slot, seen.figure)
        };
        let seen = report(scene, *node, from);
        (seen.slot, seen.figure) = (slot, figure);
    }
}

#[test]
fn l07_survivors_differ_between_two_sums_of_a_slot() {
    let mut scene = four();
    let (one, two) = (session(&mut scene, &[]), session(&mut scene, &[3]));
    assert_eq!(leaks(&scene), []);
    moved(&mut scene, &two, &one, &[1, 2, 3]);
    isolates(&scene, 3);
}

#[test]
fn l08_an_unchanged_extract_is_contributed_again() {
    let mut scene = four();
    let (one, two) = (session(&mut scene, &[]), session(&mut scene, &[3]));
    assert_eq!(leaks(&scene), []);
    let figure = report(&mut scene, 1, &one).figure;
    report(&mut scene, 1, &two).figure = figure;
    assert_eq!(leaks(&scene), [Leak::Moved { node: NodeId(1) }]);
}

#[test]
fn l09_a_pair_seed_that_is_not_of_its_attempt() {
    let mut scene = four();
    let (one, two) = (session(&mut scene, &[3]), session(&mut scene, &[]));
    assert_eq!(leaks(&scene), []);
    for node in 1..=3 {
        let before = report(&mut scene, node, &one).terms.clone();
        for term in &mut report(&mut scene, node, &two).terms {
            let other = term.pair.map(|(other, _)| other);
            let same = before.iter().find(|old| old.pair.map(|(other, _)| other) == other);
            term.pair = same.and_then(|old| old.pair);
        }
    }
    isolates(&scene, 3);
}

#[test]
fn l10_b_of_a_node_outside_the_survivors() {
    let mut scene = four();
    let sid = session(&mut scene, &[3]);
    assert_eq!(leaks(&scene), []);
    reveal(&mut scene, 3, sid, Which::B, &[1, 2, 4]);
    isolates(&scene, 3);
}

#[test]
fn l11_halves_without_masks_between_them() {
    let mut scene = scene(7, 7, [NodeId(6), NodeId(7)].into(), BTreeSet::new()).unwrap();
    let sid = session(&mut scene, &[]);
    assert_eq!(leaks(&scene), []);
    let left = |node: u16| node <= 2;
    for node in 1..=5 {
        let between = |other: NodeId| left(other.0) != left(node) && other.0 <= 5;
        report(&mut scene, node, &sid)
            .terms
            .retain(|term| term.pair.is_none_or(|(other, _)| !between(other)));
    }
    let found = leaks(&scene);
    let two = |leak: &Leak| matches!(leak, Leak::Several { sums: 2, isolated, .. } if isolated.len() == 2);
    assert!(matches!(&found[..], [leak] if two(leak)), "{found:?}");
}
