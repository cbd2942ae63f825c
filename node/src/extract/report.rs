//! `data check`: what the declared extracts hold, row by row accounted for.
//!
//! Reads the same files with the same code as a freeze and stores nothing. For the hospital's own eyes.

use super::accounting::Accounting;
use super::config::ExtractConfig;
use super::error::{DisplayRejected, ExtractError};
use super::source;
use super::verdict::{refuse, refuse_stale};
use samensom_protocol::query::Dataset;
use samensom_protocol::time::Time;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// What was found in one extract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The data set.
    pub dataset: &'static str,
    /// The file.
    pub file: String,
    /// Whether a freeze would take it.
    pub complete: bool,
    /// Counts, units, newest date and the first rejected rows; absent when the file cannot be read.
    pub accounting: Option<Accounting>,
    /// Why a freeze would refuse it.
    pub problem: Option<String>,
}

/// Reads every extract, or those of one data set, and reports on each.
#[must_use]
pub fn data_check(
    configs: &[ExtractConfig],
    base_dir: &Path,
    dataset: Option<Dataset>,
    now: Time,
) -> Vec<CheckReport> {
    let wanted = configs.iter().filter(|config| dataset.is_none_or(|dataset| dataset == config.dataset));
    wanted.map(|config| check(config, base_dir, now)).collect()
}

fn check(config: &ExtractConfig, base_dir: &Path, now: Time) -> CheckReport {
    let read = source::at_rest(|| source::read(config, base_dir, &mut |_| Ok(())));
    let (accounting, problem) = match read {
        Ok(accounting) => {
            let problem =
                refuse(&accounting, config).and_then(|()| refuse_stale(&accounting, config, now)).err();
            (Some(accounting), problem)
        }
        Err(error) => (None, Some(error)),
    };
    // The rejected rows stand in the report itself.
    let problem = problem.map(|error| match error {
        ExtractError::Incomplete { accounting, limit } => {
            format!(
                "incomplete: {} rows rejected, at most {limit} allowed (max_rejected)",
                accounting.rejected
            )
        }
        other => other.to_string(),
    });
    CheckReport {
        dataset: config.dataset.name(),
        file: base_dir.join(&config.file).display().to_string(),
        complete: problem.is_none(),
        accounting,
        problem,
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.dataset, self.file)?;
        if let Some(accounting) = &self.accounting {
            let Accounting { used, rejected, objected, .. } = accounting;
            let total = accounting.total();
            writeln!(f, "  rows: total {total} = used {used} + rejected {rejected} + objected {objected}")?;
            for seen in &accounting.units {
                let unit = seen.unit.name();
                writeln!(f, "  unit: {unit}, {} rows, first in row {}", seen.rows, seen.first_row)?;
            }
            match accounting.newest {
                Some(date) => writeln!(f, "  reference date: {date}")?,
                None => writeln!(f, "  reference date: none in the data")?,
            }
            for rejected in &accounting.first_rejected {
                writeln!(f, "  rejected: {}", DisplayRejected(&accounting.file, rejected))?;
            }
        }
        match &self.problem {
            Some(problem) => write!(f, "  FAIL: {problem}"),
            None => write!(f, "  ok"),
        }
    }
}
