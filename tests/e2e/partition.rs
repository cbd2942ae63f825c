//! One-way partitions: an agent that is heard but does not hear, and one that hears but is not heard.
//!
//! The agent lives in a network namespace of its own; a direction is cut by a false link-layer address of the
//! other end, so that packets leave and nobody takes them. It needs `ip` and the right to make namespaces;
//! without them it says that it did not run.

use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

const HOSPITALS: usize = 4;
const APART: usize = 0;
const LATE: Duration = Duration::from_secs(5);
const NOBODY: &str = "02:00:00:00:00:99";

/// A namespace and the pair of interfaces to it; gone when dropped.
struct Namespace {
    name: String,
    near: String,
    far: String,
    here: String,
    there: String,
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|ended| ended.status.success())
}

impl Namespace {
    fn make() -> Option<Namespace> {
        let id = std::process::id();
        let (name, near, far) = (format!("samensom-{id}"), format!("sam{id}a"), format!("sam{id}b"));
        let net = format!("10.{}.{}", 64 + id / 256 % 64, id % 256);
        let (own_name, own_near, own_far) = (name.clone(), near.clone(), far.clone());
        let (one, two) = (format!("{net}.1"), format!("{net}.2"));
        let made = Namespace { name: own_name, near: own_near, far: own_far, here: one, there: two };
        let (here, there) = (format!("{net}.1/24"), format!("{net}.2/24"));
        let steps: [&[&str]; 8] = [
            &["netns", "add", &name],
            &["link", "add", &near, "type", "veth", "peer", "name", &far],
            &["link", "set", &far, "netns", &name],
            &["addr", "add", &here, "dev", &near],
            &["link", "set", &near, "up"],
            &["-n", &name, "addr", "add", &there, "dev", &far],
            &["-n", &name, "link", "set", "lo", "up"],
            &["-n", &name, "link", "set", &far, "up"],
        ];
        steps.iter().all(|step| ip(step)).then_some(made)
    }

    /// What the agent sends is heard no more, or (the other way) what is sent to it.
    fn cut(&self, agent_is_heard: bool) {
        let cut = if agent_is_heard {
            ip(&["neigh", "replace", &self.there, "lladdr", NOBODY, "nud", "permanent", "dev", &self.near])
        } else {
            let (name, here, far) = (&self.name, &self.here, &self.far);
            ip(&["-n", name, "neigh", "replace", here, "lladdr", NOBODY, "nud", "permanent", "dev", far])
        };
        assert!(cut, "the direction is cut");
    }

    fn heal(&self) {
        // The way that was not cut has nothing to be taken back.
        let _ = ip(&["neigh", "del", &self.there, "dev", &self.near]);
        let _ = ip(&["-n", &self.name, "neigh", "del", &self.here, "dev", &self.far]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["link", "del", &self.near]);
        ip(&["netns", "del", &self.name]);
    }
}

#[test]
fn a_one_way_partition_costs_one_hospital_one_session() {
    let Some(space) = Namespace::make() else {
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: one-way partitions; `ip netns add` and `ip link add` are not allowed here"
        );
        return;
    };
    let mut deployment: Deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    let address = format!("{}:{}", space.here, deployment.server_address.port()).parse().unwrap();
    deployment.listen(address);
    deployment.dial(address);
    deployment.serve();
    deployment.start_in(APART, &space.name);
    for hospital in 1..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    for agent_is_heard in [true, false] {
        deployment.next_slot();
        // Always as far into a slot: one that freezes late keeps the distance between two extracts (A03).
        std::thread::sleep(LATE);
        let session = deployment.begin(0);
        // In the middle of the session, or just before; both are in what it must bear.
        std::thread::sleep(Duration::from_millis(20));
        space.cut(agent_is_heard);
        let outcome = deployment.outcome(session);
        println!("agent heard: {agent_is_heard}: {outcome:?}");
        match outcome {
            Outcome::Sum(sum) => assert!(sum.survivors.len() + 1 >= HOSPITALS, "{sum:?}"),
            Outcome::Failed { present, .. } => assert!(present > 0, "the others answered"),
            other => panic!("neither a sum nor a failure by name: {other:?}"),
        }
        std::thread::sleep(Duration::from_secs(3));
        let linked = deployment.links();
        assert_eq!(linked, Some(HOSPITALS - 1), "the cut was one: {}", deployment.tails());
        space.heal();
        deployment.linked(HOSPITALS, Duration::from_secs(10));
        deployment.next_slot();
        std::thread::sleep(LATE);
        assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS, "{}", deployment.tails());
    }
    assert!(deployment.promises().contributions >= 2 * HOSPITALS);
}
