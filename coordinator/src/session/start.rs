//! What a session is started with: who is there, which slot, which survivors bind it.

use super::beside;
use super::passes::Between;
use super::rate;
use super::series;
use crate::clock::now;
use crate::error::Error;
use crate::store::{Interrupted, SessionRow, SessionState, Store};
use samensom_protocol::codec::{Blob, Text, decode};
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::io::{Failure, FailureCode, Output, Record};
use samensom_protocol::message::{Bound, Header, Invited, Message, Opening, Pass, Round};
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{Lock, Roster};
use samensom_protocol::rounds::channel::Switchboard;
use samensom_protocol::rounds::offer::{session_id, slot_at};
use samensom_protocol::rounds::void::Unsettled;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{SignedWarrant, Warrant};
use std::sync::Arc;

/// Verifies the warrant, chooses the pass and who is invited, and notes the session in the store. Where a floor is
/// held and nothing was counted in this slot yet, that is the count pass.
///
/// # Errors
/// When the warrant may not run now, too few are there, the slot is too short, or is not the one of the count.
pub(super) async fn setup(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
    switchboard: &Switchboard,
    warrant: &WarrantHash,
    in_slot: Option<u64>,
) -> Result<Setup, Error> {
    let at = now();
    let roster = store.head_roster();
    let hash = *warrant;
    let (signed, warrant, lock) = runnable(store, hash, &roster, at).await?;
    let slot = slot_at(&lock, at);
    if in_slot.is_some_and(|counted| counted != slot) {
        return Err(Error::session("the slot in which it was counted is over").remedy("run it again"));
    }
    rate::may_be_asked(store, &roster, &warrant, (slot, at)).await?;
    let opening = match warrant.count() {
        Some(_) => counted(store, &hash, (&lock.name, slot)).await?,
        None => None,
    };
    let pass = if warrant.count().is_some() && opening.is_none() { Pass::Count } else { Pass::Value };
    let counting = warrant.count().filter(|_| pass == Pass::Count);
    let counting_ms = counting.map_or(0, |count| count.params.deadlines.total_ms());
    let needed_ms = warrant.params().deadlines.total_ms().saturating_add(counting_ms);
    time_left(&lock, slot, at.0, needed_ms)?;

    let name = lock.name.to_string();
    let bounds = store.run(move |store| store.bounds(&name)).await?;
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let found = bounds.iter().find(|(slot, of, _)| wanted(*slot) && *of == pass);
        found.map(|(_, _, bound)| bound.clone())
    };
    let (bound, earlier) = (of(&|other| other == slot), of(&|other| other < slot));
    let counted = opening.as_ref().map(|(_, counted)| counted.as_slice());
    let mut invited = there(switchboard, &roster, counted, usize::from(warrant.body().may_miss))?;
    enough(&mut invited, bound.as_ref(), warrant.params().thresholds.quorum)?;
    let whole = match series::before(store, &warrant, &roster, (&ids_of(&invited), at)).await? {
        Some(before) => series::keep(&mut invited, &before).map(|()| true)?,
        None => false,
    };
    let ids = ids_of(&invited);
    whole_classes(&warrant, &roster, &ids)?;
    if opening.is_none() {
        let (slot, rosters) = ((lock.name.clone(), slot), rosters(store).await?);
        beside::may_be_counted(store, slot, rosters, (&warrant, &roster, &ids)).await?;
    }

    let unsettled = unsettled(store, &lock, slot).await?;
    let name = lock.name.to_string();
    let voided = store.run(move |store| store.voided(&name, slot.saturating_sub(1))).await?;

    let name = lock.name.to_string();
    let history = store.run(move |store| store.history(&name, slot)).await?;

    let session = session_id(&hash, slot, pass);
    store.run(move |store| store.start_session(&session, &hash, slot, at)).await?;
    Ok(Setup {
        identity: Arc::clone(identity),
        roster,
        warrant: Arc::new(warrant),
        signed,
        lock: lock.name,
        slot,
        invited,
        pass,
        opening,
        bound,
        whole,
        earlier,
        history,
        unsettled,
        voided,
    })
}

/// The warrant, if it may run now, and the lock of its data set.
async fn runnable(
    store: &Arc<Store>,
    hash: WarrantHash,
    roster: &Roster,
    at: Time,
) -> Result<(SignedWarrant, Warrant, Lock), Error> {
    let signed = store.run(move |store| store.warrant(&hash.to_hex())).await?;
    let warrant = signed.verify(roster, at).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("warrant {hash}"))
            .remedy("see `samensom query approve`; after a change of the roster submit it again")
    })?;
    let dataset = warrant.query().dataset().name();
    let lock = roster.lock_of(dataset).cloned();
    let lock =
        lock.ok_or_else(|| Error::refused(format!("the roster has no lock for the data set `{dataset}`")))?;
    Ok((signed, warrant, lock))
}

/// Members that announced; after a count those who were counted, of whom few enough are missing.
fn there(
    switchboard: &Switchboard,
    roster: &Roster,
    counted: Option<&[NodeId]>,
    may_miss: usize,
) -> Result<Vec<Invited>, Error> {
    let announced = switchboard
        .nodes()
        .filter(|node| roster.member(*node).is_some())
        .filter_map(|node| switchboard.announced(node).map(|announce| Invited { node, announce }));
    let invited: Vec<Invited> =
        announced.filter(|one| counted.is_none_or(|counted| counted.contains(&one.node))).collect();
    let Some(counted) = counted else { return Ok(invited) };
    let fewest = counted.len().saturating_sub(may_miss);
    if invited.len() >= fewest {
        return Ok(invited);
    }
    Err(Error::session("hospitals that were counted are not there")
        .expected(format!("{fewest} of the {} that were counted in this slot", counted.len()))
        .remedy("wait until they are linked again, or for the next slot"))
}

/// A21: every class of hospitals that is a cell has nobody there, or enough.
fn whole_classes(warrant: &Warrant, roster: &Roster, invited: &[NodeId]) -> Result<(), Error> {
    let Some(small) = warrant.small_class(roster, invited, invited) else { return Ok(()) };
    let class: Vec<String> = small.labels.iter().map(|(name, value)| format!("{name} `{value}`")).collect();
    let class = class.join(", ");
    Err(Error::session(format!("small-class: {} hospitals of {class} are there", small.present))
        .expected(format!(
            "none of them, or {}: a cell of fewer would show their figures to each other",
            small.needed
        ))
        .remedy(
            "wait until more of them are linked, or ask for classes that are larger, or for national cells",
        ))
}

/// Attempts of a lock that left reports behind, for those who are there to void.
async fn unsettled(store: &Arc<Store>, lock: &Lock, slot: u64) -> Result<Vec<Unsettled>, Error> {
    let name = lock.name.to_string();
    let lost = store.run(move |store| store.unsettled(&name, slot)).await?;
    let rosters = rosters(store).await?;
    let unsettled = lost.into_iter().filter_map(|(attempt, voids)| {
        let roster = rosters.iter().find(|roster| roster.hash() == attempt.roster)?;
        let (sid, required) = (attempt.sid, attempt.slot == slot);
        Some(Unsettled { sid, roster: Arc::clone(roster), required, voids })
    });
    Ok(unsettled.collect())
}

/// What a value pass stands on, and who was counted.
type Opened = (Opening, Vec<NodeId>);

/// The count pass of a warrant in a slot, if it has ended with a sum.
async fn counted(
    store: &Arc<Store>,
    warrant: &WarrantHash,
    (lock, slot): (&Text<32>, u64),
) -> Result<Option<Opened>, Error> {
    let session = session_id(warrant, slot, Pass::Count);
    let done = store.run(move |store| Ok((store.session(&session)?, store.summed(&session)?))).await?;
    let (Some(SessionRow { state: SessionState::Done, .. }), Some(sid)) = done else { return Ok(None) };
    let (rosters, slot) = (rosters(store).await?, (lock.clone(), slot));
    let opened = move |store: &Store| {
        let verified = crate::result::verified_pass(store, &sid)?;
        Ok((beside::opening(store, &slot, &rosters, &verified)?, verified))
    };
    let (open, verified) = store.run(opened).await?;
    let open = open.ok_or_else(|| Error::machine("what was counted is of another query"))?;
    let open = Blob::new(open.to_bytes()).map_err(|why| Error::machine(why.to_string()))?;
    let opening = Opening { freeze: verified.freeze, result: verified.result, open };
    Ok(Some((opening, verified.survivors)))
}

/// Every roster of the chain, verified, oldest first.
pub(super) async fn rosters(store: &Arc<Store>) -> Result<Vec<Arc<Roster>>, Error> {
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

/// A pass that goes on: the core and what it says first.
type ResumedPass = (Coordinator, Vec<Output>, Thresholds);

/// A session that goes on, in a pass or between its passes.
pub(super) enum Resumed {
    /// In a pass.
    Pass(Box<ResumedPass>),
    /// Counted, and not yet summed.
    Between(Between),
}

/// The session that had not ended when the program did, as far as its records lead; none if it never began
/// or is too old, which is noted.
///
/// # Errors
/// When the store fails.
pub(super) async fn interrupted(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
) -> Result<Option<Resumed>, Error> {
    while let Some(found) = store.run(|store| store.interrupted()).await? {
        if let Some(between) = between(store, &found).await? {
            return Ok(Some(Resumed::Between(between)));
        }
        if let Some(resumed) = again(store, identity, &found).await? {
            return Ok(Some(Resumed::Pass(Box::new(resumed))));
        }
        let quorum = Thresholds::of(&store.head_roster()).map_or(0, |thresholds| thresholds.quorum);
        let (code, round) = (FailureCode::Interrupted, Round::Deposit);
        let failure = Failure { code, round, needed: quorum, present: 0, culprits: Vec::new(), block: None };
        tracing::warn!(session = %found.session, "the session was interrupted and cannot go on");
        store.run(move |store| store.end_session(&found.session, Some(&failure))).await?;
    }
    Ok(None)
}

/// The count on which an interrupted session stands that had not begun to sum; its slot is looked at again before it
/// begins.
async fn between(store: &Arc<Store>, found: &Interrupted) -> Result<Option<Between>, Error> {
    let (session, warrant) = (found.session, found.warrant);
    if found.attempt.is_some() {
        return Ok(None);
    }
    let counted = move |store: &Store| {
        let Some(row) = store.session(&session)? else { return Ok(None) };
        let Some(sid) = store.summed(&session_id(&warrant, row.slot, Pass::Count))? else { return Ok(None) };
        let verified = crate::result::verified_pass(store, &sid)?;
        Ok(Some(Between::after(&verified)).filter(|between| between.session == session))
    };
    store.run(counted).await
}

async fn again(
    store: &Arc<Store>,
    identity: &Arc<Identity>,
    found: &Interrupted,
) -> Result<Option<ResumedPass>, Error> {
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
    let pass = header_of(&records).map_or(Pass::Value, |header| header.pass);
    let name = Text::new(&attempt.lock).map_err(|why| Error::machine(why.to_string()))?;
    let opening = match warrant.count().filter(|_| pass == Pass::Value) {
        Some(_) => counted(store, &hash, (&name, slot)).await?,
        None => None,
    };
    let earlier = bounds.into_iter().find(|(other, of, _)| *other < slot && *of == pass);
    let asked = header_of(&records).map(|header| ids_of(&header.invited)).unwrap_or_default();
    let before = series::before(store, &warrant, &roster, (&asked, attempt.opened_at)).await?;
    let whole = before.is_some_and(|before| before.survivors == asked);
    let setup = Setup {
        identity: Arc::clone(identity),
        roster,
        warrant: Arc::new(warrant),
        signed,
        lock: name,
        slot,
        invited: Vec::new(),
        pass,
        opening,
        bound: None,
        whole,
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

/// The header of an attempt, of what was sent.
fn header_of(records: &[Record]) -> Option<Header> {
    records.iter().find_map(|record| match record {
        Record::Sent { round: Round::Deposit, bytes, .. } => match Message::from_frame(bytes) {
            Ok(Message::Offer(offer)) => decode::<Header>(&offer.header.body).ok(),
            _ => None,
        },
        _ => None,
    })
}

fn ids_of(invited: &[Invited]) -> Vec<NodeId> {
    invited.iter().map(|one| one.node).collect()
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
    use samensom_protocol::warrant::{Approval, PROFILE_V1, Requester, SignedWarrant, WarrantBody};
    use tempfile::TempDir;

    #[test]
    fn a_session_must_fit_into_its_slot() {
        let lock = Lock {
            name: Text::new("goods").unwrap(),
            datasets: List::default(),
            spacing_s: 100,
            floor_hospitals: 0,
            floor_patients: 0,
        };
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
        asked(folder, QUERY)
    }

    /// The same with a warrant of this query.
    fn asked(folder: &TempDir, query: &str) -> (Arc<Store>, WarrantHash) {
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
        let query = Query::from_toml(query, &mut |_| Err(String::new())).unwrap();
        let body = WarrantBody {
            query: Blob::new(query.canonical().unwrap()).unwrap(),
            roster: store.head_roster().hash(),
            profile: PROFILE_V1,
            floor_hospitals: 5,
            floor_patients: 0,
            floor_dominance: 0,
            may_miss: 0,
            valid_from: Time(0),
            valid_until: Time(u64::MAX),
            sessions: 9,
            every_s: 0,
            wait_s: 0,
            series: samensom_protocol::warrant::Series::Free,
            requester: Requester {
                key: tests::identity(850).public(),
                person: Text::new("B. Smit").unwrap(),
                organisation: Text::new("lcg").unwrap(),
            },
        };
        let approvals = vec![Approval::new(&tests::identity(800), &encode(&body).unwrap())];
        let signed = SignedWarrant::asked(&body, &tests::identity(850)).unwrap().approved(approvals).unwrap();
        let hash = store.put_warrant(&signed, "q", "Titel", Time(5)).unwrap();
        for approval in signed.approvals.iter() {
            store.put_approval(&hash, approval, Time(6)).unwrap();
        }
        (Arc::new(store), hash)
    }

    /// A21, before anything begins: all five are of the north, and the floor is 5.
    #[test]
    fn a_class_of_which_too_few_are_there_is_named() {
        let folder = TempDir::new().unwrap();
        let dimension = "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"north\", \"south\"]\n";
        let (store, hash) = asked(&folder, &format!("{QUERY}\n{dimension}"));
        let roster = store.head_roster();
        let warrant = store.warrant(&hash.to_hex()).unwrap().read(&roster).unwrap();
        let all: Vec<NodeId> = (1..=5).map(NodeId).collect();
        assert!(whole_classes(&warrant, &roster, &all).is_ok(), "nobody of the south is not too few");
        let told = whole_classes(&warrant, &roster, &all[1..]).unwrap_err().to_string();
        assert!(told.contains("small-class: 4 hospitals of purchasing_group `north` are there"), "{told}");
        assert!(told.contains("none of them, or 5"), "{told}");
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
            pass: Pass::Count,
            opening: None,
            identity: Arc::clone(&identity),
            roster: Arc::clone(&roster),
            warrant,
            signed,
            lock: lock.name.clone(),
            slot,
            invited: (1..=5).map(invited).collect(),
            bound: None,
            whole: false,
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

        let Some(Resumed::Pass(resumed)) = interrupted(&store, &identity).await.unwrap() else { panic!() };
        let (core, _, _) = *resumed;
        let (_, outputs) = core.step(Input::Linked { node: NodeId(1), at }, &mut rng);
        let told = |output: &Output| matches!(output, Output::Send { bytes, .. } if *bytes == voids);
        assert!(outputs.first().is_some_and(told), "VOIDS, then the offer: {outputs:?}");
    }
}
