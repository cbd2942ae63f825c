//! Who is linked, and what waits to be sent to each.
//!
//! Owns the table of links and the bounds of their queues: a peer that reads too slowly loses its link, it
//! never fills our memory. At most one link a node; a newer one takes the place of the older. It must not
//! know what a frame holds.

use crate::frame::MAX_FRAME;
use quinn::{Connection, VarInt};
use samensom_protocol::ids::NodeId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes that wait for one link, of frames that cannot wait.
const PROMPT: usize = 24 << 20;
/// And of frames whose sender waits for room.
const BULK: usize = 8 << 20;
/// What a frame costs beside its bytes.
const OVERHEAD: usize = 64;

/// Codes with which a link is closed; the node's log shows the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The program ends.
    Shutdown,
    /// The peer closed its side between two frames.
    Ended,
    /// A newer link of the same node.
    Replaced,
    /// It does not take what is sent.
    Slow,
    /// A frame that nobody may send, or of a key that no roster lists.
    Fault,
    /// More links than there is room for.
    Busy,
}

impl Close {
    pub(crate) fn now(self, connection: &Connection) {
        let (code, words): (u32, &[u8]) = match self {
            Close::Ended => (0, b"goodbye"),
            Close::Shutdown => (0, b"the coordinator stops"),
            Close::Replaced => (1, b"a newer link of the same key"),
            Close::Slow => (2, b"frames were not taken in time"),
            Close::Fault => (3, b"a frame that may not be sent here"),
            Close::Busy => (4, b"too many links"),
        };
        connection.close(VarInt::from_u32(code), words);
    }
}

/// A frame that waits, and the room it takes.
pub(crate) struct Queued {
    pub(crate) bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The sending side of one link.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: UnboundedSender<Queued>,
    prompt: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    connection: Connection,
}

impl Outbox {
    pub(crate) fn new(connection: Connection) -> (Outbox, UnboundedReceiver<Queued>) {
        let (queue, frames) = unbounded_channel();
        let room = |bytes| Arc::new(Semaphore::new(bytes));
        (Outbox { queue, prompt: room(PROMPT), bulk: room(BULK), connection }, frames)
    }

    /// Queues a frame; without room the link is given up.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        let Some(cost) = cost(&bytes) else { return false };
        match Arc::clone(&self.prompt).try_acquire_many_owned(cost) {
            Ok(room) => self.queue.send(Queued { bytes, _room: room }).is_ok(),
            Err(_) => {
                Close::Slow.now(&self.connection);
                false
            }
        }
    }

    async fn send_when_free(&self, bytes: Vec<u8>) -> bool {
        let Some(cost) = cost(&bytes) else { return false };
        match Arc::clone(&self.bulk).acquire_many_owned(cost).await {
            Ok(room) => self.queue.send(Queued { bytes, _room: room }).is_ok(),
            Err(_) => false,
        }
    }
}

fn cost(bytes: &[u8]) -> Option<u32> {
    let fits = !bytes.is_empty() && bytes.len() <= MAX_FRAME;
    if !fits {
        tracing::error!(len = bytes.len(), "a frame of ours has no valid length and is not sent");
    }
    fits.then(|| u32::try_from(bytes.len().saturating_add(OVERHEAD)).ok()).flatten()
}

struct Link {
    generation: u64,
    outbox: Outbox,
}

#[derive(Default)]
struct Table {
    links: RwLock<BTreeMap<NodeId, Link>>,
    generations: AtomicU64,
}

/// The links of all nodes; a handle that may be cloned.
#[derive(Clone, Default)]
pub struct Links(Arc<Table>);

impl core::fmt::Debug for Links {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.up()).finish()
    }
}

impl Links {
    /// Queues a frame for a node without waiting. False when there is no link, or no more room in its
    /// queue, in which case the link ends.
    #[must_use]
    pub fn send(&self, to: NodeId, bytes: Vec<u8>) -> bool {
        self.outbox(to).is_some_and(|outbox| outbox.send(bytes))
    }

    /// Queues a frame for a node once the bulk part of its queue has room; for long series of frames. False
    /// when there is no link or it ended meanwhile.
    pub async fn send_when_free(&self, to: NodeId, bytes: Vec<u8>) -> bool {
        match self.outbox(to) {
            Some(outbox) => outbox.send_when_free(bytes).await,
            None => false,
        }
    }

    /// Whether a node is linked.
    #[must_use]
    pub fn is_up(&self, node: NodeId) -> bool {
        self.read(|links| links.contains_key(&node))
    }

    /// Every node that is linked, by number.
    #[must_use]
    pub fn up(&self) -> Vec<NodeId> {
        self.read(|links| links.keys().copied().collect())
    }

    /// Enters a link; the older one of the same node is closed and true comes back with the generation.
    pub(crate) fn enter(&self, node: NodeId, outbox: Outbox) -> (u64, bool) {
        let generation = self.0.generations.fetch_add(1, Ordering::Relaxed);
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        let older = links.insert(node, Link { generation, outbox });
        drop(links);
        if let Some(older) = &older {
            Close::Replaced.now(&older.outbox.connection);
        }
        (generation, older.is_some())
    }

    /// Takes a link out; false when a newer one has its place.
    pub(crate) fn leave(&self, node: NodeId, generation: u64) -> bool {
        let mut links = self.0.links.write().unwrap_or_else(PoisonError::into_inner);
        let mine = links.get(&node).is_some_and(|link| link.generation == generation);
        if mine {
            links.remove(&node);
        }
        mine
    }

    /// Whether this link is still the node's.
    pub(crate) fn holds(&self, node: NodeId, generation: u64) -> bool {
        self.read(|links| links.get(&node).is_some_and(|link| link.generation == generation))
    }

    fn outbox(&self, node: NodeId) -> Option<Outbox> {
        self.read(|links| links.get(&node).map(|link| link.outbox.clone()))
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<NodeId, Link>) -> T) -> T {
        look(&self.0.links.read().unwrap_or_else(PoisonError::into_inner))
    }
}
