//! Row 0: the session header, what follows from it, and what a node refuses before it deposits.
//!
//! [`Facts`] is what everyone who reads a header must agree on: nodes, coordinator, auditors. The node's
//! own questions (its clock, its incarnation, its records) are asked here too.

use crate::ablation::ablated;
use crate::codec::{decode, encode};
use crate::crypto::blocks::Blocks;
use crate::crypto::keys::{Signed, Verifier, verify};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, ExtractHash, NodeId, PublicKey, SessionId, WarrantHash};
use crate::ledger::{LedgerView, PassState};
use crate::message::{Bound, FreezeBody, Header, Offer, Pass, SUITE, WIRE_VERSION, ascending};
use crate::params::Params;
use crate::query::{Class, Open, Shape};
use crate::roster::{Lock, Roster};
use crate::rounds::{beside, series};
use crate::time::Time;
use crate::warrant::{SignedWarrant, SmallClass, Warrant};
use std::sync::Arc;

/// A header with the roster and warrant it stands on; every public check held.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The attempt's id.
    pub sid: AttemptId,
    /// The session's id.
    pub session: SessionId,
    /// The header.
    pub header: Header,
    /// The roster.
    pub roster: Arc<Roster>,
    /// The warrant.
    pub warrant: Arc<Warrant>,
    /// The figures that open, in a value pass after a count pass.
    pub open: Option<Arc<Open>>,
    /// How many survived that count pass.
    counted: usize,
    /// Everybody invited must be in the sum: the slot has its survivors, or the warrant's series has.
    whole: bool,
}

/// SessionId = SHA256("fa/1 session" || warrant hash || slot || pass).
#[must_use]
pub fn session_id(warrant: &WarrantHash, slot: u64, pass: Pass) -> SessionId {
    let pass = match pass {
        Pass::Value => 1,
        Pass::Count => 2,
    };
    SessionId(Transcript::new(Label::Session).fixed(&warrant.0).u64(slot).u16(pass).finish())
}

/// sid = SHA256("fa/1 sid" || HEADER), over the header's bytes as sent.
#[must_use]
pub fn attempt_id(header: &[u8]) -> AttemptId {
    if ablated!("sid-without-query")
        && let Ok(header) = decode::<Header>(header)
    {
        return AttemptId(Transcript::new(Label::Attempt).fixed(&header.nonce.0).finish());
    }
    AttemptId(Transcript::new(Label::Attempt).bytes(header).finish())
}

/// The slot of a lock at a time.
#[must_use]
pub fn slot_at(lock: &Lock, now: Time) -> u64 {
    (now.0 / 1000).checked_div(u64::from(lock.spacing_s)).unwrap_or(0)
}

/// Least time between two freezes of a lock, in milliseconds, by the wall clock and by a monotonic one.
#[must_use]
pub fn least_ms(lock: &Lock) -> u64 {
    let spacing_ms = u64::from(lock.spacing_s).saturating_mul(1000);
    let tolerance_ms = (spacing_ms / 10).min(60_000);
    spacing_ms.saturating_sub(tolerance_ms.saturating_mul(2))
}

impl Facts {
    /// Reads a header against roster and warrant.
    ///
    /// # Errors
    /// A01 and A03 where it differs from what they give, A05 when too few are invited.
    pub fn new(raw: &[u8], roster: Arc<Roster>, warrant: Arc<Warrant>) -> Result<Self, Fault> {
        let header: Header = decode(raw)?;
        let (sid, session) = (attempt_id(raw), session_id(&header.warrant, header.slot, header.pass));
        let open = opening(&header, &warrant)?;
        let whole = header.bound.is_some();
        let facts = Facts { sid, session, header, roster, warrant, open, counted: 0, whole };
        let (header, params) = (&facts.header, facts.params());
        let agrees = |held: bool, what: &'static str| Fault::unless(held, Check::A03, what);
        Fault::unless(
            header.wire == WIRE_VERSION && header.suite == SUITE,
            Check::A01,
            "another wire version or suite",
        )?;
        agrees(header.roster == facts.roster.hash(), "the header names another roster")?;
        agrees(header.warrant == facts.warrant.hash(), "the header names another warrant")?;
        agrees(facts.lock().is_some_and(|lock| lock.name == header.lock), "the header names another lock")?;
        agrees(
            header.deadlines == params.deadlines,
            "the header's deadlines differ from the roster's rules",
        )?;
        let ids: Vec<NodeId> = header.invited.iter().map(|invited| invited.node).collect();
        agrees(ascending(ids.iter()), "invited ids do not ascend")?;
        agrees(
            ids.iter().all(|id| facts.roster.member(*id).is_some()),
            "a node that is no active member is invited",
        )?;
        Fault::unless(
            ids.len() >= usize::from(params.thresholds.quorum),
            Check::A05,
            "fewer than q are invited",
        )?;
        if let Some(bound) = &header.bound {
            agrees(*bound.survivors == *ids, "those invited are not the survivors that bind this slot")?;
        }
        Ok(facts)
    }

    /// A22 on those invited; from here on it is known how many may be missing.
    ///
    /// # Errors
    /// A22 when somebody is invited who was not counted, or more than D are missing.
    pub fn after(mut self, counted: &[NodeId]) -> Result<Self, Fault> {
        let of_them = |invited: &crate::message::Invited| counted.contains(&invited.node);
        let within = self.header.invited.iter().all(of_them);
        Fault::unless(within, Check::A22, "a node is invited that was not counted")?;
        self.counted = counted.len();
        self.misses_few(self.header.invited.len())?;
        Ok(self)
    }

    /// The same, where everybody invited must be in the sum for another reason than `bound`.
    #[must_use]
    pub fn of_all(self, whole: bool) -> Self {
        Facts { whole: self.whole || whole, ..self }
    }

    /// Whether everybody invited must be in the sum.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// A22: at most D of those counted are missing among so many.
    ///
    /// # Errors
    /// A22.
    pub fn misses_few(&self, present: usize) -> Result<(), Fault> {
        let fewest = usize::from(self.fewest());
        Fault::unless(
            present >= fewest,
            Check::A22,
            "more of those counted are missing than the warrant allows",
        )
    }

    /// Fewest of those counted.
    fn fewest(&self) -> u16 {
        let counted = u16::try_from(self.counted).unwrap_or(u16::MAX);
        counted.saturating_sub(u16::from(self.warrant.body().may_miss))
    }

    /// The numbers of the session.
    #[must_use]
    pub fn params(&self) -> &Params {
        match (self.header.pass, self.warrant.count()) {
            (Pass::Count, Some(count)) => &count.params,
            _ => self.warrant.params(),
        }
    }
    /// Which cells are committed to together, and which are checked.
    #[must_use]
    pub fn blocks(&self) -> &Blocks {
        self.warrant.blocks(self.header.pass)
    }
    /// Fewest that may stand behind the sum: q, the floor over those invited, or all but D of those counted.
    #[must_use]
    pub fn least(&self) -> u16 {
        let invited: Vec<NodeId> = self.header.invited.iter().map(|invited| invited.node).collect();
        let floor = self.warrant.floor(&self.roster, &invited);
        self.params().thresholds.quorum.max(floor).max(self.fewest())
    }
    /// The figures that open by these totals of this count pass.
    #[must_use]
    pub fn opened(&self, totals: &[u64]) -> Option<Open> {
        let invited: Vec<NodeId> = self.header.invited.iter().map(|invited| invited.node).collect();
        let count = self.warrant.count().filter(|_| self.header.pass == Pass::Count)?;
        Some(count.counting.open(totals, self.warrant.least(&self.roster, &invited)))
    }
    /// What a count pass counts, or a value pass sums of which nothing is counted; none in a value pass after a count.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        if self.header.pass != Pass::Count && self.warrant.count().is_some() {
            return None;
        }
        let invited: Vec<NodeId> = self.header.invited.iter().map(|invited| invited.node).collect();
        self.warrant.shape(&self.roster, &invited)
    }
    /// The cells of a hospital's own class.
    #[must_use]
    pub fn class_of(&self, node: NodeId) -> Class {
        self.warrant.class_of(&self.roster, node)
    }
    /// A21: no class of hospitals that is a cell has members among those present, and fewer than its floor.
    ///
    /// # Errors
    /// A21.
    pub fn has_whole_classes(&self, present: &[NodeId]) -> Result<(), Fault> {
        Fault::unless(
            self.small_class(present).is_none(),
            Check::A21,
            "a class of hospitals that is a cell has members, and fewer than its floor",
        )
    }
    /// The class of which fewer are present than its floor.
    #[must_use]
    pub fn small_class(&self, present: &[NodeId]) -> Option<SmallClass> {
        let invited: Vec<NodeId> = self.header.invited.iter().map(|invited| invited.node).collect();
        self.warrant.small_class(&self.roster, present, &invited)
    }
    /// A21: these lanes of a hospital are figures of 0 outside the cells of its own class.
    ///
    /// # Errors
    /// A21.
    pub fn fills_own_cells(&self, node: NodeId, lanes: &[u64]) -> Result<(), Fault> {
        let query = self.warrant.query();
        if !query.is_by_class() {
            return Ok(());
        }
        let (layout, class) = (query.layout(), self.class_of(node));
        let counting = self.warrant.count().filter(|_| self.header.pass == Pass::Count);
        let width = counting.map_or(layout.figures(), |count| count.counting.lanes().len());
        let mut others = 0;
        for (cell, lane) in (0u32..).zip(lanes) {
            let index = usize::try_from(cell).ok().and_then(|cell| cell.checked_div(width));
            if index.and_then(|index| class.inner(index)).is_some() || !self.may_hold(cell) {
                continue;
            }
            let zero = if counting.is_some() { 0 } else { layout.bounds(cell).0.unsigned_abs() };
            others |= lane ^ zero;
        }
        Fault::unless(others == 0, Check::A21, "a figure of another class of hospitals is not 0")
    }
    /// Whether a cell of the sum may be anything but 0.
    #[must_use]
    pub fn may_hold(&self, cell: u32) -> bool {
        self.open.as_ref().is_none_or(|open| open.opens(&self.warrant.query().layout(), cell))
    }
    /// The lock of the query's data set.
    #[must_use]
    pub fn lock(&self) -> Option<&Lock> {
        self.roster.lock_of(self.warrant.query().dataset().name())
    }
    /// A node's place in U0, from 1; never read from a message.
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<u16> {
        let index = self.header.invited.binary_search_by_key(&node, |invited| invited.node).ok()?;
        u16::try_from(index).ok()?.checked_add(1)
    }
    /// The identity key of an invited node.
    #[must_use]
    pub fn key(&self, node: NodeId) -> Option<&Verifier> {
        self.roster.verifier(node)
    }
}

/// The figures that open, if the header is one of the passes that its warrant has.
fn opening(header: &Header, warrant: &Warrant) -> Result<Option<Arc<Open>>, Fault> {
    let a03 = |what: &'static str| Err(Fault::new(Check::A03, what));
    match (header.pass, warrant.count(), &header.opening) {
        (Pass::Value, None, None) | (Pass::Count, Some(_), None) => Ok(None),
        (Pass::Value, Some(count), Some(opening)) => match Open::from_bytes(&count.counting, &opening.open) {
            Some(open) => Ok(Some(Arc::new(open))),
            None => a03("what opens does not fit the query"),
        },
        (Pass::Value, Some(_), None) => a03("a floor is held and nothing was counted"),
        (Pass::Value, None, Some(_)) | (Pass::Count, None, _) => {
            a03("no floor is held and something is counted")
        }
        (Pass::Count, Some(_), Some(_)) => a03("a count pass opens no figures"),
    }
}

/// True if `bound`'s certificate shows that q members of `roster` confirmed exactly its survivors.
#[must_use]
pub fn is_certified(bound: &Bound, roster: &Roster, quorum: u16) -> bool {
    let quorum = if ablated!("a16-quorum", "q-of-started") {
        bound.survivors.len().div_ceil(2)
    } else {
        usize::from(quorum)
    };
    let quorum = quorum.saturating_add(usize::from(ablated!("a16-strict")));
    let Ok(raw) = encode(&FreezeBody { sid: bound.sid, freeze: bound.freeze }) else { return false };
    let signed = |node: NodeId, signature| {
        bound.survivors.contains(&node)
            && roster.verifier(node).is_some_and(|key| verify(key, Signed::Confirm, &raw, signature))
    };
    bound.roster == roster.hash()
        && bound.certificate.len() >= quorum
        && ascending(bound.certificate.iter().map(|one| &one.node))
        && bound.certificate.iter().all(|one| signed(one.node, &one.signature))
}

/// What a node knows when an offer comes.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The coordinator's pinned key.
    pub coordinator: &'a PublicKey,
    /// The accepted head of the roster chain.
    pub roster: &'a Arc<Roster>,
    /// The ledger.
    pub view: &'a LedgerView,
    /// Own clock.
    pub now: Time,
}

/// A01, A02, A03 as far as they need no extract, A05: what the offer says against what this node knows.
///
/// # Errors
/// The first check that fails.
pub fn read(offer: &Offer, asked: &Asked) -> Result<Facts, Fault> {
    let signed = verify(asked.coordinator, Signed::Header, &offer.header.body, &offer.header.signature);
    Fault::unless(signed, Check::A01, "the header is not signed by the coordinator")?;
    let warrant: &SignedWarrant = &offer.warrant;
    let warrant = Arc::new(warrant.verify(asked.roster, asked.now)?);
    let facts = Facts::new(&offer.header.body, Arc::clone(asked.roster), warrant)?;
    Fault::unless(
        facts.header.coordinator == *asked.coordinator,
        Check::A01,
        "the header names another coordinator",
    )?;
    check_rules(facts, asked)
}

/// A02, A03, A22, A23: slot, count pass, rhythm and rate, against clock and ledger; the facts know who was counted.
///
/// # Errors
/// The first rule that is broken.
pub fn check_rules(facts: Facts, asked: &Asked) -> Result<Facts, Fault> {
    check_slot(&facts, asked)?;
    let facts = check_opening(facts, asked.view)?;
    check_rhythm(&facts, asked)?;
    check_rate(&facts, asked)?;
    series::check(facts, asked)
}

/// A03, A22, A23: a value pass stands on the count pass that this node verified, and opens no more than that.
fn check_opening(facts: Facts, view: &LedgerView) -> Result<Facts, Fault> {
    let (Some(open), Some(opening), Some(count)) =
        (&facts.open, &facts.header.opening, facts.warrant.count())
    else {
        return Ok(facts);
    };
    let counted = view.counted(&facts.header.warrant, facts.header.slot);
    let counted = counted
        .ok_or(Fault::new(Check::A03, "no count pass of this warrant was verified here in this slot"))?;
    let same = counted.freeze == opening.freeze && counted.result == opening.result;
    Fault::unless(same, Check::A03, "the header names another count pass than the one verified here")?;
    let own = Open::from_bytes(&count.counting, &counted.open);
    Fault::unless(
        own.is_some_and(|own| open.is_within(&own)),
        Check::A23,
        "a figure opens behind which too few were counted",
    )?;
    let survivors = counted.survivors.clone();
    facts.after(&survivors)
}

/// A02: the warrant allows one more session, and so soon. Both passes of a slot are one.
fn check_rhythm(facts: &Facts, asked: &Asked) -> Result<(), Fault> {
    let (terms, slot) = (facts.warrant.body(), facts.header.slot);
    let slots = asked.view.slots(&facts.header.warrant);
    let room = slots.contains_key(&slot) || slots.len() < usize::from(terms.sessions);
    Fault::unless(room, Check::A02, "the warrant's number of sessions is used up")?;
    let others = slots.iter().filter(|(other, _)| **other != slot);
    let Some(last) = others.map(|(_, at)| *at).max() else { return Ok(()) };
    let least = apart_ms(terms.every_s);
    Fault::unless(
        asked.now.since_ms(last) >= least,
        Check::A02,
        "too soon after the warrant's last session, by its rhythm",
    )
}

/// A02: the rules allow one more session of the query's family in 7 days, whatever warrants it had.
fn check_rate(facts: &Facts, asked: &Asked) -> Result<(), Fault> {
    let query = facts.warrant.query();
    let limit = facts.roster.rule(query.purpose().name()).map_or(0, |rule| rule.family_sessions);
    let lately = asked.view.lately(&query.family()?, asked.now);
    let room = limit == 0
        || lately.contains(&(facts.header.warrant, facts.header.slot))
        || lately.len() < usize::from(limit);
    Fault::unless(
        room || ablated!("rate-off"),
        Check::A02,
        "queries of this family were answered as often in 7 days as the rules allow",
    )
}

/// Least time between two sessions of a rhythm, in milliseconds; clocks and starts are never quite the same.
fn apart_ms(every_s: u32) -> u64 {
    let every_ms = u64::from(every_s).saturating_mul(1000);
    every_ms.saturating_sub((every_ms / 10).min(60_000))
}

/// A03: the slot is the node's own, and slots keep their distance.
fn check_slot(facts: &Facts, asked: &Asked) -> Result<(), Fault> {
    let lock = facts.lock().ok_or(Fault::new(Check::A03, "no lock for the data set"))?;
    if ablated!("a03-own-slot") {
        return Ok(());
    }
    let slot = facts.header.slot;
    Fault::unless(
        slot == slot_at(lock, asked.now) || ablated!("slot-off"),
        Check::A03,
        "the slot is not the one of this node's clock",
    )?;
    let Some(frozen) = asked.view.frozen(&lock.name) else { return Ok(()) };
    Fault::unless(slot >= frozen.slot, Check::A03, "the slot is before one that was used")?;
    if slot == frozen.slot {
        return Fault::unless(
            frozen.roster == facts.roster.hash() || ablated!("one-roster-off"),
            Check::A03,
            "the roster changed inside the slot",
        );
    }
    let least = if ablated!("a03-spacing") { 0 } else { least_ms(lock) };
    Fault::unless(asked.now.since_ms(frozen.at) >= least, Check::A03, "too soon after the last freeze")
}

/// A03 once the frozen extract is known: its record allows this pass, with exactly these survivors.
///
/// # Errors
/// When the pass is spent with unknown survivors, or `bound` is not what the record says.
pub fn check_record(
    facts: &Facts,
    view: &LedgerView,
    extract: &ExtractHash,
    known: &[Arc<Roster>],
) -> Result<(), Fault> {
    if ablated!("a03-bound-and-spent") {
        return Ok(());
    }
    let bound = facts.header.bound.as_ref();
    if let Some(bound) = bound {
        let certified = known.iter().any(|roster| {
            crate::params::Thresholds::of(roster).is_ok_and(|t| is_certified(bound, roster, t.quorum))
        });
        Fault::unless(certified, Check::A03, "the binding survivors are not certified")?;
    }
    check_promises(facts, view, extract)
}

/// A03 and A23: what the ledger promised over this extract allows the pass; `bound`, if any, is certified.
///
/// # Errors
/// The first promise that it would break.
pub fn check_promises(facts: &Facts, view: &LedgerView, extract: &ExtractHash) -> Result<(), Fault> {
    if ablated!("a03-bound-and-spent") {
        return Ok(());
    }
    let (name, pass) = (&facts.header.lock, facts.header.pass);
    if let Some(frozen) = view.frozen(name).filter(|frozen| frozen.slot == facts.header.slot) {
        Fault::unless(frozen.extract == *extract, Check::A03, "the extract changed inside the slot")?;
    }
    beside::check_counts(facts, view, extract)?;
    beside::check_sums(facts, view, extract)?;
    match (view.pass(name, extract, pass), facts.header.bound.as_ref()) {
        (None, _) => Ok(()),
        (Some(PassState::Spent { .. }), _) => {
            Err(Fault::new(Check::A03, "this extract is spent and its survivors are unknown"))
        }
        (Some(PassState::Confirmed { sid, freeze, survivors }), Some(bound)) => Fault::unless(
            bound.sid == *sid && bound.freeze == *freeze && *bound.survivors == **survivors,
            Check::A03,
            "the binding survivors are not those this node confirmed",
        ),
        (Some(PassState::Known(known)), Some(bound)) => Fault::unless(
            known.survivors == bound.survivors,
            Check::A03,
            "the binding survivors are not those of this extract",
        ),
        (Some(_), None) if ablated!("bound-off") => Ok(()),
        (Some(_), None) => {
            Err(Fault::new(Check::A03, "this extract has survivors and the header names none"))
        }
    }
}
