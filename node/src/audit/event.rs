//! What the agent's audit log tells of, in one closed list; in words: `words.rs`.
//!
//! Owns the fields (NEN 7513: event, action, outcome, who, object; the source stands in every record). No
//! figure, no row, no person and no secret is in any of them: a record says that rows were read and how many.

use crate::extract::Frozen;
use samensom_protocol::audit::{Head, SignedHead};
use samensom_protocol::ids::{
    AttemptId, ExtractHash, FreezeHash, PublicKey, QueryHash, ResultHash, RosterHash, SessionId, WarrantHash,
};
use samensom_protocol::io::{Output, Record};
use samensom_protocol::transparency::SignedTreeHead;
use samensom_protocol::warrant::Warrant;
use serde::{Deserialize, Serialize};

/// A query as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its id and version.
    pub id: String,
    /// The version.
    pub version: u32,
    /// Hash of its canonical form, under which the log keeps it.
    pub hash: QueryHash,
    /// Why it is asked.
    pub purpose: String,
    /// The data set it reads.
    pub dataset: String,
    /// How many numbers would leave, masked.
    pub cells: u32,
    /// Fewest hospitals behind a shown figure.
    pub floor_hospitals: u16,
    /// Who asks: person, organisation.
    pub requested_by: [String; 2],
    /// Who approved it: person, role, organisation.
    pub approved_by: Vec<[String; 3]>,
}

impl Asked {
    /// Of a verified warrant.
    #[must_use]
    pub fn of(warrant: &Warrant) -> Asked {
        let query = warrant.query();
        let approved = warrant.approvers().iter();
        Asked {
            id: query.id().to_owned(),
            version: query.version(),
            hash: warrant.query_hash(),
            purpose: query.purpose().name().to_owned(),
            dataset: query.dataset().name().to_owned(),
            cells: query.layout().cells(),
            floor_hospitals: warrant.body().floor_hospitals,
            requested_by: {
                let requester = &warrant.body().requester;
                [requester.person.to_string(), requester.organisation.to_string()]
            },
            approved_by: approved
                .map(|one| [one.person.to_string(), one.role.to_string(), one.organisation.to_string()])
                .collect(),
        }
    }
}

/// Rows of one data set of an extract, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// The data set.
    pub dataset: String,
    /// Rows that count.
    pub used: u64,
    /// Rows that could not be used.
    pub rejected: u64,
    /// Rows of people who object: the objection filter.
    pub objected: u64,
    /// The newest day of the data.
    pub newest: Option<String>,
}

/// The counts of an extract, for a record.
#[must_use]
pub fn rows(frozen: &Frozen) -> Vec<Rows> {
    let of = |one: &crate::extract::Accounting| Rows {
        dataset: one.dataset.name().to_owned(),
        used: one.used,
        rejected: one.rejected,
        objected: one.objected,
        newest: one.newest.map(|day| day.to_string()),
    };
    frozen.accounting.iter().map(of).collect()
}

/// Something that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is told in words.rs, and in deploy/README.md")]
pub enum Event {
    Started {
        hospital: String,
        node: u16,
        key: PublicKey,
        config: String,
        policy: String,
        changed: Vec<String>,
    },
    Stopped {
        why: String,
    },
    Cut {
        bytes: u64,
    },
    Enrolling {
        hospital: String,
        node: u16,
        coordinator: PublicKey,
        founding_roster: RosterHash,
    },
    Enrolled {
        hospital: String,
        node: u16,
    },
    Roster {
        epoch: u32,
        roster: RosterHash,
        accepted: bool,
    },
    RosterAccepted {
        epoch: u32,
    },
    RosterRefused {
        why: String,
    },
    Offered {
        attempt: String,
        session: SessionId,
        warrant: WarrantHash,
        lock: String,
        slot: u64,
        query: Asked,
    },
    Waiting {
        attempt: String,
        session: SessionId,
        warrant: WarrantHash,
        rule: String,
        until: String,
    },
    Decided {
        warrant: WarrantHash,
        id: String,
        version: u32,
        decision: String,
        person: String,
        os_user: String,
        reason: String,
    },
    Answered {
        session: SessionId,
        lock: String,
        slot: u64,
        extract: ExtractHash,
        declared: ExtractHash,
        rows: Vec<Rows>,
    },
    Refused {
        attempt: String,
        session: Option<SessionId>,
        rule: String,
    },
    FrameRefused {
        rule: String,
    },
    Spent {
        attempt: AttemptId,
        session: SessionId,
        warrant: WarrantHash,
        roster: RosterHash,
        extract: ExtractHash,
    },
    Confirmed {
        attempt: AttemptId,
        survivors: FreezeHash,
        hospitals: usize,
    },
    Released {
        attempt: AttemptId,
    },
    Voided {
        attempt: AttemptId,
    },
    Returned {
        attempt: AttemptId,
    },
    RolledBack {
        attempt: AttemptId,
    },
    Echoed {
        attempt: AttemptId,
        hospitals: Vec<u16>,
    },
    Verified {
        attempt: AttemptId,
        result: ResultHash,
    },
    GivenUp {
        attempt: AttemptId,
        reason: String,
    },
    Head {
        key: PublicKey,
        head: SignedHead,
    },
    HeadDiffers {
        kept: Head,
    },
    TreeHead {
        head: SignedTreeHead,
    },
    TwoStories {
        kept: SignedTreeHead,
        shown: SignedTreeHead,
        why: String,
    },
    TreeHeadForgotten {},
    Read {
        what: String,
        from: Option<String>,
        session: Option<String>,
    },
    PersonAsked {
        session: SessionId,
    },
    DataChecked {
        dataset: String,
    },
    Previewed {
        id: String,
        version: u32,
    },
    Paused {},
    Resumed {},
    Left {},
}

/// What a record says besides the event: what was done, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// NEN 7513: C, R, U, D or E.
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
        Told {
            action: self.action(),
            outcome: if self.is_alarm() { "refused" } else { "done" }.to_owned(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            account: rustix::process::getuid().as_raw(),
            event: self,
        }
    }

    fn action(&self) -> char {
        match self {
            Event::Enrolling { .. } | Event::Enrolled { .. } => 'C',
            Event::Read { .. }
            | Event::PersonAsked { .. }
            | Event::DataChecked { .. }
            | Event::Previewed { .. } => 'R',
            Event::Answered { .. } => 'R',
            Event::Roster { .. }
            | Event::RosterAccepted { .. }
            | Event::Decided { .. }
            | Event::Paused {}
            | Event::Resumed {}
            | Event::TreeHeadForgotten {}
            | Event::Left {} => 'U',
            _ => 'E',
        }
    }

    /// Whether it tells of a refusal or of something that must not be.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        matches!(
            self,
            Event::Refused { .. }
                | Event::RosterRefused { .. }
                | Event::FrameRefused { .. }
                | Event::RolledBack { .. }
                | Event::Echoed { .. }
                | Event::HeadDiffers { .. }
                | Event::TwoStories { .. }
        )
    }

    /// The session, where the event names it.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Event::Offered { session, .. }
            | Event::Waiting { session, .. }
            | Event::Answered { session, .. }
            | Event::Spent { session, .. }
            | Event::PersonAsked { session } => Some(*session),
            Event::Refused { session, .. } => *session,
            _ => None,
        }
    }

    /// The attempt, where the event names one.
    #[must_use]
    pub fn attempt(&self) -> Option<String> {
        match self {
            Event::Offered { attempt, .. }
            | Event::Waiting { attempt, .. }
            | Event::Refused { attempt, .. } => Some(attempt.clone()),
            Event::Spent { attempt, .. }
            | Event::Confirmed { attempt, .. }
            | Event::Released { attempt }
            | Event::Voided { attempt }
            | Event::Returned { attempt }
            | Event::RolledBack { attempt }
            | Event::Echoed { attempt, .. }
            | Event::Verified { attempt, .. }
            | Event::GivenUp { attempt, .. } => Some(attempt.to_hex()),
            _ => None,
        }
    }

    /// What the core's output tells of; none where it is no event of the log.
    #[must_use]
    pub fn of(output: &Output) -> Option<Event> {
        use samensom_protocol::io::Event as Seen;
        Some(match output {
            Output::Persist(record) => return Event::kept(record),
            Output::Reject { fault, .. } => Event::FrameRefused { rule: fault.to_string() },
            Output::Notify(Seen::Ended { sid, fault }) => {
                let rule = fault.as_ref().map_or_else(|| "a deadline passed".to_owned(), ToString::to_string);
                Event::Refused { attempt: sid.to_hex(), session: None, rule }
            }
            Output::Notify(Seen::Echoed { sid, nodes }) => {
                Event::Echoed { attempt: *sid, hospitals: nodes.iter().map(|node| node.0).collect() }
            }
            Output::Notify(Seen::GivenUp { sid, reason }) => {
                Event::GivenUp { attempt: *sid, reason: format!("{reason:?}") }
            }
            _ => return None,
        })
    }

    fn kept(record: &Record) -> Option<Event> {
        Some(match record {
            Record::Spent { sid, session, warrant, roster, extract, .. } => Event::Spent {
                attempt: *sid,
                session: *session,
                warrant: *warrant,
                roster: *roster,
                extract: *extract,
            },
            Record::Confirmed { sid, freeze, survivors, .. } => {
                Event::Confirmed { attempt: *sid, survivors: *freeze, hospitals: survivors.len() }
            }
            Record::Released { sid } => Event::Released { attempt: *sid },
            Record::Voided { sid } => Event::Voided { attempt: *sid },
            Record::Returned { sid, .. } => Event::Returned { attempt: *sid },
            Record::RolledBack { sid } => Event::RolledBack { attempt: *sid },
            Record::Filed { sid, result } => Event::Verified { attempt: *sid, result: *result },
            _ => return None,
        })
    }
}
