//! Rosters as files, for signers who sit at no server: the chain, a proposal with its head, a signature.
//!
//! Owns the form of these files and what of a proposal can be said from the file alone. A proposal is tied to
//! the head beside it by its hash, so that nobody can show changes against another head than the one the
//! signature will count for. It must not hold a key.

use crate::error::Error;
use crate::folder::write_new;
use crate::ops::changes;
use samensom_protocol::admission::words;
use samensom_protocol::codec::{Blob, decode};
use samensom_protocol::ids::RosterHash;
use samensom_protocol::roster::{MAX_ROSTER, Roster, RosterBody, RosterSignature, SignedRoster};
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::path::Path;

/// Longer files are none of ours.
const LARGEST: u64 = 64 << 20;

/// What such a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", deny_unknown_fields)]
pub enum RosterFile {
    /// Every roster, from the founding one to the newest.
    #[serde(rename = "samensom roster chain")]
    Chain {
        /// In order.
        rosters: Vec<SignedRoster>,
    },
    /// A roster that waits for signatures.
    #[serde(rename = "samensom roster proposal")]
    Proposal {
        /// Body of the roster that it follows.
        head: Blob<MAX_ROSTER>,
        /// Its own body, which is signed.
        proposal: Blob<MAX_ROSTER>,
    },
    /// One signer's signature.
    #[serde(rename = "samensom roster signature")]
    Signature {
        /// Of which roster.
        roster: RosterHash,
        /// It.
        signature: RosterSignature,
    },
}

impl RosterFile {
    /// Reads one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<RosterFile, Error> {
        let file = std::fs::File::open(path).map_err(|why| Error::file(path, "read the file", &why))?;
        let mut text = String::new();
        let read = file.take(LARGEST).read_to_string(&mut text);
        read.map_err(|why| Error::file(path, "read the file", &why))?;
        serde_json::from_str(&text).map_err(|why| {
            Error::asked(format!("this is no file of rosters, or not a whole one: {why}"))
                .place(path.display().to_string())
                .expected("what `samensom roster export` or `samensom roster sign --out` wrote, unchanged")
                .remedy("copy it again")
        })
    }

    /// Writes it to a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string(self)
            .map_err(|why| Error::machine(format!("the file cannot be written: {why}")))?;
        text.push('\n');
        write_new(path, 0o644, text.as_bytes())
    }
}

/// A proposal that can be read in words, and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// What is signed.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub body: RosterBody,
    /// Its hash.
    pub hash: RosterHash,
    /// The roster it follows.
    pub head: RosterBody,
    /// Hash of that one.
    pub head_hash: RosterHash,
}

impl Proposed {
    /// From the bodies of a proposal and of the roster that it follows.
    ///
    /// # Errors
    /// `Mismatch` when one cannot be read, breaks a rule of its form, or the proposal does not follow.
    pub fn new(head: &[u8], proposal: &[u8]) -> Result<Proposed, Error> {
        let read = |what: &str, bytes: &[u8]| -> Result<RosterBody, Error> {
            let body: RosterBody =
                decode(bytes).map_err(|why| Error::mismatch(format!("{what} cannot be read: {why}")))?;
            body.to_signed(vec![]).map_err(|why| Error::mismatch(format!("{what}: {why}")))?;
            Ok(body)
        };
        let (body, before) = (read("the proposal", proposal)?, read("the roster before it", head)?);
        let head_hash = Roster::hash_of(head);
        if body.previous != head_hash || Some(body.epoch) != before.epoch.checked_add(1) {
            return Err(Error::mismatch("the proposal does not follow the roster beside it")
                .expected(format!("a roster that follows number {}: {}", before.epoch, words(&head_hash.0)))
                .remedy("propose again: samensom roster propose; then export it again"));
        }
        let (hash, bytes) = (Roster::hash_of(proposal), proposal.to_vec());
        Ok(Proposed { bytes, body, hash, head: before, head_hash })
    }

    /// What it changes, a line each.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        changes(&self.head, &self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{founding, identity, next_body};
    use samensom_protocol::codec::encode;
    use tempfile::TempDir;

    fn pair() -> (Vec<u8>, RosterBody) {
        let founding = founding();
        (founding.body.to_vec(), next_body(&Roster::founding(&founding).unwrap(), 3))
    }

    #[test]
    fn a_proposal_says_its_changes_from_the_file_alone() {
        let (head, next) = pair();
        let proposed = Proposed::new(&head, &encode(&next).unwrap()).unwrap();
        assert_eq!(proposed.changes().len(), 3);
        assert_eq!(proposed.hash, Roster::hash_of(&encode(&next).unwrap()));
    }

    /// A head made up to hide a change is not the head whose hash is signed.
    #[test]
    fn changes_are_never_told_against_another_head() {
        let (head, next) = pair();
        let mut other: RosterBody = decode(&head).unwrap();
        other.members = next.members.clone();
        let refused = Proposed::new(&encode(&other).unwrap(), &encode(&next).unwrap()).unwrap_err();
        assert_eq!(refused.exit_code(), 8);
        assert!(refused.to_string().contains("does not follow the roster beside it"), "{refused}");
        let skipped = RosterBody { epoch: 2, ..next.clone() };
        assert!(Proposed::new(&head, &encode(&skipped).unwrap()).is_err());
        let minority = RosterBody { threshold: 1, ..next };
        let refused = Proposed::new(&head, &encode(&minority).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("majority"), "{refused}");
        assert!(Proposed::new(&head, &[1, 2, 3]).is_err());
    }

    #[test]
    fn files_come_back_whole_or_not_at_all() {
        let folder = TempDir::new().unwrap();
        let (head, next) = pair();
        let body = encode(&next).unwrap();
        let signature = RosterSignature::new(&identity(900), &body);
        let files = [
            RosterFile::Chain { rosters: vec![founding()] },
            RosterFile::Proposal {
                head: Blob::new(head).unwrap(),
                proposal: Blob::new(body.clone()).unwrap(),
            },
            RosterFile::Signature { roster: Roster::hash_of(&body), signature },
        ];
        for (number, file) in files.iter().enumerate() {
            let path = folder.path().join(number.to_string());
            file.write(&path).unwrap();
            assert_eq!(&RosterFile::read(&path).unwrap(), file);
            assert!(file.write(&path).is_err(), "never overwritten");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("{\"what\":\"samensom roster "), "{text}");
            std::fs::write(&path, &text[..text.len() - 5]).unwrap();
            assert!(RosterFile::read(&path).unwrap_err().to_string().contains("not a whole one"));
        }
    }
}
