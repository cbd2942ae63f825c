//! Rows that share a key which was declared `unique`: all of them are rejected, by number.
//!
//! Owns the statements that find and remove them once all rows are in the store, where they stand sorted by
//! code. Which of two rows would be right is never guessed. It keeps the accounting balanced.

use super::accounting::{Accounting, Rejected, SHOWN};
use super::config::ExtractConfig;
use super::key;
use super::schema;
use super::shape::NOT_SHOWN;
use super::store::count;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use samensom_protocol::query::{Column, Date};

/// Removes the rows that share a key; false if there are none.
pub(super) fn reject(
    connection: &Connection,
    config: &ExtractConfig,
    accounting: &mut Accounting,
) -> rusqlite::Result<bool> {
    connection.execute_batch(
        "CREATE TEMP TABLE twice (seq INTEGER PRIMARY KEY, source_row INTEGER NOT NULL, other INTEGER NOT NULL) STRICT",
    )?;
    find(connection, config)?;
    let rejected = connection.query_row("SELECT COUNT(*) FROM temp.twice", [], |row| count(row, 0))?;
    if rejected > 0 {
        show(connection, config, accounting)?;
        let (rows, codes) = (schema::rows(config.dataset), schema::codes(config.dataset));
        connection.execute_batch(&format!(
            "DELETE FROM {rows} WHERE seq IN (SELECT seq FROM temp.twice);
             DELETE FROM {codes} WHERE NOT EXISTS
                 (SELECT 1 FROM {rows} AS t WHERE t.seq BETWEEN {codes}.first AND {codes}.last)"
        ))?;
        accounting.used = accounting.used.saturating_sub(rejected);
        accounting.rejected = accounting.rejected.saturating_add(rejected);
        accounting.newest = newest(connection, config)?;
    }
    connection.execute_batch("DROP TABLE temp.twice")?;
    Ok(rejected > 0)
}

/// Fills the list of rows that share a key, each with another row of that key.
fn find(connection: &Connection, config: &ExtractConfig) -> rusqlite::Result<()> {
    let dataset = config.dataset;
    let behind: Vec<String> =
        key::others(dataset).filter(|column| config.unique.contains(column)).map(schema::quoted).collect();
    let window =
        if behind.is_empty() { String::new() } else { format!("PARTITION BY {}", behind.join(", ")) };
    let mut insert = connection.prepare(&format!(
        "INSERT INTO temp.twice
         SELECT seq, source_row, CASE source_row WHEN least THEN most ELSE least END FROM
             (SELECT seq, source_row, MIN(source_row) OVER w AS least, MAX(source_row) OVER w AS most,
                  COUNT(*) OVER w AS times
              FROM {} WHERE seq BETWEEN ?1 AND ?2 WINDOW w AS ({window}))
         WHERE times > 1",
        schema::rows(dataset)
    ))?;
    if !config.unique.contains(&Column::Code) {
        return insert.execute([0, i64::MAX]).map(drop);
    }
    // A code's rows lie together, so that only these are compared.
    let mut codes = connection.prepare(&schema::all_codes(dataset))?;
    let mut codes = codes.query([])?;
    while let Some(code) = codes.next()? {
        let range: [i64; 2] = [code.get(1)?, code.get(2)?];
        if range[0] < range[1] {
            insert.execute(range)?;
        }
    }
    Ok(())
}

/// Puts the first of them into the accounting.
fn show(
    connection: &Connection,
    config: &ExtractConfig,
    accounting: &mut Accounting,
) -> rusqlite::Result<()> {
    let name = |column: &Column| match column {
        Column::Code => "c.code".to_owned(),
        other => format!("t.{}", schema::quoted(*other)),
    };
    let columns: Vec<String> = config.unique.iter().map(name).collect();
    let (rows, codes) = (schema::rows(config.dataset), schema::codes(config.dataset));
    let mut statement = connection.prepare(&format!(
        "SELECT d.source_row, d.other, {} FROM
             (SELECT * FROM temp.twice ORDER BY source_row LIMIT ?1) AS d
             CROSS JOIN {codes} AS c ON d.seq BETWEEN c.first AND c.last
             CROSS JOIN {rows} AS t ON t.seq = d.seq
         ORDER BY d.source_row",
        columns.join(", ")
    ))?;
    let mut found = statement.query([i64::try_from(SHOWN).unwrap_or(0)])?;
    let theirs = |column: &Column| config.columns.get(column).map_or(column.name(), String::as_str);
    let patients = config.dataset.has_patients();
    let column = config.unique.iter().map(theirs).collect::<Vec<_>>().join(", ");
    while let Some(row) = found.next()? {
        let values: Vec<String> =
            (2..columns.len() + 2).map(|place| text(row, place)).collect::<Result<_, _>>()?;
        accounting.first_rejected.push(Rejected {
            row: count(row, 0)?,
            column: column.clone(),
            value: if patients { NOT_SHOWN.to_owned() } else { values.join(", ") },
            reason: format!("the same as in row {}, where `unique` is declared", count(row, 1)?),
            remedy: "leave out all rows but one, or add them up, where the file is made".to_owned(),
        });
    }
    accounting.first_rejected.sort_by_key(|rejected| rejected.row);
    accounting.first_rejected.truncate(SHOWN);
    Ok(())
}

fn text(row: &Row<'_>, place: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(place)? {
        ValueRef::Null => "(nothing)".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    })
}

/// The newest date of the rows that are left.
fn newest(connection: &Connection, config: &ExtractConfig) -> rusqlite::Result<Option<Date>> {
    let Some(column) = config.dataset.day() else { return Ok(None) };
    let sql = format!("SELECT MAX({}) FROM {}", schema::quoted(column), schema::rows(config.dataset));
    let text: Option<String> = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(text.and_then(|text| Date::parse(&text)))
}
