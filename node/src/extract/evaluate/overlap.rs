//! Whether a query counts almost the same patients as one that was answered over the same extract (protocol.md 3.3).
//!
//! Owns the comparing on this hospital's own rows: the patients of both predicates, as a whole and cell by cell where
//! both are cut alike. They stand beside one another in SQLite's own temporary file alone, which it unlinks, and
//! nothing of them is kept or told, not even how many they are. What is too close is the protocol's.

use super::functions::{self, Kept, kept};
use crate::extract::error::ExtractError;
use crate::extract::sql::{self, Sql};
use crate::extract::store::{Frozen, count, store_error};
use rusqlite::Connection;
use samensom_protocol::query::{Answered, Dimension, Predicate, Query, is_too_close};

/// Refuses a query with its floor of patients that is too close to one that was answered over this extract.
///
/// # Errors
/// `Overlap` when it is; `NotCompared` where the rows stay in the hospital's own database; a failing store.
pub fn refuse_overlap(own: &Answered, answered: &[Answered], frozen: &Frozen) -> Result<(), ExtractError> {
    for other in answered {
        let patients = own.patients.max(other.patients);
        for pair in own.query.to_compare(other, answered) {
            let named = || [&own.query, &other.query].map(|query| query.id().to_owned());
            let rows = [&pair.own, &pair.other].map(Predicate::dataset);
            if rows.iter().any(|dataset| frozen.digest_of(*dataset).is_some()) {
                return Err(ExtractError::NotCompared { queries: named() });
            }
            let compared = Compared::of(frozen)?;
            for cut in [&[], pair.cut] {
                let close = compared.is_close([&pair.own, &pair.other], cut, (&own.query, patients))?;
                if close {
                    return Err(ExtractError::Overlap { queries: named(), patients });
                }
                if pair.cut.is_empty() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// A place for the patients of two predicates.
struct Compared<'a> {
    frozen: &'a Frozen,
    connection: Connection,
    unfit: Kept,
}

const SIDES: [&str; 2] = ["one", "other"];

impl<'a> Compared<'a> {
    fn of(frozen: &'a Frozen) -> Result<Compared<'a>, ExtractError> {
        let connection = frozen.connect()?;
        let failing = store_error(frozen.path(), "comparing two populations");
        connection.execute_batch("PRAGMA temp_store = FILE").map_err(&failing)?;
        Ok(Compared { frozen, connection, unfit: Kept::default() })
    }

    /// Whether in some cell too few patients are in one of them alone.
    fn is_close(
        &self,
        predicates: [&Predicate; 2],
        cut: &[Dimension],
        (query, floor): (&Query, u32),
    ) -> Result<bool, ExtractError> {
        let failing = store_error(self.frozen.path(), "comparing two populations");
        for (side, predicate) in SIDES.iter().zip(predicates) {
            self.fill(side, predicate, cut).map_err(|error| match kept(&self.unfit) {
                Some(_) => ExtractError::Overflow { measure: format!("the population of {}", query.id()) },
                None => failing(error),
            })?;
        }
        let [one, other] = SIDES;
        for (alone, beside) in [(one, other), (other, one)] {
            let text = format!(
                "SELECT COUNT(*) FROM (SELECT cell, person FROM temp.side_{alone} EXCEPT \
                 SELECT cell, person FROM temp.side_{beside}) GROUP BY cell ORDER BY 1 LIMIT 1"
            );
            let mut statement = self.connection.prepare(&text).map_err(&failing)?;
            let mut rows = statement.query([]).map_err(&failing)?;
            // The fewest of a cell that has any.
            if let Some(row) = rows.next().map_err(&failing)?
                && is_too_close(count(row, 0).map_err(&failing)?, floor)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The patients of a predicate, each once in each cell.
    fn fill(&self, side: &str, predicate: &Predicate, cut: &[Dimension]) -> rusqlite::Result<()> {
        let dimensions: Vec<(usize, &Dimension)> = cut.iter().enumerate().collect();
        let mut sql = Sql::of_store(predicate.dataset(), false);
        // A checked query has no number that is not exact in 64 bits.
        let unread = || rusqlite::Error::InvalidQuery;
        let mut places = Vec::new();
        for (place, dimension) in &dimensions {
            self.connection.execute_batch(&format!("DROP TABLE IF EXISTS temp.dimension{place}"))?;
            self.connection.execute_batch(&sql::create_dimension(*place))?;
            let mut insert = self.connection.prepare(&sql::insert_dimension(*place))?;
            for (code, position) in dimension.codes().iter().zip(0_i64..) {
                insert.execute((position, &**code))?;
            }
            places.push(sql.place(*place, dimension).ok_or_else(unread)?);
        }
        let person = sql.column(samensom_protocol::query::Column::Person);
        let cells = sql.cells(&dimensions).ok_or_else(unread)?;
        let mut met = Vec::new();
        for condition in predicate.conditions() {
            met.push(sql.condition(condition).ok_or_else(unread)?);
        }
        for (place, expr) in sql.meets.iter().enumerate() {
            functions::condition(&self.connection, &format!("meets{place}"), expr, &self.unfit)?;
        }
        let cell = if places.is_empty() { "''".to_owned() } else { places.join(" || ',' || ") };
        self.connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS temp.side_{side}; CREATE TEMP TABLE side_{side} (cell TEXT, person TEXT)"
        ))?;
        let text = format!(
            "INSERT INTO temp.side_{side} SELECT DISTINCT {cell}, {person} {cells} AND {} AND {person} IS NOT NULL",
            met.join(" AND ")
        );
        let mut statement = self.connection.prepare(&text)?;
        let named = statement.parameter_count();
        for (place, value) in (1..=named).zip(&sql.values) {
            statement.raw_bind_parameter(place, value)?;
        }
        statement.raw_execute().map(drop)
    }
}
