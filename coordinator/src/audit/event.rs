//! What the coordinator's audit log tells of, in one closed list, and each in words.
//!
//! Owns the fields: who was in a session, its rounds, who refused, what was opened, how many cells are
//! suppressed, who got it, who asked for what. No contribution and no figure is in any of them.

use crate::control::Request;
use crate::ops::Wanted;
use samensom_protocol::audit::{Head, SignedHead};
use samensom_protocol::codec::decode;
use samensom_protocol::ids::{AttemptId, NodeId, PublicKey, RosterHash, SessionId, WarrantHash};
use samensom_protocol::io::{Event as Seen, Input, Output, Peer, Record};
use samensom_protocol::message::{Answer, Header, Message, Round};
use samensom_protocol::warrant::WarrantBody;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A frame that refuses is no longer than this.
const REFUSAL: usize = 64;

/// Something that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is told in words below, and in deploy/README.md")]
pub enum Event {
    Started {
        key: PublicKey,
        epoch: u32,
    },
    Stopped {
        why: String,
    },
    Cut {
        bytes: u64,
    },
    Asked {
        verb: String,
        facts: BTreeMap<String, String>,
    },
    NotDone {
        verb: String,
        why: String,
    },
    RosterHead {
        epoch: u32,
        roster: RosterHash,
    },
    TokenTaken {
        hospital: NodeId,
        key: PublicKey,
    },
    TokenRefused {
        hospital: NodeId,
        why: String,
    },
    Offered {
        session: SessionId,
        attempt: AttemptId,
        warrant: WarrantHash,
        roster: RosterHash,
        lock: String,
        slot: u64,
        invited: Vec<NodeId>,
    },
    Round {
        session: SessionId,
        attempt: AttemptId,
        round: String,
        hospitals: Vec<NodeId>,
    },
    Refused {
        session: SessionId,
        attempt: AttemptId,
        node: NodeId,
    },
    Stands {
        session: SessionId,
        attempt: AttemptId,
        node: NodeId,
        answer: Answer,
    },
    FrameRefused {
        session: SessionId,
        node: NodeId,
        rule: String,
    },
    LeftOut {
        session: SessionId,
        attempt: AttemptId,
        hospitals: Vec<NodeId>,
    },
    AtFault {
        session: SessionId,
        attempt: AttemptId,
        rule: String,
        hospitals: Vec<NodeId>,
    },
    Alarmed {
        session: SessionId,
        attempt: AttemptId,
        node: NodeId,
    },
    Certified {
        session: SessionId,
        attempt: AttemptId,
        survivors: Vec<NodeId>,
    },
    Failed {
        session: SessionId,
        code: String,
        round: String,
        needed: u16,
        present: u16,
        at_fault: Vec<NodeId>,
    },
    Opened {
        session: SessionId,
        attempt: AttemptId,
        bundle: String,
        cells: u64,
        suppressed: u64,
        recipients: Vec<NodeId>,
    },
    ResultRead {
        session: SessionId,
        what: String,
    },
    Head {
        node: NodeId,
        key: PublicKey,
        head: SignedHead,
    },
    HeadWentBack {
        node: NodeId,
        kept: Head,
        head: SignedHead,
    },
    Read {
        what: String,
        from: Option<String>,
        session: Option<String>,
    },
}

/// What a record says besides the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// C, R, U, D or E.
    pub action: char,
    /// `done` or `refused`.
    pub outcome: String,
    /// The program's version.
    pub software: String,
    /// The account of this machine that ran it.
    pub account: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Event {
    /// The record of it by this process.
    #[must_use]
    pub fn told(self) -> Told {
        let action = match &self {
            Event::Read { .. } | Event::ResultRead { .. } => 'R',
            Event::TokenTaken { .. } => 'C',
            Event::RosterHead { .. } => 'U',
            _ => 'E',
        };
        Told {
            action,
            outcome: if self.is_alarm() { "refused" } else { "done" }.to_owned(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            account: rustix::process::getuid().as_raw(),
            event: self,
        }
    }

    /// Whether it tells of a refusal, a failure or something that must not be.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        matches!(
            self,
            Event::NotDone { .. }
                | Event::TokenRefused { .. }
                | Event::Refused { .. }
                | Event::Stands { answer: Answer::Refused | Answer::Undecided, .. }
                | Event::FrameRefused { .. }
                | Event::AtFault { .. }
                | Event::Alarmed { .. }
                | Event::Failed { .. }
                | Event::HeadWentBack { .. }
        )
    }

    /// The session, where the event names it.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Event::Offered { session, .. }
            | Event::Round { session, .. }
            | Event::Refused { session, .. }
            | Event::Stands { session, .. }
            | Event::FrameRefused { session, .. }
            | Event::LeftOut { session, .. }
            | Event::AtFault { session, .. }
            | Event::Alarmed { session, .. }
            | Event::Certified { session, .. }
            | Event::Failed { session, .. }
            | Event::Opened { session, .. }
            | Event::ResultRead { session, .. } => Some(*session),
            _ => None,
        }
    }

    /// What a person asked the server to do; a question changes nothing and is none.
    #[must_use]
    pub fn asked(request: &Request) -> Option<Event> {
        let (verb, facts): (&str, Vec<(&str, String)>) = match request {
            Request::Status => return None,
            Request::HospitalAdd { name, group, kind, floor, .. } => (
                "hospital add",
                vec![
                    ("name", name.clone()),
                    ("group", group.clone()),
                    ("kind", kind.clone()),
                    ("floor", floor.to_string()),
                ],
            ),
            Request::HospitalToken { hospital, valid_ms } => {
                ("hospital token", vec![("hospital", hospital.clone()), ("valid_ms", valid_ms.to_string())])
            }
            Request::HospitalConfirm { hospital, fingerprint } => (
                "hospital confirm",
                vec![("hospital", hospital.clone()), ("fingerprint", fingerprint.clone())],
            ),
            Request::HospitalMark { hospital, mark } => {
                ("hospital mark", vec![("hospital", hospital.clone()), ("mark", mark.name().to_owned())])
            }
            Request::RosterPropose(wanted) => ("roster propose", proposed(wanted)),
            Request::RosterSign { roster, signature } => {
                ("roster sign", vec![("roster", roster.to_hex()), ("signer", signature.key.to_hex())])
            }
            Request::QuerySubmit { warrant } => {
                let requester = decode::<WarrantBody>(&warrant.body).map(|body| body.requester);
                let by = requester.map_or_else(
                    |_| "cannot be read".to_owned(),
                    |one| format!("{} ({}), key {}", &*one.person, &*one.organisation, one.key.to_hex()),
                );
                ("query submit", vec![("warrant", warrant.hash().to_hex()), ("by", by)])
            }
            Request::QueryApprove { warrant, approval } => {
                ("query approve", vec![("warrant", warrant.to_hex()), ("approver", approval.key.to_hex())])
            }
            Request::QueryRun { warrant } => ("query run", vec![("warrant", warrant.clone())]),
        };
        let facts = facts.into_iter().map(|(name, text)| (name.to_owned(), shortened(&text))).collect();
        Some(Event::Asked { verb: verb.to_owned(), facts })
    }

    /// What an output of the core tells of; none where it is no event of the log.
    #[must_use]
    pub fn of(session: SessionId, output: &Output) -> Option<Event> {
        Some(match output {
            Output::Persist(record) => return Event::kept(session, record),
            Output::Reject { from: Peer::Node(node), fault } => {
                Event::FrameRefused { session, node: *node, rule: fault.to_string() }
            }
            Output::Notify(Seen::Stands { node, sid, answer }) => {
                Event::Stands { session, attempt: *sid, node: *node, answer: *answer }
            }
            Output::Notify(Seen::Alarmed { node, sid }) => {
                Event::Alarmed { session, attempt: *sid, node: *node }
            }
            Output::Notify(Seen::Named { sid, fault }) => Event::AtFault {
                session,
                attempt: *sid,
                rule: fault.to_string(),
                hospitals: fault.culprits().to_vec(),
            },
            Output::Notify(Seen::Failed(failure)) => Event::Failed {
                session,
                code: format!("{:?}", failure.code),
                round: format!("{:?}", failure.round),
                needed: failure.needed,
                present: failure.present,
                at_fault: failure.culprits.clone(),
            },
            _ => return None,
        })
    }

    fn kept(session: SessionId, record: &Record) -> Option<Event> {
        Some(match record {
            Record::Sent { sid, round, bytes, .. } => return Event::sent(session, *sid, *round, bytes),
            Record::BadPairs { sid, left_out, .. } if !left_out.is_empty() => {
                Event::LeftOut { session, attempt: *sid, hospitals: left_out.iter().copied().collect() }
            }
            Record::Bound { bound, .. } => Event::Certified {
                session,
                attempt: bound.sid,
                survivors: bound.survivors.iter().copied().collect(),
            },
            _ => return None,
        })
    }

    fn sent(session: SessionId, attempt: AttemptId, round: Round, bytes: &[u8]) -> Option<Event> {
        let hospitals = match Message::from_frame(bytes).ok()? {
            Message::Offer(offer) => {
                let header: Header = decode(&offer.header.body).ok()?;
                let invited = header.invited.iter().map(|one| one.node).collect();
                return Some(Event::Offered {
                    session,
                    attempt,
                    warrant: WarrantBody::hash_of(&offer.warrant.body),
                    roster: header.roster,
                    lock: header.lock.to_string(),
                    slot: header.slot,
                    invited,
                });
            }
            Message::Freeze(freeze) => freeze.survivors.iter().map(|one| one.node).collect(),
            _ => Vec::new(),
        };
        Some(Event::Round { session, attempt, round: format!("{round:?}").to_lowercase(), hospitals })
    }

    /// A hospital's refusal of the attempt that is open, by its one code. Of others it says nothing: whoever is sent an
    /// old offer again refuses it again.
    #[must_use]
    pub fn heard((session, open): (SessionId, Option<AttemptId>), input: &Input) -> Option<Event> {
        let Input::Frame { from: Peer::Node(node), bytes, .. } = input else { return None };
        if bytes.len() > REFUSAL {
            return None;
        }
        match Message::from_frame(bytes) {
            Ok(Message::Refusal(attempt)) if Some(attempt) == open => {
                Some(Event::Refused { session, attempt, node: *node })
            }
            _ => None,
        }
    }
}

/// A text that a person typed, no longer than a record needs.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

fn short(text: &str) -> String {
    text.chars().take(12).collect()
}

fn list(nodes: &[NodeId]) -> String {
    let nodes: Vec<String> = nodes.iter().map(|node| node.0.to_string()).collect();
    if nodes.is_empty() { "none".to_owned() } else { nodes.join(", ") }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(session) = self.session() {
            write!(f, "session {}: ", short(&session.to_hex()))?;
        }
        match self {
            Event::Started { epoch, .. } => write!(f, "the server started; roster {epoch}"),
            Event::Stopped { why } => write!(f, "the server stopped: {why}"),
            Event::Cut { bytes } => {
                write!(f, "a record that was not finished when a program was killed is cut, {bytes} bytes")
            }
            Event::Asked { verb, facts } => {
                let facts: Vec<String> = facts.iter().map(|(name, text)| format!("{name} {text}")).collect();
                write!(f, "{verb}: {}", facts.join(", "))
            }
            Event::NotDone { verb, why } => write!(f, "{verb}: not done: {why}"),
            Event::RosterHead { epoch, .. } => write!(f, "roster {epoch} is in force"),
            Event::TokenTaken { hospital, key } => {
                write!(f, "{hospital} enrolled with key {}", short(&key.to_hex()))
            }
            Event::TokenRefused { hospital, why } => write!(f, "a token for {hospital} is refused: {why}"),
            Event::Offered { warrant, lock, slot, invited, .. } => {
                write!(
                    f,
                    "warrant {} is offered for {lock} slot {slot} to {}",
                    short(&warrant.to_hex()),
                    list(invited)
                )
            }
            Event::Round { round, hospitals, .. } if hospitals.is_empty() => write!(f, "round {round}"),
            Event::Round { round, hospitals, .. } => write!(f, "round {round} over {}", list(hospitals)),
            Event::Refused { node, .. } => write!(f, "{node} refuses"),
            Event::Stands { node, answer: Answer::Waiting, .. } => {
                write!(f, "{node} asks its people for consent")
            }
            Event::Stands { node, answer: Answer::Undecided, .. } => {
                write!(f, "{node} takes no part: its people have not decided")
            }
            Event::Stands { node, answer: Answer::Refused, .. } => write!(f, "{node} refuses, signed"),
            Event::FrameRefused { node, rule, .. } => write!(f, "a message of {node} is refused: {rule}"),
            Event::LeftOut { hospitals, .. } => {
                write!(f, "left out, which proves nothing: {}", list(hospitals))
            }
            Event::AtFault { rule, hospitals, .. } => write!(f, "at fault: {}: {rule}", list(hospitals)),
            Event::Alarmed { node, .. } => write!(f, "{node} says that the result is wrong"),
            Event::Certified { survivors, .. } => write!(f, "certified over {}", list(survivors)),
            Event::Failed { code, round, needed, present, at_fault, .. } => {
                write!(
                    f,
                    "no sum: {code} in round {round}, {present} of {needed} needed; at fault: {}",
                    list(at_fault)
                )
            }
            Event::Opened { cells, suppressed, recipients, .. } => {
                write!(f, "opened: {cells} figures, {suppressed} of them suppressed; to {}", list(recipients))
            }
            Event::ResultRead { what, .. } => write!(f, "its result is {what}"),
            Event::Head { node, head, .. } => write!(f, "the log of {node} has {} records", head.head.number),
            Event::HeadWentBack { node, kept, head } => write!(
                f,
                "the log of {node} is not the one that was kept: record {} then, {} now",
                kept.number, head.head.number
            ),
            Event::Read { what, .. } => write!(f, "this log: {what}"),
        }
    }
}

/// What of the next roster was asked for.
fn proposed(wanted: &Wanted) -> Vec<(&'static str, String)> {
    let Wanted { approvers, remove_approvers, signers, remove_signers, threshold, rules } = wanted;
    let keys = |keys: Vec<String>| keys.join(" ");
    let facts = [
        ("approvers", keys(approvers.iter().map(|one| one.key.to_hex()).collect())),
        ("remove_approvers", keys(remove_approvers.clone())),
        ("signers", keys(signers.iter().map(|one| one.key.to_hex()).collect())),
        ("remove_signers", keys(remove_signers.clone())),
        ("threshold", threshold.map_or_else(String::new, |threshold| threshold.to_string())),
        ("rules", if rules.is_some() { "others" } else { "" }.to_owned()),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}
