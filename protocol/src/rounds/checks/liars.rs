//! Nodes that lie: the coordinator names them, goes on without them, or ends and says why.

use super::*;
use crate::codec::{Blob, Bytes, List, decode};
use crate::crypto::transcript::sha256;
use crate::ids::{FreezeHash, GoHash, StartHash};
use crate::io::Record;
use crate::message::{
    Confirm, Deposit, FreezeBody, PublicAt, Ready, Report, ReportBlock, ReportBody, Reveal,
};
use crate::rounds::committed::committed;
use crate::rounds::{deposit_hash, report_hash};
use crate::testing::Forge;

const LIAR: u16 = 2;

/// One node's messages are altered on their way.
fn lying(change: impl Fn(&mut Message) + 'static) -> Forge {
    Box::new(move |_, from, bytes| {
        let mut message = Message::from_frame(&bytes).unwrap();
        if from == NodeId(LIAR) {
            change(&mut message);
        }
        vec![message.to_frame().unwrap()]
    })
}

fn run(n: u16, forge: Forge) -> (World, Result<crate::io::Sum, crate::io::Failure>) {
    let mut world = World::new(n, 1);
    world.forge = Some(forge);
    let ran = world.run(&Silence::new());
    if let Ok(sum) = &ran {
        assert_eq!(world.totals(sum), world.clear(&sum.survivors));
    }
    (world, ran)
}

/// The session gives a sum over the others, and every fault names the liar, or nobody: what it says after it
/// was dropped is late.
#[track_caller]
fn goes_on_without(forge: Forge, check: Check, survivors: usize) -> World {
    let (world, ran) = run(5, forge);
    let sum = ran.unwrap();
    assert_eq!(sum.survivors.len(), survivors, "{:?}", world.faults);
    let named = world.rejected.iter().filter(|(who, fault)| who.is_none() && !fault.culprits().is_empty());
    assert!(named.clone().any(|(_, fault)| fault.check == check), "{:?}", world.rejected);
    assert!(named.clone().all(|(_, fault)| fault.culprits() == [NodeId(LIAR)]), "{:?}", world.rejected);
    world
}

fn resigned(deposit: &mut Deposit) {
    let hash = deposit_hash(deposit).unwrap();
    deposit.signature = identity(LIAR).sign(Signed::Deposit, &hash.0);
}

#[test]
fn a01_a_deposit_of_a_wrong_shape_is_left_out() {
    fn section(deposit: &mut Deposit, change: impl FnOnce(&mut Vec<crate::message::Section>)) {
        let mut sections = deposit.sections.to_vec();
        change(&mut sections);
        deposit.sections = List::new(sections).unwrap();
    }
    /// A changed z with a head to match.
    fn refit(deposit: &mut Deposit, change: impl FnOnce(&mut Deposit)) {
        change(deposit);
        deposit.head.z = Bytes(sha256(&crate::codec::encode(&deposit.z).unwrap()));
    }
    for change in [
        (|d| d.head.sid.0[0] ^= 1) as fn(&mut Deposit),
        |d| d.head.node = NodeId(3),
        |d| d.head.leaves.0[0] ^= 1,
        |d| d.head.z.0[0] ^= 1,
        |d| d.z.r = List::default(),
        |d| d.z.b = List::default(),
        |d| d.z.r = List::new(d.z.r.iter().copied().take(2).collect()).unwrap(),
        |d| d.z.b = List::new([&d.z.b[..], &[Bytes([0; 32])]].concat()).unwrap(),
        |d| refit(d, |d| d.z.r = List::new([&d.z.r[..], &[Bytes([0; 32])]].concat()).unwrap()),
        |d| refit(d, |d| d.z.b = List::new([&d.z.b[..], &[Bytes([0; 32])]].concat()).unwrap()),
        |d| refit(d, |d| (d.z.r, d.z.b) = (d.z.b.clone(), d.z.r.clone())),
        |d| refit(d, |d| d.z.r = List::new(vec![Bytes([0xff; 32]); 3]).unwrap()),
        |d| section(d, |s| s[3].holder = NodeId(3)),
        |d| section(d, |s| drop(s.pop())),
        |d| section(d, |s| s.swap(1, 2)),
        |d| section(d, |s| s[3] = s[2].clone()),
        |d| section(d, |s| s[3].z.r.0[0] ^= 1),
        |d| section(d, |s| s[3].z.b.0[0] ^= 1),
        |d| section(d, |s| s[3].z = PublicAt { r: s[3].z.b, b: s[3].z.r }),
        |d| section(d, |s| s[3].leaf.b.0[0] ^= 1),
        |d| d.recovery = Blob::default(),
        |d| d.recovery = Blob::new([&d.recovery[..], &[0]].concat()).unwrap(),
    ] {
        let forge = lying(move |message| {
            if let Message::Deposit(deposit) = message {
                change(deposit);
                resigned(deposit);
            }
        });
        goes_on_without(forge, Check::A01, 4);
    }
    let unsigned = lying(|message| {
        if let Message::Deposit(deposit) = message {
            deposit.signature.0[0] ^= 1;
        }
    });
    goes_on_without(unsigned, Check::A01, 4);
}

#[test]
fn a01_a_ready_that_is_not_one_costs_its_sender_an_attempt() {
    for change in [
        (|ready| ready.start = StartHash([1; 32])) as fn(&mut Ready),
        |ready| ready.sid.0[0] ^= 1,
        |ready| ready.unusable = List::new(vec![NodeId(3), NodeId(3)]).unwrap(),
    ] {
        let forge = lying(move |message| {
            if let Message::Ready(sealed) = message {
                let mut ready: Ready = decode(&sealed.body).unwrap();
                change(&mut ready);
                *sealed = Sealed::new(&identity(LIAR), Signed::Ready, &ready).unwrap();
            }
        });
        goes_on_without(forge, Check::A01, 4);
    }
}

#[test]
fn a20_a_report_that_is_not_what_its_hash_says_is_dropped() {
    fn head(message: &mut Message, change: impl FnOnce(&mut ReportBody)) {
        if let Message::Report(report) = message {
            let mut body: ReportBody = decode(&report.body.body).unwrap();
            change(&mut body);
            report.body = Sealed::new(&identity(LIAR), Signed::Report, &body).unwrap();
        }
    }
    fn block(message: &mut Message, change: impl FnOnce(&mut ReportBlock)) {
        if let Message::ReportBlock(block) = message {
            change(block);
        }
    }
    for change in [
        (|m| head(m, |body| body.go = GoHash([1; 32]))) as fn(&mut Message),
        |m| head(m, |body| body.sid.0[0] ^= 1),
        |m| head(m, |body| body.report.0[0] ^= 1),
        |m| block(m, |block| block.index = 1),
        |m| block(m, |block| block.index = u32::MAX),
        |m| block(m, |block| block.bytes = Blob::default()),
        |m| block(m, |block| block.bytes = Blob::new([&block.bytes[..], &[0]].concat()).unwrap()),
        |m| {
            block(m, |block| {
                let mut bytes = block.bytes.to_vec();
                bytes[0] ^= 1;
                block.bytes = Blob::new(bytes).unwrap();
            });
        },
    ] {
        goes_on_without(lying(change), Check::A20, 4);
    }
}

/// A report that is longer than the vector, with a hash to match.
#[test]
fn a20_a_report_of_another_length_is_dropped() {
    for longer in [false, true] {
        let forge: Forge = Box::new(move |world, from, bytes| match Message::from_frame(&bytes).unwrap() {
            Message::Report(_) if from == NodeId(LIAR) => Vec::new(),
            Message::ReportBlock(mut block) if from == NodeId(LIAR) => {
                let mut cut = block.bytes.to_vec();
                if longer {
                    cut.push(0);
                } else {
                    cut.pop();
                }
                let Some(Message::Report(head)) =
                    world.sent_by(LIAR).into_iter().find(|message| matches!(message, Message::Report(_)))
                else {
                    panic!()
                };
                let mut body: ReportBody = decode(&head.body.body).unwrap();
                let params = world.warrant.params();
                let head = Report { root: Bytes(crate::crypto::commit::leaf(&cut)), ..head };
                body.report = report_hash(&body.go, from, params.width, params.cells, &committed(&head));
                block.bytes = Blob::new(cut).unwrap();
                let body = Sealed::new(&identity(LIAR), Signed::Report, &body).unwrap();
                [Message::Report(Report { body, ..head }), Message::ReportBlock(block)]
                    .map(|message| message.to_frame().unwrap())
                    .to_vec()
            }
            _ => vec![bytes],
        });
        goes_on_without(forge, Check::A20, 4);
    }
}

#[test]
fn a16_a_confirmation_of_other_survivors_does_not_count() {
    let forge = lying(|message| {
        if let Message::Confirm(sealed) = message {
            let body: Confirm = decode(&sealed.body).unwrap();
            let other = FreezeBody { freeze: FreezeHash([1; 32]), ..body };
            *sealed = Sealed::new(&identity(LIAR), Signed::Confirm, &other).unwrap();
        }
    });
    let world = goes_on_without(forge, Check::A16, 5);
    assert_eq!(world.bound.unwrap().1.certificate.len(), 4);
}

#[test]
fn a18_a_false_share_names_its_holder() {
    for change in [
        (|reveal| reveal.shares = List::new(vec![reveal.shares[0]; 3]).unwrap()) as fn(&mut Reveal),
        |reveal| {
            let mut shares = reveal.shares.to_vec();
            shares[3].share.0[0] ^= 1;
            reveal.shares = List::new(shares).unwrap();
        },
        |reveal| {
            let mut shares = reveal.shares.to_vec();
            shares[3].share = Bytes([0xff; 32]);
            reveal.shares = List::new(shares).unwrap();
        },
        |reveal| {
            let mut shares = reveal.shares.to_vec();
            shares[3].dealer = NodeId(9);
            reveal.shares = List::new(shares).unwrap();
        },
        |reveal| reveal.freeze = FreezeHash([1; 32]),
    ] {
        let forge = lying(move |message| {
            if let Message::RevealB(reveal) = message {
                change(reveal);
            }
        });
        let world = goes_on_without(forge, Check::A18, 5);
        assert_eq!(world.verified.len(), 5);
    }
}

/// Rubbish of a node before each of its messages, and each of them twice: nothing is lost.
#[test]
fn a01_malformed_frames_of_a_node_change_nothing() {
    let forge: Forge = Box::new(|_, from, bytes| {
        let mut all = vec![bytes.clone()];
        if from == NodeId(LIAR) {
            let cuts = [0, 1, 4, 9, bytes.len() / 2, bytes.len() - 1].map(|cut| bytes[..cut].to_vec());
            all.splice(0..0, cuts);
            all.push([&bytes[..], &[0]].concat());
            all.push([&[2], &bytes[1..]].concat());
            all.push(bytes);
        }
        all
    });
    let (world, ran) = run(5, forge);
    assert_eq!(ran.unwrap().survivors.len(), 5);
    assert_eq!(world.verified.len(), 5);
    assert!(world.rejects(None).len() > 50);
}

/// An honest node that answered twice, or late, was named as one at fault.
#[test]
fn repro_answers_that_come_again_name_nobody() {
    let forge: Forge = Box::new(|_, _, bytes| vec![bytes.clone(), bytes]);
    let (world, ran) = run(5, forge);
    assert_eq!(ran.unwrap().survivors.len(), 5);
    assert!(world.rejects(None).len() >= 15, "{:?}", world.rejected);
    assert!(world.rejected.iter().all(|(_, fault)| fault.culprits().is_empty()), "{:?}", world.rejected);
}

/// A block of another attempt is refused and takes nothing away.
#[test]
fn a20_a_stray_block_leaves_the_upload_as_it_was() {
    let forge: Forge = Box::new(|_, from, bytes| match Message::from_frame(&bytes) {
        Ok(Message::ReportBlock(mut block)) if from == NodeId(LIAR) => {
            block.sid.0[0] ^= 1;
            vec![Message::ReportBlock(block).to_frame().unwrap(), bytes]
        }
        _ => vec![bytes],
    });
    let (world, ran) = run(5, forge);
    assert_eq!(ran.unwrap().survivors.len(), 5);
    assert_eq!(world.rejects(None).len(), 1, "{:?}", world.faults);
}

/// Says that nobody's share was usable.
fn listing_everyone(liars: &'static [u16]) -> Forge {
    Box::new(move |world, from, bytes| {
        let Ok(Message::Ready(sealed)) = Message::from_frame(&bytes) else { return vec![bytes] };
        if !liars.contains(&from.0) {
            return vec![bytes];
        }
        let mut ready: Ready = decode(&sealed.body).unwrap();
        let others = world.nodes.keys().copied().filter(|node| *node != from);
        ready.unusable = List::new(others.collect()).unwrap();
        vec![
            Message::Ready(Sealed::new(&identity(from.0), Signed::Ready, &ready).unwrap())
                .to_frame()
                .unwrap(),
        ]
    })
}

/// n = 6: q = t_s, so one node that lists every dealer had them all left out.
#[test]
fn repro_one_node_that_lists_every_dealer_leaves_alone() {
    let (world, ran) = run(6, listing_everyone(&[LIAR]));
    let sum = ran.unwrap();
    assert_eq!(sum.survivors, [1, 3, 4, 5, 6].map(NodeId), "{:?}", world.faults);
}

/// 12 of 69 (X = 22) were enough to leave the other 57 out.
#[test]
fn repro_colluders_that_list_every_dealer_leave_together() {
    const LIARS: [u16; 12] = [2, 5, 9, 13, 20, 21, 22, 30, 40, 50, 60, 69];
    let (world, ran) = run(69, listing_everyone(&LIARS));
    let sum = ran.unwrap();
    assert_eq!(sum.survivors.len(), 57, "{:?}", world.faults);
    assert!(LIARS.iter().all(|liar| !sum.survivors.contains(&NodeId(*liar))));
}

/// A dealer that more than X cannot use is at fault, also when those who say so mostly leave themselves:
/// n = 9, X = 2; two list everyone, one honest holder lists the dealer alone and stays.
#[test]
fn a_dealer_that_more_than_x_list_is_left_out() {
    for honest in 3..=7u16 {
        let forge: Forge = Box::new(move |world, from, bytes| {
            let Ok(Message::Ready(sealed)) = Message::from_frame(&bytes) else { return vec![bytes] };
            let mut ready: Ready = decode(&sealed.body).unwrap();
            let invited = ready.unusable.is_empty() && world.sent_by(LIAR).len() <= 2;
            let listed = match from.0 {
                8 | 9 => world.nodes.keys().copied().filter(|node| *node != from).collect(),
                id if id == honest && invited => vec![NodeId(LIAR)],
                _ => vec![],
            };
            ready.unusable = List::new(listed).unwrap();
            let ready = Sealed::new(&identity(from.0), Signed::Ready, &ready).unwrap();
            vec![Message::Ready(ready).to_frame().unwrap()]
        });
        let (world, ran) = run(9, forge);
        let survivors = ran.unwrap().survivors;
        assert_eq!(survivors, [1, 3, 4, 5, 6, 7].map(NodeId), "{honest}: {:?}", world.faults);
    }
}

/// Catalogue 32: each saboteur costs an attempt, however many may be away.
#[test]
fn repro_serial_droppers_cost_attempts_and_not_the_session() {
    // n = 30: q = 20, so ten may go; the i-th vanishes before its READY of attempt i.
    let mut world = World::new(30, 1);
    let silence: Silence = (0..10u16).map(|i| (21 + i, 2 * usize::from(i) + 1)).collect();
    let sum = world.run(&silence).unwrap();
    assert_eq!((sum.attempt, sum.survivors.len()), (10, 20));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
}

/// A node that measures past the deadline deals nothing; what it then knows is what it wrote down.
#[test]
fn repro_late_figures_leave_no_record_that_is_not_written() {
    let mut held = Held::before(5, |message| matches!(message, Message::Offer(_)));
    let asked = held.goes_on();
    let Some(Output::Measure { sid, warrant, .. }) = asked.last() else { panic!("{asked:?}") };
    let contribution = held.world.measured(NodeId(VICTIM), warrant);
    let late = Input::Measured { sid: *sid, contribution, at: held.at.plus_ms(60_000) };
    held.world.node_step(NodeId(VICTIM), late);

    let mut world = held.world;
    world.bound = None;
    world.records.values_mut().for_each(Vec::clear);
    (2..=5).for_each(|id| world.start_node(NodeId(id)));
    world.run(&Silence::new()).unwrap();
    assert!(matches!(world.records[&NodeId(VICTIM)].first(), Some(Record::Frozen { .. })));
}

/// Figures that were asked for in an attempt that is over are not taken for those of the next.
#[test]
fn repro_figures_of_an_earlier_request_are_not_dealt() {
    let mut held = Held::before(5, |message| matches!(message, Message::Offer(_)));
    let asked = held.goes_on();
    let Some(Output::Measure { sid, warrant, .. }) = asked.last() else { panic!("{asked:?}") };
    // A query of other cells, as an earlier offer may have asked for.
    let extract = held.world.measured(NodeId(VICTIM), warrant).extract();
    let contribution = crate::ring::Contribution::new(2, |_| (0, 9), &[1, 2], extract).unwrap();
    let outputs =
        held.world.node_step(NodeId(VICTIM), Input::Measured { sid: *sid, contribution, at: held.at });
    assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))), "{outputs:?}");
}

/// A coordinator that lost the first refusal in a crash asks again; it need not wait for the deadline.
#[test]
fn repro_an_offer_that_was_refused_is_refused_again() {
    let mut held = Held::before(5, |message| matches!(message, Message::Offer(_)));
    let asked = held.goes_on();
    let Some(Output::Measure { sid, .. }) = asked.last() else { panic!("{asked:?}") };
    let refused = Input::Refused { sid: *sid, why: crate::io::Refusal::Policy };
    let first = messages(&held.world.node_step(NodeId(VICTIM), refused));
    assert!(matches!(first.as_slice(), [Message::Answer(_)]), "{first:?}");
    assert_eq!(messages(&held.give_bytes(held.frame.clone(), held.at)), [Message::Refusal(*sid)]);
}

#[test]
fn an_answer_to_another_attempt_changes_nothing() {
    let mut held = Held::before(5, |message| matches!(message, Message::Offer(_)));
    let asked = held.goes_on();
    let Some(Output::Measure { sid, warrant, .. }) = asked.last() else { panic!("{asked:?}") };
    let (own, other, at) = (*sid, crate::ids::AttemptId([7; 32]), held.at);
    let contribution = || held.world.measured(NodeId(VICTIM), warrant);
    let (first, second) = (contribution(), contribution());
    let refused = Input::Refused { sid: other, why: crate::io::Refusal::Extract };
    assert!(held.world.node_step(NodeId(VICTIM), refused).is_empty());
    let stray = Input::Measured { sid: other, contribution: first, at };
    assert!(held.world.node_step(NodeId(VICTIM), stray).is_empty());
    let dealt = held.world.node_step(NodeId(VICTIM), Input::Measured { sid: own, contribution: second, at });
    assert!(messages(&dealt).iter().any(|sent| matches!(sent, Message::Deposit(_))), "{dealt:?}");
}

/// One node's confirmations of channels that nobody announced take no memory.
#[test]
fn repro_confirmations_of_unknown_channels_are_not_kept() {
    let mut world = World::new(5, 1);
    let before = format!("{:?}", world.switchboard).len();
    let announced = |world: &World, id: u16| world.switchboard.announced(NodeId(id)).unwrap();
    for i in 0..50u8 {
        let unknown = crate::ids::AnnounceHash([i; 32]);
        for (from, to) in [
            (unknown, announced(&world, 3)),
            (announced(&world, LIAR), unknown),
            (announced(&world, 4), announced(&world, 3)),
        ] {
            let confirm = crate::message::ChannelConfirm { from, to, tag: Bytes([0; 32]) };
            let message = Message::ChannelConfirm(confirm);
            let (roster, now) = (world.roster.clone(), world.now);
            assert!(world.switchboard.relay(NodeId(LIAR), message, &roster, now).is_err());
        }
    }
    assert_eq!(format!("{:?}", world.switchboard).len(), before);
}

/// A disk restored to the state between two records of an earlier slot: the next slot's first record makes
/// up the number that peers remember, and an extract that was summed already is taken for a new one.
#[test]
fn repro_a_ledger_rolled_back_by_a_slot_is_found() {
    let mut world = World::new(9, 1);
    world.run(&Silence::from([(9, 2)])).unwrap();
    world.records.get_mut(&NodeId(VICTIM)).unwrap().truncate(1);
    (1..=9).for_each(|id| world.start_node(NodeId(id)));
    world.now = world.now.plus_ms(72_000_000);
    world.bound = None;
    // The victim's rows did not change, the others' did.
    world.extract.iter_mut().filter(|(id, _)| id.0 != VICTIM).for_each(|(_, version)| *version += 1);
    let sum = world.run(&Silence::new()).unwrap();
    assert!(!sum.survivors.contains(&NodeId(VICTIM)), "two sums over one extract: {:?}", sum.survivors);
    assert_eq!(world.ends(VICTIM), [Some(Check::A10)]);

    // It stays out, also after a restart, before it deposits, and promises nothing.
    (1..=9).for_each(|id| world.start_node(NodeId(id)));
    world.now = world.now.plus_ms(72_000_000);
    world.bound = None;
    world.extract.values_mut().for_each(|version| *version += 10);
    let before = world.sent_by(VICTIM).len();
    let sum = world.run(&Silence::new()).unwrap();
    assert_eq!((sum.survivors.len(), sum.attempt), (8, 0), "it costs no attempt");
    assert_eq!(world.ends(VICTIM), [Some(Check::A10), Some(Check::A10)]);
    let since = world.sent_by(VICTIM).split_off(before);
    assert!(since.iter().all(|sent| matches!(sent, crate::message::Message::Refusal(_))), "{since:?}");
    let sid = crate::ids::AttemptId([3; 32]);
    let ask = sign(crate::crypto::keys::Signed::VoidAsk, &crate::message::VoidAsk { sid });
    let ask = crate::message::Message::VoidAsk(ask).to_frame().unwrap();
    let input = Input::Frame { from: Peer::Coordinator, bytes: ask, at: world.now };
    let outputs = world.node_step(NodeId(VICTIM), input);
    assert!(messages(&outputs).iter().all(|sent| matches!(sent, crate::message::Message::Refusal(_))));
    assert!(!is_written(&outputs), "{outputs:?}");
}
