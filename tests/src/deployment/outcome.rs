//! One session of a deployment: how it ended, and whether its total is the true one.
//!
//! Owns the reading of what `samensom query run` prints. There is no fourth way to end: a sum, a failure by
//! name, a refusal before anyone was asked, or a server that is gone.

use super::{Deployment, command, figures, now_ms};
use crate::harness::samensom;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Exit code of a command that found no server.
const NO_SERVER: i32 = 5;

/// A total and who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The session.
    pub session: String,
    /// The slot in which it began.
    pub slot: u64,
    /// Hospitals, from 0.
    pub survivors: Vec<usize>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a total, and it is the true one.
    Sum(Sum),
    /// By name: code and round.
    Failed {
        /// Stable code.
        code: String,
        /// The round.
        round: String,
        /// How many there were.
        present: u64,
    },
    /// Before anyone was asked; what was said.
    Refused(String),
    /// The server ended; the session, if it had begun.
    Gone(Option<String>),
}

impl Outcome {
    /// The sum.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn sum(self) -> Sum {
        match self {
            Outcome::Sum(sum) => sum,
            other => panic!("no sum: {other:?}"),
        }
    }

    /// True when there is a sum.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        matches!(self, Outcome::Sum(_))
    }
}

/// A session that runs.
#[derive(Debug)]
pub struct Session {
    child: Child,
    slot: u64,
    begun: Instant,
    patience: Duration,
}

impl Session {
    /// True once it has ended, or should have.
    pub fn is_over(&mut self) -> bool {
        self.begun.elapsed() >= self.patience || matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Deployment {
    /// Begins a session of a warrant.
    ///
    /// # Panics
    /// When the command does not start.
    #[must_use]
    pub fn begin(&self, warrant: usize) -> Session {
        let mut command = command(&samensom());
        command.arg("--data").arg(self.lcg()).args(["--no-input", "--format", "json", "query", "run"]);
        command.arg(&self.warrants[warrant]).arg("--wait").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        // Waiting for channel keys, and then at most three attempts.
        let patience = Duration::from_secs(20) + self.pace.session() * 3;
        Session { child, slot: now_ms() / (self.pace.spacing_s * 1000), begun: Instant::now(), patience }
    }

    /// Runs a session to its end and compares.
    ///
    /// # Panics
    /// When the total is not the true one, or it ends in no way that has a name.
    #[must_use]
    pub fn run(&self, warrant: usize) -> Outcome {
        self.outcome(self.begin(warrant))
    }

    /// Waits for a session's end and compares.
    ///
    /// # Panics
    /// When the total is not the true one, or it ends in no way that has a name.
    #[must_use]
    pub fn outcome(&self, mut session: Session) -> Outcome {
        let mut status = None;
        while status.is_none() && session.begun.elapsed() < session.patience {
            status = session.child.try_wait().expect("it can be waited for");
            std::thread::sleep(Duration::from_millis(5));
        }
        if status.is_none() {
            super::kill(&mut session.child);
            panic!("the session did not end within {:?}\n{}", session.patience, self.tails());
        }
        let (mut out, mut told) = (String::new(), String::new());
        session.child.stdout.take().expect("stdout").read_to_string(&mut out).expect("its stdout");
        session.child.stderr.take().expect("stderr").read_to_string(&mut told).expect("its stderr");
        self.read(session.slot, status.and_then(|status| status.code()), out.trim(), &told)
    }

    fn read(&self, slot: u64, code: Option<i32>, out: &str, told: &str) -> Outcome {
        if out.is_empty() {
            let gone = code == Some(NO_SERVER) || told.contains("error: the server stopped");
            if !gone {
                return Outcome::Refused(told.trim().to_owned());
            }
            let named = told.lines().find_map(|line| line.strip_prefix("session ")?.split(';').next());
            return Outcome::Gone(named.map(str::to_owned));
        }
        let facts: Value = serde_json::from_str(out).unwrap_or_else(|why| panic!("{why}: {out}"));
        if let Some(failure) = facts.get("failure") {
            let text = |key: &str| failure[key].as_str().unwrap_or("none").to_owned();
            let present = failure["present"].as_u64().unwrap_or(0);
            return Outcome::Failed { code: text("code"), round: text("round"), present };
        }
        let session = facts["session"].as_str().expect("a session").to_owned();
        Outcome::Sum(self.compared(&session, slot, &facts["summary"]))
    }

    /// Whether every figure of a summary is the sum of its survivors' own figures in this slot.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn compared(&self, session: &str, slot: u64, summary: &Value) -> Sum {
        let listed = summary["survivors"].as_array().expect("survivors");
        // Hospitals were added in their order: numbers begin at 1.
        let survivors: Vec<usize> = listed
            .iter()
            .map(|node| usize::try_from(node.as_u64().expect("a number")).expect("small") - 1)
            .collect();
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for hospital in &survivors {
            for (place, figure) in figures(*hospital, slot).into_iter().enumerate() {
                *expected.entry(format!("m{place}")).or_default() += figure;
            }
        }
        expected.insert("holders".to_owned(), i64::try_from(survivors.len()).expect("few"));
        let totals = summary["totals"].as_array().expect("totals").iter();
        let totals: BTreeMap<String, i64> = totals
            .map(|total| {
                let value = total["value"].as_str().expect("a value");
                let value = value.parse().unwrap_or_else(|_| panic!("`{value}` is no figure"));
                (total["measure"].as_str().expect("a measure").to_owned(), value)
            })
            .collect();
        assert_eq!(totals, expected, "WRONG TOTAL of {survivors:?} in slot {slot}");
        Sum { session: session.to_owned(), slot, survivors }
    }
}
