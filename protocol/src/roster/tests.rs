//! A chain of rosters made by hand, and every rule that refuses one.

use super::*;
use crate::secret::Secret;

pub(crate) fn identity(number: u16) -> Identity {
    let mut seed = [9u8; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(&Secret::new(seed))
}

pub(crate) fn text<const MAX: usize>(s: &str) -> Text<MAX> {
    Text::new(s).unwrap()
}

/// Signers 900.., approvers 800.. (the first of hospital h1), one lock of stock and use.
pub(crate) fn founding_body() -> RosterBody {
    let mut signers: Vec<_> = (900..905)
        .map(|i| Signer { key: identity(i).public(), person: text("s"), organisation: text("h") })
        .collect();
    signers.sort_by_key(|s| s.key);
    let mut approvers: Vec<_> = [(800, "pharmacist", "h1"), (801, "duty", "lcg")]
        .map(|(i, role, organisation)| Approver {
            key: identity(i).public(),
            person: text(&format!("The {role}")),
            role: text(role),
            organisation: text(organisation),
        })
        .to_vec();
    approvers.sort_by_key(|a| a.key);
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
            spacing_s: 72_000,
            floor_hospitals: 0,
            floor_patients: 0,
        }])
        .unwrap(),
        limits: Limits::default(),
        honest_min: 0,
        policy: Bytes([0; 32]),
    }
}

pub(crate) fn member(id: u16) -> Member {
    Member {
        id: NodeId(id),
        institution: text(&format!("h{id}")),
        name: text(&format!("Hospital {id}")),
        group: text("north"),
        kind: text("general"),
        key: identity(id).public(),
        status: Status::Active,
        floor_hospitals: 0,
    }
}

/// The chain of two rosters, the second with members 1..=n.
pub(crate) fn chain(n: u16) -> (Vec<SignedRoster>, Roster) {
    chain_of((1..=n).map(member).collect())
}

/// The chain of two rosters, the second with these members.
pub(crate) fn chain_of(members: Vec<Member>) -> (Vec<SignedRoster>, Roster) {
    let founding = founding_body().to_signed(vec![]).unwrap();
    let first = Roster::founding(&founding).unwrap();
    let body = RosterBody {
        epoch: 1,
        previous: first.hash(),
        members: List::new(members).unwrap(),
        ..founding_body()
    };
    let signed = sign(&body, &[900, 901, 902]);
    let second = first.next(&signed).unwrap();
    (vec![founding, signed], second)
}

pub(crate) fn sign(body: &RosterBody, signers: &[u16]) -> SignedRoster {
    let raw = encode(body).unwrap();
    body.to_signed(signers.iter().map(|i| RosterSignature::new(&identity(*i), &raw)).collect()).unwrap()
}

#[test]
fn a_roster_needs_a_majority_of_the_signers_before() {
    let (chain, second) = chain(5);
    let first = Roster::founding(&chain[0]).unwrap();
    let next = RosterBody { epoch: 2, previous: second.hash(), ..second.body().clone() };
    assert!(second.next(&sign(&next, &[900, 903, 904])).is_ok());
    for signers in [&[][..], &[900, 901], &[900, 901, 901], &[900, 901, 800], &[900, 901, 902, 800]] {
        assert!(
            matches!(second.next(&sign(&next, signers)), Err(RosterFault::Signatures { .. })),
            "signed by {signers:?}"
        );
    }
    assert!(matches!(first.next(&sign(&next, &[900, 901, 902])), Err(RosterFault::Chain(_))));
    let mut altered = sign(&next, &[900, 901, 902]);
    let mut body = altered.body.to_vec();
    *body.last_mut().unwrap() ^= 1;
    altered.body = Blob::new(body).unwrap();
    assert!(matches!(second.next(&altered), Err(RosterFault::Signatures { .. })));
}

#[test]
fn an_id_is_never_dropped_or_given_again() {
    let (_, second) = chain(5);
    let mut members = second.body().members.to_vec();
    members.pop();
    let next = |members: Vec<Member>| RosterBody {
        epoch: 2,
        previous: second.hash(),
        members: List::new(members).unwrap(),
        ..second.body().clone()
    };
    assert!(matches!(
        second.next(&sign(&next(members.clone()), &[900, 901, 902])),
        Err(RosterFault::Chain(_))
    ));
    members.push(Member { institution: text("other"), ..member(5) });
    assert!(matches!(second.next(&sign(&next(members), &[900, 901, 902])), Err(RosterFault::Chain(_))));
}

#[test]
fn who_left_for_good_does_not_come_back() {
    let (_, second) = chain(5);
    let follow = |before: &Roster, status: Status| {
        let mut members = before.body().members.to_vec();
        members[0].status = status;
        let (epoch, previous) = (before.body().epoch + 1, before.hash());
        let members = List::new(members).unwrap();
        let body = RosterBody { epoch, previous, members, ..before.body().clone() };
        before.next(&sign(&body, &[900, 901, 902]))
    };
    let suspended = follow(&second, Status::Suspended).unwrap();
    assert_eq!((suspended.size(), suspended.verifier(NodeId(1))), (4, None), "its key counts no more");
    assert!(follow(&suspended, Status::Active).is_ok(), "may take part again");
    let left = follow(&suspended, Status::Left).unwrap();
    assert!(follow(&left, Status::Left).is_ok());
    for status in [Status::Active, Status::Suspended] {
        let back = follow(&left, status).unwrap_err();
        assert!(back.to_string().contains("left for good came back"), "{back}");
    }
}

#[test]
fn form_is_checked() {
    let with = |change: &dyn Fn(&mut RosterBody)| {
        let mut body =
            RosterBody { members: List::new((1..=4).map(member).collect()).unwrap(), ..founding_body() };
        change(&mut body);
        body.to_signed(vec![]).map(|_| ())
    };
    let lock = |name: &str, datasets: &[&str]| Lock {
        name: text(name),
        datasets: List::new(datasets.iter().map(|d| text(d)).collect()).unwrap(),
        spacing_s: 60,
        floor_hospitals: 0,
        floor_patients: 0,
    };
    assert_eq!(with(&|_| ()), Ok(()));
    type Change<'a> = &'a dyn Fn(&mut RosterBody);
    let cases: [(&str, Change); 7] = [
        ("two members of one key", &|b| {
            let twin = Member { key: member(1).key, ..member(5) };
            b.members = List::new([b.members.to_vec(), vec![twin]].concat()).unwrap();
        }),
        ("ids do not ascend", &|b| {
            let mut members = b.members.to_vec();
            members.reverse();
            b.members = List::new(members).unwrap();
        }),
        ("a hospital twice", &|b| {
            let twin = Member { institution: text("h1"), ..member(5) };
            b.members = List::new([b.members.to_vec(), vec![twin]].concat()).unwrap();
        }),
        ("two members only", &|b| b.members = List::new(vec![member(1), member(2)]).unwrap()),
        ("minority of signers", &|b| b.threshold = 2),
        ("more signatures than signers", &|b| b.threshold = 6),
        ("split lock", &|b| b.locks = List::new(vec![lock("a", &["stock"]), lock("b", &["use"])]).unwrap()),
    ];
    for (what, change) in cases {
        assert!(matches!(with(change), Err(RosterFault::Invalid(_))), "{what}");
    }
}
