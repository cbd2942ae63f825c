//! What was counted in a slot before, so that nobody is asked what every agent would refuse.
//!
//! Owns the look into the store; the rule is the protocol's (A23), and each agent holds to its own ledger. It must not
//! begin anything.

use crate::error::Error;
use crate::store::{Attempt, Store};
use samensom_protocol::bundle::Verified;
use samensom_protocol::codec::{Text, decode};
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::Record;
use samensom_protocol::message::{Header, Message, Pass, Round};
use samensom_protocol::query::tree::{self, Opened};
use samensom_protocol::query::{Open, Shape};
use samensom_protocol::roster::Roster;
use samensom_protocol::rounds::offer::{Facts, session_id};
use samensom_protocol::warrant::Warrant;
use std::sync::Arc;

/// A lock and its slot.
pub(super) type Slot = (Text<32>, u64);

/// That a warrant's first pass over these hospitals asks for the cells of what was counted in the slot, for other
/// rows, or for classes of the same hospitals.
///
/// # Errors
/// When it does not, with the query that was counted.
pub(super) async fn may_be_counted(
    store: &Arc<Store>,
    slot: Slot,
    rosters: Vec<Arc<Roster>>,
    (warrant, roster, invited): (&Warrant, &Roster, &[NodeId]),
) -> Result<(), Error> {
    let own = warrant.shape(roster, invited);
    let own = own.ok_or_else(|| Error::refused("a parameter of the query has no value"))?;
    let counted = store.run(move |store| counts(store, &slot, &rosters)).await?;
    let beside = counted.iter().find(|(_, shape)| !own.may_open_beside(shape));
    if let Some((facts, _)) = beside {
        let query = facts.warrant.query().id();
        return Err(Error::session(format!(
            "the query `{query}` asked for figures of the same rows in other cells in this slot"
        ))
        .place(format!("warrant {}", facts.warrant.hash()))
        .expected("the same cells, other products, other sums, or the nation beside its groups: what lies between two figures could be one hospital's")
        .remedy("run it in the next slot, or ask for both in one query"));
    }
    let all: Vec<&Shape> = counted.iter().map(|(_, shape)| shape).chain([&own]).collect();
    if Shape::leaves_too_few(&all, invited) {
        return Err(Error::session(
            "a few hospitals are in the nation and in no class of it that was counted in this slot",
        )
        .expected(
            "none, or as many as the floor: what lies between the nation and its classes would be theirs",
        )
        .remedy("give each hospital a group in the roster, or run it in the next slot"));
    }
    Ok(())
}

/// What of a verified count may open beside the figures that opened over the same rows: in this slot, and in those before
/// by whose hospitals it is bound.
///
/// # Errors
/// When the store fails.
pub(super) fn opening(
    store: &Store,
    slot: &Slot,
    rosters: &[Arc<Roster>],
    counted: &Verified,
) -> Result<Option<Open>, Error> {
    let (Some(open), Some(shape)) = (counted.facts.opened(&counted.lanes), counted.facts.shape()) else {
        return Ok(None);
    };
    let since = (slot.0.clone(), since(store, slot, rosters)?);
    let shapes = counts(store, &since, rosters)?;
    if !shapes.iter().any(|(_, other)| shape.is_in_a_tree_with(other)) {
        return Ok(Some(open));
    }
    let mut sums = Vec::new();
    for facts in all(store, &since, rosters)? {
        let Some(open) = facts.open.clone() else { continue };
        let count = session_id(&facts.header.warrant, facts.header.slot, Pass::Count);
        let Some(sid) = store.summed(&count)? else { continue };
        let counted = crate::result::verified_pass(store, &sid)?;
        let Some(shape) = counted.facts.shape() else { continue };
        sums.push((shape, facts.header.slot, totals(&counted.lanes), open));
    }
    let opened = sums.iter().map(|(shape, slot, totals, open)| Opened { shape, slot: *slot, totals, open });
    let others: Vec<Opened> = opened.collect();
    let totals = totals(&counted.lanes);
    let own = Opened { shape: &shape, slot: slot.1, totals: &totals, open: &open };
    Ok(Some(tree::closing(&own, &others)))
}

/// No total of a count is more than the hospitals of a roster.
fn totals(lanes: &[u64]) -> Vec<u16> {
    lanes.iter().filter_map(|lane| u16::try_from(*lane).ok()).collect()
}

/// The first slot whose rows some hospital may still have: the one by whose hospitals this one, or one between, is bound.
fn since(store: &Store, slot: &Slot, rosters: &[Arc<Roster>]) -> Result<u64, Error> {
    let mut first = slot.1;
    loop {
        let mut before = first;
        for facts in all(store, &(slot.0.clone(), first), rosters)? {
            let Some(bound) = &facts.header.bound else { continue };
            before = before.min(store.slot_of(&bound.sid)?.unwrap_or(first));
        }
        if before == first {
            return Ok(first);
        }
        first = before;
    }
}

/// What was counted since a slot, or summed without a count, with the header.
fn counts(store: &Store, since: &Slot, rosters: &[Arc<Roster>]) -> Result<Vec<(Facts, Shape)>, Error> {
    let with_shape = |facts: Facts| facts.shape().map(|shape| (facts, shape));
    Ok(all(store, since, rosters)?.into_iter().filter_map(with_shape).collect())
}

/// The headers of all attempts since a slot that hospitals may have contributed to.
fn all(store: &Store, (lock, since): &Slot, rosters: &[Arc<Roster>]) -> Result<Vec<Facts>, Error> {
    let mut all = Vec::new();
    for attempt in store.contributed(lock, *since)? {
        let roster = rosters.iter().find(|roster| roster.hash() == attempt.roster);
        if let Some(roster) = roster {
            all.extend(facts(store, &attempt, roster)?);
        }
    }
    Ok(all)
}

/// The header of an attempt, read as its hospitals read it.
///
/// # Errors
/// When the store fails.
pub(super) fn facts(store: &Store, attempt: &Attempt, roster: &Arc<Roster>) -> Result<Option<Facts>, Error> {
    let records = store.records(&attempt.sid)?;
    let offer = records.iter().find_map(|record| match record {
        Record::Sent { round: Round::Deposit, bytes, .. } => match Message::from_frame(bytes) {
            Ok(Message::Offer(offer)) => Some(offer.header.body),
            _ => None,
        },
        _ => None,
    });
    let Some(raw) = offer else { return Ok(None) };
    let Ok(header) = decode::<Header>(&raw) else { return Ok(None) };
    let Ok(warrant) = store.warrant(&header.warrant.to_hex())?.verify(roster, attempt.opened_at) else {
        return Ok(None);
    };
    Ok(Facts::new(&raw, Arc::clone(roster), Arc::new(warrant)).ok())
}
