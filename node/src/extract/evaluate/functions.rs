//! Functions that SQLite calls while it goes over rows: conditions that compute, and tallies.
//!
//! Owns how a row's columns reach an expression. What goes wrong inside is kept aside, for SQLite would
//! pass on a text alone.

use super::tally::{Tally, Unfit};
use crate::extract::cell::SCALE;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};
use samensom_protocol::query::{Column, ColumnType, Date, Decimal, Expr, MeasureKind, Operand, Scalar};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What went wrong first.
pub(super) type Kept = Arc<Mutex<Option<Unfit>>>;

/// What was kept, if anything.
pub(super) fn kept(unfit: &Kept) -> Option<Unfit> {
    unfit.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn keep(kept: &Kept, unfit: Unfit) -> Error {
    let error = Error::UserFunctionError(Box::new(unfit.clone()));
    kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(unfit);
    error
}

/// Makes the condition known to SQLite under a name; its arguments are its columns in their order.
pub(super) fn condition(
    connection: &Connection,
    name: &str,
    expr: &Expr,
    unfit: &Kept,
) -> rusqlite::Result<()> {
    let (expr, columns, unfit) = (expr.clone(), expr.columns(), unfit.clone());
    let arguments = i32::try_from(columns.len()).unwrap_or(i32::MAX);
    connection.create_scalar_function(name, arguments, flags(), move |context| {
        expr.holds(&mut |operand| of_row(context, &columns, operand))
            .map_err(|overflow| keep(&unfit, overflow.into()))
    })
}

/// Makes known to SQLite which of these conditions a row meets: bit i is set for the i-th. Its arguments are
/// their columns.
pub(super) fn signature(connection: &Connection, filters: &[Expr], unfit: &Kept) -> rusqlite::Result<()> {
    let (filters, columns, unfit) = (filters.to_vec(), columns_of(filters), unfit.clone());
    let arguments = i32::try_from(columns.len()).unwrap_or(i32::MAX);
    connection.create_scalar_function("signature", arguments, flags(), move |context| {
        let mut met = 0_i64;
        for (bit, filter) in filters.iter().enumerate() {
            let holds = filter
                .holds(&mut |operand| of_row(context, &columns, operand))
                .map_err(|overflow| keep(&unfit, overflow.into()))?;
            met |= i64::from(holds == Some(true)) << bit;
        }
        Ok(met)
    })
}

/// The columns of some expressions, each once.
pub(super) fn columns_of<'a>(expressions: impl IntoIterator<Item = &'a Expr>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for column in expressions.into_iter().flat_map(Expr::columns) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// Makes the tally of a measure over rows known to SQLite under a name; its arguments are its columns, its
/// result the figures as 16 bytes each.
pub(super) fn tally(
    connection: &Connection,
    name: &str,
    kind: &MeasureKind,
    scales: Vec<u8>,
    unfit: &Kept,
) -> rusqlite::Result<()> {
    let columns = columns(kind);
    let arguments = i32::try_from(columns.len()).unwrap_or(i32::MAX);
    let gather = Gather { kind: kind.clone(), columns, scales, unfit: unfit.clone() };
    connection.create_aggregate_function(name, arguments, flags(), gather)
}

/// Makes `some_of(x)` known to SQLite: how many different texts there are, `most` at most. Of a whole column that is
/// known after a few rows, where `COUNT(DISTINCT x)` keeps all of them.
pub(super) fn some_of(connection: &Connection, most: u32) -> rusqlite::Result<()> {
    connection.create_aggregate_function("some_of", 1, flags(), Different { most })
}

/// The columns of a measure over rows, each once.
pub(super) fn columns(kind: &MeasureKind) -> Vec<Column> {
    columns_of(expressions(kind))
}

/// The expressions of a measure whose values are tallied.
pub(super) fn expressions(kind: &MeasureKind) -> Vec<&Expr> {
    match kind {
        MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => Vec::new(),
        MeasureKind::Sum { of, .. }
        | MeasureKind::Histogram { of, .. }
        | MeasureKind::Moments { of, .. }
        | MeasureKind::Hospitals { condition: of } => vec![of],
        MeasureKind::Regression { outcome, predictors, .. } => predictors.iter().chain([outcome]).collect(),
        MeasureKind::Survival { time, event, .. } => vec![time, event],
    }
}

/// A stored value.
pub(super) fn scalar(value: ValueRef<'_>, kind: ColumnType) -> Option<Scalar> {
    match (kind, value) {
        (ColumnType::Number, ValueRef::Integer(fine)) => {
            Decimal::new(i128::from(fine), SCALE).map(Scalar::Number)
        }
        (ColumnType::Date, ValueRef::Text(text)) => {
            Date::parse(std::str::from_utf8(text).ok()?).map(Scalar::Date)
        }
        (ColumnType::Text, ValueRef::Text(text)) => {
            Some(Scalar::Text(std::str::from_utf8(text).ok()?.to_owned()))
        }
        _ => None,
    }
}

fn of_row(context: &Context<'_>, columns: &[Column], operand: Operand) -> Option<Scalar> {
    let Operand::Column(column) = operand else { return None };
    let place = columns.iter().position(|one| *one == column)?;
    scalar(context.get_raw(place), column.column_type())
}

fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY
}

struct Gather {
    kind: MeasureKind,
    columns: Vec<Column>,
    scales: Vec<u8>,
    unfit: Kept,
}

impl Aggregate<Tally, Vec<u8>> for Gather {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Tally> {
        Ok(Tally::new(self.scales.len()))
    }

    fn step(&self, context: &mut Context<'_>, tally: &mut Tally) -> rusqlite::Result<()> {
        tally
            .add(&self.kind, &mut |operand| of_row(context, &self.columns, operand))
            .map_err(|unfit| keep(&self.unfit, unfit))
    }

    fn finalize(&self, _: &mut Context<'_>, tally: Option<Tally>) -> rusqlite::Result<Vec<u8>> {
        let tally = tally.unwrap_or_else(|| Tally::new(self.scales.len()));
        let figures = tally.figures(&self.scales).map_err(|unfit| keep(&self.unfit, unfit))?;
        Ok(figures.iter().flat_map(|figure| figure.to_le_bytes()).collect())
    }
}

struct Different {
    most: u32,
}

impl Aggregate<BTreeSet<Vec<u8>>, i64> for Different {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<BTreeSet<Vec<u8>>> {
        Ok(BTreeSet::new())
    }

    fn step(&self, context: &mut Context<'_>, seen: &mut BTreeSet<Vec<u8>>) -> rusqlite::Result<()> {
        let has_room = u32::try_from(seen.len()).is_ok_and(|count| count < self.most);
        if let (true, ValueRef::Text(text)) = (has_room, context.get_raw(0))
            && !seen.contains(text)
        {
            seen.insert(text.to_vec());
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, seen: Option<BTreeSet<Vec<u8>>>) -> rusqlite::Result<i64> {
        Ok(seen.map_or(0, |seen| i64::try_from(seen.len()).unwrap_or(i64::MAX)))
    }
}

/// The figures of a result of [`tally`].
pub(super) fn figures(bytes: &[u8]) -> Vec<i128> {
    bytes.as_chunks::<16>().0.iter().map(|chunk| i128::from_le_bytes(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_texts_are_counted_until_there_are_enough() {
        let connection = Connection::open_in_memory().unwrap();
        some_of(&connection, 3).unwrap();
        let count = |rows: &str| -> i64 {
            let text = format!("SELECT some_of(column1) FROM (VALUES {rows}) WHERE column1 IS NOT 'x'");
            connection.query_row(&text, [], |row| row.get(0)).unwrap()
        };
        for (rows, expected) in [
            ("('x')", 0),
            ("(NULL)", 0),
            ("('a'), ('a'), (NULL), ('a')", 1),
            ("('a'), ('b'), ('a'), ('b')", 2),
            ("('a'), ('b'), ('b'), ('c')", 3),
            ("('a'), ('b'), ('c'), ('d'), ('e')", 3),
        ] {
            assert_eq!(count(rows), expected, "{rows}");
        }
    }
}
