//! Every message of a session: a closed enum, one encoding, one wire version.
//!
//! A frame is the wire version (one byte) and an encoded [`Message`]. No message has a sender field: who
//! sent it is the key of the verified channel. Signed parts travel as the bytes that were signed. Sizes
//! are capped in the types. It must not know what a round does with a message.

mod answer;
mod result;
mod void;

pub use answer::Answer;
pub use result::{Committed, Opened, Outcome, OutcomeBlock, OutcomeReport, ResultBody};
pub use void::{VoidAsk, VoidBody, VoidOf, Voids};

use crate::codec::{Blob, Bytes, List, Malformed, Text, decode, encode};
use crate::crypto::blocks::MAX_CHECKED;
use crate::crypto::channel::{CIPHERTEXT_LEN, PUBLIC_LEN};
use crate::crypto::keys::{Author, Identity, SignatureBytes, Signed, verify};
use crate::crypto::ranges::{MAX_PROOF, MAX_PROOFS};
use crate::crypto::seal::TAG_LEN;
use crate::crypto::sharing::ScalarBytes;
use crate::ids::{
    AnnounceHash, AttemptId, DepositHash, FreezeHash, GoHash, NodeId, PublicKey, ReportHash, ResultHash,
    RosterHash, StartHash, WarrantHash,
};
use crate::params::{BLOCK, Deadlines};
use crate::roster::MAX_NODES;
use crate::time::Time;
use crate::transparency::HEAD_LEN;
use crate::warrant::SignedWarrant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The wire version this program speaks.
pub const WIRE_VERSION: u8 = 1;
/// The only cipher suite, FA1.
pub const SUITE: u8 = 1;
/// Longest recovery list: one seed a node, and the tag.
const MAX_RECOVERY: usize = MAX_NODES * 32 + 16;
/// Longest path in a tree over a deposit.
const MAX_PATH: usize = 12;

/// Set of nodes, by ascending id.
pub type Nodes = List<NodeId, MAX_NODES>;

/// Bytes and their author's signature over exactly these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed<const MAX: usize> {
    /// What was signed.
    pub body: Blob<MAX>,
    /// Ed25519, typed.
    pub signature: SignatureBytes,
}

impl<const MAX: usize> Sealed<MAX> {
    /// Encodes and signs `value`.
    ///
    /// # Errors
    /// When the encoding exceeds `MAX`.
    pub fn new<T: Serialize>(author: &Identity, what: Signed, value: &T) -> Result<Self, Malformed> {
        let body = encode(value)?;
        let signature = author.sign(what, &body);
        Ok(Sealed { body: Blob::new(body)?, signature })
    }
    /// The value, if `author` signed it as a message of this type.
    #[must_use]
    pub fn open<T: Serialize + DeserializeOwned>(&self, author: &impl Author, what: Signed) -> Option<T> {
        let signed = verify(author, what, &self.body, &self.signature);
        signed.then(|| decode(&self.body).ok()).flatten()
    }
}

/// Which sum of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pass {
    /// The figures themselves.
    Value,
    /// How many hospitals stand behind each of them; opened before them where there is a floor.
    Count,
}

/// The rounds, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the round of that name")]
pub enum Round {
    Channel,
    Deposit,
    Ready,
    Contribute,
    Confirm,
    Reveal,
    Result,
    Void,
}

/// A node's channel key for one incarnation (ANNOUNCE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.4")]
pub struct Announce {
    pub node: NodeId,
    pub roster: RosterHash,
    pub nonce: Bytes<32>,
    pub public: Bytes<PUBLIC_LEN>,
    pub not_after: Time,
}

/// Half of a channel key, from one announced key to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.4")]
pub struct Encapsulation {
    pub from: AnnounceHash,
    pub to: AnnounceHash,
    pub ciphertext: Bytes<CIPHERTEXT_LEN>,
}

/// Proof that one end holds the channel key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.4")]
pub struct ChannelConfirm {
    pub from: AnnounceHash,
    pub to: AnnounceHash,
    pub tag: Bytes<32>,
}

/// One invited node and its incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Invited {
    /// Who.
    pub node: NodeId,
    /// With which channel key.
    pub announce: AnnounceHash,
}

/// One survivor's signature over FREEZE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who.
    pub node: NodeId,
    /// Over [`Confirm`].
    pub signature: SignatureBytes,
}

/// The first certified session of this pass in the slot, or over the same extract before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.5")]
pub struct Bound {
    pub roster: RosterHash,
    pub sid: AttemptId,
    pub freeze: FreezeHash,
    pub survivors: Nodes,
    pub certificate: List<Confirmation, MAX_NODES>,
}

/// Longest set of figures that open: a bit for each.
pub const MAX_OPEN: usize = 1 << 18;

/// What a value pass stands on: the count pass that was opened, and the figures that open because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The count pass's survivors.
    pub freeze: FreezeHash,
    /// Its result.
    pub result: ResultHash,
    /// O: [`crate::query::Open`] as bytes.
    pub open: Blob<MAX_OPEN>,
}

/// The session header (HEADER); its hash is the AttemptId.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.5")]
pub struct Header {
    pub wire: u8,
    pub suite: u8,
    pub coordinator: PublicKey,
    pub warrant: WarrantHash,
    pub roster: RosterHash,
    pub lock: Text<32>,
    pub slot: u64,
    pub pass: Pass,
    pub attempt: u16,
    pub nonce: Bytes<32>,
    pub deadlines: Deadlines,
    pub invited: List<Invited, MAX_NODES>,
    pub bound: Option<Bound>,
    pub opening: Option<Opening>,
}

/// Longest encoded header.
pub const MAX_HEADER: usize = 1 << 19;

/// Row 0; rosters that a node lacks it asks for itself (`admission.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// [`Header`], signed by the coordinator.
    pub header: Sealed<MAX_HEADER>,
    /// The warrant.
    pub warrant: SignedWarrant,
}

/// What a dealer's deposit is rooted in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.5 (head_u)")]
pub struct DepositHead {
    pub sid: AttemptId,
    pub node: NodeId,
    pub nonce: Bytes<32>,
    pub leaves: Bytes<32>,
    pub z: Bytes<32>,
    pub contribution: Bytes<32>,
    /// Hash of the proofs of its ranges.
    pub ranges: Bytes<32>,
    pub ledger_seq: u64,
}

/// Commitments to one holder's shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.8")]
pub struct Leaf {
    pub r: Bytes<32>,
    pub b: Bytes<32>,
    pub g_r: Bytes<32>,
    pub g_b: Bytes<32>,
    pub key: Bytes<32>,
}

/// z_r and z_b at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.8")]
pub struct PublicAt {
    pub r: ScalarBytes,
    pub b: ScalarBytes,
}

/// Coefficients of z_r and z_b.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named in the specification, 1.8")]
pub struct Public {
    pub r: List<ScalarBytes, MAX_NODES>,
    pub b: List<ScalarBytes, MAX_NODES>,
}

/// Bytes of what is sealed for one holder: two shares, a head of the transparency log, the tag.
pub const SEALED_LEN: usize = 64 + HEAD_LEN + TAG_LEN;

/// What a dealer deposits for one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The holder.
    pub holder: NodeId,
    /// Sealed shares (f_r, f_b at the holder's position) and the head of the coordinator's log that the dealer
    /// keeps; empty in the dealer's own section.
    pub sealed: Blob<SEALED_LEN>,
    /// Commitments to them.
    pub leaf: Leaf,
    /// The public polynomials at the holder's position.
    pub z: PublicAt,
    /// Commitment to the pair's seed; zero where the channel is not confirmed, and in the own section.
    pub pair: Bytes<32>,
    /// Highest ledger_seq of the holder that the dealer has verified.
    pub seen_seq: u64,
}

/// Row 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// What the rest is rooted in.
    pub head: DepositHead,
    /// The public polynomials; the head holds their hash.
    pub z: Public,
    /// One for each invited node, in order.
    pub sections: List<Section, MAX_NODES>,
    /// The pair seeds, under a key from r.
    pub recovery: Blob<MAX_RECOVERY>,
    /// Where ranges are checked, the commitments to the contribution, whose root the head holds; else none.
    pub commitments: PerBlock,
    /// Proofs of the ranges that are checked; the head holds their hash.
    pub ranges: Proofs,
    /// Over the deposit's root.
    pub signature: SignatureBytes,
}

/// One member of the cohort and the root of its deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dealt {
    /// Who.
    pub node: NodeId,
    /// Root of its deposit.
    pub deposit: DepositHash,
}

/// The cohort, signed by the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartBody {
    /// The attempt.
    pub sid: AttemptId,
    /// U1.
    pub cohort: List<Dealt, MAX_NODES>,
}

/// Path in a Merkle tree.
pub type Path = List<Bytes<32>, MAX_PATH>;

/// What one holder needs of one dealer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "parts of Deposit and their paths")]
pub struct Dealer {
    pub head: DepositHead,
    pub head_path: Path,
    pub section: Section,
    pub section_path: Path,
    pub leaf_path: Path,
    pub signature: SignatureBytes,
}

/// Row 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// [`StartBody`].
    pub body: Sealed<65536>,
    /// In the cohort's order.
    pub dealers: List<Dealer, MAX_NODES>,
}

/// Row 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The attempt.
    pub sid: AttemptId,
    /// The START that is followed.
    pub start: StartHash,
    /// Dealers whose share could not be used.
    pub unusable: Nodes,
}

/// Longest encoded READY.
pub const MAX_READY: usize = 4096;

/// One member's READY as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyOf {
    /// Who.
    pub node: NodeId,
    /// [`Ready`].
    pub ready: Sealed<MAX_READY>,
}

/// Signed part of GO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoBody {
    /// The attempt.
    pub sid: AttemptId,
    /// Hash over START and every READY.
    pub go: GoHash,
}

/// Row 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go {
    /// [`GoBody`].
    pub body: Sealed<128>,
    /// READY of the whole cohort.
    pub readies: List<ReadyOf, MAX_NODES>,
}

/// What a contributor signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportBody {
    /// The attempt.
    pub sid: AttemptId,
    /// The GO under which it was masked; whoever follows another GO cannot verify the signature.
    pub go: GoHash,
    /// Hash of the report.
    pub report: ReportHash,
    /// The contributor's ledger after SPENT.
    pub ledger_seq: u64,
}

/// Most blocks that are committed to: those of 1,024 cells of the longest vector, and the checked cells.
pub const MAX_COMMITTED: usize = 1_954 + MAX_CHECKED;

/// One value for each block.
pub type PerBlock = List<Bytes<32>, MAX_COMMITTED>;

/// One proof of ranges for each piece of the blocks.
pub type Proofs = List<Blob<MAX_PROOF>, MAX_PROOFS>;

/// Row 5, before the blocks: the report's hash, signed, and what it is over besides the blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`ReportBody`].
    pub body: Sealed<128>,
    /// Root of the blocks.
    pub root: Bytes<32>,
    /// Masked blindings.
    pub blindings: PerBlock,
    /// Commitments to the contribution; their root was deposited.
    pub commitments: PerBlock,
}

/// Row 5: one 64 KiB block of a masked report, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportBlock {
    /// The attempt.
    pub sid: AttemptId,
    /// From 0.
    pub index: u32,
    /// 64 KiB, the last one less.
    pub bytes: Blob<BLOCK>,
}

/// One survivor and its signed report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "parts of Report")]
pub struct Counted {
    pub node: NodeId,
    pub report: ReportHash,
    pub ledger_seq: u64,
    pub signature: SignatureBytes,
}

/// Signed part of FREEZE, CERT and ASK-B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeBody {
    /// The attempt.
    pub sid: AttemptId,
    /// Hash over GO and the survivors.
    pub freeze: FreezeHash,
}

/// Row 6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// [`FreezeBody`].
    pub body: Sealed<128>,
    /// U2.
    pub survivors: List<Counted, MAX_NODES>,
}

/// What a survivor signs.
pub type Confirm = FreezeBody;

/// Row 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// [`FreezeBody`].
    pub body: Sealed<128>,
    /// At least q, by ascending id.
    pub confirmations: List<Confirmation, MAX_NODES>,
}

/// One share of one dealer's secret; prints without it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareOf {
    /// The dealer.
    pub dealer: NodeId,
    /// f_r or f_b at the sender's position.
    pub share: ScalarBytes,
}

impl core::fmt::Debug for ShareOf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ShareOf({})", self.dealer)
    }
}

/// Rows 9 and 11.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// The attempt.
    pub sid: AttemptId,
    /// The certified survivors.
    pub freeze: FreezeHash,
    /// By ascending dealer.
    pub shares: List<ShareOf, MAX_NODES>,
}

/// Why an attempt ended without a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// Fewer than q answered.
    TooFew,
    /// A deviation was proven.
    Fault,
    /// The next attempt goes on without this node.
    LeftOut,
    /// The total of this block is not what was committed to; by whose fault is not known.
    Uncommitted(u32),
}

/// The coordinator gives an attempt up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndBody {
    /// The attempt.
    pub sid: AttemptId,
    /// Why.
    pub reason: EndReason,
}

/// A node's word that the result is not what the signed messages give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmBody {
    /// The attempt.
    pub sid: AttemptId,
    /// The result that was shown.
    pub result: ResultHash,
}

/// Everything that may stand in a frame between a node and the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the message of that name")]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to or from a frame")]
pub enum Message {
    Announce(Sealed<2048>),
    Encapsulation(Sealed<2048>),
    ChannelConfirm(ChannelConfirm),
    Offer(Offer),
    /// Refused, or cannot: one code for both, details stay at the hospital.
    Refusal(AttemptId),
    Deposit(Deposit),
    Start(Start),
    Ready(Sealed<MAX_READY>),
    Go(Go),
    Report(Report),
    ReportBlock(ReportBlock),
    Freeze(Freeze),
    Confirm(Sealed<128>),
    Certificate(Certificate),
    RevealR(Reveal),
    AskB(Sealed<128>),
    RevealB(Reveal),
    Outcome(Outcome),
    OutcomeReport(OutcomeReport),
    OutcomeBlock(OutcomeBlock),
    Alarm(Sealed<128>),
    End(Sealed<128>),
    VoidAsk(Sealed<128>),
    Void(Sealed<128>),
    Voids(Voids),
    Answer(Sealed<128>),
}

impl Message {
    /// The frame: wire version, then the message.
    ///
    /// # Errors
    /// When it is longer than any message may be.
    pub fn to_frame(&self) -> Result<Vec<u8>, Malformed> {
        let mut frame = vec![WIRE_VERSION];
        frame.append(&mut encode(self)?);
        Ok(frame)
    }
    /// The message in a frame.
    ///
    /// # Errors
    /// When the version is unknown or the bytes are not exactly one message.
    pub fn from_frame(frame: &[u8]) -> Result<Self, Malformed> {
        match frame.split_first() {
            Some((&WIRE_VERSION, rest)) => decode(rest),
            Some((version, _)) => Err(Malformed::Unknown(u16::from(*version))),
            None => Err(Malformed::Shape),
        }
    }
}

/// True for a frame of the round channel, which belongs to no session.
#[must_use]
pub fn is_channel(frame: &[u8]) -> bool {
    matches!(
        Message::from_frame(frame),
        Ok(Message::Announce(_) | Message::Encapsulation(_) | Message::ChannelConfirm(_))
    )
}

/// True if ids ascend, each once.
#[must_use]
pub fn ascending<'a>(ids: impl Iterator<Item = &'a NodeId>) -> bool {
    ids.is_sorted_by(|a, b| a < b)
}
