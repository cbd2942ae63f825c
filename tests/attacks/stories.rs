//! A coordinator that tells hospitals different stories of what it did: two transparency logs.

use crate::*;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::TreeRoot;
use samensom_protocol::io::{Failure, Sum};
use samensom_protocol::transparency::{SignedTreeHead, TreeHead};
use samensom_tests::adversary::drops::{Stops, world};
use samensom_tests::adversary::office::{Liars, Office};

/// A log of so many entries, one story or the other.
fn head(by: &Identity, size: u64, story: u8) -> SignedTreeHead {
    SignedTreeHead::new(by, TreeHead { size, root: TreeRoot([story; 32]) }).unwrap()
}

/// An honest session of five that keep these heads (size, story); who kept none is not listed.
fn session(kept: &[(u16, u64, u8)]) -> (World, Result<Sum, Failure>) {
    let mut world = world(5, 3);
    for (node, size, story) in kept {
        let head = head(&world.town.coordinator, *size, *story);
        world.keeps(NodeId(*node), head);
    }
    let ended = Office::default().among(&mut world, &Stops::new(), &mut Liars::default());
    (world, ended)
}

const TWO: [(u16, u64, u8); 5] = [(1, 8, 1), (2, 8, 1), (3, 8, 2), (4, 8, 2), (5, 8, 2)];

#[test]
fn attack_34_two_transparency_logs_are_found_in_the_envelopes_a28() {
    let (world, ended) = session(&TWO);
    assert!(ended.is_err() && world.verified.is_empty());
    let both = [head(&world.town.coordinator, 8, 1), head(&world.town.coordinator, 8, 2)];
    for node in 1..=5 {
        assert_eq!(ends(&world, node), [Some(Check::A28)], "{:?}", world.ended);
        let (_, found) = world.heads.iter().find(|(of, _)| of.0 == node).unwrap();
        assert!(both.iter().all(|head| found.contains(head)), "{node} can show both: {found:?}");
        let spent = |record: &samensom_protocol::io::Record| {
            matches!(record, samensom_protocol::io::Record::Spent { .. })
        };
        assert!(!world.ledger(NodeId(node)).iter().any(spent), "no report left {node}");
    }
}

/// Wins: two halves of the hospitals go on with two stories.
#[cfg(samensom_ablation)]
#[test]
fn control_34_two_transparency_logs() {
    let (world, ended) = off(None, Some(Check::A28), || session(&TWO));
    assert!(ended.is_ok());
    assert_eq!(world.verified.len(), 5);
}

/// Two that it was told apart are found by hospitals that keep none, or another length.
#[test]
fn two_stories_of_others_are_found_too() {
    let (world, ended) = session(&[(1, 8, 1), (2, 8, 2), (3, 9, 1)]);
    assert!(ended.is_err());
    assert!((1..=5).all(|node| ends(&world, node) == [Some(Check::A28)]), "{:?}", world.ended);
}

/// Heads of other lengths are not known to be of one log: the program asks at the next contact.
#[test]
fn heads_of_other_lengths_are_told() {
    let (world, ended) = session(&[(1, 8, 1), (2, 9, 2), (3, 9, 2)]);
    assert!(ended.is_ok());
    let (long, short) = (head(&world.town.coordinator, 9, 2), head(&world.town.coordinator, 8, 1));
    let told = |node: u16| {
        let of = world.heads.iter().filter(|(of, _)| of.0 == node);
        of.map(|(_, heads)| heads.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(1), [vec![long]]);
    assert_eq!(told(2), [vec![short]]);
    assert_eq!(told(4), [vec![short, long]], "each once, though it keeps none");
}

/// A hospital cannot stop another with a head that the coordinator did not sign.
#[test]
fn a_head_that_the_coordinator_did_not_sign_counts_for_nothing() {
    let mut world = world(5, 3);
    let (true_one, forged) =
        (head(&world.town.coordinator, 8, 1), head(&world.town.identities[&NodeId(5)], 8, 2));
    (1..=4).for_each(|node| world.keeps(NodeId(node), true_one));
    world.keeps(NodeId(5), forged);
    let ended = Office::default().among(&mut world, &Stops::new(), &mut Liars::default());
    assert!(ended.is_ok(), "{ended:?}");
    assert!((1..=4).all(|node| !world.heads.iter().any(|(of, _)| of.0 == node)), "{:?}", world.heads);
}
