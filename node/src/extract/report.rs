//! `data check`: what the declared extracts hold, row by row accounted for.
//!
//! Reads the same files with the same code as a freeze and stores nothing. For the hospital's own eyes.

use super::accounting::Accounting;
use super::child::{self, Done, Reader, Stop, What};
use super::config::ExtractConfig;
use super::database::{self, Rights};
use super::draft::{self, Draft};
use super::error::{DisplayRejected, ExtractError, first_in};
use super::jail::Guard;
use super::{refuse, refuse_stale, snapshot, source};
use samensom_protocol::query::Dataset;
use samensom_protocol::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// Begins the names of folders in which a check puts by what it must; the process follows.
const SCRATCH: &str = "samensom-check-";

/// What was found in one extract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The data set.
    pub dataset: String,
    /// The file.
    pub file: String,
    /// Whether a freeze would take it.
    pub complete: bool,
    /// Counts, units, newest date and the first rejected rows; absent when the file cannot be read.
    pub accounting: Option<Accounting>,
    /// Why a freeze would refuse it.
    pub problem: Option<String>,
    /// What somebody should mend although a freeze would take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Reads every extract, or those of one data set, in this process, and reports on each.
#[must_use]
pub fn data_check(
    configs: &[ExtractConfig],
    base_dir: &Path,
    dataset: Option<Dataset>,
    now: Time,
) -> Vec<CheckReport> {
    match data_check_by(&Reader::Here, configs, base_dir, (&std::env::temp_dir(), now), dataset) {
        Ok((reports, _)) => reports,
        Err(error) => configs.iter().map(|config| failed(config, base_dir, &error)).collect(),
    }
}

/// The same by a reader, which puts by what it must in a folder of its own below `scratch`; with how a child
/// was kept apart.
///
/// # Errors
/// That the reading itself failed: nothing can be said of the extracts.
pub fn data_check_by(
    reader: &Reader,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (scratch, now): (&Path, Time),
    dataset: Option<Dataset>,
) -> Result<(Vec<CheckReport>, Option<Guard>), ExtractError> {
    let wanted = configs.iter().filter(|config| dataset.is_none_or(|dataset| dataset == config.dataset));
    let wanted: Vec<ExtractConfig> = wanted.cloned().collect();
    let scratch = scratch_folder(scratch)?;
    snapshot::unchanged(|| {
        let Fetched { there, warnings, failed } = fetched(&wanted, base_dir, scratch.path())?;
        let (reports, guard) = read(reader, &there, base_dir, (scratch.path(), now))?;
        let mut reports: Vec<CheckReport> = reports
            .into_iter()
            .zip(warnings)
            .map(|(report, warning)| CheckReport { warning, ..report })
            .chain(failed)
            .collect();
        let place =
            |report: &CheckReport| wanted.iter().position(|config| config.dataset.name() == report.dataset);
        reports.sort_by_key(place);
        Ok((reports, guard))
    })
}

/// Extracts of which there is something to read, with what should be said of them, and reports on the others.
struct Fetched {
    there: Vec<ExtractConfig>,
    warnings: Vec<Option<String>>,
    failed: Vec<CheckReport>,
}

/// A database that cannot be asked says nothing of the other extracts.
fn fetched(wanted: &[ExtractConfig], base_dir: &Path, scratch: &Path) -> Result<Fetched, ExtractError> {
    let mut all = Fetched { there: Vec::new(), warnings: Vec::new(), failed: Vec::new() };
    for config in wanted {
        // Of a reading before, in which another extract changed.
        if let Some(kept) = database::kept(config, scratch).filter(|kept| kept.exists()) {
            let removed = std::fs::remove_file(&kept);
            removed.map_err(|source| ExtractError::Io {
                path: kept,
                doing: "removing a kept result",
                source,
            })?;
        }
        match database::fetch(config, base_dir, scratch, (&Stop::default(), Rights::Asked)) {
            Ok(role) => {
                let todo = "take these rights from it, for it needs SELECT on what it reads and nothing else";
                all.warnings.push(role.map(|role| format!("{role}; {todo}")));
                all.there.push(config.clone());
            }
            Err(error) => all.failed.push(failed(config, base_dir, &error)),
        }
    }
    Ok(all)
}

fn read(
    reader: &Reader,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (scratch, now): (&Path, Time),
) -> Result<(Vec<CheckReport>, Option<Guard>), ExtractError> {
    match reader {
        Reader::Here => {
            let reports = configs.iter().map(|config| check(config, base_dir, (scratch, now)));
            Ok((reports.collect::<Result<_, _>>()?, None))
        }
        Reader::Child(program) => {
            match child::ask(program, What::Reports, configs, base_dir, (scratch, now), &Stop::default())? {
                Done::Reported(reports, guard) => Ok((reports, guard)),
                Done::Drafted => Ok((Vec::new(), None)),
            }
        }
    }
}

/// A folder of its own below `scratch`, which goes when it is dropped.
pub(super) fn scratch_folder(scratch: &Path) -> Result<tempfile::TempDir, ExtractError> {
    forget_killed(scratch);
    let prefix = format!("{SCRATCH}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(scratch).map_err(|source| ExtractError::Io {
        path: scratch.to_owned(),
        doing: "making a folder for the check",
        source,
    })
}

/// Folders of checks that were killed hold rows that nobody looks at again.
fn forget_killed(scratch: &Path) {
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(SCRATCH).and_then(|rest| rest.split('-').next());
        let runs = |process: u32| Path::new("/proc").join(process.to_string()).exists();
        if process.and_then(|process| process.parse().ok()).is_some_and(|process| !runs(process)) {
            // Another account's cannot be removed, and is not ours to remove.
            let _ = draft::remove_folder(&entry.path());
        }
    }
}

/// Reads one extract as a freeze does. Rows are stored, and thrown away, only where that can reject more.
pub(super) fn check(
    config: &ExtractConfig,
    base_dir: &Path,
    (folder, now): (&Path, Time),
) -> Result<CheckReport, ExtractError> {
    let read = || {
        if config.is_large() {
            return draft::survey(config, folder).map(|loaded| loaded.accounting);
        }
        if config.unique.is_empty() {
            return source::read(config, base_dir, folder, &mut |_| Ok(()));
        }
        // In the folder itself: a child that is shut in makes no folders.
        let mut draft = Draft::create(folder, &[config.dataset])?;
        let loaded = draft.load(config, base_dir);
        draft.discard()?;
        loaded.map(|loaded| loaded.accounting)
    };
    let (accounting, problem) = match read() {
        Err(error) if error.is_changed() => return Err(error),
        Ok(accounting) => {
            let problem =
                refuse(&accounting, config).and_then(|()| refuse_stale(&accounting, config, now)).err();
            (Some(accounting), problem)
        }
        // So that the report shows what a load gives up at.
        Err(ExtractError::Incomplete { accounting, limit }) => {
            let problem = ExtractError::Incomplete { accounting: accounting.clone(), limit };
            (Some(*accounting), Some(problem))
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
    Ok(CheckReport {
        dataset: config.dataset.name().to_owned(),
        file: base_dir.join(&config.file).display().to_string(),
        complete: problem.is_none(),
        accounting,
        problem,
        warning: None,
    })
}

fn failed(config: &ExtractConfig, base_dir: &Path, error: &ExtractError) -> CheckReport {
    CheckReport {
        dataset: config.dataset.name().to_owned(),
        file: base_dir.join(&config.file).display().to_string(),
        complete: false,
        accounting: None,
        problem: Some(error.to_string()),
        warning: None,
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
                let first = first_in(seen.first_row).map_or(String::new(), |first| format!(",{first}"));
                writeln!(f, "  unit: {unit}, {} rows{first}", seen.rows)?;
            }
            match accounting.newest {
                Some(date) => writeln!(f, "  reference date: {date}")?,
                None => writeln!(f, "  reference date: none in the data")?,
            }
            for rejected in &accounting.first_rejected {
                writeln!(f, "  rejected: {}", DisplayRejected(&accounting.file, rejected))?;
            }
        }
        if let Some(warning) = &self.warning {
            writeln!(f, "  warn: {warning}")?;
        }
        match &self.problem {
            Some(problem) => write!(f, "  FAIL: {problem}"),
            None => write!(f, "  ok"),
        }
    }
}
