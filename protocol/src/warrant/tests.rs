//! Approvals, validity, floors: what makes a warrant runnable.

use super::*;
use crate::query::Floors;
use crate::roster::tests::{chain, identity, text};

/// Who asks.
pub(crate) const ANALYST: u16 = 850;

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
"#;

pub(crate) fn body(roster: &Roster, query: &str) -> WarrantBody {
    let query = Query::from_toml(query, &mut |_| Err("no files here".into())).unwrap();
    WarrantBody {
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
        series: Series::Free,
        requester: Requester {
            key: identity(ANALYST).public(),
            person: text("B. Smit"),
            organisation: text("lcg"),
        },
    }
}

/// Asked by the analyst, unless an approver is named as the requester.
pub(crate) fn approved(body: &WarrantBody, approvers: &[u16]) -> SignedWarrant {
    let raw = encode(body).unwrap();
    let by = [800, 801].into_iter().find(|i| identity(*i).public() == body.requester.key).unwrap_or(ANALYST);
    let approvals = approvers.iter().map(|i| Approval::new(&identity(*i), &raw)).collect();
    SignedWarrant::asked(body, &identity(by)).unwrap().approved(approvals).unwrap()
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

fn what(result: Result<Warrant, Fault>) -> &'static str {
    result.err().map_or("runs", |fault| fault.what)
}

#[test]
fn a02_who_asks_is_named_signs_and_approves_nothing() {
    let (_, roster) = chain(5);
    let of = |key: u16, person: &str| {
        let requester =
            Requester { key: identity(key).public(), person: text(person), organisation: text("lcg") };
        WarrantBody { requester, ..body(&roster, QUERY) }
    };
    let verify = |body: &WarrantBody| what(approved(body, &[800, 801]).verify(&roster, Time(5)));
    let person = |key: u16| {
        let key = identity(key).public();
        roster.body().approvers.iter().find(|one| one.key == key).unwrap().person.to_string()
    };
    assert_eq!(verify(&of(ANALYST, "B. Smit")), "runs");
    assert_eq!(verify(&of(ANALYST, " . ")), "the warrant does not say who asks");
    assert_eq!(verify(&of(801, "B. Smit")), "who asks has another name in the roster");
    let own = "an approval is by the person who asks";
    assert_eq!(verify(&of(801, &person(801))), own, "with the same key");
    let disguised = person(800).to_uppercase().replace(' ', "-");
    assert_ne!(disguised, person(800));
    assert_eq!(verify(&of(ANALYST, &disguised)), own, "with another key");
    let unsigned = "the request is not signed by who asks";
    let good = of(ANALYST, "B. Smit");
    let mut forged = approved(&good, &[800, 801]);
    forged.request.0[7] ^= 1;
    assert_eq!(what(forged.verify(&roster, Time(5))), unsigned);
    let approval = approved(&good, &[800]).approvals[0].signature;
    let claimed = SignedWarrant { request: approval, ..approved(&good, &[800, 801]) };
    assert_eq!(what(claimed.verify(&roster, Time(5))), unsigned, "an approval is no request");
    let mut by_other = SignedWarrant::asked(&good, &identity(ANALYST + 1)).unwrap();
    by_other.approvals = approved(&good, &[800, 801]).approvals;
    assert_eq!(what(by_other.verify(&roster, Time(5))), unsigned, "by somebody else");
}

#[test]
fn a02_one_person_with_two_keys_is_one_approver() {
    let (_, roster) = chain(5);
    let mut approvers = roster.body().approvers.to_vec();
    let name = approvers[0].person.clone();
    approvers.iter_mut().for_each(|one| one.person = name.clone());
    let founding = crate::roster::RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        approvers: List::new(approvers).unwrap(),
        ..roster.body().clone()
    };
    let roster = Roster::founding(&founding.to_signed(vec![]).unwrap()).unwrap();
    let signed = approved(&body(&roster, QUERY), &[800, 801]);
    assert_eq!(what(signed.verify(&roster, Time(5))), "one person approved with two keys");
}

/// Every byte that approvers sign, and every byte of their signatures and of the request.
#[test]
fn a02_one_changed_byte_voids_the_approvals() {
    let (_, roster) = chain(5);
    let good = approved(&body(&roster, QUERY), &[800, 801]);
    for place in 0..good.body.len() {
        let mut bytes = good.body.to_vec();
        bytes[place] ^= 1;
        let edited = SignedWarrant { body: Blob::new(bytes).unwrap(), ..good.clone() };
        assert!(edited.verify(&roster, Time(5)).is_err(), "byte {place} of the body");
        assert_ne!(edited.hash(), good.hash());
    }
}

#[test]
fn no_body_is_as_short_as_a_word() {
    let (_, roster) = chain(5);
    let words = [
        Word::Asked(WarrantHash([0; 32])),
        Word::Answered { sid: crate::ids::AttemptId([0; 32]), answer: crate::message::Answer::Undecided },
    ];
    let shortest = WarrantBody { query: Blob::new(vec![]).unwrap(), ..body(&roster, QUERY) };
    let shortest = encode(&shortest).unwrap().len();
    assert!(words.iter().all(|word| encode(word).unwrap().len() < shortest));
}

#[test]
fn consent_is_waited_for_once_and_not_for_ever() {
    let (_, roster) = chain(5);
    let plain = body(&roster, QUERY);
    let deposit = |body: &WarrantBody| {
        let warrant = approved(body, &[800, 801]).read(&roster).unwrap();
        (
            warrant.count().map(|count| count.params.deadlines.deposit_ms),
            warrant.params().deadlines.deposit_ms,
        )
    };
    assert_eq!(deposit(&plain), (None, 10_000));
    assert_eq!(deposit(&WarrantBody { wait_s: 300, ..plain.clone() }), (None, 310_000));
    let floor = WarrantBody { floor_hospitals: 3, wait_s: 300, ..plain.clone() };
    assert_eq!(deposit(&floor), (Some(310_000), 10_000), "given in the count pass");
    let long = approved(&WarrantBody { wait_s: 86_401, ..plain }, &[800, 801]).read(&roster);
    assert_eq!(what(long), "the warrant waits longer than a day for consent");
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
    let asked = format!("{QUERY}\n[floors]\nhospitals = 3\n");
    let own = WarrantBody { floor_hospitals: 3, ..body(&roster, &asked) };
    assert_eq!(check_of(approved(&own, &[800, 801]).verify(&roster, Time(5))), None);
    let low = WarrantBody { floor_hospitals: 2, ..own };
    assert_eq!(check_of(approved(&low, &[800, 801]).verify(&roster, Time(5))), Some(Check::A03));
    let judged = body(&roster, &format!("{QUERY}\n[floors]\nhospitals = 3\ndominance = 80\n"));
    for (percent, check) in
        [(0, Some(Check::A03)), (50, None), (80, None), (81, Some(Check::A03)), (101, Some(Check::A03))]
    {
        let judged = WarrantBody { floor_hospitals: 3, floor_dominance: percent, ..judged.clone() };
        assert_eq!(check_of(approved(&judged, &[800, 801]).verify(&roster, Time(5))), check, "{percent}");
    }
    let other = WarrantBody { roster: RosterHash([1; 32]), ..good };
    assert_eq!(check_of(approved(&other, &[800, 801]).verify(&roster, Time(5))), Some(Check::A03));
}

/// By them it is judged what may open beside what.
#[test]
fn a_shape_has_every_floor_of_its_warrant() {
    let (_, roster) = chain(5);
    let asked = format!("{QUERY}\n[floors]\nhospitals = 3\ndominance = 80\n");
    let own = WarrantBody { floor_hospitals: 4, floor_dominance: 70, ..body(&roster, &asked) };
    let warrant = approved(&own, &[800, 801]).verify(&roster, Time(5)).unwrap();
    let shape = warrant.shape(&roster, &[NodeId(1), NodeId(2)]).unwrap();
    let least = warrant.least(&roster, &[NodeId(1), NodeId(2)]);
    assert!(least >= 4);
    assert_eq!(shape.floors(), Floors { hospitals: least, patients: 0, dominance: 70 });
    let plain = approved(&body(&roster, QUERY), &[800, 801]).verify(&roster, Time(5)).unwrap();
    let floors = Floors { hospitals: 0, patients: 0, dominance: 0 };
    assert_eq!(plain.shape(&roster, &[]).unwrap().floors(), floors, "nothing is counted");
}

#[test]
fn a02_a03_a_warrant_that_no_rule_allows() {
    let (_, roster) = chain(5);
    let good = body(&roster, QUERY);
    let check = |body: &WarrantBody| check_of(approved(body, &[800, 801]).verify(&roster, Time(5)));
    assert_eq!(check(&WarrantBody { profile: 0, ..good.clone() }), Some(Check::A03), "unknown profile");
    assert_eq!(check(&WarrantBody { sessions: 0, ..good.clone() }), Some(Check::A02), "no session");
    let garbage = WarrantBody { query: Blob::new(vec![1; 9]).unwrap(), ..good };
    assert_eq!(check(&garbage), Some(Check::A03), "no query");
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

/// Rows of a time that is over do not change any more.
#[test]
fn a03_a_figure_of_a_time_that_ends_before_the_warrant_is_of_the_same_hospitals() {
    let (_, roster) = chain(5);
    let of = |filter: &str| {
        QUERY.replace("[[dimension]]", &format!("[population]\nwhere = \"{filter}\"\n[[dimension]]"))
    };
    let of = |filter: &str| of(filter).replace("dataset = \"stock\"", "dataset = \"use\"");
    // 1 March 2026, 00:00 UTC.
    let until = Time(1_772_323_200_000);
    let read = |filter: &str, series, valid_until| {
        let body = WarrantBody { series, valid_until, ..body(&roster, &of(filter)) };
        approved(&body, &[]).read(&roster).err().map(|fault| fault.what)
    };
    let refused = Some(
        "a figure is of a time that ends before the warrant: the same hospitals must take part each time",
    );
    assert_eq!(read("period < '2026-03-01'", Series::Free, until), refused);
    assert_eq!(read("period < '2026-03-01'", Series::Free, Time(u64::MAX)), refused);
    assert_eq!(read("period < '2026-03-01'", Series::Equal, until), None);
    assert_eq!(read("period < '2026-03-02'", Series::Free, until), None, "not over when the warrant is");
    assert_eq!(read("period >= '2026-01-01'", Series::Free, Time(u64::MAX)), None);
    let missing =
        WarrantBody { series: Series::Equal, may_miss: 1, floor_hospitals: 3, ..body(&roster, QUERY) };
    let what = approved(&missing, &[]).read(&roster).err().map(|fault| fault.what);
    assert_eq!(what, Some("none may be missing where the same hospitals take part each time"));
}
