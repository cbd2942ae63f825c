//! The only code that sees a hospital's data: files in, one exact figure per cell out.
//!
//! [`freeze`] reads the declared files once, normalises every row and keeps them in a snapshot that no
//! longer changes; [`evaluate`] answers a query from that snapshot; [`data_check`] shows what is in the
//! files. It must not know the link, the session or keys, and nothing of what it reads is logged.

mod accounting;
mod cell;
mod child;
mod config;
mod describe;
mod draft;
mod error;
mod evaluate;
mod jail;
mod key;
mod report;
mod schema;
mod snapshot;
mod sort;
mod source;
mod sql;
mod store;
mod unique;

#[cfg(test)]
mod tests;

pub use accounting::{Accounting, Rejected, UnitSeen};
pub use child::{Reader, Stop, VERB, read_as_child};
pub use config::{ExtractConfig, UnitSource};
pub use error::ExtractError;
pub use evaluate::evaluate;
pub use jail::Guard;
pub use report::{CheckReport, data_check, data_check_by};
pub use snapshot::Snapshots;
pub use store::Frozen;

use std::path::Path;

/// Reads the declared extracts of one lock once, in this process, and freezes them at `db`, a file that is
/// not there yet.
///
/// # Errors
/// What is wrong with a file, its rows or its units, or with the snapshot's own file; nothing is left of a
/// snapshot that could not be finished.
pub fn freeze(configs: &[ExtractConfig], base_dir: &Path, db: &Path) -> Result<Frozen, ExtractError> {
    snapshot::make(&Reader::Here, configs, base_dir, db, &Stop::default())
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

/// Whether what was read may not be summed.
fn refuse(accounting: &Accounting, config: &ExtractConfig) -> Result<(), ExtractError> {
    if accounting.units.len() > 1 {
        let units = accounting.units.iter().map(|seen| (seen.unit.name(), seen.first_row)).collect();
        return Err(ExtractError::MixedUnits { file: accounting.file.clone(), units });
    }
    if accounting.rejected > config.max_rejected {
        let accounting = Box::new(accounting.clone());
        return Err(ExtractError::Incomplete { accounting, limit: config.max_rejected });
    }
    Ok(())
}
