//! Real agents and a real coordinator over a bad network: 30 % loss, duplicates, reordering, short packets,
//! addresses that change.
//!
//! Every total is exact or there is a failure by name; after healing the next session succeeds. In CI nine
//! agents; all 69 and fifty sessions (`SAMENSOM_SESSIONS` for another number) by one command:
//! `cargo test -p samensom-tests --test e2e -- --nocapture --ignored all_69_hospitals`.
//! A run is played again with `SAMENSOM_SEED=...`; the network's dice are then the same, its timing is not.

use samensom_tests::bad_network::{BadNetwork, Weather};
use samensom_tests::deployment::{Outcome, Pace, Template};
use std::time::{Duration, Instant};

/// The seed of this run, printed with the command that plays it again.
fn seed(test: &str) -> u64 {
    let given = std::env::var("SAMENSOM_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 16 | 0x5a3e);
    println!("SAMENSOM_SEED={seed} cargo test -p samensom-tests --test e2e -- --nocapture {test}");
    seed
}

/// What came of many sessions.
#[derive(Debug, Default)]
struct Tally {
    seconds: Vec<f64>,
    failures: Vec<Outcome>,
}

impl Tally {
    fn tell(&mut self, healed: f64) {
        self.seconds.sort_by(f64::total_cmp);
        let at = |part: usize| self.seconds.get(self.seconds.len().saturating_sub(1) * part / 100);
        println!(
            "{} sums (seconds: median {:?}, 95 % {:?}, longest {:?}), {} failures by name {:?}; after \
             healing {healed:.1} s",
            self.seconds.len(),
            at(50),
            at(95),
            at(100),
            self.failures.len(),
            self.failures,
        );
    }
}

fn storm(hospitals: usize, queries: usize, sessions: usize, pace: Pace, seed: u64) -> Tally {
    let mut deployment = Template::make(hospitals, queries, pace).deploy();
    let network = BadNetwork::start(deployment.server_address, Weather::CLEAR, seed);
    deployment.dial(network.address);
    deployment.start_all();
    network.set(Weather::STORM);
    let quorum = (hospitals + (hospitals - 1) / 3) / 2 + 1;
    let (mut tally, mut number) = (Tally::default(), 0);
    while number < sessions {
        deployment.next_slot();
        for warrant in 0..queries {
            // New channel keys are waited for by the server itself, and no longer than it means to.
            let since = Instant::now();
            while deployment.there() < quorum {
                let late = since.elapsed() > Duration::from_secs(30);
                assert!(!late, "fewer than {quorum} came back within 30 s: {}", deployment.tails());
                std::thread::sleep(Duration::from_millis(200));
            }
            let begun = Instant::now();
            let outcome = deployment.run(warrant);
            let took = begun.elapsed().as_secs_f64();
            match outcome {
                Outcome::Refused(why) if why.contains("the slot ends in") => break,
                Outcome::Sum(sum) => {
                    println!("session {number}: {} of {hospitals}, {took:.1} s", sum.survivors.len());
                    tally.seconds.push(took);
                }
                other => {
                    println!("session {number}: {other:?}, {took:.1} s");
                    assert!(!matches!(other, Outcome::Gone(_)), "{}", deployment.tails());
                    tally.failures.push(other);
                }
            }
            number += 1;
        }
    }
    network.heal();
    let back = deployment.linked(hospitals, Duration::from_secs(30));
    println!("all {hospitals} linked {:.1} s after healing", back.as_secs_f64());
    deployment.next_slot();
    // A hospital that froze late in the slot before keeps the distance between two extracts (A03).
    std::thread::sleep(Duration::from_secs(deployment.pace.spacing_s) * 38 / 100);
    let begun = Instant::now();
    assert_eq!(deployment.run(0).sum().survivors.len(), hospitals, "all of them after healing");
    let healed = begun.elapsed().as_secs_f64();
    let looked = deployment.promises();
    println!("{looked:?}");
    println!("{}", network.tally());
    tally.tell(healed);
    tally
}

#[test]
fn nine_agents_in_a_storm() {
    let seed = seed("nine_agents_in_a_storm");
    let rounds_ms = [5000, 5000, 5000, 4000, 4000];
    let pace = Pace {
        spacing_s: 45,
        rounds_ms,
        idle_ms: 10_000,
        keep_alive_ms: 1000,
        floors: false,
        family_sessions: 0,
    };
    let tally = storm(9, 3, 4, pace, seed);
    assert!(!tally.seconds.is_empty(), "30 % loss is not hopeless: {tally:?}");
}

#[test]
#[ignore = "half an hour: fifty sessions of 69 hospitals"]
fn all_69_hospitals_in_a_storm() {
    let seed = seed("--ignored all_69_hospitals");
    let given = std::env::var("SAMENSOM_SESSIONS").ok().and_then(|text| text.parse().ok());
    let rounds_ms = [10_000, 10_000, 10_000, 8000, 8000];
    let pace = Pace {
        spacing_s: 110,
        rounds_ms,
        idle_ms: 10_000,
        keep_alive_ms: 1000,
        floors: false,
        family_sessions: 0,
    };
    let tally = storm(69, 3, given.unwrap_or(50), pace, seed);
    assert!(!tally.seconds.is_empty(), "30 % loss is not hopeless: {tally:?}");
}
