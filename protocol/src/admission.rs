//! How a hospital joins and how a link begins: token, hello, enrolment, rosters.
//!
//! These frames travel on the same link as the sessions' and are told apart by their first byte. Both
//! ends of a link are already known by key: the node pinned the coordinator's, the coordinator sees the
//! node's. It must not know sessions.

use crate::audit::{Head, SignedHead};
use crate::codec::{Bytes, List, Malformed, Text, decode, encode};
use crate::crypto::transcript::{Label, Transcript};
use crate::ids::{NodeId, PublicKey, RosterHash};
use crate::roster::SignedRoster;
use crate::time::Time;
use crate::transparency::{MAX_HEADS, Proof, SignedTreeHead};
use serde::{Deserialize, Serialize};

/// First byte of an admission frame.
pub const ADMISSION_VERSION: u8 = 0xa1;
/// Application protocol of the link (RFC 7301).
pub const ALPN: &[u8] = b"samensom/1";

/// The secret of a one-use token; prints as nothing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSecret(pub Bytes<32>);

impl core::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl TokenSecret {
    /// What the coordinator keeps of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Transcript::new(Label::Token).fixed(&self.0.0).finish()
    }
}

/// What LCG gives to one hospital, as a file; one use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Host and port of the coordinator.
    pub coordinator: Text<256>,
    /// The coordinator's key.
    pub coordinator_key: PublicKey,
    /// The first roster, pinned for ever.
    pub founding_roster: RosterHash,
    /// The hospital's number.
    pub hospital: NodeId,
    /// Its short name.
    pub institution: Text<64>,
    /// Milliseconds since the epoch.
    pub expires: Time,
    /// Proves that the bearer was given this file.
    pub secret: TokenSecret,
}

/// A roster's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterAt {
    /// Epoch.
    pub epoch: u32,
    /// Hash.
    pub hash: RosterHash,
}

/// Why an enrolment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolRefusal {
    /// No such token, or not for this hospital.
    UnknownToken,
    /// It was used, with another key.
    UsedToken,
    /// Its time is over.
    ExpiredToken,
}

impl EnrolRefusal {
    /// The stable code, for scripts and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            EnrolRefusal::UnknownToken => "unknown-token",
            EnrolRefusal::UsedToken => "used-token",
            EnrolRefusal::ExpiredToken => "expired-token",
        }
    }
}

/// Admission frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// First frame of a node.
    Hello {
        /// Program version.
        software: Text<64>,
        /// The roster it follows.
        roster: Option<RosterAt>,
    },
    /// Answer of the coordinator.
    Welcome {
        /// Program version.
        software: Text<64>,
        /// Who the node is in the newest roster; none if its key is not in it.
        node: Option<NodeId>,
        /// The newest roster.
        head: RosterAt,
        /// The coordinator's clock, for the skew.
        at: Time,
    },
    /// A node presents its token; its key is that of the link.
    Enrol {
        /// The hospital's number.
        hospital: NodeId,
        /// The token's secret.
        secret: TokenSecret,
    },
    /// The key is noted; LCG confirms it by telephone and a roster must list it.
    Enrolled,
    /// It is not.
    EnrolRefused(EnrolRefusal),
    /// A node asks for rosters; none: from the first.
    RostersAfter(Option<u32>),
    /// Rosters in order, not necessarily all that are left.
    Rosters(List<SignedRoster, 4>),
    /// How far a node's audit log has come; after every welcome and every session.
    Log(SignedHead),
    /// The coordinator keeps that in its own log.
    LogNoted {
        /// What it kept of this node's log before; none if nothing.
        before: Option<Head>,
        /// How far its own log has come.
        own: Box<SignedHead>,
    },
    /// A node asks how far the transparency log has come, and for proof that it goes on from those heads that
    /// have these sizes; with every [`Admission::Log`].
    TreeSince(List<u64, MAX_HEADS>),
    /// The answer.
    Tree {
        /// How far it has come.
        head: Box<SignedTreeHead>,
        /// For each size asked for, in that order; empty where there is nothing to prove or no proof.
        proofs: List<Proof, MAX_HEADS>,
    },
}

impl Admission {
    /// The frame.
    ///
    /// # Errors
    /// When it is longer than any message may be.
    pub fn to_frame(&self) -> Result<Vec<u8>, Malformed> {
        let mut frame = vec![ADMISSION_VERSION];
        frame.append(&mut encode(self)?);
        Ok(frame)
    }
    /// The message in a frame.
    ///
    /// # Errors
    /// When the first byte is another or the bytes are not exactly one message.
    pub fn from_frame(frame: &[u8]) -> Result<Self, Malformed> {
        match frame.split_first() {
            Some((&ADMISSION_VERSION, rest)) => decode(rest),
            Some((version, _)) => Err(Malformed::Unknown(u16::from(*version))),
            None => Err(Malformed::Shape),
        }
    }
}

/// Six pronounceable words, 96 bits, to compare a key or a roster over the telephone (D. Wilkerson,
/// "A Proposal for Proquints", arXiv:0901.4016: 16 bits a word, consonants and vowels in turn).
#[must_use]
pub fn words(what: &[u8; 32]) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let hash = Transcript::new(Label::Fingerprint).fixed(what).finish();
    let (pairs, _) = hash.as_chunks::<2>();
    let letter = |table: &[u8], bits: u16, mask: u16| {
        table.get(usize::from(bits & mask)).map_or('?', |byte| char::from(*byte))
    };
    let word = |pair: &[u8; 2]| {
        let bits = u16::from_be_bytes(*pair);
        [
            letter(CONSONANTS, bits >> 12, 15),
            letter(VOWELS, bits >> 10, 3),
            letter(CONSONANTS, bits >> 6, 15),
            letter(VOWELS, bits >> 4, 3),
            letter(CONSONANTS, bits, 15),
        ]
        .iter()
        .collect::<String>()
    };
    pairs.iter().take(6).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_six_and_follow_the_hash() {
        let a = words(&[1; 32]);
        assert_eq!(a.split(' ').filter(|word| word.len() == 5 && word.is_ascii()).count(), 6, "{a}");
        assert_eq!(a, words(&[1; 32]));
        assert_ne!(a, words(&[2; 32]));
    }

    #[test]
    fn frames_are_told_apart_by_their_first_byte() {
        let frame = Admission::RostersAfter(Some(3)).to_frame().unwrap();
        assert_eq!(Admission::from_frame(&frame), Ok(Admission::RostersAfter(Some(3))));
        assert_eq!(Admission::from_frame(&[1, 0]), Err(Malformed::Unknown(1)));
        assert_eq!(Admission::from_frame(&[]), Err(Malformed::Shape));
    }

    #[test]
    fn a_token_does_not_print_its_secret() {
        let secret = TokenSecret(Bytes([0xab; 32]));
        assert_eq!(format!("{secret:?}"), "<redacted>");
        assert_ne!(secret.hash(), TokenSecret(Bytes([0xac; 32])).hash());
    }
}
