//! The result bundle: the signed messages of one session, and their verification by anyone, off-line.
//!
//! A bundle is the transcript: rosters from the founding one, header and warrant, deposits, START, READY,
//! GO, reports, FREEZE, CERT and RESULT as they were signed. Nothing else stands in it, so nothing in it is
//! unsigned. Profile V0: whoever verifies recomputes the total from the reports. Only sums come out; the
//! reports stay masked for ever.

use crate::codec::{Blob, Bytes, List, Text};
use crate::crypto::keys::{Signed, verify};
use crate::crypto::sharing::Polynomial;
use crate::error::{Check, Fault};
use crate::ids::{DepositHash, GoHash, NodeId, ResultHash, RosterHash};
use crate::io::Sum;
use crate::message::{
    Certificate, Counted, Deposit, FreezeBody, GoBody, MAX_HEADER, ReadyOf, Report, ResultBody, Sealed,
    StartBody, ascending,
};
use crate::message::{Header, Message, Opened, Outcome, Round};
use crate::params::BLOCK;
use crate::roster::{MAX_NODES, Roster, SignedRoster};
use crate::rounds::contribute::{Adder, Upload};
use crate::rounds::offer::Facts;
use crate::rounds::ready::{Sections, read_ready};
use crate::rounds::result::{Secrets, polynomial, unmask};
use crate::rounds::reveal::{Which, committed, is_dealt, recover};
use crate::rounds::{
    certificate_hash, confirm, deposit, freeze_hash, go_hash, pairs, result_hash, start_hash, total_root,
};
use crate::time::Time;
use crate::warrant::SignedWarrant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First field of every bundle.
pub const FORMAT: &str = "samensom bundle 1";

/// One survivor's report: the signed head and the packed, masked vector in blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledReport {
    /// Whose.
    pub node: NodeId,
    /// The head as it came.
    pub head: Report,
    /// 64 KiB each, the last one less.
    pub blocks: List<Blob<BLOCK>, 1024>,
}

/// The transcript of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the message of that name")]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: Text<32>,
    pub rosters: List<SignedRoster, 4096>,
    pub header: Sealed<MAX_HEADER>,
    pub warrant: SignedWarrant,
    pub deposits: List<Deposit, MAX_NODES>,
    pub start: Sealed<65536>,
    pub readies: List<ReadyOf, MAX_NODES>,
    pub go: Sealed<128>,
    pub reports: List<BundledReport, MAX_NODES>,
    pub freeze: Sealed<128>,
    pub certificate: Certificate,
    pub outcome: Outcome,
}

/// What a verified bundle says.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The first roster: what the reader compares with the fingerprint it was told.
    pub founding: RosterHash,
    /// Header, roster and warrant of the attempt.
    pub facts: Facts,
    /// Whose figures are in the sum.
    pub survivors: Vec<NodeId>,
    /// Members of the cohort whose figures are not.
    pub dropped: Vec<NodeId>,
    /// One integer a cell, offsets still on.
    pub lanes: Vec<u64>,
    /// Hash of the result.
    pub result: ResultHash,
    /// When it was opened, by the coordinator's clock.
    pub at: Time,
}

impl Verified {
    /// Totals in base units of each measure, by cell.
    #[must_use]
    pub fn totals(&self) -> Vec<i128> {
        let layout = self.facts.warrant.query().layout();
        let survivors = u16::try_from(self.survivors.len()).unwrap_or(u16::MAX);
        let total = |(cell, lane): (u32, &u64)| crate::ring::total(*lane, survivors, layout.bounds(cell).0);
        (0u32..).zip(&self.lanes).map(total).collect()
    }
    /// The national table; figures below the floor of the survivors are suppressed.
    #[must_use]
    pub fn table(&self) -> Vec<crate::query::Row> {
        let floor = self.facts.warrant.floor(&self.facts.roster, &self.survivors);
        crate::query::table_with_floor(self.facts.warrant.query(), &self.totals(), floor)
    }
}

impl Bundle {
    /// Verifies every signature and recomputes the total.
    ///
    /// # Errors
    /// The first check that fails; the bundle is then worth nothing.
    pub fn verify(&self) -> Result<Verified, Fault> {
        let a01 = |held: bool, what: &'static str| Fault::unless(held, Check::A01, what);
        a01(&*self.format == FORMAT, "not a bundle of this format")?;
        let (founding, roster) = self.chain()?;
        let header: Header = crate::codec::decode(&self.header.body)?;
        let by_coordinator =
            verify(&header.coordinator, Signed::Header, &self.header.body, &self.header.signature);
        a01(by_coordinator, "the header is not signed by the coordinator it names")?;
        let body: Option<ResultBody> = self.outcome.body.open(&header.coordinator, Signed::Result);
        let body = body.ok_or(Fault::new(Check::A01, "RESULT is not signed by the coordinator"))?;
        let warrant = Arc::new(self.warrant.verify(&roster, body.at)?);
        let facts = Facts::new(&self.header.body, Arc::new(roster), warrant)?;
        let cohort = self.cohort(&facts)?;
        let go = self.go(&facts, &cohort)?;
        let (survivors, lanes) = self.reports(&facts, &go, &cohort)?;
        let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
        let certificate = self.certificate(&facts, &go, &survivors, &nodes)?;
        let dropped: Vec<NodeId> = cohort.keys().copied().filter(|node| !nodes.contains(node)).collect();
        let opening = Opening { bundle: self, facts: &facts, go: &go };
        let lanes = opening.open(&body, &nodes, certificate, lanes)?;
        Ok(Verified { founding, survivors: nodes, dropped, lanes, result: body.result, at: body.at, facts })
    }

    /// A01: the chain of rosters, from the founding one to the header's.
    fn chain(&self) -> Result<(RosterHash, Roster), Fault> {
        let broken = |_| Fault::new(Check::A01, "the chain of rosters is broken");
        let (first, rest) =
            self.rosters.split_first().ok_or(Fault::new(Check::A01, "the bundle holds no roster"))?;
        let mut roster = Roster::founding(first).map_err(broken)?;
        let founding = roster.hash();
        for signed in rest {
            roster = roster.next(signed).map_err(broken)?;
        }
        Ok((founding, roster))
    }

    /// A08, A09: START, and a deposit of every member of the cohort, every pair matching.
    fn cohort(&self, facts: &Facts) -> Result<BTreeMap<NodeId, DepositHash>, Fault> {
        let start: Option<StartBody> = self.start.open(&facts.header.coordinator, Signed::Start);
        let start = start.filter(|start| start.sid == facts.sid);
        let start = start.ok_or(Fault::new(Check::A01, "START is not signed for this attempt"))?;
        let a08 = |held: bool, what: &'static str| Fault::unless(held, Check::A08, what);
        a08(ascending(start.cohort.iter().map(|dealt| &dealt.node)), "cohort ids do not ascend")?;
        a08(start.cohort.len() >= usize::from(facts.params().thresholds.quorum), "the cohort is below q")?;
        let whole = start.cohort.len() == facts.header.invited.len();
        a08(
            facts.header.bound.is_none() || whole,
            "the slot is bound and the cohort is not everyone invited",
        )?;
        a08(start.cohort.len() == self.deposits.len(), "not one deposit for each member of the cohort")?;
        let mut deposits = BTreeMap::new();
        for (dealt, deposit) in start.cohort.iter().zip(self.deposits.iter()) {
            a08(facts.position(dealt.node).is_some(), "a cohort member was not invited")?;
            let hash = deposit::read(deposit, facts, dealt.node)?;
            a08(hash == dealt.deposit, "START names another deposit")?;
            deposits.insert(dealt.node, deposit.clone());
        }
        Fault::unless(
            pairs::bad(&deposits).is_empty(),
            Check::A09,
            "a pair in the cohort does not share its seed",
        )?;
        Ok(start.cohort.iter().map(|dealt| (dealt.node, dealt.deposit)).collect())
    }

    /// A19: READY of the whole cohort.
    fn go(&self, facts: &Facts, cohort: &BTreeMap<NodeId, DepositHash>) -> Result<GoHash, Fault> {
        let a19 = |held: bool, what: &'static str| Fault::unless(held, Check::A19, what);
        let dealt: Vec<_> = cohort
            .iter()
            .map(|(node, deposit)| crate::message::Dealt { node: *node, deposit: *deposit })
            .collect();
        let start = start_hash(&facts.sid, &dealt);
        a19(self.readies.iter().map(|one| &one.node).eq(cohort.keys()), "not READY of the whole cohort")?;
        for one in self.readies.iter() {
            read_ready(&one.ready, facts, &start, one.node)?;
        }
        let hash = go_hash(&start, &self.readies)?;
        let body: Option<GoBody> = self.go.open(&facts.header.coordinator, Signed::Go);
        a19(
            body.is_some_and(|body| body.sid == facts.sid && body.go == hash),
            "GO is not signed over these READY",
        )?;
        Ok(hash)
    }

    /// A12, A20: every survivor's report as signed, and their sum, still masked.
    fn reports(
        &self,
        facts: &Facts,
        go: &GoHash,
        cohort: &BTreeMap<NodeId, DepositHash>,
    ) -> Result<(Vec<Counted>, Vec<u64>), Fault> {
        let a12 = |held: bool, what: &'static str| Fault::unless(held, Check::A12, what);
        a12(ascending(self.reports.iter().map(|one| &one.node)), "survivor ids do not ascend")?;
        a12(
            self.reports.len() >= usize::from(facts.params().thresholds.quorum),
            "the survivors are below q",
        )?;
        let (params, mut survivors) = (facts.params(), Vec::new());
        let mut adder = Adder::new(params.cells, params.width);
        for one in self.reports.iter() {
            a12(cohort.contains_key(&one.node), "a survivor is not in the cohort")?;
            let mut upload = Upload::open(one.head.clone(), facts, go, one.node)?;
            let (mut last, mut whole) = (false, false);
            for (index, block) in (0u32..).zip(one.blocks.iter()) {
                last = upload.block(index, block, facts, one.node)?;
                whole = adder.add(index, block);
            }
            Fault::unless(last && whole, Check::A20, "a report is not whole")?;
            let (head, signature) = (upload.head, one.head.body.signature);
            let (report, ledger_seq) = (head.report, head.ledger_seq);
            survivors.push(Counted { node: one.node, report, ledger_seq, signature });
        }
        Ok((survivors, adder.into_lanes()))
    }

    /// A14, A16: FREEZE and the certificate over exactly these survivors.
    fn certificate(
        &self,
        facts: &Facts,
        go: &GoHash,
        survivors: &[Counted],
        nodes: &[NodeId],
    ) -> Result<[u8; 32], Fault> {
        let freeze = freeze_hash(go, survivors);
        let bound = facts.header.bound.is_some();
        let equal = nodes.len() == facts.header.invited.len();
        Fault::unless(!bound || equal, Check::A14, "the slot is bound to other survivors")?;
        let by = &facts.header.coordinator;
        let is = |body: FreezeBody| body.sid == facts.sid && body.freeze == freeze;
        let frozen: Option<FreezeBody> = self.freeze.open(by, Signed::Freeze);
        let certified: Option<FreezeBody> = self.certificate.body.open(by, Signed::Certificate);
        Fault::unless(
            frozen.is_some_and(is) && certified.is_some_and(is),
            Check::A16,
            "FREEZE or CERT is not signed over these survivors",
        )?;
        confirm::bound(facts, &freeze, nodes, &self.certificate.confirmations)?;
        Ok(certificate_hash(&freeze, &self.certificate.confirmations))
    }
}

struct Opening<'a> {
    bundle: &'a Bundle,
    facts: &'a Facts,
    go: &'a GoHash,
}

impl Opening<'_> {
    /// A18: the opened secrets are those that were dealt, and the total is what the reports give.
    fn open(
        &self,
        body: &ResultBody,
        nodes: &[NodeId],
        certificate: [u8; 32],
        mut lanes: Vec<u64>,
    ) -> Result<Vec<u64>, Fault> {
        let a18 = |held: bool, what: &'static str| Fault::unless(held, Check::A18, what);
        let (facts, opened) = (self.facts, &self.bundle.outcome.opened);
        a18(opened.len() == self.bundle.deposits.len(), "RESULT does not open the whole cohort")?;
        let sections = Sections::new(self.bundle.deposits.iter())?;
        let mut secrets = Secrets::default();
        for (one, deposit) in opened.iter().zip(self.bundle.deposits.iter()) {
            a18(one.dealer == deposit.head.node, "RESULT does not open the whole cohort")?;
            let f = polynomial(one, facts.params().thresholds.shares)?;
            let survived = nodes.contains(&one.dealer);
            let which = if survived { Which::B } else { Which::R };
            a18(is_dealt(which, &f, deposit, facts), "an opened secret is not the one that was dealt")?;
            if survived {
                a18(
                    one.recovery.is_empty() && one.recovery_path.is_empty(),
                    "a survivor's recovery list was opened",
                )?;
                secrets.b.insert(one.dealer, f.at_zero());
                continue;
            }
            let path = sections.recovery_path(one.dealer);
            let deposited = one.recovery == deposit.recovery && Some(&one.recovery_path) == path.as_ref();
            a18(deposited, "a recovery list is not the deposited one")?;
            secrets.pairs.insert(one.dealer, self.seeds(one, deposit, &f)?);
        }
        unmask(&mut lanes, facts, self.go, nodes, &secrets)?;
        let total = total_root(&lanes);
        let result = result_hash(&certificate, &total, opened)?;
        let signed = body.sid == facts.sid
            && body.freeze == self.freeze()
            && body.total == Bytes(total)
            && body.result == result;
        a18(signed, "the total is not what the signed reports give")?;
        Ok(lanes)
    }

    fn freeze(&self) -> crate::ids::FreezeHash {
        let body: Option<FreezeBody> = crate::codec::decode(&self.bundle.freeze.body).ok();
        body.map_or(crate::ids::FreezeHash([0; 32]), |body| body.freeze)
    }

    fn seeds(
        &self,
        one: &Opened,
        deposit: &Deposit,
        f: &Polynomial,
    ) -> Result<BTreeMap<NodeId, crate::secret::Key>, Fault> {
        let expected = |holder| committed(deposit, holder);
        recover(&f.at_zero(), &one.recovery, self.facts, one.dealer, expected)
    }
}

/// Puts a bundle together from what the coordinator wrote down of a finished session: its own messages by
/// round, the nodes' messages by round, and the spooled reports.
///
/// # Errors
/// A01 when a message is missing or not of its round: a defect of the store, not of a peer.
pub fn assemble(
    rosters: &[SignedRoster],
    sent: &dyn Fn(Round) -> Vec<u8>,
    received: &mut dyn FnMut(Round) -> Vec<(NodeId, Message)>,
    blocks: &mut dyn FnMut(NodeId) -> Vec<Vec<u8>>,
    sum: &Sum,
) -> Result<Bundle, Fault> {
    let missing = || Fault::new(Check::A01, "a message of the finished session is missing");
    let (Message::Offer(offer), Message::Go(go), Message::Freeze(freeze), Message::Certificate(certificate)) = (
        Message::from_frame(&sent(Round::Deposit))?,
        Message::from_frame(&sent(Round::Contribute))?,
        Message::from_frame(&sent(Round::Confirm))?,
        Message::from_frame(&sent(Round::Reveal))?,
    ) else {
        return Err(missing());
    };
    let Message::Start(start) = Message::from_frame(&sent(Round::Ready))? else { return Err(missing()) };
    let cohort: Vec<NodeId> = go.readies.iter().map(|one| one.node).collect();
    let mut deposits: BTreeMap<NodeId, Deposit> = BTreeMap::new();
    for (node, message) in received(Round::Deposit) {
        if let (Message::Deposit(deposit), true) = (message, cohort.contains(&node)) {
            deposits.insert(node, deposit);
        }
    }
    let mut heads: BTreeMap<NodeId, Report> = BTreeMap::new();
    for (node, message) in received(Round::Contribute) {
        if let (Message::Report(report), true) = (message, sum.survivors.contains(&node)) {
            heads.insert(node, report);
        }
    }
    let mut reports = Vec::new();
    for (node, head) in heads {
        let packed: Result<Vec<Blob<BLOCK>>, _> = blocks(node).into_iter().map(Blob::new).collect();
        reports.push(BundledReport { node, head, blocks: List::new(packed?)? });
    }
    Ok(Bundle {
        format: Text::new(FORMAT)?,
        rosters: List::new(rosters.to_vec())?,
        header: offer.header,
        warrant: offer.warrant,
        deposits: List::new(deposits.into_values().collect())?,
        start: start.body,
        readies: go.readies,
        go: go.body,
        reports: List::new(reports)?,
        freeze: freeze.body,
        certificate,
        outcome: sum.outcome.clone(),
    })
}

#[cfg(test)]
pub(crate) mod tests;
