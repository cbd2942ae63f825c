//! The keys of an `[[extract]]` whose rows come from a database.
//!
//! Owns what `select`, `database`, `timeout`, `max_rows` and `large` mean, and which keys of a file have no meaning
//! beside them: a result has one dialect, which is ours. It must not open the files they name.

use super::keys::{Parts, text};
use crate::extract::database::Database;
use crate::extract::dialect::Encoding;
use serde::de::MapAccess;
use std::path::PathBuf;
use std::time::Duration;

/// How long a SELECT may take where nothing is said.
const USUAL_TIMEOUT: Duration = Duration::from_secs(300);
const MOST_TIMEOUT: Duration = Duration::from_secs(86_400);
/// Rows that a result may have where nothing is said.
const USUAL_ROWS: u64 = 50_000_000;

/// Those of the keys that were there.
#[derive(Default)]
pub(super) struct DatabaseKeys {
    select: Option<PathBuf>,
    database: Option<PathBuf>,
    timeout: Option<Duration>,
    max_rows: Option<u64>,
    large: bool,
}

impl DatabaseKeys {
    pub(super) fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "select" => self.select = Some(map.next_value()?),
            "database" => self.database = Some(map.next_value()?),
            "timeout" => self.timeout = Some(text(map, timeout)?),
            "max_rows" => self.max_rows = Some(map.next_value()?),
            _ => self.large = map.next_value()?,
        }
        Ok(())
    }
}

impl Parts {
    /// The database, where one is declared; then the file is that of the SELECT and the dialect is the one in
    /// which its result is kept.
    pub(super) fn of_database(&mut self) -> Result<Option<Database>, String> {
        let DatabaseKeys { select, database, timeout, max_rows, large } = std::mem::take(&mut self.database);
        let (select, connection) = match (select, database) {
            (Some(select), Some(connection)) => (select, connection),
            (Some(_), None) => {
                return Err(
                    "`select` needs `database`, the file that says how the server is reached".to_owned()
                );
            }
            (None, Some(_)) => return Err("`database` needs `select`, the file of the SELECT".to_owned()),
            (None, None) if timeout.is_some() || max_rows.is_some() || large => {
                return Err("`timeout`, `max_rows` and `large` belong to a `select`".to_owned());
            }
            (None, None) => return Ok(None),
        };
        let of_a_file = [
            ("file", self.file.is_some()),
            ("encoding", self.encoding.is_some()),
            ("separator", self.separator.is_some()),
            ("decimal", self.decimal.is_some()),
            ("thousands", self.thousands.is_some()),
            ("date", self.date.is_some()),
            ("open_end", self.open_end),
        ];
        if let Some((key, _)) = of_a_file.into_iter().find(|(_, declared)| *declared) {
            return Err(format!(
                "`{key}` and `select` are declared; expected one source, and how a file is written means nothing of a \
                 SELECT: leave `{key}` out"
            ));
        }
        if large {
            self.judge_large()?;
        }
        if max_rows == Some(0) {
            return Err(
                "max_rows = 0; expected at least 1, the most rows that the result may have".to_owned()
            );
        }
        self.file = Some(select);
        (self.encoding, self.separator, self.decimal) = (Some(Encoding::Utf8), Some(b','), Some('.'));
        Ok(Some(Database {
            connection,
            timeout: timeout.unwrap_or(USUAL_TIMEOUT),
            max_rows: max_rows.unwrap_or(USUAL_ROWS),
            large,
        }))
    }

    /// What would need the rows here.
    fn judge_large(&self) -> Result<(), String> {
        let without = [
            ("unit_table", self.unit_table.is_some(), "let the SELECT give quantities in a unit"),
            ("unique", !self.unique.is_empty(), "let the database keep the key, or the SELECT group by it"),
            ("max_rejected", self.max_rejected > 0, "let the SELECT leave out what cannot be used"),
        ];
        match without.into_iter().find(|(_, declared, _)| *declared) {
            None => Ok(()),
            Some((key, _, instead)) => Err(format!(
                "`{key}` and `large = true` are declared; the rows of a large extract stay in the database, where \
                 nobody looks at them one by one: leave `{key}` out, and {instead}"
            )),
        }
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let seconds = [("s", 1), ("m", 60), ("h", 3_600)];
    let read = seconds.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let plain =
            !number.is_empty() && number.len() <= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| number.parse::<u64>().ok()).flatten().map(|number| number * seconds)
    });
    match read.map(Duration::from_secs) {
        Some(time) if !time.is_zero() && time <= MOST_TIMEOUT => Ok(time),
        _ => Err(format!("timeout `{text}`; expected from 1s to 24h, such as 30s, 5m or 2h")),
    }
}
