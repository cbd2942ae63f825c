//! The chain of rosters: what is accepted, what is held, what is refused.

use super::*;
use crate::testing::text;
use crate::testing::{after, first, members, sign, sign_by, signer};
use crate::tls::tests::identity;
use samensom_protocol::codec::List;
use samensom_protocol::ids::NodeId;
use samensom_protocol::roster::Status;

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

/// Any rule alone, and the words under which the operator sees it.
#[test]
fn a_rule_is_never_changed_without_the_operator() {
    use samensom_protocol::codec::Bytes;
    type Edit = fn(&mut RosterBody);
    let cases: [(Edit, &str); 6] = [
        (|b| b.honest_min = 4, "fewest honest contributors: as many as usual -> 4"),
        (|b| b.limits.reveal_ms = 1, "longest time to reveal: 10000 ms -> 1 ms"),
        (|b| b.policy = Bytes([7; 32]), "policy document: none -> "),
        (
            |b| b.rules = List::default(),
            "- purpose stock: approved by pharmacist, duty; at least 0 hospitals",
        ),
        (
            |b| {
                let mut rules = b.rules.to_vec();
                rules[0].floor_hospitals = 5;
                b.rules = List::new(rules).unwrap();
            },
            "fewest hospitals behind a figure 0 -> 5",
        ),
        (
            |b| {
                let mut locks = b.locks.to_vec();
                locks[0].spacing_s = 10;
                b.locks = List::new(locks).unwrap();
            },
            "~ lock goods; seconds of a slot 60 -> 10",
        ),
    ];
    for (edit, told) in cases {
        let (dir, mut pins, mut chain, signed) = seven();
        let mut body = after(&signed, members(7));
        edit(&mut body);
        chain.extend(&mut pins, vec![sign(&body)]).unwrap();
        assert_eq!(at(&chain), (Some(1), Some(2)), "{told}");
        let held = chain.why_held().unwrap().to_string();
        assert!(held.contains(told) && held.contains("rules: 1 change"), "{held}");
        assert_eq!(
            at(&Chain::load(&Pins::open_to_read(dir.path()).unwrap(), chain.founding).unwrap()).0,
            Some(1)
        );
    }
}

/// An approver alone is followed at once; a hospital's new key and its suspension count as members do.
#[test]
fn approvers_and_few_hospitals_are_followed_at_once_and_read_in_words_with_the_rest() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let mut body = after(&signed, members(7));
    body.approvers = List::new(body.approvers.to_vec().split_off(1)).unwrap();
    let second = sign(&body);
    chain.extend(&mut pins, vec![second.clone()]).unwrap();
    assert_eq!(at(&chain), (Some(2), Some(2)));
    let mut some = members(7);
    some[0].key = identity(60).public();
    some[1].status = Status::Suspended;
    let third = sign(&after(&second, some.clone()));
    chain.extend(&mut pins, vec![third.clone()]).unwrap();
    assert_eq!(at(&chain), (Some(3), Some(3)));
    let current = chain.current().unwrap();
    assert!(current.member_by_key(&members(1)[0].key).is_none(), "the old key counts no more");
    assert_eq!((current.member_by_key(&some[0].key).unwrap().id, current.size()), (NodeId(1), 6));
    some[2].status = Status::Left;
    some[3].name = text("Other\n    ~ nothing else");
    let mut body = after(&third, some);
    body.honest_min = 4;
    chain.extend(&mut pins, vec![sign(&body)]).unwrap();
    let held = chain.why_held().unwrap().to_string();
    assert!(
        held.contains("1 go (h3), 1 change (h4)") && held.contains("h3 (Hospital 3); has left for good"),
        "{held}"
    );
    assert!(held.contains("-> Other\\n    ~ nothing else\n"), "a name ends no line: {held}");
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

/// The service had not looked yet that the operator accepted a roster, when a small one followed it: it was
/// measured from the roster before both, and waited for the operator too.
#[test]
fn repro_a_small_roster_after_an_accepted_one_is_measured_from_that() {
    let (dir, mut pins, mut running, signed) = seven();
    let mut body = after(&signed, members(7));
    body.honest_min = 4;
    let large = sign(&body);
    running.extend(&mut pins, vec![large.clone()]).unwrap();
    let mut others = Pins::open(dir.path()).unwrap();
    let mut operator = Chain::load(&others, running.founding).unwrap();
    let told = words(&operator.newest().unwrap().hash().0);
    operator.accept(&mut others, &told).unwrap();
    assert_eq!(at(&running), (Some(1), Some(2)), "not looked yet");
    running.extend(&mut pins, vec![sign(&after(&large, members(8)))]).unwrap();
    assert_eq!(at(&running), (Some(3), Some(3)));
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

/// Each is refused in words, is not stored, and the chain goes on with the right one.
#[test]
fn forks_gaps_replays_and_ghosts_are_refused_in_words() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let second = sign(&after(&signed, members(8)));
    let third = sign(&after(&second, members(9)));
    let founding = first().0;
    let fork = sign(&after(&founding, members(8)));
    let ghost = after(&signed, members(8));
    let by_hand = |signers: std::ops::Range<u8>| sign_by(&ghost, signers);
    let twice = SignedRoster {
        signatures: List::new(vec![by_hand(200..201).signatures[0].clone(); 3]).unwrap(),
        ..by_hand(200..201)
    };
    let moved = SignedRoster { signatures: second.signatures.clone(), ..sign(&after(&signed, members(10))) };
    let other = sign_by(&ghost, 220..225);
    let chain_fault = "does not follow the one before it: epoch or previous hash differ";
    for (what, bad, told) in [
        ("gap", third.clone(), chain_fault),
        ("replay of the newest", signed.clone(), chain_fault),
        ("replay of the first", founding, chain_fault),
        ("another roster 1", fork, chain_fault),
        (
            "ghost, unsigned",
            SignedRoster { signatures: List::default(), ..by_hand(200..201) },
            "0 valid signatures",
        ),
        (
            "ghost, by two of the needed three",
            by_hand(200..202),
            "2 valid signatures of the signers before, 3 needed",
        ),
        ("ghost, one signature three times", twice, "1 valid signatures of the signers before, 3 needed"),
        (
            "ghost, with signatures of another roster",
            moved,
            "0 valid signatures of the signers before, 3 needed",
        ),
        (
            "ghost, by signers of the coordinator's own",
            other,
            "0 valid signatures of the signers before, 3 needed",
        ),
    ] {
        let refused = chain.extend(&mut pins, vec![bad]).unwrap_err().to_string();
        assert!(
            refused.contains(told) && refused.contains("stays with the roster it has"),
            "{what}: {refused}"
        );
        assert_eq!((at(&chain), pins.rosters().unwrap().len()), ((Some(1), Some(1)), 2), "{what}");
    }
    chain.extend(&mut pins, vec![second, third]).unwrap();
    assert_eq!(at(&chain), (Some(3), Some(3)));
}

/// New signers count from the roster after the one that names them; those who went count no more.
#[test]
fn the_signers_in_force_are_those_of_the_roster_before() {
    let (_dir, mut pins, mut chain, signed) = seven();
    let mut body = after(&signed, members(7));
    let mut signers: Vec<_> = (220..225).map(signer).collect();
    signers.sort_by_key(|signer| signer.key);
    body.signers = List::new(signers).unwrap();
    let too_soon = chain.extend(&mut pins, vec![sign_by(&body, 220..223)]).unwrap_err().to_string();
    assert!(too_soon.contains("0 valid signatures"), "{too_soon}");
    let second = sign(&body);
    chain.extend(&mut pins, vec![second.clone()]).unwrap();
    let next = after(&second, members(8));
    let by_old = chain.extend(&mut pins, vec![sign(&next)]).unwrap_err().to_string();
    assert!(by_old.contains("0 valid signatures"), "{by_old}");
    chain.extend(&mut pins, vec![sign_by(&next, 220..223)]).unwrap();
    assert_eq!(at(&chain), (Some(1), Some(3)), "held with the signers that wait");
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
