//! What this hospital computes for a pass: its figures, or what it says before them.
//!
//! Owns the step from the slot's frozen extract to a contribution: the own class, what stays closed, and what is
//! committed to. It must not know rounds, consent or the log.

use super::answered::Before;
use crate::commit;
use crate::config::Config;
use crate::extract::{self, ExtractConfig, ExtractError, Frozen, Home, Snapshots, Stop};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::message::Pass;
use samensom_protocol::query::{Class, Counting, Dominance, Open};
use samensom_protocol::ring::Contribution;
use samensom_protocol::roster::Lock;
use samensom_protocol::warrant::Warrant;
use std::sync::Arc;

/// What is to be computed of a warrant's query.
pub(super) struct What {
    /// The attempt that asks, and who is asked.
    pub sid: AttemptId,
    pub me: NodeId,
    pub pass: Pass,
    /// The figures that open; the others stay here.
    pub open: Option<Arc<Open>>,
    /// In a count pass: patients that are enough for one hospital.
    pub patients_each: u32,
    /// In a count pass: totals of before, with which the own figures are compared.
    pub dominance: Option<Arc<Dominance>>,
    /// The cells of this hospital's own class.
    pub class: Class,
}

/// The extracts whose rows a lock shares. An extract of another lock that changed would make that of this one another,
/// and what was promised over it would be forgotten.
pub(super) fn of_lock(extracts: &[ExtractConfig], lock: Option<&Lock>) -> Vec<ExtractConfig> {
    let shares = |one: &&ExtractConfig| {
        lock.is_none_or(|lock| lock.datasets.iter().any(|name| **name == *one.dataset.name()))
    };
    extracts.iter().filter(shares).cloned().collect()
}

/// Freezes the extracts for the slot, or opens what is frozen, and evaluates the query.
pub(super) fn figures(
    (config, extracts, before): (&Config, &[ExtractConfig], &Before),
    snapshots: &Snapshots,
    place: (&str, u64),
    (warrant, what): (&Warrant, &What),
    stop: &Stop,
) -> Result<(Contribution, Frozen), ExtractError> {
    let now = crate::clock::now();
    let frozen = snapshots.of_slot(&config.reader, extracts, &config.base_dir, place, now, stop)?;
    let (query, content) = (warrant.query(), frozen.content);
    let own = query.without_classes();
    before.refuse_overlap((&own, warrant.body().floor_patients), &frozen)?;
    let outside =
        |_| ExtractError::Config { problem: "a figure is outside the query's range", dataset: "any" };
    // The rows alone: an extract that was only declared in another way is the one that the ledger knows (A03).
    let home = Home { configs: extracts, base_dir: &config.base_dir, stop };
    if let (Pass::Count, Some(count)) = (what.pass, warrant.count()) {
        let whole = || ExtractError::Open { query: query.id().to_owned() };
        let (patients, judged) = (count.counting.counts_patients(), count.counting.judged().len());
        let counting =
            own.resolved().ok().and_then(|own| Counting::judging(&own, patients, what.dominance.is_some()));
        let counting = counting.filter(|own| own.judged().len() == judged).ok_or_else(whole)?;
        // Totals of the own class are compared with what this hospital adds to them.
        let own_totals = |before: &Arc<Dominance>| before.with(what.class.gather(judged, before.totals()));
        let dominance = what.dominance.as_ref().map(own_totals);
        let counts = (&counting, what.patients_each, dominance.as_ref());
        let said = extract::count(&own, &frozen, now, counts, &home)?;
        let said = what.class.spread(counting.lanes().len(), &said);
        let said = Contribution::new(count.params.cells, |_| (0, 1), &said, content).map_err(outside)?;
        return Ok((commit::spread(said, warrant.blocks(what.pass), (&what.sid, what.me)), frozen));
    }
    let layout = query.layout();
    let values = what.class.spread(layout.figures(), &extract::answer(&own, &frozen, now, &home)?);
    let all = Contribution::new(layout.cells(), |cell| layout.bounds(cell), &values, content);
    let opens = |cell| what.open.as_ref().is_none_or(|open| open.opens(&layout, cell));
    let all = all.map_err(outside)?.only(opens);
    Ok((commit::spread(all, warrant.blocks(what.pass), (&what.sid, what.me)), frozen))
}
