//! Round contribute: GO fixes every mask; each node masks its vector once and signs the report.
//!
//! Owns check A19, the masking, the report's blocks, and the coordinator's receipt of them. A report is
//! never whole in the coordinator's memory.

use super::committed::{Carried, committed};
use super::deposit::Kept;
use super::offer::Facts;
use super::ready::{Cohort, mask_seed, self_seed};
use super::{go_hash, report_hash};
use crate::ablation::ablated;
use crate::codec::{Blob, Bytes};
use crate::crypto::commit;
use crate::crypto::keys::{Identity, Signed};
use crate::crypto::mask::{Mask, Sign, apply, blind};
use crate::crypto::sharing::scalar_bytes;
use crate::error::{Check, Fault};
use crate::ids::{ExtractHash, GoHash, NodeId, PublicKey, ReportHash};
use crate::io::Record;
use crate::ledger::LedgerView;
use crate::message::{Committed, Go, GoBody, PerBlock, Ready, Report, ReportBlock, ReportBody, Sealed};
use crate::params::BLOCK;
use crate::query::{Open, Shape};
use crate::ring::{self, Contribution, Unpacker};
use curve25519_dalek::Scalar;

/// The sign of a pair's mask in `node`'s report: plus towards higher ids.
#[must_use]
pub fn pair_sign(node: NodeId, other: NodeId) -> Sign {
    if node < other || ablated!("mask-sign") { Sign::Plus } else { Sign::Minus }
}

/// Opens GO's signed part.
///
/// # Errors
/// A01 when it is not the coordinator's for this attempt.
pub fn open_go(go: &Go, facts: &Facts, coordinator: &PublicKey) -> Result<GoBody, Fault> {
    let body: Option<GoBody> = go.body.open(coordinator, Signed::Go);
    body.filter(|body| body.sid == facts.sid)
        .ok_or(Fault::new(Check::A01, "GO is not signed for this attempt"))
}

/// A19: READY of all of U1, each over the START this node follows.
///
/// # Errors
/// A19.
pub fn check(go: &Go, body: &GoBody, facts: &Facts, cohort: &Cohort) -> Result<GoHash, Fault> {
    let a19 = |held: bool, what: &'static str| Fault::unless(held, Check::A19, what);
    let given = go.readies.iter().map(|one| one.node);
    let anyone = ablated!("a19-ready-of-all", "a19-alone", "a19-a20-alone");
    a19(given.eq(cohort.members()) || anyone, "GO does not hold READY of the whole cohort")?;
    for one in go.readies.iter() {
        let ready: Option<Ready> = facts.key(one.node).and_then(|key| one.ready.open(key, Signed::Ready));
        let any = ablated!("a20-con-sigs");
        let same = ready.is_some_and(|ready| ready.sid == facts.sid && (ready.start == cohort.start || any));
        a19(same, "a READY in GO is not signed, or follows another START")?;
    }
    let hash = go_hash(&cohort.start, &go.readies)?;
    a19(hash == body.go, "GO's hash is not that of its READY messages")?;
    Ok(hash)
}

/// A masked report: its signed head and its packed bytes.
#[derive(Debug)]
pub struct Masked {
    /// Hash of the report.
    pub report: ReportHash,
    /// Frames in order: head, blocks.
    pub frames: Vec<Vec<u8>>,
}

/// y_u = x_u + M(beta_u) +- M(s_uv), modulo 2^w, packed and signed; and in the same way each block's blinding,
/// modulo ell.
///
/// # Errors
/// A19 when a pair of the cohort has no seed here (the check of START excludes it).
pub fn mask(
    facts: &Facts,
    go: &GoHash,
    contribution: &Contribution,
    cohort: &Cohort,
    kept: &Kept,
    (me, identity, ledger_seq): (NodeId, &Identity, u64),
) -> Result<Masked, Fault> {
    let mut lanes = zeroize::Zeroizing::new(contribution.lanes().expose().clone());
    let mut blindings = zeroize::Zeroizing::new(kept.blindings.expose().clone());
    let mut seeds = vec![(self_seed(kept.b.expose(), go, me), Sign::Plus)];
    if ablated!("leak-no-own-mask") {
        seeds.clear();
    }
    for other in cohort.members().filter(|other| *other != me) {
        if ablated!("a09-non-zero") && !kept.pairs.contains_key(&other) {
            continue;
        }
        let seed =
            kept.pairs.get(&other).ok_or(Fault::new(Check::A19, "a pair of the cohort has no seed"))?;
        seeds.push((mask_seed(seed.expose(), go), pair_sign(me, other)));
    }
    if ablated!("leak-pair-mask-missing") {
        seeds.pop();
    }
    let mut masks: Vec<Mask> = seeds.iter().map(|(seed, sign)| Mask::new(seed.expose(), *sign)).collect();
    apply(&mut lanes, &mut masks);
    let masked = !ablated!("bare-blindings");
    seeds.iter().filter(|_| masked).for_each(|(seed, sign)| blind(&mut blindings, seed.expose(), *sign));
    if ablated!("length-of-figures") && contribution.lanes().expose().iter().all(|lane| *lane == 0) {
        lanes.clear();
    }
    frames(facts, go, (&lanes, &blindings, kept), (me, identity, ledger_seq))
}

/// The report of masked values, as it is sent.
fn frames(
    facts: &Facts,
    go: &GoHash,
    (lanes, blindings, kept): (&[u64], &[Scalar], &Kept),
    (me, identity, ledger_seq): (NodeId, &Identity, u64),
) -> Result<Masked, Fault> {
    let params = facts.params();
    let packed = ring::pack(lanes, params.width);
    let blocks: Vec<[u8; 32]> = packed.chunks(BLOCK).map(commit::leaf).collect();
    let mut head = Report {
        body: Sealed { body: Blob::default(), signature: Bytes([0; 64]) },
        root: Bytes(commit::root(&blocks)),
        blindings: PerBlock::new(blindings.iter().map(scalar_bytes).collect())?,
        commitments: kept.commitments.clone(),
    };
    let report = report_hash(go, me, params.width, params.cells, &committed(&head));
    let body = ReportBody { sid: facts.sid, go: *go, report, ledger_seq };
    head.body = Sealed::new(identity, Signed::Report, &body)?;
    let mut frames = vec![crate::message::Message::Report(head).to_frame()?];
    for (index, block) in (0u32..).zip(packed.chunks(BLOCK)) {
        let block = ReportBlock { sid: facts.sid, index, bytes: Blob::new(block.to_vec())? };
        frames.push(crate::message::Message::ReportBlock(block).to_frame()?);
    }
    Ok(Masked { report, frames })
}

/// The coordinator's receipt of one report, and an auditor's: blocks in order, then the hash.
#[derive(Debug)]
pub struct Upload {
    /// The signed head.
    pub head: ReportBody,
    /// The head as it came.
    pub sealed: Sealed<128>,
    /// What came with it.
    pub carried: Carried,
    leaves: Vec<[u8; 32]>,
}

impl Upload {
    /// Reads the head; `deposited` is the root of its sender's commitments.
    ///
    /// # Errors
    /// A20, A25, naming the sender.
    pub fn open(
        report: Report,
        facts: &Facts,
        go: &GoHash,
        (from, deposited): (NodeId, &Bytes<32>),
    ) -> Result<Self, Fault> {
        let head = signed(&report.body, &committed(&report), facts, (go, from))?;
        let carried = Carried::read(&report, deposited, facts, from)?;
        Ok(Upload { head, sealed: report.body, carried, leaves: Vec::new() })
    }

    /// Takes the next block; true when it was the last and the whole is what was signed.
    ///
    /// # Errors
    /// A20, naming the sender, when a block is out of order, of a wrong length, or the hash differs.
    pub fn block(&mut self, index: u32, bytes: &[u8], facts: &Facts, from: NodeId) -> Result<bool, Fault> {
        let wrong = |what: &'static str| Fault::of(Check::A20, what, vec![from]);
        let params = facts.params();
        let next = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
        if index != next || index >= params.blocks() {
            return Err(wrong("a block out of order"));
        }
        let before = self.leaves.len().saturating_mul(BLOCK);
        let expected = params.report_len().saturating_sub(before).min(BLOCK);
        if bytes.len() != expected {
            return Err(wrong("a block of a wrong length"));
        }
        self.leaves.push(commit::leaf(bytes));
        if self.leaves.len() < usize::try_from(params.blocks()).unwrap_or(usize::MAX) {
            return Ok(false);
        }
        if commit::root(&self.leaves) != self.carried.committed.root.0 {
            return Err(wrong("a report is not what its hash says"));
        }
        Ok(true)
    }
}

/// A20: a report's body, if it is its contributor's under this GO and over exactly what is committed.
///
/// # Errors
/// A20, naming the contributor.
pub fn signed(
    body: &Sealed<128>,
    committed: &Committed,
    facts: &Facts,
    (go, from): (&GoHash, NodeId),
) -> Result<ReportBody, Fault> {
    let wrong = |what: &'static str| Fault::of(Check::A20, what, vec![from]);
    let head: Option<ReportBody> = facts.key(from).and_then(|key| body.open(key, Signed::Report));
    let head = head.filter(|head| head.sid == facts.sid && head.go == *go);
    let head = head.ok_or(wrong("a report is not signed under this GO"))?;
    let params = facts.params();
    let hash = report_hash(go, from, params.width, params.cells, committed);
    if hash == head.report { Ok(head) } else { Err(wrong("a report is not what its hash says")) }
}

/// The running sum of checked reports.
#[derive(Debug)]
pub struct Adder {
    lanes: Vec<u64>,
    width: u8,
    open: Option<Unpacker>,
}

impl Adder {
    /// An empty sum.
    #[must_use]
    pub fn new(cells: u32, width: u8) -> Self {
        Adder { lanes: vec![0; usize::try_from(cells).unwrap_or(0)], width, open: None }
    }
    /// Adds the next block of a report; the first of each has index 0. True when the report is whole.
    pub fn add(&mut self, index: u32, bytes: &[u8]) -> bool {
        let mut unpacker = match self.open.take() {
            Some(unpacker) if index > 0 => unpacker,
            _ => Unpacker::new(self.width),
        };
        unpacker.add(bytes, &mut self.lanes);
        let whole = unpacker.is_whole(&self.lanes);
        if !whole {
            self.open = Some(unpacker);
        }
        whole
    }
    /// The sum's lanes, modulo 2^64.
    #[must_use]
    pub fn into_lanes(self) -> Vec<u64> {
        self.lanes
    }
}

/// What a node writes down before its report leaves.
#[must_use]
pub fn spent(facts: &Facts, extract: ExtractHash, view: &LedgerView) -> Record {
    let header = &facts.header;
    let told = |shape: &Shape| view.shape(&header.warrant) == Some(shape);
    Record::Spent {
        lock: header.lock.clone(),
        slot: header.slot,
        extract,
        pass: header.pass,
        sid: facts.sid,
        session: facts.session,
        warrant: header.warrant,
        roster: header.roster,
        shape: facts.shape().filter(|shape| !told(shape)).map(Box::new),
        // A checked query has one.
        family: facts.warrant.query().family().ok(),
        open: facts.open.as_deref().map(Open::to_bytes),
    }
}
