//! Attacks on the roster: members of the coordinator's own making.

use crate::*;
use samensom_protocol::codec::{List, Text, encode};
#[cfg(samensom_ablation)]
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{Member, Roster, RosterFault, RosterSignature, SignedRoster};
use samensom_tests::adversary::town::{first, identity, second};

/// Hospitals that do not exist.
const SYBILS: u16 = 40;

fn seven_hospitals() -> Roster {
    Roster::founding(&first()).unwrap().next(&second(7)).unwrap()
}

/// The next roster with so many hospitals of the coordinator's own, signed by these identities.
fn grown(signers: &[u16]) -> SignedRoster {
    let before = seven_hospitals();
    let mut body = before.body().clone();
    (body.epoch, body.previous) = (body.epoch + 1, before.hash());
    let mut members = body.members.to_vec();
    let like = members[0].clone();
    members.extend((8..8 + SYBILS).map(|id| Member {
        id: NodeId(id),
        institution: Text::new(format!("h{id}")).unwrap(),
        key: identity(2000 + id).public(),
        ..like.clone()
    }));
    body.members = List::new(members).unwrap();
    let raw = encode(&body).unwrap();
    let signatures = signers.iter().map(|signer| RosterSignature::new(&identity(*signer), &raw));
    body.to_signed(signatures.collect()).unwrap()
}

/// Signed by nobody, by the coordinator, by a signer that was bribed, by the sybils themselves.
#[test]
fn attack_06_sybils_in_a_roster_of_the_coordinators_own_a01() {
    let before = seven_hospitals();
    for signers in [&[][..], &[1000], &[900], &[900, 900], &[900, 1000], &[2008, 2009, 2010]] {
        let refused = before.next(&grown(signers));
        assert!(
            matches!(refused, Err(RosterFault::Signatures { needed: 2, .. })),
            "{signers:?}: {refused:?}"
        );
    }
    let lent = SignedRoster { signatures: second(7).signatures, ..grown(&[]) };
    assert!(before.next(&lent).is_err(), "signatures of another roster");
    assert!(before.next(&grown(&[900, 901])).is_ok(), "the signers may");
}

/// Wins: a quorum that holds one hospital and sybils, and so its figure alone.
#[cfg(samensom_ablation)]
#[test]
fn control_06_a_roster_that_nobody_signed() {
    let grown = off(Some("roster-unsigned"), None, || seven_hospitals().next(&grown(&[])).unwrap());
    let thresholds = Thresholds::of(&grown).unwrap();
    assert!(thresholds.quorum <= SYBILS + 1, "one hospital is enough: {thresholds:?}");
    assert!(thresholds.x < SYBILS, "more colluders than any sum withstands");
}
