//! A coordinator that lies on the real wire: it stands between a real agent and the real server, with the
//! coordinator's key and the hospital's, and changes what it likes.
//!
//! To the agent it is the server it pinned; to the server it is the agent. Owns its endpoint and its tasks,
//! which end when it is dropped. It must not touch a file of either program but to read their keys.

use crate::deployment::Deployment;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use samensom_coordinator::{folder::Folder, frame, tls};
use samensom_node::link::{Link, LinkSender, Timing, dial};
use samensom_protocol::crypto::keys::Identity;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

/// What becomes of a frame: none, itself, or others.
pub type Change = Box<dyn FnMut(&Identity, Vec<u8>) -> Vec<Sent> + Send>;

/// What is sent in place of a frame.
#[derive(Debug, Clone)]
pub enum Sent {
    /// A frame.
    Frame(Vec<u8>),
    /// Bytes as they are, length and all.
    Raw(Vec<u8>),
}

/// The one in between.
#[derive(Debug)]
pub struct Middle {
    /// Where it listens.
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

struct Ends {
    coordinator: Identity,
    hospital: Identity,
    server: SocketAddr,
    to_agent: Mutex<Change>,
    to_server: Mutex<Change>,
}

/// Passes everything on.
#[must_use]
pub fn nothing() -> Change {
    Box::new(|_, bytes| vec![Sent::Frame(bytes)])
}

impl Middle {
    /// Stands between a hospital's agent and the server; the agent dials it from its next start.
    ///
    /// # Panics
    /// When the keys cannot be read or no port is free.
    #[must_use]
    pub fn between(deployment: &Deployment, hospital: usize, to_agent: Change, to_server: Change) -> Middle {
        let coordinator = Folder::new(deployment.lcg()).identity().expect("the coordinator's key");
        let own = samensom_node::identity::load(&deployment.state(hospital)).expect("a key file");
        let ends = Ends {
            hospital: own.expect("the hospital's key"),
            server: deployment.server_address,
            to_agent: Mutex::new(to_agent),
            to_server: Mutex::new(to_server),
            coordinator,
        };
        let runtime = Runtime::new().expect("a runtime");
        let config = tls::server(&ends.coordinator).expect("TLS");
        let config = quinn::ServerConfig::with_crypto(Arc::new(config));
        let endpoint = {
            let _inside = runtime.enter();
            Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
        };
        let address = endpoint.local_addr().expect("its address");
        runtime.spawn(accept(endpoint, Arc::new(ends)));
        deployment.dial_from(hospital, address);
        Middle { address, runtime: Some(runtime) }
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(endpoint: Endpoint, ends: Arc<Ends>) {
    while let Some(incoming) = endpoint.accept().await {
        let ends = Arc::clone(&ends);
        tokio::spawn(async move {
            let Ok(connecting) = incoming.accept() else { return };
            let Ok(connection) = connecting.await else { return };
            let Ok((to, from)) = connection.accept_bi().await else { return };
            let (address, key) = (ends.server.to_string(), ends.coordinator.public());
            let Ok(link) = dial(&address, &key, &ends.hospital, Timing::default()).await else { return };
            let upwards = tokio::spawn(up(from, link.sender(), Arc::clone(&ends), connection.clone()));
            down(link, to, &ends).await;
            connection.close(quinn::VarInt::from_u32(0), b"the server is gone");
            upwards.abort();
        });
    }
}

fn changed(change: &Mutex<Change>, key: &Identity, bytes: Vec<u8>) -> Vec<Sent> {
    change.lock().unwrap_or_else(PoisonError::into_inner)(key, bytes)
}

/// What the agent says.
async fn up(mut from: RecvStream, to: LinkSender, ends: Arc<Ends>, connection: Connection) {
    while let Ok(Some(bytes)) = frame::read(&mut from, || frame::MAX_FRAME).await {
        for sent in changed(&ends.to_server, &ends.hospital, bytes) {
            let Sent::Frame(bytes) = sent else { continue };
            if to.send(bytes).await.is_err() {
                return;
            }
        }
    }
    connection.close(quinn::VarInt::from_u32(0), b"the agent is gone");
}

/// What the server says.
async fn down(mut link: Link, mut to: SendStream, ends: &Ends) {
    while let Ok(bytes) = link.recv().await {
        for sent in changed(&ends.to_agent, &ends.coordinator, bytes) {
            let written = match sent {
                Sent::Frame(bytes) => frame::write(&mut to, &bytes).await.is_ok(),
                Sent::Raw(bytes) => to.write_all(&bytes).await.is_ok(),
            };
            if !written {
                return;
            }
        }
    }
}

/// Sends bytes as they are to the server, over a link of this hospital's own key; true if the server then
/// ends the link.
///
/// # Panics
/// When no link can be made.
#[must_use]
pub fn raw_to_server(deployment: &Deployment, hospital: usize, bytes: &[u8]) -> bool {
    let coordinator = Folder::new(deployment.lcg()).identity().expect("the coordinator's key").public();
    let own = samensom_node::identity::load(&deployment.state(hospital)).expect("a key file");
    let own = own.expect("the hospital's key");
    let runtime = Runtime::new().expect("a runtime");
    let (config, _) = samensom_node::tls::client(&own, &coordinator).expect("TLS");
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).expect("QUIC");
    runtime.block_on(async {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let config = quinn::ClientConfig::new(Arc::new(config));
        let connecting = endpoint.connect_with(config, deployment.server_address, "samensom");
        let connection = connecting.expect("an address").await.expect("a link");
        let (mut to, _from) = connection.open_bi().await.expect("a stream");
        let _ = to.write_all(bytes).await;
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), connection.closed()).await;
        ended.is_ok()
    })
}
