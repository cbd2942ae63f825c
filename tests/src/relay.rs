//! A UDP relay before the coordinator that keeps every packet it carries.
//!
//! Owns its sockets and threads; it stops when it is dropped. It understands nothing of what it carries.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LARGEST: usize = 1 << 16;
const LOOK: Duration = Duration::from_millis(50);

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    /// What the agents dial.
    pub address: SocketAddr,
    packets: Arc<Mutex<Vec<u8>>>,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// Starts one before `server`.
    ///
    /// # Panics
    /// When there is no socket.
    #[must_use]
    pub fn start(server: SocketAddr) -> Relay {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        front.set_read_timeout(Some(LOOK)).expect("a timeout");
        let address = front.local_addr().expect("an address");
        let (packets, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let relay = Relay { address, packets: Arc::clone(&packets), over: Arc::clone(&over) };
        std::thread::spawn(move || {
            let mut backs: BTreeMap<SocketAddr, UdpSocket> = BTreeMap::new();
            let mut packet = vec![0; LARGEST];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, client)) = front.recv_from(&mut packet) else { continue };
                keep(&packets, &packet[..length]);
                let back = backs.entry(client).or_insert_with(|| {
                    back(server, client, front.try_clone().expect("a socket"), &packets, &over)
                });
                // A packet that is lost is sent again by those who speak.
                let _ = back.send(&packet[..length]);
            }
        });
        relay
    }

    /// Everything carried so far, both ways.
    ///
    /// # Panics
    /// When one of its threads panicked.
    #[must_use]
    pub fn carried(&self) -> Vec<u8> {
        self.packets.lock().expect("no thread panicked").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn keep(packets: &Mutex<Vec<u8>>, packet: &[u8]) {
    packets.lock().expect("no thread panicked").extend_from_slice(packet);
}

/// The way to the server for one client, and the thread that carries the answers.
fn back(
    server: SocketAddr,
    client: SocketAddr,
    front: UdpSocket,
    packets: &Arc<Mutex<Vec<u8>>>,
    over: &Arc<AtomicBool>,
) -> UdpSocket {
    let back = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    back.connect(server).expect("a way");
    back.set_read_timeout(Some(LOOK)).expect("a timeout");
    let (answers, packets, over) =
        (back.try_clone().expect("a socket"), Arc::clone(packets), Arc::clone(over));
    std::thread::spawn(move || {
        let mut packet = vec![0; LARGEST];
        while !over.load(Ordering::Relaxed) {
            if let Ok(length) = answers.recv(&mut packet) {
                keep(&packets, &packet[..length]);
                let _ = front.send_to(&packet[..length], client);
            }
        }
    });
    back
}
