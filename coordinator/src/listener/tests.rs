//! Links over real QUIC on loopback, with clients that behave and clients that do not.

use super::*;
use crate::store::tests::{advance, identity, store};
use crate::tls::testing::{Twist, client};
use quinn::{ConnectionError, RecvStream};
use samensom_protocol::admission::{EnrolRefusal, TokenSecret};
use samensom_protocol::codec::{Bytes, Text};
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use tempfile::TempDir;

struct Bench {
    listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
    store: Arc<Store>,
    _folder: TempDir,
}

/// A listener over a store whose head lists the hospitals 1 to `n`; the coordinator is identity 1000.
fn bench(n: u16) -> Bench {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(store(&folder, n));
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        idle: Duration::from_secs(5),
        keep_alive: Duration::from_secs(1),
    };
    let (listener, events) = Listener::open(options, &identity(1000), &store).unwrap();
    Bench { listener, events, store, _folder: folder }
}

struct Dialled {
    connection: Connection,
    to: SendStream,
    from: RecvStream,
    _endpoint: Endpoint,
}

impl Bench {
    async fn connect(&self, number: u16, twist: Twist) -> Result<(Endpoint, Connection), ConnectionError> {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = client(&identity(number), identity(1000).public(), twist);
        let connecting = endpoint.connect_with(config, self.listener.address, "coordinator").unwrap();
        Ok((endpoint, connecting.await?))
    }
    async fn dial(&self, number: u16) -> Dialled {
        let (endpoint, connection) = self.connect(number, Twist::None).await.unwrap();
        let (to, from) = connection.open_bi().await.unwrap();
        Dialled { connection, to, from, _endpoint: endpoint }
    }
    /// A link of a node that has said hello and was welcomed.
    async fn greet(&mut self, number: u16) -> Dialled {
        let mut dialled = self.dial(number).await;
        dialled.hello().await;
        assert_eq!(self.event().await, LinkEvent::Up(NodeId(number)));
        dialled
    }
    async fn event(&mut self) -> LinkEvent {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.unwrap().unwrap()
    }
}

impl Dialled {
    async fn say(&mut self, asked: &Admission) {
        frame::write(&mut self.to, &asked.to_frame().unwrap()).await.unwrap();
    }
    async fn hear(&mut self) -> Admission {
        let read = frame::read(&mut self.from, || MAX_FRAME);
        let bytes = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap().unwrap();
        Admission::from_frame(&bytes).unwrap()
    }
    async fn hello(&mut self) -> Option<NodeId> {
        self.say(&Admission::Hello { software: Text::new("test").unwrap(), roster: None }).await;
        match self.hear().await {
            Admission::Welcome { node, .. } => node,
            other => panic!("no welcome: {other:?}"),
        }
    }
    /// The code with which the coordinator closed the link.
    async fn closed(&self) -> u64 {
        let closed = tokio::time::timeout(Duration::from_secs(10), self.connection.closed()).await.unwrap();
        match closed {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("ended otherwise: {other}"),
        }
    }
}

#[tokio::test]
async fn a_listed_node_is_welcomed_and_its_frames_carry_its_number() {
    let mut bench = bench(3);
    let mut two = bench.dial(2).await;
    assert_eq!(two.hello().await, Some(NodeId(2)));
    assert_eq!(bench.event().await, LinkEvent::Up(NodeId(2)));
    assert_eq!(bench.listener.links.up(), [NodeId(2)]);
    let long = vec![1u8; MAX_FRAME];
    frame::write(&mut two.to, &long).await.unwrap();
    assert_eq!(bench.event().await, LinkEvent::Frame { from: NodeId(2), bytes: long });
    assert!(bench.listener.links.send(NodeId(2), vec![1, 2, 3]));
    assert!(bench.listener.links.send_when_free(NodeId(2), vec![4]).await);
    assert_eq!(frame::read(&mut two.from, || 9).await.unwrap().unwrap(), [1, 2, 3]);
    assert_eq!(frame::read(&mut two.from, || 9).await.unwrap().unwrap(), [4]);
    assert!(!bench.listener.links.send(NodeId(3), vec![1]), "not linked");
    two.connection.close(0u32.into(), b"");
    assert_eq!(bench.event().await, LinkEvent::Down(NodeId(2)));
    assert!(!bench.listener.links.is_up(NodeId(2)));
}

#[tokio::test]
async fn a_key_outside_the_roster_may_only_ask_for_admission() {
    let mut bench = bench(3);
    let mut stranger = bench.dial(77).await;
    assert_eq!(stranger.hello().await, None);
    stranger.say(&Admission::RostersAfter(None)).await;
    assert!(matches!(stranger.hear().await, Admission::Rosters(rosters) if rosters.len() == 2));
    stranger.say(&Admission::RostersAfter(Some(1))).await;
    assert!(matches!(stranger.hear().await, Admission::Rosters(rosters) if rosters.is_empty()));
    frame::write(&mut stranger.to, &[1, 2, 3]).await.unwrap();
    assert_eq!(stranger.closed().await, 3, "a session frame");
    let mut stranger = bench.dial(77).await;
    let claimed = u32::try_from(STRANGER_FRAME).unwrap() + 1;
    stranger.to.write_all(&claimed.to_be_bytes()).await.unwrap();
    assert_eq!(stranger.closed().await, 3, "a long frame, refused before it comes");
    bench.greet(1).await;
}

#[tokio::test]
async fn a_long_chain_of_rosters_comes_in_parts() {
    let bench = bench(3);
    (4..=8).for_each(|n| advance(&bench.store, n));
    let mut one = bench.dial(1).await;
    let mut epochs = Vec::new();
    for (after, expected) in [(None, 4), (Some(3), 3), (Some(6), 0), (Some(u32::MAX), 0)] {
        one.say(&Admission::RostersAfter(after)).await;
        let Admission::Rosters(rosters) = one.hear().await else { panic!() };
        assert_eq!(rosters.len(), expected, "after {after:?}");
        epochs.extend(rosters.iter().map(|roster| Roster::hash_of(&roster.body)));
    }
    let chain = bench.store.roster_chain().unwrap();
    assert_eq!(epochs, chain.iter().map(|roster| Roster::hash_of(&roster.body)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_frame_before_hello_ends_the_link() {
    let mut bench = bench(3);
    let mut one = bench.dial(1).await;
    frame::write(&mut one.to, &[1, 2, 3]).await.unwrap();
    assert_eq!(one.closed().await, 3);
    let mut one = bench.greet(1).await;
    one.say(&Admission::Enrolled).await;
    assert_eq!(one.closed().await, 3, "a frame that only the coordinator sends");
}

#[tokio::test]
async fn enrolment_takes_the_token_once_and_repeats_a_lost_answer() {
    let bench = bench(0);
    let id = bench.store.add_hospital("h1", "One", "north", "general", 0).unwrap().id;
    let secret = TokenSecret(Bytes([7; 32]));
    bench.store.put_token(id, &secret, Time(u64::MAX)).unwrap();
    let enrol = Admission::Enrol { hospital: id, secret };
    let mut one = bench.dial(1).await;
    for _ in 0..2 {
        one.say(&enrol).await;
        assert_eq!(one.hear().await, Admission::Enrolled);
    }
    let mut two = bench.dial(2).await;
    two.say(&enrol).await;
    assert_eq!(two.hear().await, Admission::EnrolRefused(EnrolRefusal::UsedToken));
    two.say(&Admission::Enrol { hospital: id, secret: TokenSecret(Bytes([8; 32])) }).await;
    two.to.finish().unwrap();
    assert_eq!(two.hear().await, Admission::EnrolRefused(EnrolRefusal::UnknownToken), "said last, answered");
    assert_eq!(bench.store.hospital("h1").unwrap().key, Some(identity(1).public()));
}

#[tokio::test]
async fn a_new_roster_lets_in_and_shows_out() {
    let mut bench = bench(3);
    let mut three = bench.greet(3).await;
    let mut five = bench.dial(5).await;
    assert_eq!(five.hello().await, None);
    advance(&bench.store, 5);
    assert!(
        matches!(five.hear().await, Admission::Welcome { node: Some(NodeId(5)), head, .. } if head.epoch == 2)
    );
    assert!(matches!(three.hear().await, Admission::Welcome { node: Some(NodeId(3)), .. }));
    assert_eq!(bench.event().await, LinkEvent::Up(NodeId(5)));
    // The first frame after it may be as long as any.
    frame::write(&mut five.to, &vec![1; STRANGER_FRAME + 1]).await.unwrap();
    assert!(matches!(bench.event().await, LinkEvent::Frame { from: NodeId(5), .. }));
    crate::store::tests::suspend(&bench.store, 3);
    assert_eq!(bench.event().await, LinkEvent::Down(NodeId(3)));
    frame::write(&mut three.to, &[1, 2, 3]).await.unwrap();
    assert_eq!(three.closed().await, 3);
}

#[tokio::test]
async fn a_newer_link_takes_the_place_of_the_older() {
    let mut bench = bench(3);
    let older = bench.greet(1).await;
    let mut newer = bench.dial(1).await;
    newer.hello().await;
    assert_eq!(bench.event().await, LinkEvent::Down(NodeId(1)));
    assert_eq!(bench.event().await, LinkEvent::Up(NodeId(1)));
    assert_eq!(older.closed().await, 1);
    assert!(bench.listener.links.send(NodeId(1), vec![9]));
    assert_eq!(frame::read(&mut newer.from, || 9).await.unwrap().unwrap(), [9]);
    assert_eq!(bench.listener.links.up(), [NodeId(1)]);
}

#[tokio::test]
async fn a_claimed_length_beyond_any_message_ends_the_link() {
    let mut bench = bench(3);
    for claimed in [0, u32::try_from(MAX_FRAME).unwrap() + 1, u32::MAX] {
        let mut one = bench.greet(1).await;
        one.to.write_all(&claimed.to_be_bytes()).await.unwrap();
        assert_eq!(one.closed().await, 3);
        assert_eq!(bench.event().await, LinkEvent::Down(NodeId(1)));
    }
}

#[tokio::test]
async fn a_slow_reader_is_dropped() {
    let mut bench = bench(3);
    let one = bench.greet(1).await;
    let sent = (0..100).take_while(|_| bench.listener.links.send(NodeId(1), vec![7; MAX_FRAME])).count();
    assert!((10..30).contains(&sent), "{sent} frames of 2 MiB");
    assert_eq!(one.closed().await, 2);
    assert_eq!(bench.event().await, LinkEvent::Down(NodeId(1)));
}

#[tokio::test]
async fn bulk_waits_for_the_reader() {
    let mut bench = bench(3);
    let mut one = bench.greet(1).await;
    let links = bench.listener.links.clone();
    let sender = tokio::spawn(async move {
        for _ in 0..40 {
            assert!(links.send_when_free(NodeId(1), vec![7; MAX_FRAME]).await);
        }
    });
    for _ in 0..40 {
        assert_eq!(frame::read(&mut one.from, || MAX_FRAME).await.unwrap().unwrap().len(), MAX_FRAME);
    }
    sender.await.unwrap();
    let links = bench.listener.links.clone();
    let stuck =
        tokio::spawn(async move { while links.send_when_free(NodeId(1), vec![7; MAX_FRAME]).await {} });
    tokio::time::sleep(Duration::from_millis(100)).await;
    one.connection.close(0u32.into(), b"");
    tokio::time::timeout(Duration::from_secs(10), stuck).await.expect("woken when the link ends").unwrap();
}

#[tokio::test]
async fn only_the_protocol_we_speak_gets_through_the_handshake() {
    let mut bench = bench(3);
    for twist in [Twist::NoKey, Twist::Classical, Twist::OtherAlpn] {
        // A client may believe itself connected before it hears that it was refused.
        let refusal = match bench.connect(1, twist).await {
            Ok((_endpoint, connection)) => {
                tokio::time::timeout(Duration::from_secs(10), connection.closed()).await.expect("refused")
            }
            Err(refusal) => refusal,
        };
        assert!(matches!(refusal, ConnectionError::ConnectionClosed(_)), "by TLS itself: {refusal}");
    }
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client(&identity(1), identity(1001).public(), Twist::None);
    let other = endpoint.connect_with(config, bench.listener.address, "coordinator").unwrap().await;
    assert!(other.is_err(), "the client expects another coordinator");
    assert!(bench.listener.links.up().is_empty());
    bench.greet(1).await;
    bench.listener.close().await;
}

/// One key's try at a token over a link of its own; none when the coordinator has no room for the link.
async fn present(bench: &Bench, number: u16, secret: TokenSecret) -> Option<Admission> {
    let (_endpoint, connection) = bench.connect(number, Twist::None).await.ok()?;
    let (mut to, mut from) = connection.open_bi().await.ok()?;
    let enrol = Admission::Enrol { hospital: NodeId(1), secret };
    frame::write(&mut to, &enrol.to_frame().unwrap()).await.ok()?;
    let bytes = frame::read(&mut from, || MAX_FRAME).await.ok()??;
    Some(Admission::from_frame(&bytes).unwrap())
}

/// Five hundred keys at once; those for whom there was no room try again until they are answered.
async fn presented(bench: &Arc<Bench>, secret: TokenSecret, first: u16) -> Vec<(u16, Admission)> {
    let all: Vec<_> = (first..first + 500)
        .map(|number| {
            let bench = Arc::clone(bench);
            tokio::spawn(async move {
                loop {
                    if let Some(answer) = present(&bench, number, secret).await {
                        return (number, answer);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in all {
        answers.push(tokio::time::timeout(Duration::from_secs(120), one).await.unwrap().unwrap());
    }
    answers
}

fn count(answers: &[(u16, Admission)], wanted: &Admission) -> usize {
    answers.iter().filter(|(_, answer)| answer == wanted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_five_hundred_links_takes_a_token_also_after_a_restart() {
    let (used, unknown, expired) = (
        Admission::EnrolRefused(EnrolRefusal::UsedToken),
        Admission::EnrolRefused(EnrolRefusal::UnknownToken),
        Admission::EnrolRefused(EnrolRefusal::ExpiredToken),
    );
    let mut bench = Arc::new(bench(0));
    let (secret, late) = (TokenSecret(Bytes([7; 32])), TokenSecret(Bytes([8; 32])));
    for slug in ["h1", "h2"] {
        bench.store.add_hospital(slug, slug, "north", "general", 0).unwrap();
    }
    let soon = crate::clock::now().plus_ms(3_600_000);
    bench.store.put_token(NodeId(1), &secret, soon).unwrap();
    let answers = presented(&bench, secret, 2000).await;
    assert_eq!((count(&answers, &Admission::Enrolled), count(&answers, &used)), (1, 499));
    let (winner, _) = answers.iter().find(|(_, answer)| *answer == Admission::Enrolled).unwrap();
    let noted = bench.store.hospital("h1").unwrap().key;
    assert_eq!(noted, Some(identity(*winner).public()));
    // A restart: another process would open the same file anew.
    let Ok(Bench { listener, store, _folder: folder, .. }) = Arc::try_unwrap(bench) else { panic!("shared") };
    listener.close().await;
    drop(store);
    let path = folder.path().join("samensom.db");
    let store = Arc::new(Store::open(&path).unwrap());
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        idle: Duration::from_secs(5),
        keep_alive: Duration::from_secs(1),
    };
    let (listener, events) = Listener::open(options, &identity(1000), &store).unwrap();
    bench = Arc::new(Bench { listener, events, store, _folder: folder });
    let answers = presented(&bench, secret, 3000).await;
    assert_eq!(count(&answers, &used), 500, "used stays used");
    assert_eq!(bench.store.hospital("h1").unwrap().key, noted);
    assert_eq!(
        present(&bench, *winner, secret).await,
        Some(Admission::Enrolled),
        "its answer may have been lost"
    );
    // Foreign and expired ones: a stable answer, and nothing changes.
    bench.store.put_token(NodeId(2), &late, soon).unwrap();
    assert_eq!(present(&bench, 4000, late).await, Some(unknown), "the token of another hospital");
    let old = TokenSecret(Bytes([9; 32]));
    bench.store.put_token(NodeId(1), &old, Time(1)).unwrap();
    assert_eq!(present(&bench, 4001, old).await, Some(expired));
    assert_eq!(bench.store.hospital("h1").unwrap().key, noted);
}

/// Each listed node gets the head and the proofs it asks for; a stranger gets nothing.
#[tokio::test]
async fn a_node_hears_how_far_the_transparency_log_has_come() {
    let place = TempDir::new().unwrap();
    let mut bench = bench(3);
    let audit =
        crate::audit::Audit::open(&crate::folder::Folder::new(place.path()), &Arc::new(identity(1000)));
    bench.store.audited(audit.unwrap());
    let first = bench.store.grown_since(&[]).unwrap().head;
    let mut two = bench.greet(2).await;
    advance(&bench.store, 4);
    assert!(matches!(two.hear().await, Admission::Welcome { .. }));
    let sizes = samensom_protocol::codec::List::new(vec![first.size, 99]).unwrap();
    two.say(&Admission::TreeSince(sizes.clone())).await;
    let Admission::Tree { head, proofs } = two.hear().await else { panic!("no head") };
    assert_eq!((head.head.size, proofs.len(), proofs[1].len()), (first.size + 1, 2, 0));
    let key = identity(1000).public();
    let goes_on = samensom_protocol::transparency::check_extends(&key, &first, &head, &proofs[0]);
    assert_eq!(goes_on, Ok(()));
    let mut stranger = bench.dial(77).await;
    stranger.hello().await;
    stranger.say(&Admission::TreeSince(sizes)).await;
    assert_eq!(stranger.closed().await, 3, "not for strangers");
}
