//! Input and Output: the whole vocabulary between the core and its drivers.
//!
//! Drivers carry outputs out in order; a `Persist` is durable before the next `Send` leaves. The core has
//! no clock, no network and no disk of its own.

use crate::codec::{Blob, Bytes, List, Text};
use crate::error::Fault;
use crate::ids::{
    AttemptId, ExtractHash, FamilyHash, FreezeHash, NodeId, QueryHash, ResultHash, RosterHash, SessionId,
    WarrantHash,
};
use crate::message::{Answer, Bound, EndReason, Pass, Round};
use crate::query::{Class, Dominance, Open, Shape};
use crate::ring::Contribution;
use crate::time::Time;
use crate::transparency::SignedTreeHead;
use crate::warrant::Warrant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whose verified channel a frame came from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "self-evident")]
pub enum Peer {
    Coordinator,
    Node(NodeId),
}

/// Why this hospital does not take part; never leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Its rules do not allow the query.
    Policy,
    /// The extract cannot give the figures: missing, incomplete, other units, out of range.
    Extract,
    /// Its people were asked and have not decided.
    Undecided,
}

/// What a driver tells the core.
#[derive(Debug)]
pub enum Input {
    /// Begin (coordinator only).
    Start(Time),
    /// A frame from a verified channel.
    Frame {
        /// Whose channel.
        from: Peer,
        /// The frame.
        bytes: Vec<u8>,
        /// When it came.
        at: Time,
    },
    /// The head of the coordinator's log that this hospital keeps, as it is now.
    TreeHead(SignedTreeHead),
    /// The answer to `Measure`.
    Measured {
        /// For which attempt.
        sid: AttemptId,
        /// The encoded figures.
        contribution: Contribution,
        /// When.
        at: Time,
    },
    /// The other answer to `Measure`.
    Refused {
        /// For which attempt.
        sid: AttemptId,
        /// Why; stays at the hospital.
        why: Refusal,
    },
    /// Before the answer to `Measure`: the hospital's people are asked first.
    Waiting {
        /// For which attempt.
        sid: AttemptId,
    },
    /// The answer to `Recall`: the next block of a spooled report.
    Recalled {
        /// Whose report.
        node: NodeId,
        /// From 0.
        block: u32,
        /// The block.
        bytes: Vec<u8>,
        /// When it was read back.
        at: Time,
    },
    /// A node's link is gone; it is no longer waited for in this round.
    Lost {
        /// Whose.
        node: NodeId,
        /// When that was noticed.
        at: Time,
    },
    /// A node's link is there again: what it has not answered is asked again.
    Linked {
        /// Whose.
        node: NodeId,
        /// When that was noticed.
        at: Time,
    },
    /// An armed deadline passed.
    Deadline {
        /// The attempt it was armed for.
        sid: AttemptId,
        /// The round.
        round: Round,
        /// When.
        at: Time,
    },
}

/// What the core asks a driver to do.
#[derive(Debug)]
pub enum Output {
    /// Compute the warrant's figures from the slot's frozen extract, after the hospital's own rules.
    Measure {
        /// The attempt that asks; its answer names it.
        sid: AttemptId,
        /// The verified warrant.
        warrant: Box<Warrant>,
        /// Lock and slot to freeze the extract for, if it is not frozen yet.
        lock: Text<32>,
        /// The slot.
        slot: u64,
        /// Whether holders are counted or figures summed.
        pass: Pass,
        /// The figures that open, where not all do; the others are to be 0 on the wire.
        open: Option<Arc<Open>>,
        /// In a count pass: how many patients are enough for one hospital.
        patients_each: u32,
        /// In a count pass that judges dominance: what this hospital holds its figures to.
        dominance: Option<Arc<Dominance>>,
        /// The cells of this hospital's own class; all others are to be a figure of 0.
        class: Class,
    },
    /// Make this durable before anything after it leaves.
    Persist(Record),
    /// Send a frame.
    Send {
        /// To whom.
        to: Peer,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Keep a block of a report on disk.
    Spool {
        /// Whose report.
        node: NodeId,
        /// From 0.
        block: u32,
        /// The block.
        bytes: Vec<u8>,
    },
    /// Give back every block of a spooled report, in order, as `Recalled`.
    Recall {
        /// Whose report.
        node: NodeId,
    },
    /// Send these frames, in order, to each of these nodes, as fast as each takes them.
    Publish {
        /// The survivors' commitments, then the total.
        frames: Arc<Vec<Vec<u8>>>,
        /// To whom.
        to: Vec<NodeId>,
    },
    /// Give `Deadline` back at this time.
    Arm {
        /// The attempt.
        sid: AttemptId,
        /// The round.
        round: Round,
        /// When.
        at: Time,
    },
    /// Other heads of the coordinator's log that hospitals of the cohort keep, signed by it: hold it to each of
    /// them. Two of one length are evidence.
    Heads(Vec<SignedTreeHead>),
    /// A frame was refused; the state is unchanged.
    Reject {
        /// Whose frame.
        from: Peer,
        /// What was wrong.
        fault: Fault,
    },
    /// Something to show.
    Notify(Event),
}

/// A frame as it came or left, in a record.
pub type Kept = Blob<{ crate::codec::MAX_MESSAGE + 1 }>;

/// What a program must not forget. Nodes keep the first group in the ledger, the coordinator the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.5 and 1.9")]
pub enum Record {
    /// The extract of a slot is what it is.
    Frozen { lock: Text<32>, slot: u64, extract: ExtractHash, roster: RosterHash, at: Time },
    /// A contribution is about to leave.
    Spent {
        lock: Text<32>,
        slot: u64,
        extract: ExtractHash,
        pass: Pass,
        sid: AttemptId,
        session: SessionId,
        warrant: WarrantHash,
        roster: RosterHash,
        /// Of a count pass, or of a value pass without one, unless it is as in the last one of this warrant.
        shape: Option<Box<Shape>>,
        /// What was asked, whatever it is called; none in records of before there was a rate.
        #[serde(default)]
        family: Option<FamilyHash>,
        /// Of a value pass after a count: the figures that it opens; none in records of before this was written down.
        #[serde(default)]
        open: Option<Vec<u8>>,
    },
    /// A confirmation is about to leave; with the peers' ledgers as verified in this attempt.
    Confirmed {
        lock: Text<32>,
        extract: ExtractHash,
        pass: Pass,
        sid: AttemptId,
        freeze: FreezeHash,
        survivors: Vec<NodeId>,
        seen: Vec<(NodeId, u64)>,
    },
    /// A certificate over the confirmed survivors was verified.
    Certified { lock: Text<32>, extract: ExtractHash, pass: Pass, bound: Bound },
    /// The shares that open the sum are about to leave.
    Released { sid: AttemptId },
    /// A promise never to confirm this attempt is about to leave.
    Voided { sid: AttemptId },
    /// Peers remember more of this ledger than it holds (A10): it promises nothing any more.
    RolledBack { sid: AttemptId },
    /// A quorum's VOIDs were verified: what this attempt did to the pass is undone.
    Returned { lock: Text<32>, extract: ExtractHash, pass: Pass, sid: AttemptId },
    /// The result was verified here.
    Filed { sid: AttemptId, result: ResultHash },
    /// It was that of a count pass: who was counted, and the figures that may open because of it.
    Counted {
        warrant: WarrantHash,
        slot: u64,
        freeze: FreezeHash,
        result: ResultHash,
        survivors: Vec<NodeId>,
        open: Vec<u8>,
        /// One total for each lane of each box; none in records of before they were kept.
        #[serde(default)]
        totals: Vec<u16>,
    },
    /// It was that of figures whose shares are judged: the totals that opened, without their signs, of each box and
    /// figure that is judged; 0 where none opened.
    Summed { query: QueryHash, slot: u64, totals: Vec<u64> },

    /// The coordinator's own message of a round, before its first copy leaves.
    Sent { sid: AttemptId, round: Round, at: Time, bytes: Kept },
    /// A node's message that the result rests on.
    Received { sid: AttemptId, node: NodeId, round: Round, bytes: Kept },
    /// Pairs that could not be in one cohort, and who was left out because of them.
    BadPairs {
        lock: Text<32>,
        slot: u64,
        sid: AttemptId,
        pairs: BTreeSet<(NodeId, NodeId)>,
        left_out: BTreeSet<NodeId>,
    },
    /// The polynomial of a dropout's r, which proves with its signed deposit that its recovery list is
    /// garbage ([`crate::rounds::reveal::is_garbage`]).
    Garbage { sid: AttemptId, node: NodeId, polynomial: List<Bytes<32>, { crate::roster::MAX_NODES }> },
    /// The survivors of a slot are fixed.
    Bound { lock: Text<32>, slot: u64, pass: Pass, bound: Bound },
}

/// Something to show to people; holds no figure but an opened sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A round of an attempt was opened, to so many.
    Opened {
        /// The attempt.
        sid: AttemptId,
        /// Its number, from 0.
        attempt: u16,
        /// The round.
        round: Round,
        /// How many are waited for.
        expected: u16,
    },
    /// So many have answered.
    Answered {
        /// The round.
        round: Round,
        /// How many answered.
        present: u16,
        /// Of how many.
        expected: u16,
    },
    /// A hospital said how it stands with its part, before it deposits.
    Stands {
        /// Who.
        node: NodeId,
        /// The attempt.
        sid: AttemptId,
        /// How.
        answer: Answer,
    },
    /// A node ended its part of an attempt, and why (stays at the hospital).
    Ended {
        /// The attempt.
        sid: AttemptId,
        /// The check that failed; `None` at a deadline or a refusal.
        fault: Option<Fault>,
    },
    /// The coordinator said that the attempt is over.
    GivenUp {
        /// The attempt.
        sid: AttemptId,
        /// Why.
        reason: EndReason,
    },
    /// These hospitals signed that they remember a ledger of this node that it never had. They are too few to be
    /// believed, and it is held against them.
    Echoed {
        /// The attempt.
        sid: AttemptId,
        /// Who.
        nodes: Vec<NodeId>,
    },
    /// A node verified the result.
    Verified {
        /// The attempt.
        sid: AttemptId,
        /// The result.
        result: ResultHash,
    },
    /// Nodes are proven to be at fault, and the session goes on without them.
    Named {
        /// The attempt.
        sid: AttemptId,
        /// What they did.
        fault: Fault,
    },
    /// The session ended without a sum.
    Failed(Failure),
    /// A node says the result is wrong.
    Alarmed {
        /// Who.
        node: NodeId,
        /// The attempt.
        sid: AttemptId,
    },
    /// The sum.
    Finished(Box<Sum>),
}

/// Why a session ended without a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable code: `too-few`, `fault`, `uncommitted`.
    pub code: FailureCode,
    /// In which round.
    pub round: Round,
    /// How many were needed.
    pub needed: u16,
    /// How many there were.
    pub present: u16,
    /// Nodes proven to be at fault.
    pub culprits: Vec<NodeId>,
    /// The first block of the total that is not what was committed to.
    #[serde(default)]
    pub block: Option<u32>,
}

/// Stable codes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// Fewer than needed answered.
    TooFew,
    /// A deviation was proven.
    Fault,
    /// The total is not what was committed to: somebody reported other figures than it deposited, and who is
    /// not known.
    Uncommitted,
    /// The coordinator was away for too long.
    Interrupted,
    /// The opened total does not verify; a defect of this program.
    Unverified,
    /// A class of hospitals that is a cell has members, and fewer than its floor.
    SmallClass,
}

/// The opened sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The attempt.
    pub sid: AttemptId,
    /// Attempt number, from 0.
    pub attempt: u16,
    /// Whose figures are in it.
    pub survivors: Vec<NodeId>,
    /// Members of the cohort whose report does not count.
    pub dropped: Vec<NodeId>,
    /// One integer a cell, offsets still on, below 2^w.
    pub lanes: Vec<u64>,
    /// Signed RESULT.
    pub outcome: crate::message::Outcome,
    /// The certificate.
    pub bound: Bound,
}
