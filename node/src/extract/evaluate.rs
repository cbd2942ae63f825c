//! A query over a frozen extract -> one exact figure per cell.
//!
//! Owns the order of the checks: foreign units first, then the figures, each rounded once (half to even)
//! and refused outside its range. Nothing is converted, clipped or left out in silence.

use super::cell::SCALE;
use super::error::ExtractError;
use super::sql::{self, Sql};
use super::store::{Frozen, count, store_error};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};
use samensom_protocol::query::{
    Aggregate, Column, Decimal, Layout, Measure, MeasureKind, Operand, Query, Scalar, divide_half_even, pow10,
};

/// The figures of this hospital in the order of the query's layout, in base units of each measure's scale.
///
/// # Errors
/// A row of another unit, a cell outside its range, a data set that was not frozen, a failing store. The
/// text is for the hospital; only its `code()` may leave.
pub fn evaluate(query: &Query, frozen: &Frozen) -> Result<Vec<i64>, ExtractError> {
    let accounting = frozen
        .accounting_of(query.dataset())
        .ok_or(ExtractError::NoExtract { dataset: query.dataset().name() })?;
    let connection = frozen.connect()?;
    let failing = store_error(frozen.path(), "evaluating the query");
    fill_dimensions(&connection, query).map_err(&failing)?;
    let evaluation = Evaluation {
        query,
        layout: query.layout(),
        columns: query.dimensions().iter().map(|dimension| dimension.column()).collect(),
        connection,
        file: accounting.file.clone(),
        accounting: accounting.to_string(),
    };
    let cells = usize::try_from(evaluation.layout.cells()).unwrap_or(0);
    let mut figures = vec![0_i64; cells];
    for (place, measure) in query.measures().iter().enumerate() {
        evaluation.refuse_foreign_unit(measure, &failing)?;
        evaluation.fill(place, measure, &mut figures, &failing)?;
    }
    Ok(figures)
}

fn fill_dimensions(connection: &Connection, query: &Query) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    for (place, dimension) in query.dimensions().iter().enumerate() {
        connection.execute_batch(&sql::create_dimension(place))?;
        let mut insert = connection.prepare(&sql::insert_dimension(place))?;
        for (code, position) in dimension.codes().iter().zip(0_i64..) {
            insert.execute((position, &**code))?;
        }
    }
    Ok(())
}

struct Evaluation<'a> {
    query: &'a Query,
    layout: Layout,
    columns: Vec<Column>,
    connection: Connection,
    file: String,
    accounting: String,
}

type Failing<'a> = &'a dyn Fn(rusqlite::Error) -> ExtractError;

impl Evaluation<'_> {
    /// `FROM .. WHERE ..` of the rows that count for a measure.
    fn rows_of(&self, measure: &Measure, sql: &mut Sql) -> Result<String, ExtractError> {
        let overflow = || ExtractError::Overflow { measure: measure.name().to_owned() };
        let population = sql.condition(self.query.population()).ok_or_else(overflow)?;
        let filter = sql.condition(measure.filter()).ok_or_else(overflow)?;
        let from = sql::from_cells(self.query.dataset(), &self.columns);
        Ok(format!("{from} WHERE {population} AND {filter}"))
    }

    fn refuse_foreign_unit(&self, measure: &Measure, failing: Failing<'_>) -> Result<(), ExtractError> {
        let Some(unit) = measure.unit() else { return Ok(()) };
        let mut sql = Sql::default();
        let rows = self.rows_of(measure, &mut sql)?;
        let expected = sql.bind(Value::Text(unit.name().to_owned()));
        let text = format!(
            "SELECT t.source_row, t.unit {rows} AND t.unit <> {expected} ORDER BY t.source_row LIMIT 1"
        );
        let found: Option<(u64, String)> = self
            .connection
            .query_row(&text, params_from_iter(&sql.values), |row| Ok((count(row, 0)?, row.get(1)?)))
            .optional()
            .map_err(failing)?;
        match found {
            None => Ok(()),
            Some((row, found)) => Err(ExtractError::ForeignUnit {
                file: self.file.clone(),
                row,
                unit: found,
                measure: measure.name().to_owned(),
                expected: unit.name(),
            }),
        }
    }

    fn fill(
        &self,
        place: usize,
        measure: &Measure,
        figures: &mut [i64],
        failing: Failing<'_>,
    ) -> Result<(), ExtractError> {
        let overflow = || ExtractError::Overflow { measure: measure.name().to_owned() };
        let mut sql = Sql::default();
        let figure = match measure.kind() {
            MeasureKind::Sum { .. } => format!("SUM(t.{})", sql::column_name(Column::Quantity)),
            MeasureKind::Rows { .. } => "COUNT(*)".to_owned(),
            MeasureKind::Hospitals { condition, .. } => {
                // A cell without rows is no group, but its condition may hold all the same.
                if condition.holds(&mut over_no_rows) == Some(true) {
                    self.each_cell(place, figures, 1);
                }
                let condition = sql.condition(condition).ok_or_else(overflow)?;
                format!("COALESCE({condition}, 0)")
            }
        };
        let rows = self.rows_of(measure, &mut sql)?;
        let dimensions = self.columns.len();
        let text =
            format!("SELECT {}{figure} {rows} {}", sql::places(dimensions), sql::group_by_cell(dimensions));
        let failing = |error: rusqlite::Error| match &error {
            // SQLite's own word for a sum that leaves 64 bits.
            rusqlite::Error::SqliteFailure(failure, Some(message))
                if failure.code == ErrorCode::Unknown && message.contains("overflow") =>
            {
                overflow()
            }
            _ => failing(error),
        };
        let mut statement = self.connection.prepare(&text).map_err(failing)?;
        let mut rows = statement.query(params_from_iter(&sql.values)).map_err(failing)?;
        while let Some(row) = rows.next().map_err(failing)? {
            let (places, exact) = cell_of(row, dimensions).map_err(failing)?;
            let value = rounded(measure, exact).ok_or_else(overflow)?;
            let Some(cell) = self.layout.cell(&places, place) else { continue };
            self.refuse_out_of_range(cell, &places, measure, value)?;
            if let Some(figure) = usize::try_from(cell).ok().and_then(|cell| figures.get_mut(cell)) {
                *figure = value;
            }
        }
        Ok(())
    }

    fn each_cell(&self, measure: usize, figures: &mut [i64], value: i64) {
        for figure in figures.iter_mut().skip(measure).step_by(self.layout.measures().max(1)) {
            *figure = value;
        }
    }

    fn refuse_out_of_range(
        &self,
        cell: u32,
        places: &[usize],
        measure: &Measure,
        value: i64,
    ) -> Result<(), ExtractError> {
        let (low, high) = self.layout.bounds(cell);
        if (low..=high).contains(&value) {
            return Ok(());
        }
        let shown = |mantissa: i64| {
            let decimal = Decimal::new(i128::from(mantissa), measure.scale());
            decimal.map_or_else(|| mantissa.to_string(), |decimal| decimal.to_string())
        };
        let dimensions = self.query.dimensions().iter().zip(places);
        let mut labels: Vec<String> = dimensions
            .map(|(dimension, place)| {
                let code = dimension.codes().get(*place).map_or("", |code| &**code);
                format!("{}={code}", dimension.column().name())
            })
            .collect();
        labels.push(format!("measure {}", measure.name()));
        Err(ExtractError::OutOfRange {
            cell: labels.join(", "),
            value: format!("{} {}", shown(value), measure.unit_text()),
            range: format!("{} to {}", shown(low), shown(high)),
            accounting: self.accounting.clone(),
        })
    }
}

fn cell_of(row: &Row<'_>, dimensions: usize) -> rusqlite::Result<(Vec<usize>, i64)> {
    let places = (0..dimensions).map(|place| Ok(usize::try_from(count(row, place)?).unwrap_or(usize::MAX)));
    let places = places.collect::<rusqlite::Result<Vec<usize>>>()?;
    Ok((places, row.get(dimensions)?))
}

/// The figure at the measure's scale: quantities are rounded once, half to even, counts are whole.
fn rounded(measure: &Measure, exact: i64) -> Option<i64> {
    match measure.kind() {
        MeasureKind::Sum { scale, .. } => {
            let divisor = pow10(SCALE.checked_sub(*scale)?)?;
            i64::try_from(divide_half_even(i128::from(exact), divisor, 0)?).ok()
        }
        MeasureKind::Rows { .. } | MeasureKind::Hospitals { .. } => Some(exact),
    }
}

fn over_no_rows(operand: Operand) -> Option<Scalar> {
    match operand {
        Operand::Aggregate(Aggregate::Count) => Decimal::new(0, 0).map(Scalar::Number),
        _ => None,
    }
}
