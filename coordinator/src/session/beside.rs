//! What was counted in a slot before, so that nobody is asked what every agent would refuse.
//!
//! Owns the look into the store; the rule is the protocol's (A23), and each agent holds to its own ledger. It must not
//! begin anything.

use crate::error::Error;
use crate::store::{Attempt, Store};
use samensom_protocol::codec::{Text, decode};
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::Record;
use samensom_protocol::message::{Header, Message, Round};
use samensom_protocol::roster::Roster;
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::warrant::Warrant;
use std::sync::Arc;

/// That a count pass of this warrant over these hospitals asks for the cells of what was counted in the slot, or for
/// other rows.
///
/// # Errors
/// When it does not, with the query that was counted.
pub(super) async fn may_be_counted(
    store: &Arc<Store>,
    (lock, slot): (&Text<32>, u64),
    roster: &Arc<Roster>,
    (warrant, invited): (&Warrant, &[NodeId]),
) -> Result<(), Error> {
    let own = warrant.shape(roster, invited);
    let own = own.ok_or_else(|| Error::refused("a parameter of the query has no value"))?;
    let (lock, roster) = (lock.clone(), Arc::clone(roster));
    let found = move |store: &Store| {
        for attempt in store.contributed(&lock, slot)? {
            let Some(facts) = facts(store, &attempt, &roster)? else { continue };
            if facts.shape().is_some_and(|other| !own.may_stand_beside(&other)) {
                return Ok(Some((facts.warrant.query().id().to_owned(), facts.warrant.hash())));
            }
        }
        Ok(None)
    };
    let Some((query, hash)) = store.run(found).await? else { return Ok(()) };
    Err(Error::session(format!("the query `{query}` asked for figures of the same rows in other cells in this slot"))
        .place(format!("warrant {hash}"))
        .expected("the same cells, other products, or other sums: what lies between two figures could be one hospital's")
        .remedy("run it in the next slot, or ask for both in one query"))
}

/// The header of an attempt, read as its hospitals read it.
fn facts(store: &Store, attempt: &Attempt, roster: &Arc<Roster>) -> Result<Option<Facts>, Error> {
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
