//! How often a family of queries was asked lately, so that nobody is asked what every agent would refuse.
//!
//! Owns the look into the store; the rule is the protocol's (A02), and each agent holds to its own ledger and clock. It
//! must not begin anything.

use crate::error::Error;
use crate::store::Store;
use samensom_protocol::codec::decode;
use samensom_protocol::ids::WarrantHash;
use samensom_protocol::ledger::WEEK_MS;
use samensom_protocol::query::Query;
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{Warrant, WarrantBody};
use std::sync::Arc;

/// That the rules of the warrant's purpose allow one more session of its query's family at this time, in this slot.
///
/// # Errors
/// When they do not, with how many there were; when the store fails.
pub(super) async fn may_be_asked(
    store: &Arc<Store>,
    roster: &Roster,
    warrant: &Warrant,
    (slot, at): (u64, Time),
) -> Result<(), Error> {
    let purpose = warrant.query().purpose().name();
    let limit = usize::from(roster.rule(purpose).map_or(0, |rule| rule.family_sessions));
    if limit == 0 {
        return Ok(());
    }
    let own = family(warrant.query())?;
    let since = Time(at.0.saturating_sub(WEEK_MS));
    let found = move |store: &Store| -> Result<Vec<(WarrantHash, u64)>, Error> {
        let mut of_family = Vec::new();
        for (warrant, slot) in store.contributed_since(since)? {
            let body: Result<WarrantBody, _> = decode(&store.warrant(&warrant.to_hex())?.body);
            // What this version cannot read has no family that it could ask for.
            let query = body.ok().and_then(|body| Query::from_canonical(&body.query).ok());
            if query.map(|query| family(&query)).transpose()? == Some(own) {
                of_family.push((warrant, slot));
            }
        }
        Ok(of_family)
    };
    let lately = store.run(found).await?;
    if lately.contains(&(warrant.hash(), slot)) || lately.len() < limit {
        return Ok(());
    }
    Err(Error::session(format!("queries that ask for the same had {} sessions in the last 7 days", lately.len()))
        .place(format!("warrant {}", warrant.hash()))
        .expected(format!(
            "fewer than {limit}: the roster's rules allow no more for the purpose `{purpose}`, whatever the queries \
             are called (family_sessions)"
        ))
        .remedy("run it when the oldest of them is more than 7 days ago"))
}

fn family(query: &Query) -> Result<samensom_protocol::ids::FamilyHash, Error> {
    query.family().map_err(|why| Error::machine(why.to_string()))
}
