//! The coordinator's transparency log, watched: every head it shows must go on from the one kept here.
//!
//! Owns what is asked at each contact, also about the heads that other hospitals keep, the verdict on the answer, and what follows from a log that lost or
//! changed entries: it is evidence in the audit log, and this hospital takes part in nothing until its operator
//! decides. What makes a head believed stands in `samensom_protocol::transparency`. It must not know sessions.

use crate::audit::{Audit, Event};
use crate::error::Error;
use crate::ledger::{KeptHead, LedgerError};
use crate::pause;
use samensom_protocol::admission::Admission;
use samensom_protocol::codec::List;
use samensom_protocol::ids::PublicKey;
use samensom_protocol::transparency::{
    Inconsistent, MAX_HEADS, Proof, SignedTreeHead, check_extends, two_stories,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most heads of other hospitals that one question is about.
const MOST_OTHERS: usize = MAX_HEADS - 1;

/// What came of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is not about the transparency log.
    Other,
    /// The log goes on, or the frame counts for nothing.
    Noted,
    /// The log does not go on: this hospital takes part in nothing more.
    Disputed,
}

/// The heads that a question is about.
#[derive(Debug)]
struct Asked {
    kept: Option<SignedTreeHead>,
    others: Vec<SignedTreeHead>,
}

/// The watch; a handle that may be cloned. One that was never opened keeps and asks nothing.
#[derive(Debug, Clone, Default)]
pub struct Watch(Option<Arc<Mutex<Keeper>>>);

#[derive(Debug)]
struct Keeper {
    kept: KeptHead,
    state: PathBuf,
    audit: Audit,
    /// What other hospitals keep: of each length one head, to be held against the log at the next contact.
    others: BTreeMap<u64, SignedTreeHead>,
    /// A question is out, about these heads.
    asked: Option<Asked>,
    /// The question before was not answered.
    overdue: bool,
}

impl Watch {
    /// Over a state folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(state: &Path, audit: Audit) -> Result<Watch, LedgerError> {
        let (kept, state) = (KeptHead::open(state)?, state.to_owned());
        let keeper = Keeper { kept, state, audit, others: BTreeMap::new(), asked: None, overdue: false };
        Ok(Watch(Some(Arc::new(Mutex::new(keeper)))))
    }

    /// A new link: what was asked over the one before is not answered over this one.
    pub fn linked(&self) {
        self.with((), |keeper| keeper.asked = None);
    }

    /// The frame that asks how far the log has come; none while an answer is awaited, which is then overdue.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn question(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        self.with(Ok(None), |keeper| {
            if keeper.asked.is_some() {
                keeper.overdue = true;
                return Ok(None);
            }
            let kept = keeper.kept.read()?;
            let others: Vec<SignedTreeHead> = keeper.others.values().copied().take(MOST_OTHERS).collect();
            let sizes = kept.iter().chain(&others).map(|head| head.head.size).collect();
            keeper.asked = Some(Asked { kept, others });
            Ok(List::new(sizes).ok().and_then(|sizes| Admission::TreeSince(sizes).to_frame().ok()))
        })
    }

    /// The head that is kept, for the envelopes to other hospitals.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn head(&self) -> Result<Option<SignedTreeHead>, LedgerError> {
        self.with(Ok(None), |keeper| keeper.kept.read())
    }

    /// Takes in what other hospitals keep, each signed by the coordinator: two heads of one length are evidence
    /// at once, any other is held against the log at the next contact.
    ///
    /// # Errors
    /// When the state or the audit log fails.
    pub fn told(&self, heads: &[SignedTreeHead]) -> Result<Heard, Error> {
        self.with(Ok(Heard::Noted), |keeper| {
            let kept = keeper.kept.read()?;
            let all: Vec<SignedTreeHead> = kept.iter().chain(heads).copied().collect();
            if let Some([one, other]) = two_stories(&all) {
                return keeper.dispute(one, other, Inconsistent::TwoStories { size: one.head.size });
            }
            let new = heads.iter().filter(|head| Some(head.head) != kept.map(|kept| kept.head));
            keeper.others.extend(new.map(|head| (head.head.size, *head)));
            while keeper.others.len() > MOST_OTHERS {
                keeper.others.pop_first();
            }
            Ok(Heard::Noted)
        })
    }

    /// Whether the coordinator left a question of the contact before unanswered.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.with(false, |keeper| keeper.overdue)
    }

    /// Takes the answer, if the frame is one. A head that goes on is kept before this returns.
    ///
    /// # Errors
    /// When the state or the audit log fails.
    pub fn heard(&self, coordinator: &PublicKey, frame: &[u8]) -> Result<Heard, Error> {
        let Ok(Admission::Tree { head, proofs }) = Admission::from_frame(frame) else {
            return Ok(Heard::Other);
        };
        let head = *head;
        self.with(Ok(Heard::Noted), |keeper| {
            let Some(Asked { kept, others }) = keeper.asked.take() else {
                let rule = "a head of the transparency log that nobody asked for".to_owned();
                keeper.audit.tell(Event::FrameRefused { rule })?;
                return Ok(Heard::Noted);
            };
            keeper.overdue = false;
            let mut proofs = proofs.into_vec().into_iter();
            let proof = if kept.is_some() { proofs.next().unwrap_or_default() } else { Proof::default() };
            let verdict = match &kept {
                Some(kept) => check_extends(coordinator, &kept.head, &head, &proof),
                None if head.is_of(coordinator) => Ok(()),
                None => Err(Inconsistent::Unsigned),
            };
            if verdict.is_ok() {
                for other in others {
                    let proof = proofs.next().unwrap_or_default();
                    if let Err(why) = check_extends(coordinator, &other.head, &head, &proof) {
                        return keeper.dispute(other, head, why);
                    }
                    keeper.others.remove(&other.head.size);
                }
            }
            match (verdict, kept) {
                (Ok(()), kept) if kept.map(|kept| kept.head) == Some(head.head) => Ok(Heard::Noted),
                (Ok(()), _) => {
                    keeper.audit.tell(Event::TreeHead { head })?;
                    keeper.kept.keep(&head)?;
                    Ok(Heard::Noted)
                }
                (Err(why), Some(kept)) if why.is_evidence() => keeper.dispute(kept, head, why),
                (Err(why), _) => {
                    keeper.audit.tell(Event::FrameRefused { rule: why.to_string() })?;
                    // It counts as no answer.
                    keeper.overdue = true;
                    Ok(Heard::Noted)
                }
            }
        })
    }

    fn with<T>(&self, without: T, work: impl FnOnce(&mut Keeper) -> T) -> T {
        match &self.0 {
            Some(keeper) => work(&mut keeper.lock().unwrap_or_else(PoisonError::into_inner)),
            None => without,
        }
    }
}

impl Keeper {
    /// Both heads are evidence: the coordinator's key signed each. The kept one stays.
    fn dispute(
        &self,
        kept: SignedTreeHead,
        shown: SignedTreeHead,
        why: Inconsistent,
    ) -> Result<Heard, Error> {
        tracing::error!(%why, "the coordinator's transparency log does not go on: this hospital takes part in nothing; \
            tell the other hospitals, then see `samensom-node resume --help`");
        let why = why.to_string();
        self.audit.tell(Event::TwoStories { kept, shown, why: why.clone() })?;
        pause::stop(&self.state, &why)?;
        Ok(Heard::Disputed)
    }
}

#[cfg(test)]
mod tests;
