//! How it stands with a hospital's part in an attempt, before it deposits: signed by the hospital.
//!
//! Owns the three words there are. Why stays at the hospital: its rules, its people and its extract have one code.

use super::Sealed;
use crate::codec::Malformed;
use crate::crypto::keys::{Author, Identity, Signed};
use crate::ids::AttemptId;
use crate::warrant::Word;
use serde::{Deserialize, Serialize};

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Answer {
    /// Its people are asked; a deposit or another answer follows.
    Waiting,
    /// Refused, or cannot: one code for both.
    Refused,
    /// Its people have not decided in time; it takes no part.
    Undecided,
}

impl Answer {
    /// Signed for an attempt.
    ///
    /// # Errors
    /// Never for these few bytes.
    pub fn seal(self, author: &Identity, sid: AttemptId) -> Result<Sealed<128>, Malformed> {
        Sealed::new(author, Signed::Approval, &Word::Answered { sid, answer: self })
    }

    /// The attempt and the answer, if `author` signed them.
    #[must_use]
    pub fn open(sealed: &Sealed<128>, author: &impl Author) -> Option<(AttemptId, Answer)> {
        match sealed.open(author, Signed::Approval)? {
            Word::Answered { sid, answer } => Some((sid, answer)),
            Word::Asked(_) => None,
        }
    }
}
