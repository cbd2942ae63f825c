//! Numbers that every party computes from roster and warrant, and never reads from a peer.
//!
//! X most corrupt nodes, k fewest honest contributors, t_s the sharing threshold, q the quorum
//! (protocol.md 1.2, 1.3); N counts the roster's active members, not those who happen to be there.

use crate::ablation::ablated;
use crate::ring;
use crate::roster::{Limits, Roster};
use serde::{Deserialize, Serialize};

/// Bytes of one block of a report: a leaf of its Merkle tree.
pub const BLOCK: usize = 1 << 16;
/// Longest vector, in cells.
pub const MAX_CELLS: u32 = 2_000_000;

/// Why a session over this roster cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsFault {
    /// Fewer than three hospitals, or a policy that no set of hospitals can meet.
    #[error("{n} hospitals cannot keep {k} honest ones behind every sum")]
    TooFew {
        /// Active members.
        n: u16,
        /// Honest contributors asked for.
        k: u16,
    },
    /// The largest total does not fit 64 bits.
    #[error("the largest total does not fit 64 bits: narrow the range or the scale")]
    Bound,
    /// Too many cells.
    #[error("{0} cells, at most {MAX_CELLS}")]
    Cells(u32),
}

/// Thresholds of one roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// N: active members.
    pub n: u16,
    /// X: most corrupt members that privacy withstands.
    pub x: u16,
    /// k: fewest honest contributors behind a sum.
    pub k: u16,
    /// t_s: shares that open a secret.
    pub shares: u16,
    /// q: signatures in a certificate, least size of U0, U1 and U2.
    pub quorum: u16,
}

impl Thresholds {
    /// Computes them.
    ///
    /// # Errors
    /// When the roster is too small, or its policy asks for more honest contributors than q - X.
    pub fn of(roster: &Roster) -> Result<Self, ParamsFault> {
        Self::for_size(roster.size(), roster.body().honest_min)
    }

    /// Thresholds for N members and a policy k (0: the default).
    ///
    /// # Errors
    /// As [`Thresholds::of`].
    pub fn for_size(n: u16, honest_min: u16) -> Result<Self, ParamsFault> {
        let default = if n >= 40 { 10 } else { 2.max(n / 5) };
        let k = default.max(honest_min);
        let fault = ParamsFault::TooFew { n, k };
        let x = n.checked_sub(1).ok_or(fault)? / 3;
        let shares = (n / 2).saturating_add(1).max(x.saturating_add(k));
        let quorum = (n.saturating_add(x) / 2).saturating_add(1);
        if !(3..=1024).contains(&n) || quorum.saturating_sub(x) < k || shares > quorum {
            return Err(fault);
        }
        let shares = shares.saturating_sub(u16::from(ablated!("shares-less")));
        Ok(Thresholds { n, x, k, shares, quorum })
    }
}

/// Time each round of one attempt may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the round of that name")]
pub struct Deadlines {
    pub deposit_ms: u32,
    pub ready_ms: u32,
    pub contribute_ms: u32,
    pub confirm_ms: u32,
    pub reveal_ms: u32,
}

/// Microseconds that a hospital's machine may take to prove one bit: four times what was measured.
const PROVE_US: usize = 400;
/// Microseconds that the coordinator may take to verify one bit of one hospital, alone: twice what was measured.
const VERIFY_US: usize = 14;
/// The same for a hospital's machine, which verifies those of all at once: four times what was measured.
const VERIFY_ALL_US: usize = 8;

impl Deadlines {
    /// With the time that proofs of so many bits take: a deposit is waited for until it is proven and those of all
    /// `n` are verified, one after the other; RESULT until a hospital has verified them.
    fn proving(self, bits: usize, n: u16) -> Self {
        let of_all = |us: usize| us.saturating_mul(usize::from(n));
        let more = |ms: u32, us: usize| {
            let extra = bits.saturating_mul(us).div_ceil(1000);
            ms.saturating_add(u32::try_from(extra).unwrap_or(u32::MAX))
        };
        Deadlines {
            deposit_ms: more(self.deposit_ms, PROVE_US.saturating_add(of_all(VERIFY_US))),
            reveal_ms: more(self.reveal_ms, of_all(VERIFY_ALL_US)),
            ..self
        }
    }
    /// The whole attempt, both reveals included.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        [self.deposit_ms, self.ready_ms, self.contribute_ms, self.confirm_ms, self.reveal_ms, self.reveal_ms]
            .into_iter()
            .map(u64::from)
            .fold(0, u64::saturating_add)
    }
}

/// All that roster and warrant give for one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Thresholds of the roster.
    pub thresholds: Thresholds,
    /// L: cells of the vector.
    pub cells: u32,
    /// w: bits of a masked cell.
    pub width: u8,
    /// Deadlines.
    pub deadlines: Deadlines,
}

impl Params {
    /// Computes them for a vector of `cells` cells whose widest range is `widest` base units, `bits` of which each
    /// hospital proves (V3).
    ///
    /// # Errors
    /// When no session over this roster and vector can be.
    pub fn new(roster: &Roster, cells: u32, widest: u64, bits: usize) -> Result<Self, ParamsFault> {
        if cells == 0 || cells > MAX_CELLS {
            return Err(ParamsFault::Cells(cells));
        }
        let thresholds = Thresholds::of(roster)?;
        let width = ring::width(thresholds.n, widest).ok_or(ParamsFault::Bound)?;
        let report = ring::packed_len(cells, width);
        let deadlines = deadlines(&roster.body().limits, report).proving(bits, thresholds.n);
        Ok(Params { thresholds, cells, width, deadlines })
    }
    /// Bytes of a packed report.
    #[must_use]
    pub fn report_len(&self) -> usize {
        ring::packed_len(self.cells, self.width)
    }
    /// Blocks of a packed report.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        u32::try_from(self.report_len().div_ceil(BLOCK)).unwrap_or(u32::MAX)
    }
}

fn deadlines(limits: &Limits, report: usize) -> Deadlines {
    let megabytes = u32::try_from(report.div_ceil(1_000_000)).unwrap_or(u32::MAX);
    let growing = limits.contribute_ms_per_mb.saturating_mul(megabytes);
    Deadlines {
        deposit_ms: limits.deposit_ms,
        ready_ms: limits.ready_ms,
        contribute_ms: limits.contribute_ms.saturating_add(growing),
        confirm_ms: limits.confirm_ms,
        reveal_ms: limits.reveal_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of protocol.md 1.3.
    #[test]
    fn table_of_thresholds() {
        for (n, x, k, quorum, shares) in
            [(69, 22, 10, 46, 35), (200, 66, 10, 134, 101), (40, 13, 10, 27, 23), (12, 3, 2, 8, 7)]
        {
            assert_eq!(Thresholds::for_size(n, 0), Ok(Thresholds { n, x, k, shares, quorum }));
        }
    }

    #[test]
    fn quorums_meet_in_an_honest_node_and_keep_k_honest() {
        for n in 3..=1024 {
            let t = Thresholds::for_size(n, 0).unwrap();
            assert!(2 * t.quorum > n + t.x, "two quorums of {n} share an honest node");
            assert!(t.quorum - t.x >= t.k && t.shares > t.x && t.shares <= t.quorum);
        }
    }

    /// 256 figures of 16 bits at 69 hospitals: 1.6 s to prove and 4 s to verify; 2.3 s for each hospital to verify.
    #[test]
    fn proofs_take_time() {
        let own =
            Deadlines { deposit_ms: 10_000, ready_ms: 1, contribute_ms: 2, confirm_ms: 3, reveal_ms: 5_000 };
        assert_eq!(own.proving(0, 69), own);
        let proving = own.proving(256 * 16, 69);
        assert_eq!(proving, Deadlines { deposit_ms: 15_596, reveal_ms: 7_261, ..own });
        // The most that a session proves: nothing wraps, and a deposit is waited for three minutes at most.
        let most = own.proving(crate::crypto::blocks::MAX_CHECKED_BITS, 69);
        assert_eq!(most, Deadlines { deposit_ms: 189_045, reveal_ms: 77_352, ..own });
        assert_eq!(own.proving(usize::MAX, u16::MAX).deposit_ms, u32::MAX);
    }

    #[test]
    fn a_policy_may_raise_k_but_not_lower_it() {
        assert_eq!(Thresholds::for_size(69, 3).unwrap().k, 10);
        assert_eq!(Thresholds::for_size(69, 12).unwrap().k, 12);
        assert_eq!(Thresholds::for_size(69, 25), Err(ParamsFault::TooFew { n: 69, k: 25 }));
        assert_eq!(Thresholds::for_size(2, 0), Err(ParamsFault::TooFew { n: 2, k: 2 }));
    }
}
