//! Seeds of every corpus, made from honest sessions, the shipped files and a few scripts.
//!
//! Deterministic: equal programs make equal seeds. After a change of a message they are written anew by the
//! command that stands in `tests/fuzz/README.md`.

use super::acts::session;
use super::play::Play;
use crate::adversary::town::{first, second};
use samensom_protocol::admission::{Admission, EnrolRefusal, RosterAt, TokenSecret};
use samensom_protocol::audit::{Head, SignedHead};
use samensom_protocol::bundle::{Bundle, assemble};
use samensom_protocol::codec::{Blob, Bytes, List, Text, encode};
use samensom_protocol::ids::{LogHash, NodeId, TreeRoot};
use samensom_protocol::io::Record;
use samensom_protocol::message::{AlarmBody, Message, Round};
use samensom_protocol::query::Query;
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use samensom_protocol::transparency::{SignedTreeHead, TreeHead};
use std::collections::BTreeMap;

const CCV_QUERY: &str = include_str!("../../../deploy/queries/ccv-stock.toml");
const CCV_CODES: &str = include_str!("../../../deploy/queries/codelists/ccv.csv");

/// Seeds by target, each with a name.
pub type Seeds = BTreeMap<&'static str, Vec<(String, Vec<u8>)>>;

/// Every seed.
#[must_use]
pub fn all() -> Seeds {
    let mut seeds = Seeds::new();
    let plays = [("whole", session(&[])), ("dropout", session(DROPOUT)), ("voided", session(VOIDED))];
    for (name, play) in &plays {
        of_session(&mut seeds, name, play);
    }
    of_admission(&mut seeds);
    of_queries(&mut seeds);
    #[cfg(feature = "programs")]
    super::program_seeds::add_to(&mut seeds);
    for target in ["network", "inputs", "tampered", "lying_coordinator", "lying_node"] {
        for (name, script) in SCRIPTS {
            add(&mut seeds, target, *name, script.to_vec());
        }
    }
    seeds.retain(|target, _| super::TARGETS.iter().any(|(name, _)| name == target));
    seeds
}

pub(super) fn add(seeds: &mut Seeds, target: &'static str, name: impl Into<String>, bytes: Vec<u8>) {
    let of = seeds.entry(target).or_default();
    if of.iter().all(|(_, old)| *old != bytes) {
        of.push((name.into(), bytes));
    }
}

/// One hospital is not told to go: it is a dropout.
const DROPOUT: &[u8] = &[0, 16, 4, 0];
/// Two are not, so that no certificate comes, and the next session voids the attempt.
const VOIDED: &[u8] = &[0, 16, 4, 0, 4, 0, 0, 31, 7, 7, 7, 7, 13];
/// What the fuzzer begins with.
const SCRIPTS: &[(&str, &[u8])] = &[
    ("honest", &[]),
    ("dropout", DROPOUT),
    ("voided", VOIDED),
    ("restarts", &[0, 6, 9, 1, 0, 9, 10, 0, 5, 10, 0, 4, 9, 2, 10]),
    ("links", &[0, 3, 11, 0, 0, 9, 12, 1, 0, 3, 11, 2, 12, 2]),
    ("doubled", &[0, 3, 5, 0, 6, 1, 0, 9, 5, 1, 6, 4, 0, 8, 6, 9]),
    ("twice", &[0, 31, 0, 31, 0, 31, 13, 0, 31, 0, 31, 8, 7, 13]),
    ("odd", &[0, 9, 14, 0, 1, 1, 0, 15, 4, 2, 0, 3, 14, 5, 1, 0, 2, 0, 7, 15, 6, 1, 1, 1]),
    ("meddled", &[0, 5, 14, 0, 0, 0, 9, 40, 1, 0, 12, 14, 5, 1, 0, 2, 15, 0, 1, 0, 0, 80, 255]),
];

/// Frames, signed bodies, records and the bundle of a session.
fn of_session(seeds: &mut Seeds, name: &str, play: &Play) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for frame in &play.past {
        let Ok(message) = Message::from_frame(&frame.bytes) else { continue };
        let text = format!("{message:?}");
        let kind = text.split('(').next().unwrap_or_default().to_lowercase();
        let count = kinds.entry(kind.clone()).or_default();
        *count += 1;
        if *count == 1 {
            for (which, body) in bodies(&message) {
                add(seeds, "body", format!("{name}-{kind}-{which}"), [&[which][..], body].concat());
            }
            add(seeds, "message", format!("{name}-{kind}"), frame.bytes.clone());
        }
    }
    let lines = |records: &[Record]| -> Vec<u8> {
        let line = |record: &Record| serde_json::to_string(record).expect("a record is written") + "\n";
        records.iter().map(line).collect::<String>().into_bytes()
    };
    for hospital in play.hospitals.values().take(1) {
        add(seeds, "record", format!("{name}-node"), lines(&hospital.ledger));
    }
    for (_, _, records) in play.centre.attempts.iter().take(1) {
        let bound = |record: &&Record| matches!(record, Record::Bound { .. });
        let kept: Vec<Record> = records.iter().take(1).chain(records.iter().find(bound)).cloned().collect();
        add(seeds, "record", format!("{name}-coordinator"), lines(&kept));
    }
    if let Some(bundle) = bundle(play) {
        add(seeds, "bundle", name, bundle);
    }
}

/// Signed bodies of a message, each with its number in [`super::decode::body`].
fn bodies(message: &Message) -> Vec<(u8, &[u8])> {
    match message {
        Message::Offer(offer) => vec![(0, &*offer.header.body), (1, &*offer.warrant.body)],
        Message::Start(start) => vec![(3, &*start.body.body)],
        Message::Ready(ready) => vec![(4, &*ready.body)],
        Message::Go(go) => vec![(5, &*go.body.body)],
        Message::Report(report) => vec![(6, &*report.body.body)],
        Message::Freeze(freeze) => vec![(7, &*freeze.body.body)],
        Message::Outcome(outcome) => vec![(8, &*outcome.body.body)],
        Message::End(end) => vec![(9, &*end.body)],
        Message::VoidAsk(ask) => vec![(10, &*ask.body)],
        Message::Void(void) => vec![(11, &*void.body)],
        Message::Answer(answer) => vec![(16, &*answer.body)],
        Message::Announce(announce) => vec![(13, &*announce.body)],
        Message::Encapsulation(half) => vec![(14, &*half.body)],
        _ => Vec::new(),
    }
}

fn bundle(play: &Play) -> Option<Vec<u8>> {
    let sum = play.centre.sum.as_ref()?;
    let records = play.centre.attempts.iter().find(|(sid, _, _)| *sid == sum.sid).map(|(_, _, all)| all)?;
    let sent = |wanted: Round| {
        let of = |record: &Record| match record {
            Record::Sent { round, bytes, .. } if *round == wanted => Some(bytes.to_vec()),
            _ => None,
        };
        records.iter().filter_map(of).collect()
    };
    let mut received = |wanted: Round| {
        let of = |record: &Record| match record {
            Record::Received { round, node, bytes, .. } if *round == wanted => {
                Some((*node, Message::from_frame(bytes).ok()?))
            }
            _ => None,
        };
        records.iter().filter_map(of).collect()
    };
    let rosters = [first(), second(super::play::HOSPITALS)];
    let (warrant, value) = assemble(&sent, &mut received).expect("a session");
    let bundle = Bundle::new(&rosters, warrant, None, value).expect("a bundle");
    Some(serde_json::to_vec(&bundle).expect("a bundle is written"))
}

fn of_admission(seeds: &mut Seeds) {
    let (first, second) = (first(), second(4));
    let head = RosterAt { epoch: 1, hash: Roster::hash_of(&second.body) };
    let software = Text::new("0.1.0").expect("short");
    let secret = TokenSecret(Bytes([3; 32]));
    let log = SignedHead { head: Head { number: 7, hash: LogHash([4; 32]) }, signature: Bytes([5; 64]) };
    let head_of_tree = TreeHead { size: 4, root: TreeRoot([6; 32]) };
    let tree = SignedTreeHead { head: head_of_tree, signature: Bytes([7; 64]) };
    let proof = List::new(vec![Bytes([8; 32]); 2]).expect("two");
    for (name, frame) in [
        ("hello", Admission::Hello { software: software.clone(), roster: Some(head) }),
        ("hello-new", Admission::Hello { software: software.clone(), roster: None }),
        ("welcome", Admission::Welcome { software, node: Some(NodeId(1)), head, at: Time(1) }),
        ("enrol", Admission::Enrol { hospital: NodeId(1), secret }),
        ("enrolled", Admission::Enrolled),
        ("refused", Admission::EnrolRefused(EnrolRefusal::UsedToken)),
        ("after", Admission::RostersAfter(Some(0))),
        ("rosters", Admission::Rosters(List::new(vec![first.clone(), second.clone()]).expect("two"))),
        ("log", Admission::Log(log)),
        ("log-noted", Admission::LogNoted { before: Some(log.head), own: Box::new(log) }),
        ("tree-since", Admission::TreeSince(List::new(vec![3]).expect("one"))),
        ("tree", Admission::Tree { head: Box::new(tree), proofs: List::new(vec![proof]).expect("one") }),
    ] {
        add(seeds, "admission", name, frame.to_frame().expect("a frame"));
    }
    for (name, roster) in [("first", &first), ("second", &second)] {
        add(seeds, "roster", name, [&[0][..], &encode(roster).expect("it fits")].concat());
        add(seeds, "roster", format!("{name}-signed-here"), [&[1][..], &*roster.body].concat());
        add(seeds, "body", name, [&[2][..], &*roster.body].concat());
    }
    let alarm = AlarmBody {
        sid: samensom_protocol::ids::AttemptId([1; 32]),
        result: samensom_protocol::ids::ResultHash([2; 32]),
    };
    add(seeds, "body", "alarm", [&[12][..], &encode(&alarm).expect("it fits")].concat());
    add(seeds, "secrets", "points", (0..=255).cycle().take(1216).collect());
    let one = [&[1][..], &[0; 31]].concat();
    add(seeds, "secrets", "scalars", [one.as_slice(), &[0xff; 32], &[0; 32]].concat());
}

fn of_queries(seeds: &mut Seeds) {
    add(seeds, "query_text", "ccv-stock", format!("{CCV_QUERY}\n%%\n{CCV_CODES}").into_bytes());
    let mut codes = |_: &str| Ok(CCV_CODES.to_owned());
    let query = Query::from_toml(CCV_QUERY, &mut codes).expect("the shipped query");
    add(seeds, "query_canonical", "ccv-stock", query.canonical().expect("a canonical form"));
    for text in QUERIES {
        let name = text.lines().nth(1).unwrap_or_default().replace(['#', ' '], "");
        add(seeds, "query_text", name.clone(), text.as_bytes().to_vec());
        let query = Query::from_toml(text, &mut |_| Ok("a\n".to_owned()));
        let query = query.unwrap_or_else(|why| panic!("the sample query {name}: {why}"));
        add(seeds, "query_canonical", name, query.canonical().expect("a canonical form"));
    }
    let town = crate::adversary::town::town(4);
    for (place, (signed, warrant)) in town.warrants.iter().enumerate() {
        add(seeds, "warrant", format!("{place}"), [&[0][..], &encode(signed).expect("it fits")].concat());
        let mut body = warrant.body().clone();
        add(seeds, "warrant", format!("{place}-signed-here"), [&[1][..], &*signed.body].concat());
        body.query = Blob::new(query.canonical().expect("a canonical form")).expect("it fits");
        body.floor_hospitals = 5;
        add(seeds, "warrant", "ccv", [&[1][..], &encode(&body).expect("it fits")].concat());
    }
}

const QUERIES: &[&str] = &[r#"
# use
[query]
id = "use"
version = 3
title = { nl = "Gebruik", en = "Use" }
purpose = "research"
dataset = "use"
[population]
where = "quantity > 0 and not (code in ('a', 'b') or quantity = 12)"
[[dimension]]
column = "period"
codes = ["2026-01-01", "2026-02-01"]
[[measure]]
name = "used"
sum = "quantity"
unit = "piece"
scale = 3
range = [-1000, 1000000]
[[measure]]
name = "lines"
rows = true
"#];
