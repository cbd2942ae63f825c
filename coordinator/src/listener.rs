//! The QUIC endpoint: verified key -> node, frames -> admission or the sessions.
//!
//! Owns the links' life: handshake, hello, frames, end. A key that the head roster does not list may only
//! say hello, enrol and ask for rosters. Frames of listed nodes go on as events, in order, each link
//! waiting when the sessions are behind. It must not know what a session frame holds.

mod congestion;

use crate::admission::{answer, listed, welcome};
use crate::error::Error;
use crate::frame::{self, MAX_FRAME};
use crate::links::{Close, Links, Outbox, Queued};
use crate::store::Store;
use crate::tls;
use quinn::{Connection, Endpoint, IdleTimeout, Incoming, SendStream, TransportConfig, VarInt};
use samensom_protocol::admission::{ADMISSION_VERSION, Admission};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, PublicKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A handshake, and then the first stream, must be done in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; from half of it on, addresses are proved first.
const HANDSHAKES: usize = 512;
/// Links at once of keys that no roster lists.
const STRANGERS: usize = 256;
/// The longest frame such a key may send.
const STRANGER_FRAME: usize = 4096;
/// Events that wait for the sessions.
const EVENTS: usize = 256;
/// Bytes a peer may send ahead of our reading.
const WINDOW: u32 = 4 << 20;

/// What happens on the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A node of the head roster said hello.
    Up(NodeId),
    /// Its link is gone, or the head roster no longer lists it.
    Down(NodeId),
    /// A session frame, from the key that the link proved.
    Frame {
        /// Whose link.
        from: NodeId,
        /// The frame.
        bytes: Vec<u8>,
    },
}

/// How to listen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Address and UDP port.
    pub listen: SocketAddr,
    /// A link without a sign of life for so long is gone.
    pub idle: Duration,
    /// A sign of life is sent so often.
    pub keep_alive: Duration,
}

/// The open endpoint.
#[derive(Debug)]
pub struct Listener {
    /// Who is linked.
    pub links: Links,
    /// Where it listens; the port that was given when 0 was asked for.
    pub address: SocketAddr,
    endpoint: Endpoint,
}

impl Listener {
    /// Opens the endpoint and accepts links as `identity` until it is closed.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn open(
        options: Options,
        identity: &Identity,
        store: &Arc<Store>,
    ) -> Result<(Listener, mpsc::Receiver<LinkEvent>), Error> {
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls::server(identity)?));
        config.transport_config(Arc::new(transport(options)?));
        config.max_incoming(HANDSHAKES);
        let in_use = |why: std::io::Error| {
            Error::config(format!("cannot listen: {why}"))
                .place(format!("coordinator.toml, listen = \"{}\"", options.listen))
                .expected("an address of this machine and a free UDP port")
                .remedy("stop the program that uses it, or choose another port")
        };
        let endpoint = Endpoint::server(config, options.listen).map_err(in_use)?;
        let address = endpoint.local_addr().map_err(in_use)?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let links = Links::default();
        let shared = Shared {
            store: Arc::clone(store),
            links: links.clone(),
            events,
            strangers: Arc::new(Semaphore::new(STRANGERS)),
        };
        tokio::spawn(accept(endpoint.clone(), shared));
        Ok((Listener { links, address, endpoint }, receiver))
    }

    /// Closes every link and waits a moment for the peers to hear it.
    pub async fn close(self) {
        self.endpoint.close(VarInt::from_u32(0), b"the coordinator stops");
        let _ = tokio::time::timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await;
    }
}

fn transport(options: Options) -> Result<TransportConfig, Error> {
    let idle = IdleTimeout::try_from(options.idle).map_err(|_| {
        Error::config("`idle` is too long").place("coordinator.toml").expected("e.g. \"10s\"")
    })?;
    let mut transport = TransportConfig::default();
    transport
        .congestion_controller_factory(Arc::new(congestion::Floor::default()))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(options.keep_alive));
    Ok(transport)
}

#[derive(Clone)]
struct Shared {
    store: Arc<Store>,
    links: Links,
    events: mpsc::Sender<LinkEvent>,
    strangers: Arc<Semaphore>,
}

async fn accept(endpoint: Endpoint, shared: Shared) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    while let Some(incoming) = endpoint.accept().await {
        if handshakes.available_permits() < HANDSHAKES / 2 && !incoming.remote_address_validated() {
            // An error means that the address was validated after all.
            let _ = incoming.retry();
            continue;
        }
        match Arc::clone(&handshakes).try_acquire_owned() {
            Ok(permit) => {
                tokio::spawn(welcome_in(incoming, shared.clone(), permit));
            }
            Err(_) => incoming.refuse(),
        }
    }
}

/// The handshake; then the link lives in this task until it ends.
async fn welcome_in(incoming: Incoming, shared: Shared, permit: OwnedSemaphorePermit) {
    let handshake = async { incoming.accept().ok()?.await.ok() };
    let Ok(Some(connection)) = tokio::time::timeout(HANDSHAKE, handshake).await else {
        tracing::debug!("a handshake failed");
        return;
    };
    let Some(key) = tls::peer_key(&connection) else {
        Close::Fault.now(&connection);
        return;
    };
    let Ok(Ok((to, from))) = tokio::time::timeout(HANDSHAKE, connection.accept_bi()).await else {
        Close::Fault.now(&connection);
        return;
    };
    drop(permit);
    let (outbox, frames) = Outbox::new(connection.clone());
    let mut writer = tokio::spawn(write_all(to, frames, connection.clone()));
    let mut peer = Peer { key, shared, outbox, entered: None, greeted: false, stranger: None };
    let close = peer.run(from).await;
    peer.leave().await;
    drop(peer);
    if close == Close::Ended {
        // The peer said all it had to say and may still wait for answers.
        let _ = tokio::time::timeout(HANDSHAKE, &mut writer).await;
    }
    close.now(&connection);
    // Drops what waits, and with it the room that senders may wait for.
    writer.abort();
}

async fn write_all(mut to: SendStream, mut frames: UnboundedReceiver<Queued>, connection: Connection) {
    while let Some(queued) = frames.recv().await {
        if let Err(why) = frame::write(&mut to, &queued.bytes).await {
            tracing::debug!(%why, "a link does not take frames");
            Close::Slow.now(&connection);
            return;
        }
    }
    // No more frames: an error here only says that the peer is gone.
    let _ = to.finish();
    let _ = to.stopped().await;
}

/// One link: a key, and the node it is, if the head roster lists it.
struct Peer {
    key: PublicKey,
    shared: Shared,
    outbox: Outbox,
    entered: Option<(NodeId, u64)>,
    greeted: bool,
    stranger: Option<OwnedSemaphorePermit>,
}

impl Peer {
    /// Serves the link until it ends; returns the words with which to close it.
    async fn run(&mut self, mut from: quinn::RecvStream) -> Close {
        let mut head = self.shared.store.watch_head();
        if !self.is_listed() && self.count_as_stranger().is_err() {
            return Close::Busy;
        }
        let (store, key) = (Arc::clone(&self.shared.store), self.key);
        let most = || if listed(&store.head_roster(), &key).is_some() { MAX_FRAME } else { STRANGER_FRAME };
        loop {
            // A frame that has begun is read to its end, whatever the head does meanwhile.
            let next = frame::read(&mut from, most);
            tokio::pin!(next);
            let read = loop {
                tokio::select! {
                    read = &mut next => break read,
                    changed = head.changed() => {
                        if changed.is_err() || !self.on_new_head().await {
                            return Close::Busy;
                        }
                    }
                }
            };
            let bytes = match read {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Close::Ended,
                Err(why) => {
                    tracing::debug!(key = %self.key, %why, "a link ends");
                    return Close::Fault;
                }
            };
            if let Err(close) = self.on_frame(bytes).await {
                tracing::debug!(key = %self.key, ?close, "a link ends");
                return close;
            }
        }
    }

    async fn on_frame(&mut self, bytes: Vec<u8>) -> Result<(), Close> {
        if bytes.first() == Some(&ADMISSION_VERSION) {
            return self.on_admission(&bytes).await;
        }
        let (from, generation) = self.entered.ok_or(Close::Fault)?;
        if !self.shared.links.holds(from, generation) {
            return Err(Close::Replaced);
        }
        self.shared.events.send(LinkEvent::Frame { from, bytes }).await.map_err(|_| Close::Shutdown)
    }

    async fn on_admission(&mut self, bytes: &[u8]) -> Result<(), Close> {
        let asked = Admission::from_frame(bytes).map_err(|_| Close::Fault)?;
        let hello = matches!(asked, Admission::Hello { .. });
        let answer = match answer(&self.shared.store, self.key, asked).await {
            Ok(answer) => answer.ok_or(Close::Fault)?,
            Err(why) => {
                tracing::error!(%why, "the store failed");
                return Err(Close::Busy);
            }
        };
        self.send(&answer)?;
        if hello {
            self.greeted = true;
            self.enter_if_listed().await?;
        }
        Ok(())
    }

    /// A new head may list this key, or list it no more; the node is told in any case. False ends the link.
    async fn on_new_head(&mut self) -> bool {
        let head = self.shared.store.head_roster();
        let node = listed(&head, &self.key);
        if self.entered.is_some_and(|(entered, _)| Some(entered) != node) {
            self.leave().await;
            if self.count_as_stranger().is_err() {
                return false;
            }
        }
        if !self.greeted {
            return true;
        }
        self.send(&welcome(&head, &self.key)).is_ok() && self.enter_if_listed().await.is_ok()
    }

    fn is_listed(&self) -> bool {
        listed(&self.shared.store.head_roster(), &self.key).is_some()
    }

    async fn enter_if_listed(&mut self) -> Result<(), Close> {
        let node = listed(&self.shared.store.head_roster(), &self.key);
        let Some(node) = node.filter(|_| self.entered.is_none()) else { return Ok(()) };
        let (generation, replaced) = self.shared.links.enter(node, self.outbox.clone());
        self.entered = Some((node, generation));
        self.stranger = None;
        tracing::info!(%node, key = %self.key, replaced, "link up");
        if replaced {
            self.event(LinkEvent::Down(node)).await?;
        }
        self.event(LinkEvent::Up(node)).await
    }

    async fn leave(&mut self) {
        if let Some((node, generation)) = self.entered.take()
            && self.shared.links.leave(node, generation)
        {
            tracing::info!(%node, "link down");
            // Nobody listens only when the program ends.
            let _ = self.event(LinkEvent::Down(node)).await;
        }
    }

    fn count_as_stranger(&mut self) -> Result<(), Close> {
        if self.stranger.is_none() {
            let permit = Arc::clone(&self.shared.strangers).try_acquire_owned();
            self.stranger = Some(permit.map_err(|_| Close::Busy)?);
        }
        Ok(())
    }

    fn send(&self, answer: &Admission) -> Result<(), Close> {
        let frame = answer.to_frame().map_err(|_| Close::Fault)?;
        if self.outbox.send(frame) { Ok(()) } else { Err(Close::Slow) }
    }

    async fn event(&self, event: LinkEvent) -> Result<(), Close> {
        self.shared.events.send(event).await.map_err(|_| Close::Shutdown)
    }
}

#[cfg(test)]
mod tests;
