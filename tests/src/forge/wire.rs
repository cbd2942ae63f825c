//! A coordinator that lies on the real wire: it stands between a real agent and the real server, with the
//! coordinator's key and the hospital's, and changes what it likes.
//!
//! To the agent it is the server it pinned; to the server it is the agent. Owns its endpoint and its tasks,
//! which end when it is dropped, and keeps what the agent said. It must not touch a file of either program
//! but to read their keys.

use crate::deployment::Deployment;
use quinn::{Endpoint, RecvStream, SendStream, VarInt};
use samensom_coordinator::{folder::Folder, frame, tls};
use samensom_node::link::{Link, LinkSender, Timing, dial};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use samensom_protocol::message::{Message, is_channel};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long the server may take to end a link.
const FAREWELL: Duration = Duration::from_secs(3);

/// What becomes of a frame: none, itself, or others; signed with the key of whom it is to come from.
pub type Change = Box<dyn FnMut(&Identity, Vec<u8>) -> Vec<Sent> + Send>;

/// What is sent in place of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A frame.
    Frame(Vec<u8>),
    /// Bytes as they are, length and all.
    Raw(Vec<u8>),
}

/// The one in between.
pub struct Middle {
    ends: Arc<Ends>,
    runtime: Option<Runtime>,
}

struct Ends {
    coordinator: Identity,
    hospitals: BTreeMap<PublicKey, Identity>,
    server: SocketAddr,
    timing: Timing,
    to_agent: Mutex<Change>,
    to_server: Mutex<Change>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    honest: bool,
    lied: Option<Instant>,
    said: Vec<(Instant, Message)>,
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
        Middle::before(deployment, &[hospital], to_agent, to_server)
    }

    /// Stands between these hospitals' agents and the server.
    ///
    /// # Panics
    /// When the keys cannot be read or no port is free.
    #[must_use]
    pub fn before(
        deployment: &Deployment,
        hospitals: &[usize],
        to_agent: Change,
        to_server: Change,
    ) -> Middle {
        let pace = &deployment.pace;
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let ends = Arc::new(Ends {
            coordinator: coordinator(deployment),
            hospitals: hospitals
                .iter()
                .map(|hospital| own(deployment, *hospital))
                .map(|key| (key.public(), key))
                .collect(),
            server: deployment.server_address,
            timing: Timing { idle: ms(pace.idle_ms), keep_alive: ms(pace.keep_alive_ms) },
            to_agent: Mutex::new(to_agent),
            to_server: Mutex::new(to_server),
            book: Mutex::default(),
        });
        let runtime = Runtime::new().expect("a runtime");
        let config = tls::server(&ends.coordinator).expect("TLS");
        let config = quinn::ServerConfig::with_crypto(Arc::new(config));
        let endpoint = {
            let _inside = runtime.enter();
            Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
        };
        for hospital in hospitals {
            deployment.dial_from(*hospital, endpoint.local_addr().expect("its address"));
        }
        runtime.spawn(accept(endpoint, Arc::clone(&ends)));
        Middle { ends, runtime: Some(runtime) }
    }

    /// When it first sent anything but what it had got.
    #[must_use]
    pub fn lied(&self) -> Option<Instant> {
        self.ends.book().lied
    }

    /// The agent's messages of sessions after this moment.
    #[must_use]
    pub fn said_after(&self, moment: Instant) -> Vec<Message> {
        let book = self.ends.book();
        let after = book.said.iter().filter(|(at, _)| *at > moment);
        after.map(|(_, message)| message.clone()).collect()
    }

    /// From now on it passes everything on.
    pub fn be_honest(&self) {
        self.ends.book().honest = true;
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Ends {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, change: &Mutex<Change>, key: &Identity, bytes: Vec<u8>) -> Vec<Sent> {
        let as_it_was = vec![Sent::Frame(bytes.clone())];
        if self.book().honest {
            return as_it_was;
        }
        let sent = change.lock().unwrap_or_else(PoisonError::into_inner)(key, bytes);
        if sent != as_it_was {
            self.book().lied.get_or_insert_with(Instant::now);
        }
        sent
    }

    fn note(&self, bytes: &[u8]) {
        if let Ok(message) = Message::from_frame(bytes)
            && !is_channel(bytes)
        {
            self.book().said.push((Instant::now(), message));
        }
    }
}

fn coordinator(deployment: &Deployment) -> Identity {
    Folder::new(deployment.lcg()).identity().expect("the coordinator's key")
}

fn own(deployment: &Deployment, hospital: usize) -> Identity {
    let key = samensom_node::identity::load(&deployment.state(hospital)).expect("a key file");
    key.expect("the hospital's key")
}

async fn accept(endpoint: Endpoint, ends: Arc<Ends>) {
    while let Some(incoming) = endpoint.accept().await {
        let ends = Arc::clone(&ends);
        tokio::spawn(async move {
            let Ok(connecting) = incoming.accept() else { return };
            let Ok(connection) = connecting.await else { return };
            let Ok((to, from)) = connection.accept_bi().await else { return };
            let Some(hospital) = tls::peer_key(&connection).and_then(|key| ends.hospitals.get(&key)) else {
                return;
            };
            let (address, key) = (ends.server.to_string(), ends.coordinator.public());
            let Ok(link) = dial(&address, &key, hospital, ends.timing).await else { return };
            // When one of the two is gone, so is the other.
            tokio::select! {
                () = up(from, link.sender(), &ends, hospital) => {}
                () = down(link, to, &ends) => {}
            }
            connection.close(VarInt::from_u32(0), b"the other end is gone");
        });
    }
}

/// What the agent says.
async fn up(mut from: RecvStream, to: LinkSender, ends: &Ends, hospital: &Identity) {
    while let Ok(Some(bytes)) = frame::read(&mut from, || frame::MAX_FRAME).await {
        ends.note(&bytes);
        for sent in ends.changed(&ends.to_server, hospital, bytes) {
            let Sent::Frame(bytes) = sent else { continue };
            if to.send(bytes).await.is_err() {
                return;
            }
        }
    }
}

/// What the server says.
async fn down(mut link: Link, mut to: SendStream, ends: &Ends) {
    while let Ok(bytes) = link.recv().await {
        for sent in ends.changed(&ends.to_agent, &ends.coordinator, bytes) {
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
    let runtime = Runtime::new().expect("a runtime");
    let key = coordinator(deployment).public();
    let (config, _) = samensom_node::tls::client(&own(deployment, hospital), &key).expect("TLS");
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).expect("QUIC");
    runtime.block_on(async {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let config = quinn::ClientConfig::new(Arc::new(config));
        let connecting = endpoint.connect_with(config, deployment.server_address, "samensom");
        let connection = connecting.expect("an address").await.expect("a link");
        let (mut to, _from) = connection.open_bi().await.expect("a stream");
        // A link that is ended meanwhile takes no more.
        let _ = to.write_all(bytes).await;
        tokio::time::timeout(FAREWELL, connection.closed()).await.is_ok()
    })
}
