//! What a session is started with: who is there, which slot, which survivors bind it.

use crate::clock::now;
use crate::error::Error;
use crate::store::Store;
use samensom_protocol::coordinator::Setup;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::message::{Bound, Invited, Pass};
use samensom_protocol::roster::Lock;
use samensom_protocol::rounds::channel::Switchboard;
use samensom_protocol::rounds::offer::{session_id, slot_at};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Verifies the warrant, chooses who is invited, and notes the session in the store.
///
/// # Errors
/// When the warrant may not run now, too few are there, or the slot is too short.
pub(super) async fn setup(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
    switchboard: &Switchboard,
    warrant: &WarrantHash,
) -> Result<Setup, Error> {
    let at = now();
    let roster = store.head_roster();
    let hash = *warrant;
    let signed = store.run(move |store| store.warrant(&hash.to_hex())).await?;
    let warrant = signed.verify(&roster, at).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("warrant {hash}"))
            .remedy("see `samensom query approve`; after a change of the roster submit it again")
    })?;
    let dataset = warrant.query().dataset().name();
    let lock = roster
        .lock_of(dataset)
        .cloned()
        .ok_or_else(|| Error::refused(format!("the roster has no lock for the data set `{dataset}`")))?;
    let slot = slot_at(&lock, at);
    time_left(&lock, slot, at.0, warrant.params().deadlines.total_ms())?;

    let name = lock.name.to_string();
    let bounds = store.run(move |store| store.bounds(&name)).await?;
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let found = bounds.iter().find(|(slot, pass, _)| wanted(*slot) && *pass == Pass::Value);
        found.map(|(_, _, bound)| bound.clone())
    };
    let (bound, earlier) = (of(&|other| other == slot), of(&|other| other < slot));
    let mut invited: Vec<Invited> = switchboard
        .nodes()
        .filter(|node| roster.member(*node).is_some())
        .filter_map(|node| switchboard.announced(node).map(|announce| Invited { node, announce }))
        .collect();
    let quorum = warrant.params().thresholds.quorum;
    enough(&mut invited, bound.as_ref(), quorum)?;

    let session = session_id(&hash, slot, Pass::Value);
    store.run(move |store| store.start_session(&session, &hash, slot, at)).await?;
    Ok(Setup {
        identity: Arc::clone(identity),
        roster,
        warrant: Arc::new(warrant),
        signed,
        lock: lock.name,
        slot,
        invited,
        bound,
        earlier,
        history: BTreeMap::new(),
        unsettled: Vec::new(),
        voided: Vec::new(),
    })
}

/// Nothing is started that could not end inside the slot.
fn time_left(lock: &Lock, slot: u64, now_ms: u64, session_ms: u64) -> Result<(), Error> {
    let ends = slot.saturating_add(1).saturating_mul(u64::from(lock.spacing_s)).saturating_mul(1000);
    let left = ends.saturating_sub(now_ms);
    if left >= session_ms {
        return Ok(());
    }
    Err(Error::session(format!(
        "the slot ends in {} s and a session may take {} s",
        left / 1000,
        session_ms / 1000
    ))
    .place(format!("lock {}, slot {slot}", lock.name))
    .remedy(format!("run it again in {} s, when the next slot has begun", left / 1000 + 1)))
}

/// Within a slot exactly the survivors of its first session are invited, else all who are there.
fn enough(invited: &mut Vec<Invited>, bound: Option<&Bound>, quorum: u16) -> Result<(), Error> {
    if let Some(bound) = bound {
        invited.retain(|one| bound.survivors.contains(&one.node));
        let away: Vec<&NodeId> =
            bound.survivors.iter().filter(|node| invited.iter().all(|one| one.node != **node)).collect();
        if !away.is_empty() {
            let away: Vec<String> = away.iter().map(|node| node.0.to_string()).collect();
            return Err(Error::session("hospitals that are bound to this slot are not there")
                .place(format!("node {}", away.join(", ")))
                .expected(format!("all {} that stand behind this slot's first sum", bound.survivors.len()))
                .remedy("wait until they are linked again, or for the next slot"));
        }
    }
    if invited.len() < usize::from(quorum) {
        return Err(Error::session(format!("too-few: {} hospitals are there", invited.len()))
            .expected(format!("at least {quorum}"))
            .remedy("see `samensom status` for who is linked"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::codec::{List, Text};

    #[test]
    fn a_session_must_fit_into_its_slot() {
        let lock = Lock { name: Text::new("goods").unwrap(), datasets: List::default(), spacing_s: 100 };
        assert!(time_left(&lock, 5, 530_000, 70_000).is_ok());
        let late = time_left(&lock, 5, 530_001, 70_000).unwrap_err().to_string();
        assert!(late.contains("69 s") && late.contains("70 s"), "{late}");
    }

    #[test]
    fn too_few_are_counted_before_anyone_is_asked() {
        let one = |i| Invited { node: NodeId(i), announce: samensom_protocol::ids::AnnounceHash([0; 32]) };
        let mut three: Vec<Invited> = (1..4).map(one).collect();
        assert!(enough(&mut three, None, 3).is_ok());
        assert!(enough(&mut three, None, 4).is_err());
    }
}
