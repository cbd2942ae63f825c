//! The link to the coordinator: frames in, frames out, dialled from here only.
//!
//! Owns the form of a frame on the wire (length as 32 bits, big-endian, then the bytes) and what can go
//! wrong with a link. It must not know what a frame means.

mod backoff;
mod congestion;
mod quic;

#[cfg(test)]
pub(crate) mod tests;

pub use backoff::Backoff;
pub use quic::{Closer, Link, LinkSender, dial};

use samensom_protocol::admission::words;
use samensom_protocol::codec::{MAX_MESSAGE, Malformed};
use samensom_protocol::ids::PublicKey;
use std::time::Duration;

/// Longest frame: one byte of version and the longest message.
pub const MAX_FRAME: usize = MAX_MESSAGE + 1;

/// When a silent link counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A link without a packet for this long is lost.
    pub idle: Duration,
    /// A packet is sent this often when there is nothing to say.
    pub keep_alive: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing { idle: Duration::from_secs(10), keep_alive: Duration::from_secs(2) }
    }
}

/// What went wrong with a link; the next attempt may succeed unless it says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The name has no address.
    #[error(
        "`{address}`: no address found: {reason}\n  expected: HOST:PORT that this machine can resolve\n  \
         do: check the spelling in network.coordinator, and the DNS of this machine"
    )]
    Resolve {
        /// As configured.
        address: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address answers.
    #[error(
        "{address}: no answer ({tried})\n  expected: the coordinator, over UDP\n  do: let UDP out to \
         this host and port, and its answers in; then ask LCG whether the coordinator runs"
    )]
    Unreachable {
        /// As configured.
        address: String,
        /// Each address and what came of it.
        tried: String,
    },
    /// Somebody else answers.
    #[error("{address}: another key answers than the coordinator's\n  expected: {}\n  found: {}\n  do: do not go on; \
         tell LCG by telephone. Somebody is in between, or LCG has a new key and must give a new token",
         words(&.expected.0), .found.map_or("no Ed25519 key".to_owned(), |key| words(&key.0)))]
    WrongKey {
        /// As configured.
        address: String,
        /// The pinned key.
        expected: PublicKey,
        /// The other, if it is a key of the right kind.
        found: Option<PublicKey>,
    },
    /// Our own TLS or UDP configuration is refused; a defect of this program or machine.
    #[error("the link cannot be set up here: {0}\n  do: report this to LCG with the version of this program")]
    Local(String),
    /// A frame longer than any may be.
    #[error("the coordinator announced a frame of {0} bytes; at most {MAX_FRAME} expected")]
    TooLong(u32),
    /// The link ended.
    #[error("the link ended: {0}")]
    Lost(String),
    /// The coordinator does not answer over a link that stands.
    #[error("the coordinator did not answer within {} s: {waiting_for} expected", .limit.as_secs())]
    Silent {
        /// What.
        waiting_for: &'static str,
        /// How long.
        limit: Duration,
    },
    /// Bytes that are no admission frame.
    #[error("the coordinator sent a frame that is none: {0}")]
    Malformed(#[from] Malformed),
    /// A frame that has no place here.
    #[error("the coordinator sent another frame than expected: {expected} expected")]
    Unexpected {
        /// What.
        expected: &'static str,
    },
}
