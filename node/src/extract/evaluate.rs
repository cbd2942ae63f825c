//! A query over a frozen extract -> one exact figure per cell.
//!
//! Owns the order of the checks: foreign units first, then the figures, each rounded once (half to even)
//! and refused outside its range. Nothing is converted, clipped or left out in silence.

use super::cell::SCALE;
use super::error::ExtractError;
use super::sql::{self, Sql};
use super::store::{Frozen, count, store_error};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ToSql};
use samensom_protocol::query::{
    Aggregate, Column, Decimal, Layout, Measure, MeasureKind, Operand, Query, Scalar, Unit, divide_half_even,
    pow10,
};

/// The figures of this hospital in the order of the query's layout, in base units of each measure's scale.
///
/// # Errors
/// A row of another unit, a cell outside its range, a data set that was not frozen, a failing store. The
/// text is for the hospital; only its `code()` may leave.
pub fn evaluate(query: &Query, frozen: &Frozen) -> Result<Vec<i64>, ExtractError> {
    let failing = store_error(frozen.path(), "evaluating the query");
    let evaluation = Evaluation::new(query, frozen, &failing)?;
    let cells = usize::try_from(evaluation.layout.cells()).unwrap_or(0);
    let mut figures = vec![0_i64; cells];
    for measure in query.measures() {
        evaluation.refuse_foreign_unit(measure)?;
    }
    for measures in over_the_same_rows(query) {
        evaluation.fill(&measures, &mut figures)?;
    }
    Ok(figures)
}

/// Measures and their places, those together that count the same rows.
fn over_the_same_rows(query: &Query) -> Vec<Vec<(usize, &Measure)>> {
    let mut all: Vec<Vec<(usize, &Measure)>> = Vec::new();
    for (place, measure) in query.measures().iter().enumerate() {
        let same = |others: &&mut Vec<(usize, &Measure)>| {
            others.first().is_some_and(|(_, other)| other.filter() == measure.filter())
        };
        match all.iter_mut().find(same) {
            Some(others) => others.push((place, measure)),
            None => all.push(vec![(place, measure)]),
        }
    }
    all
}

/// The dimensions that are joined: all but the code, which is gone through one by one.
fn other_dimensions(query: &Query) -> Vec<(usize, Column)> {
    let columns = query.dimensions().iter().map(|dimension| dimension.column());
    columns.enumerate().filter(|(_, column)| *column != Column::Code).collect()
}

/// A code of the query's list that has rows.
struct Range {
    place: usize,
    code: String,
    first: i64,
    last: i64,
}

/// The codes of the query's list of codes that have rows, in the order of their rows; `None` where the query
/// has no such list.
fn ranges(connection: &Connection, query: &Query) -> rusqlite::Result<Option<Vec<Range>>> {
    let Some(dimension) = query.dimensions().iter().find(|one| one.column() == Column::Code) else {
        return Ok(None);
    };
    let mut statement = connection.prepare(&sql::range_of_code(query.dataset()))?;
    let mut ranges = Vec::new();
    for (place, code) in dimension.codes().iter().enumerate() {
        let range = statement.query_row([&**code], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((first, last)) = range {
            ranges.push(Range { place, code: code.to_string(), first, last });
        }
    }
    ranges.sort_by_key(|range| range.first);
    Ok(Some(ranges))
}

/// Takes a row of a result, with the place of its code where the statement is run per code.
type Sink<'a> = &'a mut dyn FnMut(Option<usize>, &Row<'_>) -> Result<(), ExtractError>;

struct Evaluation<'a> {
    query: &'a Query,
    layout: Layout,
    ranges: Option<Vec<Range>>,
    dimensions: Vec<(usize, Column)>,
    units: Vec<Unit>,
    connection: Connection,
    file: String,
    accounting: String,
    failing: &'a dyn Fn(rusqlite::Error) -> ExtractError,
}

impl<'a> Evaluation<'a> {
    fn new(
        query: &'a Query,
        frozen: &Frozen,
        failing: &'a dyn Fn(rusqlite::Error) -> ExtractError,
    ) -> Result<Evaluation<'a>, ExtractError> {
        let accounting = frozen
            .accounting_of(query.dataset())
            .ok_or(ExtractError::NoExtract { dataset: query.dataset().name() })?;
        let connection = frozen.connect()?;
        let evaluation = Evaluation {
            query,
            layout: query.layout(),
            ranges: ranges(&connection, query).map_err(failing)?,
            dimensions: other_dimensions(query),
            units: frozen.units_of(query.dataset()).map(|seen| seen.unit).collect(),
            connection,
            file: accounting.file.clone(),
            accounting: accounting.to_string(),
            failing,
        };
        evaluation.fill_dimensions().map_err(failing)?;
        Ok(evaluation)
    }

    fn fill_dimensions(&self) -> rusqlite::Result<()> {
        // Groups of many rows are sorted in a file, which SQLite makes for this account alone and unlinks.
        self.connection.execute_batch("PRAGMA temp_store = FILE")?;
        for (place, dimension) in self.query.dimensions().iter().enumerate() {
            if dimension.column() == Column::Code {
                continue;
            }
            self.connection.execute_batch(&sql::create_dimension(place))?;
            let mut insert = self.connection.prepare(&sql::insert_dimension(place))?;
            for (code, position) in dimension.codes().iter().zip(0_i64..) {
                insert.execute((position, &**code))?;
            }
        }
        Ok(())
    }

    fn statement(&self) -> Sql {
        Sql::new(self.query.dataset(), self.ranges.is_some())
    }

    /// `FROM .. WHERE ..` of the rows that count for a measure.
    fn rows_of(&self, measure: &Measure, sql: &mut Sql) -> Result<String, ExtractError> {
        let population = sql.condition(self.query.population()).ok_or_else(|| overflow(measure))?;
        let filter = sql.condition(measure.filter()).ok_or_else(|| overflow(measure))?;
        Ok(format!("{} AND {population} AND {filter}", sql.cells(&self.dimensions)))
    }

    /// Runs a statement, per code where the query has a list of codes, and gives each row of its result with
    /// the place of the code.
    fn each(
        &self,
        text: &str,
        sql: &Sql,
        failing: &dyn Fn(rusqlite::Error) -> ExtractError,
        sink: Sink<'_>,
    ) -> Result<(), ExtractError> {
        let mut statement = self.connection.prepare(text).map_err(failing)?;
        // A parameter behind the last one that the text names does not exist.
        let named = statement.parameter_count();
        for (place, value) in (1..=named).zip(&sql.values) {
            statement.raw_bind_parameter(place, value).map_err(failing)?;
        }
        let once = [Range { place: 0, code: String::new(), first: 0, last: 0 }];
        for range in self.ranges.as_deref().unwrap_or(&once) {
            let code = self.ranges.is_some().then_some(range.place);
            if code.is_some() {
                let bounds = [&range.first as &dyn ToSql, &range.last, &range.code];
                for (place, value) in (1..=named.min(sql::PER_CODE)).zip(bounds) {
                    statement.raw_bind_parameter(place, value).map_err(failing)?;
                }
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(failing)? {
                sink(code, row)?;
            }
        }
        Ok(())
    }

    fn refuse_foreign_unit(&self, measure: &Measure) -> Result<(), ExtractError> {
        let Some(unit) = measure.unit() else { return Ok(()) };
        if self.units.iter().all(|seen| *seen == unit) {
            return Ok(());
        }
        let mut sql = self.statement();
        let rows = self.rows_of(measure, &mut sql)?;
        let expected = sql.bind(Value::Text(unit.name().to_owned()));
        let text =
            format!("SELECT MIN(t.source_row), t.unit {rows} AND t.unit <> {expected} HAVING COUNT(*) > 0");
        let mut first: Option<(u64, String)> = None;
        self.each(&text, &sql, self.failing, &mut |_, row| {
            let (line, found) = (count(row, 0), row.get(1));
            let found = (line.map_err(self.failing)?, found.map_err(self.failing)?);
            if first.as_ref().is_none_or(|first| found.0 < first.0) {
                first = Some(found);
            }
            Ok(())
        })?;
        match first {
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

    /// A row per cell, with a figure for each of the measures, which count the rows that `first` counts.
    fn statement_of(
        &self,
        measures: &[(usize, &Measure)],
        first: &Measure,
    ) -> Result<(String, Sql), ExtractError> {
        let mut sql = self.statement();
        let mut shown = Vec::new();
        for (_, measure) in measures {
            shown.push(match measure.kind() {
                MeasureKind::Sum { .. } => format!("SUM({})", sql.column(Column::Quantity)),
                MeasureKind::Rows { .. } => "COUNT(*)".to_owned(),
                MeasureKind::Hospitals { condition, .. } => {
                    let condition = sql.condition(condition).ok_or_else(|| overflow(measure))?;
                    format!("COALESCE({condition}, 0)")
                }
            });
        }
        let rows = self.rows_of(first, &mut sql)?;
        let (places, groups) = (sql::places(&self.dimensions), sql::group_by_cell(&self.dimensions));
        Ok((format!("SELECT {places}{} {rows} {groups}", shown.join(", ")), sql))
    }

    /// The figures of measures that count the same rows, in one go over them.
    fn fill(&self, measures: &[(usize, &Measure)], figures: &mut [i64]) -> Result<(), ExtractError> {
        let Some((_, first)) = measures.first() else { return Ok(()) };
        for (place, measure) in measures {
            // A cell without rows is no group, but its condition may hold all the same.
            if let MeasureKind::Hospitals { condition, .. } = measure.kind()
                && condition.holds(&mut over_no_rows) == Some(true)
            {
                self.each_cell(*place, figures, 1);
            }
        }
        let (text, sql) = self.statement_of(measures, first)?;
        let done = self.each(&text, &sql, &|error| self.too_large(error, first), &mut |code, row| {
            self.take(measures, code, row, figures)
        });
        match done {
            // Which of the sums it is shows when each is made alone.
            Err(ExtractError::Overflow { .. }) if measures.len() > 1 => {
                measures.chunks(1).try_for_each(|measure| self.fill(measure, figures))
            }
            done => done,
        }
    }

    /// SQLite's own word for a sum that leaves 64 bits, or another failure.
    fn too_large(&self, error: rusqlite::Error, measure: &Measure) -> ExtractError {
        match &error {
            rusqlite::Error::SqliteFailure(failure, Some(message))
                if failure.code == ErrorCode::Unknown && message.contains("overflow") =>
            {
                overflow(measure)
            }
            _ => (self.failing)(error),
        }
    }

    /// One group of rows: a figure for each measure.
    fn take(
        &self,
        measures: &[(usize, &Measure)],
        code: Option<usize>,
        row: &Row<'_>,
        figures: &mut [i64],
    ) -> Result<(), ExtractError> {
        let mut places = Vec::new();
        let mut joined = 0;
        for dimension in self.query.dimensions() {
            match (dimension.column(), code) {
                (Column::Code, Some(code)) => places.push(code),
                _ => {
                    let place = count(row, joined).map_err(self.failing)?;
                    places.push(usize::try_from(place).unwrap_or(usize::MAX));
                    joined += 1;
                }
            }
        }
        for (at, (place, measure)) in measures.iter().enumerate() {
            let exact = row.get(joined + at).map_err(self.failing)?;
            let value = rounded(measure, exact).ok_or_else(|| overflow(measure))?;
            let Some(cell) = self.layout.cell(&places, *place) else { continue };
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

fn overflow(measure: &Measure) -> ExtractError {
    ExtractError::Overflow { measure: measure.name().to_owned() }
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

#[cfg(test)]
mod tests;
