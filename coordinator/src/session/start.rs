//! What a session is started with: who is there, which slot, which survivors bind it.

use crate::clock::now;
use crate::error::Error;
use crate::store::{Interrupted, Store};
use samensom_protocol::codec::Text;
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::io::{Failure, FailureCode, Output, Record};
use samensom_protocol::message::{Bound, Invited, Message, Pass, Round};
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{Lock, Roster};
use samensom_protocol::rounds::channel::Switchboard;
use samensom_protocol::rounds::offer::{session_id, slot_at};
use samensom_protocol::rounds::void::Unsettled;
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

    let name = lock.name.to_string();
    let lost = store.run(move |store| store.unsettled(&name, slot)).await?;
    let rosters = rosters(store).await?;
    let unsettled = lost.into_iter().filter_map(|(attempt, voids)| {
        let roster = rosters.iter().find(|roster| roster.hash() == attempt.roster)?;
        let (sid, required) = (attempt.sid, attempt.slot == slot);
        Some(Unsettled { sid, roster: Arc::clone(roster), required, voids })
    });
    let unsettled = unsettled.collect();
    let name = lock.name.to_string();
    let voided = store.run(move |store| store.voided(&name, slot.saturating_sub(1))).await?;

    let name = lock.name.to_string();
    let history = store.run(move |store| store.history(&name, slot)).await?;

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
        history,
        unsettled,
        voided,
    })
}

/// Every roster of the chain, verified, oldest first.
async fn rosters(store: &Arc<Store>) -> Result<Vec<Arc<Roster>>, Error> {
    let mut rosters: Vec<Arc<Roster>> = Vec::new();
    for signed in store.run(|store| store.roster_chain()).await? {
        let next = match rosters.last() {
            None => Roster::founding(&signed),
            Some(head) => head.next(&signed),
        };
        rosters.push(Arc::new(next.map_err(|why| Error::machine(why.to_string()).place("samensom.db"))?));
    }
    Ok(rosters)
}

/// The session that had not ended when the program did, as far as its records lead; none if it never began
/// or is too old, which is noted.
///
/// # Errors
/// When the store fails.
pub(super) async fn interrupted(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
) -> Result<Option<(Coordinator, Vec<Output>, Thresholds)>, Error> {
    while let Some(found) = store.run(|store| store.interrupted()).await? {
        if let Some(resumed) = again(store, identity, &found).await? {
            return Ok(Some(resumed));
        }
        let quorum = Thresholds::of(&store.head_roster()).map_or(0, |thresholds| thresholds.quorum);
        let (code, round) = (FailureCode::Interrupted, Round::Deposit);
        let failure = Failure { code, round, needed: quorum, present: 0, culprits: Vec::new() };
        tracing::warn!(session = %found.session, "the session was interrupted and cannot go on");
        store.run(move |store| store.end_session(&found.session, Some(&failure))).await?;
    }
    Ok(None)
}

async fn again(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
    found: &Interrupted,
) -> Result<Option<(Coordinator, Vec<Output>, Thresholds)>, Error> {
    let Some(attempt) = found.attempt.clone() else { return Ok(None) };
    let (at, hash) = (now(), found.warrant);
    let Some(roster) = rosters(store).await?.into_iter().find(|roster| roster.hash() == attempt.roster)
    else {
        return Ok(None);
    };
    let signed = store.run(move |store| store.warrant(&hash.to_hex())).await?;
    let Ok(warrant) = signed.verify(&roster, attempt.opened_at) else { return Ok(None) };
    let params = *warrant.params();
    let sid = attempt.sid;
    let records = store.run(move |store| store.records(&sid)).await?;
    let has_result = |record: &Record| match record {
        Record::Sent { bytes, .. } => matches!(Message::from_frame(bytes), Ok(Message::Outcome(_))),
        _ => false,
    };
    let late = at.since_ms(attempt.opened_at) > params.deadlines.total_ms();
    if late && !records.iter().any(has_result) {
        return Ok(None);
    }
    let (lock, slot) = (attempt.lock.clone(), attempt.slot);
    // What those who are invited must be told besides the offer.
    let (bounds, voided, history) = store
        .run(move |store| {
            let voided = store.voided(&lock, slot.saturating_sub(1))?;
            Ok((store.bounds(&lock)?, voided, store.history(&lock, slot)?))
        })
        .await?;
    let earlier = bounds.into_iter().find(|(other, pass, _)| *other < slot && *pass == Pass::Value);
    let setup = Setup {
        identity: Arc::clone(identity),
        roster,
        warrant: Arc::new(warrant),
        signed,
        lock: Text::new(&attempt.lock).map_err(|why| Error::machine(why.to_string()))?,
        slot,
        invited: Vec::new(),
        bound: None,
        earlier: earlier.map(|(_, _, bound)| bound),
        history,
        unsettled: Vec::new(),
        voided,
    };
    let resumed = store
        .run(move |store| {
            let mut blocks =
                |node| (0u32..).map_while(|block| store.spooled(&sid, node, block).ok().flatten()).collect();
            let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
            Ok(Coordinator::resume(setup, &records, &mut blocks, at, &mut rng))
        })
        .await?;
    match resumed {
        Ok((core, outputs)) => Ok(Some((core, outputs, params.thresholds))),
        Err(fault) => {
            tracing::error!(session = %found.session, %fault, "the session cannot go on");
            Ok(None)
        }
    }
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
    use crate::ops::tests::QUERY;
    use crate::store::{Attempt, Batch, tests};
    use samensom_protocol::codec::{Blob, List, encode};
    use samensom_protocol::ids::{AnnounceHash, AttemptId};
    use samensom_protocol::io::Input;
    use samensom_protocol::message::Voids;
    use samensom_protocol::query::Query;
    use samensom_protocol::roster::{Approver, RosterBody, RosterSignature};
    use samensom_protocol::rounds::pairs::History;
    use samensom_protocol::time::Time;
    use samensom_protocol::warrant::{Approval, PROFILE_V0, SignedWarrant, WarrantBody};
    use tempfile::TempDir;

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

    /// Hospitals 1 to 5 and the approvers of the stock rule.
    fn five(folder: &TempDir) -> (Arc<Store>, WarrantHash) {
        let store = tests::store(folder, 5);
        let approver = Approver {
            key: tests::identity(800).public(),
            person: Text::new("a").unwrap(),
            role: Text::new("pharmacist").unwrap(),
            organisation: Text::new("h1").unwrap(),
        };
        let body = RosterBody {
            approvers: List::new(vec![approver]).unwrap(),
            ..tests::next_body(&store.head_roster(), 5)
        };
        let proposal = store.propose_roster(&body).unwrap();
        for signer in [900, 901] {
            let signature = RosterSignature::new(&tests::identity(signer), &proposal.roster.body);
            store.sign_roster(proposal.hash, &signature).unwrap();
        }
        let query = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap();
        let body = WarrantBody {
            query: Blob::new(query.canonical().unwrap()).unwrap(),
            roster: store.head_roster().hash(),
            profile: PROFILE_V0,
            floor_hospitals: 5,
            valid_from: Time(0),
            valid_until: Time(u64::MAX),
            sessions: 9,
        };
        let raw = encode(&body).unwrap();
        let approvals = List::new(vec![Approval::new(&tests::identity(800), &raw)]).unwrap();
        let signed = SignedWarrant { body: Blob::new(raw).unwrap(), approvals };
        let hash = store.put_warrant(&signed, "q", "Titel", Time(5)).unwrap();
        for approval in signed.approvals.iter() {
            store.put_approval(&hash, approval, Time(6)).unwrap();
        }
        (Arc::new(store), hash)
    }

    /// Killed between the record of VOIDS and their last copy, it tells those who come back.
    #[tokio::test]
    async fn repro_voids_are_told_again_after_a_restart() {
        let folder = TempDir::new().unwrap();
        let (store, hash) = five(&folder);
        let (identity, at) = (Arc::new(tests::identity(700)), now());
        let roster = store.head_roster();
        let signed = store.warrant(&hash.to_hex()).unwrap();
        let warrant = Arc::new(signed.verify(&roster, at).unwrap());
        let lock = roster.lock_of("use").unwrap().clone();
        let slot = slot_at(&lock, at);
        let session = session_id(&hash, slot, Pass::Value);
        store.start_session(&session, &hash, slot, at).unwrap();
        let invited = |i| Invited { node: NodeId(i), announce: AnnounceHash([0; 32]) };
        let setup = Setup {
            identity: Arc::clone(&identity),
            roster: Arc::clone(&roster),
            warrant,
            signed,
            lock: lock.name.clone(),
            slot,
            invited: (1..=5).map(invited).collect(),
            bound: None,
            earlier: None,
            history: History::default(),
            unsettled: Vec::new(),
            voided: Vec::new(),
        };
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let (_, outputs) = Coordinator::new(setup).step(Input::Start(at), &mut rng);
        let records: Vec<Record> = outputs
            .into_iter()
            .filter_map(|output| if let Output::Persist(record) = output { Some(record) } else { None })
            .collect();
        let [Record::Sent { sid, .. }] = records.as_slice() else { panic!("{records:?}") };
        let lost = AttemptId([9; 32]);
        let of = |sid| {
            let lock = lock.name.to_string();
            Attempt { sid, session, lock, slot, roster: roster.hash(), opened_at: at }
        };
        let voids = Message::Voids(Voids { sid: lost, voids: List::default() }).to_frame().unwrap();
        let bytes = Blob::new(voids.clone()).unwrap();
        let void = (lost, Record::Sent { sid: lost, round: Round::Void, at, bytes });
        let records = [vec![void], vec![(*sid, records[0].clone())]].concat();
        store.keep(&Batch { attempts: vec![of(lost), of(*sid)], records, blocks: vec![] }).unwrap();

        let (core, _, _) = interrupted(&store, &identity).await.unwrap().unwrap();
        let (_, outputs) = core.step(Input::Linked { node: NodeId(1), at }, &mut rng);
        let told = |output: &Output| matches!(output, Output::Send { bytes, .. } if *bytes == voids);
        assert!(outputs.first().is_some_and(told), "VOIDS, then the offer: {outputs:?}");
    }
}
