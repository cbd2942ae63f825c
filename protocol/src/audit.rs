//! The form of an audit log: one line of JSON a record, each with the hash of the line before it and signed by
//! the key of who keeps the log.
//!
//! Owns the line, the chain, how a changed, missing or foreign record is named, and the signed heads that
//! both sides exchange, so that neither can write its log anew alone. It knows no event, no file and no clock.

pub mod export;

use crate::codec::{Malformed, encode, from_hex, to_hex};
use crate::crypto::keys::{Identity, SignatureBytes, Signed, verify};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::Misuse;
use crate::ids::{LogHash, PublicKey};
use crate::time::Time;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest line of a log, with its line end.
pub const LONGEST: usize = 1 << 16;

const SIGNATURE: &[u8] = b",\"signature\":\"";
/// The signature's key, 128 letters, and what closes the line.
const TAIL: usize = SIGNATURE.len() + 128 + 2;

/// The end of a log: its last record's number, from 1, and the hash that stands for all up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many records.
    pub number: u64,
    /// Over the last of them; the key's own before the first.
    pub hash: LogHash,
}

impl Head {
    /// Of the empty log of a key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Head {
        Head { number: 0, hash: LogHash(Transcript::new(Label::Log).fixed(&key.0).finish()) }
    }

    fn after(&self, line: &[u8]) -> Head {
        let hash = LogHash(Transcript::new(Label::Log).bytes(line).finish());
        Head { number: self.number.saturating_add(1), hash }
    }

    fn opening(&self) -> String {
        let (number, previous) = (self.number.saturating_add(1), self.hash);
        format!("{{\"number\":{number},\"previous\":\"{previous}\",\"at_ms\":")
    }
}

/// A head that its log's keeper signed: what the other side keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// By the key that keeps the log.
    pub signature: SignatureBytes,
}

impl SignedHead {
    /// Signs a head of one's own log.
    ///
    /// # Errors
    /// Never for a head.
    pub fn new(identity: &Identity, head: Head) -> Result<SignedHead, Malformed> {
        Ok(SignedHead { head, signature: identity.sign(Signed::LogHead, &encode(&head)?) })
    }
    /// Whether this key signed it.
    #[must_use]
    pub fn is_of(&self, key: &PublicKey) -> bool {
        encode(&self.head).is_ok_and(|raw| verify(key, Signed::LogHead, &raw, &self.signature))
    }
}

/// The line, with its end, that makes `body` the next record, and the head after it.
///
/// # Errors
/// When the body is no JSON object on one line, or too long.
pub fn line(head: &Head, at: Time, body: &str, identity: &Identity) -> Result<(String, Head), Misuse> {
    let fits = is_body(body.as_bytes()) && body.len() < LONGEST / 2;
    if !fits {
        return Err(Misuse::Unencodable);
    }
    let mut line = format!("{}{},\"record\":{body}", head.opening(), at.0);
    let signature = identity.sign(Signed::Log, line.as_bytes());
    line.push_str(&format!(",\"signature\":\"{}\"}}", to_hex(&signature.0)));
    let after = head.after(line.as_bytes());
    line.push('\n');
    Ok((line, after))
}

fn is_body(body: &[u8]) -> bool {
    body.starts_with(b"{") && body.ends_with(b"}") && body.iter().all(|byte| *byte >= 0x20)
}

/// What is wrong with a log, and at which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// The first record that is not as it was written.
    pub number: u64,
    /// How.
    pub what: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {}", self.number, self.what)
    }
}

impl core::error::Error for Broken {}

/// A record as it was read; its place in the chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// From 1.
    pub number: u64,
    /// When it was written, by the keeper's clock.
    pub at: Time,
    /// What happened, as JSON.
    pub body: &'a str,
}

/// Reads a log line by line and holds each against the one before it.
#[derive(Debug)]
pub struct Reader {
    key: PublicKey,
    head: Head,
    last: Vec<u8>,
    every: bool,
}

impl Reader {
    /// From the first record of the log of this key. Signatures are looked at where the chain breaks, and by
    /// [`Reader::finish`]: the last one stands for all, since it covers them.
    #[must_use]
    pub fn new(key: PublicKey) -> Reader {
        Reader::after(key, Head::of(&key))
    }

    /// From the record after this head.
    #[must_use]
    pub fn after(key: PublicKey, head: Head) -> Reader {
        Reader { key, head, last: Vec::new(), every: false }
    }

    /// Looks at every record's own signature, to name the first that the key did not sign.
    #[must_use]
    pub fn thorough(self) -> Reader {
        Reader { every: true, ..self }
    }

    /// The head so far.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// Which record was changed, is missing or stands in the wrong place.
    pub fn take<'a>(&mut self, line: &'a [u8]) -> Result<Record<'a>, Broken> {
        let (opening, number) = (self.head.opening(), self.head.number.saturating_add(1));
        let Some(rest) = line.strip_prefix(opening.as_bytes()) else {
            return Err(self.misplaced(line));
        };
        let changed = Broken { number, what: CHANGED };
        let (at, body) = parts(rest).ok_or(changed)?;
        if self.every && !is_signed(&self.key, line) {
            return Err(Broken { number, what: UNSIGNED });
        }
        self.head = self.head.after(line);
        self.last.clear();
        self.last.extend_from_slice(line);
        Ok(Record { number, at, body })
    }

    /// Whether the last record is one that the key signed.
    ///
    /// # Errors
    /// When it is not: it was changed, or it and perhaps others before it were added by somebody else.
    pub fn finish(&self) -> Result<Head, Broken> {
        if self.last.is_empty() || is_signed(&self.key, &self.last) {
            return Ok(self.head);
        }
        Err(Broken { number: self.head.number, what: UNSIGNED })
    }

    /// The line does not follow: which of the two is not as it was written, or what stands between them.
    fn misplaced(&self, line: &[u8]) -> Broken {
        let (before, number) = (self.head.number, self.head.number.saturating_add(1));
        if !self.last.is_empty() && !is_signed(&self.key, &self.last) {
            return Broken { number: before, what: CHANGED };
        }
        let what = if is_signed(&self.key, line) { MISSING } else { CHANGED };
        Broken { number, what }
    }
}

const CHANGED: &str = "it was changed";
const MISSING: &str = "it is missing: another record stands in its place";
const UNSIGNED: &str = "the key of this log did not sign it";

fn parts(rest: &[u8]) -> Option<(Time, &str)> {
    let (rest, tail) = rest.split_at_checked(rest.len().checked_sub(TAIL)?)?;
    let letters = tail.strip_prefix(SIGNATURE)?.strip_suffix(b"\"}")?;
    from_hex(core::str::from_utf8(letters).ok()?)?;
    let rest = core::str::from_utf8(rest).ok()?;
    let (digits, body) = rest.split_once(",\"record\":")?;
    let at: u64 = digits.parse().ok()?;
    (at.to_string() == digits && is_body(body.as_bytes())).then_some((Time(at), body))
}

fn is_signed(key: &PublicKey, line: &[u8]) -> bool {
    let signature = || {
        let (raw, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
        let letters = tail.strip_prefix(SIGNATURE)?.strip_suffix(b"\"}")?;
        let bytes = from_hex(core::str::from_utf8(letters).ok()?)?;
        Some((raw, crate::codec::Bytes(bytes.try_into().ok()?)))
    };
    signature().is_some_and(|(raw, signature)| verify(key, Signed::Log, raw, &signature))
}

/// Heads of a log that the other side kept, to be compared with the log as it is now.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    heads: BTreeMap<u64, LogHash>,
    compared: u64,
}

impl Kept {
    /// Adds a head that the log's own key signed.
    ///
    /// # Errors
    /// When the key signed two heads of one number: its log was forked.
    pub fn add(&mut self, head: Head) -> Result<(), Broken> {
        match self.heads.insert(head.number, head.hash) {
            Some(other) if other != head.hash => Err(Broken {
                number: head.number,
                what: "its key signed two different records of this number",
            }),
            _ => Ok(()),
        }
    }

    /// Holds the head of a reading at this moment against what was kept of that number.
    ///
    /// # Errors
    /// When the other side was told another record.
    pub fn pass(&mut self, head: &Head) -> Result<(), Broken> {
        match self.heads.get(&head.number) {
            Some(hash) if *hash != head.hash => Err(Broken {
                number: head.number,
                what: "the other side kept another record or another past of it",
            }),
            Some(_) => {
                self.compared = self.compared.saturating_add(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How many were compared, once the whole log was read.
    ///
    /// # Errors
    /// When the other side kept a head beyond the log's end.
    pub fn finish(&self, head: &Head) -> Result<u64, Broken> {
        let next = head.number.saturating_add(1);
        match self.heads.range(next..).next() {
            Some(_) => Err(Broken { number: next, what: "it is missing: the other side kept a later one" }),
            None => Ok(self.compared),
        }
    }
}

#[cfg(test)]
mod tests;
