//! A07 to A10 and A19: what a node refuses before its report leaves.

use super::*;
use crate::codec::{Blob, Bytes, List};
use crate::ids::{DepositHash, StartHash};
use crate::io::Record;
use crate::message::{Dealer, Dealt, Deposit, Go, GoBody, Ready, ReadyOf, Start, StartBody};
use crate::rounds::ready::Sections;
use crate::rounds::{deposit_hash, go_hash, leaves_root};

fn at_start() -> Held {
    Held::before(5, |message| matches!(message, Message::Start(_)))
}

fn start(held: &Held) -> (StartBody, Vec<Dealer>) {
    let Message::Start(start) = held.message() else { panic!() };
    (crate::codec::decode(&start.body.body).unwrap(), start.dealers.to_vec())
}

fn start_of(body: &StartBody, dealers: Vec<Dealer>) -> Message {
    Message::Start(Start { body: sign(Signed::Start, body), dealers: List::new(dealers).unwrap() })
}

/// START with a changed cohort; the dealers follow it where they can.
fn with_cohort(held: &Held, change: impl FnOnce(&mut Vec<Dealt>)) -> Message {
    let (mut body, mut dealers) = start(held);
    let mut cohort = body.cohort.to_vec();
    change(&mut cohort);
    dealers.retain(|dealer| cohort.iter().any(|dealt| dealt.node == dealer.head.node));
    body.cohort = List::new(cohort).unwrap();
    start_of(&body, dealers)
}

/// START over deposits that some dealers, who lie with the coordinator, made otherwise and signed.
fn with_deposits(held: &Held, liars: &[u16], change: &dyn Fn(&mut Deposit)) -> Message {
    let mut deposits = Vec::new();
    for node in held.world.nodes.keys() {
        let sent = held.world.sent_by(node.0).into_iter().find_map(|message| match message {
            Message::Deposit(deposit) => Some(deposit),
            _ => None,
        });
        let mut deposit = sent.unwrap();
        if liars.contains(&node.0) {
            change(&mut deposit);
            let hash = deposit_hash(&deposit).unwrap();
            deposit.signature = identity(node.0).sign(Signed::Deposit, &hash.0);
        }
        deposits.push(deposit);
    }
    let dealt =
        |(node, deposit): (&NodeId, &Deposit)| Dealt { node: *node, deposit: deposit_hash(deposit).unwrap() };
    let (mut body, _) = start(held);
    body.cohort = List::new(held.world.nodes.keys().zip(&deposits).map(dealt).collect()).unwrap();
    start_of(&body, Sections::new(deposits.iter()).unwrap().for_holder(1).unwrap())
}

/// The section for the victim.
fn for_victim(deposit: &mut Deposit, change: impl FnOnce(&mut crate::message::Section)) {
    let mut sections = deposit.sections.to_vec();
    change(&mut sections[0]);
    deposit.sections = List::new(sections).unwrap();
    let leaves = leaves_root(deposit.sections.iter().map(|section| &section.leaf)).unwrap();
    deposit.head.leaves = Bytes(leaves);
}

fn ready_in(outputs: &[Output]) -> Ready {
    let ready = messages(outputs).into_iter().find_map(|message| match message {
        Message::Ready(sealed) => sealed.open(&identity(VICTIM).public(), Signed::Ready),
        _ => None,
    });
    ready.unwrap()
}

#[test]
fn a01_messages_of_another_attempt_or_author_leave_the_node_as_it_was() {
    let mut held = at_start();
    let (body, dealers) = start(&held);
    let mut other = body.clone();
    other.sid.0[0] ^= 1;
    held.rejects(start_of(&other, dealers.clone()).to_frame().unwrap(), Check::A01);
    let body = Sealed::new(&identity(701), Signed::Start, &body).unwrap();
    let forged = Message::Start(Start { body, dealers: List::new(dealers).unwrap() });
    held.rejects(forged.to_frame().unwrap(), Check::A01);
    let end = crate::message::EndBody { sid: other.sid, reason: crate::message::EndReason::Fault };
    held.rejects(Message::End(sign(Signed::End, &end)).to_frame().unwrap(), Check::A01);
    held.goes_on();
}

#[test]
fn a07_the_own_deposit_is_missing_or_altered() {
    let mut held = at_start();
    let lie = with_cohort(&held, |cohort| cohort[0].deposit = DepositHash([1; 32]));
    held.ends(&lie, Check::A07);
    let mut held = at_start();
    let lie = with_cohort(&held, |cohort| cohort.retain(|dealt| dealt.node.0 != VICTIM));
    held.ends(&lie, Check::A07);
    // Another deposit under the own name, with a signature that the coordinator cannot have.
    let mut held = at_start();
    let lie = with_deposits(&held, &[VICTIM], &|deposit| deposit.head.ledger_seq += 1);
    held.ends(&lie, Check::A07);
}

#[test]
fn a08_a_cohort_that_is_too_small_unordered_or_was_not_invited() {
    for change in [
        (|cohort| cohort.truncate(3)) as fn(&mut Vec<Dealt>),
        |cohort| cohort.reverse(),
        |cohort| cohort.insert(1, cohort[1]),
        |cohort| cohort.push(Dealt { node: NodeId(9), ..cohort[0] }),
        |cohort| cohort.push(Dealt { node: NodeId(u16::MAX), ..cohort[0] }),
    ] {
        let mut held = at_start();
        let lie = with_cohort(&held, change);
        held.ends(&lie, Check::A08);
    }
    // Exactly q: followed.
    let mut held = at_start();
    let four = with_cohort(&held, |cohort| cohort.truncate(4));
    assert!(ready_in(&held.give(&four)).unusable.is_empty());
}

#[test]
fn a08_a_bound_slot_takes_everyone_or_nobody() {
    let mut world = World::new(6, 1);
    world.run(&Silence::from([(6, 2)])).unwrap();
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Start(_)));
    let lie = with_cohort(&held, |cohort| cohort.truncate(4));
    held.ends(&lie, Check::A08);
}

#[test]
fn a08_one_start_an_attempt() {
    let mut held = Held::before(5, |message| matches!(message, Message::Go(_)));
    let first = held.seen.last().unwrap().clone();
    let Message::Start(start) = Message::from_frame(&first).unwrap() else { panic!() };
    let mut body: StartBody = crate::codec::decode(&start.body.body).unwrap();
    body.cohort = List::new(body.cohort.iter().take(4).copied().collect()).unwrap();
    let dealers = start.dealers.iter().take(4).cloned().collect();
    held.rejects(start_of(&body, dealers).to_frame().unwrap(), Check::A08);
    // An equal START gets the stored READY, byte for byte.
    let again = frames(&held.give_bytes(first, held.at));
    let given: Vec<_> = held.world.sent_by(VICTIM).into_iter().skip(1).take(1).collect();
    assert_eq!(again, given.iter().map(|message| message.to_frame().unwrap()).collect::<Vec<_>>());
    held.goes_on();
}

#[test]
fn a09_every_part_of_a_dealer() {
    let path = |path: &mut crate::message::Path| {
        let mut hashes = path.to_vec();
        hashes[0].0[0] ^= 1;
        *path = List::new(hashes).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&mut Dealer);
    let changes: [Change; 23] = [
        &|d| d.head.sid.0[0] ^= 1,
        &|d| d.head.node = NodeId(4),
        &|d| d.head.nonce.0[0] ^= 1,
        &|d| d.head.leaves.0[0] ^= 1,
        &|d| d.head.z.0[0] ^= 1,
        &|d| d.head.contribution.0[0] ^= 1,
        &|d| d.head.ledger_seq += 1,
        &|d| path(&mut d.head_path),
        &|d| d.section.holder = NodeId(2),
        &|d| d.section.sealed = Blob::new(vec![0; 80]).unwrap(),
        &|d| d.section.leaf.r.0[0] ^= 1,
        &|d| d.section.leaf.b.0[0] ^= 1,
        &|d| d.section.leaf.g_r.0[0] ^= 1,
        &|d| d.section.leaf.g_b.0[0] ^= 1,
        &|d| d.section.leaf.key.0[0] ^= 1,
        &|d| d.section.z.r.0[0] ^= 1,
        &|d| d.section.z.b.0[0] ^= 1,
        &|d| d.section.pair.0[0] ^= 1,
        &|d| d.section.seen_seq += 1,
        &|d| path(&mut d.section_path),
        &|d| path(&mut d.leaf_path),
        &|d| d.leaf_path = List::default(),
        &|d| d.signature.0[40] ^= 1,
    ];
    // Of another dealer and of the own section.
    for (i, change) in changes.iter().enumerate() {
        for dealer in [2, 0] {
            let mut held = at_start();
            let (body, mut dealers) = start(&held);
            change(&mut dealers[dealer]);
            if start_of(&body, dealers.clone()) == held.message() {
                continue;
            }
            let outputs = held.give(&start_of(&body, dealers));
            assert_eq!(ended(&outputs), Some(Some(Check::A09)), "change {i} of dealer {dealer}");
            assert!(matches!(messages(&outputs).as_slice(), [Message::Refusal(_)]), "change {i}");
        }
    }
}

#[test]
fn a09_dealers_left_out_doubled_or_swapped() {
    for change in [
        (|dealers| drop(dealers.pop())) as fn(&mut Vec<Dealer>),
        |dealers| dealers.clear(),
        |dealers| dealers.push(dealers[1].clone()),
        |dealers| dealers.swap(1, 2),
        |dealers| dealers[3] = dealers[2].clone(),
    ] {
        let mut held = at_start();
        let (body, mut dealers) = start(&held);
        change(&mut dealers);
        held.ends(&start_of(&body, dealers), Check::A09);
    }
}

#[test]
fn a09_the_section_of_another_holder() {
    let mut held = at_start();
    let deposits: Vec<Deposit> = (1..=5)
        .map(|node| match held.world.sent_by(node).remove(0) {
            Message::Deposit(deposit) => deposit,
            other => panic!("{other:?}"),
        })
        .collect();
    let (body, _) = start(&held);
    let others = Sections::new(deposits.iter()).unwrap().for_holder(2).unwrap();
    held.ends(&start_of(&body, others), Check::A09);
}

/// A dealer that lies with the coordinator signs a deposit of another attempt, name or order of holders.
#[test]
fn a09_a_deposit_that_is_signed_and_not_of_this_attempt() {
    type Change<'a> = &'a dyn Fn(&mut Deposit);
    let changes: [Change; 3] = [&|d| d.head.sid.0[0] ^= 1, &|d| d.head.node = NodeId(4), &|d| {
        for_victim(d, |section| section.holder = NodeId(2))
    }];
    for change in changes {
        let mut held = at_start();
        let lie = with_deposits(&held, &[3], change);
        held.ends(&lie, Check::A09);
    }
}

#[test]
fn a09_a_pair_with_another_commitment_or_none() {
    for pair in [[0; 32], [7; 32]] {
        let mut held = at_start();
        let lie =
            with_deposits(&held, &[3], &|deposit| for_victim(deposit, |section| section.pair = Bytes(pair)));
        held.ends(&lie, Check::A09);
    }
}

/// Catalogue 46: zero equals zero, and is refused all the same.
#[test]
fn a09_a_pair_whose_channel_was_withheld() {
    let world = World::parted(6, 1, &[(1, 2), (2, 3)]);
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Start(_)));
    let lie = with_deposits(&held, &[], &|_| ());
    let Message::Start(start) = &lie else { panic!() };
    assert_eq!(start.dealers[1].section.pair, Bytes([0; 32]));
    held.ends(&lie, Check::A09);
}

#[test]
fn a10_more_than_x_remember_a_later_ledger() {
    // n = 5: X = 1.
    let later = |deposit: &mut Deposit| for_victim(deposit, |section| section.seen_seq = 1 << 63);
    let mut held = at_start();
    let lie = with_deposits(&held, &[2, 4], &later);
    held.ends(&lie, Check::A10);
    let mut held = at_start();
    let one = with_deposits(&held, &[2], &later);
    assert!(ready_in(&held.give(&one)).unusable.is_empty(), "X of them are not believed");
}

/// What is remembered rightly is no reason; another number in the ledger's past is.
#[test]
fn a10_peers_remember_a_record_that_is_not_there() {
    for (remembered, check) in [(2, None), (1, Some(Check::A10)), (3, Some(Check::A10))] {
        let mut world = World::new(5, 1);
        world.run(&Silence::new()).unwrap();
        world.now = world.now.plus_ms(72_000_000);
        world.extract.values_mut().for_each(|version| *version += 1);
        world.frames.clear();
        let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Start(_)));
        let (_, dealers) = start(&held);
        assert!(dealers[1..].iter().all(|dealer| dealer.section.seen_seq == 2), "as it was after SPENT");
        let lie = with_deposits(&held, &[2, 3], &|deposit| {
            for_victim(deposit, |section| section.seen_seq = remembered);
        });
        match check {
            Some(check) => held.ends(&lie, check),
            None => assert!(ended(&held.give(&held.message())).is_none()),
        }
    }
}

#[test]
fn a_share_that_cannot_be_used_is_listed_and_nothing_is_opened() {
    type Change<'a> = &'a dyn Fn(&mut Deposit);
    let changes: [Change; 11] = [
        &|d| for_victim(d, |section| section.sealed = Blob::default()),
        &|d| {
            for_victim(d, |section| {
                let mut sealed = section.sealed.to_vec();
                sealed[50] ^= 1;
                section.sealed = Blob::new(sealed).unwrap();
            });
        },
        &|d| for_victim(d, |section| section.leaf.r.0[0] ^= 1),
        &|d| for_victim(d, |section| section.leaf.b.0[0] ^= 1),
        &|d| for_victim(d, |section| section.leaf.g_r.0[0] ^= 1),
        &|d| for_victim(d, |section| section.leaf.g_b.0[0] ^= 1),
        &|d| for_victim(d, |section| section.leaf.key.0[0] ^= 1),
        &|d| for_victim(d, |section| section.z.r.0[0] ^= 1),
        &|d| for_victim(d, |section| section.z.b.0[0] ^= 1),
        &|d| for_victim(d, |section| section.z.r = Bytes([0xff; 32])),
        &|d| d.head.nonce.0[0] ^= 1,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut held = at_start();
        let lie = with_deposits(&held, &[3], change);
        let outputs = held.give(&lie);
        assert_eq!(ready_in(&outputs).unusable.to_vec(), [NodeId(3)], "change {i}");
        assert_eq!(messages(&outputs).len(), 1, "change {i}");
    }
}

/// The relation holds and the commitment is to another share: the one that would be revealed is refused.
#[test]
fn a_share_that_is_not_the_committed_one_is_listed() {
    for which in [
        (|section| section.leaf.r.0[0] ^= 1) as fn(&mut crate::message::Section),
        |section| section.leaf.b.0[0] ^= 1,
        |section| section.leaf.g_r.0[0] ^= 1,
        |section| section.leaf.g_b.0[0] ^= 1,
        |section| section.leaf.key.0[0] ^= 1,
    ] {
        let mut held = at_start();
        let offer = held.saw(|message| match message {
            Message::Offer(offer) => Some(offer),
            _ => None,
        });
        let world = &held.world;
        let facts =
            crate::rounds::offer::Facts::new(&offer.header.body, world.roster.clone(), world.warrant.clone())
                .unwrap();
        let lie = with_deposits(&held, &[3], &|deposit| {
            super::dealers::refit(world, &facts, deposit, &|sections| which(&mut sections[0]));
        });
        assert_eq!(ready_in(&held.give(&lie)).unusable.to_vec(), [NodeId(3)]);
    }
}

fn at_go() -> Held {
    Held::before(5, |message| matches!(message, Message::Go(_)))
}

/// GO with changed READY messages; its hash follows them.
fn with_readies(held: &Held, change: impl FnOnce(&mut Vec<ReadyOf>)) -> Message {
    let Message::Go(go) = held.message() else { panic!() };
    let body: GoBody = crate::codec::decode(&go.body.body).unwrap();
    let mut readies = go.readies.to_vec();
    let first: Ready = crate::codec::decode(&readies[0].ready.body).unwrap();
    change(&mut readies);
    let go = go_hash(&first.start, &readies).unwrap();
    Message::Go(Go { body: sign(Signed::Go, &GoBody { go, ..body }), readies: List::new(readies).unwrap() })
}

#[test]
fn a19_a_ready_that_is_missing_forged_or_over_another_start() {
    fn resigned(one: &mut ReadyOf, change: impl FnOnce(&mut Ready)) {
        let mut ready: Ready = crate::codec::decode(&one.ready.body).unwrap();
        change(&mut ready);
        one.ready = Sealed::new(&identity(one.node.0), Signed::Ready, &ready).unwrap();
    }
    for change in [
        (|readies| drop(readies.pop())) as fn(&mut Vec<ReadyOf>),
        |readies| drop(readies.remove(0)),
        |readies| readies.clear(),
        |readies| readies.swap(2, 3),
        |readies| readies.push(readies[4].clone()),
        |readies| readies[3].node = NodeId(9),
        |readies| readies[3].ready = readies[2].ready.clone(),
        |readies| readies[2].ready.signature.0[1] ^= 1,
        |readies| resigned(&mut readies[2], |ready| ready.start = StartHash([1; 32])),
        |readies| resigned(&mut readies[2], |ready| ready.sid.0[0] ^= 1),
        |readies| {
            let ready: Ready = crate::codec::decode(&readies[2].ready.body).unwrap();
            readies[2].ready = sign(Signed::Ready, &ready);
        },
    ] {
        let mut held = at_go();
        let lie = with_readies(&held, change);
        held.ends(&lie, Check::A19);
    }
}

#[test]
fn a19_a_hash_that_is_not_that_of_the_readies() {
    let mut held = at_go();
    let Message::Go(go) = held.message() else { panic!() };
    let mut body: GoBody = crate::codec::decode(&go.body.body).unwrap();
    body.go.0[0] ^= 1;
    held.ends(&Message::Go(Go { body: sign(Signed::Go, &body), ..go }), Check::A19);
}

/// Catalogue 7: a ghost. Under a START of its own the victim is alone; no GO can hold the others' READY.
#[test]
fn a19_two_starts_never_meet_in_one_go() {
    let mut held = at_start();
    let (body, dealers) = start(&held);
    let four = StartBody { cohort: List::new(body.cohort[..4].to_vec()).unwrap(), ..body };
    let ready = ready_in(&held.give(&start_of(&four, dealers[..4].to_vec())));
    let others = (2..=4).map(|node| {
        let ready = held.world.sent_by(node).into_iter().find_map(|message| match message {
            Message::Ready(ready) => Some(ready),
            _ => None,
        });
        ReadyOf { node: NodeId(node), ready: ready.unwrap() }
    });
    let own = ReadyOf {
        node: NodeId(VICTIM),
        ready: Sealed::new(&identity(VICTIM), Signed::Ready, &ready).unwrap(),
    };
    let readies: Vec<ReadyOf> = std::iter::once(own).chain(others).collect();
    let go = go_hash(&ready.start, &readies).unwrap();
    let body = sign(Signed::Go, &GoBody { sid: ready.sid, go });
    held.ends(&Message::Go(Go { body, readies: List::new(readies).unwrap() }), Check::A19);
}

#[test]
fn a19_one_go_an_attempt_and_spent_before_the_report() {
    let mut held = at_go();
    let outputs = held.goes_on();
    let spent = outputs.iter().position(|o| matches!(o, Output::Persist(Record::Spent { .. }))).unwrap();
    let sent = outputs.iter().position(|o| matches!(o, Output::Send { .. })).unwrap();
    assert!(spent < sent);
    let report = frames(&outputs);
    // An equal GO gets the same report, another one nothing.
    let go = held.frame.clone();
    let again = held.give_bytes(go, held.at);
    assert_eq!(frames(&again), report);
    assert!(!is_written(&again));
    let other = with_readies(&held, |readies| {
        let mut ready: Ready = crate::codec::decode(&readies[2].ready.body).unwrap();
        ready.unusable = List::new(vec![NodeId(1)]).unwrap();
        readies[2].ready = Sealed::new(&identity(3), Signed::Ready, &ready).unwrap();
    });
    held.rejects(other.to_frame().unwrap(), Check::A19);
}
