//! Round void: after a loss, q nodes promise that an attempt has no certificate and never will.
//!
//! Owns check A24. Two quorums share an honest node, and no honest node both confirms an attempt and voids
//! it; so q VOIDs undo what the attempt did to the records, and other nodes may follow in the same slot.

use crate::ablation::ablated;
use crate::codec::{List, encode};
use crate::crypto::keys::{Identity, Signed, verify};
use crate::error::{Check, Fault, Malformed};
use crate::ids::{AttemptId, NodeId, PublicKey};
use crate::ledger::LedgerView;
use crate::message::{Sealed, VoidAsk, VoidBody, VoidOf, Voids, ascending};
use crate::params::Thresholds;
use crate::roster::Roster;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most VOIDs that a node gives between two freezes; a coordinator that asks for more fills its disk.
pub const MAX_VOIDS: usize = 256;

/// Opens VOID-ASK.
///
/// # Errors
/// A01 when it is not the coordinator's.
pub fn open_ask(ask: &Sealed<128>, coordinator: &PublicKey) -> Result<AttemptId, Fault> {
    let body: Option<VoidAsk> = ask.open(coordinator, Signed::VoidAsk);
    body.map(|body| body.sid).ok_or(Fault::new(Check::A01, "VOID-ASK is not signed by the coordinator"))
}

/// A24: whether this node may promise never to confirm the attempt.
///
/// # Errors
/// A24.
pub fn may_void(sid: &AttemptId, view: &LedgerView) -> Result<(), Fault> {
    let a24 = |held: bool, what: &'static str| Fault::unless(held, Check::A24, what);
    a24(
        !view.confirmed(sid) || ablated!("a24-confirmed"),
        "VOID-ASK for an attempt that this node confirmed",
    )?;
    a24(
        view.voided(sid).is_some() || view.voids() < MAX_VOIDS,
        "VOID-ASK for more attempts than a slot can have",
    )
}

/// VOID, signed; `ledger_seq` is the number of the ledger's last SPENT when it promised.
///
/// # Errors
/// Never for values of ours.
pub fn void(sid: AttemptId, ledger_seq: u64, identity: &Identity) -> Result<Sealed<128>, Malformed> {
    Sealed::new(identity, Signed::Void, &VoidBody { sid, ledger_seq })
}

/// True if q distinct members of the attempt's roster voided it.
#[must_use]
pub fn is_void(voids: &Voids, roster: &Roster, quorum: u16) -> bool {
    let signed = |one: &VoidOf| {
        let body = VoidBody { sid: voids.sid, ledger_seq: one.ledger_seq };
        let member = roster.member(one.node);
        encode(&body)
            .is_ok_and(|raw| member.is_some_and(|m| verify(&m.key, Signed::Void, &raw, &one.signature)))
    };
    let quorum = if ablated!("a24-quorum") { 1 } else { usize::from(quorum) };
    let quorum = quorum.saturating_sub(usize::from(ablated!("voids-short")));
    voids.voids.len() >= quorum
        && ascending(voids.voids.iter().map(|one| &one.node))
        && voids.voids.iter().all(signed)
}

/// A24 at a node: VOIDS of an attempt it contributed to.
///
/// # Errors
/// A24 when they are not a quorum's, or one is of a ledger that was rolled back: behind what this node has
/// verified of it.
pub fn check(voids: &Voids, view: &LedgerView, known: &[Arc<Roster>]) -> Result<(), Fault> {
    let a24 = |held: bool, what: &'static str| Fault::unless(held, Check::A24, what);
    let unknown = || Fault::new(Check::A24, "VOIDS of an attempt that this node left no report in");
    let attempt = view.attempt(&voids.sid).ok_or_else(unknown)?;
    let roster = known.iter().find(|roster| roster.hash() == attempt.roster).ok_or_else(unknown)?;
    let quorum = Thresholds::of(roster).map_or(u16::MAX, |thresholds| thresholds.quorum);
    a24(is_void(voids, roster, quorum), "VOIDS lack q distinct valid signatures of members")?;
    let ahead = |one: &&VoidOf| attempt.seen.get(&one.node).is_none_or(|seen| one.ledger_seq >= *seen);
    let fresh = voids.voids.iter().filter(ahead).count();
    a24(fresh >= usize::from(quorum) || ablated!("a24-quorum"), "a VOID is of a ledger that was rolled back")
}

/// An attempt that left reports behind and has neither certificate nor VOIDs.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// The attempt.
    pub sid: AttemptId,
    /// Its roster.
    pub roster: Arc<Roster>,
    /// True if it is of the slot at hand, which stays closed until the attempt is void.
    pub required: bool,
    /// VOIDs that were collected before; not all of them need count at a node.
    pub voids: Vec<VoidOf>,
}

/// The coordinator's collection of VOIDs.
#[derive(Debug)]
pub struct Voiding {
    attempts: BTreeMap<AttemptId, (Unsettled, BTreeMap<NodeId, VoidOf>)>,
    waiting: BTreeSet<(NodeId, AttemptId)>,
}

impl Voiding {
    /// Waits for a VOID of each of these nodes for each attempt.
    #[must_use]
    pub fn new(unsettled: &[Unsettled], nodes: &[NodeId]) -> Self {
        let given = |one: &Unsettled| one.voids.iter().map(|void| (void.node, *void)).collect();
        let attempts = unsettled.iter().map(|one| (one.sid, (one.clone(), given(one)))).collect();
        let mut voiding = Voiding { attempts, waiting: BTreeSet::new() };
        for node in nodes {
            voiding.again(*node);
        }
        voiding
    }

    /// Takes one node's VOID.
    ///
    /// # Errors
    /// A24, naming the sender.
    pub fn take(&mut self, sealed: &Sealed<128>, from: NodeId) -> Result<(), Fault> {
        let wrong = Fault::of(Check::A24, "VOID is not signed for an attempt that was asked for", vec![from]);
        let body: Option<VoidBody> = crate::codec::decode(&sealed.body).ok();
        let body = body.ok_or(wrong.clone())?;
        let (attempt, voids) = self.attempts.get_mut(&body.sid).ok_or(wrong.clone())?;
        let key = attempt.roster.member(from).map(|member| &member.key);
        let signed = key.and_then(|key| sealed.open::<VoidBody>(key, Signed::Void));
        let body = signed.ok_or(wrong)?;
        // A promise counts whether it is still waited for or its node's link was lost meanwhile.
        self.waiting.remove(&(from, body.sid));
        let void = VoidOf { node: from, ledger_seq: body.ledger_seq, signature: sealed.signature };
        voids.insert(from, void);
        Ok(())
    }

    /// This node does not void the attempt, or (none) none of them: it is not waited for.
    pub fn forget(&mut self, node: NodeId, sid: Option<AttemptId>) {
        self.waiting.retain(|(other, of)| *other != node || sid.is_some_and(|sid| sid != *of));
    }
    /// The first attempt, by which the collection's deadline is known.
    #[must_use]
    pub fn first(&self) -> Option<AttemptId> {
        self.attempts.keys().next().copied()
    }
    /// A node that is there again is asked for every attempt of its rosters that it has not voided.
    pub fn again(&mut self, node: NodeId) -> Vec<AttemptId> {
        let missing = |(attempt, voids): &&(Unsettled, BTreeMap<NodeId, VoidOf>)| {
            attempt.roster.member(node).is_some() && !voids.contains_key(&node)
        };
        let sids: Vec<_> = self.attempts.values().filter(missing).map(|(one, _)| one.sid).collect();
        self.waiting.extend(sids.iter().map(|sid| (node, *sid)));
        sids
    }
    /// True when nobody is waited for any more.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.waiting.is_empty()
    }

    /// VOIDS of every attempt that q voided, if some of them are new; `Err(needed, present)` for the first
    /// required one that has fewer.
    ///
    /// # Errors
    /// When an attempt of this slot is not void.
    pub fn close(self) -> Result<Vec<Voids>, (u16, usize)> {
        let mut settled = Vec::new();
        for (sid, (attempt, voids)) in self.attempts {
            let quorum = Thresholds::of(&attempt.roster).map_or(u16::MAX, |thresholds| thresholds.quorum);
            let (present, grown) = (voids.len(), voids.len() > attempt.voids.len());
            let list = List::new(voids.into_values().collect()).unwrap_or_default();
            let voids = Voids { sid, voids: list };
            if is_void(&voids, &attempt.roster, quorum) {
                settled.extend(grown.then_some(voids));
            } else if attempt.required {
                return Err((quorum, present));
            }
        }
        Ok(settled)
    }
}
