//! Round confirm: FREEZE names the survivors; q of them confirm, so that there is one set, ever.
//!
//! Owns checks A11, A12, A14, A16, A17 and A20.

use super::offer::Facts;
use super::{freeze_hash, ready::Cohort};
use crate::ablation::ablated;
use crate::codec::List;
use crate::codec::encode;
use crate::crypto::keys::{Signed, verify};
use crate::error::{Check, Fault};
use crate::ids::{FreezeHash, GoHash, NodeId, PublicKey, ReportHash};
use crate::message::{
    Bound, Certificate, Confirm, Confirmation, Counted, Freeze, FreezeBody, Nodes, ReportBody, Sealed,
    ascending,
};
use crate::roster::MAX_NODES;

/// Opens the signed part of FREEZE, CERT or ASK-B.
///
/// # Errors
/// A01 when it is not the coordinator's for this attempt.
pub fn open_body(
    sealed: &Sealed<128>,
    what: Signed,
    facts: &Facts,
    coordinator: &PublicKey,
) -> Result<FreezeBody, Fault> {
    let body: Option<FreezeBody> = sealed.open(coordinator, what);
    body.filter(|body| body.sid == facts.sid)
        .ok_or(Fault::new(Check::A01, "a message of the coordinator is not signed for this attempt"))
}

/// True if a survivor's signature over its report holds under this GO.
#[must_use]
pub fn is_signed(counted: &Counted, facts: &Facts, go: &GoHash) -> bool {
    let body = ReportBody { sid: facts.sid, go: *go, report: counted.report, ledger_seq: counted.ledger_seq };
    let Ok(raw) = encode(&body) else { return false };
    facts.key(counted.node).is_some_and(|key| verify(key, Signed::Report, &raw, &counted.signature))
}

/// Checks FREEZE: A11, A12, A14, A20, A21, A22 and the hash.
///
/// # Errors
/// The first check that fails.
pub fn check(
    freeze: &Freeze,
    body: &FreezeBody,
    facts: &Facts,
    (me, go, cohort, report): (NodeId, &GoHash, &Cohort, &ReportHash),
) -> Result<(), Fault> {
    let survivors = &freeze.survivors;
    let own = survivors.iter().find(|one| one.node == me);
    Fault::unless(
        own.is_some_and(|one| one.report == *report),
        Check::A11,
        "the own report is missing from FREEZE or altered",
    )?;
    let a12 = |held: bool, what: &'static str| Fault::unless(held, Check::A12, what);
    a12(survivors.iter().all(|one| cohort.held.contains_key(&one.node)), "a survivor is not in the cohort")?;
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    check_survivors(&nodes, facts)?;
    let unsigned = ablated!("a20-con-sigs", "a19-ready-of-all", "a20-alone", "a19-a20-alone");
    Fault::unless(
        survivors.iter().all(|one| is_signed(one, facts, go)) || unsigned,
        Check::A20,
        "a survivor's report is not signed under this GO",
    )?;
    Fault::unless(
        freeze_hash(go, survivors) == body.freeze,
        Check::A12,
        "FREEZE's hash is not that of its survivors",
    )
}

/// A12, A14, A21, A22: who the survivors may be, whatever they sent.
///
/// # Errors
/// The first check that fails.
pub fn check_survivors(survivors: &[NodeId], facts: &Facts) -> Result<(), Fault> {
    let a12 = |held: bool, what: &'static str| Fault::unless(held, Check::A12, what);
    a12(ascending(survivors.iter()), "survivor ids do not ascend")?;
    let quorum =
        usize::from(facts.params().thresholds.quorum).saturating_add(usize::from(ablated!("a12-strict")));
    a12(survivors.len() >= quorum || ablated!("a12-off", "q-of-started"), "the survivors are below q")?;
    let invited: Vec<NodeId> = facts.header.invited.iter().map(|one| one.node).collect();
    let floor = usize::from(facts.warrant.floor(&facts.roster, &invited));
    a12(survivors.len() >= floor, "the survivors are below the floor")?;
    facts.misses_few(survivors.len())?;
    facts.has_whole_classes(survivors)?;
    Fault::unless(
        !facts.is_whole() || survivors.len() == facts.header.invited.len() || ablated!("a14-equal-survivors"),
        Check::A14,
        "the slot or the series is bound to other survivors",
    )
}

/// Reads a CONFIRM over this FREEZE.
///
/// # Errors
/// A16, naming the sender.
pub fn read(
    sealed: &Sealed<128>,
    facts: &Facts,
    freeze: &FreezeHash,
    from: NodeId,
) -> Result<Confirmation, Fault> {
    let body: Option<Confirm> = facts.key(from).and_then(|key| sealed.open(key, Signed::Confirm));
    body.filter(|body| body.sid == facts.sid && body.freeze == *freeze)
        .map(|_| Confirmation { node: from, signature: sealed.signature })
        .ok_or(Fault::of(Check::A16, "CONFIRM is not signed over this FREEZE", vec![from]))
}

/// Checks CERT: A16, A17. What comes out binds the slot.
///
/// # Errors
/// The first check that fails.
pub fn check_certificate(
    certificate: &Certificate,
    body: &FreezeBody,
    facts: &Facts,
    (me, freeze, survivors): (NodeId, &FreezeHash, &[NodeId]),
) -> Result<Bound, Fault> {
    Fault::unless(body.freeze == *freeze, Check::A16, "CERT is over other survivors than those confirmed")?;
    Fault::unless(survivors.contains(&me), Check::A17, "this node is not among the survivors")?;
    bound(facts, freeze, survivors, &certificate.confirmations)
}

/// The survivors with their certificate, if q of them signed.
///
/// # Errors
/// A16.
pub fn bound(
    facts: &Facts,
    freeze: &FreezeHash,
    survivors: &[NodeId],
    confirmations: &List<Confirmation, MAX_NODES>,
) -> Result<Bound, Fault> {
    let bound = Bound {
        roster: facts.roster.hash(),
        sid: facts.sid,
        freeze: *freeze,
        survivors: Nodes::new(survivors.to_vec())?,
        certificate: confirmations.clone(),
    };
    let certified = super::offer::is_certified(&bound, &facts.roster, facts.params().thresholds.quorum);
    Fault::unless(
        certified || ablated!("certificate-off"),
        Check::A16,
        "the certificate lacks q distinct valid signatures of survivors",
    )?;
    Ok(bound)
}
