//! Queries: what a warrant is made of, submitting one, approving it.

use super::Ops;
use crate::clock::{now, text};
use crate::control::{Approved, Response};
use crate::error::Error;
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::WarrantHash;
use samensom_protocol::params::Thresholds;
use samensom_protocol::query::{Query, stricter};
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{
    Approval, PROFILE_V1, Requester, Series, SignedWarrant, WarrantBody, with_classes_of,
};

/// A warrant runs from a little before it was made, for the hospitals' clocks differ.
const CLOCKS_MS: u64 = 5 * 60_000;

/// For how long, how often and how patiently a warrant runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long it may run, in milliseconds.
    pub valid_ms: u64,
    /// Most sessions a hospital takes part in.
    pub sessions: u16,
    /// Least time between two of them, in seconds.
    pub every_s: u32,
    /// How long a session waits for a hospital's consent, in seconds.
    pub wait_s: u32,
    /// Who takes part from session to session; none: the same where the query must have it so, else whoever is there.
    pub series: Option<Series>,
}

/// What is asked for: the query as a warrant under this roster, for its requester to sign.
///
/// # Errors
/// When the roster allows no such query.
pub fn asked(head: &Roster, query: &Query, terms: Terms, requester: Requester) -> Result<WarrantBody, Error> {
    let purpose = query.purpose().name();
    let rule = head.rule(purpose).ok_or_else(|| {
        Error::refused(format!("the roster has no rule for the purpose `{purpose}`"))
            .remedy("the roster's signers must agree on one first")
    })?;
    Thresholds::of(head).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("roster {}", head.body().epoch))
            .remedy("confirm hospitals and let a roster that lists them be signed first")
    })?;
    let dataset = query.dataset().name();
    let lock = head
        .lock_of(dataset)
        .ok_or_else(|| Error::refused(format!("the roster has no lock for the data set `{dataset}`")))?;
    let query = with_classes_of(head, query).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("roster {}", head.body().epoch))
            .remedy("give the hospitals theirs in a new roster, or name the classes in the query")
    })?;
    let canonical = query.canonical().and_then(Blob::new).map_err(|why| {
        Error::asked(format!("the query is too large: {why}")).remedy("shorten its code lists")
    })?;
    let at = now();
    let valid_until = at.plus_ms(terms.valid_ms);
    let series = series(&query, valid_until, terms.series)?;
    Ok(WarrantBody {
        floor_hospitals: query.floor_hospitals().max(rule.floor_hospitals).max(lock.floor_hospitals),
        floor_patients: query.floor_patients().max(lock.floor_patients),
        floor_dominance: stricter(query.floor_dominance(), rule.floor_dominance),
        may_miss: 0,
        query: canonical,
        roster: head.hash(),
        profile: PROFILE_V1,
        valid_from: Time(at.0.saturating_sub(CLOCKS_MS)),
        valid_until,
        sessions: terms.sessions,
        every_s: terms.every_s,
        wait_s: terms.wait_s,
        series,
        requester,
    })
}

/// Who takes part from session to session.
fn series(query: &Query, valid_until: Time, asked: Option<Series>) -> Result<Series, Error> {
    let resolved = query.resolved().ok();
    let must = resolved.is_some_and(|query| WarrantBody::must_be_equal(&query, valid_until));
    match (must, asked) {
        (true, Some(Series::Free)) => Err(Error::asked(
            "a figure of this query is of a time that ends before the warrant does: its rows do not change any more, and \
             two sums over other hospitals would show the figures of those that only one of them has",
        )
        .place("--series free")
        .expected("`--series equal`: the same hospitals in each session")
        .remedy("leave --series out")),
        (true, _) => Ok(Series::Equal),
        (false, asked) => Ok(asked.unwrap_or(Series::Free)),
    }
}

impl Ops {
    /// Keeps what a requester signed. Approvals are given one by one, so that each is judged.
    pub(super) fn query_submit(&self, signed: &SignedWarrant) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let warrant = signed.read(&head).map_err(|why| {
            Error::refused(why.to_string())
                .place(format!("roster {}", head.body().epoch))
                .expected("a query that the newest roster allows, signed by who asks")
                .remedy("see `samensom roster show`")
        })?;
        let query = warrant.query();
        self.store.put_warrant(signed, query.id(), query.title_nl(), now()).map(Response::Submitted)
    }

    pub(super) fn query_approve(&self, hash: &WarrantHash, approval: &Approval) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let warrant = self.store.warrant(&hash.to_hex())?;
        let read = warrant.read(&head).map_err(|why| {
            Error::refused(why.to_string()).remedy("submit the query again: the roster changed since")
        })?;
        let body = read.body();
        if now() >= body.valid_until {
            return Err(Error::refused(format!("the warrant ran until {}", text(body.valid_until)))
                .remedy("submit the query again"));
        }
        if !head.body().approvers.iter().any(|approver| approver.key == approval.key) {
            return Err(Error::refused(format!("the key {} is no approver's", approval.key))
                .expected("the key of an approver whom the newest roster names")
                .remedy(
                    "see `samensom roster show`; add one with `samensom roster propose --approver FILE.pub`",
                ));
        }
        warrant.approver(&body.requester, &head, approval).map_err(|why| {
            Error::refused(why.to_string())
                .place(format!("warrant {hash}, asked by {}", &*body.requester.person))
                .expected("an approver's own signature over this warrant, of another person than who asks")
        })?;
        if warrant.approvals.len() >= 16 {
            return Err(Error::asked("the warrant has 16 approvals already").expected("no more are needed"));
        }
        self.store.put_approval(hash, approval, now())?;
        tracing::info!(warrant = %hash, approver = %approval.key, "warrant approved");
        let warrant = self.store.warrant(&hash.to_hex())?;
        let missing = warrant.verify(&head, now()).err().map(|why| why.to_string());
        Ok(Response::Approved(Approved {
            warrant: *hash,
            approvals: u16::try_from(warrant.approvals.len()).unwrap_or(u16::MAX),
            runnable: missing.is_none(),
            missing: missing.unwrap_or_default(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::QUERY;

    #[test]
    fn a_time_that_is_over_before_the_warrant_keeps_its_hospitals() {
        let of = |filter: &str| {
            let text = QUERY.replacen(
                "[[dimension]]",
                &format!("[population]\nwhere = \"{filter}\"\n[[dimension]]"),
                1,
            );
            Query::from_toml(&text, &mut |_| Err(String::new())).unwrap()
        };
        // 1 March 2026, 00:00 UTC.
        let until = Time(1_772_323_200_000);
        let (over, open) = (of("period < '2026-03-01'"), of("period < '2026-04-01'"));
        assert_eq!(series(&over, until, None).unwrap(), Series::Equal);
        assert_eq!(series(&open, until, None).unwrap(), Series::Free);
        assert_eq!(series(&open, until, Some(Series::Equal)).unwrap(), Series::Equal);
        let told = series(&over, until, Some(Series::Free)).unwrap_err().to_string();
        assert!(told.contains("--series equal") && told.contains("leave --series out"), "{told}");
    }
}
