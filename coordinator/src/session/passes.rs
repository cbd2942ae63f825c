//! Between the two passes of a session: what is counted and not yet summed.
//!
//! Owns who was counted, and what it costs when they are not there again. Nobody has contributed to the sum yet, so it
//! is tried once more when somebody was lost at its beginning. It must not begin anything.

use samensom_protocol::bundle::Verified;
use samensom_protocol::ids::{NodeId, SessionId, WarrantHash};
use samensom_protocol::io::{Failure, FailureCode};
use samensom_protocol::message::{Pass, Round};
use samensom_protocol::rounds::offer::session_id;
use std::time::Instant;

/// A count that was opened.
#[derive(Debug, Clone)]
pub(super) struct Between {
    /// The session that sums its figures.
    pub session: SessionId,
    pub warrant: WarrantHash,
    pub slot: u64,
    pub counted: Vec<NodeId>,
    pub since: Instant,
    /// How many of the counted may not be missing.
    fewest: usize,
    /// The sum was tried before.
    tried: bool,
}

impl Between {
    /// What follows a count that was verified.
    pub fn after(count: &Verified) -> Between {
        let header = &count.facts.header;
        let (warrant, slot) = (header.warrant, header.slot);
        let may_miss = usize::from(count.facts.warrant.body().may_miss);
        Between {
            session: session_id(&warrant, slot, Pass::Value),
            warrant,
            slot,
            counted: count.survivors.clone(),
            since: Instant::now(),
            fewest: count.survivors.len().saturating_sub(may_miss),
            tried: false,
        }
    }

    /// The second try after this failure of the first; none where a hospital may have contributed.
    pub fn again(self, failure: &Failure) -> Option<Between> {
        let before = matches!(failure.round, Round::Channel | Round::Deposit | Round::Ready);
        let fits = !self.tried && before && failure.code == FailureCode::TooFew;
        fits.then(|| Between { tried: true, since: Instant::now(), ..self })
    }

    /// That there is no sum, with so many of the counted there.
    pub fn failure(&self, present: usize) -> Failure {
        let few = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let (needed, present) = (few(self.fewest), few(present));
        Failure {
            code: FailureCode::TooFew,
            round: Round::Deposit,
            needed,
            present,
            culprits: Vec::new(),
            block: None,
        }
    }
}
