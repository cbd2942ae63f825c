//! A seeded UDP relay that loses, doubles, delays, reorders and drops what is too long, and moves clients.
//!
//! Owns its sockets and threads; it ends when it is dropped. Each client has a socket of its own towards the
//! server, which is replaced now and then as a NAT does. It understands nothing of what it carries.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const LARGEST: usize = 1 << 16;
const LOOK: Duration = Duration::from_millis(200);
/// Of an IPv4 packet, beside what UDP carries.
const HEADERS: usize = 28;

/// What the network does to packets.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Of a hundred packets so many are lost.
    pub loss: u64,
    /// Of a hundred so many arrive twice.
    pub duplicates: u64,
    /// Each is delayed by up to so many milliseconds, which reorders them.
    pub delay_ms: u64,
    /// Longer packets are dropped.
    pub mtu: usize,
    /// A client's address changes after at most so many milliseconds; 0 never.
    pub rebind_ms: u64,
}

impl Weather {
    /// All that assurance row R10 names.
    pub const STORM: Weather =
        Weather { loss: 30, duplicates: 50, delay_ms: 50, mtu: 1280, rebind_ms: 20_000 };
    /// A network in order.
    pub const CLEAR: Weather = Weather { loss: 0, duplicates: 0, delay_ms: 0, mtu: LARGEST, rebind_ms: 0 };
}

/// What a relay did so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets that arrived once at least.
    pub carried: AtomicU64,
    /// Packets that were lost.
    pub lost: AtomicU64,
    /// Packets that arrived twice.
    pub doubled: AtomicU64,
    /// Packets that were too long.
    pub too_long: AtomicU64,
    /// Addresses that changed.
    pub moved: AtomicU64,
}

/// Whose way a packet goes.
enum Way {
    ToServer(Arc<UdpSocket>),
    ToClient(SocketAddr),
}

/// A packet that waits; `number` keeps the order of equal times.
struct Waiting {
    due: Instant,
    number: u64,
    way: Way,
    packet: Vec<u8>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

struct State {
    weather: Weather,
    random: ChaCha20Rng,
    waiting: BinaryHeap<Reverse<Waiting>>,
    number: u64,
}

struct Shared {
    server: SocketAddr,
    front: UdpSocket,
    state: Mutex<State>,
    due: Condvar,
    over: AtomicBool,
    counts: Arc<Counts>,
}

/// A running relay.
pub struct BadNetwork {
    /// What the agents dial.
    pub address: SocketAddr,
    /// What it did so far.
    pub counts: Arc<Counts>,
    shared: Arc<Shared>,
}

impl core::fmt::Debug for BadNetwork {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BadNetwork").field("address", &self.address).field("counts", &self.counts).finish()
    }
}

/// One client's socket towards the server.
struct Back {
    socket: Arc<UdpSocket>,
    until: Option<Instant>,
    replaced: Arc<AtomicBool>,
}

impl BadNetwork {
    /// Starts one before `server`.
    ///
    /// # Panics
    /// When there is no socket.
    #[must_use]
    pub fn start(server: SocketAddr, weather: Weather, seed: u64) -> BadNetwork {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        front.set_read_timeout(Some(LOOK)).expect("a timeout");
        let (address, counts) = (front.local_addr().expect("an address"), Arc::<Counts>::default());
        let random = ChaCha20Rng::seed_from_u64(seed);
        let state = Mutex::new(State { weather, random, waiting: BinaryHeap::new(), number: 0 });
        let over = AtomicBool::new(false);
        let shared = Shared { server, front, state, due: Condvar::new(), over, counts: Arc::clone(&counts) };
        let shared = Arc::new(shared);
        for work in [forward, deliver] {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || work(&shared));
        }
        BadNetwork { address, counts, shared }
    }

    /// From now on the network does this.
    pub fn set(&self, weather: Weather) {
        self.shared.state().weather = weather;
    }

    /// From now on the network is in order.
    pub fn heal(&self) {
        self.set(Weather::CLEAR);
    }

    /// What it did so far, in words.
    #[must_use]
    pub fn tally(&self) -> String {
        let Counts { carried, lost, doubled, too_long, moved } = &*self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} packets carried, {} lost, {} twice, {} too long, {} addresses changed",
            of(carried),
            of(lost),
            of(doubled),
            of(too_long),
            of(moved)
        )
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.due.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Decides what happens to a packet: how often it arrives, and when.
    fn take(&self, packet: &[u8], way: impl Fn() -> Way) {
        let mut state = self.state();
        let weather = state.weather;
        if packet.len() + HEADERS > weather.mtu {
            self.counts.too_long.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if state.random.next_u64() % 100 < weather.loss {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let twice = state.random.next_u64() % 100 < weather.duplicates;
        self.counts.carried.fetch_add(1, Ordering::Relaxed);
        self.counts.doubled.fetch_add(u64::from(twice), Ordering::Relaxed);
        for _ in 0..=u8::from(twice) {
            let delay = state.random.next_u64() % (weather.delay_ms * 1000 + 1);
            state.number += 1;
            let (due, number) = (Instant::now() + Duration::from_micros(delay), state.number);
            state.waiting.push(Reverse(Waiting { due, number, way: way(), packet: packet.to_vec() }));
        }
        drop(state);
        self.due.notify_one();
    }

    /// How long a client keeps its address from now on.
    fn stay(&self) -> Option<Instant> {
        let mut state = self.state();
        let longest = state.weather.rebind_ms;
        let stay = longest / 4 + state.random.next_u64() % (longest + 1);
        (longest > 0).then(|| Instant::now() + Duration::from_millis(stay.min(longest)))
    }
}

/// Clients to the server.
fn forward(shared: &Arc<Shared>) {
    let mut backs: BTreeMap<SocketAddr, Back> = BTreeMap::new();
    let mut packet = vec![0; LARGEST];
    while !shared.is_over() {
        let Ok((length, client)) = shared.front.recv_from(&mut packet) else { continue };
        let moves = shared.state().weather.rebind_ms > 0;
        let due = |back: &Back| moves && back.until.is_none_or(|until| until <= Instant::now());
        if backs.get(&client).is_some_and(due) {
            let old = backs.remove(&client).expect("it was there");
            old.replaced.store(true, Ordering::Relaxed);
            shared.counts.moved.fetch_add(1, Ordering::Relaxed);
        }
        let back = backs.entry(client).or_insert_with(|| back(shared, client));
        let socket = Arc::clone(&back.socket);
        shared.take(&packet[..length], || Way::ToServer(Arc::clone(&socket)));
    }
    backs.values().for_each(|back| back.replaced.store(true, Ordering::Relaxed));
}

/// A client's way to the server, and the thread that takes the answers.
fn back(shared: &Arc<Shared>, client: SocketAddr) -> Back {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(shared.server).expect("a way");
    socket.set_read_timeout(Some(LOOK)).expect("a timeout");
    let (socket, replaced) = (Arc::new(socket), Arc::new(AtomicBool::new(false)));
    let back = Back { socket: Arc::clone(&socket), until: shared.stay(), replaced: Arc::clone(&replaced) };
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut packet = vec![0; LARGEST];
        while !shared.is_over() && !replaced.load(Ordering::Relaxed) {
            if let Ok(length) = socket.recv(&mut packet) {
                shared.take(&packet[..length], || Way::ToClient(client));
            }
        }
    });
    back
}

/// Sends what is due.
fn deliver(shared: &Arc<Shared>) {
    let mut state = shared.state();
    while !shared.is_over() {
        let now = Instant::now();
        let wait = match state.waiting.peek() {
            Some(Reverse(next)) if next.due <= now => Duration::ZERO,
            Some(Reverse(next)) => next.due - now,
            None => LOOK,
        };
        if wait.is_zero() {
            let Some(Reverse(next)) = state.waiting.pop() else { continue };
            drop(state);
            // A packet that cannot be sent is one more that is lost.
            let _ = match next.way {
                Way::ToServer(socket) => socket.send(&next.packet),
                Way::ToClient(client) => shared.front.send_to(&next.packet, client),
            };
            state = shared.state();
        } else {
            let waited = shared.due.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
