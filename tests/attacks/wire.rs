//! Attacks over the real wire: a liar with the coordinator's key between a real agent and the real server.
//!
//! The red controls are those of the same numbers in memory: no program is ever built without its checks.

use samensom_protocol::codec::decode;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::GoHash;
use samensom_protocol::io::Record;
use samensom_protocol::message::{GoBody, Message};
use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::forge::message::{frame, freeze, offer, start};
use samensom_tests::forge::wire::{Change, Middle, Sent, nothing, raw_to_server};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const HOSPITALS: usize = 4;
const SOON: Duration = Duration::from_secs(20);

fn deployed() -> Deployment {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| Template::make(HOSPITALS, 1, Pace::quick())).deploy()
}

/// One at a time: each is a country of processes.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A session in which the liar stands before hospital 0.
fn session(to_agent: Change, to_server: Change) -> (Deployment, Outcome, Middle) {
    let mut deployment = deployed();
    let middle = Middle::between(&deployment, 0, to_agent, to_server);
    deployment.start_all();
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    let outcome = deployment.run(0);
    (deployment, outcome, middle)
}

/// Changes messages of sessions.
fn lying(mut change: impl FnMut(&Identity, Message) -> Vec<Message> + Send + 'static) -> Change {
    Box::new(move |key, bytes| match Message::from_frame(&bytes) {
        Ok(message) => change(key, message).iter().map(|message| Sent::Frame(frame(message))).collect(),
        Err(_) => vec![Sent::Frame(bytes)],
    })
}

/// Contributions in hospital 0's ledger.
fn contributions(deployment: &Deployment) -> usize {
    let ledger = samensom_node::ledger::Ledger::open_to_read(&deployment.state(0)).unwrap();
    let records = ledger.records().unwrap();
    records.iter().filter(|record| matches!(record, Record::Spent { .. })).count()
}

/// The others have their sum, hospital 0 says by which check it refused, and nothing left it.
#[track_caller]
fn refused_by(deployment: &Deployment, outcome: Outcome, check: &str) {
    assert_eq!(outcome.sum().survivors, [1, 2, 3]);
    let reason = deployment.status(0)["last_session"]["reason"].to_string();
    assert!(reason.contains(check), "{reason}\n{}", deployment.told(0));
    assert_eq!(contributions(deployment), 0);
}

#[test]
fn attack_43_a_forged_header_over_the_wire_a03() {
    let _alone = alone();
    let (deployment, outcome, _middle) = session(
        lying(|key, mut message| {
            if let Message::Offer(one) = &mut message {
                offer(one, key, |header| header.deadlines.reveal_ms += 60_000);
            }
            vec![message]
        }),
        nothing(),
    );
    refused_by(&deployment, outcome, "A03");
}

#[test]
fn attack_37_an_altered_start_over_the_wire_a09() {
    let _alone = alone();
    let (deployment, outcome, _middle) = session(
        lying(|key, mut message| {
            if let Message::Start(one) = &mut message {
                start(one, key, |_, dealers| dealers[1].section.pair.0[0] ^= 1);
            }
            vec![message]
        }),
        nothing(),
    );
    refused_by(&deployment, outcome, "A09");
}

#[test]
fn attack_50_two_freezes_over_the_wire_a13() {
    let _alone = alone();
    let mut go: Option<GoHash> = None;
    let (deployment, outcome, _middle) = session(
        lying(move |key, message| {
            if let Message::Go(one) = &message {
                go = decode::<GoBody>(&one.body.body).ok().map(|body| body.go);
            }
            let (Message::Freeze(one), Some(go)) = (&message, go) else { return vec![message] };
            let mut other = one.clone();
            freeze(&mut other, key, &go, |survivors| survivors.truncate(survivors.len() - 1));
            vec![message, Message::Freeze(other)]
        }),
        nothing(),
    );
    assert_eq!(outcome.sum().survivors, [0, 1, 2, 3], "the first one stands");
    assert!(deployment.told(0).contains("A13"), "{}", deployment.told(0));
    assert_eq!(contributions(&deployment), 1);
}

#[test]
fn attack_10_frames_of_an_old_session_over_the_wire_a03() {
    let _alone = alone();
    let kept: Arc<Mutex<(bool, Vec<Vec<u8>>)>> = Arc::default();
    let book = Arc::clone(&kept);
    let replay: Change = Box::new(move |_, bytes| {
        let mut book = book.lock().unwrap();
        let mut all: Vec<Sent> = Vec::new();
        if Message::from_frame(&bytes).is_ok() {
            match book.0 {
                true => all.extend(book.1.iter().cloned().map(Sent::Frame)),
                false => book.1.push(bytes.clone()),
            }
        }
        all.push(Sent::Frame(bytes));
        all
    });
    let (deployment, outcome, _middle) = session(replay, nothing());
    assert_eq!(outcome.sum().survivors, [0, 1, 2, 3]);
    kept.lock().unwrap().0 = true;
    deployment.next_slot();
    // Channel messages of the same incarnation are answered as before; the rest is refused.
    assert_eq!(deployment.run(0).sum().survivors, [0, 1, 2, 3]);
    assert_eq!(contributions(&deployment), 2, "one in each slot");
    assert!(deployment.told(0).contains("A03"), "{}", deployment.told(0));
}

#[test]
fn attack_10_anothers_frames_under_ones_own_key_over_the_wire_a01() {
    let _alone = alone();
    let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (ear, mouth) = (Arc::clone(&heard), Arc::clone(&heard));
    let listen: Change = Box::new(move |_, bytes| {
        ear.lock().unwrap().extend(Message::from_frame(&bytes).is_ok().then(|| bytes.clone()));
        vec![Sent::Frame(bytes)]
    });
    let speak: Change = Box::new(move |_, bytes| {
        let mut all: Vec<Sent> = mouth.lock().unwrap().drain(..).map(Sent::Frame).collect();
        all.push(Sent::Frame(bytes));
        all
    });
    let mut deployment = deployed();
    let _first = Middle::between(&deployment, 0, nothing(), speak);
    let _second = Middle::between(&deployment, 1, nothing(), listen);
    deployment.start_all();
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, [0, 1, 2, 3], "each is in it once, as itself");
}

#[test]
fn attack_33_an_oversize_frame_over_the_wire_caps() {
    let _alone = alone();
    // To the agent: it ends that link and dials again.
    let mut sent = false;
    let long: Change = Box::new(move |_, bytes| {
        let lie = Message::from_frame(&bytes).is_ok() && !std::mem::replace(&mut sent, true);
        if lie { vec![Sent::Raw(vec![0xff; 8])] } else { vec![Sent::Frame(bytes)] }
    });
    let mut deployment = deployed();
    let _middle = Middle::between(&deployment, 0, long, nothing());
    deployment.start_all();
    deployment.linked(HOSPITALS, SOON);
    // To the server, over a hospital's own key: it ends that link alone.
    for claimed in [u32::MAX, 0, (1 << 21) + 2] {
        assert!(raw_to_server(&deployment, 1, &claimed.to_be_bytes()));
    }
    assert!(deployment.serves() && deployment.runs(0));
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    assert!(deployment.run(0).is_sum());
}
