//! Attacks over the real wire: a liar with the coordinator's key between a real agent and the real server.
//!
//! The agent must say by which check it refuses, within a round, and send nothing more of that session; the
//! others have their sum, and in the next slot, with an honest coordinator, all have. The red controls are
//! those of the same numbers in memory: no program is ever built without its checks.

use samensom_coordinator::frame::MAX_FRAME;
use samensom_protocol::codec::{List, decode};
use samensom_protocol::crypto::keys::{Identity, Signed};
use samensom_protocol::ids::{GoHash, StartHash};
use samensom_protocol::io::Record;
use samensom_protocol::message::{FreezeBody, GoBody, Message, StartBody};
use samensom_protocol::rounds::start_hash;
use samensom_tests::deployment::{Deployment, Pace, Template};
use samensom_tests::forge::message::{certificate, frame, freeze, go, offer, outcome, resign, start};
use samensom_tests::forge::wire::{Change, Middle, Sent, nothing, raw_to_server};
use std::mem::discriminant;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// N = 4: X = 1, q = t_s = 3, so that a sum stands without the hospital that is lied to.
const HOSPITALS: usize = 4;
const ALL: [usize; HOSPITALS] = [0, 1, 2, 3];
const OTHERS: [usize; 3] = [1, 2, 3];
const SOON: Duration = Duration::from_secs(20);
/// What the agent's log says of its part, and of a frame.
const ENDED: &str = "this hospital's part ended";
const REFUSED: &str = "refused a frame";

fn deployed() -> Deployment {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| Template::make(HOSPITALS, 1, Pace::quick())).deploy()
}

/// The longest round.
fn a_round(deployment: &Deployment) -> Duration {
    Duration::from_millis(deployment.pace.rounds_ms.into_iter().max().unwrap_or(0).into())
}

/// Server and agents, with a liar before hospital 0, at the beginning of a slot.
fn country(to_agent: Change, to_server: Change) -> (Deployment, Middle) {
    let mut deployment = deployed();
    let middle = Middle::between(&deployment, 0, to_agent, to_server);
    deployment.start_all();
    deployment.next_slot();
    (deployment, middle)
}

/// Changes messages of sessions.
fn lying(mut change: impl FnMut(&Identity, Message) -> Vec<Message> + Send + 'static) -> Change {
    Box::new(move |key, bytes| match Message::from_frame(&bytes) {
        Ok(message) => change(key, message).iter().map(|message| Sent::Frame(frame(message))).collect(),
        Err(_) => vec![Sent::Frame(bytes)],
    })
}

/// Changes them in place.
fn altering(mut change: impl FnMut(&Identity, &mut Message) + Send + 'static) -> Change {
    lying(move |key, mut message| {
        change(key, &mut message);
        vec![message]
    })
}

/// Contributions in hospital 0's ledger.
fn contributions(deployment: &Deployment) -> usize {
    let ledger = samensom_node::ledger::Ledger::open_to_read(&deployment.state(0)).unwrap();
    let records = ledger.records().unwrap();
    records.iter().filter(|record| matches!(record, Record::Spent { .. })).count()
}

/// Waits for a value.
#[track_caller]
fn until<T>(what: impl Fn() -> String, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < patience, "not within {patience:?}: {}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something else was sent than what came.
#[track_caller]
fn first_lie(middle: &Middle) -> Instant {
    until(|| "a lie".to_owned(), SOON, || middle.lied())
}

/// A line of a log with these words, within a round of the lie.
#[track_caller]
fn says(deployment: &Deployment, log: impl Fn() -> String, words: [&str; 2], lied: Instant) {
    let line = |line: &str| words.iter().all(|word| line.contains(word));
    let what = || format!("{words:?} in the log:\n{}", log());
    let found = || log().lines().any(line).then_some(());
    let took = until(what, SOON, || found().map(|()| lied.elapsed()));
    assert!(took < a_round(deployment), "{words:?} after {took:?}");
}

/// A session in which the lie is told to hospital 0: it ends its part by this check within a round and sends
/// nothing but that it does; in the next slot, with an honest coordinator, everybody is in the sum.
fn stands(change: Change, check: &str, (survivors, contributed): (&[usize], usize)) {
    let (deployment, middle) = country(change, nothing());
    let session = deployment.begin(0);
    let lied = first_lie(&middle);
    says(&deployment, || deployment.told(0), [ENDED, check], lied);
    assert_eq!(deployment.outcome(session).sum().survivors, survivors);

    let said = middle.said_after(lied);
    let farewell = |message: &Message| matches!(message, Message::Refusal(_) | Message::Alarm(_));
    assert!(!said.is_empty() && said.iter().all(farewell), "{said:?}");
    let last = &deployment.status(0)["last_session"];
    assert_eq!(last["state"], "ended");
    assert!(last["reason"].as_str().unwrap().starts_with(check), "{last}");
    assert_eq!(contributions(&deployment), contributed);
    goes_on(&deployment, &middle, contributed);
}

/// In the next slot, with an honest coordinator, everybody is in the sum.
#[track_caller]
fn goes_on(deployment: &Deployment, middle: &Middle, contributed: usize) {
    middle.be_honest();
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, ALL);
    assert_eq!(contributions(deployment), contributed + 1);
    assert_eq!(deployment.status(0)["last_session"]["state"], "verified");
}

#[test]
fn attack_09_approvals_left_out_over_the_wire_a02() {
    let lie = altering(|_, message| {
        if let Message::Offer(one) = message {
            one.warrant.approvals = List::default();
        }
    });
    stands(lie, "A02", (&OTHERS, 0));
}

#[test]
fn attack_43_longer_deadlines_over_the_wire_a03() {
    let lie = altering(|key, message| {
        if let Message::Offer(one) = message {
            offer(one, key, |header| header.deadlines.reveal_ms += 60_000);
        }
    });
    stands(lie, "A03", (&OTHERS, 0));
}

#[test]
fn attack_41_the_slot_before_over_the_wire_a03() {
    let lie = altering(|key, message| {
        if let Message::Offer(one) = message {
            offer(one, key, |header| header.slot -= 1);
        }
    });
    stands(lie, "A03", (&OTHERS, 0));
}

#[test]
fn attack_37_an_altered_section_over_the_wire_a09() {
    let lie = altering(|key, message| {
        if let Message::Start(one) = message {
            start(one, key, |_, dealers| dealers[1].section.pair.0[0] ^= 1);
        }
    });
    stands(lie, "A09", (&OTHERS, 0));
}

#[test]
fn attack_07_go_without_ready_of_all_over_the_wire_a19() {
    let mut following: Option<StartHash> = None;
    let lie = altering(move |key, message| match message {
        Message::Start(one) => {
            let body: StartBody = decode(&one.body.body).unwrap();
            following = Some(start_hash(&body.sid, &body.cohort));
        }
        Message::Go(one) => go(one, key, &following.unwrap(), |readies| drop(readies.pop())),
        _ => {}
    });
    stands(lie, "A19", (&OTHERS, 0));
}

/// Changes FREEZE, under the GO that it follows.
fn refreezing(
    mut change: impl FnMut(&Identity, &GoHash, Message) -> Vec<Message> + Send + 'static,
) -> Change {
    let mut under: Option<GoHash> = None;
    lying(move |key, message| {
        if let Message::Go(one) = &message {
            under = decode(&one.body.body).ok().map(|body: GoBody| body.go);
        }
        match (message, under) {
            (message @ Message::Freeze(_), Some(go)) => change(key, &go, message),
            (message, _) => vec![message],
        }
    })
}

#[test]
fn attack_05_too_few_survivors_over_the_wire_a12() {
    let lie = refreezing(|key, go, mut message| {
        if let Message::Freeze(one) = &mut message {
            freeze(one, key, go, |survivors| survivors.truncate(2));
        }
        vec![message]
    });
    stands(lie, "A12", (&ALL, 1));
}

#[test]
fn attack_36_a_survivor_without_its_signed_report_over_the_wire_a20() {
    let lie = refreezing(|key, go, mut message| {
        if let Message::Freeze(one) = &mut message {
            freeze(one, key, go, |survivors| survivors[1].signature = survivors[2].signature);
        }
        vec![message]
    });
    stands(lie, "A20", (&ALL, 1));
}

#[test]
fn attack_50_two_freezes_over_the_wire_a13() {
    let lie = refreezing(|key, go, message| {
        let Message::Freeze(one) = &message else { return vec![message] };
        let mut other = one.clone();
        freeze(&mut other, key, go, |survivors| survivors.truncate(survivors.len() - 1));
        vec![message, Message::Freeze(other)]
    });
    let (deployment, middle) = country(lie, nothing());
    let session = deployment.begin(0);
    let lied = first_lie(&middle);
    says(&deployment, || deployment.told(0), [REFUSED, "A13"], lied);
    assert_eq!(deployment.outcome(session).sum().survivors, ALL, "the first one stands");
    let said = middle.said_after(lied);
    assert_eq!(said.iter().filter(|message| matches!(message, Message::Confirm(_))).count(), 1, "{said:?}");
    assert_eq!(contributions(&deployment), 1);
    goes_on(&deployment, &middle, 1);
}

#[test]
fn attack_02_one_signature_twice_over_the_wire_a16() {
    let lie = altering(|_, message| {
        if let Message::Certificate(one) = message {
            certificate(one, |confirmations| {
                confirmations.truncate(3);
                confirmations[2].signature = confirmations[1].signature;
            });
        }
    });
    stands(lie, "A16", (&ALL, 1));
}

#[test]
fn attack_01_shares_for_other_survivors_over_the_wire_a18() {
    let lie = altering(|key, message| {
        if let Message::AskB(ask) = message {
            resign(ask, (key, Signed::AskB), |body: &mut FreezeBody| body.freeze.0[0] ^= 1);
        }
    });
    stands(lie, "A18", (&ALL, 1));
}

#[test]
fn attack_22_a_false_total_over_the_wire_a18() {
    let lie = altering(|key, message| {
        if let Message::Outcome(one) = message {
            outcome(one, key, |body| body.total.0[0] ^= 1);
        }
    });
    stands(lie, "A18", (&ALL, 1));
}

#[test]
fn attack_28_a_turned_bit_of_a_signature_over_the_wire_a01() {
    let lie = altering(|_, message| {
        if let Message::Offer(one) = message {
            one.header.signature.0[0] ^= 1;
        }
    });
    let (deployment, middle) = country(lie, nothing());
    let session = deployment.begin(0);
    let lied = first_lie(&middle);
    says(&deployment, || deployment.told(0), [REFUSED, "A01"], lied);
    assert_eq!(deployment.outcome(session).sum().survivors, OTHERS);
    // Whoever did not sign it gets no answer.
    assert_eq!(middle.said_after(lied), []);
    goes_on(&deployment, &middle, 0);
}

#[test]
fn attack_10_frames_of_an_old_session_over_the_wire_a03() {
    #[derive(Default)]
    struct Kept {
        replays: bool,
        frames: Vec<Vec<u8>>,
    }
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let book = Arc::clone(&kept);
    let replay: Change = Box::new(move |_, bytes| {
        let mut book = book.lock().unwrap();
        let mut all = Vec::new();
        if Message::from_frame(&bytes).is_ok() {
            match book.replays {
                true => all.extend(book.frames.iter().cloned().map(Sent::Frame)),
                false => book.frames.push(bytes.clone()),
            }
        }
        all.push(Sent::Frame(bytes));
        all
    });
    let (deployment, middle) = country(replay, nothing());
    assert_eq!(deployment.run(0).sum().survivors, ALL);
    assert_eq!(middle.lied(), None);
    kept.lock().unwrap().replays = true;
    deployment.next_slot();
    let session = deployment.begin(0);
    let lied = first_lie(&middle);
    says(&deployment, || deployment.told(0), [REFUSED, "A03: this attempt was offered before"], lied);
    // Channel messages of the same incarnation are answered as before; all else is refused, or not due.
    assert_eq!(deployment.outcome(session).sum().survivors, ALL);
    let said = middle.said_after(lied);
    assert_eq!(said.iter().filter(|message| matches!(message, Message::Report(_))).count(), 1);
    assert_eq!(contributions(&deployment), 2, "one in each slot");
    goes_on(&deployment, &middle, 2);
}

#[test]
fn attack_10_anothers_frames_under_ones_own_key_over_the_wire_a01_a20() {
    let heard: Arc<Mutex<Vec<Message>>> = Arc::default();
    let (ear, mouth) = (Arc::clone(&heard), Arc::clone(&heard));
    let listen = altering(move |_, message| ear.lock().unwrap().push(message.clone()));
    // Before each of its own messages that of the other hospital, once it is heard.
    let speak = lying(move |_, message| {
        let kind = discriminant(&message);
        let others = |_| {
            std::thread::sleep(Duration::from_millis(5));
            mouth.lock().unwrap().iter().rev().find(|other| discriminant(*other) == kind).cloned()
        };
        let other = (0..100).find_map(others);
        other.into_iter().chain([message]).collect()
    });
    let mut deployment = deployed();
    let liar = Middle::between(&deployment, 0, nothing(), speak);
    let _listener = Middle::between(&deployment, 1, nothing(), listen);
    deployment.start_all();
    deployment.next_slot();
    // Another's block makes its own report another than it signed; hospital 1 is in the sum once, as itself.
    assert_eq!(deployment.run(0).sum().survivors, OTHERS);
    let log = std::fs::read_to_string(deployment.folder.path().join("serve.log")).unwrap();
    for why in [
        "A01: an announce of another node",
        "A01: a deposit of another attempt or node",
        "A01: READY is not signed for this START",
        "A20: a report is not signed under this GO",
        "A20: a report is not what its hash says",
    ] {
        assert!(log.lines().any(|line| line.contains(REFUSED) && line.contains(why)), "{why}\n{log}");
    }
    goes_on(&deployment, &liar, 1);
}

#[test]
fn attack_33_an_oversize_frame_over_the_wire_caps() {
    // To the agent: it ends that link, without waiting for the bytes, and dials again.
    let mut sent = false;
    let long: Change = Box::new(move |_, bytes| {
        let lie = Message::from_frame(&bytes).is_ok() && !std::mem::replace(&mut sent, true);
        if lie { vec![Sent::Raw(vec![0xff; 8])] } else { vec![Sent::Frame(bytes)] }
    });
    let mut deployment = deployed();
    let middle = Middle::between(&deployment, 0, long, nothing());
    deployment.start_all();
    let lied = middle.lied().expect("channel messages came");
    says(&deployment, || deployment.told(0), ["4294967295", ""], lied);
    // To the server, over a hospital's own key: it ends that link alone, and none that may still go on.
    let most = u32::try_from(MAX_FRAME).unwrap();
    for claimed in [u32::MAX, 0, most + 1] {
        assert!(raw_to_server(&deployment, 1, &claimed.to_be_bytes()), "{claimed}");
    }
    assert!(!raw_to_server(&deployment, 1, &most.to_be_bytes()));
    assert!(deployment.serves() && deployment.runs(0));
    deployment.linked(HOSPITALS, SOON);
    goes_on(&deployment, &middle, 0);
}
