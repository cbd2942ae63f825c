//! The fixed part of a world: keys, roster, warrants over one cell; made once for each number of hospitals.
//!
//! Owns no state of a run. The keys are those of tests: derived from a number.

use samensom_protocol::codec::{Blob, Bytes, List, Text, encode};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::query::Query;
use samensom_protocol::roster::{
    Approver, Limits, Lock, Member, PurposeRule, Roster, RosterBody, RosterSignature, SignedRoster, Signer,
    Status,
};
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{
    Approval, PROFILE_V1, Requester, Series, SignedWarrant, Warrant, WarrantBody, with_classes_of,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Largest figure of the one cell.
pub const LARGEST: u64 = 1_000_000_000_000;
/// Seconds of a slot.
pub const SPACING_S: u32 = 72_000;
/// Warrants over the same figure.
pub const WARRANTS: usize = 2;
/// The warrant after them: over a figure that is zero everywhere.
pub const NOTHING: usize = WARRANTS;
const COORDINATOR: u16 = 700;
/// Number of the one approver's key.
pub const APPROVER: u16 = 800;
/// Who asks.
pub const ANALYST: u16 = 850;

/// Keys, roster and warrants.
#[derive(Debug)]
pub struct Town {
    /// Everybody's roster.
    pub roster: Arc<Roster>,
    /// Warrants over the same figure, and the one over nothing.
    pub warrants: Vec<(SignedWarrant, Arc<Warrant>)>,
    /// The coordinator's key.
    pub coordinator: Arc<Identity>,
    /// The hospitals' keys.
    pub identities: BTreeMap<NodeId, Arc<Identity>>,
    /// The one lock.
    pub lock: Lock,
}

/// The key of a number: hospitals from 1, the coordinator 700, the approver 800, signers from 900.
#[must_use]
pub fn identity(number: u16) -> Identity {
    let mut seed = [5u8; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(&Secret::new(seed))
}

fn public(number: u16) -> PublicKey {
    identity(number).public()
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

fn lock() -> Lock {
    lock_of("goods", &["stock", "use"])
}

fn lock_of(name: &str, datasets: &[&str]) -> Lock {
    Lock {
        name: text(name),
        datasets: List::new(datasets.iter().map(|dataset| text(dataset)).collect()).unwrap(),
        spacing_s: SPACING_S,
        floor_hospitals: 0,
        floor_patients: 0,
    }
}

/// The roster after another, signed as it must be, that differs in what members are called.
///
/// # Panics
/// When the sample documents are no longer valid.
#[must_use]
pub fn next_roster(roster: &Roster) -> Arc<Roster> {
    roster_after(roster, |member| member.name = text("Renamed"))
}

/// The roster after another, signed as it must be, with this change of each member.
///
/// # Panics
/// When the members may not change so.
#[must_use]
pub fn roster_after(roster: &Roster, change: impl FnMut(&mut Member)) -> Arc<Roster> {
    let mut body = roster.body().clone();
    (body.epoch, body.previous) = (body.epoch + 1, roster.hash());
    let mut members = body.members.to_vec();
    members.iter_mut().for_each(change);
    body.members = List::new(members).unwrap();
    let raw = encode(&body).unwrap();
    let signatures = (900..902).map(|i| RosterSignature::new(&identity(i), &raw)).collect();
    Arc::new(roster.next(&body.to_signed(signatures).unwrap()).unwrap())
}

fn founding(locks: Vec<Lock>) -> RosterBody {
    let signer = |i| Signer { key: public(i), person: text("s"), organisation: text("h") };
    let mut signers: Vec<Signer> = (900..903).map(signer).collect();
    signers.sort_by_key(|signer| signer.key);
    let approver = Approver {
        key: public(APPROVER),
        person: text("a"),
        role: text("pharmacist"),
        organisation: text("h1"),
    };
    let rule = PurposeRule {
        purpose: text("stock"),
        roles: List::new(vec![text("pharmacist")]).unwrap(),
        floor_hospitals: 0,
        colluding_holders: false,
        floor_dominance: 0,
        family_sessions: 0,
    };
    RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        members: List::default(),
        approvers: List::new(vec![approver]).unwrap(),
        signers: List::new(signers).unwrap(),
        threshold: 2,
        rules: List::new(vec![rule]).unwrap(),
        locks: List::new(locks).unwrap(),
        limits: Limits::default(),
        honest_min: 0,
        policy: Bytes([0; 32]),
    }
}

/// The first roster of every town, without members.
///
/// # Panics
/// When the sample document above is no longer valid.
#[must_use]
pub fn first() -> SignedRoster {
    founding(vec![lock()]).to_signed(vec![]).unwrap()
}

/// The second roster of a town of `n` hospitals, as it travels.
///
/// # Panics
/// When the sample document above is no longer valid.
#[must_use]
pub fn second(n: u16) -> SignedRoster {
    second_of(n, &|_| ("north", "general"))
}

/// The roster of a town of `n` hospitals that have patients' rows under a lock of their own.
///
/// # Panics
/// When the sample document above is no longer valid.
#[must_use]
pub fn with_patients(n: u16, of: Of<'_>) -> Roster {
    let locks = vec![lock(), lock_of("patients", &["administration"])];
    let first = founding(locks.clone()).to_signed(vec![]).unwrap();
    let second = members(n, &first, founding(locks), of);
    Roster::founding(&first).unwrap().next(&second).unwrap()
}

/// Purchasing group and kind of a hospital.
pub type Of<'a> = &'a dyn Fn(u16) -> (&'static str, &'static str);

fn second_of(n: u16, of: Of<'_>) -> SignedRoster {
    members(n, &first(), founding(vec![lock()]), of)
}

/// The roster after the first, with members.
fn members(n: u16, first: &SignedRoster, founding: RosterBody, of: Of<'_>) -> SignedRoster {
    let member = |id: u16| Member {
        id: NodeId(id),
        institution: text(&format!("h{id}")),
        name: text(&format!("Hospital {id}")),
        group: text(of(id).0),
        kind: text(of(id).1),
        key: public(id),
        status: Status::Active,
        floor_hospitals: 0,
    };
    let first = Roster::founding(first).unwrap();
    let members = List::new((1..=n).map(member).collect()).unwrap();
    let body = RosterBody { epoch: 1, previous: first.hash(), members, ..founding };
    let raw = encode(&body).unwrap();
    body.to_signed((900..902).map(|i| RosterSignature::new(&identity(i), &raw)).collect()).unwrap()
}

fn roster(n: u16, of: Of<'_>) -> Roster {
    Roster::founding(&first()).unwrap().next(&second_of(n, of)).unwrap()
}

/// A warrant's terms under a roster, approved by these keys of tests.
///
/// # Panics
/// When the sample query is no longer valid.
#[must_use]
pub fn approved(roster: &Roster, version: usize, approvers: &[u16]) -> SignedWarrant {
    let query = format!(
        r#"
[query]
id = "sample"
version = {}
title = {{ nl = "Voorbeeld", en = "Sample" }}
purpose = "stock"
dataset = "stock"

[[measure]]
name = "stock"
sum = "quantity"
unit = "piece"
scale = 1
range = [0, {LARGEST}]
"#,
        version + 1
    );
    signed(roster, &Query::from_toml(&query, &mut |_| Err("no files here".into())).unwrap(), approvers)
}

fn signed(roster: &Roster, query: &Query, approvers: &[u16]) -> SignedWarrant {
    signed_as(roster, query, Series::Free, approvers)
}

fn signed_as(roster: &Roster, query: &Query, series: Series, approvers: &[u16]) -> SignedWarrant {
    let body = WarrantBody {
        query: Blob::new(query.canonical().unwrap()).unwrap(),
        roster: roster.hash(),
        profile: PROFILE_V1,
        floor_hospitals: query.floor_hospitals(),
        floor_patients: 0,
        floor_dominance: 0,
        may_miss: 0,
        valid_from: Time(0),
        valid_until: Time(u64::MAX),
        sessions: 99,
        every_s: 0,
        wait_s: 0,
        series,
        requester: Requester {
            key: identity(ANALYST).public(),
            person: Text::new("Analyst").unwrap(),
            organisation: Text::new("lcg").unwrap(),
        },
    };
    let raw = encode(&body).unwrap();
    let approvals = approvers.iter().map(|number| Approval::new(&identity(*number), &raw)).collect();
    SignedWarrant::asked(&body, &identity(ANALYST)).unwrap().approved(approvals).unwrap()
}

fn warrant(roster: &Roster, version: usize) -> (SignedWarrant, Arc<Warrant>) {
    let signed = approved(roster, version, &[APPROVER]);
    let warrant = Arc::new(signed.verify(roster, Time(1)).unwrap());
    assert_eq!(warrant.params().cells, 1, "one cell");
    (signed, warrant)
}

/// The town of `n` hospitals, `NodeId(1)` to `NodeId(n)`.
///
/// # Panics
/// When the sample documents above are no longer valid.
#[must_use]
pub fn town(n: u16) -> Arc<Town> {
    static TOWNS: Mutex<BTreeMap<u16, Arc<Town>>> = Mutex::new(BTreeMap::new());
    let mut towns = TOWNS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = towns.entry(n).or_insert_with(|| {
        let roster = Arc::new(roster(n, &|_| ("north", "general")));
        Arc::new(Town {
            warrants: (0..=NOTHING).map(|version| warrant(&roster, version)).collect(),
            coordinator: Arc::new(identity(COORDINATOR)),
            identities: (1..=n).map(|i| (NodeId(i), Arc::new(identity(i)))).collect(),
            lock: lock(),
            roster,
        })
    });
    Arc::clone(found)
}

/// The same town, whose first warrant alone is left and keeps its hospitals from session to session.
///
/// # Panics
/// When the sample documents above are no longer valid.
#[must_use]
pub fn town_of_series(town: &Town) -> Arc<Town> {
    equal(town, &[town.warrants[0].1.query().clone()])
}

/// The same town, in which each warrant asks for the use of one of these times and keeps its hospitals.
///
/// # Panics
/// When the sample documents above are no longer valid, or a time is no condition.
#[must_use]
pub fn town_of_times(town: &Town, times: &[&str]) -> Arc<Town> {
    let query = |(version, time): (usize, &&str)| {
        let text = format!(
            "[query]\nid = \"sample\"\nversion = {}\ntitle = {{ nl = \"V\", en = \"S\" }}\npurpose = \"stock\"\n\
             dataset = \"use\"\n[population]\nwhere = \"{time}\"\n[[measure]]\nname = \"used\"\n\
             sum = \"quantity\"\nunit = \"piece\"\nscale = 1\nrange = [0, {LARGEST}]\n",
            version + 1
        );
        Query::from_toml(&text, &mut |_| Err("no files here".into())).unwrap()
    };
    equal(town, &times.iter().enumerate().map(query).collect::<Vec<_>>())
}

/// The same town with warrants of these queries, which keep their hospitals.
fn equal(town: &Town, queries: &[Query]) -> Arc<Town> {
    let warrant = |query: &Query| {
        let signed = signed_as(&town.roster, query, Series::Equal, &[APPROVER]);
        let warrant = Arc::new(signed.verify(&town.roster, Time(1)).unwrap());
        (signed, warrant)
    };
    Arc::new(Town {
        warrants: queries.iter().map(warrant).collect(),
        coordinator: Arc::clone(&town.coordinator),
        identities: town.identities.clone(),
        lock: town.lock.clone(),
        roster: Arc::clone(&town.roster),
    })
}

/// The town of `n` hospitals under rules that allow so many sessions of a family of queries in 7 days.
///
/// # Panics
/// When the sample documents above are no longer valid.
#[must_use]
pub fn town_of_rate(n: u16, family_sessions: u16) -> Arc<Town> {
    let mut founding = founding(vec![lock()]);
    let mut rules = founding.rules.to_vec();
    rules.iter_mut().for_each(|rule| rule.family_sessions = family_sessions);
    founding.rules = List::new(rules).unwrap();
    let first = founding.to_signed(vec![]).unwrap();
    let second = members(n, &first, founding, &|_| ("north", "general"));
    let roster = Arc::new(Roster::founding(&first).unwrap().next(&second).unwrap());
    Arc::new(Town {
        warrants: (0..=NOTHING).map(|version| warrant(&roster, version)).collect(),
        coordinator: Arc::new(identity(COORDINATOR)),
        identities: (1..=n).map(|i| (NodeId(i), Arc::new(identity(i)))).collect(),
        lock: lock(),
        roster,
    })
}

/// A town of `n` hospitals in these classes, with one warrant: its cells are as these dimensions say, its floor is 3.
///
/// # Panics
/// When the dimensions are none.
#[must_use]
pub fn town_of_classes(n: u16, of: Of<'_>, dimensions: &str) -> Arc<Town> {
    let roster = Arc::new(roster(n, of));
    let query = format!(
        "[query]\nid = \"classes\"\nversion = 1\ntitle = {{ nl = \"Klassen\", en = \"Classes\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n{dimensions}[[measure]]\nname = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\n\
         scale = 1\nrange = [0, {LARGEST}]\n[floors]\nhospitals = 3\n"
    );
    let query = Query::from_toml(&query, &mut |_| Err("no files here".into())).unwrap();
    let signed = signed(&roster, &with_classes_of(&roster, &query).unwrap(), &[APPROVER]);
    let warrant = Arc::new(signed.verify(&roster, Time(1)).unwrap());
    Arc::new(Town {
        warrants: vec![(signed, warrant)],
        coordinator: Arc::new(identity(COORDINATOR)),
        identities: (1..=n).map(|i| (NodeId(i), Arc::new(identity(i)))).collect(),
        lock: lock(),
        roster,
    })
}
