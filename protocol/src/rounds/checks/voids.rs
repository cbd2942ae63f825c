//! VOID, resume and repeats against liars: one node that lies, one ledger that was rolled back, one restart.
//!
//! Each test is an attack that worked once.

use super::*;
use crate::codec::{List, decode};
use crate::coordinator::Coordinator;
use crate::ids::{AttemptId, ResultHash};
use crate::io::Record;
use crate::ledger::LedgerView;
use crate::message::{AlarmBody, Report, ReportBody, VoidAsk, VoidBody, VoidOf, Voids};
use crate::rounds::committed::committed;
use crate::rounds::report_hash;
use crate::rounds::void::{self, Unsettled, Voiding};
use std::sync::Arc;

type Is = fn(&Message) -> bool;

const LIAR: u16 = 2;
const SLOT_MS: u64 = 72_000_000;
/// Frames a node sends before its report: deposit, ready.
const BEFORE_REPORT: usize = 2;

fn silent(nodes: impl IntoIterator<Item = u16>, after: usize) -> Silence {
    nodes.into_iter().map(|node| (node, after)).collect()
}

fn next_slot(world: &mut World) {
    world.now = world.now.plus_ms(SLOT_MS);
    world.extract.values_mut().for_each(|version| *version += 1);
}

/// A liar signs one report, takes a new link, and gives another: whichever was counted is in the store last.
fn two_heads(n: u16, crash_after: Option<usize>) -> World {
    let mut world = World::new(n, 1);
    world.crash_after = crash_after;
    let (mut heads, mut blocks) = (0, 0);
    world.forge = Some(Box::new(move |world, from, bytes| {
        let message = Message::from_frame(&bytes).unwrap();
        match message {
            Message::Report(mut report) if from == NodeId(LIAR) => {
                heads += 1;
                if heads > 1 {
                    return vec![bytes];
                }
                let mut body: ReportBody = decode(&report.body.body).unwrap();
                // The head of another report, as good as the true one.
                report.root.0[0] ^= 1;
                let (params, given) = (world.warrant.params(), committed(&report));
                body.report = report_hash(&body.go, from, params.width, params.cells, &given);
                let body = Sealed::new(&identity(LIAR), Signed::Report, &body).unwrap();
                world.relinked.borrow_mut().push(from);
                vec![Message::Report(Report { body, ..report }).to_frame().unwrap()]
            }
            Message::ReportBlock(_) if from == NodeId(LIAR) => {
                blocks += 1;
                if blocks > 1 { vec![bytes] } else { Vec::new() }
            }
            _ => vec![bytes],
        }
    }));
    let sum = world.run(&Silence::new()).unwrap_or_else(|why| panic!("{crash_after:?}: {why:?}"));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors), "{crash_after:?}");
    assert!(sum.survivors.len() >= usize::from(n) - 1, "{crash_after:?}");
    world
}

#[test]
fn repro_two_reports_of_a_liar_do_not_stop_the_resume() {
    let records = two_heads(4, None).written.len();
    for at in 1..=records {
        two_heads(4, Some(at));
    }
}

/// One of exactly q gives a VOID that no honest node counts; when others come, the slot goes on.
#[test]
fn repro_a_stale_void_of_a_liar_does_not_close_the_slot() {
    let mut world = World::new(9, 1);
    world.run(&Silence::new()).unwrap();
    next_slot(&mut world);
    world.run(&silent(1..=4, BEFORE_REPORT)).unwrap_err();
    (1..=4).for_each(|id| world.start_node(NodeId(id)));
    for away in [1, 3, 4] {
        world.nodes.insert(NodeId(away), None);
    }
    world.forge = Some(Box::new(|_, from, bytes| match Message::from_frame(&bytes).unwrap() {
        Message::Void(void) if from == NodeId(LIAR) => {
            let body: VoidBody = decode(&void.body).unwrap();
            let stale = VoidBody { ledger_seq: 0, ..body };
            vec![
                Message::Void(Sealed::new(&identity(LIAR), Signed::Void, &stale).unwrap())
                    .to_frame()
                    .unwrap(),
            ]
        }
        _ => vec![bytes],
    }));
    world.run(&Silence::new()).unwrap_err();
    [1, 3, 4].into_iter().for_each(|id| world.start_node(NodeId(id)));
    let sum = world.run(&Silence::new()).unwrap_or_else(|why| panic!("{why:?} {:?}", world.faults));
    assert!(sum.survivors.len() >= 8, "{:?}", sum.survivors);
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
}

/// A node that says ALARM a thousand times is written down once.
#[test]
fn repro_alarms_of_one_node_fill_no_disk() {
    let mut world = World::new(4, 1);
    let sum = world.run(&Silence::new()).unwrap();
    let spool = world.spool.clone();
    let mut blocks = |node| spool.range((node, 0)..=(node, u32::MAX)).map(|(_, b)| b.clone()).collect();
    let (setup, at) = (world.setup(), world.now);
    let resumed = Coordinator::resume(setup, &world.written, &mut blocks, at, &mut world.rng);
    let mut coordinator = resumed.unwrap().0;
    let mut written = 0;
    for i in 0..1000u16 {
        let mut result = [0; 32];
        result[..2].copy_from_slice(&i.to_be_bytes());
        let alarm = AlarmBody { sid: sum.sid, result: ResultHash(result) };
        let alarm = Message::Alarm(Sealed::new(&identity(LIAR), Signed::Alarm, &alarm).unwrap());
        let input = Input::Frame { from: Peer::Node(NodeId(LIAR)), bytes: alarm.to_frame().unwrap(), at };
        let (next, outputs) = coordinator.step(input, &mut world.rng);
        coordinator = next;
        written += outputs.iter().filter(|output| matches!(output, Output::Persist(_))).count();
    }
    assert_eq!(written, 1);
}

/// Unchanged extracts are bound to an earlier slot, also when the coordinator was restarted meanwhile.
#[test]
fn repro_a_restart_forgets_no_earlier_slot() {
    let mut world = World::new(9, 1);
    let first = world.run(&silent([9], BEFORE_REPORT)).unwrap();
    world.start_node(NodeId(9));
    world.now = world.now.plus_ms(SLOT_MS);
    world.written.clear();
    world.crash_after = Some(1);
    let sum = world.run(&Silence::new()).unwrap_or_else(|why| panic!("{why:?} {:?}", world.faults));
    assert_eq!(sum.survivors, first.survivors);
}

/// A ledger that was rolled back and then filled with other promises is still behind its peers' word.
#[test]
fn repro_a_rolled_back_ledger_grows_by_voids_only() {
    let mut world = World::new(9, 1);
    world.run(&Silence::new()).unwrap();
    next_slot(&mut world);
    let sum = world.run_with(&Silence::new(), &mut |_, _, bytes| {
        let cert = matches!(Message::from_frame(&bytes), Ok(Message::Certificate(_)));
        if cert { Vec::new() } else { vec![bytes] }
    });
    assert!(sum.is_err());
    let sid = world.records[&NodeId(VICTIM)]
        .iter()
        .rev()
        .find_map(|record| match record {
            Record::Confirmed { sid, .. } => Some(*sid),
            _ => None,
        })
        .unwrap();
    // The disk of another honest node is restored to what it was before it contributed.
    let records = world.records.get_mut(&NodeId(3)).unwrap();
    let spent = records.iter().rposition(|record| matches!(record, Record::Spent { .. })).unwrap();
    records.truncate(spent);
    world.start_node(NodeId(3));
    let mut ask = |sid| {
        let ask: Sealed<128> = sign(Signed::VoidAsk, &VoidAsk { sid });
        let (bytes, at) = (Message::VoidAsk(ask).to_frame().unwrap(), world.now);
        messages(&world.node_step(NodeId(3), Input::Frame { from: Peer::Coordinator, bytes, at }))
    };
    for junk in 0..20u8 {
        ask(AttemptId([junk; 32]));
    }
    let given = ask(sid);
    let [Message::Void(void)] = given.as_slice() else { panic!("{given:?}") };
    let body: VoidBody = decode(&void.body).unwrap();
    let colluding = |node: u16| {
        let body = VoidBody { sid, ledger_seq: u64::MAX };
        let sealed: Sealed<128> = Sealed::new(&identity(node), Signed::Void, &body).unwrap();
        VoidOf { node: NodeId(node), ledger_seq: u64::MAX, signature: sealed.signature }
    };
    let mut all = vec![VoidOf { node: NodeId(3), ledger_seq: body.ledger_seq, signature: void.signature }];
    all.extend((4..=8).map(colluding));
    let voids = Voids { sid, voids: List::new(all).unwrap() };
    let view = LedgerView::of(&world.records[&NodeId(VICTIM)]);
    let checked = void::check(&voids, &view, &[Arc::clone(&world.roster)]);
    assert_eq!(checked.map_err(|fault| fault.check), Err(Check::A24));
}

/// A hospital that joined after an attempt has no say in it: nobody waits for its VOID.
#[test]
fn repro_a_new_member_is_not_asked_to_void_what_was_before_it() {
    let (_, roster) = crate::roster::tests::chain(5);
    let one = Unsettled { sid: AttemptId([1; 32]), roster: Arc::new(roster), required: false, voids: vec![] };
    let mut voiding = Voiding::new(&[one], &[]);
    assert_eq!(voiding.again(NodeId(9)), []);
    assert!(voiding.is_answered());
    assert_eq!(voiding.again(NodeId(5)).len(), 1);
}

/// In every stage: a node that voids the open attempt is out of it, one that confirmed it does not void it.
#[test]
fn a24_void_and_confirm_exclude_each_other_in_every_stage() {
    let stages: [(Is, bool); 6] = [
        (|m| matches!(m, Message::Start(_)), true),
        (|m| matches!(m, Message::Go(_)), true),
        (|m| matches!(m, Message::Freeze(_)), true),
        (|m| matches!(m, Message::Certificate(_)), false),
        (|m| matches!(m, Message::AskB(_)), false),
        (|m| matches!(m, Message::Outcome(_)), false),
    ];
    for (is, voids) in stages {
        let mut held = Held::before(4, is);
        let sid = held.saw(|message| match message {
            Message::Offer(offer) => Some(crate::rounds::offer::attempt_id(&offer.header.body)),
            _ => None,
        });
        let ask = Message::VoidAsk(sign(Signed::VoidAsk, &VoidAsk { sid }));
        let outputs = held.give(&ask);
        assert_eq!(matches!(messages(&outputs).as_slice(), [Message::Void(_)]), voids, "{outputs:?}");
        assert_eq!(is_written(&outputs), voids, "{outputs:?}");
        if voids {
            let again = held.give(&ask);
            assert_eq!(frames(&again), frames(&outputs), "the promise is one");
            assert!(!is_written(&again));
            // Neither what was awaited nor anything before it is answered any more.
            for bytes in [held.seen.clone(), vec![held.frame.clone()], held.rest.clone()].concat() {
                let message = Message::from_frame(&bytes).unwrap();
                if matches!(
                    message,
                    Message::Announce(_) | Message::Encapsulation(_) | Message::ChannelConfirm(_)
                ) {
                    continue;
                }
                let outputs = held.give_bytes(bytes, held.at);
                assert!(messages(&outputs).iter().all(|m| matches!(m, Message::Refusal(_))), "{outputs:?}");
                let taken_up = outputs.iter().any(|output| matches!(output, Output::Measure { .. }));
                assert!(!is_written(&outputs) && !taken_up, "{outputs:?}");
            }
        } else {
            assert!(matches!(messages(&outputs).as_slice(), [Message::Refusal(of)] if *of == sid));
            held.goes_on();
        }
    }
}
