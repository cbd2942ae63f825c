//! What is known of the rows of a large extract, which stay in the database: the survey, and its file.
//!
//! Owns the form in which it is passed on to the draft, and its hash in the place of that of rows. A digest of all
//! rows stands in it, which is another number when one of them is; no row does. It must not ask the database.

use crate::extract::accounting::Accounting;
use crate::extract::error::ExtractError;
use crate::extract::store::RowsHash;
use samensom_protocol::query::Dataset;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Of the hash over a digest and what was counted; changes with how the database makes the digest.
const LABEL: &[u8] = b"samensom large extract v1";
const MOST_BYTES: u64 = 64 * 1024;

/// What the server said of all rows of a large extract at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::extract) struct Survey {
    /// Of the normalised rows in any order.
    pub(in crate::extract) digest: String,
    pub(in crate::extract) accounting: Accounting,
}

impl Survey {
    /// The one that was kept, which is removed.
    pub(in crate::extract) fn take(kept: &Path, dataset: Dataset) -> Result<Survey, ExtractError> {
        let failed =
            |source| ExtractError::Io { path: kept.to_owned(), doing: "reading the kept survey", source };
        let mut text = Vec::new();
        File::open(kept).map_err(failed)?.take(MOST_BYTES).read_to_end(&mut text).map_err(failed)?;
        std::fs::remove_file(kept).map_err(failed)?;
        let survey: Survey = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        if survey.accounting.dataset != dataset {
            return Err(failed(io::Error::other("of another data set")));
        }
        Ok(survey)
    }

    /// In the place of the hash of rows.
    pub(in crate::extract) fn found(&self) -> RowsHash {
        found(&self.digest, &self.accounting)
    }
}

/// What is hashed of rows of which there is a digest.
pub(in crate::extract) fn found(digest: &str, accounting: &Accounting) -> RowsHash {
    let mut units = accounting.units.clone();
    units.sort_by_key(|seen| seen.unit.name());
    let mut hash = Sha256::new();
    let mut absorb = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(bytes);
    };
    absorb(LABEL);
    absorb(digest.as_bytes());
    for seen in &units {
        absorb(seen.unit.name().as_bytes());
        absorb(&seen.rows.to_le_bytes());
    }
    RowsHash { rows: hash.finalize().into(), count: accounting.used, units }
}
