//! The result bundle: the signed messages of a sum, and their verification by anyone, off-line.
//!
//! A bundle is the transcript: rosters from the founding one, the warrant, and of the value pass, and of the count
//! pass before it where there is a floor, header, heads of deposits, START, READY, GO, heads of reports, FREEZE, CERT
//! and RESULT as they were signed, and the total. Nothing else stands in it, so nothing in it is unsigned. Profile
//! V1: whoever verifies checks the total against what every survivor committed to in its deposit, before any figure
//! was masked; where ranges are checked (V3), that each of these lies in its range. No report stands in it, and no secret.

mod session;

pub use session::{Read, assemble};

use crate::codec::{Blob, Bytes, List, Text};
use crate::crypto::keys::SignatureBytes;
use crate::error::{Check, Fault};
use crate::ids::{FreezeHash, NodeId, ResultHash, RosterHash};
use crate::message::{
    Certificate, Committed, DepositHead, MAX_HEADER, Pass, Path, PerBlock, Proofs, ReadyOf, Sealed,
};
use crate::params::BLOCK;
use crate::query::{Row, Shown};
use crate::ring::Spread;
use crate::roster::{MAX_NODES, Roster, SignedRoster};
use crate::rounds::offer::Facts;
use crate::time::Time;
use crate::warrant::SignedWarrant;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// First field of every bundle.
pub const FORMAT: &str = "samensom bundle 4";

/// One deposit: its head, the head's path to the root that START names, and the signature over that root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in START")]
pub struct BundledDeposit {
    pub head: DepositHead,
    pub path: Path,
    pub signature: SignatureBytes,
}

/// One survivor's report: what was signed, and all that it is over but the masked values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledReport {
    /// Whose.
    pub node: NodeId,
    /// [`crate::message::ReportBody`].
    pub body: Sealed<128>,
    /// What everyone may see of it.
    pub committed: Committed,
    /// Proofs of its ranges, as deposited.
    pub ranges: Proofs,
}

/// The transcript of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the message of that name")]
pub struct BundledSession {
    pub header: Sealed<MAX_HEADER>,
    pub deposits: List<BundledDeposit, MAX_NODES>,
    pub start: Sealed<65536>,
    pub readies: List<ReadyOf, MAX_NODES>,
    pub go: Sealed<128>,
    pub reports: List<BundledReport, MAX_NODES>,
    pub freeze: Sealed<128>,
    pub certificate: Certificate,
    /// RESULT's signed part.
    pub result: Sealed<256>,
    /// Hash of the secrets that were opened.
    pub opened: Bytes<32>,
    /// R.
    pub blindings: PerBlock,
    /// T, packed as a report is, in blocks.
    pub total: List<Blob<BLOCK>, 256>,
}

/// The transcript of a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: Text<32>,
    /// From the founding one to that of the sessions.
    pub rosters: List<SignedRoster, 4096>,
    /// What was approved.
    pub warrant: SignedWarrant,
    /// The count pass, where there is a floor.
    pub count: Option<BundledSession>,
    /// The value pass.
    pub value: BundledSession,
}

/// What a verified session says.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The first roster: what the reader compares with the fingerprint it was told.
    pub founding: RosterHash,
    /// Header, roster and warrant of the attempt.
    pub facts: Facts,
    /// Whose figures are in the sum.
    pub survivors: Vec<NodeId>,
    /// Members of the cohort whose figures are not.
    pub dropped: Vec<NodeId>,
    /// One integer a cell, offsets still on.
    pub lanes: Vec<u64>,
    /// Hash of the survivors.
    pub freeze: FreezeHash,
    /// Hash of the result.
    pub result: ResultHash,
    /// When it was opened, by the coordinator's clock.
    pub at: Time,
    /// What the count pass says, where there is a floor.
    pub count: Option<Box<Verified>>,
}

impl Verified {
    /// Totals in base units of each measure, by cell.
    #[must_use]
    pub fn totals(&self) -> Vec<i128> {
        let layout = self.facts.warrant.query().layout();
        let survivors = u16::try_from(self.survivors.len()).unwrap_or(u16::MAX);
        let total = |(cell, lane): (u32, &u64)| crate::ring::total(*lane, survivors, layout.bounds(cell).0);
        (0u32..).zip(&self.lanes).map(total).collect()
    }
    /// The national table; figures that stayed closed are suppressed.
    #[must_use]
    pub fn table(&self) -> Vec<Row> {
        crate::query::table(self.facts.warrant.query(), &self.totals(), &self.shown())
    }
    /// What opened, and how many hospitals stand behind it.
    #[must_use]
    pub fn shown(&self) -> Shown<'_> {
        let counting = self.facts.warrant.count().map(|count| &count.counting);
        match (counting, self.facts.open.as_deref(), &self.count) {
            (Some(counting), Some(open), Some(count)) => {
                Shown::Counted { counting, open, totals: &count.lanes }
            }
            _ => Shown::All,
        }
    }
}

impl Bundle {
    /// A bundle of these sessions.
    ///
    /// # Errors
    /// When there are more rosters than a bundle holds.
    pub fn new(
        rosters: &[SignedRoster],
        warrant: SignedWarrant,
        count: Option<BundledSession>,
        value: BundledSession,
    ) -> Result<Bundle, Fault> {
        let rosters = List::new(rosters.to_vec())?;
        Ok(Bundle { format: Text::new(FORMAT)?, rosters, warrant, count, value })
    }

    /// Verifies every signature and every block of the totals, with randomness that nobody else knows.
    ///
    /// # Errors
    /// The first check that fails; the bundle is then worth nothing.
    pub fn verify(&self, rng: &mut impl CryptoRng) -> Result<Verified, Fault> {
        let (founding, roster) = self.opened()?;
        let count = self.count.as_ref().map(|pass| pass.read(&roster, &self.warrant, rng));
        let value = self.value.read(&roster, &self.warrant, rng);
        both(founding, count, value)
    }

    /// The same, its passes beside each other where `spread` does so; `rng` makes randomness of its own for each.
    ///
    /// # Errors
    /// As [`Bundle::verify`].
    pub fn verify_spread<R: CryptoRng>(
        &self,
        rng: &(dyn Fn() -> R + Sync),
        spread: &Spread<Result<Read, Fault>>,
    ) -> Result<Verified, Fault> {
        let (founding, roster) = self.opened()?;
        let passes: Vec<&BundledSession> = self.count.iter().chain([&self.value]).collect();
        let missing = Fault::new(Check::A01, "a pass was not read");
        let read = |at: usize| {
            let pass = passes.get(at).ok_or_else(|| missing.clone())?;
            pass.read(&roster, &self.warrant, &mut rng())
        };
        let mut all = spread(passes.len(), &read);
        let value = all.pop().unwrap_or(Err(missing.clone()));
        let count = self.count.as_ref().map(|_| all.pop().unwrap_or(Err(missing)));
        both(founding, count, value)
    }

    /// Verifies a count pass that stands where the figures will, before there are any.
    ///
    /// # Errors
    /// As [`Bundle::verify`].
    pub fn verify_count(&self, rng: &mut impl CryptoRng) -> Result<Verified, Fault> {
        let (founding, roster) = self.chain()?;
        self.value.read(&Arc::new(roster), &self.warrant, rng)?.verified(founding, None)
    }

    /// A01: a bundle of this format, with its rosters.
    fn opened(&self) -> Result<(RosterHash, Arc<Roster>), Fault> {
        Fault::unless(&*self.format == FORMAT, Check::A01, "not a bundle of this format")?;
        let (founding, roster) = self.chain()?;
        Ok((founding, Arc::new(roster)))
    }

    /// A01: the chain of rosters, from the founding one to the header's.
    fn chain(&self) -> Result<(RosterHash, Roster), Fault> {
        let broken = |_| Fault::new(Check::A01, "the chain of rosters is broken");
        let (first, rest) =
            self.rosters.split_first().ok_or(Fault::new(Check::A01, "the bundle holds no roster"))?;
        let mut roster = Roster::founding(first).map_err(broken)?;
        let founding = roster.hash();
        for signed in rest {
            roster = roster.next(signed).map_err(broken)?;
        }
        Ok((founding, roster))
    }
}

/// A value pass, standing on its count pass where there is one.
fn both(
    founding: RosterHash,
    count: Option<Result<Read, Fault>>,
    value: Result<Read, Fault>,
) -> Result<Verified, Fault> {
    let count = count.map(|count| count?.verified(founding, None)).transpose()?;
    let value = value?.verified(founding, count.as_ref())?;
    let is_value = value.facts.header.pass == Pass::Value;
    Fault::unless(is_value, Check::A03, "a count pass stands where the figures should")?;
    Ok(Verified { count: count.map(Box::new), ..value })
}

#[cfg(test)]
pub(crate) mod tests;
