//! The link over QUIC: one connection, one bidirectional stream that the node opens.
//!
//! Owns the socket and two tasks, one that reads frames and one that writes them, so that waiting for a
//! frame can be given up at any moment and no frame is ever sent by half. Memory grows with what was
//! received, never with what was announced. It must not retry; who calls it decides when.

use super::congestion::Floor;
use super::{Link, LinkError, MAX_FRAME, Timing, WAITING};
use crate::tls;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, ReadExactError, RecvStream, SendStream,
    TransportConfig, VarInt,
};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Name in the TLS handshake; never sent and never read.
const SERVER_NAME: &str = "samensom";
/// Bytes asked from the stream at a time.
const CHUNK: usize = 16 * 1024;
/// Bytes the coordinator may have on the way to us.
const WINDOW: u32 = 1 << 20;
/// How long one address may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a link in good order may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connection under a link, and the task that writes to it.
#[derive(Debug)]
pub(super) struct Carrier {
    connection: Held,
    endpoint: Endpoint,
    writer: tokio::task::JoinHandle<()>,
}

/// A connection that ends with its owner; the tasks alone would keep it open.
#[derive(Debug)]
struct Held(Connection);

impl Drop for Held {
    fn drop(&mut self) {
        close(&self.0, "gone");
    }
}

/// Ends a connection; whoever reads from it is told why.
pub(super) fn close(connection: &Connection, reason: &str) {
    connection.close(VarInt::from_u32(0), reason.as_bytes());
}

impl Carrier {
    pub(super) fn connection(&self) -> Connection {
        self.connection.0.clone()
    }

    /// Ends the connection once the writer is done, or after two seconds.
    pub(super) async fn close(self, reason: &str) {
        // A coordinator that is gone gets no farewell.
        let _ = timeout(FAREWELL, self.writer).await;
        close(&self.connection.0, reason);
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

/// Opens a link to the coordinator with this key at `address` (HOST:PORT), as `me`. All addresses of the
/// host are tried in turn.
///
/// # Errors
/// When no address answers, or another key does.
pub async fn dial(
    address: &str,
    coordinator: &PublicKey,
    me: &Identity,
    timing: Timing,
) -> Result<Link, LinkError> {
    let resolve = |reason: String| LinkError::Resolve { address: address.to_owned(), reason };
    let found = tokio::net::lookup_host(address).await.map_err(|error| resolve(error.to_string()))?;
    let mut tried = Vec::new();
    for to in found {
        match dial_one(address, to, coordinator, me, timing).await {
            Err(LinkError::Lost(reason)) => tried.push(format!("{to}: {reason}")),
            other => return other,
        }
    }
    if tried.is_empty() {
        return Err(resolve("the name has no address".to_owned()));
    }
    Err(LinkError::Unreachable { address: address.to_owned(), tried: tried.join("; ") })
}

async fn dial_one(
    address: &str,
    to: SocketAddr,
    coordinator: &PublicKey,
    me: &Identity,
    timing: Timing,
) -> Result<Link, LinkError> {
    let local = |error: &dyn std::fmt::Display| LinkError::Local(error.to_string());
    let lost = |error: &dyn std::fmt::Display| LinkError::Lost(error.to_string());
    let (config, stranger) = tls::client(me, coordinator).map_err(|error| local(&error))?;
    let config = QuicClientConfig::try_from(config).map_err(|error| local(&error))?;
    let mut config = ClientConfig::new(Arc::new(config));
    config.transport_config(Arc::new(transport(timing)));
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(from).map_err(|error| lost(&error))?;
    let connecting = endpoint.connect_with(config, to, SERVER_NAME).map_err(|error| lost(&error))?;
    let connected = timeout(ANSWER, connecting).await.map_err(|_| lost(&"no answer"))?;
    let connection = match (connected, stranger.seen()) {
        (Ok(connection), _) => connection,
        (Err(_), Some(found)) => {
            let address = address.to_owned();
            return Err(LinkError::WrongKey { address, expected: *coordinator, found });
        }
        (Err(error), None) => return Err(lost(&error)),
    };
    let (send, recv) = connection.open_bi().await.map_err(|error| lost(&error))?;
    let (to_session, frames) = mpsc::channel(WAITING);
    let (sender, from_session) = mpsc::channel(WAITING);
    tokio::spawn(read_frames(recv, to_session));
    let writer = tokio::spawn(write_frames(send, from_session));
    let carrier = Carrier { connection: Held(connection), endpoint, writer };
    Ok(Link::over(Some(carrier), sender, frames))
}

fn transport(timing: Timing) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(timing.idle.as_millis()).unwrap_or(u32::MAX);
    transport
        .congestion_controller_factory(Arc::new(Floor::default()))
        .max_idle_timeout(Some(VarInt::from_u32(idle).into()))
        .keep_alive_interval(Some(timing.keep_alive))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW));
    transport
}

async fn read_frames(mut stream: RecvStream, to: mpsc::Sender<Result<Vec<u8>, LinkError>>) {
    loop {
        let frame = read_frame(&mut stream).await;
        let last = frame.is_err();
        if to.send(frame).await.is_err() || last {
            return;
        }
    }
}

async fn read_frame(stream: &mut RecvStream) -> Result<Vec<u8>, LinkError> {
    let mut length = [0u8; 4];
    stream.read_exact(&mut length).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(0) => LinkError::Lost("the coordinator ended it".to_owned()),
        ReadExactError::FinishedEarly(_) => LinkError::Lost("the coordinator ended it in a frame".to_owned()),
        ReadExactError::ReadError(error) => why(&error),
    })?;
    let announced = u32::from_be_bytes(length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(LinkError::TooLong(announced));
    }
    let mut frame = Vec::new();
    while frame.len() < length {
        let left = length.saturating_sub(frame.len());
        let chunk = stream.read_chunk(left.min(CHUNK), true).await.map_err(|error| why(&error))?;
        let Some(chunk) = chunk else {
            return Err(LinkError::Lost("the coordinator ended it in a frame".to_owned()));
        };
        frame.extend_from_slice(&chunk.bytes);
    }
    Ok(frame)
}

fn why(error: &ReadError) -> LinkError {
    LinkError::Lost(match error {
        ReadError::ConnectionLost(ConnectionError::TimedOut) => {
            "nothing came from the coordinator for the idle time (network.idle)".to_owned()
        }
        ReadError::ConnectionLost(ConnectionError::LocallyClosed) => "it was closed here".to_owned(),
        ReadError::ConnectionLost(ConnectionError::ApplicationClosed(close)) => {
            // The reason is the coordinator's text: shown, shortened, and without control characters.
            let text = String::from_utf8_lossy(&close.reason);
            let text: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
            format!("the coordinator closed it: `{text}`")
        }
        other => other.to_string(),
    })
}

async fn write_frames(mut stream: SendStream, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        // Checked in `send`: a frame is at most MAX_FRAME.
        let Ok(length) = u32::try_from(frame.len()) else { return };
        if stream.write_all(&length.to_be_bytes()).await.is_err() || stream.write_all(&frame).await.is_err() {
            return;
        }
    }
    if stream.finish().is_ok() {
        // Resolves when all has arrived; a link that is gone is no loss here.
        let _ = stream.stopped().await;
    }
}
