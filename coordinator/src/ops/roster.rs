//! The roster: propose the next one, sign it, say what it changes.

use super::Ops;
use crate::control::{Response, SignedAs};
use crate::error::Error;
use crate::person::text;
use crate::store::{Hospital, State};
use samensom_protocol::admission::words;
use samensom_protocol::codec::List;
use samensom_protocol::ids::{NodeId, RosterHash};
use samensom_protocol::roster::{Approver, Member, RosterBody, RosterSignature, Status};
use std::collections::BTreeMap;

impl Ops {
    pub(super) fn roster_propose(&self, approvers: Vec<Approver>) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let body = head.body();
        let mut members: BTreeMap<NodeId, Member> =
            body.members.iter().map(|member| (member.id, member.clone())).collect();
        for hospital in self.store.hospitals()? {
            if hospital.state == State::Confirmed {
                let before = members.get(&hospital.id).map(|member| member.status);
                if let Some(member) = member(&hospital, before)? {
                    members.insert(member.id, member);
                }
            }
        }
        let mut by_key: BTreeMap<_, Approver> =
            body.approvers.iter().map(|approver| (approver.key, approver.clone())).collect();
        by_key.extend(approvers.into_iter().map(|approver| (approver.key, approver)));
        let next = RosterBody {
            epoch: body.epoch.saturating_add(1),
            previous: head.hash(),
            members: List::new(members.into_values().collect())
                .map_err(|_| Error::asked("too many hospitals for one roster"))?,
            approvers: List::new(by_key.into_values().collect())
                .map_err(|_| Error::asked("too many approvers").expected("at most 256"))?,
            ..body.clone()
        };
        if next.members == body.members && next.approvers == body.approvers {
            return Err(Error::asked("nothing would change")
                .expected("a confirmed hospital or an approver that the roster does not have yet")
                .remedy("see `samensom hospital list` and `samensom roster show`"));
        }
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

/// The member that a confirmed hospital becomes; its status stays what it was.
fn member(hospital: &Hospital, before: Option<Status>) -> Result<Option<Member>, Error> {
    let Some(key) = hospital.key else { return Ok(None) };
    Ok(Some(Member {
        id: hospital.id,
        institution: text("hospital", &hospital.institution)?,
        name: text("hospital", &hospital.name)?,
        group: text("group", &hospital.group)?,
        kind: text("kind", &hospital.kind)?,
        key,
        status: before.unwrap_or(Status::Active),
        floor_hospitals: hospital.floor,
    }))
}

/// What a roster changes against the one before, a line each, for the persons who sign it.
#[must_use]
pub fn changes(head: &RosterBody, next: &RosterBody) -> Vec<String> {
    let mut lines = Vec::new();
    for member in next.members.iter() {
        match head.members.iter().find(|old| old.id == member.id) {
            None => lines.push(format!("+ hospital {}", hospital_line(member))),
            Some(old) if old != member => {
                lines.push(format!("- hospital {}", hospital_line(old)));
                lines.push(format!("+ hospital {}", hospital_line(member)));
            }
            Some(_) => {}
        }
    }
    let gone = head.members.iter().filter(|old| next.members.iter().all(|member| member.id != old.id));
    lines.extend(gone.map(|old| format!("- hospital {}", hospital_line(old))));
    let approver = |a: &Approver| format!("approver {} ({}, {})", &*a.person, &*a.role, &*a.organisation);
    lines.extend(differing(&head.approvers, &next.approvers, &approver));
    let signer =
        |s: &samensom_protocol::roster::Signer| format!("signer {} ({})", &*s.person, &*s.organisation);
    lines.extend(differing(&head.signers, &next.signers, &signer));
    if head.threshold != next.threshold {
        lines.push(format!("~ signatures needed: {} -> {}", head.threshold, next.threshold));
    }
    let rules = |body: &RosterBody| {
        (body.rules.clone(), body.locks.clone(), body.limits, body.honest_min, body.policy)
    };
    if rules(head) != rules(next) {
        lines.push(
            "~ rules, locks, limits or policy: compare `samensom roster show --format json`".to_owned(),
        );
    }
    lines
}

fn hospital_line(member: &Member) -> String {
    format!(
        "{} {} ({}), group {}, kind {}, floor {}, {:?}, words: {}",
        member.id.0,
        &*member.institution,
        &*member.name,
        &*member.group,
        &*member.kind,
        member.floor_hospitals,
        member.status,
        words(&member.key.0)
    )
}

fn differing<T: PartialEq>(old: &[T], new: &[T], line: &dyn Fn(&T) -> String) -> Vec<String> {
    let gone = old.iter().filter(|item| !new.contains(item)).map(|item| format!("- {}", line(item)));
    let come = new.iter().filter(|item| !old.contains(item)).map(|item| format!("+ {}", line(item)));
    gone.chain(come).collect()
}
