//! Answers to admission frames: who you are, which rosters there are, whether your token is taken.
//!
//! The only frames that a key outside the roster may send. It must not know sessions or links.

use crate::audit::Event;
use crate::clock::now;
use crate::error::Error;
use crate::store::Store;
use samensom_protocol::admission::{Admission, RosterAt};
use samensom_protocol::codec::{List, MAX_MESSAGE, Text};
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::roster::Roster;
use std::sync::Arc;

/// Rosters in one answer stay below the longest message, with room for what is around them.
const ROSTERS: usize = MAX_MESSAGE - (1 << 14);

/// The answer to a frame of `key`; none for a frame that only the coordinator sends.
///
/// # Errors
/// When the store fails.
pub async fn answer(
    store: &Arc<Store>,
    key: PublicKey,
    asked: Admission,
) -> Result<Option<Admission>, Error> {
    match asked {
        Admission::Hello { roster, .. } => {
            let head = store.head_roster();
            if roster.is_some_and(|theirs| theirs.epoch > head.body().epoch) {
                tracing::warn!(%key, "follows a roster that is newer than ours");
            }
            Ok(Some(welcome(&head, &key)))
        }
        Admission::Enrol { hospital, secret } => {
            let taken = store.run(move |store| store.take_token(hospital, &secret, &key, now())).await?;
            let told = match &taken {
                Ok(()) => Event::TokenTaken { hospital, key },
                Err(why) => Event::TokenRefused { hospital, why: why.code().to_owned() },
            };
            store.run(move |store| store.tell(vec![told])).await?;
            let refused = taken.err().map(samensom_protocol::admission::EnrolRefusal::code);
            tracing::info!(%hospital, %key, taken = taken.is_ok(), refused, "enrolment");
            Ok(Some(taken.map_or_else(Admission::EnrolRefused, |()| Admission::Enrolled)))
        }
        Admission::RostersAfter(epoch) => {
            let rosters = store.run(move |store| store.rosters_after(epoch)).await?;
            let mut room = ROSTERS;
            let fits = rosters.into_iter().take(4).take_while(|roster| {
                let size = roster.body.len() + roster.signatures.len() * 96 + 16;
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits
            });
            Ok(List::new(fits.collect()).ok().map(Admission::Rosters))
        }
        Admission::Log(theirs) => match listed(&store.head_roster(), &key) {
            Some(node) => store.run(move |store| store.logged(|audit| audit.note(node, key, theirs))).await,
            None => Ok(None),
        },
        Admission::TreeSince(sizes) => match listed(&store.head_roster(), &key) {
            Some(_) => store.run(move |store| tree_since(store, &sizes)).await,
            None => Ok(None),
        },
        Admission::Welcome { .. }
        | Admission::LogNoted { .. }
        | Admission::Tree { .. }
        | Admission::Enrolled
        | Admission::EnrolRefused(_)
        | Admission::Rosters(_) => Ok(None),
    }
}

/// How far the transparency log has come, signed, with the proofs asked for.
fn tree_since(store: &Store, sizes: &[u64]) -> Result<Option<Admission>, Error> {
    let grown = store.grown_since(sizes)?;
    let head = store.logged(|audit| audit.sign(grown.head))?;
    let proofs = List::new(grown.proofs).ok();
    Ok(head.zip(proofs).map(|(head, proofs)| Admission::Tree { head: Box::new(head), proofs }))
}

/// What a node is told when it says hello, and again whenever the head changes.
#[must_use]
pub fn welcome(head: &Roster, key: &PublicKey) -> Admission {
    Admission::Welcome {
        software: Text::new(env!("CARGO_PKG_VERSION")).unwrap_or_default(),
        node: listed(head, key),
        head: RosterAt { epoch: head.body().epoch, hash: head.hash() },
        at: now(),
    }
}

/// The active member whose key this is.
#[must_use]
pub fn listed(head: &Roster, key: &PublicKey) -> Option<NodeId> {
    head.member_by_key(key).map(|member| member.id)
}
