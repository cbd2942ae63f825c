//! Somebody owns LCG: its computer, its programs, its key, its database. Over 69 real agents they try to get one
//! hospital's figure through membership, approvals, repeats, overlapping cells, floors and rollback.
//!
//! They stand between the server and every agent and change what they like, write into the database, and put old
//! copies of it back. They lack the keys of signers, approvers and hospitals (what stands in between needs the
//! hospitals' only to dial the server as they do). None of it opens anything, and each agent's audit log says which
//! rule stopped it.

use crate::membership::propose_and_sign;
use samensom_protocol::codec::{Blob, List, Text, decode, encode};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{AnnounceHash, NodeId};
use samensom_protocol::message::{Header, Invited, Message, Offer, Pass};
use samensom_protocol::roster::{Member, Roster, RosterBody, Status};
use samensom_protocol::secret::Secret;
use samensom_protocol::warrant::{Approval, SignedWarrant, WarrantBody};
use samensom_tests::deployment::{Deployment, Pace, Template, copy};
use samensom_tests::forge::message::{edit, frame, offer};
use samensom_tests::forge::wire::{Change, Middle, Sent, nothing};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HOSPITALS: usize = 69;
/// All of this happens in one slot; where agents are slow, so are the tries.
const ROOM_S: u64 = 900;
const SOON: Duration = Duration::from_secs(90);
/// Hospitals with the third product: fewer than the floor.
const FEW: usize = 2;

/// What the thief knows besides: another query that was truly approved, over other cells of the same rows.
type Lie = fn(&Identity, &mut Offer, &SignedWarrant);

/// An offer to every agent, changed like this: what is tried, and the rule that stops it.
struct Way {
    what: &'static str,
    rule: &'static str,
    lie: Lie,
}

/// The warrant's terms changed, and named in the header as if they were approved.
fn terms(key: &Identity, one: &mut Offer, change: impl FnOnce(&mut WarrantBody)) {
    let mut body: WarrantBody = decode(&one.warrant.body).unwrap();
    change(&mut body);
    one.warrant.body = Blob::new(encode(&body).unwrap()).unwrap();
    let hash = one.warrant.hash();
    offer(one, key, |header| header.warrant = hash);
}

const WAYS: [Way; 10] = [
    Way {
        what: "approvals: a warrant that nobody approved",
        rule: "A02",
        lie: |_, one, _| one.warrant.approvals = List::default(),
    },
    Way {
        what: "approvals: LCG approves with the coordinator's own key",
        rule: "A02",
        lie: |key, one, _| {
            let own = Approval::new(key, &one.warrant.body);
            one.warrant.approvals = List::new(vec![own]).unwrap();
        },
    },
    Way {
        what: "approvals: the approved warrant with another requester",
        rule: "A02",
        lie: |key, one, _| terms(key, one, |body| body.requester.key = key.public()),
    },
    Way {
        what: "floors: the approved warrant without its floor",
        rule: "A02",
        lie: |key, one, _| terms(key, one, |body| body.floor_hospitals = 0),
    },
    Way {
        what: "floors: figures are asked before anything was counted",
        rule: "A03",
        lie: |key, one, _| offer(one, key, |header| header.pass = Pass::Value),
    },
    Way {
        what: "membership: fewer hospitals than a quorum are asked",
        rule: "A05",
        lie: |key, one, _| offer(one, key, |header| edit(&mut header.invited, |all| all.truncate(45))),
    },
    Way {
        what: "membership: a hospital that is in no roster is asked",
        rule: "A03",
        lie: |key, one, _| {
            let ghost = Invited { node: NodeId(7_000), announce: AnnounceHash([1; 32]) };
            offer(one, key, |header| edit(&mut header.invited, |all| all.push(ghost)));
        },
    },
    Way {
        what: "membership: the header names a roster of LCG's own",
        rule: "A03",
        lie: |key, one, _| offer(one, key, |header| header.roster.0 = [1; 32]),
    },
    Way {
        what: "repeats: the slot before, over the extract of this one",
        rule: "A03",
        lie: |key, one, _| offer(one, key, |header| header.slot -= 1),
    },
    Way {
        what: "repeats: the slot after, as if it had begun",
        rule: "A03",
        lie: |key, one, _| offer(one, key, |header| header.slot += 1),
    },
];

/// Told to the value pass, once the count pass is verified everywhere.
const WAYS_OF_THE_VALUE_PASS: [Way; 3] = [
    Way {
        what: "floors: figures of two hospitals open",
        rule: "A23",
        lie: |key, one, _| {
            offer(one, key, |header| {
                let opening = header.opening.as_mut().unwrap();
                opening.open = Blob::new(vec![0b1111]).unwrap();
            });
        },
    },
    Way {
        what: "floors: the value pass stands on another count",
        rule: "A03",
        lie: |key, one, _| offer(one, key, |header| header.opening.as_mut().unwrap().result.0[0] ^= 1),
    },
    Way {
        what: "floors: the value pass without most of those who were counted",
        rule: "A22",
        lie: |key, one, _| offer(one, key, |header| edit(&mut header.invited, |all| all.truncate(60))),
    },
];

/// Told to the count pass once the slot's first question was answered.
const OVERLAPPING: Way = Way {
    what: "overlapping cells: another approved query over parts of the same rows",
    rule: "A23",
    lie: |key, one, other| {
        one.warrant = other.clone();
        offer(one, key, |header| header.warrant = other.hash());
    },
};

/// A slot of the length that leaves so much of it from now on.
fn pace() -> Pace {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let spacing_s = (ROOM_S + 60..2 * ROOM_S).find(|spacing| now % spacing < 60).unwrap();
    Pace {
        spacing_s,
        rounds_ms: [8_000, 8_000, 8_000, 6_000, 6_000],
        idle_ms: 10_000,
        keep_alive_ms: 3_000,
        floors: true,
        family_sessions: 0,
    }
}

/// The thief: what is lied about now, to every agent.
struct Thief {
    deployment: Deployment,
    _middle: Middle,
    lie: Arc<Mutex<Option<(Pass, Lie)>>>,
}

/// What an agent's audit log must say after a try.
struct Says {
    event: &'static str,
    rule: &'static str,
}

impl Thief {
    fn new() -> Thief {
        let mut deployment = Template::make(HOSPITALS, 2, pace()).deploy();
        for hospital in 0..HOSPITALS {
            let rare = if hospital < FEW { format!("c2;{}\n", 700_001 + hospital) } else { String::new() };
            let rows = format!("code;quantity\nc0;{}\nc1;{}\n{rare}", 100 + hospital, 9_000 + hospital);
            std::fs::write(deployment.home(hospital).join("stock.csv"), rows).unwrap();
        }
        let lie = Arc::new(Mutex::new(None));
        deployment.serve();
        let other = other(&deployment);
        let all: Vec<usize> = (0..HOSPITALS).collect();
        let middle = Middle::before(&deployment, &all, telling(&lie, &other), nothing());
        for hospital in all {
            deployment.start(hospital, &[]);
        }
        deployment.linked(HOSPITALS, SOON);
        Thief { deployment, _middle: middle, lie }
    }

    /// Runs a warrant; its facts, if there is a sum.
    fn run(&self, warrant: usize) -> Option<Value> {
        self.deployment.asked(&["query", "run", &self.deployment.warrants[warrant], "--wait"])
    }

    /// Lies in this pass while a warrant runs: there is no sum, and every agent that runs says why.
    fn tries(&mut self, way: &Way, pass: Pass, warrant: usize) {
        *self.lie.lock().unwrap() = Some((pass, way.lie));
        self.fails(way.what, &Says { event: "refused", rule: way.rule }, |thief| {
            assert!(thief.run(warrant).is_none(), "{}: a sum", way.what);
        });
        *self.lie.lock().unwrap() = None;
    }

    /// Does it, and waits until every agent that runs has one more record of this rule.
    fn fails(&mut self, what: &str, says: &Says, act: impl FnOnce(&mut Thief)) {
        let running: Vec<usize> = (0..HOSPITALS).filter(|hospital| self.deployment.runs(*hospital)).collect();
        let before: Vec<usize> = running.iter().map(|hospital| self.records(*hospital, says)).collect();
        act(self);
        let begun = Instant::now();
        for (hospital, before) in running.iter().zip(before) {
            while self.records(*hospital, says) == before {
                let told = self.deployment.told(*hospital);
                assert!(
                    begun.elapsed() < SOON,
                    "{what}: hospital {hospital} does not say {}: {told}",
                    says.rule
                );
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        println!("{:>4}  {what}: refused by {} agents", says.rule, running.len());
    }

    /// Records of a rule in an agent's audit log.
    fn records(&self, hospital: usize, says: &Says) -> usize {
        let log = std::fs::read_to_string(self.deployment.state(hospital).join("audit/log.jsonl")).unwrap();
        let is_one =
            |line: &&str| line.contains(&format!("\"event\":\"{}\"", says.event)) && line.contains(says.rule);
        log.lines().filter(is_one).count()
    }

    fn database(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.deployment.lcg().join("samensom.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }
}

/// The one part of the rows that the first query sums with others.
fn other(deployment: &Deployment) -> SignedWarrant {
    let query = "[query]\nid = \"part\"\nversion = 1\ntitle = { nl = \"Deel\", en = \"Part\" }\npurpose = \"stock\"\n\
                 dataset = \"stock\"\n[[measure]]\nname = \"m\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\n\
                 range = [-1000000, 1000000]\n";
    let warrant = deployment.approved(query);
    let folder = samensom_coordinator::folder::Folder::new(deployment.lcg());
    folder.read_store().unwrap().warrant(&warrant).unwrap()
}

/// Offers of this pass are changed as the thief likes.
fn telling(lie: &Arc<Mutex<Option<(Pass, Lie)>>>, other: &SignedWarrant) -> Change {
    let (lie, other) = (Arc::clone(lie), other.clone());
    Box::new(move |key, bytes| match (*lie.lock().unwrap(), Message::from_frame(&bytes)) {
        (Some((pass, lie)), Ok(Message::Offer(mut one))) => {
            let header: Header = decode(&one.header.body).unwrap();
            if header.pass == pass {
                lie(key, &mut one, &other);
            }
            vec![Sent::Frame(frame(&Message::Offer(one)))]
        }
        _ => vec![Sent::Frame(bytes)],
    })
}

/// In place of the newest roster, which its signers signed, one with a hospital more, whose key the thief has.
fn ghost(database: &rusqlite::Connection) {
    let newest = "SELECT body FROM roster WHERE state = 'signed' ORDER BY epoch DESC LIMIT 1";
    let newest: Vec<u8> = database.query_row(newest, [], |row| row.get(0)).unwrap();
    let mut body: RosterBody = decode(&newest).unwrap();
    edit(&mut body.members, |members| {
        members.push(Member {
            id: NodeId(70),
            institution: Text::new("ghost").unwrap(),
            name: Text::new("Spookziekenhuis").unwrap(),
            group: Text::new("west").unwrap(),
            kind: Text::new("general").unwrap(),
            key: Identity::from_seed(&Secret::new([77; 32])).public(),
            status: Status::Active,
            floor_hospitals: 0,
        });
    });
    let (genuine, forged) = (Roster::hash_of(&newest).0, encode(&body).unwrap());
    database.execute("DELETE FROM roster_signature WHERE roster = ?1", [genuine]).unwrap();
    database.execute("DELETE FROM roster WHERE hash = ?1", [genuine]).unwrap();
    let add = "INSERT INTO roster (hash, epoch, body, state) VALUES (?1, ?2, ?3, 'signed')";
    database.execute(add, rusqlite::params![Roster::hash_of(&forged).0, body.epoch, forged]).unwrap();
}

#[test]
fn stolen_coordinator() {
    let mut thief = Thief::new();
    let old = thief.deployment.folder.path().join("old");
    std::fs::create_dir(&old).unwrap();

    for way in &WAYS {
        thief.tries(way, Pass::Count, 0);
    }
    // A copy from before anything was summed.
    thief.deployment.kill_server();
    copy(&thief.deployment.lcg(), &old);
    thief.deployment.serve();
    thief.deployment.linked(HOSPITALS, SOON);
    for way in &WAYS_OF_THE_VALUE_PASS {
        thief.tries(way, Pass::Value, 0);
    }
    // The thief gives up, and LCG has what it may have: the third product stays closed.
    let facts = thief.run(0).expect("a sum");
    let totals = facts["summary"]["totals"].as_array().unwrap();
    let value = |measure: &str| &totals.iter().find(|one| one["measure"] == measure).unwrap()["value"];
    assert_eq!(value("m0"), &(0..69).map(|hospital| 100 + hospital).sum::<u32>().to_string());
    assert_eq!(value("m2"), "suppressed");
    thief.tries(&OVERLAPPING, Pass::Count, 1);

    // Without the target, so that it is what is missing: the database forgets whom this slot's sums are over.
    thief.deployment.kill(0);
    thief.fails(
        "repeats: another question over all but one",
        &Says { event: "refused", rule: "A03" },
        |thief| {
            assert!(thief.database().execute("DELETE FROM bound", []).unwrap() > 0);
            assert!(thief.run(1).is_none());
        },
    );
    let ghosts = Says { event: "roster-refused", rule: "0 valid signatures" };
    thief.fails("membership: a ghost hospital in the database", &ghosts, |thief| {
        let others = 1..HOSPITALS;
        others.clone().for_each(|hospital| thief.deployment.kill(hospital));
        propose_and_sign(&thief.deployment, &["--remove-approver", "Approver 1"]);
        ghost(&thief.database());
        others.for_each(|hospital| thief.deployment.start(hospital, &[]));
    });
    // The transparency log of the copy is shorter than the heads that the agents keep.
    let stories = Says { event: "two-stories", rule: "transparency log" };
    thief.fails("rollback: the folder of before any sum", &stories, |thief| {
        thief.deployment.kill_server();
        std::fs::remove_dir_all(thief.deployment.lcg()).unwrap();
        std::fs::create_dir(thief.deployment.lcg()).unwrap();
        copy(&old, &thief.deployment.lcg());
        thief.deployment.serve();
    });
    assert!(thief.run(0).is_none(), "rollback: a sum");
}
