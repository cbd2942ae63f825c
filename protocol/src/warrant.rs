//! A query made runnable: canonical query, roster, floor, validity, and the approvals over all of it.
//!
//! A [`Warrant`] exists only when every check of A02 held; each hospital's agent makes its own. It must
//! not know sessions.

use crate::codec::{Blob, List, decode, encode};
use crate::crypto::keys::{Identity, SignatureBytes, Signed, verify};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::{Check, Fault};
use crate::ids::{NodeId, PublicKey, QueryHash, RosterHash, WarrantHash};
use crate::params::Params;
use crate::query::Query;
use crate::roster::{Approver, Roster};
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Longest canonical query.
pub const MAX_QUERY: usize = 1 << 18;
/// The only profile built: anyone with the bundle recomputes the total from signed reports.
pub const PROFILE_V0: u8 = 0;

/// What approvers sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarrantBody {
    /// The query in canonical form.
    pub query: Blob<MAX_QUERY>,
    /// The roster it runs under.
    pub roster: RosterHash,
    /// Profile; [`PROFILE_V0`].
    pub profile: u8,
    /// Fewest hospitals behind a released figure, before the members' own floors.
    pub floor_hospitals: u16,
    /// Runs from this time.
    pub valid_from: Time,
    /// Does not run from this time on.
    pub valid_until: Time,
    /// Most sessions a hospital takes part in.
    pub sessions: u16,
}

impl WarrantBody {
    /// Hash of an encoded body.
    #[must_use]
    pub fn hash_of(body: &[u8]) -> WarrantHash {
        WarrantHash(Transcript::new(Label::Warrant).bytes(body).finish())
    }
}

/// One approver's signature over the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub key: PublicKey,
    /// Over the encoded [`WarrantBody`].
    pub signature: SignatureBytes,
}

impl Approval {
    /// Signs an encoded body.
    #[must_use]
    pub fn new(approver: &Identity, body: &[u8]) -> Self {
        Approval { key: approver.public(), signature: approver.sign(Signed::Approval, body) }
    }
}

/// A warrant as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedWarrant {
    /// Encoded [`WarrantBody`].
    pub body: Blob<{ MAX_QUERY + 128 }>,
    /// Approvals.
    pub approvals: List<Approval, 16>,
}

/// A warrant whose form, approvals and numbers were verified under one roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    hash: WarrantHash,
    body: WarrantBody,
    query: Query,
    params: Params,
    approvers: Vec<Approver>,
}

impl SignedWarrant {
    /// Signs nothing yet: the body alone, for approvers to read.
    ///
    /// # Errors
    /// When the body does not fit.
    pub fn unsigned(body: &WarrantBody) -> Result<Self, Fault> {
        Ok(SignedWarrant { body: Blob::new(encode(body)?)?, approvals: List::default() })
    }

    /// Its identity.
    #[must_use]
    pub fn hash(&self) -> WarrantHash {
        WarrantBody::hash_of(&self.body)
    }

    /// Everything but the approvals: the form, the roster, the query, the numbers. For showing a warrant
    /// to those who are to approve it.
    ///
    /// # Errors
    /// A02 or A03, saying which rule was broken.
    pub fn read(&self, roster: &Roster) -> Result<Warrant, Fault> {
        let body: WarrantBody = decode(&self.body)?;
        Fault::unless(body.roster == roster.hash(), Check::A03, "the warrant was made for another roster")?;
        Fault::unless(body.profile == PROFILE_V0, Check::A03, "the warrant asks for an unknown profile")?;
        Fault::unless(body.sessions > 0, Check::A02, "the warrant allows no session")?;
        let query = Query::from_canonical(&body.query)
            .map_err(|_| Fault::new(Check::A03, "the warrant's query is not a valid query"))?;
        let rule = roster
            .rule(query.purpose().name())
            .ok_or(Fault::new(Check::A02, "the roster has no rule for the query's purpose"))?;
        let floor = query.floor_hospitals().max(rule.floor_hospitals);
        Fault::unless(
            body.floor_hospitals >= floor,
            Check::A03,
            "the warrant's floor is below query or rules",
        )?;
        let counts = |measure: &crate::query::Measure| {
            matches!(measure.kind(), crate::query::MeasureKind::Hospitals { .. })
        };
        Fault::unless(
            body.floor_hospitals == 0 || query.measures().iter().any(counts),
            Check::A03,
            "a floor needs a `hospitals` measure to be held against",
        )?;
        Fault::unless(
            roster.lock_of(query.dataset().name()).is_some(),
            Check::A03,
            "the roster has no lock for the query's data set",
        )?;
        let layout = query.layout();
        let params = Params::new(roster, layout.cells(), layout.widest())
            .map_err(|_| Fault::new(Check::A03, "no sum of this query fits the ring under this roster"))?;
        Ok(Warrant { hash: self.hash(), body, query, params, approvers: Vec::new() })
    }

    /// The warrant, if it may run now under this roster.
    ///
    /// # Errors
    /// A02: an approval is missing, forged, doubled or of a wrong role, or the warrant is not valid now.
    /// A03: it does not fit the roster.
    pub fn verify(&self, roster: &Roster, now: Time) -> Result<Warrant, Fault> {
        let mut warrant = self.read(roster)?;
        let body = &warrant.body;
        Fault::unless(
            body.valid_from <= now && now < body.valid_until,
            Check::A02,
            "the warrant is not valid at this time",
        )?;
        let mut approvers: Vec<&Approver> = Vec::new();
        for approval in self.approvals.iter() {
            let approver = roster.body().approvers.iter().find(|approver| approver.key == approval.key);
            let Some(approver) = approver else {
                Fault::unless(false, Check::A02, "an approval is by nobody the roster names")?;
                continue;
            };
            Fault::unless(
                approvers.iter().all(|other| other.key != approver.key),
                Check::A02,
                "one approver approved twice",
            )?;
            Fault::unless(
                verify(&approval.key, Signed::Approval, &self.body, &approval.signature),
                Check::A02,
                "an approval's signature is not valid",
            )?;
            approvers.push(approver);
        }
        Self::roles(roster, &warrant.query, &approvers)?;
        warrant.approvers = approvers.into_iter().cloned().collect();
        Ok(warrant)
    }

    /// Each role the rule names is filled by an approver of its own; one belongs to a hospital.
    fn roles(roster: &Roster, query: &Query, approvers: &[&Approver]) -> Result<(), Fault> {
        let rule = roster
            .rule(query.purpose().name())
            .ok_or(Fault::new(Check::A02, "the roster has no rule for the query's purpose"))?;
        // An approver has one role, so roles are filled by counting.
        for role in rule.roles.iter() {
            let asked = rule.roles.iter().filter(|other| *other == role).count();
            let given = approvers.iter().filter(|approver| approver.role == *role).count();
            Fault::unless(
                given >= asked,
                Check::A02,
                "an approval of a role that the rules name is missing",
            )?;
        }
        let of_hospital =
            |approver: &&Approver| roster.active().any(|member| member.institution == approver.organisation);
        Fault::unless(approvers.iter().any(of_hospital), Check::A02, "no approver belongs to a hospital")
    }
}

impl Warrant {
    /// Its identity.
    #[must_use]
    pub fn hash(&self) -> WarrantHash {
        self.hash
    }
    /// What was signed.
    #[must_use]
    pub fn body(&self) -> &WarrantBody {
        &self.body
    }
    /// The query.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }
    /// Identity of the query alone.
    #[must_use]
    pub fn query_hash(&self) -> QueryHash {
        QueryHash(Transcript::new(Label::Query).bytes(&self.body.query).finish())
    }
    /// The numbers of its sessions.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }
    /// Who approved it; empty while it was only read.
    #[must_use]
    pub fn approvers(&self) -> &[Approver] {
        &self.approvers
    }
    /// Fewest hospitals behind a figure over these members: the highest of the warrant's floor and theirs.
    #[must_use]
    pub fn floor(&self, roster: &Roster, members: &[NodeId]) -> u16 {
        let own = members.iter().filter_map(|id| roster.member(*id)).map(|member| member.floor_hospitals);
        own.fold(self.body.floor_hospitals, u16::max)
    }
}

#[cfg(test)]
pub(crate) mod tests;
