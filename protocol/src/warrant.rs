//! A query made runnable: canonical query, roster, floor, validity, rhythm, who asks, and the approvals over all of it.
//!
//! A [`Warrant`] exists only when every check of A02 held; each hospital's agent makes its own. It must
//! not know sessions. Who asks and how that is signed stands in `warrant/request.rs`.

mod classes;
mod request;

pub use classes::{SmallClass, with_classes_of};
pub use request::{Requester, Word, same_person};

use crate::codec::{Blob, List, decode, encode};
use crate::crypto::blocks::Blocks;
use crate::crypto::keys::{Identity, SignatureBytes, Signed, verify};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::{Check, Fault};
use crate::ids::{NodeId, PublicKey, QueryHash, RosterHash, WarrantHash};
use crate::message::Pass;
use crate::params::{Params, Thresholds};
use crate::query::{Counting, Date, Dominance, Measure, Query, stricter};
use crate::roster::{Approver, PurposeRule, Roster};
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Longest canonical query.
pub const MAX_QUERY: usize = 1 << 18;
/// The only profile built: every node commits to its contribution before it is masked, and anyone with the bundle
/// checks the total against the commitments.
pub const PROFILE_V1: u8 = 1;
/// Under any floor no figure of fewer hospitals opens: one of two knows the other's.
const FEWEST: u16 = 3;
/// D is at most this, and less than k.
const MOST_MISSING: u16 = 5;
/// No session waits longer than this for a hospital's consent, in seconds.
const LONGEST_WAIT: u32 = 86_400;
/// Longest encoding of a body: its query, the numbers, and who asks.
pub const MAX_BODY: usize = MAX_QUERY + 512;

/// What approvers sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarrantBody {
    /// The query in canonical form.
    pub query: Blob<MAX_QUERY>,
    /// The roster it runs under.
    pub roster: RosterHash,
    /// Profile; [`PROFILE_V1`].
    pub profile: u8,
    /// Fewest hospitals behind a released figure, before the members' own floors.
    pub floor_hospitals: u16,
    /// Fewest patients behind a released figure.
    pub floor_patients: u32,
    /// The share of a total, in percent, above which no hospital may be; 0 for any.
    pub floor_dominance: u8,
    /// D: most survivors of the count pass that the value pass may miss.
    pub may_miss: u8,
    /// Runs from this time.
    pub valid_from: Time,
    /// Does not run from this time on.
    pub valid_until: Time,
    /// Most sessions a hospital takes part in.
    pub sessions: u16,
    /// Least time between two of them, in seconds; 0 for none but that of the slots.
    pub every_s: u32,
    /// How long a session waits for the consent of a hospital's people, in seconds; 0: not at all.
    pub wait_s: u32,
    /// Who takes part from session to session.
    pub series: Series,
    /// Who asks; approves nothing of it.
    pub requester: Requester,
}

/// Who takes part in the sessions of one warrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Series {
    /// Whoever is there in each slot.
    Free,
    /// Exactly the survivors of its first session, each time: no two of its sums differ by a hospital.
    Equal,
}

impl WarrantBody {
    /// Hash of an encoded body.
    #[must_use]
    pub fn hash_of(body: &[u8]) -> WarrantHash {
        WarrantHash(Transcript::new(Label::Warrant).bytes(body).finish())
    }

    /// Whether sums of this query, whose parameters have values, must be over the same hospitals each time: some
    /// figure of it is of a time that is over before the warrant is. Between two such sums only a hospital that is
    /// in one of them lies.
    #[must_use]
    pub fn must_be_equal(query: &Query, valid_until: Time) -> bool {
        query.ends().is_some_and(|day| Date::at(valid_until).is_none_or(|end| day < end))
    }

    /// A03: what the series says fits the query and D.
    fn keeps_its_hospitals(&self, query: &Query) -> Result<(), Fault> {
        if self.series == Series::Equal {
            return Fault::unless(
                self.may_miss == 0,
                Check::A03,
                "none may be missing where the same hospitals take part each time",
            );
        }
        let closed = query.resolved().is_ok_and(|query| Self::must_be_equal(&query, self.valid_until));
        Fault::unless(
            !closed,
            Check::A03,
            "a figure is of a time that ends before the warrant: the same hospitals must take part each time",
        )
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
    pub body: Blob<MAX_BODY>,
    /// Approvals.
    pub approvals: List<Approval, 16>,
    /// The requester's, over [`Word::Asked`].
    pub request: SignatureBytes,
}

/// A warrant whose form, approvals and numbers were verified under one roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    hash: WarrantHash,
    body: WarrantBody,
    query: Query,
    params: Params,
    blocks: Blocks,
    count: Option<CountPass>,
    approvers: Vec<Approver>,
}

/// What is counted before figures are opened, where there is a floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountPass {
    /// The lanes of its cells.
    pub counting: Counting,
    /// The numbers of its sessions.
    pub params: Params,
    /// Which of its cells are committed to together.
    pub blocks: Blocks,
    /// Added to the floor: hospitals behind a figure that may collude (x_cell), and D.
    pub beyond: u16,
}

impl SignedWarrant {
    /// The body, asked for by its requester, for approvers to read.
    ///
    /// # Errors
    /// When the body does not fit.
    pub fn asked(body: &WarrantBody, requester: &Identity) -> Result<Self, Fault> {
        let body = encode(body)?;
        let request = Word::Asked(WarrantBody::hash_of(&body)).sign(requester)?;
        Ok(SignedWarrant { body: Blob::new(body)?, approvals: List::default(), request })
    }

    /// The same with these approvals.
    ///
    /// # Errors
    /// When there are too many.
    pub fn approved(self, approvals: Vec<Approval>) -> Result<Self, Fault> {
        Ok(SignedWarrant { approvals: List::new(approvals)?, ..self })
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
        Fault::unless(body.profile == PROFILE_V1, Check::A03, "the warrant asks for an unknown profile")?;
        Fault::unless(body.sessions > 0, Check::A02, "the warrant allows no session")?;
        Fault::unless(
            body.wait_s <= LONGEST_WAIT,
            Check::A03,
            "the warrant waits longer than a day for consent",
        )?;
        body.requester.check(roster)?;
        let asked = Word::Asked(self.hash());
        Fault::unless(
            asked.is_by(&body.requester.key, &self.request),
            Check::A02,
            "the request is not signed by who asks",
        )?;
        let query = Query::from_canonical(&body.query)
            .map_err(|_| Fault::new(Check::A03, "the warrant's query is not a valid query"))?;
        Fault::unless(
            !query.awaits_roster(),
            Check::A03,
            "the warrant's query leaves open which classes of hospitals there are",
        )?;
        let rule = roster
            .rule(query.purpose().name())
            .ok_or(Fault::new(Check::A02, "the roster has no rule for the query's purpose"))?;
        let lock = roster
            .lock_of(query.dataset().name())
            .ok_or(Fault::new(Check::A03, "the roster has no lock for the query's data set"))?;
        let floor = query.floor_hospitals().max(rule.floor_hospitals).max(lock.floor_hospitals);
        let patients = query.floor_patients().max(lock.floor_patients);
        Fault::unless(
            body.floor_hospitals >= floor && body.floor_patients >= patients,
            Check::A03,
            "the warrant's floor is below query or rules",
        )?;
        let dominance = stricter(query.floor_dominance(), rule.floor_dominance);
        Fault::unless(
            body.floor_dominance <= 100 && stricter(body.floor_dominance, dominance) == body.floor_dominance,
            Check::A03,
            "the warrant lets a hospital be a larger share of a figure than query or rules",
        )?;
        body.keeps_its_hospitals(&query)?;
        let layout = query.layout();
        let blocks = query.blocks();
        let params = Params::new(roster, layout.cells(), layout.widest(), blocks.bits())
            .map_err(|_| Fault::new(Check::A03, "no sum of this query fits the ring under this roster"))?;
        let mut count = CountPass::of(&body, &query, (roster, rule), &params.thresholds)?;
        // Consent is waited for in the first pass; in the second it was given.
        let mut params = params;
        let first = count.as_mut().map_or(&mut params, |count| &mut count.params);
        let wait_ms = body.wait_s.saturating_mul(1000);
        first.deadlines.deposit_ms = first.deadlines.deposit_ms.saturating_add(wait_ms);
        Ok(Warrant { hash: self.hash(), body, query, params, blocks, count, approvers: Vec::new() })
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
            let Some(approver) = self.approver(&warrant.body.requester, roster, approval)? else { continue };
            Fault::unless(
                approvers.iter().all(|other| other.key != approver.key),
                Check::A02,
                "one approver approved twice",
            )?;
            Fault::unless(
                approvers.iter().all(|other| !same_person(&other.person, &approver.person)),
                Check::A02,
                "one person approved with two keys",
            )?;
            approvers.push(approver);
        }
        Self::roles(roster, &warrant.query, &approvers)?;
        warrant.approvers = approvers.into_iter().cloned().collect();
        Ok(warrant)
    }

    /// Whose approval it is, if it counts: of a person whom the roster names, signed, and not of who asks. None
    /// only where the check is switched off.
    ///
    /// # Errors
    /// A02, saying why it is none.
    pub fn approver<'r>(
        &self,
        requester: &Requester,
        roster: &'r Roster,
        approval: &Approval,
    ) -> Result<Option<&'r Approver>, Fault> {
        let approver = roster.body().approvers.iter().find(|approver| approver.key == approval.key);
        let Some(approver) = approver else {
            Fault::unless(false, Check::A02, "an approval is by nobody the roster names")?;
            return Ok(None);
        };
        Fault::unless(
            approver.key != requester.key && !same_person(&approver.person, &requester.person),
            Check::A02,
            "an approval is by the person who asks",
        )?;
        Fault::unless(
            verify(&approval.key, Signed::Approval, &self.body, &approval.signature),
            Check::A02,
            "an approval's signature is not valid",
        )?;
        Ok(Some(approver))
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

impl CountPass {
    /// The count pass of a warrant over which some floor is held.
    fn of(
        body: &WarrantBody,
        query: &Query,
        (roster, rule): (&Roster, &PurposeRule),
        thresholds: &Thresholds,
    ) -> Result<Option<CountPass>, Fault> {
        let a03 = |held: bool, what: &'static str| Fault::unless(held, Check::A03, what);
        let patients = body.floor_patients > 0;
        let own = roster.active().any(|member| member.floor_hospitals > 0);
        let dominance = body.floor_dominance > 0;
        if body.floor_hospitals == 0 && !patients && !own && !dominance {
            a03(body.may_miss == 0, "without a floor nothing is counted before")?;
            return Ok(None);
        }
        let most = MOST_MISSING.min(thresholds.k.saturating_sub(1));
        a03(u16::from(body.may_miss) <= most, "more may be missing than the rules allow")?;
        // Opened over the survivors of both passes, such a figure would be that of those between.
        let twice = patients || query.measures().iter().any(Measure::counts_hospitals);
        a03(body.may_miss == 0 || !twice, "none may be missing where hospitals or patients are counted")?;
        a03(
            body.may_miss == 0 || !query.is_by_class(),
            "none may be missing where classes of hospitals are cells",
        )?;
        let resolved = query.resolved().map_err(|_| Fault::new(Check::A03, "a parameter has no value"))?;
        let counting = Counting::judging(&resolved, patients, dominance).ok_or(Fault::new(
            Check::A03,
            "too much is to be counted before: at most 6 different filters, 2,000,000 lanes, 65,536 shares",
        ))?;
        let blocks = query.count_blocks(counting.cells());
        let params = Params::new(roster, counting.cells(), 1, blocks.bits())
            .map_err(|_| Fault::new(Check::A03, "no count of this query fits the ring under this roster"))?;
        let colluding = if rule.colluding_holders { thresholds.x } else { 0 };
        let beyond = colluding.saturating_add(u16::from(body.may_miss));
        a03(blocks.is_affordable(), "too much is to be counted before to prove it: at most 16,384 lanes")?;
        Ok(Some(CountPass { counting, params, blocks, beyond }))
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
    /// The numbers of the sessions that sum its figures.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }
    /// Which cells of a pass are committed to together, and which are checked.
    #[must_use]
    pub fn blocks(&self, pass: Pass) -> &Blocks {
        match (pass, &self.count) {
            (Pass::Count, Some(count)) => &count.blocks,
            _ => &self.blocks,
        }
    }
    /// What is counted before that; none where no floor is held.
    #[must_use]
    pub fn count(&self) -> Option<&CountPass> {
        self.count.as_ref()
    }
    /// How many hospitals must stand behind a figure that opens, of a count pass over these members.
    #[must_use]
    pub fn least(&self, roster: &Roster, members: &[NodeId]) -> u64 {
        let beyond = self.count.as_ref().map_or(0, |count| count.beyond);
        u64::from(self.floor(roster, members).max(FEWEST).saturating_add(beyond))
    }
    /// How many patients make a hospital one of those that have enough: so many of them at `least` hospitals
    /// reach the floor of patients.
    #[must_use]
    pub fn patients_each(&self, roster: &Roster, members: &[NodeId]) -> u32 {
        let hospitals = u32::from(self.floor(roster, members).max(FEWEST));
        self.body.floor_patients.div_ceil(hospitals)
    }
    /// What a hospital holds its figures to in a count pass, of the totals that it saw; none where no dominance is
    /// judged.
    #[must_use]
    pub fn dominance(&self, totals: &[u64]) -> Option<Dominance> {
        let percent = self.body.floor_dominance;
        (percent > 0).then(|| Dominance::new(percent, totals.to_vec()))
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
