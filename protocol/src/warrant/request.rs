//! Who asks: named in the warrant and signed by its key; and the short signed words about warrants and attempts.
//!
//! Owns what makes two names one person. Approvals cover the whole body and stand in `warrant.rs`; it must not
//! know sessions beyond an attempt's id.

use crate::codec::{Malformed, Text, encode};
use crate::crypto::keys::{Author, Identity, SignatureBytes, Signed, verify};
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, PublicKey, WarrantHash};
use crate::message::Answer;
use crate::roster::Roster;
use serde::{Deserialize, Serialize};

/// Who asks a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The person's key, an analyst's or an approver's.
    pub key: PublicKey,
    /// Name.
    pub person: Text<160>,
    /// Short name of the hospital or body the person belongs to.
    pub organisation: Text<64>,
}

/// What is signed in a few bytes, under the type of approvals: the body of a warrant is always longer, so that
/// neither is taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// The requester: I ask this.
    Asked(WarrantHash),
    /// A hospital: this is how it stands with my part in an attempt.
    Answered {
        /// The attempt.
        sid: AttemptId,
        /// How.
        answer: Answer,
    },
}

impl Requester {
    /// A02: whoever asks is a person, and under the name that the roster has for the key, if it has one.
    pub(super) fn check(&self, roster: &Roster) -> Result<(), Fault> {
        let named = !letters(&self.person).is_empty();
        Fault::unless(named, Check::A02, "the warrant does not say who asks")?;
        let known = roster.body().approvers.iter().find(|approver| approver.key == self.key);
        Fault::unless(
            known.is_none_or(|known| known.person == self.person),
            Check::A02,
            "who asks has another name in the roster",
        )
    }
}

impl Word {
    /// Signs it.
    ///
    /// # Errors
    /// Never for these few bytes.
    pub fn sign(&self, author: &Identity) -> Result<SignatureBytes, Malformed> {
        Ok(author.sign(Signed::Approval, &encode(self)?))
    }

    /// Whether this author signed it.
    #[must_use]
    pub fn is_by(&self, author: &impl Author, signature: &SignatureBytes) -> bool {
        encode(self).is_ok_and(|raw| verify(author, Signed::Approval, &raw, signature))
    }
}

/// Whether two names are one person's: letters and digits alone count, in either case.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    letters(one) == letters(other)
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
