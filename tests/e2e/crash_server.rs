//! Crash points of `samensom serve` (R12): killed at its writes, syncs, renames and the packets after them.
//!
//! It is back within two seconds; a session that had begun goes on to the exact total, or ends by name; the
//! next slot has the total of all. Sample and commands as in `crash.rs`; all points:
//! `SAMENSOM_POINTS=all cargo test -p samensom-tests --test e2e -- --nocapture crash_server::`.

use crate::crash::{BACK, HOSPITALS, Played, Point, play_all, points};
use samensom_coordinator::store::{SessionState, Store};
use samensom_protocol::ids::SessionId;
use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::shim;
use std::time::{Duration, Instant};

/// Time for the agents to notice, dial again and answer within the round that was interrupted.
fn pace() -> Pace {
    let rounds_ms = [5000, 4000, 4000, 3000, 3000];
    Pace { spacing_s: 30, rounds_ms, idle_ms: 800, keep_alive_ms: 200, floors: false, family_sessions: 0 }
}

struct Server<'a> {
    point: &'a Point,
    kills: usize,
    back: Option<Duration>,
}

impl Server<'_> {
    /// Starts it again if it was killed: the first time perhaps to be killed in its recovery too.
    fn look(&mut self, deployment: &mut Deployment) {
        while !deployment.serves() {
            self.kills += 1;
            let again = self.point.again.filter(|_| self.kills == 1);
            let env = again.map(|step| shim::killing(&deployment.lcg(), step, self.point.moment));
            match deployment.try_serve(&env.unwrap_or_default()) {
                Ok(took) => {
                    assert!(took <= BACK, "it listens after {took:?} only");
                    self.back = self.back.max(Some(took));
                }
                Err(why) => assert!(again.is_some(), "it does not start again: {why}"),
            }
        }
    }

    fn session(&mut self, deployment: &mut Deployment, warrant: usize) -> Outcome {
        let mut session = deployment.begin(warrant);
        while !session.is_over() {
            self.look(deployment);
            std::thread::sleep(Duration::from_millis(5));
        }
        deployment.outcome(session)
    }

    /// How a session ended that lost its server: read from the store once it is over.
    fn resumed(&mut self, deployment: &mut Deployment, session: &str, slot: u64) -> Outcome {
        let id = SessionId::from_hex(session).expect("a session's id");
        let begun = Instant::now();
        let patience = deployment.pace.session() + Duration::from_secs(5);
        while begun.elapsed() < patience {
            self.look(deployment);
            let store = Store::open_read_only(&deployment.lcg().join("samensom.db")).expect("the store");
            match store.session(&id).expect("its row").map(|row| row.state) {
                Some(SessionState::Done) => {
                    let shown = deployment.asked(&["result", "show", session]).expect("a result");
                    return Outcome::Sum(deployment.compared(session, slot, &shown));
                }
                Some(SessionState::Failed(failure)) => {
                    let text = |value: &dyn core::fmt::Debug| format!("{value:?}").to_lowercase();
                    let (code, round) = (text(&failure.code), text(&failure.round));
                    return Outcome::Failed { code, round, present: u64::from(failure.present) };
                }
                Some(SessionState::Running) | None => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        panic!("session {session} neither went on nor ended: {}", deployment.tails())
    }
}

fn server_killed(template: &Template, point: &Point) -> Played {
    let mut deployment = template.deploy();
    let mut server = Server { point, kills: 0, back: None };
    // One that is killed before it listens is started again by the first look.
    let _ = deployment.try_serve(&shim::killing(&deployment.lcg(), point.step.number, point.moment));
    server.look(&mut deployment);
    for hospital in 0..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    let begun = Instant::now();
    while deployment.links() != Some(HOSPITALS) {
        server.look(&mut deployment);
        assert!(begun.elapsed() < Duration::from_secs(30), "not linked: {}", deployment.tails());
        std::thread::sleep(Duration::from_millis(100));
    }
    let slot = deployment.next_slot();
    let mut interrupted = server.session(&mut deployment, 0);
    std::thread::sleep(Duration::from_millis(200));
    server.look(&mut deployment);
    if let Outcome::Gone(Some(session)) = interrupted {
        interrupted = server.resumed(&mut deployment, &session, slot);
    }
    let kills = server.kills;
    deployment.kill_server();
    deployment.serve();
    deployment.next_slot();
    deployment.linked(HOSPITALS, Duration::from_secs(10));
    let next = deployment.run(1);
    let Outcome::Sum(sum) = &next else {
        panic!("no sum in the next slot: {next:?}\n{}", deployment.tails())
    };
    assert_eq!(sum.survivors.len(), HOSPITALS, "all take part in the next slot: {}", deployment.tails());
    let looked = deployment.promises();
    let (met, met_again) = (kills > 0, kills > 1);
    Played { met, met_again, back: server.back, interrupted, same_slot: None, looked }
}

#[test]
fn the_server_is_killed_at_its_steps() {
    let template = Template::make(HOSPITALS, 2, pace());
    let mut counted = template.deploy();
    let log = counted.folder.path().join("steps");
    counted.try_serve(&shim::counting(&counted.lcg(), &log)).unwrap();
    for hospital in 0..HOSPITALS {
        counted.start(hospital, &[]);
    }
    counted.linked(HOSPITALS, Duration::from_secs(20));
    counted.next_slot();
    assert_eq!(counted.run(0).sum().survivors.len(), HOSPITALS);
    std::thread::sleep(Duration::from_millis(500));
    let steps = shim::steps(&log);
    for kind in ["write", "sync", "send"] {
        assert!(steps.iter().any(|step| step.kind == kind), "no {kind} was counted: {steps:?}");
    }
    drop(counted);
    let points = points(&steps, 10, "_server::the_server_is_killed_at_its_steps");
    let done = play_all(&points, |point| server_killed(&template, point));
    let met = done.iter().filter(|(_, played)| played.met).count();
    assert!(met * 10 >= points.len() * 8, "{met} of {} points were met", points.len());
}
