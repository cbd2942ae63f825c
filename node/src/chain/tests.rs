//! The chain of rosters: what is accepted, what is held, what is refused.

use super::*;
use crate::testing::{after, first, members, sign, sign_by, signer};
use samensom_protocol::codec::List;

/// A store with the founding roster.
fn begin() -> (tempfile::TempDir, Pins, Chain, SignedRoster) {
    let dir = tempfile::tempdir().unwrap();
    let mut pins = Pins::open(dir.path()).unwrap();
    let (signed, hash) = first();
    let mut chain = Chain::load(&pins, hash).unwrap();
    chain.extend(&mut pins, vec![signed.clone()]).unwrap();
    (dir, pins, chain, signed)
}

/// And seven hospitals, accepted.
fn seven() -> (tempfile::TempDir, Pins, Chain, SignedRoster) {
    let (dir, mut pins, mut chain, signed) = begin();
    let second = sign(&after(&signed, members(7)));
    chain.extend(&mut pins, vec![second.clone()]).unwrap();
    let words = words(&chain.newest().unwrap().hash().0);
    chain.accept(&mut pins, &words).unwrap();
    (dir, pins, chain, second)
}

fn at(chain: &Chain) -> (Option<u32>, Option<u32>) {
    let epoch = |roster: &Roster| roster.body().epoch;
    (chain.current().map(epoch), chain.newest().map(epoch))
}

#[test]
fn only_the_pinned_first_roster_begins_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut pins = Pins::open(dir.path()).unwrap();
    let (signed, _) = first();
    let mut chain = Chain::load(&pins, RosterHash([1; 32])).unwrap();
    assert!(matches!(chain.extend(&mut pins, vec![signed]), Err(Error::Roster(RosterFault::Chain(_)))));
    assert!(pins.rosters().unwrap().is_empty());
}

#[test]
fn the_first_roster_with_hospitals_is_held_until_its_words_are_compared() {
    for n in [3, 7] {
        let (dir, mut pins, mut chain, signed) = begin();
        chain.extend(&mut pins, vec![sign(&after(&signed, members(n)))]).unwrap();
        assert_eq!(at(&chain), (Some(0), Some(1)));
        let held = chain.why_held().unwrap().to_string();
        assert!(held.contains(&format!("{n} come (h1, h2, h3")), "{held}");
        let found = words(&chain.newest().unwrap().hash().0);
        assert!(held.contains(&found), "{held}");
        let refused = chain.accept(&mut pins, "babab babab babab babab babab babab");
        assert!(matches!(refused, Err(Error::Words { .. })));
        assert_eq!(at(&Chain::load(&pins, chain.founding).unwrap()), (Some(0), Some(1)));
        chain.accept(&mut pins, &format!("  {} ", found.to_uppercase().replace(' ', "-"))).unwrap();
        assert_eq!(at(&chain), (Some(1), Some(1)));
        assert!(chain.why_held().is_none());
        let again = Chain::load(&Pins::open_to_read(dir.path()).unwrap(), chain.founding).unwrap();
        assert_eq!(at(&again), (Some(1), Some(1)));
    }
}

#[test]
fn five_members_may_change_at_once_and_six_may_not() {
    for (changed, current) in [(5, 2), (6, 1)] {
        let (_dir, mut pins, mut chain, signed) = seven();
        let mut some = members(7 + 2);
        for member in some.iter_mut().take(changed - 2) {
            member.floor_hospitals = 9;
        }
        chain.extend(&mut pins, vec![sign(&after(&signed, some))]).unwrap();
        assert_eq!(at(&chain), (Some(current), Some(2)), "{changed}");
    }
}

#[test]
fn a_signer_or_their_number_is_never_changed_without_the_operator() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let mut body = after(&signed, members(7));
    body.threshold = 4;
    chain.extend(&mut pins, vec![sign(&body)]).unwrap();
    assert_eq!(at(&chain), (Some(1), Some(2)));
    assert!(chain.why_held().unwrap().to_string().contains("4 must sign, 3 before"));

    let (_dir, mut pins, mut chain, signed) = seven();
    let mut body = after(&signed, members(7));
    let mut signers = body.signers.to_vec();
    signers[0] = signer(220);
    signers.sort_by_key(|signer| signer.key);
    body.signers = List::new(signers).unwrap();
    chain.extend(&mut pins, vec![sign(&body)]).unwrap();
    assert_eq!(at(&chain), (Some(1), Some(2)));
    assert!(chain.why_held().unwrap().to_string().contains("signers: 1 come, 1 go"));
}

#[test]
fn small_steps_that_come_together_are_measured_together() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let mut rosters = vec![signed];
    for n in [10, 13] {
        let next = sign(&after(rosters.last().unwrap(), members(n)));
        rosters.push(next);
    }
    chain.extend(&mut pins, rosters.split_off(1)).unwrap();
    assert_eq!(at(&chain), (Some(2), Some(3)));
}

#[test]
fn what_follows_a_held_roster_is_held() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let mut body = after(&signed, members(7));
    body.threshold = 4;
    let large = sign(&body);
    let mut body = after(&large, members(7));
    body.threshold = 3;
    let next = sign_by(&body, 200..204);
    chain.extend(&mut pins, vec![large]).unwrap();
    chain.extend(&mut pins, vec![next]).unwrap();
    assert_eq!(at(&chain), (Some(1), Some(3)));
    assert_eq!(chain.held().len(), 2);
}

#[test]
fn an_unsigned_roster_is_refused_and_the_chain_stays() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let good = sign(&after(&signed, members(8)));
    let bad = SignedRoster { signatures: List::default(), ..good.clone() };
    assert!(matches!(chain.extend(&mut pins, vec![bad]), Err(Error::Roster(RosterFault::Signatures { .. }))));
    assert_eq!(at(&chain), (Some(1), Some(1)));
    chain.extend(&mut pins, vec![good]).unwrap();
    assert_eq!(at(&chain), (Some(2), Some(2)));
}

#[test]
fn another_roster_of_a_known_number_is_a_fork() {
    let (_dir, _pins, chain, _) = seven();
    let hash = chain.newest().unwrap().hash();
    assert!(!chain.lacks(&RosterAt { epoch: 1, hash }).unwrap());
    assert!(chain.lacks(&RosterAt { epoch: 2, hash }).unwrap());
    let forked = chain.lacks(&RosterAt { epoch: 1, hash: RosterHash([7; 32]) });
    assert!(matches!(forked, Err(Error::Fork { epoch: 1, .. })));
}
