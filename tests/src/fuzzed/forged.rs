//! Messages signed anew over something else, with the key of whoever may sign them.
//!
//! Two ways: another byte somewhere, and a list with one entry less whose hash is made anew. It must not
//! know what becomes of them.

use super::acts::Script;
use samensom_protocol::codec::{List, decode, encode};
use samensom_protocol::crypto::keys::{Identity, Signed};
use samensom_protocol::ids::{AttemptId, GoHash};
use samensom_protocol::message::{
    Deposit, EndBody, Freeze, FreezeBody, GoBody, Header, Message, Offer, Ready, Report, ReportBody,
    ResultBody, Sealed, Start, StartBody, VoidAsk, VoidBody,
};
use samensom_protocol::rounds::{deposit_hash, freeze_hash, go_hash};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// Turns one bit of bytes over.
fn bent(bytes: &[u8], script: &mut Script) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = script.place(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= script.byte().unwrap_or(1).max(1);
    }
    bytes
}

/// Another value in the same signed part, if one byte makes one.
fn sealed<T: Serialize + DeserializeOwned, const MAX: usize>(
    old: &Sealed<MAX>,
    key: &Identity,
    what: Signed,
    script: &mut Script,
) -> Option<Sealed<MAX>> {
    let value: T = decode(&bent(&old.body, script)).ok()?;
    Sealed::new(key, what, &value).ok()
}

/// A list without one of its items.
fn less<T: Clone, const MAX: usize>(list: &List<T, MAX>, place: usize) -> Option<List<T, MAX>> {
    let mut items = list.to_vec();
    (place < items.len()).then(|| items.remove(place))?;
    List::new(items).ok()
}

/// The frame's message, signed anew over something else; none for what is not signed by `key`'s kind.
pub(super) fn anew(
    frame: &[u8],
    key: &Identity,
    gos: &BTreeSet<(AttemptId, GoHash)>,
    script: &mut Script,
) -> Option<Vec<u8>> {
    let message = Message::from_frame(frame).ok()?;
    let short = script.byte().is_some_and(|byte| byte % 2 == 1);
    let made = match message {
        Message::Offer(offer) => {
            let header = sealed::<Header, _>(&offer.header, key, Signed::Header, script)?;
            Message::Offer(Offer { header, ..offer })
        }
        Message::Start(start) if short => start_without(&start, key, script)?,
        Message::Start(start) => {
            let body = sealed::<StartBody, _>(&start.body, key, Signed::Start, script)?;
            Message::Start(Start { body, ..start })
        }
        Message::Go(mut go) => {
            let body: GoBody = decode(&go.body.body).ok()?;
            if short {
                let place = script.place(go.readies.len());
                go.readies = less(&go.readies, place)?;
            }
            let first: Ready = decode(&go.readies.first()?.ready.body).ok()?;
            let hash: GoHash = go_hash(&first.start, &go.readies).ok()?;
            go.body = Sealed::new(key, Signed::Go, &GoBody { go: hash, ..body }).ok()?;
            Message::Go(go)
        }
        Message::Freeze(freeze) if short => void_ask(&freeze, key)?,
        Message::Freeze(freeze) => freeze_without(freeze, key, gos, script)?,
        Message::Certificate(mut certificate) => {
            certificate.confirmations = less(&certificate.confirmations, script.place(4))?;
            Message::Certificate(certificate)
        }
        Message::AskB(old) => Message::AskB(sealed::<FreezeBody, _>(&old, key, Signed::AskB, script)?),
        Message::Outcome(mut outcome) => {
            outcome.body = sealed::<ResultBody, _>(&outcome.body, key, Signed::Result, script)?;
            Message::Outcome(outcome)
        }
        Message::Deposit(deposit) => {
            let mut deposit: Deposit = decode(&bent(&encode(&deposit).ok()?, script)).ok()?;
            deposit.signature = key.sign(Signed::Deposit, &deposit_hash(&deposit).ok()?.0);
            Message::Deposit(deposit)
        }
        Message::Ready(old) => Message::Ready(sealed::<Ready, _>(&old, key, Signed::Ready, script)?),
        Message::Report(old) => Message::Report(Report {
            body: sealed::<ReportBody, _>(&old.body, key, Signed::Report, script)?,
            ..old
        }),
        Message::Confirm(old) => {
            Message::Confirm(sealed::<FreezeBody, _>(&old, key, Signed::Confirm, script)?)
        }
        Message::End(old) => Message::End(sealed::<EndBody, _>(&old, key, Signed::End, script)?),
        Message::VoidAsk(old) => Message::VoidAsk(sealed::<VoidAsk, _>(&old, key, Signed::VoidAsk, script)?),
        Message::Void(old) => Message::Void(sealed::<VoidBody, _>(&old, key, Signed::Void, script)?),
        _ => return None,
    };
    made.to_frame().ok()
}

/// START for a cohort with one member less.
fn start_without(start: &Start, key: &Identity, script: &mut Script) -> Option<Message> {
    let body: StartBody = decode(&start.body.body).ok()?;
    let place = script.place(body.cohort.len());
    let body = StartBody { cohort: less(&body.cohort, place)?, ..body };
    let dealers = less(&start.dealers, place)?;
    Some(Message::Start(Start { body: Sealed::new(key, Signed::Start, &body).ok()?, dealers }))
}

/// VOID-ASK for the attempt that is about to be frozen.
fn void_ask(freeze: &Freeze, key: &Identity) -> Option<Message> {
    let body: FreezeBody = decode(&freeze.body.body).ok()?;
    Some(Message::VoidAsk(Sealed::new(key, Signed::VoidAsk, &VoidAsk { sid: body.sid }).ok()?))
}

/// FREEZE with one survivor less, under one of the GOs of its attempt.
fn freeze_without(
    freeze: Freeze,
    key: &Identity,
    gos: &BTreeSet<(AttemptId, GoHash)>,
    script: &mut Script,
) -> Option<Message> {
    let body: FreezeBody = decode(&freeze.body.body).ok()?;
    let survivors = less(&freeze.survivors, script.place(freeze.survivors.len()))?;
    let of: Vec<&GoHash> = gos.iter().filter(|(sid, _)| *sid == body.sid).map(|(_, go)| go).collect();
    let go = *of.get(script.place(of.len()))?;
    let body = FreezeBody { freeze: freeze_hash(go, &survivors), ..body };
    Some(Message::Freeze(Freeze { body: Sealed::new(key, Signed::Freeze, &body).ok()?, survivors }))
}
