//! Throw-away keys, a roster of five hospitals and their approved queries, made anew for each self-test.
//!
//! Nothing here is this hospital's: not its key, not its figures, not its roster. It must not decide what
//! the liar says.

use super::SetUp;
use crate::identity::randomness;
use samensom_protocol::codec::{Blob, Bytes, List, Text, encode};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::query::Query;
use samensom_protocol::roster::{
    Approver, Limits, Lock, Member, PurposeRule, Roster, RosterBody, RosterSignature, Signer, Status,
};
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{Approval, PROFILE_V1, Requester, Series, SignedWarrant, WarrantBody};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The hospital that this program plays.
pub(super) const VICTIM: NodeId = NodeId(1);
/// Hospitals: X = 1 may be corrupt, q = 4 must be there.
const HOSPITALS: u16 = 5;
const SIGNERS: u16 = 3;
/// The purpose that the victim's own rules allow.
pub(super) const ALLOWED: &str = "stock";
/// One that they do not.
pub(super) const REFUSED: &str = "research";

/// Keys and roster.
pub(super) struct Town {
    pub coordinator: Arc<Identity>,
    /// A key that no roster names.
    pub stranger: Identity,
    pub identities: BTreeMap<NodeId, Arc<Identity>>,
    approver: Identity,
    pub roster: Roster,
}

/// What a query asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub purpose: &'static str,
    /// Largest figure of a hospital.
    pub largest: u64,
    pub valid_until: Time,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { purpose: ALLOWED, largest: 1_000_000, valid_until: Time(u64::MAX) }
    }
}

fn text<const MAX: usize>(text: &str) -> Result<Text<MAX>, SetUp> {
    Ok(Text::new(text)?)
}

fn founding(signers: &[Identity], approver: PublicKey) -> Result<RosterBody, SetUp> {
    let signer = |signer: &Identity| -> Result<Signer, SetUp> {
        Ok(Signer { key: signer.public(), person: text("signer")?, organisation: text("none")? })
    };
    let mut listed = signers.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
    listed.sort_by_key(|signer| signer.key);
    let approver = Approver {
        key: approver,
        person: text("approver")?,
        role: text("pharmacist")?,
        organisation: text("h1")?,
    };
    let rule = |purpose| -> Result<PurposeRule, SetUp> {
        let roles = List::new(vec![text("pharmacist")?])?;
        Ok(PurposeRule {
            purpose: text(purpose)?,
            roles,
            floor_hospitals: 0,
            colluding_holders: false,
            floor_dominance: 0,
            family_sessions: 0,
        })
    };
    let lock = Lock {
        name: text("goods")?,
        datasets: List::new(vec![text("stock")?, text("use")?])?,
        spacing_s: 72_000,
        floor_hospitals: 0,
        floor_patients: 0,
    };
    Ok(RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        members: List::default(),
        approvers: List::new(vec![approver])?,
        signers: List::new(listed)?,
        threshold: 2,
        rules: List::new(vec![rule(REFUSED)?, rule(ALLOWED)?])?,
        locks: List::new(vec![lock])?,
        limits: Limits::default(),
        honest_min: 0,
        policy: Bytes([0; 32]),
    })
}

fn member(id: NodeId, identity: &Identity) -> Result<Member, SetUp> {
    Ok(Member {
        id,
        institution: text(&format!("h{}", id.0))?,
        name: text(&format!("Hospital {}", id.0))?,
        group: text("none")?,
        kind: text("general")?,
        key: identity.public(),
        status: Status::Active,
        floor_hospitals: 0,
    })
}

impl Town {
    /// A new one.
    pub(super) fn new() -> Result<Town, SetUp> {
        let mut rng = randomness();
        let signers: Vec<Identity> = (0..SIGNERS).map(|_| Identity::generate(&mut rng)).collect();
        let approver = Identity::generate(&mut rng);
        let identities: BTreeMap<NodeId, Arc<Identity>> =
            (1..=HOSPITALS).map(|id| (NodeId(id), Arc::new(Identity::generate(&mut rng)))).collect();
        let before = founding(&signers, approver.public())?;
        let first = Roster::founding(&before.to_signed(Vec::new())?)?;
        let members = identities.iter().map(|(id, identity)| member(*id, identity));
        let members = List::new(members.collect::<Result<Vec<_>, _>>()?)?;
        let body = RosterBody { epoch: 1, previous: first.hash(), members, ..before };
        let raw = encode(&body)?;
        let signatures = signers.iter().take(2).map(|signer| RosterSignature::new(signer, &raw)).collect();
        let roster = first.next(&body.to_signed(signatures)?)?;
        let (coordinator, stranger) = (Arc::new(Identity::generate(&mut rng)), Identity::generate(&mut rng));
        Ok(Town { coordinator, stranger, identities, approver, roster })
    }

    /// A query that its approver signed.
    pub(super) fn warrant(&self, wish: Wish) -> Result<SignedWarrant, SetUp> {
        let query = format!(
            "[query]\nid = \"self-test\"\nversion = 1\ntitle = {{ nl = \"Zelftest\", en = \"Self-test\" }}\n\
             purpose = \"{}\"\ndataset = \"stock\"\n[[measure]]\nname = \"stock\"\nsum = \"quantity\"\n\
             unit = \"piece\"\nscale = 1\nrange = [0, {}]\n",
            wish.purpose, wish.largest
        );
        let query = Query::from_toml(&query, &mut |_| Err("no lists here".to_owned()));
        let query = query.map_err(|_| SetUp("its query"))?;
        let body = WarrantBody {
            query: Blob::new(query.canonical().map_err(|_| SetUp("its query"))?)?,
            roster: self.roster.hash(),
            profile: PROFILE_V1,
            floor_hospitals: 0,
            floor_patients: 0,
            floor_dominance: 0,
            may_miss: 0,
            valid_from: Time(0),
            valid_until: wish.valid_until,
            sessions: 9,
            every_s: 0,
            wait_s: 0,
            series: Series::Free,
            requester: Requester {
                key: self.stranger.public(),
                person: text("Analyst")?,
                organisation: text("lcg")?,
            },
        };
        let approval = Approval::new(&self.approver, &encode(&body)?);
        let asked = SignedWarrant::asked(&body, &self.stranger).map_err(|_| SetUp("its warrant"))?;
        asked.approved(vec![approval]).map_err(|_| SetUp("its warrant"))
    }
}
