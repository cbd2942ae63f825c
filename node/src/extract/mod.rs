//! The only code that sees a hospital's data: files in, one exact figure per cell out.
//!
//! [`freeze`] reads the declared files once, normalises every row and keeps them in a snapshot that no
//! longer changes; [`evaluate`] answers a query from that snapshot; [`data_check`] shows what is in the
//! files. It must not know the link, the session or keys, and nothing of what it reads is logged.

mod accounting;
mod cell;
mod child;
mod codes;
mod config;
mod database;
mod date;
mod derive;
mod describe;
mod dialect;
mod draft;
mod error;
mod evaluate;
mod jail;
mod key;
mod records;
mod report;
mod row;
mod schema;
mod shape;
mod snapshot;
mod sort;
mod source;
mod sql;
mod store;
mod unique;
mod units;
mod verdict;

#[cfg(test)]
pub(crate) mod tests;

pub use accounting::{Accounting, DateSeen, Rejected, UnitSeen};
pub use cell::Marks;
pub use child::{Reader, Stop, VERB, read_as_child};
pub use codes::CodeKind;
pub use config::{ExtractConfig, LevelSource, Objection, UnitSource, Values};
pub use database::{Database, Fault};
pub use date::DateFormat;
pub use dialect::Encoding;
pub use error::ExtractError;
pub use evaluate::{evaluate, refuse_overlap, rows_of_person};
pub use jail::Guard;
pub use report::{CheckReport, data_check, data_check_by};
pub use snapshot::Snapshots;
pub use store::Frozen;
pub use units::Level;

use samensom_protocol::query::{Counting, Dominance, Query};
use samensom_protocol::time::Time;
use std::path::Path;
use verdict::{refuse, refuse_stale};

/// Reads the declared extracts of one lock once, in this process, and freezes them at `db`, a file that is
/// not there yet. What is too old is judged at `now`.
///
/// # Errors
/// What is wrong with a file, its rows or its units, or with the snapshot's own file; nothing is left of a
/// snapshot that could not be finished.
pub fn freeze(
    configs: &[ExtractConfig],
    base_dir: &Path,
    db: &Path,
    now: Time,
) -> Result<Frozen, ExtractError> {
    snapshot::make(&Reader::Here, configs, base_dir, (db, now), &Stop::default())
}

/// The figures of this hospital for a query over extracts that are read now and kept nowhere: for its own
/// eyes, before anybody is answered.
///
/// # Errors
/// As [`freeze`] and [`evaluate`]; `NoExtract` where the query's data set is not declared.
pub fn preview(
    reader: &Reader,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (scratch, now): (&Path, Time),
    query: &Query,
) -> Result<Vec<i64>, ExtractError> {
    let dataset = query.dataset();
    let needed =
        |config: &&ExtractConfig| config.dataset == dataset || dataset.made_of().contains(&config.dataset);
    let needed: Vec<ExtractConfig> = configs.iter().filter(needed).cloned().collect();
    if needed.is_empty() {
        return Err(ExtractError::NoExtract { dataset: dataset.name() });
    }
    let folder = report::scratch_folder(scratch)?;
    let db = folder.path().join("preview.db");
    let stop = Stop::default();
    let frozen = snapshot::make(reader, &needed, base_dir, (&db, now), &stop)?;
    answer(query, &frozen, now, &Home { configs: &needed, base_dir, stop: &stop })
}

/// Where the rows of large extracts are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// What is declared.
    pub configs: &'a [ExtractConfig],
    /// The configuration's folder.
    pub base_dir: &'a Path,
    /// Ends the asking.
    pub stop: &'a Stop,
}

/// The figures of this hospital, unless the extract is older than the query allows: from the snapshot, or of a
/// large extract from the database where its rows are.
///
/// # Errors
/// As [`evaluate`]; `Stale` for an extract that is too old; `Moved` for a large one whose rows are no longer
/// those that were frozen.
pub fn answer(query: &Query, frozen: &Frozen, now: Time, home: &Home<'_>) -> Result<Vec<i64>, ExtractError> {
    refuse_old(query, frozen, now)?;
    if frozen.digest_of(query.dataset()).is_none() {
        return evaluate(query, frozen);
    }
    home.ask(&Wish { query, frozen, count: None })
}

/// What is asked of a large extract: the figures of a query, or what is said of them in its count pass.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "only PostgreSQL is asked"))]
struct Wish<'a> {
    query: &'a Query,
    frozen: &'a Frozen,
    count: Option<Counts<'a>>,
}

/// What is counted: the lanes, how many patients are enough, and what the own figures are compared with.
pub type Counts<'a> = (&'a Counting, u32, Option<&'a Dominance>);

impl Home<'_> {
    fn ask(&self, wish: &Wish<'_>) -> Result<Vec<i64>, ExtractError> {
        let dataset = wish.query.dataset();
        let large = |config: &&ExtractConfig| config.dataset == dataset && config.is_large();
        match self.configs.iter().find(large) {
            Some(config) => database::asked(config, self.base_dir, self.stop, wish),
            None => {
                let problem =
                    "it was large when it was frozen for this slot, and is no longer; wait for the next slot";
                Err(ExtractError::Config { problem, dataset: dataset.name() })
            }
        }
    }
}

/// What this hospital says before its figures: 0 or 1 for each lane of the query's count pass.
///
/// # Errors
/// As [`answer`].
pub fn count(
    query: &Query,
    frozen: &Frozen,
    now: Time,
    counts: Counts<'_>,
    home: &Home<'_>,
) -> Result<Vec<i64>, ExtractError> {
    refuse_old(query, frozen, now)?;
    if frozen.digest_of(query.dataset()).is_none() {
        return evaluate::holders(query, frozen, counts);
    }
    home.ask(&Wish { query, frozen, count: Some(counts) })
}

fn refuse_old(query: &Query, frozen: &Frozen, now: Time) -> Result<(), ExtractError> {
    if let Some(minutes) = query.max_age_minutes() {
        let dataset = query.dataset();
        let read = |accounting: &&Accounting| {
            accounting.dataset == dataset || dataset.made_of().contains(&accounting.dataset)
        };
        let age = i64::from(minutes) * 60_000;
        frozen.accounting.iter().filter(read).try_for_each(|one| verdict::refuse_older(one, age, now))?;
    }
    Ok(())
}

fn one_file_per_dataset(configs: &[ExtractConfig]) -> Result<(), ExtractError> {
    if configs.is_empty() {
        let problem = "none is declared; expected one or more in node.toml";
        return Err(ExtractError::Config { problem, dataset: "any" });
    }
    for (place, config) in configs.iter().enumerate() {
        if configs.iter().skip(place + 1).any(|other| other.dataset == config.dataset) {
            let problem =
                "declared twice; expected one file per data set, else rows count twice; join the files";
            return Err(ExtractError::Config { problem, dataset: config.dataset.name() });
        }
    }
    Ok(())
}
