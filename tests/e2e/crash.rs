//! Crash points (R12): every write, sync and rename of a program's state, and the first packet after each, is
//! counted, and the real program is killed before, in the middle of and after it; for a part of them again
//! while it recovers.
//!
//! After each kill it is started again and: its ledger verifies, no promise that left is missing in it,
//! nothing is spent twice, no mask is used twice, it is back within two seconds, and the totals that follow
//! are exact. In CI a sample that the seed chooses; all points by one command:
//! `SAMENSOM_POINTS=all cargo test -p samensom-tests --test e2e -- --nocapture crash::`.
//! It needs a C compiler (`cc`) for tests/src/shim.c.

use samensom_tests::deployment::{Deployment, Looked, Outcome, Pace, Template, copy};
use samensom_tests::shim::{self, Moment, Step};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Three are enough for a sum; the fourth is the one that is killed.
pub const HOSPITALS: usize = 4;
const VICTIM: usize = 0;
/// A killed program is back within this time.
pub const BACK: Duration = Duration::from_secs(2);
/// Deployments that are played at once; `SAMENSOM_WORLDS` for another number.
const WORLDS: usize = 10;

/// Where and when to kill.
#[derive(Debug, Clone)]
pub struct Point {
    pub step: Step,
    pub moment: Moment,
    /// Killed again at this step of the recovery.
    pub again: Option<usize>,
}

/// What came of a point.
#[derive(Debug, Clone)]
pub struct Played {
    pub met: bool,
    pub met_again: bool,
    pub back: Option<Duration>,
    pub interrupted: Outcome,
    pub same_slot: Option<Outcome>,
    pub looked: Looked,
}

/// All points, or as many as the seed chooses.
pub fn points(steps: &[Step], sample: usize, test: &str) -> Vec<Point> {
    let mut all = Vec::new();
    for step in steps {
        all.push((step, Moment::Before));
        if step.kind == "write" {
            all.push((step, Moment::Half));
        }
        all.push((step, Moment::After));
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SAMENSOM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("SAMENSOM_SEED={seed} cargo test -p samensom-tests --test e2e -- --nocapture crash{test}");
    let every = match std::env::var("SAMENSOM_POINTS").as_deref() {
        Ok("all") => 1,
        Ok(given) => (all.len() / given.parse::<usize>().expect("a number, or all")).max(1),
        Err(_) => (all.len() / sample).max(1),
    };
    let first = usize::try_from(seed).expect("a small seed") % every;
    let list: Vec<String> = steps.iter().map(|step| format!("{} {}", step.kind, step.file)).collect();
    println!("{}", list.join(", "));
    println!("{} steps, {} points, every {every} from {first}", steps.len(), all.len());
    let chosen = all.into_iter().skip(first).step_by(every).enumerate();
    chosen
        .map(|(place, (step, moment))| {
            let again = (place % 4 == 1).then_some(1 + place % 23);
            Point { step: step.clone(), moment, again }
        })
        .collect()
}

/// Plays all points, several at a time; fails with every point that did.
pub fn play_all(points: &[Point], play: impl Fn(&Point) -> Played + Sync) -> Vec<(Point, Played)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failures = Mutex::new(Vec::new());
    let begun = Instant::now();
    let worlds = std::env::var("SAMENSOM_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS);
    std::thread::scope(|scope| {
        for _ in 0..worlds {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match catch_unwind(AssertUnwindSafe(|| play(point))) {
                        Ok(played) => done.lock().expect("no panic").push((point.clone(), played)),
                        Err(why) => {
                            let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
                            failures.lock().expect("no panic").push(format!("{point:?}: {why}"));
                        }
                    }
                }
            });
        }
    });
    let (done, failures) = (done.into_inner().expect("no panic"), failures.into_inner().expect("no panic"));
    println!("{} points in {:.0} s, {} failed", points.len(), begun.elapsed().as_secs_f64(), failures.len());
    tell(&done);
    assert!(failures.is_empty(), "{} of {} points: {failures:#?}", failures.len(), points.len());
    done
}

fn tell(done: &[(Point, Played)]) {
    let count = |what: &dyn Fn(&Played) -> bool| done.iter().filter(|(_, played)| what(played)).count();
    let longest = done.iter().filter_map(|(_, played)| played.back).max();
    let sum = |what: fn(&Looked) -> usize| done.iter().map(|(_, played)| what(&played.looked)).sum::<usize>();
    for (point, played) in done.iter().filter(|(_, played)| !played.interrupted.is_sum()) {
        let Point { step, moment, again } = point;
        let (number, kind, file) = (step.number, &step.kind, &step.file);
        println!(
            "no sum: {moment:?} step {number}, {kind} {file}, again {again:?}: {:?}",
            played.interrupted
        );
    }
    println!(
        "{} killed, {} of them again in recovery; interrupted session: {} sums, {} failed by name, {} lost \
         with the server; same slot: {} sums, {} others; longest until back {longest:?}; looked at {} \
         contributions, {} frames, {} pairs of reports",
        count(&|played| played.met),
        count(&|played| played.met_again),
        count(&|played| played.interrupted.is_sum()),
        count(&|played| matches!(played.interrupted, Outcome::Failed { .. } | Outcome::Refused(_))),
        count(&|played| matches!(played.interrupted, Outcome::Gone(_))),
        count(&|played| played.same_slot.as_ref().is_some_and(Outcome::is_sum)),
        count(&|played| played.same_slot.as_ref().is_some_and(|outcome| !outcome.is_sum())),
        sum(|looked| looked.contributions),
        sum(|looked| looked.frames),
        sum(|looked| looked.reports),
    );
}

/// One agent that is killed and started again, as often as its point says.
struct Victim<'a> {
    point: &'a Point,
    kills: usize,
    back: Option<Duration>,
}

impl Victim<'_> {
    /// Starts it again if it was killed: the first time perhaps to be killed in its recovery too.
    fn look(&mut self, deployment: &mut Deployment) {
        if deployment.runs(VICTIM) {
            return;
        }
        assert_eq!(deployment.ended(VICTIM, BACK), None, "killed, not ended: {}", deployment.told(VICTIM));
        self.kills += 1;
        let again = self.point.again.filter(|_| self.kills == 1);
        let env = again.map(|step| shim::killing(&deployment.state(VICTIM), step, self.point.moment));
        let before = deployment.told(VICTIM).matches("linked address").count();
        let begun = Instant::now();
        deployment.start(VICTIM, &env.unwrap_or_default());
        while deployment.told(VICTIM).matches("linked address").count() == before {
            if !deployment.runs(VICTIM) && again.is_some() {
                return;
            }
            assert!(begun.elapsed() < BACK, "not back after {BACK:?}: {}", deployment.told(VICTIM));
            std::thread::sleep(Duration::from_millis(5));
        }
        self.back = self.back.max(Some(begun.elapsed()));
    }

    /// Runs a session to its end while it looks.
    fn session(&mut self, deployment: &mut Deployment, warrant: usize) -> Outcome {
        let mut session = deployment.begin(warrant);
        while !session.is_over() {
            self.look(deployment);
            std::thread::sleep(Duration::from_millis(5));
        }
        deployment.outcome(session)
    }
}

/// The agent of one hospital is killed at a point of its start or of a session.
fn agent_killed(template: &Template, point: &Point) -> Played {
    let mut deployment = template.deploy();
    deployment.serve();
    for hospital in 1..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    deployment.start(VICTIM, &shim::killing(&deployment.state(VICTIM), point.step.number, point.moment));
    deployment.linked(HOSPITALS - 1, Duration::from_secs(20));
    deployment.next_slot();
    let mut victim = Victim { point, kills: 0, back: None };
    let interrupted = victim.session(&mut deployment, 0);
    // What is written at the end of a session may be written after the command has its answer.
    let begun = Instant::now();
    while victim.kills == 0 && begun.elapsed() < Duration::from_secs(1) {
        victim.look(&mut deployment);
        std::thread::sleep(Duration::from_millis(5));
    }
    // Killed again right after it was linked, it is not back yet.
    std::thread::sleep(Duration::from_millis(100));
    victim.look(&mut deployment);
    deployment.linked(HOSPITALS, Duration::from_secs(5));
    let same_slot = victim.session(&mut deployment, 1);
    assert!(!matches!(same_slot, Outcome::Gone(_)), "the server lives");
    let kills = victim.kills;
    if deployment.stop(VICTIM).is_none() {
        victim.kills += 1;
    }
    deployment.start(VICTIM, &[]);
    deployment.next_slot();
    deployment.linked(HOSPITALS, Duration::from_secs(5));
    let next = deployment.run(0);
    let Outcome::Sum(sum) = &next else {
        panic!("no sum in the next slot: {next:?}\n{}", deployment.tails())
    };
    assert_eq!(sum.survivors.len(), HOSPITALS, "all take part in the next slot: {}", deployment.tails());
    assert_eq!(deployment.status(VICTIM)["running"], true);
    let looked = deployment.promises();
    let (met, met_again) = (kills > 0, kills > 1);
    Played { met, met_again, back: victim.back, interrupted, same_slot: Some(same_slot), looked }
}

#[test]
fn an_agent_is_killed_at_its_steps() {
    let template = Template::make(HOSPITALS, 2, Pace::quick());
    let mut counted = template.deploy();
    let log = counted.folder.path().join("steps");
    counted.serve();
    for hospital in 1..HOSPITALS {
        counted.start(hospital, &[]);
    }
    counted.start(VICTIM, &shim::counting(&counted.state(VICTIM), &log));
    counted.linked(HOSPITALS, Duration::from_secs(20));
    counted.next_slot();
    assert_eq!(counted.run(0).sum().survivors.len(), HOSPITALS);
    std::thread::sleep(Duration::from_millis(500));
    let steps = shim::steps(&log);
    for kind in ["write", "sync", "send"] {
        assert!(steps.iter().any(|step| step.kind == kind), "no {kind} was counted: {steps:?}");
    }
    let points = points(&steps, 10, "::an_agent_is_killed_at_its_steps");
    let done = play_all(&points, |point| agent_killed(&template, point));
    let met = done.iter().filter(|(_, played)| played.met).count();
    assert!(met * 10 >= points.len() * 8, "{met} of {} points were met", points.len());
    let looked: usize = done.iter().map(|(_, played)| played.looked.reports).sum();
    assert!(looked > 0, "reports of one hospital were compared");
}

/// The looks that every point is held to find what they look for.
#[test]
fn a_lost_ledger_and_a_wrong_total_are_seen() {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    let kept = deployment.folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    copy(&deployment.state(VICTIM), &kept);
    deployment.start_all();
    deployment.next_slot();
    let sum = deployment.run(0).sum();
    let looked = deployment.promises();
    assert!(looked.contributions == HOSPITALS && looked.frames >= 4 * HOSPITALS, "{looked:?}");
    let shown = deployment.asked(&["result", "show", &sum.session]).unwrap();
    assert_eq!(deployment.compared(&sum.session, sum.slot, &shown), sum);
    let wrong = catch_unwind(AssertUnwindSafe(|| deployment.compared(&sum.session, sum.slot + 1, &shown)));
    assert!(wrong.is_err(), "other extracts have another total");
    deployment.stop(VICTIM);
    std::fs::remove_dir_all(deployment.state(VICTIM)).unwrap();
    std::fs::create_dir(deployment.state(VICTIM)).unwrap();
    copy(&kept, &deployment.state(VICTIM));
    let lost = catch_unwind(AssertUnwindSafe(|| deployment.promises())).unwrap_err();
    let lost = lost.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(lost.contains("LOST PROMISE"), "{lost}");
}
