//! Any wrong message: a genuine one changed in one place, its hashes made to follow, and signed again.
//!
//! Whoever forges holds the key he signs with: the coordinator's, or that of a hospital that colludes. It
//! must not know who gets the message, nor what is expected of it.

use samensom_protocol::codec::{List, decode};
use samensom_protocol::crypto::keys::{Identity, Signed};
use samensom_protocol::ids::{GoHash, StartHash};
use samensom_protocol::message::{
    Certificate, Confirmation, Counted, Dealer, Dealt, Deposit, Freeze, FreezeBody, Go, GoBody, Header,
    Message, Offer, Outcome, ReadyOf, ResultBody, Sealed, Start, StartBody,
};
use samensom_protocol::rounds::{deposit_hash, freeze_hash, go_hash};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The frame of a message.
///
/// # Panics
/// When it is longer than any message may be.
#[must_use]
pub fn frame(message: &Message) -> Vec<u8> {
    message.to_frame().expect("a message that fits a frame")
}

/// Signs anything as a message of any type.
///
/// # Panics
/// When it does not fit.
#[must_use]
pub fn sign<T: Serialize, const MAX: usize>(by: &Identity, what: Signed, value: &T) -> Sealed<MAX> {
    Sealed::new(by, what, value).expect("a value that fits its message")
}

/// Changes what is signed, and signs it again.
///
/// # Panics
/// When it holds another type.
pub fn resign<T: Serialize + DeserializeOwned, const MAX: usize>(
    sealed: &mut Sealed<MAX>,
    (by, what): (&Identity, Signed),
    change: impl FnOnce(&mut T),
) {
    let mut body: T = decode(&sealed.body).expect("a genuine message");
    change(&mut body);
    *sealed = sign(by, what, &body);
}

/// Changes the items of a list.
///
/// # Panics
/// When there are then too many.
pub fn edit<T: Clone, const MAX: usize>(list: &mut List<T, MAX>, change: impl FnOnce(&mut Vec<T>)) {
    let mut items = list.to_vec();
    change(&mut items);
    *list = List::new(items).expect("no longer than a list may be");
}

/// Another header in an offer.
pub fn offer(offer: &mut Offer, by: &Identity, change: impl FnOnce(&mut Header)) {
    resign(&mut offer.header, (by, Signed::Header), change);
}

/// Another cohort, or other sections of its dealers.
pub fn start(start: &mut Start, by: &Identity, change: impl FnOnce(&mut Vec<Dealt>, &mut Vec<Dealer>)) {
    let (body, dealers) = (&mut start.body, &mut start.dealers);
    resign(body, (by, Signed::Start), |body: &mut StartBody| {
        edit(&mut body.cohort, |cohort| edit(dealers, |dealers| change(cohort, dealers)));
    });
}

/// Other READY messages in a GO over `start`; its hash follows them.
///
/// # Panics
/// Never for messages that were decoded.
pub fn go(go: &mut Go, by: &Identity, start: &StartHash, change: impl FnOnce(&mut Vec<ReadyOf>)) {
    edit(&mut go.readies, change);
    let hash = go_hash(start, &go.readies).expect("messages that were decoded");
    resign(&mut go.body, (by, Signed::Go), |body: &mut GoBody| body.go = hash);
}

/// Other survivors under `go`; the hash follows them.
pub fn freeze(freeze: &mut Freeze, by: &Identity, go: &GoHash, change: impl FnOnce(&mut Vec<Counted>)) {
    edit(&mut freeze.survivors, change);
    let hash = freeze_hash(go, &freeze.survivors);
    resign(&mut freeze.body, (by, Signed::Freeze), |body: &mut FreezeBody| body.freeze = hash);
}

/// Other signatures in a certificate.
pub fn certificate(certificate: &mut Certificate, change: impl FnOnce(&mut Vec<Confirmation>)) {
    edit(&mut certificate.confirmations, change);
}

/// Another result over what was opened.
pub fn outcome(outcome: &mut Outcome, by: &Identity, change: impl FnOnce(&mut ResultBody)) {
    resign(&mut outcome.body, (by, Signed::Result), change);
}

/// Another deposit, rooted and signed again by its dealer.
///
/// # Panics
/// Never for a deposit that was decoded.
pub fn deposit(deposit: &mut Deposit, by: &Identity, change: impl FnOnce(&mut Deposit)) {
    change(deposit);
    let root = deposit_hash(deposit).expect("a deposit that was decoded");
    deposit.signature = by.sign(Signed::Deposit, &root.0);
}
