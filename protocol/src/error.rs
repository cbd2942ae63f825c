//! What can go wrong, by whose fault it is: Malformed (bytes), Fault (a peer's), Misuse (ours).
//!
//! A fault carries the id of the check that found it (`A07` in the specification, the code and the test
//! names). Texts never hold a figure.

use crate::ablation::unchecked;
pub use crate::codec::Malformed;
use crate::ids::NodeId;
use core::fmt;

/// Checks A01 to A28 of the specification, section 1.6 (A04 is not used).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Signature, roster chain, suite, form of a message.
    A01,
    /// Approvals of a warrant.
    A02,
    /// Header against roster, warrant, own rules, slot and records.
    A03,
    /// Enough invited.
    A05,
    /// Own incarnation is listed.
    A06,
    /// Own deposit is in START unaltered.
    A07,
    /// The cohort.
    A08,
    /// Every dealer's paths and signatures, every pair's commitment.
    A09,
    /// Own state was not rolled back.
    A10,
    /// Own report is in FREEZE unaltered.
    A11,
    /// The survivors.
    A12,
    /// One FREEZE for an attempt.
    A13,
    /// Equal survivors within a slot.
    A14,
    /// In time.
    A15,
    /// The certificate.
    A16,
    /// Own confirmation belongs to the certificate.
    A17,
    /// ASK-B after the certificate and after R; what a result opens and stands on.
    A18,
    /// READY of the whole cohort.
    A19,
    /// Signatures on every report.
    A20,
    /// Classes of hospitals that are cells have no members or enough.
    A21,
    /// The value pass misses at most D of those counted.
    A22,
    /// Only figures open behind which enough were counted.
    A23,
    /// VOIDs: no certificate exists, or can.
    A24,
    /// A report's commitments and blindings.
    A25,
    /// The total opens the commitments.
    A26,
    /// Every checked cell lies in its range.
    A27,
    /// One transparency log for all.
    A28,
}

impl Check {
    /// What it looks at.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Check::A01 => "signature, roster chain, suite, form of a message",
            Check::A02 => "approvals of a warrant",
            Check::A03 => "header against roster, warrant, own rules, slot and records",
            Check::A05 => "enough invited",
            Check::A06 => "own incarnation is listed",
            Check::A07 => "own deposit is in START unaltered",
            Check::A08 => "the cohort",
            Check::A09 => "every dealer's paths and signatures, every pair's commitment",
            Check::A10 => "own state was not rolled back",
            Check::A11 => "own report is in FREEZE unaltered",
            Check::A12 => "the survivors",
            Check::A13 => "one FREEZE for an attempt",
            Check::A14 => "equal survivors within a slot",
            Check::A15 => "in time",
            Check::A16 => "the certificate",
            Check::A17 => "own confirmation belongs to the certificate",
            Check::A18 => "ASK-B after the certificate and after R; what a result opens and stands on",
            Check::A19 => "READY of the whole cohort",
            Check::A20 => "signatures on every report",
            Check::A21 => {
                "classes of hospitals that are cells have no members or enough, and fill their own cells alone"
            }
            Check::A22 => "the value pass misses at most D of those counted",
            Check::A23 => "only figures open behind which enough were counted",
            Check::A24 => "VOIDs: no certificate exists, or can",
            Check::A25 => "a report's commitments are those of its deposit",
            Check::A26 => "the total is what was committed to",
            Check::A27 => "every checked figure is proven to lie in its range",
            Check::A28 => "the coordinator keeps one transparency log for all",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A peer broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The check that found it.
    pub check: Check,
    /// What was found, and what was expected.
    pub what: &'static str,
    culprits: Vec<NodeId>,
}

impl Fault {
    /// A fault of the coordinator, or of whoever sent the bytes.
    #[must_use]
    pub fn new(check: Check, what: &'static str) -> Self {
        Fault { check, what, culprits: Vec::new() }
    }
    /// A fault of these nodes.
    #[must_use]
    pub fn of(check: Check, what: &'static str, culprits: Vec<NodeId>) -> Self {
        Fault { check, what, culprits }
    }
    /// Nodes proven to be at fault; empty when it is the sender's.
    #[must_use]
    pub fn culprits(&self) -> &[NodeId] {
        &self.culprits
    }
    /// `Ok` if the check holds, else the fault.
    ///
    /// # Errors
    /// When `held` is false.
    pub fn unless(held: bool, check: Check, what: &'static str) -> Result<(), Fault> {
        if held || unchecked!(check) { Ok(()) } else { Err(Fault::new(check, what)) }
    }
    /// `Ok` if the check holds, else the fault of this node.
    ///
    /// # Errors
    /// When `held` is false.
    pub fn unless_of(held: bool, check: Check, what: &'static str, node: NodeId) -> Result<(), Fault> {
        Fault::unless(held, check, what).map_err(|fault| Fault { culprits: vec![node], ..fault })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)?;
        match self.culprits.as_slice() {
            [] => Ok(()),
            [first, rest @ ..] => {
                write!(f, " ({first}")?;
                rest.iter().try_for_each(|node| write!(f, ", {node}"))?;
                f.write_str(")")
            }
        }
    }
}

impl core::error::Error for Fault {}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Fault::new(
            Check::A01,
            match malformed {
                Malformed::TooLong(_) => "longer than any message",
                Malformed::Shape => "bytes are not a message",
                Malformed::Trailing(_) => "bytes left over after the message",
                Malformed::NotCanonical => "not the canonical encoding",
                Malformed::Unknown(_) => "unknown wire version",
            },
        )
    }
}

/// We called the core wrongly; a defect of this program, never of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A value of ours that the wire format cannot hold.
    #[error("a value of this program does not fit the wire format")]
    Unencodable,
}
