//! The stage of a simulation: roster, warrants, keys and rows, all functions of the number of hospitals.
//!
//! Owns what does not change during a run, made once for each size and thread. Every hospital has a digit
//! of its own in the sum, so that one that is missing or counted twice is read off the total. It must not
//! know faults.

use samensom_protocol::codec::{Blob, Bytes, List, Text, encode};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{ExtractHash, NodeId, RosterHash};
use samensom_protocol::query::Query;
use samensom_protocol::roster::{
    Approver, Limits, Lock, Member, PurposeRule, Roster, RosterBody, RosterSignature, SignedRoster, Signer,
    Status,
};
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{
    Approval, PROFILE_V1, Requester, Series, SignedWarrant, Warrant, WarrantBody,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// When every simulation begins: the first moment of a slot.
pub const EPOCH: Time = Time(1_800_000_000_000);
/// A slot's length.
pub const SLOT_MS: u64 = 600_000;
/// Hospitals that share a cell; each has four bits of it.
const PER_CELL: u16 = 12;
/// Numbers of the keys that are no hospital's.
const COORDINATOR: u16 = 7_000;
const APPROVERS: [u16; 2] = [8_000, 8_001];
const ANALYST: u16 = 8_500;
const SIGNERS: [u16; 3] = [9_000, 9_001, 9_002];

/// What every party knows.
#[derive(Debug)]
pub struct World {
    /// Hospitals, 1..=n.
    pub n: u16,
    /// The accepted roster.
    pub roster: Arc<Roster>,
    /// From the founding one to it, as signed.
    pub rosters: Vec<SignedRoster>,
    /// Two warrants over one lock.
    pub warrants: Vec<(SignedWarrant, Arc<Warrant>)>,
    /// Keys of the hospitals, in order.
    pub identities: Vec<Arc<Identity>>,
    /// The coordinator's key.
    pub coordinator: Arc<Identity>,
    /// The one lock.
    pub lock: Lock,
}

thread_local! {
    static WORLDS: RefCell<BTreeMap<u16, Rc<World>>> = const { RefCell::new(BTreeMap::new()) };
}

impl World {
    /// The world of `n` hospitals.
    #[must_use]
    pub fn of(n: u16) -> Rc<World> {
        WORLDS.with(|worlds| Rc::clone(worlds.borrow_mut().entry(n).or_insert_with(|| Rc::new(make(n)))))
    }

    /// A warrant for a query (its text), approved as the roster's rules ask.
    ///
    /// # Panics
    /// When it is not one that can run.
    #[must_use]
    pub fn warrant(&self, query: &str) -> (SignedWarrant, Arc<Warrant>) {
        approved(&self.roster, query)
    }

    /// The slot at a moment.
    #[must_use]
    pub fn slot_at(&self, now: Time) -> u64 {
        samensom_protocol::rounds::offer::slot_at(&self.lock, now)
    }

    /// A hospital's figures for a warrant, from one version of its rows: its own digit, 1 to 7, in its own
    /// four bits of its own cell.
    #[must_use]
    pub fn figures(&self, node: NodeId, version: u64, warrant: &Warrant) -> Vec<i64> {
        let index = node.0.saturating_sub(1);
        let (cell, place) = (usize::from(index / PER_CELL), u32::from(index % PER_CELL));
        let digit = 1 + i64::try_from(mix(&[u64::from(node.0), version]) % 7).unwrap_or(0);
        let layout = warrant.query().layout();
        let mut values = vec![0; usize::try_from(layout.cells()).unwrap_or(0)];
        if let Some(value) = values.get_mut(cell) {
            *value = digit << (4 * place);
        }
        values
    }

    /// Hash of one version of a hospital's rows.
    #[must_use]
    pub fn extract(node: NodeId, version: u64) -> ExtractHash {
        let mut hash = [0; 32];
        for (word, chunk) in (0u64..).zip(hash.chunks_mut(8)) {
            chunk.copy_from_slice(&mix(&[word, u64::from(node.0), version, 0xe7]).to_le_bytes());
        }
        ExtractHash(hash)
    }
}

/// A mixer (SplitMix64's finaliser) for everything that only has to look random and be the same again.
#[must_use]
pub fn mix(words: &[u64]) -> u64 {
    words.iter().fold(0x243f_6a88_85a3_08d3, |state: u64, word| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn identity(number: u16) -> Identity {
    let mut seed = [5u8; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(&Secret::new(seed))
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).expect("a short text")
}

fn make(n: u16) -> World {
    let members = (1..=n).map(|i| Member {
        id: NodeId(i),
        institution: text(&format!("h{i}")),
        name: text(&format!("Hospital {i}")),
        group: text("north"),
        kind: text("general"),
        key: identity(i).public(),
        status: Status::Active,
        floor_hospitals: 0,
    });
    let founding = body(List::default());
    let founding = founding.to_signed(vec![]).expect("a roster");
    let first = Roster::founding(&founding).expect("a roster");
    let next = RosterBody {
        epoch: 1,
        previous: first.hash(),
        ..body(List::new(members.collect()).expect("few members"))
    };
    let raw = encode(&next).expect("a roster");
    let signatures = SIGNERS.map(|i| RosterSignature::new(&identity(i), &raw)).to_vec();
    let next = next.to_signed(signatures).expect("a roster");
    let roster = first.next(&next).expect("a signed roster");
    let lock = roster.body().locks[0].clone();
    let warrants = [1, 2].map(|version| warrant(&roster, n, version));
    World {
        n,
        warrants: warrants.to_vec(),
        rosters: vec![founding, next],
        roster: Arc::new(roster),
        identities: (1..=n).map(|i| Arc::new(identity(i))).collect(),
        coordinator: Arc::new(identity(COORDINATOR)),
        lock,
    }
}

fn body(members: List<Member, { samensom_protocol::roster::MAX_NODES }>) -> RosterBody {
    let mut signers = SIGNERS
        .map(|i| Signer { key: identity(i).public(), person: text("s"), organisation: text("h") })
        .to_vec();
    signers.sort_by_key(|signer| signer.key);
    let mut approvers: Vec<Approver> = APPROVERS
        .iter()
        .zip([("pharmacist", "h1"), ("duty", "lcg")])
        .map(|(i, (role, organisation))| Approver {
            key: identity(*i).public(),
            person: text(role),
            role: text(role),
            organisation: text(organisation),
        })
        .collect();
    approvers.sort_by_key(|approver| approver.key);
    let limits = Limits {
        deposit_ms: 4_000,
        ready_ms: 4_000,
        contribute_ms: 5_000,
        contribute_ms_per_mb: 1_000,
        confirm_ms: 4_000,
        reveal_ms: 4_000,
    };
    RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        members,
        approvers: List::new(approvers).expect("few approvers"),
        signers: List::new(signers).expect("few signers"),
        threshold: 2,
        rules: List::new(vec![PurposeRule {
            purpose: text("stock"),
            roles: List::new(vec![text("pharmacist"), text("duty")]).expect("two roles"),
            floor_hospitals: 0,
            colluding_holders: false,
            floor_dominance: 0,
            family_sessions: 0,
        }])
        .expect("one rule"),
        locks: List::new(vec![Lock {
            name: text("goods"),
            datasets: List::new(vec![text("stock"), text("use")]).expect("two data sets"),
            spacing_s: u32::try_from(SLOT_MS / 1000).expect("a short slot"),
            floor_hospitals: 0,
            floor_patients: 0,
        }])
        .expect("one lock"),
        limits,
        honest_min: 0,
        policy: Bytes([0; 32]),
    }
}

fn warrant(roster: &Roster, n: u16, version: u32) -> (SignedWarrant, Arc<Warrant>) {
    let codes: Vec<String> = (0..n.div_ceil(PER_CELL)).map(|cell| format!("\"C{cell}\"")).collect();
    let highest = 1u64 << (4 * n.min(PER_CELL));
    let query = format!(
        "[query]\nid = \"digits\"\nversion = {version}\ntitle = {{ nl = \"Cijfers\", en = \"Digits\" }}\n\
         purpose = \"stock\"\ndataset = \"stock\"\n\n[[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n\n\
         [[measure]]\nname = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 1\nrange = [-5, {highest}]\n",
        codes.join(", ")
    );
    approved(roster, &query)
}

fn approved(roster: &Roster, query: &str) -> (SignedWarrant, Arc<Warrant>) {
    let query = Query::from_toml(query, &mut |_| Err("no files".into())).expect("a query");
    let body = WarrantBody {
        query: Blob::new(query.canonical().expect("a short query")).expect("a short query"),
        roster: roster.hash(),
        profile: PROFILE_V1,
        floor_hospitals: 0,
        floor_patients: 0,
        floor_dominance: 0,
        may_miss: 0,
        valid_from: Time(0),
        valid_until: Time(u64::MAX),
        sessions: 1000,
        every_s: 0,
        wait_s: 0,
        series: Series::Free,
        requester: Requester {
            key: identity(ANALYST).public(),
            person: Text::new("Analyst").expect("short"),
            organisation: Text::new("lcg").expect("short"),
        },
    };
    let raw = encode(&body).expect("a short warrant");
    let approvals = APPROVERS.map(|i| Approval::new(&identity(i), &raw)).to_vec();
    let asked = SignedWarrant::asked(&body, &identity(ANALYST)).expect("a short warrant");
    let signed = asked.approved(approvals).expect("two");
    let warrant = Arc::new(signed.verify(roster, EPOCH).expect("a runnable warrant"));
    (signed, warrant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hospital_has_a_digit_of_its_own() {
        for n in [3, 9, 69] {
            let world = World::of(n);
            let warrant = &world.warrants[0].1;
            let mut all = vec![0i64; usize::try_from(warrant.query().layout().cells()).unwrap()];
            for i in 1..=n {
                for (cell, value) in all.iter_mut().zip(world.figures(NodeId(i), 3, warrant)) {
                    assert_eq!(*cell & value, 0, "hospital {i} shares bits");
                    *cell |= value;
                }
            }
            assert!(all.iter().map(|cell| u16::try_from(cell.count_ones()).unwrap()).sum::<u16>() >= n);
        }
    }
}
