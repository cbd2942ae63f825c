//! A23 over all queries of one extract: what may be counted beside what was counted, and open beside what opened.
//!
//! Owns what a node reads in its ledger for these rules; the rules are the query's ([`Shape`], [`tree`]). It must not
//! know clocks, survivors or slots' order.

use super::offer::Facts;
use crate::ablation::ablated;
use crate::error::{Check, Fault};
use crate::ids::{ExtractHash, NodeId, WarrantHash};
use crate::ledger::{Attempt, LedgerView};
use crate::message::Pass;
use crate::query::tree::{self, Opened};
use crate::query::{Open, Shape};

/// A count pass, or a value pass without one: its cells are those of each other that was asked over the extract, share no
/// row with it, or are of classes of the same hospitals; and enough are in no class. Where neither was counted, no floor
/// is held in either.
///
/// # Errors
/// A03 where the query is not whole, else A23.
pub(super) fn check_counts(facts: &Facts, view: &LedgerView, extract: &ExtractHash) -> Result<(), Fault> {
    if facts.header.pass != Pass::Count && facts.warrant.count().is_some() {
        return Ok(());
    }
    let a23 = |held: bool, what: &'static str| Fault::unless(held, Check::A23, what);
    let own = facts.shape().ok_or(Fault::new(Check::A03, "a parameter has no value"))?;
    let others: Vec<Option<&Shape>> = view.counts(&facts.header.lock, extract).collect();
    let all_beside = others.iter().all(|other| match other {
        Some(other) => own.may_open_beside(other),
        // A sum of before it was written down.
        None => !own.is_counted(),
    });
    a23(all_beside, "figures of the same rows were asked in other cells over this extract")?;
    let all: Vec<&Shape> = others.into_iter().flatten().chain([&own]).collect();
    let present: Vec<NodeId> = facts.header.invited.iter().map(|one| one.node).collect();
    let few = Shape::leaves_too_few(&all, &present);
    a23(!few, "fewer hospitals than the floor are in the nation and in none of its classes")
}

/// A value pass: no figure about too few follows from what it opens and what opened over the extract, of a nation and of
/// classes of its hospitals.
///
/// # Errors
/// A23.
pub(super) fn check_sums(facts: &Facts, view: &LedgerView, extract: &ExtractHash) -> Result<(), Fault> {
    let Some(open) = facts.open.as_deref().filter(|_| !ablated!("tree-off")) else { return Ok(()) };
    let header = &facts.header;
    let unknown = Fault::new(Check::A23, "what was counted of figures that open cannot be told");
    let before: Option<Vec<Sum>> =
        view.values(&header.lock, extract).map(|attempt| Sum::of(view, attempt)).collect();
    let before = before.ok_or_else(|| unknown.clone())?;
    if before.is_empty() {
        return Ok(());
    }
    let (shape, totals) = counted(view, &header.warrant, header.slot).ok_or(unknown)?;
    let own = Opened { shape, slot: header.slot, totals, open };
    let others: Vec<Opened> = before.iter().map(Sum::opened).collect();
    let what = "a figure about too few follows from a nation and its classes";
    Fault::unless(tree::may_open(&own, &others), Check::A23, what)
}

/// What of `open` may open in a slot, under a warrant that was counted, beside what opened over the extract; none where
/// that cannot be told.
#[must_use]
pub fn closing(
    view: &LedgerView,
    (warrant, slot): (&WarrantHash, u64),
    before: &[&Attempt],
    open: &Open,
) -> Option<Open> {
    let before = before.iter().map(|attempt| Sum::of(view, attempt)).collect::<Option<Vec<Sum>>>()?;
    let others: Vec<Opened> = before.iter().map(Sum::opened).collect();
    let (shape, totals) = counted(view, warrant, slot)?;
    Some(tree::closing(&Opened { shape, slot, totals, open }, &others))
}

/// What opened, or may have, by an attempt in the ledger.
struct Sum<'a> {
    shape: &'a Shape,
    slot: u64,
    totals: &'a [u16],
    open: Open,
}

impl<'a> Sum<'a> {
    fn of(view: &'a LedgerView, attempt: &Attempt) -> Option<Sum<'a>> {
        let (shape, totals) = counted(view, &attempt.warrant, attempt.slot)?;
        let counting = shape.counting()?;
        let open = match &attempt.open {
            Some(bytes) => Open::from_bytes(&counting, bytes)?,
            None => Open::all(&counting),
        };
        Some(Sum { shape, slot: attempt.slot, totals, open })
    }

    fn opened(&self) -> Opened<'_> {
        Opened { shape: self.shape, slot: self.slot, totals: self.totals, open: &self.open }
    }
}

/// What was counted under a warrant in a slot, with the totals.
fn counted<'a>(view: &'a LedgerView, warrant: &WarrantHash, slot: u64) -> Option<(&'a Shape, &'a [u16])> {
    Some((view.shape_in(warrant, slot)?, &view.counted(warrant, slot)?.totals))
}
