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
pub use quic::dial;

use samensom_protocol::admission::{ADMISSION_VERSION, words};
use samensom_protocol::codec::{MAX_MESSAGE, Malformed};
use samensom_protocol::ids::PublicKey;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest frame: one byte of version and the longest message.
pub const MAX_FRAME: usize = MAX_MESSAGE + 1;
/// Frames that may wait between a task and the session.
const WAITING: usize = 4;
/// Frames of sessions, and their bytes, that may come before the answer to an admission frame.
const EARLY_FRAMES: usize = 1024;
const EARLY_BYTES: usize = 4 << 20;

/// A link to the coordinator. Dropping it closes the connection.
#[derive(Debug)]
pub struct Link {
    /// None for a link in memory.
    carrier: Option<quic::Carrier>,
    sender: LinkSender,
    frames: mpsc::Receiver<Result<Vec<u8>, LinkError>>,
    early: VecDeque<Vec<u8>>,
}

/// Sends frames over a link; may be cloned.
#[derive(Debug, Clone)]
pub struct LinkSender(mpsc::Sender<Vec<u8>>);

/// Ends a link from outside the one who serves it, whose `recv` then fails.
#[derive(Debug, Clone)]
pub struct Closer(Option<quinn::Connection>);

/// The other end of a link in memory.
#[derive(Debug)]
pub struct FarEnd {
    /// Frames to the node.
    pub to_node: mpsc::Sender<Result<Vec<u8>, LinkError>>,
    /// Frames of the node.
    pub from_node: mpsc::Receiver<Vec<u8>>,
}

/// A link without a network, and its other end.
#[must_use]
pub fn in_memory() -> (Link, FarEnd) {
    // Neither end waits for the other, as over a network.
    let (to_node, frames) = mpsc::channel(EARLY_FRAMES);
    let (sender, from_node) = mpsc::channel(EARLY_FRAMES);
    (Link::over(None, sender, frames), FarEnd { to_node, from_node })
}

impl Closer {
    /// Ends the link.
    pub fn close(&self, reason: &str) {
        if let Some(connection) = &self.0 {
            quic::close(connection, reason);
        }
    }
}

impl LinkSender {
    /// Hands over one frame, in order; it leaves whole or not at all. May be given up while waiting.
    ///
    /// # Errors
    /// When the frame is too long or the link is gone; `Link::recv` says why it is gone.
    pub async fn send(&self, frame: Vec<u8>) -> Result<(), LinkError> {
        if frame.len() > MAX_FRAME {
            return Err(LinkError::Local(format!("a frame of {} bytes was to be sent", frame.len())));
        }
        self.0.send(frame).await.map_err(|_| LinkError::Lost("it was gone before a frame left".to_owned()))
    }
}

impl Link {
    fn over(
        carrier: Option<quic::Carrier>,
        sender: mpsc::Sender<Vec<u8>>,
        frames: mpsc::Receiver<Result<Vec<u8>, LinkError>>,
    ) -> Link {
        Link { carrier, sender: LinkSender(sender), frames, early: VecDeque::new() }
    }

    /// The next frame. May be given up while waiting; no frame is lost.
    ///
    /// # Errors
    /// When the link is gone or a frame is too long; then the link is of no further use.
    pub async fn recv(&mut self) -> Result<Vec<u8>, LinkError> {
        match self.early.pop_front() {
            Some(frame) => Ok(frame),
            None => self.next_frame().await,
        }
    }

    /// The next admission frame; those of sessions that come before it wait for `recv`. May be given up
    /// while waiting; no frame is lost.
    ///
    /// # Errors
    /// As `recv`, and when more comes before it than may wait.
    pub async fn recv_admission(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            let frame = self.next_frame().await?;
            if frame.first() == Some(&ADMISSION_VERSION) {
                return Ok(frame);
            }
            let waiting: usize = self.early.iter().map(Vec::len).sum();
            if self.early.len() >= EARLY_FRAMES || waiting.saturating_add(frame.len()) > EARLY_BYTES {
                return Err(LinkError::Unexpected { expected: "an answer before more frames of sessions" });
            }
            self.early.push_back(frame);
        }
    }

    async fn next_frame(&mut self) -> Result<Vec<u8>, LinkError> {
        match self.frames.recv().await {
            Some(frame) => frame,
            None => Err(LinkError::Lost("it was gone before".to_owned())),
        }
    }

    /// A sender of frames.
    #[must_use]
    pub fn sender(&self) -> LinkSender {
        self.sender.clone()
    }

    /// A handle that ends the link.
    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer(self.carrier.as_ref().map(quic::Carrier::connection))
    }

    /// Ends the link after the frames handed over so far have arrived, or after two seconds. Other senders
    /// of this link must be dropped before, else it takes the two seconds.
    pub async fn close(self, reason: &str) {
        drop(self.sender);
        if let Some(carrier) = self.carrier {
            carrier.close(reason).await;
        }
    }
}

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
