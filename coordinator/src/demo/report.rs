//! What came of the demo, for people and for programs.
//!
//! Owns the keys of the JSON form, which are stable, and the words of the text form. It must not compute.

use crate::cli::Context;
use crate::error::Error;
use samensom_protocol::params::Thresholds;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Bytes of a masked report that are shown.
const SHOWN: usize = 48;
/// Cells of the one hospital that are shown.
const CELLS: usize = 6;

/// How the session ended.
#[derive(Debug)]
pub enum Outcome {
    /// With a sum.
    Summed(Box<Summed>),
    /// Without one.
    Failed(Failed),
}

/// What a session cost.
#[derive(Debug)]
pub struct Costs {
    /// From `query run` to its verified result.
    pub session_ms: u64,
    /// The most that one agent sent in the session.
    pub node_up_bytes: Option<u64>,
    /// The most memory that one agent held.
    pub node_peak_rss_kb: Option<u64>,
    /// The most memory that the server held.
    pub coordinator_peak_rss_kb: Option<u64>,
}

/// What the coordinator holds of one hospital, beside that hospital's own figures.
#[derive(Debug)]
pub struct Glimpse {
    /// The hospital.
    pub name: String,
    /// Its masked report, or the first block of it.
    pub held: Vec<u8>,
    /// Its own figures, a line per cell.
    pub figures: Vec<String>,
}

/// A sum.
#[derive(Debug)]
pub struct Summed {
    /// How the session before it in the same slot failed.
    pub first: Option<Failed>,
    /// Hospitals of the roster.
    pub hospitals: usize,
    /// Whose agents never started.
    pub absent: usize,
    /// What `result show` printed as JSON.
    pub shown: Json,
    /// What it printed as text.
    pub table: String,
    /// Whether every opened cell is the clear sum of the survivors' extracts.
    pub equal: bool,
    /// What it cost.
    pub costs: Costs,
    /// A look at what the coordinator holds.
    pub glimpse: Glimpse,
    /// The bundle.
    pub bundle: PathBuf,
    /// This program.
    pub samensom: PathBuf,
    /// The data folder, where it stays.
    pub data: Option<PathBuf>,
    /// The warrant.
    pub warrant: String,
    /// Words of the founding roster.
    pub founding: String,
}

/// No sum.
#[derive(Debug)]
pub struct Failed {
    /// Hospitals of the roster.
    pub hospitals: usize,
    /// Whose agents never started.
    pub absent: usize,
    /// Whose agents were killed.
    pub dropped: usize,
    /// Thresholds of the roster.
    pub thresholds: Thresholds,
    /// Stable code.
    pub code: String,
    /// In which round.
    pub round: String,
    /// How many were needed.
    pub needed: u64,
    /// How many there were.
    pub present: u64,
}

impl Outcome {
    /// Prints it on stdout.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, context: &Context) -> Result<(), Error> {
        match self {
            Outcome::Summed(summed) => context.print(&summed.facts(), || summed.text()),
            Outcome::Failed(failed) => context.print(&failed.facts(), || failed.text()),
        }
    }

    /// Nothing to say when there is a sum and it is the true one.
    ///
    /// # Errors
    /// When it is not.
    pub fn verdict(&self) -> Result<(), Error> {
        match self {
            Outcome::Summed(summed) => summed.verdict(),
            Outcome::Failed(failed) => Err(failed.error()),
        }
    }
}

impl Summed {
    fn count(&self, key: &str) -> usize {
        self.shown.get(key).and_then(Json::as_array).map_or(0, Vec::len)
    }

    fn attempts(&self) -> u64 {
        self.shown.get("attempt").and_then(Json::as_u64).map_or(0, |attempt| attempt + 1)
    }

    fn facts(&self) -> Json {
        let of = |key: &str| self.shown.get(key).cloned().unwrap_or_default();
        let mut facts = json!({
            "hospitals": self.hospitals,
            "absent": self.absent,
            "dropped": self.count("dropped"),
            "survivors": self.count("survivors"),
            "colluders_tolerated": of("colluders_tolerated"),
            "honest_min": of("honest_min"),
            "quorum": of("quorum"),
            "share_threshold": of("share_threshold"),
            "cells": of("cells"),
            "equal": self.equal,
            "session_ms": self.costs.session_ms,
            "attempts": self.attempts(),
            "node_up_bytes": self.costs.node_up_bytes,
            "node_peak_rss_kb": self.costs.node_peak_rss_kb,
            "coordinator_peak_rss_kb": self.costs.coordinator_peak_rss_kb,
            "bundle": self.bundle,
            "totals": of("totals"),
        });
        if let (Some(first), Some(facts)) = (&self.first, facts.as_object_mut()) {
            facts.insert("failed_first".to_owned(), first.failure());
        }
        facts
    }

    fn verdict(&self) -> Result<(), Error> {
        if self.equal {
            return Ok(());
        }
        Err(Error::mismatch("the opened sum is not the clear sum of the survivors' extracts")
            .place(self.bundle.display().to_string())
            .remedy("keep the bundle and report it: this is a defect"))
    }

    fn text(&self) -> String {
        let number = |key: &str| self.shown.get(key).and_then(Json::as_u64).unwrap_or(0);
        let mut text = self.first.as_ref().map_or_else(String::new, |first| {
            format!(
                "First: {}\nThen all came back, the attempt was voided, and in the same slot:\n\n",
                first.text()
            )
        });
        let _ = write!(
            text,
            "What the coordinator holds of {}: {} bytes, which begin with\n  {}\nWhat that hospital's own extract says:\n",
            self.glimpse.name,
            self.glimpse.held.len(),
            hex(&self.glimpse.held),
        );
        for line in self.glimpse.figures.iter().take(CELLS) {
            let _ = writeln!(text, "  {line}");
        }
        let more = self.glimpse.figures.len().saturating_sub(CELLS);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
        let equal = if self.equal {
            "equal: every opened cell is the clear sum of the survivors' extracts"
        } else {
            "NOT EQUAL to the clear sum of the survivors' extracts"
        };
        let _ = write!(
            text,
            "\n{}\n\n{equal}\n\n{} of {} hospitals; {} were absent, {} dropped out. A sum needs {}, stays closed to \
             the coordinator and {} colluding hospitals, and has {} honest ones behind it.\n{}\n\n{}",
            self.table.trim_end(),
            self.count("survivors"),
            self.hospitals,
            self.absent,
            self.count("dropped"),
            number("quorum"),
            number("colluders_tolerated"),
            number("honest_min"),
            self.costs(),
            self.next(),
        );
        text
    }

    fn costs(&self) -> String {
        let number = |key: &str| self.shown.get(key).and_then(Json::as_u64).unwrap_or(0);
        let report = (number("cells") * number("bits_per_cell")).div_ceil(8);
        let shown =
            |value: Option<u64>| value.map_or_else(|| "not known".to_owned(), |value| value.to_string());
        let Costs { session_ms, node_up_bytes, node_peak_rss_kb, coordinator_peak_rss_kb } = &self.costs;
        format!(
            "session               {session_ms} ms (goal with the shipped query: 2000), {} attempt(s)\n\
             sent by an agent      {} bytes at most (goal: {})\n\
             memory of an agent    {} KB at most (goal: 30720)\n\
             memory of the server  {} KB",
            self.attempts(),
            shown(*node_up_bytes),
            report + 40_960,
            shown(*node_peak_rss_kb),
            shown(*coordinator_peak_rss_kb),
        )
    }

    fn next(&self) -> String {
        let (program, bundle) = (self.samensom.display(), self.bundle.display());
        let mut text = format!(
            "bundle: {bundle}\nTry next:\n  {program} result verify {bundle} --roster-fingerprint \"{}\"\n  \
             {program} result show {bundle} --format json\n  {program} demo --drop-out 23",
            self.founding
        );
        if let Some(data) = &self.data {
            let data = data.display();
            let warrant = self.warrant.get(..12).unwrap_or(&self.warrant);
            let _ = write!(
                text,
                "\n  {program} --data {data} status\n  {program} --data {data} query run {warrant} --wait"
            );
        }
        text
    }
}

impl Failed {
    fn facts(&self) -> Json {
        json!({
            "hospitals": self.hospitals,
            "absent": self.absent,
            "dropped": self.dropped,
            "colluders_tolerated": self.thresholds.x,
            "honest_min": self.thresholds.k,
            "quorum": self.thresholds.quorum,
            "share_threshold": self.thresholds.shares,
            "equal": null,
            "failure": self.failure(),
        })
    }

    fn failure(&self) -> Json {
        json!({ "code": self.code, "round": self.round, "needed": self.needed, "present": self.present })
    }

    fn text(&self) -> String {
        format!(
            "no sum: {} in round {}; {} of {} hospitals were there, {} are needed. Nothing was opened.",
            self.code, self.round, self.present, self.hospitals, self.needed
        )
    }

    fn error(&self) -> Error {
        Error::session(format!("no sum: {}", self.code))
            .place(format!("round {}", self.round))
            .expected(format!("{} hospitals; {} were there", self.needed, self.present))
            .remedy("fewer with --absent and --drop-out")
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN { format!("{shown}...") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_no_totals() {
        let failed = Failed {
            hospitals: 9,
            absent: 0,
            dropped: 4,
            thresholds: Thresholds::for_size(9, 0).unwrap(),
            code: "too-few".into(),
            round: "contribute".into(),
            needed: 6,
            present: 5,
        };
        let facts = failed.facts();
        assert!(facts["equal"].is_null() && facts.get("totals").is_none());
        assert_eq!(
            facts["failure"],
            json!({ "code": "too-few", "round": "contribute", "needed": 6, "present": 5 })
        );
        assert_eq!(failed.error().exit_code(), 1);
    }

    #[test]
    fn a_sum_has_every_key_that_is_promised() {
        let summed = Summed {
            first: None,
            hospitals: 9,
            absent: 1,
            shown: json!({
                "attempt": 0, "survivors": [1, 2], "dropped": [3], "colluders_tolerated": 2, "honest_min": 2,
                "quorum": 6, "share_threshold": 5, "cells": 39, "bits_per_cell": 28, "totals": [],
            }),
            table: String::new(),
            equal: true,
            costs: Costs {
                session_ms: 5,
                node_up_bytes: Some(1),
                node_peak_rss_kb: Some(2),
                coordinator_peak_rss_kb: None,
            },
            glimpse: Glimpse { name: "H".into(), held: vec![0xab; 60], figures: vec!["a".into(); 8] },
            bundle: "/tmp/x".into(),
            samensom: "/bin/samensom".into(),
            data: None,
            warrant: "ab".into(),
            founding: "a b".into(),
        };
        let facts = summed.facts();
        let mut keys: Vec<&str> = facts.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut promised = [
            "hospitals",
            "absent",
            "dropped",
            "survivors",
            "colluders_tolerated",
            "honest_min",
            "quorum",
            "share_threshold",
            "cells",
            "equal",
            "session_ms",
            "attempts",
            "node_up_bytes",
            "node_peak_rss_kb",
            "coordinator_peak_rss_kb",
            "bundle",
            "totals",
        ];
        promised.sort_unstable();
        assert_eq!(keys, promised);
        assert_eq!((&facts["attempts"], &facts["dropped"]), (&json!(1), &json!(1)));
        let text = summed.text();
        assert!(
            text.contains("and 2 more") && text.contains("equal: every") && text.contains("result verify")
        );
        assert!(Summed { equal: false, ..summed }.verdict().is_err());
    }
}
