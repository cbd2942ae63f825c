//! Whether a query read the rows of one person in a frozen extract.
//!
//! Owns that one question: rows with that person that are in the query's population and lie in one of its cells.
//! It counts for nobody else, and neither keeps nor logs whom it was asked about.

use super::{Evaluation, ExtractError, Frozen, store_error};
use crate::extract::sql::Bound;
use crate::extract::store::count;
use samensom_protocol::query::{Column, Query};

/// How many rows of this person the query counted from; `None` where its data set holds no patients, or its rows
/// stay in the hospital's own database.
///
/// # Errors
/// As [`super::evaluate`].
pub fn rows_of_person(query: &Query, frozen: &Frozen, person: &str) -> Result<Option<u64>, ExtractError> {
    if !query.dataset().has_patients() || frozen.digest_of(query.dataset()).is_some() {
        return Ok(None);
    }
    let query = query.resolved().map_err(|_| ExtractError::Open { query: query.id().to_owned() })?;
    let failing = store_error(frozen.path(), "evaluating the query");
    let evaluation = Evaluation::new(&query, frozen, &failing)?;
    let overflow = || ExtractError::Overflow { measure: "population".to_owned() };
    let mut sql = evaluation.statement();
    let cells = sql.cells(&evaluation.dimensions).ok_or_else(overflow)?;
    let population = sql.condition(query.population()).ok_or_else(overflow)?;
    let person = sql.bind(Bound::Text(person.to_owned()));
    let column = sql.column(Column::Person);
    let text = format!("SELECT COUNT(*) {cells} AND {population} AND {column} = {person}");
    let mut rows = 0u64;
    evaluation.each(&text, &sql, &failing, &mut |_, row| {
        rows = rows.saturating_add(count(row, 0).map_err(&failing)?);
        Ok(())
    })?;
    Ok(Some(rows))
}
