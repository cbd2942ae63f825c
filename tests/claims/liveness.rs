//! C4: what an honest coordinator survives among 69 hospitals, and what it says when it does not.

use samensom_protocol::codec::{Blob, List};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::{Failure, FailureCode, Sum};
use samensom_protocol::message::{Deposit, Message, Round};
use samensom_protocol::rounds::deposit_hash;
use samensom_tests::adversary::drops::{Stops, is_right, world};
use samensom_tests::adversary::office::{Office, Stop};
use samensom_tests::adversary::town::town;
use samensom_tests::adversary::world::World;

const N: u16 = 69;

/// The session of 69 in which these many nodes stop; each kind at its own places.
fn session(seed: u64, stopping: &[(Stop, u16)]) -> (World, Result<Sum, Failure>) {
    let kinds = stopping.iter().flat_map(|(stop, count)| (0..*count).map(|_| *stop));
    // A stride without a common divisor with 69 meets every node once.
    let node = |k: u64| NodeId(u16::try_from((seed * 13 + k * 25) % u64::from(N)).unwrap() + 1);
    let stops: Stops = (0..).zip(kinds).map(|(k, stop)| (node(k), stop)).collect();
    let mut world = world(N, seed);
    let ended = Office::default().session(&mut world, &stops, &mut |_, _, message| Some(message));
    (world, ended)
}

fn sum_over(seed: u64, stopping: &[(Stop, u16)], survivors: usize) {
    let (world, ended) = session(seed, stopping);
    let sum = ended.unwrap_or_else(|failure| panic!("{stopping:?}: {failure:?}"));
    assert_eq!(sum.survivors.len(), survivors, "{stopping:?}");
    assert!(is_right(&world, &sum), "{stopping:?}: a wrong sum");
}

fn too_few(seed: u64, stopping: &[(Stop, u16)], round: Round, needed: u16, present: u16) {
    let (_, ended) = session(seed, stopping);
    let failure = ended.err().unwrap_or_else(|| panic!("{stopping:?}: a sum"));
    let expected =
        Failure { code: FailureCode::TooFew, round, needed, present, culprits: Vec::new(), block: None };
    assert_eq!(failure, expected, "{stopping:?}");
}

#[test]
fn c4_any_23_may_be_away() {
    sum_over(1, &[(Stop::Absent, 23)], 46);
}

#[test]
fn c4_any_23_may_vanish_before_the_certificate() {
    sum_over(2, &[(Stop::Ready, 23)], 46);
    sum_over(3, &[(Stop::Report, 23)], 46);
    sum_over(4, &[(Stop::Confirm, 23)], 69);
    sum_over(5, &[(Stop::Absent, 6), (Stop::Ready, 6), (Stop::Report, 6), (Stop::Confirm, 5)], 51);
}

#[test]
fn c4_34_may_vanish_after_the_certificate() {
    sum_over(6, &[(Stop::Reveal, 34)], 69);
    sum_over(7, &[(Stop::Absent, 23), (Stop::Reveal, 11)], 46);
}

#[test]
fn c4_one_more_is_a_named_failure() {
    too_few(8, &[(Stop::Absent, 24)], Round::Deposit, 46, 45);
    too_few(9, &[(Stop::Report, 24)], Round::Contribute, 46, 45);
    too_few(10, &[(Stop::Confirm, 24)], Round::Confirm, 46, 45);
    too_few(11, &[(Stop::Report, 3), (Stop::Reveal, 32)], Round::Reveal, 35, 34);
    // Without drop-outs there is no R to give; B is given in the round that ends with the result.
    too_few(12, &[(Stop::Reveal, 35)], Round::Result, 35, 34);
}

/// A deposit whose sections are garbage for some holders, signed by its dealer. The dealer's own machine
/// takes no part in an attempt with a deposit that is not its own, so it gives no READY either.
fn spoiled(node: NodeId, mut deposit: Deposit, holders: usize) -> Option<Message> {
    let mut sections = deposit.sections.to_vec();
    for section in sections.iter_mut().filter(|section| section.holder != node).take(holders) {
        section.sealed = Blob::new(vec![1; section.sealed.len()]).ok()?;
    }
    deposit.sections = List::new(sections).ok()?;
    deposit.signature = town(N).identities[&node].sign(Signed::Deposit, &deposit_hash(&deposit).ok()?.0);
    Some(Message::Deposit(deposit))
}

/// Runs a session in which these nodes twist what they send; attempts, and the sum.
fn sabotaged(seed: u64, twist: &mut dyn FnMut(u16, NodeId, Message) -> Option<Message>) -> (u16, Sum) {
    let (mut world, mut office) = (world(N, seed), Office::default());
    let sum = office.session(&mut world, &Stops::new(), twist).unwrap();
    assert!(is_right(&world, &sum));
    (office.attempts, sum)
}

/// One an attempt, so that each costs one: the eleventh finishes without them.
#[test]
fn c4_ten_saboteurs_cost_at_most_ten_attempts() {
    let saboteurs: Vec<NodeId> = (1..=10).map(|i| NodeId(i * 6)).collect();
    let (attempts, sum) = sabotaged(13, &mut |attempt, node, message| {
        let turn = saboteurs.iter().position(|saboteur| *saboteur == node);
        let now = turn.filter(|turn| usize::from(attempt) == turn + 1);
        match (message, now.map(|turn| turn % 4)) {
            (Message::Ready(_), Some(0)) => None,
            (Message::Deposit(deposit), Some(1)) => spoiled(node, deposit, 68),
            (Message::Deposit(deposit), Some(2)) => spoiled(node, deposit, 23),
            (Message::Ready(mut ready), Some(3)) => {
                ready.signature.0[5] ^= 1;
                Some(Message::Ready(ready))
            }
            (message, _) => Some(message),
        }
    });
    assert_eq!(attempts, 11);
    assert!(saboteurs.iter().all(|node| !sum.survivors.contains(node)) && sum.survivors.len() == 59);
}

/// Ten garbage deposits at once cost no attempt.
#[test]
fn c4_garbage_deposits_cost_no_attempt() {
    let (attempts, sum) = sabotaged(14, &mut |_, node, message| match message {
        Message::Deposit(mut deposit) if node.0 % 6 == 0 && node.0 <= 60 => {
            deposit.head.ledger_seq += 1;
            Some(Message::Deposit(deposit))
        }
        message => Some(message),
    });
    assert_eq!((attempts, sum.survivors.len()), (1, 59));
}
