//! A11 to A18 and A20, deadlines, malformed frames and repeats: what a node refuses once its report is out.

use super::*;
use crate::codec::List;
use crate::crypto::keys::SignatureBytes;
use crate::ids::{FreezeHash, GoHash};
use crate::io::Record;
use crate::message::Round;
use crate::message::{Certificate, Confirmation, Counted, Freeze, FreezeBody, GoBody, ReportBody};
use crate::rounds::freeze_hash;
use crate::warrant::WarrantBody;
use crate::warrant::tests::{QUERY, approved, body};

fn at_freeze() -> Held {
    Held::before(5, |message| matches!(message, Message::Freeze(_)))
}

fn go(held: &Held) -> GoHash {
    held.saw(|message| match message {
        Message::Go(go) => Some(crate::codec::decode::<GoBody>(&go.body.body).unwrap().go),
        _ => None,
    })
}

/// FREEZE with changed survivors; its hash follows them.
fn with_survivors(held: &Held, change: impl FnOnce(&mut Vec<Counted>)) -> Message {
    let Message::Freeze(freeze) = held.message() else { panic!() };
    let body: FreezeBody = crate::codec::decode(&freeze.body.body).unwrap();
    let mut survivors = freeze.survivors.to_vec();
    change(&mut survivors);
    let freeze = freeze_hash(&go(held), &survivors);
    let body = sign(Signed::Freeze, &FreezeBody { freeze, ..body });
    Message::Freeze(Freeze { body, survivors: List::new(survivors).unwrap() })
}

fn report_signature(held: &Held, counted: &Counted, go: GoHash) -> SignatureBytes {
    let Message::Freeze(freeze) = held.message() else { panic!() };
    let FreezeBody { sid, .. } = crate::codec::decode(&freeze.body.body).unwrap();
    let body = ReportBody { sid, go, report: counted.report, ledger_seq: counted.ledger_seq };
    Sealed::<128>::new(&identity(counted.node.0), Signed::Report, &body).unwrap().signature
}

#[test]
fn a11_the_own_report_is_missing_or_altered() {
    for change in [
        (|s| s.retain(|one| one.node.0 != VICTIM)) as fn(&mut Vec<Counted>),
        |s| s[0].report.0[0] ^= 1,
        |s| s.clear(),
    ] {
        let mut held = at_freeze();
        let lie = with_survivors(&held, change);
        held.ends(&lie, Check::A11);
    }
}

#[test]
fn a12_survivors_too_few_unordered_or_of_no_cohort() {
    for change in [
        (|s| s.truncate(3)) as fn(&mut Vec<Counted>),
        |s| s.reverse(),
        |s| s.push(s[4]),
        |s| s.swap(1, 2),
        |s| s.push(Counted { node: NodeId(9), ..s[1] }),
    ] {
        let mut held = at_freeze();
        let lie = with_survivors(&held, change);
        held.ends(&lie, Check::A12);
    }
    let mut held = at_freeze();
    let four = with_survivors(&held, |s| s.truncate(4));
    assert!(matches!(messages(&held.give(&four)).as_slice(), [Message::Confirm(_)]), "q are enough");
}

#[test]
fn a12_survivors_below_the_floor() {
    // n = 6: q = 4; the warrant's floor is 5.
    let with_floor = || {
        let mut world = World::new(6, 1);
        let terms = WarrantBody { floor_hospitals: 5, ..body(&world.roster, QUERY) };
        world.signed = approved(&terms, &[800, 801]);
        world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
        let lanes = world.warrant.count().unwrap().params.cells as usize;
        world.counts = (1..=6).map(|node| (NodeId(node), vec![1; lanes])).collect();
        world.pass = crate::message::Pass::Count;
        world
    };
    let mut held =
        Held::within(with_floor(), &Silence::new(), |message| matches!(message, Message::Freeze(_)));
    let lie = with_survivors(&held, |s| s.truncate(4));
    held.ends(&lie, Check::A12);
    // An honest coordinator does not ask: nothing is spent for a cohort below it.
    let mut world = with_floor();
    let failure = world.run(&Silence::from([(5, 0), (6, 0)])).unwrap_err();
    assert_eq!((failure.round, failure.needed, failure.present), (Round::Deposit, 5, 4));
    let mut world = with_floor();
    let failure = world.run(&Silence::from([(5, 2), (6, 2)])).unwrap_err();
    assert_eq!((failure.round, failure.needed, failure.present), (Round::Contribute, 5, 4));
    assert!(world.ended.is_empty(), "{:?}", world.faults);
}

/// A member of the roster that never deposited signs a report of its own: it is not in the cohort.
#[test]
fn a12_a_ghost_among_the_survivors() {
    let world = World::new(6, 1);
    let mut held =
        Held::within(world, &Silence::from([(6, 0)]), |message| matches!(message, Message::Freeze(_)));
    let under = go(&held);
    let mut ghost = Counted {
        node: NodeId(6),
        ..{
            let Message::Freeze(freeze) = held.message() else { panic!() };
            freeze.survivors[0]
        }
    };
    ghost.signature = report_signature(&held, &ghost, under);
    let lie = with_survivors(&held, |s| s.push(ghost));
    held.ends(&lie, Check::A12);
}

#[test]
fn a12_a_hash_of_other_survivors() {
    let mut held = at_freeze();
    let Message::Freeze(freeze) = held.message() else { panic!() };
    let Message::Freeze(four) = with_survivors(&held, |s| s.truncate(4)) else { panic!() };
    held.ends(&Message::Freeze(Freeze { body: four.body, ..freeze }), Check::A12);
}

#[test]
fn a13_two_freezes() {
    let mut held = at_freeze();
    let other = with_survivors(&held, |s| s.truncate(4)).to_frame().unwrap();
    let confirm = frames(&held.goes_on());
    held.rejects(other, Check::A13);
    let again = held.give_bytes(held.frame.clone(), held.at);
    assert_eq!(frames(&again), confirm, "an equal one gets the stored answer");
    assert!(!is_written(&again));
}

#[test]
fn a14_a_bound_slot_has_no_other_survivors() {
    let mut world = World::new(6, 1);
    world.run(&Silence::from([(6, 2)])).unwrap();
    let mut held = Held::within(world, &Silence::new(), |message| matches!(message, Message::Freeze(_)));
    let lie = with_survivors(&held, |s| s.truncate(4));
    held.ends(&lie, Check::A14);
}

#[test]
fn a15_every_message_past_its_deadline() {
    for is in [
        (|m| matches!(m, Message::Start(_))) as fn(&Message) -> bool,
        |m| matches!(m, Message::Go(_)),
        |m| matches!(m, Message::Freeze(_)),
        |m| matches!(m, Message::Certificate(_)),
        |m| matches!(m, Message::AskB(_)),
        |m| matches!(m, Message::Outcome(_)),
    ] {
        let mut held = Held::before(5, is);
        let late = held.at.plus_ms(60_000);
        let outputs = held.give_bytes(held.frame.clone(), late);
        assert_eq!(ended(&outputs), Some(Some(Check::A15)), "{:?}", held.message());
        assert!(matches!(messages(&outputs).as_slice(), [Message::Refusal(_)]));
        assert!(!is_written(&outputs));
    }
}

#[test]
fn a15_figures_that_come_too_late_are_not_dealt() {
    let mut held = Held::before(5, |message| matches!(message, Message::Offer(_)));
    let asked = held.goes_on();
    let Some(Output::Measure { sid, warrant, .. }) = asked.last() else { panic!("{asked:?}") };
    let contribution = held.world.measured(NodeId(VICTIM), warrant);
    let late = Input::Measured { sid: *sid, contribution, at: held.at.plus_ms(60_000) };
    let outputs = held.world.node_step(NodeId(VICTIM), late);
    assert_eq!(ended(&outputs), Some(None));
    assert!(matches!(messages(&outputs).as_slice(), [Message::Refusal(_)]));
}

fn at_cert() -> Held {
    Held::before(5, |message| matches!(message, Message::Certificate(_)))
}

fn cert(held: &Held) -> (FreezeBody, Vec<Confirmation>) {
    let Message::Certificate(cert) = held.message() else { panic!() };
    (crate::codec::decode(&cert.body.body).unwrap(), cert.confirmations.to_vec())
}

fn cert_of(body: &FreezeBody, confirmations: Vec<Confirmation>) -> Message {
    let confirmations = List::new(confirmations).unwrap();
    Message::Certificate(Certificate { body: sign(Signed::Certificate, body), confirmations })
}

#[test]
fn a16_every_part_of_a_certificate() {
    fn confirmed(node: u16, body: &FreezeBody, what: Signed) -> Confirmation {
        let signature = Sealed::<128>::new(&identity(node), what, body).unwrap().signature;
        Confirmation { node: NodeId(node), signature }
    }
    type Change<'a> = &'a dyn Fn(&mut FreezeBody, &mut Vec<Confirmation>);
    let changes: [Change; 13] = [
        &|body, _| body.freeze = FreezeHash([1; 32]),
        &|_, signed| signed.truncate(3),
        &|_, signed| signed.clear(),
        &|_, signed| signed.truncate(3usize.min(signed.len())),
        &|_, signed| {
            signed.truncate(3);
            signed.push(signed[2]);
        },
        &|_, signed| signed[3] = signed[2],
        &|_, signed| signed[2].signature.0[1] ^= 1,
        &|_, signed| signed.reverse(),
        &|_, signed| signed[4].node = NodeId(9),
        &|body, signed| signed[4] = Confirmation { node: NodeId(6), ..confirmed(6, body, Signed::Confirm) },
        &|body, signed| signed[2] = confirmed(3, body, Signed::Report),
        &|body, signed| signed[2] = confirmed(700, body, Signed::Certificate),
        &|body, signed| {
            let mut other = *body;
            other.sid.0[0] ^= 1;
            signed[2] = confirmed(3, &other, Signed::Confirm);
        },
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut held = at_cert();
        let (mut body, mut signed) = cert(&held);
        change(&mut body, &mut signed);
        let outputs = held.give(&cert_of(&body, signed));
        assert_eq!(ended(&outputs), Some(Some(Check::A16)), "change {i}: {outputs:?}");
        assert!(matches!(messages(&outputs).as_slice(), [Message::Refusal(_)]), "change {i}");
        assert!(!is_written(&outputs), "change {i}: survivors stay unknown");
    }
    let mut held = at_cert();
    let (body, mut signed) = cert(&held);
    signed.remove(1);
    assert_eq!(ended(&held.give(&cert_of(&body, signed))), None, "q are enough");
}

/// A dropout's signature is genuine and does not count.
#[test]
fn a16_a_signer_that_did_not_survive() {
    let world = World::new(6, 1);
    let mut held = Held::within(world, &Silence::from([(6, 2)]), |m| matches!(m, Message::Certificate(_)));
    let (body, mut signed) = cert(&held);
    let signature = Sealed::<128>::new(&identity(6), Signed::Confirm, &body).unwrap().signature;
    signed.truncate(3);
    signed.push(Confirmation { node: NodeId(6), signature });
    held.ends(&cert_of(&body, signed), Check::A16);
}

/// A survivor that is not among the signers' set: A11 forbids it at FREEZE, A17 once more at CERT.
#[test]
fn a17_a_certificate_without_me() {
    let held = at_cert();
    let offer = held.saw(|message| match message {
        Message::Offer(offer) => Some(offer),
        _ => None,
    });
    let (roster, warrant) = (held.world.roster.clone(), held.world.warrant.clone());
    let facts = crate::rounds::offer::Facts::new(&offer.header.body, roster, warrant).unwrap();
    let Message::Certificate(certificate) = held.message() else { panic!() };
    let (body, _) = cert(&held);
    let all: Vec<NodeId> = (1..=5).map(NodeId).collect();
    let check = |me: u16, survivors: &[NodeId]| {
        let own = (NodeId(me), &body.freeze, survivors);
        crate::rounds::confirm::check_certificate(&certificate, &body, &facts, own).map_err(|f| f.check)
    };
    assert!(check(1, &all).is_ok());
    assert_eq!(check(1, &all[1..]).unwrap_err(), Check::A17);
    assert_eq!(check(9, &all).unwrap_err(), Check::A17);
}

#[test]
fn a18_shares_only_for_the_certified_survivors_and_once() {
    let mut held = Held::before(5, |message| matches!(message, Message::AskB(_)));
    let Message::AskB(ask) = held.message() else { panic!() };
    let body: FreezeBody = crate::codec::decode(&ask.body).unwrap();
    let other = FreezeBody { freeze: FreezeHash([1; 32]), ..body };
    held.ends(&Message::AskB(sign(Signed::AskB, &other)), Check::A18);

    let mut held = Held::before(5, |message| matches!(message, Message::AskB(_)));
    let wrong_type = Message::AskB(sign(Signed::Freeze, &body)).to_frame().unwrap();
    held.rejects(wrong_type, Check::A01);
    let outputs = held.goes_on();
    let released =
        outputs.iter().position(|o| matches!(o, Output::Persist(Record::Released { .. }))).unwrap();
    let sent = outputs.iter().position(|o| matches!(o, Output::Send { .. })).unwrap();
    assert!(released < sent);
    let kept = held.world.nodes[&NodeId(VICTIM)].as_ref().unwrap().secrets();
    assert!(!kept.iter().any(|(name, _)| name.starts_with("share of")), "given once, then wiped");
    let again = held.give_bytes(held.frame.clone(), held.at);
    assert_eq!(frames(&again), frames(&outputs));
    held.rejects(Message::AskB(sign(Signed::AskB, &other)).to_frame().unwrap(), Check::A18);
}

#[test]
fn a18_no_share_of_b_before_the_certificate() {
    let mut held = at_cert();
    let (body, _) = cert(&held);
    held.rejects(Message::AskB(sign(Signed::AskB, &body)).to_frame().unwrap(), Check::A18);
    let mut held = at_freeze();
    held.rejects(Message::AskB(sign(Signed::AskB, &body)).to_frame().unwrap(), Check::A18);
}

/// r of those outside the survivors, b of those inside: never both of one node.
#[test]
fn a18_never_both_secrets_of_one_node() {
    let mut world = World::new(9, 1);
    world.run(&Silence::from([(8, 2), (9, 2)])).unwrap();
    for node in 1..=7 {
        let (mut r, mut b) = (Vec::new(), Vec::new());
        for message in world.sent_by(node) {
            match message {
                Message::RevealR(reveal) => r.extend(reveal.shares.iter().map(|one| one.dealer.0)),
                Message::RevealB(reveal) => b.extend(reveal.shares.iter().map(|one| one.dealer.0)),
                _ => {}
            }
        }
        assert_eq!((r, b), (vec![8, 9], (1..=7).collect()));
    }
}

#[test]
fn a20_a_report_that_is_not_signed_under_this_go() {
    let flips: [fn(&mut Counted); 3] =
        [|one| one.signature.0[3] ^= 1, |one| one.ledger_seq += 1, |one| one.report.0[0] ^= 1];
    for flip in flips {
        let mut held = at_freeze();
        let lie = with_survivors(&held, |s| flip(&mut s[2]));
        held.ends(&lie, Check::A20);
    }
    // Catalogue 36: a colluding node signs its report again, under a GO of another cohort.
    let mut held = at_freeze();
    let Message::Freeze(freeze) = held.message() else { panic!() };
    let other = report_signature(&held, &freeze.survivors[2], GoHash([1; 32]));
    let lie = with_survivors(&held, |s| s[2].signature = other);
    held.ends(&lie, Check::A20);
}

/// Before each genuine frame every node gets rubbish: the session is as if there were none.
#[test]
fn a01_malformed_frames_change_nothing() {
    let mut other = World::new(5, 77);
    let mut foreign: Vec<Vec<u8>> = Vec::new();
    other
        .run_with(&Silence::new(), &mut |_, to, bytes| {
            // Another session's offer is a genuine one, refused while an attempt is open (A03).
            if to == NodeId(2) && !matches!(Message::from_frame(&bytes), Ok(Message::Offer(_))) {
                foreign.push(bytes.clone());
            }
            vec![bytes]
        })
        .unwrap();
    let mut world = World::new(5, 1);
    let sum = world
        .run_with(&Silence::new(), &mut |_, _, bytes| {
            let mut all: Vec<Vec<u8>> = vec![Vec::new(), vec![1], vec![2, 0], vec![1; 64]];
            all.extend([1, 2, 5, bytes.len() / 2, bytes.len() - 1].map(|cut| bytes[..cut].to_vec()));
            all.push([&bytes[..], &[0]].concat());
            all.push([&[9], &bytes[1..]].concat());
            all.push([&[1, 0xff, 0xff, 0xff, 0xff], &bytes[5..]].concat());
            all.push([&bytes[..5], &[0xff; 64]].concat());
            all.extend(foreign.iter().cloned());
            all.push(bytes);
            all
        })
        .unwrap();
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    assert_eq!((sum.attempt, sum.survivors.len(), world.verified.len()), (0, 5, 5), "{:?}", world.ended);
    assert!(world.rejected.iter().all(|(who, _)| who.is_some()), "the coordinator heard nothing of it");
}

/// Every request comes twice: the answers are equal byte for byte, the sum is as it was.
#[test]
fn equal_repeats_get_equal_answers() {
    let mut world = World::new(6, 1);
    let sum = world
        .run_with(&Silence::from([(6, 4)]), &mut |_, to, bytes| {
            let block = matches!(Message::from_frame(&bytes), Ok(Message::OutcomeBlock(_)));
            if block || to == NodeId(6) { vec![bytes] } else { vec![bytes.clone(), bytes] }
        })
        .unwrap();
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    for node in 1..=5 {
        let mut times: std::collections::BTreeMap<Vec<u8>, usize> = std::collections::BTreeMap::new();
        for (id, bytes) in &world.frames {
            if id.0 == node {
                *times.entry(bytes.clone()).or_default() += 1;
            }
        }
        // DEPOSIT once, since its OFFER is repeated while figures are computed; READY, the report's two
        // frames, CONFIRM and REVEAL-B twice.
        let mut times: Vec<usize> = times.into_values().collect();
        times.sort_unstable();
        assert_eq!(times, [1, 2, 2, 2, 2, 2], "node {node}");
    }
}
