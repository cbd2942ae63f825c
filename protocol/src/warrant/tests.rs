//! Approvals, validity, floors: what makes a warrant runnable.

use super::*;
use crate::roster::tests::{chain, identity};

pub(crate) const QUERY: &str = r#"
[query]
id = "sample"
version = 1
title = { nl = "Voorbeeld", en = "Sample" }
purpose = "stock"
dataset = "stock"

[[dimension]]
column = "code"
codes = ["A"]

[[measure]]
name = "stock"
sum = "quantity"
unit = "piece"
scale = 1
range = [-100, 1000]

[[measure]]
name = "rows"
rows = true
max = 50

[[measure]]
name = "holders"
hospitals = "sum(quantity) > 0"

[floors]
hospitals = 3
"#;

pub(crate) fn body(roster: &Roster, query: &str) -> WarrantBody {
    let query = Query::from_toml(query, &mut |_| Err("no files here".into())).unwrap();
    WarrantBody {
        query: Blob::new(query.canonical().unwrap()).unwrap(),
        roster: roster.hash(),
        profile: PROFILE_V0,
        floor_hospitals: 3,
        valid_from: Time(0),
        valid_until: Time(u64::MAX),
        sessions: 9,
    }
}

pub(crate) fn approved(body: &WarrantBody, approvers: &[u16]) -> SignedWarrant {
    let raw = encode(body).unwrap();
    SignedWarrant {
        body: Blob::new(raw.clone()).unwrap(),
        approvals: List::new(approvers.iter().map(|i| Approval::new(&identity(*i), &raw)).collect()).unwrap(),
    }
}

fn check_of(result: Result<Warrant, Fault>) -> Option<Check> {
    result.err().map(|fault| fault.check)
}

#[test]
fn a02_approvals_must_be_there_genuine_distinct_and_of_the_roles_named() {
    let (_, roster) = chain(5);
    let good = body(&roster, QUERY);
    let verify = |approvers: &[u16]| check_of(approved(&good, approvers).verify(&roster, Time(5)));
    assert_eq!(verify(&[800, 801]), None);
    assert_eq!(verify(&[800]), Some(Check::A02), "a role is missing");
    assert_eq!(verify(&[800, 800]), Some(Check::A02), "doubled");
    assert_eq!(verify(&[800, 801, 900]), Some(Check::A02), "a signer is no approver");
    assert_eq!(verify(&[]), Some(Check::A02));
    let mut forged = approved(&good, &[800, 801]);
    let mut approvals = forged.approvals.to_vec();
    approvals[1].signature.0[3] ^= 1;
    forged.approvals = List::new(approvals).unwrap();
    assert_eq!(check_of(forged.verify(&roster, Time(5))), Some(Check::A02), "forged");
    let mut altered = approved(&good, &[800, 801]);
    altered.body = Blob::new(encode(&WarrantBody { sessions: 10, ..good.clone() }).unwrap()).unwrap();
    assert_eq!(check_of(altered.verify(&roster, Time(5))), Some(Check::A02), "altered after approval");
}

#[test]
fn a02_a_warrant_runs_only_within_its_validity() {
    let (_, roster) = chain(5);
    let bounded = WarrantBody { valid_from: Time(10), valid_until: Time(20), ..body(&roster, QUERY) };
    let at = |now| check_of(approved(&bounded, &[800, 801]).verify(&roster, Time(now)));
    assert_eq!([at(9), at(10), at(19), at(20)], [Some(Check::A02), None, None, Some(Check::A02)]);
}

#[test]
fn a03_a_warrant_may_not_lower_a_floor_or_name_another_roster() {
    let (_, roster) = chain(5);
    let good = body(&roster, QUERY);
    let low = WarrantBody { floor_hospitals: 2, ..good.clone() };
    assert_eq!(check_of(approved(&low, &[800, 801]).verify(&roster, Time(5))), Some(Check::A03));
    let other = WarrantBody { roster: RosterHash([1; 32]), ..good };
    assert_eq!(check_of(approved(&other, &[800, 801]).verify(&roster, Time(5))), Some(Check::A03));
}

#[test]
fn a02_a03_a_warrant_that_no_rule_allows() {
    let (_, roster) = chain(5);
    let good = body(&roster, QUERY);
    let check = |body: &WarrantBody| check_of(approved(body, &[800, 801]).verify(&roster, Time(5)));
    assert_eq!(check(&WarrantBody { profile: 1, ..good.clone() }), Some(Check::A03), "unknown profile");
    assert_eq!(check(&WarrantBody { sessions: 0, ..good.clone() }), Some(Check::A02), "no session");
    let garbage = WarrantBody { query: Blob::new(vec![1; 9]).unwrap(), ..good };
    assert_eq!(check(&garbage), Some(Check::A03), "no query");
    let start = QUERY.find("[[measure]]\nname = \"holders\"").unwrap();
    let blind = body(&roster, &QUERY[..start]);
    assert_eq!(check(&blind), Some(Check::A03), "a floor without `hospitals`");
}

#[test]
fn a02_a03_a_roster_without_the_lock_or_a_hospitals_approver() {
    let members = List::new((1..=5).map(crate::roster::tests::member).collect()).unwrap();
    let founding = crate::roster::RosterBody { members, ..crate::roster::tests::founding_body() };
    let check = |founding: &crate::roster::RosterBody| {
        let roster = Roster::founding(&founding.to_signed(vec![]).unwrap()).unwrap();
        check_of(approved(&body(&roster, QUERY), &[800, 801]).verify(&roster, Time(5)))
    };
    assert_eq!(check(&founding), None);
    let unlocked = crate::roster::RosterBody { locks: List::default(), ..founding.clone() };
    assert_eq!(check(&unlocked), Some(Check::A03));
    let mut approvers = founding.approvers.to_vec();
    approvers.iter_mut().for_each(|one| one.organisation = crate::roster::tests::text("lcg"));
    let outside = crate::roster::RosterBody { approvers: List::new(approvers).unwrap(), ..founding };
    assert_eq!(check(&outside), Some(Check::A02), "nobody of a hospital approved");
}
