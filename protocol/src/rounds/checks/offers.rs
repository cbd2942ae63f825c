//! A01 to A06: what a node refuses before it deals anything.

use super::*;
use crate::codec::{Bytes, List, Text, decode};
use crate::ids::{AttemptId, FreezeHash, PublicKey, RosterHash, WarrantHash};
use crate::io::Record;
use crate::message::{Bound, Header, Invited, Nodes, Offer};
use crate::roster::tests::{founding_body, sign as sign_roster};
use crate::warrant::tests::{QUERY, approved, body};
use crate::warrant::{Series, WarrantBody};
use std::sync::Arc;

fn held() -> Held {
    Held::before(5, |message| matches!(message, Message::Offer(_)))
}

fn offer(held: &Held) -> Offer {
    let Message::Offer(offer) = held.message() else { panic!() };
    offer
}

/// The genuine offer with a changed header, signed.
fn with_header(held: &Held, change: impl FnOnce(&mut Header)) -> Message {
    let offer = offer(held);
    let mut header: Header = decode(&offer.header.body).unwrap();
    change(&mut header);
    Message::Offer(Offer { header: sign(Signed::Header, &header), ..offer })
}

/// The node is asked for its figures and answers.
fn measured(held: &mut Held, message: &Message) -> Vec<Output> {
    let asked = held.give(message);
    let Some(Output::Measure { sid, warrant, .. }) = asked.last() else { panic!("{asked:?}") };
    let contribution = held.world.measured(NodeId(VICTIM), warrant);
    held.world.node_step(NodeId(VICTIM), Input::Measured { sid: *sid, contribution, at: held.at })
}

/// Every node refuses the coordinator's next session, by this check and no other.
#[track_caller]
fn refused_by_all(world: &mut World, check: Check) {
    world.ended.clear();
    world.run(&Silence::new()).unwrap_err();
    for node in world.nodes.keys() {
        let ends = world.ends(node.0);
        assert!(!ends.is_empty() && ends.iter().all(|by| *by == Some(check)), "{:?}", world.faults);
    }
}

fn text(name: &str) -> Text<32> {
    Text::new(name).unwrap()
}

#[test]
fn a01_an_offer_of_anyone_else_or_of_another_suite() {
    let mut held = held();
    let good = offer(&held);
    let header: Header = decode(&good.header.body).unwrap();
    let forged = Sealed::new(&identity(701), Signed::Header, &header).unwrap();
    let other_type = sign(Signed::Start, &header);
    let mut flipped = good.header.clone();
    flipped.signature.0[9] ^= 1;
    for header in [forged, other_type, flipped] {
        let frame = Message::Offer(Offer { header, ..good.clone() }).to_frame().unwrap();
        held.rejects(frame, Check::A01);
    }
    for change in [
        (|header| header.wire = 2) as fn(&mut Header),
        |header| header.suite = 2,
        |header| header.coordinator = PublicKey([7; 32]),
        |header| header.coordinator = identity(701).public(),
    ] {
        let frame = with_header(&held, change).to_frame().unwrap();
        held.rejects(frame, Check::A01);
    }
    held.goes_on();
}

#[test]
fn a02_an_offer_without_every_approval() {
    let good = offer(&held()).warrant;
    let mut forged = good.approvals.to_vec();
    forged[0].signature.0[0] ^= 1;
    let [one, two] = [good.approvals[0].clone(), good.approvals[1].clone()];
    for approvals in
        [vec![], vec![one.clone()], vec![one.clone(), one.clone()], forged, vec![one, two.clone(), two]]
    {
        let mut held = held();
        let mut lie = offer(&held);
        lie.warrant.approvals = List::new(approvals).unwrap();
        held.ends(&Message::Offer(lie), Check::A02);
    }
}

#[test]
fn a02_a_warrant_that_is_over_or_used_up() {
    for change in [(|body, now: Time| body.valid_until = now) as fn(&mut WarrantBody, Time), |body, now| {
        body.valid_from = now.plus_ms(1)
    }] {
        let mut held = held();
        let mut terms = body(&held.world.roster, QUERY);
        change(&mut terms, held.at);
        let warrant = approved(&terms, &[800, 801]);
        let lie = with_header(&held, |header| header.warrant = warrant.hash());
        let Message::Offer(lie) = lie else { panic!() };
        held.ends_new(&Message::Offer(Offer { warrant, ..lie }), Check::A02);
    }

    let mut world = World::new(5, 1);
    world.signed = approved(&WarrantBody { sessions: 1, ..body(&world.roster, QUERY) }, &[800, 801]);
    world.warrant = Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    world.run(&Silence::new()).unwrap();
    world.now = world.now.plus_ms(72_000_000);
    world.extract.values_mut().for_each(|version| *version += 1);
    refused_by_all(&mut world, Check::A02);
}

/// A world of five whose warrant is this one, with a new extract in every slot.
fn standing(change: impl FnOnce(&mut WarrantBody)) -> World {
    let mut world = World::new(5, 1);
    let mut terms = body(&world.roster, QUERY);
    change(&mut terms);
    world.signed = approved(&terms, &[800, 801]);
    world.warrant = Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    world
}

fn next_slot(world: &mut World, slots: u64) {
    world.now = world.now.plus_ms(slots * 72_000_000);
    world.extract.values_mut().for_each(|version| *version += 1);
}

#[test]
fn a02_sessions_keep_the_rhythm_that_was_approved() {
    // A week is 8.4 slots of 20 hours.
    let weekly = |terms: &mut WarrantBody| terms.every_s = 604_800;
    let mut world = standing(weekly);
    world.run(&Silence::new()).unwrap();
    next_slot(&mut world, 8);
    refused_by_all(&mut world, Check::A02);
    next_slot(&mut world, 1);
    world.run(&Silence::new()).unwrap();

    let mut world = standing(weekly);
    world.run(&Silence::new()).unwrap();
    // In the last minute of the week, by the clock that froze the first extract.
    world.now = world.now.plus_ms(604_800_000 - 60_000);
    world.extract.values_mut().for_each(|version| *version += 1);
    world.run(&Silence::new()).unwrap();

    let mut world = standing(|_| ());
    world.run(&Silence::new()).unwrap();
    next_slot(&mut world, 1);
    world.run(&Silence::new()).unwrap();
}

#[test]
fn a02_a_hospital_that_was_away_is_not_bound_by_the_rhythm() {
    let mut world = standing(|terms| terms.every_s = 604_800);
    let away = Silence::from([(5, 0)]);
    world.run(&away).unwrap();
    next_slot(&mut world, 1);
    world.start_node(NodeId(5));
    world.ended.clear();
    world.run(&Silence::new()).unwrap_err();
    for node in 1..=4 {
        let ends = world.ends(node);
        assert!(!ends.is_empty() && ends.iter().all(|by| *by == Some(Check::A02)), "{:?}", world.faults);
    }
    assert!(!world.ends(5).contains(&Some(Check::A02)), "it contributed to nothing");
}

/// Hospital 5 is away in the first session.
fn of_four(change: impl FnOnce(&mut WarrantBody)) -> World {
    let mut world = standing(change);
    world.nodes.remove(&NodeId(5));
    assert_eq!(world.run(&Silence::new()).unwrap().survivors.len(), 4);
    next_slot(&mut world, 1);
    world
}

fn equal(terms: &mut WarrantBody) {
    terms.series = Series::Equal;
}

#[test]
fn a03_a_series_keeps_its_hospitals() {
    let mut world = of_four(equal);
    world.start_node(NodeId(5));
    world.run(&Silence::new()).unwrap_err();
    for node in 1..=4 {
        assert!(world.ends(node).contains(&Some(Check::A03)), "{:?}", world.faults);
    }
    assert!(!world.ends(5).contains(&Some(Check::A03)), "it took part in nothing");
    world.nodes.remove(&NodeId(5));
    assert_eq!(world.run(&Silence::new()).unwrap().survivors.len(), 4);

    let mut world = of_four(|_| ());
    world.start_node(NodeId(5));
    assert_eq!(world.run(&Silence::new()).unwrap().survivors.len(), 5, "a free one takes who is there");
}

/// Replayed from its records, a node knows the series as before.
#[test]
fn a03_a_series_outlives_a_restart() {
    let mut world = of_four(equal);
    (1..=5).for_each(|node| world.start_node(NodeId(node)));
    world.ended.clear();
    world.run(&Silence::new()).unwrap_err();
    for node in 1..=4 {
        assert!(world.ends(node).contains(&Some(Check::A03)), "{:?}", world.faults);
    }
}

#[test]
fn a_series_without_one_of_its_hospitals_gives_no_sum() {
    for frames in 0..4 {
        let away = Silence::from([(5, frames)]);
        let mut free = standing(|_| ());
        free.run(&Silence::new()).unwrap();
        next_slot(&mut free, 1);
        assert!(free.run(&away).is_ok(), "four of five are enough");
        let mut world = standing(equal);
        world.run(&Silence::new()).unwrap();
        next_slot(&mut world, 1);
        let failure = world.run(&away).unwrap_err();
        if frames < 3 {
            assert_eq!((failure.needed, failure.present), (5, 4), "{failure:?}");
        }
    }
}

#[test]
fn a03_every_field_of_the_header() {
    let mut held = held();
    for (i, change) in [
        (|header| header.warrant = WarrantHash([1; 32])) as fn(&mut Header),
        |header| header.roster = RosterHash([1; 32]),
        |header| header.lock = text("other"),
        |header| header.slot += 1,
        |header| header.slot -= 1,
        |header| header.slot = 0,
        |header| header.slot = u64::MAX,
        |header| header.deadlines.deposit_ms += 1,
        |header| header.deadlines.ready_ms -= 1,
        |header| header.deadlines.contribute_ms += 1,
        |header| header.deadlines.confirm_ms += 1,
        |header| header.deadlines.reveal_ms = u32::MAX,
        |header| header.invited = List::new(header.invited.iter().rev().copied().collect()).unwrap(),
        |header| {
            let first = header.invited[0];
            header.invited = List::new([&[first], &header.invited[..]].concat()).unwrap();
        },
        |header| {
            let stranger = Invited { node: NodeId(99), ..header.invited[0] };
            header.invited = List::new([&header.invited[..], &[stranger]].concat()).unwrap();
        },
    ]
    .into_iter()
    .enumerate()
    {
        let lie = with_header(&held, |header| {
            header.nonce = Bytes([u8::try_from(i).unwrap(); 32]);
            change(header);
        });
        let outputs = held.give(&lie);
        assert_eq!(ended(&outputs), Some(Some(Check::A03)), "change {i}: {outputs:?}");
        assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Measure { .. })), "change {i}");
    }
    held.goes_on();
}

#[test]
fn a03_a_warrant_that_is_not_the_headers() {
    let mut held = held();
    let other = approved(&WarrantBody { sessions: 8, ..body(&held.world.roster, QUERY) }, &[800, 801]);
    let lie = Message::Offer(Offer { warrant: other, ..offer(&held) });
    held.ends(&lie, Check::A03);
}

#[test]
fn a03_the_slot_is_the_nodes_own_on_both_sides_of_a_boundary() {
    let hour = 3_600_000;
    let mut world = World::new(5, 1);
    world.now = world.now.plus_ms(19 * hour);
    world.run(&Silence::new()).unwrap();
    let end = world.now;

    // The next slot begins one hour later: too near to the last freeze.
    world.now = end.plus_ms(hour + 1_000);
    world.extract.values_mut().for_each(|version| *version += 1);
    refused_by_all(&mut world, Check::A03);

    // A clock set back by a slot: before one that was used.
    world.now = Time(end.0 - 20 * hour);
    refused_by_all(&mut world, Check::A03);

    world.now = end.plus_ms(20 * hour);
    world.run(&Silence::new()).unwrap();
}

#[test]
fn a03_one_roster_in_a_slot() {
    // The extract is frozen and nothing is spent: everyone vanishes before READY.
    let mut world = World::new(5, 1);
    world.run(&(1..=5).map(|node| (node, 1)).collect()).unwrap_err();
    assert!(matches!(world.records[&NodeId(VICTIM)].as_slice(), [Record::Frozen { .. }]));
    let old = Arc::clone(&world.roster);
    let members = old.body().members.clone();
    let next = crate::roster::RosterBody {
        epoch: 2,
        previous: old.hash(),
        members,
        policy: Bytes([1; 32]),
        ..founding_body()
    };
    world.roster = Arc::new(old.next(&sign_roster(&next, &[900, 901, 902])).unwrap());
    world.signed = approved(&body(&world.roster, QUERY), &[800, 801]);
    world.warrant = Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    for id in 1..=5 {
        world.start_node(NodeId(id));
    }
    refused_by_all(&mut world, Check::A03);
}

#[test]
fn a03_an_extract_that_changed_inside_the_slot() {
    let mut world = World::new(5, 1);
    world.run(&Silence::new()).unwrap();
    world.bound = None;
    world.extract.values_mut().for_each(|version| *version += 1);
    refused_by_all(&mut world, Check::A03);
}

/// Catalogue 58: a genuine certificate with any other field is not what this node confirmed.
#[test]
fn a03_survivors_that_are_not_those_confirmed() {
    let mut world = World::new(6, 1);
    let first = world
        .run_with(&Silence::from([(6, 2)]), &mut |_, to, bytes| {
            let certified = matches!(Message::from_frame(&bytes), Ok(Message::Certificate(_)));
            if to == NodeId(VICTIM) && certified { Vec::new() } else { vec![bytes] }
        })
        .unwrap();
    assert_eq!(first.survivors.len(), 5);
    for id in [VICTIM, 6] {
        world.start_node(NodeId(id));
    }
    let announced = |world: &World, id: u16| Invited {
        node: NodeId(id),
        announce: world.switchboard.announced(NodeId(id)).unwrap(),
    };
    let sixth = announced(&world, 6);
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Offer(_)));
    let cut = |bound: &mut Bound, keep: usize| {
        bound.certificate = List::new(bound.certificate.iter().copied().take(keep).collect()).unwrap();
    };
    for (i, change) in [
        (|bound, _| bound.sid = AttemptId([1; 32])) as fn(&mut Bound, &dyn Fn(&mut Bound, usize)),
        |bound, _| bound.freeze = FreezeHash([1; 32]),
        |bound, _| bound.roster = RosterHash([1; 32]),
        |bound, _| bound.survivors = Nodes::new((1..=6).map(NodeId).collect()).unwrap(),
        |bound, cut| cut(bound, 3),
        |bound, cut| cut(bound, 0),
        |bound, _| {
            let mut signed = bound.certificate.to_vec();
            signed[1].signature.0[5] ^= 1;
            bound.certificate = List::new(signed).unwrap();
        },
        |bound, _| {
            let mut signed = bound.certificate.to_vec();
            signed[1] = signed[0];
            bound.certificate = List::new(signed).unwrap();
        },
    ]
    .into_iter()
    .enumerate()
    {
        let lie = with_header(&held, |header| {
            header.nonce = Bytes([u8::try_from(i).unwrap(); 32]);
            let bound = header.bound.as_mut().unwrap();
            change(bound, &cut);
            if bound.survivors.len() == 6 {
                header.invited = List::new([&header.invited[..], &[sixth]].concat()).unwrap();
            }
        });
        let outputs = measured(&mut held, &lie);
        assert_eq!(ended(&outputs), Some(Some(Check::A03)), "change {i}: {outputs:?}");
        assert!(!is_written(&outputs), "change {i}: survivors stay unknown");
    }
    let good = held.message();
    let outputs = measured(&mut held, &good);
    assert!(outputs.iter().any(|output| matches!(output, Output::Persist(Record::Certified { .. }))));
}

/// The slot's survivors are known here: a genuine certificate over more of them, or others invited.
#[test]
fn a03_survivors_that_are_not_those_of_the_slot() {
    let mut world = World::new(6, 1);
    world.run(&Silence::from([(6, 2)])).unwrap();
    world.start_node(NodeId(6));
    let announce = world.switchboard.announced(NodeId(6)).unwrap();
    let sixth = Invited { node: NodeId(6), announce };
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Offer(_)));
    let with_six = |held: &Held, byte: u8, survivors: u16| {
        with_header(held, |header| {
            header.nonce = Bytes([byte; 32]);
            header.invited = List::new([&header.invited[..], &[sixth]].concat()).unwrap();
            let bound = header.bound.as_mut().unwrap();
            bound.survivors = Nodes::new((1..=survivors).map(NodeId).collect()).unwrap();
        })
    };
    let lie = with_six(&held, 1, 6);
    assert_eq!(ended(&measured(&mut held, &lie)), Some(Some(Check::A03)));
    let lie = with_six(&held, 2, 5);
    assert_eq!(ended(&held.give(&lie)), Some(Some(Check::A03)));
    let lie = with_header(&held, |header| {
        header.nonce = Bytes([3; 32]);
        header.bound = None;
    });
    assert_eq!(ended(&measured(&mut held, &lie)), Some(Some(Check::A03)));
    let good = held.message();
    assert!(ended(&measured(&mut held, &good)).is_none());
}

#[test]
fn a03_another_attempt_is_open() {
    let mut world = World::new(5, 1);
    let other = approved(&WarrantBody { sessions: 8, ..body(&world.roster, QUERY) }, &[800, 801]);
    world.now = world.now.plus_ms(1);
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Start(_)));
    let first = held.saw(|message| match message {
        Message::Offer(offer) => Some(offer),
        _ => None,
    });
    let altered = |warrant: &crate::warrant::SignedWarrant, attempt: u16| {
        let mut header: Header = decode(&first.header.body).unwrap();
        header.nonce = Bytes([7; 32]);
        header.warrant = warrant.hash();
        header.attempt = attempt;
        let header = sign(Signed::Header, &header);
        Message::Offer(Offer { header, warrant: warrant.clone() }).to_frame().unwrap()
    };
    held.rejects(altered(&other, 1), Check::A03);
    held.rejects(altered(&first.warrant, 0), Check::A03);
    // A higher attempt of the same session ends the open one, whose START is refused for ever.
    let asked = held.give_bytes(altered(&first.warrant, 1), held.at);
    assert!(matches!(asked.as_slice(), [Output::Arm { .. }, Output::Measure { .. }]), "{asked:?}");
    held.rejects(held.frame.clone(), Check::A08);
    held.rejects(held.seen[0].clone(), Check::A03);
}

#[test]
fn a05_fewer_than_q_are_invited() {
    let mut held = held();
    let lie = with_header(&held, |header| {
        header.invited = List::new(header.invited.iter().copied().take(3).collect()).unwrap();
    });
    held.ends_new(&lie, Check::A05);
}

#[test]
fn a06_another_incarnation_is_invited_or_none() {
    for drop in [false, true] {
        let mut held = held();
        let lie = with_header(&held, |header| {
            let mut invited = header.invited.to_vec();
            if drop {
                invited.remove(0);
            } else {
                invited[0].announce.0[0] ^= 1;
            }
            header.invited = List::new(invited).unwrap();
        });
        held.ends_new(&lie, Check::A06);
    }
}

impl Held {
    /// As [`Held::ends`] for an attempt of its own: the genuine one is another and may still be taken.
    #[track_caller]
    fn ends_new(&mut self, message: &Message, check: Check) {
        let outputs = self.give(message);
        assert_eq!(ended(&outputs), Some(Some(check)), "{outputs:?}");
        assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Measure { .. })));
        self.goes_on();
    }
}
