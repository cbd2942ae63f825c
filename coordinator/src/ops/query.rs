//! Queries: submit as a warrant, approve.

use super::Ops;
use crate::clock::now;
use crate::control::{Approved, Response};
use crate::error::Error;
use samensom_protocol::codec::Blob;
use samensom_protocol::crypto::keys::{Signed, verify};
use samensom_protocol::ids::WarrantHash;
use samensom_protocol::params::Thresholds;
use samensom_protocol::query::Query;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{Approval, MAX_QUERY, PROFILE_V0, SignedWarrant, WarrantBody};

/// A warrant runs from a little before it was made, for the hospitals' clocks differ.
const CLOCKS_MS: u64 = 5 * 60_000;

impl Ops {
    pub(super) fn query_submit(
        &self,
        canonical: Blob<MAX_QUERY>,
        valid_ms: u64,
        sessions: u16,
    ) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let query = Query::from_canonical(&canonical).map_err(|why| Error::asked(why.to_string()))?;
        let purpose = query.purpose().name();
        let rule = head.rule(purpose).ok_or_else(|| {
            Error::refused(format!("the roster has no rule for the purpose `{purpose}`"))
                .remedy("the roster's signers must agree on one first")
        })?;
        Thresholds::of(&head).map_err(|why| {
            Error::refused(why.to_string())
                .place(format!("roster {}", head.body().epoch))
                .remedy("confirm hospitals and let a roster that lists them be signed first")
        })?;
        let at = now();
        let body = WarrantBody {
            floor_hospitals: query.floor_hospitals().max(rule.floor_hospitals),
            query: canonical,
            roster: head.hash(),
            profile: PROFILE_V0,
            valid_from: Time(at.0.saturating_sub(CLOCKS_MS)),
            valid_until: at.plus_ms(valid_ms),
            sessions,
        };
        let signed = SignedWarrant::unsigned(&body).map_err(|why| Error::asked(why.to_string()))?;
        signed.read(&head).map_err(|why| {
            Error::refused(why.to_string())
                .place(format!("roster {}", head.body().epoch))
                .expected("a query that the newest roster allows")
                .remedy("see `samensom roster show`")
        })?;
        self.store.put_warrant(&signed, query.id(), query.title_nl(), at).map(Response::Submitted)
    }

    pub(super) fn query_approve(&self, hash: &WarrantHash, approval: &Approval) -> Result<Response, Error> {
        let head = self.store.head_roster();
        let warrant = self.store.warrant(&hash.to_hex())?;
        warrant.read(&head).map_err(|why| {
            Error::refused(why.to_string()).remedy("submit the query again: the roster changed since")
        })?;
        if !head.body().approvers.iter().any(|approver| approver.key == approval.key) {
            return Err(Error::refused(format!("the key {} is no approver's", approval.key))
                .expected("the key of an approver whom the newest roster names")
                .remedy(
                    "see `samensom roster show`; add one with `samensom roster propose --approver FILE.pub`",
                ));
        }
        if !verify(&approval.key, Signed::Approval, &warrant.body, &approval.signature) {
            return Err(Error::mismatch("the signature is not valid for this warrant"));
        }
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
