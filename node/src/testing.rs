//! Rosters for tests: five signers, two approvers, one lock of stock and use, members h1, h2, ...

use crate::tls::tests::identity;
use samensom_protocol::codec::{Bytes, List, Text, encode};
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::roster::{
    Approver, Limits, Lock, Member, PurposeRule, Roster, RosterBody, RosterSignature, SignedRoster, Signer,
    Status,
};

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub(crate) fn signer(number: u8) -> Signer {
    Signer { key: identity(number).public(), person: text("s"), organisation: text("h") }
}

pub(crate) fn member(id: u16, key: PublicKey) -> Member {
    Member {
        id: NodeId(id),
        institution: text(&format!("h{id}")),
        name: text(&format!("Hospital {id}")),
        group: text("north"),
        kind: text("general"),
        key,
        status: Status::Active,
        floor_hospitals: 0,
    }
}

/// Members 1..=n with keys 100+id.
pub(crate) fn members(n: u16) -> Vec<Member> {
    (1..=n).map(|id| member(id, identity(u8::try_from(100 + id).unwrap()).public())).collect()
}

/// The first roster: no hospitals, signers 200..205, two approvers.
pub(crate) fn founding() -> RosterBody {
    let mut signers: Vec<_> = (200..205).map(signer).collect();
    signers.sort_by_key(|signer| signer.key);
    let mut approvers: Vec<_> = [(210, "pharmacist", "h1"), (211, "duty", "lcg")]
        .map(|(number, role, organisation)| Approver {
            key: identity(number).public(),
            person: text("a"),
            role: text(role),
            organisation: text(organisation),
        })
        .to_vec();
    approvers.sort_by_key(|approver| approver.key);
    RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        members: List::default(),
        approvers: List::new(approvers).unwrap(),
        signers: List::new(signers).unwrap(),
        threshold: 3,
        rules: List::new(vec![PurposeRule {
            purpose: text("stock"),
            roles: List::new(vec![text("pharmacist"), text("duty")]).unwrap(),
            floor_hospitals: 0,
            colluding_holders: false,
            floor_dominance: 0,
            family_sessions: 0,
        }])
        .unwrap(),
        locks: List::new(vec![Lock {
            name: text("goods"),
            datasets: List::new(vec![text("stock"), text("use")]).unwrap(),
            spacing_s: 60,
            floor_hospitals: 0,
            floor_patients: 0,
        }])
        .unwrap(),
        limits: Limits::default(),
        honest_min: 0,
        policy: Bytes([0; 32]),
    }
}

/// The founding roster as it travels, and its hash.
pub(crate) fn first() -> (SignedRoster, RosterHash) {
    let signed = founding().to_signed(vec![]).unwrap();
    let hash = Roster::founding(&signed).unwrap().hash();
    (signed, hash)
}

/// The body that follows `signed`, with these members.
pub(crate) fn after(signed: &SignedRoster, members: Vec<Member>) -> RosterBody {
    let before: RosterBody = samensom_protocol::codec::decode(&signed.body).unwrap();
    RosterBody {
        epoch: before.epoch + 1,
        previous: Roster::hash_of(&signed.body),
        members: List::new(members).unwrap(),
        ..before
    }
}

/// Signed by as many as must sign the founding roster's successor.
pub(crate) fn sign(body: &RosterBody) -> SignedRoster {
    sign_by(body, 200..203)
}

pub(crate) fn sign_by(body: &RosterBody, signers: std::ops::Range<u8>) -> SignedRoster {
    let raw = encode(body).unwrap();
    body.to_signed(signers.map(|number| RosterSignature::new(&identity(number), &raw)).collect()).unwrap()
}

/// A warrant of a query under a roster of five hospitals; nobody approved it.
pub(crate) fn warrant(query: &samensom_protocol::query::Query) -> samensom_protocol::warrant::Warrant {
    use samensom_protocol::codec::{Blob, Text};
    use samensom_protocol::time::Time;
    use samensom_protocol::warrant::{PROFILE_V1, Requester, SignedWarrant, WarrantBody};
    let (first, _) = first();
    let second = sign(&after(&first, members(5)));
    let roster = Roster::founding(&first).unwrap().next(&second).unwrap();
    let body = WarrantBody {
        query: Blob::new(query.canonical().unwrap()).unwrap(),
        roster: roster.hash(),
        profile: PROFILE_V1,
        floor_hospitals: 0,
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
            key: identity(150).public(),
            person: Text::new("B. Smit").unwrap(),
            organisation: Text::new("lcg").unwrap(),
        },
    };
    SignedWarrant::asked(&body, &identity(150)).unwrap().read(&roster).unwrap()
}
