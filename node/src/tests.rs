//! The agent against a coordinator made of a few lines: enrolment, admission, reconnection.

use crate::chain::Chain;
use crate::check::{Level, check};
use crate::clock::now;
use crate::config::Config;
use crate::enroll::{Operator, Wish, enroll};
use crate::error::Error;
use crate::ledger::Pins;
use crate::link::Timing;
use crate::link::tests::{accept, listen, read, write};
use crate::testing::{after, first, member, members, sign, text};
use crate::tls::tests::identity;
use crate::{identity as keys, run, status};
use samensom_protocol::admission::{Admission, EnrolRefusal, RosterAt, Token, TokenSecret, words};
use samensom_protocol::audit::{Head, SignedHead};
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::crypto::commit::leaf;
use samensom_protocol::crypto::tree::Tree;
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::roster::{Roster, SignedRoster};
use samensom_protocol::time::Time;
use samensom_protocol::transparency::{SignedTreeHead, head_of, proof_of};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const COORDINATOR: u8 = 2;
const SECRET: [u8; 32] = [0xab; 32];

/// What the coordinator has and has heard.
#[derive(Default)]
struct Desk {
    rosters: Vec<SignedRoster>,
    key: Option<PublicKey>,
    hellos: Vec<Option<RosterAt>>,
    links: usize,
    /// The head of the node's audit log that was kept last.
    log: Option<Head>,
    /// Frames of a session that are sent before every answer.
    before: Vec<Vec<u8>>,
    /// Entries of its transparency log, as bytes.
    entries: Vec<u8>,
}

type Shared = Arc<Mutex<Desk>>;

fn head(desk: &Desk) -> RosterAt {
    let last = desk.rosters.last().unwrap();
    RosterAt { epoch: u32::try_from(desk.rosters.len() - 1).unwrap(), hash: Roster::hash_of(&last.body) }
}

fn answer(desk: &mut Desk, key: PublicKey, asked: Admission) -> Admission {
    match asked {
        Admission::Hello { roster, .. } => {
            desk.hellos.push(roster);
            Admission::Welcome {
                software: text("test"),
                node: desk.key.map(|_| NodeId(1)),
                head: head(desk),
                at: now(),
            }
        }
        Admission::Enrol { hospital, secret } if secret.0.0 == SECRET && hospital == NodeId(1) => {
            desk.key = Some(key);
            Admission::Enrolled
        }
        Admission::Enrol { .. } => Admission::EnrolRefused(EnrolRefusal::UnknownToken),
        Admission::RostersAfter(after) => {
            let skip = after.map_or(0, |epoch| usize::try_from(epoch).unwrap() + 1);
            // Two at a time, so that a node must ask again.
            let some = desk.rosters.iter().skip(skip).take(2).cloned().collect();
            Admission::Rosters(List::new(some).unwrap())
        }
        Admission::Log(signed) => {
            let own =
                SignedHead::new(&identity(COORDINATOR), Head { number: 7, hash: signed.head.hash }).unwrap();
            Admission::LogNoted { before: desk.log.replace(signed.head), own: Box::new(own) }
        }
        Admission::TreeSince(sizes) => {
            let mut tree = Tree::default();
            desk.entries.iter().for_each(|entry| tree.push(leaf(&[*entry])));
            let proof = |old: &u64| tree.consistency(usize::try_from(*old).unwrap(), tree.size());
            let proofs = sizes.iter().map(|old| proof_of(proof(old)).unwrap_or_default()).collect();
            let head =
                SignedTreeHead::new(&identity(COORDINATOR), head_of(&tree, tree.size()).unwrap()).unwrap();
            Admission::Tree { head: Box::new(head), proofs: List::new(proofs).unwrap() }
        }
        other => panic!("{other:?}"),
    }
}

/// A coordinator with the founding roster; its address.
fn coordinator() -> (Shared, String) {
    let desk = Shared::default();
    desk.lock().unwrap().rosters.push(first().0);
    let (endpoint, address) = listen(COORDINATOR);
    let shared = Arc::clone(&desk);
    tokio::spawn(async move {
        loop {
            let (connection, mut send, mut recv, key) = accept(&endpoint).await;
            let desk = Arc::clone(&shared);
            desk.lock().unwrap().links += 1;
            tokio::spawn(async move {
                while let Some(frame) = read(&mut recv).await {
                    // Frames of sessions are nothing to this coordinator.
                    let Ok(asked) = Admission::from_frame(&frame) else { continue };
                    let (before, answer) = {
                        let mut desk = desk.lock().unwrap();
                        (desk.before.clone(), answer(&mut desk, key, asked))
                    };
                    for frame in before {
                        write(&mut send, &frame).await;
                    }
                    write(&mut send, &answer.to_frame().unwrap()).await;
                }
                drop(connection);
            });
        }
    });
    (desk, address)
}

fn token(address: &str) -> Token {
    Token {
        coordinator: text(address),
        coordinator_key: identity(COORDINATOR).public(),
        founding_roster: first().1,
        hospital: NodeId(1),
        institution: text("h1"),
        expires: Time(u64::from(u32::MAX) * 1_000),
        secret: TokenSecret(Bytes(SECRET)),
    }
}

fn write_token(dir: &Path, token: &Token) -> Wish {
    let path = dir.join("token.toml");
    std::fs::write(&path, toml::to_string(token).unwrap()).unwrap();
    Wish { token_file: Some(path), wait: false, accept: None }
}

fn config(dir: &Path) -> Config {
    let timing = Timing { idle: Duration::from_secs(2), keep_alive: Duration::from_millis(300) };
    Config { timing, ..Config::bare(&dir.join("state")) }
}

/// An operator who says `answer` to whatever is asked, and what was shown.
#[derive(Default)]
struct Told {
    answer: Option<bool>,
    lines: Vec<String>,
    asked: Vec<String>,
}

impl Operator for Told {
    fn show(&mut self, fact: &crate::enroll::Fact) {
        self.lines.extend(fact.to_string().lines().map(str::to_owned));
    }
    fn progress(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }
    fn confirm(&mut self, question: &str) -> Option<bool> {
        self.asked.push(question.to_owned());
        self.answer
    }
}

/// LCG admits the enrolled key, among `n` hospitals; gives the new roster's words.
fn admit(desk: &Shared, n: u16) -> String {
    let mut desk = desk.lock().unwrap();
    let mut all = members(n);
    all[0] = member(1, desk.key.unwrap());
    let next = sign(&after(desk.rosters.last().unwrap(), all));
    desk.rosters.push(next);
    words(&head(&desk).hash.0)
}

async fn enrolled(dir: &Path) -> (Shared, Config) {
    let (desk, address) = coordinator();
    let config = config(dir);
    let wish = write_token(dir, &token(&address));
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    (desk, config)
}

#[tokio::test]
async fn a_hospital_enrols_waits_and_compares_the_words() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, address) = coordinator();
    let config = config(dir.path());
    let wish = Wish { wait: true, ..write_token(dir.path(), &token(&address)) };
    let mut told = Told { answer: Some(true), ..Told::default() };
    let shared = Arc::clone(&desk);
    let lcg = tokio::spawn(async move {
        while shared.lock().unwrap().key.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        admit(&shared, 7)
    });
    enroll(&config, &wish, &mut told).await.unwrap();
    let roster = lcg.await.unwrap();
    let key = keys::load(&config.state).unwrap().unwrap().public();
    assert_eq!(desk.lock().unwrap().key, Some(key));
    assert!(told.lines.iter().any(|line| line.contains(&words(&key.0))), "{:?}", told.lines);
    assert!(told.asked[0].contains(&roster) && told.asked[0].contains("7 come"), "{:?}", told.asked);
    let shown = status::read(&config).unwrap();
    assert!(shown.admitted && !shown.running && shown.held.is_none());
    assert_eq!((shown.node, shown.roster.unwrap().words), (1, roster));
}

#[tokio::test]
async fn words_that_do_not_fit_accept_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let roster = admit(&desk, 7);
    let wish = |accept: &str| Wish { token_file: None, wait: true, accept: Some(accept.to_owned()) };
    let wrong = "babab babab babab babab babab babab";
    let refused = enroll(&config, &wish(wrong), &mut Told::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Words { .. }), "{refused}");
    assert_eq!(refused.exit_code(), 4);
    assert!(refused.to_string().contains(&roster), "{refused}");
    assert!(!status::read(&config).unwrap().admitted);

    // Nobody to ask: held, and nothing is accepted.
    let nobody = Wish { token_file: None, wait: true, accept: None };
    let held = enroll(&config, &nobody, &mut Told::default()).await.unwrap_err();
    assert!(matches!(held, Error::Held { epoch: 1, .. }), "{held}");
    let no =
        enroll(&config, &nobody, &mut Told { answer: Some(false), ..Told::default() }).await.unwrap_err();
    assert!(matches!(no, Error::Held { .. }), "{no}");
    assert!(!status::read(&config).unwrap().admitted);

    // It was fetched before, so no second link is needed to accept it.
    let links = desk.lock().unwrap().links;
    enroll(&config, &wish(&roster), &mut Told::default()).await.unwrap();
    assert!(status::read(&config).unwrap().admitted);
    assert_eq!(desk.lock().unwrap().links, links);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, address) = coordinator();
    let config = config(dir.path());
    let good = token(&address);
    for (bad, code) in [
        (Token { expires: Time(1), ..good.clone() }, 3),
        (Token { secret: TokenSecret(Bytes([1; 32])), ..good.clone() }, 4),
        (Token { coordinator_key: identity(9).public(), ..good.clone() }, 5),
    ] {
        let wish = write_token(dir.path(), &bad);
        let refused = enroll(&config, &wish, &mut Told::default()).await.unwrap_err();
        assert_eq!(refused.exit_code(), code, "{refused}");
        assert!(Pins::open(&config.state).unwrap().enrolment().unwrap().is_none());
    }
    let wish = write_token(dir.path(), &good);
    let path = wish.token_file.clone().unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.replace("secret = \"ab", "secret = \"AB")).unwrap();
    let refused = enroll(&config, &wish, &mut Told::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Token { .. }), "{refused}");
    assert!(!refused.to_string().to_lowercase().contains("abab"), "{refused}");
    assert_eq!(desk.lock().unwrap().key, None);
}

#[tokio::test]
async fn a_state_folder_stays_with_one_hospital() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let key = desk.lock().unwrap().key;
    let address = status::read(&config).unwrap().coordinator;
    for other in [
        Token { hospital: NodeId(2), ..token(&address) },
        Token { founding_roster: RosterHash([1; 32]), ..token(&address) },
    ] {
        let wish = write_token(dir.path(), &other);
        let refused = enroll(&config, &wish, &mut Told::default()).await.unwrap_err();
        assert!(matches!(refused, Error::OtherEnrolment { .. }), "{refused}");
    }
    let named = Config { name: Some("h9".to_owned()), file: Some("node.toml".into()), ..config.clone() };
    let refused = enroll(&named, &Wish::default(), &mut Told::default()).await.unwrap_err();
    assert_eq!(refused.exit_code(), 3, "{refused}");
    enroll(&config, &write_token(dir.path(), &token(&address)), &mut Told::default()).await.unwrap();
    assert_eq!(desk.lock().unwrap().key, key);
}

async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), wait).await.expect("it never came about");
}

#[tokio::test]
async fn the_service_follows_a_roster_once_it_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let roster = admit(&desk, 7);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = tokio::spawn(run(config.clone(), async { stopped.await.unwrap_or_default() }));
    let held = || status::read(&config).is_ok_and(|status| status.held.is_some());
    until(held).await;
    assert!(status::read(&config).unwrap().running);
    let second = run(config.clone(), std::future::pending()).await.unwrap_err();
    assert!(second.to_string().contains("another samensom-node runs"), "{second}");

    let wish = Wish { token_file: None, wait: true, accept: Some(roster) };
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    let follows = |epoch| {
        move |desk: &Desk| desk.hellos.last().is_some_and(|at| at.is_some_and(|at| at.epoch == epoch))
    };
    until(|| follows(1)(&desk.lock().unwrap())).await;

    // Listed, it tells how far its audit log has come, and keeps how far the coordinator's has.
    let told = |words: &str| {
        let shown = crate::audit::show(&config, None, None).unwrap();
        shown.iter().any(|one| one.words.contains(words))
    };
    until(|| desk.lock().unwrap().log.is_some()).await;
    until(|| told("the coordinator's log has 7 records")).await;
    for words in ["token of h1", "enrolled as h1", "roster 1 waits", "operator accepts", "the agent of h1"] {
        assert!(told(words), "{words}");
    }

    // Two small rosters later, after the link was lost: fetched in steps, accepted without asking.
    admit(&desk, 9);
    admit(&desk, 10);
    admit(&desk, 11);
    stop.send(()).unwrap();
    service.await.unwrap().unwrap();
    assert!(told("the agent stopped: asked to"));
    let again = tokio::spawn(run(config.clone(), std::future::pending()));
    let current = || status::read(&config).unwrap().roster.unwrap().epoch == 4;
    until(current).await;
    assert!(told("roster 4 is followed"));
    again.abort();
}

/// Attack R31: the log is forked to this hospital; it is found at the next contact and stops the agent until resumed.
#[tokio::test]
async fn a_forked_transparency_log_is_found_at_the_next_contact() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let roster = admit(&desk, 7);
    desk.lock().unwrap().entries = vec![1, 2, 3];
    let wish = Wish { token_file: None, wait: true, accept: Some(roster) };
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    let told = |words: &str| {
        let shown = crate::audit::show(&config, None, None).unwrap();
        shown.iter().filter(|one| one.words.contains(words)).count()
    };
    let contact = |entries: &[u8]| {
        desk.lock().unwrap().entries = entries.to_vec();
        tokio::spawn(run(config.clone(), std::future::pending()))
    };
    let service = contact(&[1, 2, 3]);
    until(|| told("goes on to 3 entries") == 1).await;
    service.abort();
    let _ = service.await;
    let service = contact(&[1, 2, 3, 4, 5]);
    until(|| told("goes on to 5 entries") == 1).await;
    assert_eq!(status::read(&config).unwrap().paused, None);
    service.abort();
    let _ = service.await;
    let service = contact(&[1, 2, 9, 4, 5, 6]);
    until(|| told("two stories: ") == 1).await;
    until(|| status::read(&config).unwrap().paused.is_some()).await;
    let shown = status::read(&config).unwrap();
    assert!(shown.to_string().contains("stopped:"), "{shown}");
    service.abort();
    let _ = service.await;
    // It stays stopped, also with the true log; the operator may go on with it, or begin anew.
    crate::pause::resume(&config, false).unwrap();
    let service = contact(&[1, 2, 9]);
    until(|| told("two stories: ") == 2).await;
    service.abort();
    let _ = service.await;
    crate::pause::resume(&config, true).unwrap();
    let service = contact(&[1, 2, 9]);
    until(|| told("goes on to 3 entries") == 2).await;
    assert_eq!(status::read(&config).unwrap().paused, None);
    service.abort();
}

#[tokio::test]
async fn frames_of_sessions_do_not_disturb_a_hello() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let roster = admit(&desk, 7);
    desk.lock().unwrap().before = vec![vec![1, 7], vec![1, 8]];
    let wish = Wish { token_file: None, wait: true, accept: Some(roster) };
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    let enrolment = Pins::open(&config.state).unwrap().enrolment().unwrap().unwrap();
    let me = keys::load(&config.state).unwrap().unwrap();
    let timing = Timing::default();
    let mut link =
        crate::link::dial(&enrolment.coordinator, &enrolment.coordinator_key, &me, timing).await.unwrap();
    let mut pins = Pins::open(&config.state).unwrap();
    let mut chain = Chain::load(&pins, enrolment.founding_roster).unwrap();
    crate::hello::greet(&mut link, &mut chain, &mut pins).await.unwrap();
    for frame in [[1, 7], [1, 8]] {
        let came = tokio::time::timeout(Duration::from_secs(1), link.recv()).await;
        assert_eq!(came.expect("a frame was lost").unwrap(), frame);
    }
}

#[tokio::test]
async fn another_roster_of_a_known_number_stops_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, config) = enrolled(dir.path()).await;
    let roster = admit(&desk, 7);
    let wish = Wish { token_file: None, wait: true, accept: Some(roster) };
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    desk.lock().unwrap().rosters.pop();
    admit(&desk, 8);
    let forked = enroll(&config, &wish, &mut Told::default()).await.unwrap_err();
    assert!(matches!(forked, Error::Fork { epoch: 1, .. }), "{forked}");
}

#[tokio::test]
async fn check_says_what_is_wrong_and_who_can_mend_it() {
    let dir = tempfile::tempdir().unwrap();
    let line = |findings: &crate::check::Findings, area: &str| {
        findings.lines().iter().rfind(|finding| finding.area == area).cloned()
    };
    let absent = check(Config::load(Path::new("/no/such.toml"))).await;
    assert!(!absent.good() && absent.lines().len() == 1);
    let before = check(Ok(config(dir.path()))).await;
    assert_eq!(line(&before, "disk").unwrap().level, Level::Fail);

    let (desk, config) = enrolled(dir.path()).await;
    let findings = check(Ok(config.clone())).await;
    for area in ["disk", "ledger", "identity", "dns", "udp", "tls", "clock"] {
        assert_eq!(line(&findings, area).unwrap().level, Level::Ok, "{findings}");
    }
    assert_eq!(line(&findings, "admitted").unwrap().level, Level::Fail, "{findings}");
    let roster = admit(&desk, 7);
    let findings = check(Ok(config.clone())).await;
    let held = line(&findings, "roster").unwrap();
    assert!(held.level == Level::Fail && held.todo.unwrap().contains(&roster), "{findings}");
    let wish = Wish { token_file: None, wait: true, accept: Some(roster) };
    enroll(&config, &wish, &mut Told::default()).await.unwrap();
    let findings = check(Ok(config.clone())).await;
    for area in ["admitted", "roster"] {
        assert_eq!(line(&findings, area).unwrap().level, Level::Ok, "{findings}");
    }
    assert_eq!(line(&findings, "data").unwrap().level, Level::Fail, "{findings}");
    let text = findings.to_string();
    assert!(
        text.contains("FAIL  data") && text.contains("\n      do:  ") && text.contains("\n      who: you"),
        "{text}"
    );

    let closed = Config { coordinator: Some("127.0.0.1:9".to_owned()), ..config };
    let findings = check(Ok(closed)).await;
    assert_eq!(line(&findings, "dns").unwrap().level, Level::Ok);
    let udp = line(&findings, "udp").unwrap();
    assert!(udp.level == Level::Fail && udp.who == Some("hospital network team"), "{findings}");
    assert!(line(&findings, "tls").is_none());
}
