//! The roster: propose the next one, sign it.
//!
//! Owns what a proposal is made of: the newest roster, the confirmed hospitals and their marks, and what was
//! asked for. One that no hospital could follow, or under which no session could be, is refused here with the
//! reason. It must not hold a signer's key.

use super::Ops;
use crate::control::{Response, SignedAs};
use crate::error::Error;
use crate::person::text;
use crate::rules::Rules;
use crate::store::{Hospital, State};
use samensom_protocol::codec::{List, to_hex};
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{
    Approver, Member, RosterBody, RosterSignature, Signer, Status, changes as differences,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fewer digits of a key name nobody.
const DIGITS: usize = 6;

/// What the next roster is to have beside the hospitals. Persons who go are named by their name, or by the
/// first digits of their key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// Approvers who come, or are altered.
    pub approvers: Vec<Approver>,
    /// Approvers who go.
    pub remove_approvers: Vec<String>,
    /// Signers who come, or are altered.
    pub signers: Vec<Signer>,
    /// Signers who go.
    pub remove_signers: Vec<String>,
    /// How many signers must sign.
    pub threshold: Option<u16>,
    /// Rules that take the place of the present ones.
    pub rules: Option<Rules>,
}

impl Ops {
    pub(super) fn roster_propose(&self, wanted: Wanted) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let body = head.body();
        let approvers =
            persons(&body.approvers, wanted.approvers, &wanted.remove_approvers, "approver", |a| {
                (a.key, a.person.to_string())
            })?;
        let signers = persons(&body.signers, wanted.signers, &wanted.remove_signers, "signer", |s| {
            (s.key, s.person.to_string())
        })?;
        let next = RosterBody {
            epoch: body.epoch.saturating_add(1),
            previous: head.hash(),
            members: List::new(members(body, &self.store.hospitals()?)?)
                .map_err(|_| Error::asked("too many hospitals for one roster"))?,
            approvers: List::new(approvers)
                .map_err(|_| Error::asked("too many approvers").expected("at most 256"))?,
            signers: List::new(signers)
                .map_err(|_| Error::asked("too many signers").expected("at most 32"))?,
            threshold: wanted.threshold.unwrap_or(body.threshold),
            ..body.clone()
        };
        let next = match wanted.rules {
            Some(rules) => rules.over(next),
            None => next,
        };
        if differences::changes(body, &next).is_empty() {
            return Err(Error::asked("nothing would change")
                .expected("a confirmed or marked hospital, or an option that changes something")
                .remedy("see `samensom hospital list`, `samensom roster show` and `samensom roster propose --help`"));
        }
        possible(body, &next)?;
        self.store.propose_roster(&next).map(|proposal| Response::Proposed(proposal.hash))
    }

    pub(super) fn roster_sign(
        &self,
        roster: RosterHash,
        signature: &RosterSignature,
    ) -> Result<Response, Error> {
        let threshold = self.store.head_roster().body().threshold;
        let signing = self.store.sign_roster(roster, signature)?;
        tracing::info!(%roster, signer = %signature.key, "roster signed");
        Ok(Response::Signed(SignedAs::new(signing, threshold)))
    }
}

/// Every member of the next roster: those of the newest with their marks, and who is confirmed. A hospital
/// that enrolled anew and was confirmed has its new key from here on.
fn members(body: &RosterBody, hospitals: &[Hospital]) -> Result<Vec<Member>, Error> {
    let mut members: BTreeMap<NodeId, Member> =
        body.members.iter().map(|member| (member.id, member.clone())).collect();
    for hospital in hospitals {
        let before = members.get(&hospital.id);
        let was = before.map(|member| member.status);
        let status = hospital.marked.map(Status::from).or(was).unwrap_or(Status::Active);
        let next = match (hospital.key, before) {
            // Who left stays as it was; who is not in yet enters only to take part.
            (_, Some(member)) if was == Some(Status::Left) => Some(member.clone()),
            (_, None) if status != Status::Active => None,
            (Some(key), _) if hospital.state == State::Confirmed => Some(member(hospital, key, status)?),
            (_, before) => before.map(|before| Member { status, ..before.clone() }),
        };
        members.extend(next.map(|member| (member.id, member)));
    }
    Ok(members.into_values().collect())
}

fn member(hospital: &Hospital, key: PublicKey, status: Status) -> Result<Member, Error> {
    Ok(Member {
        id: hospital.id,
        institution: text("hospital", &hospital.institution)?,
        name: text("hospital", &hospital.name)?,
        group: text("group", &hospital.group)?,
        kind: text("kind", &hospital.kind)?,
        key,
        status,
        floor_hospitals: hospital.floor,
    })
}

/// Persons by ascending key: the present ones without who goes, and who comes.
fn persons<T: Clone>(
    present: &[T],
    come: Vec<T>,
    go: &[String],
    kind: &str,
    known: impl Fn(&T) -> (PublicKey, String),
) -> Result<Vec<T>, Error> {
    let mut by_key: BTreeMap<PublicKey, T> = present.iter().map(|one| (known(one).0, one.clone())).collect();
    for typed in go {
        let digits = typed.to_ascii_lowercase();
        let named = |one: &&T| {
            let (key, person) = known(one);
            person == *typed || digits.len() >= DIGITS && to_hex(&key.0).starts_with(&digits)
        };
        let found: Vec<PublicKey> = present.iter().filter(named).map(|one| known(one).0).collect();
        let [key] = found.as_slice() else {
            let how_many = if found.is_empty() { "no" } else { "more than one" };
            return Err(Error::asked(format!("{how_many} {kind} of the newest roster is `{typed}`"))
                .place(format!("--remove-{kind}"))
                .expected("the person's .pub file, name, or the first digits of the key")
                .remedy("see `samensom roster show --format json`"));
        };
        by_key.remove(key);
    }
    by_key.extend(come.into_iter().map(|one| (known(&one).0, one)));
    Ok(by_key.into_values().collect())
}

/// Whether a hospital could follow it, and a session could be under it.
fn possible(body: &RosterBody, next: &RosterBody) -> Result<(), Error> {
    let active = |body: &RosterBody| body.members.iter().filter(|m| m.status == Status::Active).count();
    let (before, n) = (active(body), active(next));
    let place = || {
        let (signers, threshold) = (next.signers.len(), next.threshold);
        format!("the proposed roster: {n} hospitals take part, {threshold} of {signers} signers must sign")
    };
    next.to_signed(vec![]).map_err(|why| {
        Error::refused(why.to_string())
            .place(place())
            .expected(
                "three hospitals at least, a threshold above half of the signers, rules that fit together",
            )
            .remedy("change what is asked for, or add hospitals, and propose again")
    })?;
    let thresholds = Thresholds::for_size(u16::try_from(n).unwrap_or(u16::MAX), next.honest_min);
    match thresholds {
        // Before the first hospitals come, approvers and rules may change.
        Err(_) if n == 0 && before == 0 => Ok(()),
        Err(why) => Err(Error::refused(format!("no session could be: {why}"))
            .place(place())
            .remedy("leave more hospitals in, or lower `honest_min` in the rules, and propose again")),
        Ok(_) => Ok(()),
    }
}

/// What a roster changes against the one before, a line each, for the persons who sign it.
#[must_use]
pub fn changes(head: &RosterBody, next: &RosterBody) -> Vec<String> {
    differences::changes(head, next).into_iter().map(|change| change.text).collect()
}
