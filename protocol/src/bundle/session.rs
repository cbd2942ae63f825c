//! One session of a bundle: its signed messages, and what everyone can check of its total.

use super::{BundledDeposit, BundledReport, BundledSession, Verified};
use crate::codec::{Blob, Bytes, List};
use crate::crypto::commit::root_from_path;
use crate::crypto::keys::{Signed, verify};
use crate::crypto::ranges::{Given, Statement};
use crate::error::{Check, Fault};
use crate::ids::{DepositHash, GoHash, NodeId, RosterHash};
use crate::message::{
    Counted, Deposit, FreezeBody, GoBody, Header, Message, Pass, Report, ResultBody, Round, StartBody,
    ascending,
};
use crate::params::BLOCK;
use crate::ring::Unpacker;
use crate::roster::Roster;
use crate::rounds::committed::{Contributed, check_proofs, check_total, committed, proofs_hash};
use crate::rounds::contribute::signed;
use crate::rounds::offer::Facts;
use crate::rounds::ready::{Sections, read_ready};
use crate::rounds::{
    certificate_hash, confirm, freeze_hash, go_hash, leaf_of, opened_hash, result_hash, start_hash,
    total_root,
};
use crate::warrant::SignedWarrant;
use rand_core::CryptoRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The cohort's deposits.
type Deposited = BTreeMap<NodeId, Rooted>;

/// What one deposit is the root of.
struct Rooted {
    deposit: DepositHash,
    contribution: Bytes<32>,
    ranges: Bytes<32>,
}

/// What a session's messages say, as far as it does not rest on those of another pass.
#[derive(Debug)]
pub struct Read {
    facts: Facts,
    body: ResultBody,
    followed: Result<Followed, Fault>,
}

/// What follows from a header in one session.
#[derive(Debug)]
struct Followed {
    survivors: Vec<NodeId>,
    dropped: Vec<NodeId>,
    lanes: Vec<u64>,
}

impl BundledSession {
    /// Verifies every signature and every block of the total, without what rests on a count pass.
    pub(super) fn read(
        &self,
        roster: &Arc<Roster>,
        warrant: &SignedWarrant,
        rng: &mut impl CryptoRng,
    ) -> Result<Read, Fault> {
        let a01 = |held: bool, what: &'static str| Fault::unless(held, Check::A01, what);
        let header: Header = crate::codec::decode(&self.header.body)?;
        let by_coordinator =
            verify(&header.coordinator, Signed::Header, &self.header.body, &self.header.signature);
        a01(by_coordinator, "the header is not signed by the coordinator it names")?;
        let body: Option<ResultBody> = self.result.open(&header.coordinator, Signed::Result);
        let body = body.ok_or(Fault::new(Check::A01, "RESULT is not signed by the coordinator"))?;
        let warrant = Arc::new(warrant.verify(roster, body.at)?);
        let facts = Facts::new(&self.header.body, Arc::clone(roster), warrant)?;
        let followed = self.follow(&facts, &body, rng);
        Ok(Read { facts, body, followed })
    }

    fn follow(&self, facts: &Facts, body: &ResultBody, rng: &mut impl CryptoRng) -> Result<Followed, Fault> {
        let cohort = self.cohort(facts)?;
        let go = self.go(facts, &cohort)?;
        let (survivors, contributed) = self.reports(facts, &go, &cohort)?;
        let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
        facts.has_whole_classes(&cohort.keys().copied().collect::<Vec<_>>())?;
        let certificate = self.certificate(facts, &go, &survivors, &nodes)?;
        let dropped: Vec<NodeId> = cohort.keys().copied().filter(|node| !nodes.contains(node)).collect();
        let lanes = self.lanes(facts)?;
        let total = total_root(&lanes);
        let result = result_hash(&certificate, &total, &self.blindings, &self.opened.0);
        let signed = body.sid == facts.sid
            && body.freeze == freeze_hash(&go, &survivors)
            && body.total == Bytes(total)
            && body.result == result;
        Fault::unless(signed, Check::A18, "the total is not the one that was signed")?;
        check_total(&contributed, &lanes, &self.blindings, rng)?;
        let closed = (0u32..).zip(&lanes).filter(|(cell, _)| !facts.may_hold(*cell));
        let empty = closed.fold(0, |all, (_, lane)| all | lane) == 0;
        Fault::unless(empty, Check::A23, "a figure that stays closed is not 0")?;
        Ok(Followed { survivors: nodes, dropped, lanes })
    }

    /// A08, A09: START, and the signed deposit of every member of the cohort, as far as its head.
    fn cohort(&self, facts: &Facts) -> Result<Deposited, Fault> {
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
            let node = dealt.node;
            a08(facts.position(node).is_some(), "a cohort member was not invited")?;
            check_deposit(deposit, facts, (node, &dealt.deposit))?;
            let (contribution, ranges) = (deposit.head.contribution, deposit.head.ranges);
            deposits.insert(node, Rooted { deposit: dealt.deposit, contribution, ranges });
        }
        Ok(deposits)
    }

    /// A19: READY of the whole cohort.
    fn go(&self, facts: &Facts, cohort: &Deposited) -> Result<GoHash, Fault> {
        let a19 = |held: bool, what: &'static str| Fault::unless(held, Check::A19, what);
        let dealt: Vec<_> = cohort
            .iter()
            .map(|(node, of)| crate::message::Dealt { node: *node, deposit: of.deposit })
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

    /// A12, A20, A25, A27: every survivor's report as signed, its ranges, and the sums of what was committed to.
    fn reports(
        &self,
        facts: &Facts,
        go: &GoHash,
        cohort: &Deposited,
    ) -> Result<(Vec<Counted>, Contributed), Fault> {
        let a12 = |held: bool, what: &'static str| Fault::unless(held, Check::A12, what);
        a12(ascending(self.reports.iter().map(|one| &one.node)), "survivor ids do not ascend")?;
        a12(
            self.reports.len() >= usize::from(facts.params().thresholds.quorum),
            "the survivors are below q",
        )?;
        let (mut survivors, mut contributed, mut given) = (Vec::new(), Contributed::new(facts), Vec::new());
        for BundledReport { node, body, committed, ranges } in self.reports.iter() {
            let stranger = Fault::new(Check::A12, "a survivor is not in the cohort");
            let rooted = cohort.get(node).ok_or(stranger)?;
            let head = signed(body, committed, facts, (go, *node))?;
            contributed.add(committed, &rooted.contribution, *node)?;
            let deposited = proofs_hash(ranges)? == rooted.ranges.0;
            Fault::unless(deposited, Check::A27, "proofs of ranges are not those that were deposited")?;
            let of = Statement { sid: &facts.sid, node: *node, root: &rooted.contribution.0 };
            given.push(Given { of, commitments: &committed.commitments, proofs: ranges });
            let (report, ledger_seq, signature) = (head.report, head.ledger_seq, body.signature);
            survivors.push(Counted { node: *node, report, ledger_seq, signature });
        }
        check_proofs(facts, &given)?;
        Ok((survivors, contributed))
    }

    /// A18: the total's lanes, below 2^w each, as no other bytes would give them.
    fn lanes(&self, facts: &Facts) -> Result<Vec<u64>, Fault> {
        let params = facts.params();
        let mut lanes = vec![0; usize::try_from(params.cells).unwrap_or(0)];
        let (mut unpacker, mut left) = (Unpacker::new(params.width), params.report_len());
        let mut right = true;
        for block in self.total.iter() {
            right &= block.len() == left.min(BLOCK) && !block.is_empty();
            left = left.saturating_sub(block.len());
            unpacker.add(block, &mut lanes);
        }
        let whole = right && left == 0 && unpacker.is_whole(&lanes);
        Fault::unless(whole, Check::A18, "the total is not whole")?;
        Ok(lanes)
    }

    /// A16: FREEZE and the certificate over exactly these survivors.
    fn certificate(
        &self,
        facts: &Facts,
        go: &GoHash,
        survivors: &[Counted],
        nodes: &[NodeId],
    ) -> Result<[u8; 32], Fault> {
        let freeze = freeze_hash(go, survivors);
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

impl Read {
    /// What the session says, standing on the count pass that was verified before, if there is one.
    pub(super) fn verified(self, founding: RosterHash, count: Option<&Verified>) -> Result<Verified, Fault> {
        let facts = stands_on(self.facts, count)?;
        let Followed { survivors, dropped, lanes } = self.followed?;
        confirm::check_survivors(&survivors, &facts)?;
        let ResultBody { freeze, result, at, .. } = self.body;
        Ok(Verified { founding, survivors, dropped, lanes, freeze, result, at, facts, count: None })
    }
}

/// A03, A22, A23: a value pass stands on the count pass of the same bundle, and opens no more than that.
fn stands_on(facts: Facts, count: Option<&Verified>) -> Result<Facts, Fault> {
    let a03 = |held: bool, what: &'static str| Fault::unless(held, Check::A03, what);
    let (Some(opening), Some(count)) = (&facts.header.opening, count) else {
        a03(facts.header.opening.is_none() && count.is_none(), "the count pass is missing, or one too many")?;
        return Ok(facts);
    };
    let (own, other) = (&facts.header, &count.facts.header);
    let same = own.slot == other.slot && own.coordinator == other.coordinator && own.lock == other.lock;
    a03(same && other.pass == Pass::Count, "the count pass is another session's")?;
    let named = count.freeze == opening.freeze && count.result == opening.result;
    a03(named, "the header names another count pass")?;
    let all = count.facts.opened(&count.lanes);
    let within = all.zip(facts.open.as_ref()).is_some_and(|(all, open)| open.is_within(&all));
    Fault::unless(within, Check::A23, "a figure opens behind which too few were counted")?;
    facts.after(&count.survivors)
}

/// A09: the head leads to the root that START names, and that is signed.
fn check_deposit(
    deposit: &BundledDeposit,
    facts: &Facts,
    (node, root): (NodeId, &DepositHash),
) -> Result<(), Fault> {
    let a09 = |held: bool, what: &'static str| Fault::unless(held, Check::A09, what);
    let head = &deposit.head;
    a09(head.sid == facts.sid && head.node == node, "a deposit of another attempt or node")?;
    let path: Vec<[u8; 32]> = deposit.path.iter().map(|hash| hash.0).collect();
    let count = facts.header.invited.len().saturating_add(3);
    let leads = root_from_path(leaf_of(head)?, 0, count, &path) == Some(root.0);
    a09(leads, "a deposit's path does not lead to its root")?;
    let by = facts.key(node);
    let signed = by.is_some_and(|key| verify(key, Signed::Deposit, &root.0, &deposit.signature));
    a09(signed, "a deposit without its node's signature")
}

/// Puts one session together from what the coordinator wrote down of it: its own messages by round and the nodes'
/// messages by round, each in order; with the warrant as it travelled.
///
/// # Errors
/// A01 when a message is missing or not of its round: a defect of the store, not of a peer.
pub fn assemble(
    sent: &dyn Fn(Round) -> Vec<Vec<u8>>,
    received: &mut dyn FnMut(Round) -> Vec<(NodeId, Message)>,
) -> Result<(SignedWarrant, BundledSession), Fault> {
    let missing = || Fault::new(Check::A01, "a message of the finished session is missing");
    let last = |round| {
        let frame = sent(round).pop().ok_or_else(missing)?;
        Ok::<_, Fault>(Message::from_frame(&frame)?)
    };
    let (Message::Offer(offer), Message::Go(go), Message::Freeze(freeze), Message::Certificate(certificate)) =
        (last(Round::Deposit)?, last(Round::Contribute)?, last(Round::Confirm)?, last(Round::Reveal)?)
    else {
        return Err(missing());
    };
    let Message::Start(start) = last(Round::Ready)? else { return Err(missing()) };
    let Message::Outcome(outcome) = last(Round::Result)? else { return Err(missing()) };
    // Written down again after a restart, a block is the same.
    let mut total: BTreeMap<u32, Blob<BLOCK>> = BTreeMap::new();
    for frame in sent(Round::Result) {
        if let Message::OutcomeBlock(block) = Message::from_frame(&frame)? {
            total.insert(block.index, block.bytes);
        }
    }
    let survivors: Vec<NodeId> = freeze.survivors.iter().map(|one| one.node).collect();
    let cohort: Vec<NodeId> = go.readies.iter().map(|one| one.node).collect();
    let mut deposits: BTreeMap<NodeId, Deposit> = BTreeMap::new();
    for (node, message) in received(Round::Deposit) {
        if let (Message::Deposit(deposit), true) = (message, cohort.contains(&node)) {
            deposits.insert(node, deposit);
        }
    }
    let sections = Sections::new(deposits.values())?;
    let mut heads = Vec::new();
    let mut proofs = BTreeMap::new();
    for Deposit { head, signature, ranges, .. } in deposits.into_values() {
        proofs.insert(head.node, ranges);
        let path = sections.head_path(head.node).ok_or_else(missing)?;
        heads.push(BundledDeposit { head, path, signature });
    }
    let mut reports: BTreeMap<NodeId, Report> = BTreeMap::new();
    for (node, message) in received(Round::Contribute) {
        if let (Message::Report(report), true) = (message, survivors.contains(&node)) {
            reports.insert(node, report);
        }
    }
    let mut bundled = |(node, report): (NodeId, Report)| {
        let (committed, ranges) = (committed(&report), proofs.remove(&node).unwrap_or_default());
        BundledReport { node, body: report.body, committed, ranges }
    };
    let session = BundledSession {
        header: offer.header,
        deposits: List::new(heads)?,
        start: start.body,
        readies: go.readies,
        go: go.body,
        reports: List::new(reports.into_iter().map(&mut bundled).collect())?,
        freeze: freeze.body,
        certificate,
        result: outcome.body,
        opened: Bytes(opened_hash(&outcome.opened)?),
        blindings: outcome.blindings,
        total: List::new(total.into_values().collect())?,
    };
    Ok((offer.warrant, session))
}

#[cfg(test)]
mod tests {
    use super::super::tests::rng;
    use super::*;
    use crate::testing::vectors::bundle::counted;

    /// A true bundle under a floor of three hospitals, but its value pass is over those below this id alone.
    fn below(first: u16) -> Result<Verified, Fault> {
        let bundle = counted();
        let (founding, roster) = bundle.opened()?;
        let count = bundle.count.as_ref().expect("two passes").read(&roster, &bundle.warrant, &mut rng())?;
        let count = count.verified(founding, None)?;
        let mut value = bundle.value.read(&roster, &bundle.warrant, &mut rng())?;
        let mut followed = value.followed?;
        followed.survivors.retain(|node| node.0 < first);
        value.followed = Ok(followed);
        value.verified(founding, Some(&count))
    }

    #[test]
    fn a_value_pass_is_over_those_counted_a12_a22() {
        assert_eq!(below(6).map(|held| held.survivors.len()).ok(), Some(5));
        assert_eq!(below(5).map(|_| ()).unwrap_err().check, Check::A22);
        assert_eq!(below(2).map(|_| ()).unwrap_err().check, Check::A12);
    }
}
