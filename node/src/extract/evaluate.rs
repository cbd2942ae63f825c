//! A query over a frozen extract -> one exact figure per cell.
//!
//! Owns the order of the checks: foreign units first, then the figures, each rounded once (half to even)
//! and refused outside its range. Nothing is converted, clipped or left out in silence.

mod cells;
mod functions;
mod holders;
mod overlap;
mod person;
#[cfg(feature = "postgres")]
pub(super) mod push;
mod tally;

pub use holders::holders;
pub use overlap::refuse_overlap;
pub use person::rows_of_person;

use self::cells::{Cells, How, over_the_same_rows, overflow, quantity_alone, rounded, scales};
use self::functions::{Kept, kept, scalar};
use super::error::ExtractError;
use super::sql::{self, Bound, Sql};
use super::store::{Frozen, count, store_error};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ToSql};
use samensom_protocol::query::{
    Aggregate, Classes, Column, ColumnType, Dataset, Decimal, Dimension, Measure, MeasureKind, Operand,
    Query, Scalar, Unit,
};

/// The figures of this hospital in the order of the query's layout, in base units of each figure's scale.
///
/// # Errors
/// A row of another unit, a cell outside its range, a data set that was not frozen, a failing store. The
/// text is for the hospital; only its `code()` may leave.
pub fn evaluate(query: &Query, frozen: &Frozen) -> Result<Vec<i64>, ExtractError> {
    let query = resolved(query)?;
    if frozen.digest_of(query.dataset()).is_some() {
        let problem = "its rows stay in the database, and only there is a query over them answered";
        return Err(ExtractError::Config { problem, dataset: query.dataset().name() });
    }
    let failing = store_error(frozen.path(), "evaluating the query");
    let evaluation = Evaluation::new(&query, frozen, &failing)?;
    let mut figures = evaluation.cells.nothing();
    for measure in query.measures() {
        evaluation.refuse_foreign_unit(measure)?;
    }
    for measures in over_the_same_rows(&query) {
        evaluation.fill(&measures, &mut figures)?;
    }
    Ok(figures)
}

/// With the values of its parameters.
fn resolved(query: &Query) -> Result<Query, ExtractError> {
    query.resolved().map_err(|_| ExtractError::Open { query: query.id().to_owned() })
}

/// Whether the query has a closed list of codes, which are gone through one by one.
fn is_gone_through(dimension: &Dimension) -> bool {
    dimension.column() == Column::Code
        && matches!(dimension.classes(), Classes::Codes(_))
        && !dimension.has_other()
}

/// Why there is nothing of a data set.
fn no_extract(dataset: Dataset, frozen: &Frozen) -> ExtractError {
    let large = dataset.made_of().iter().find(|source| frozen.digest_of(**source).is_some());
    match large {
        Some(source) => ExtractError::OfLarge { dataset: dataset.name(), source: source.name() },
        None => ExtractError::NoExtract { dataset: dataset.name() },
    }
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
    let Some(dimension) = query.dimensions().iter().find(|one| is_gone_through(one)) else {
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
    cells: Cells<'a>,
    ranges: Option<Vec<Range>>,
    /// Those that are not gone through.
    dimensions: Vec<(usize, &'a Dimension)>,
    units: Vec<Unit>,
    connection: Connection,
    unfit: Kept,
    failing: &'a dyn Fn(rusqlite::Error) -> ExtractError,
}

impl<'a> Evaluation<'a> {
    fn new(
        query: &'a Query,
        frozen: &Frozen,
        failing: &'a dyn Fn(rusqlite::Error) -> ExtractError,
    ) -> Result<Evaluation<'a>, ExtractError> {
        let accounting =
            frozen.accounting_of(query.dataset()).ok_or_else(|| no_extract(query.dataset(), frozen))?;
        let connection = frozen.connect()?;
        let evaluation = Evaluation {
            cells: Cells::new(query, accounting),
            ranges: ranges(&connection, query).map_err(failing)?,
            dimensions: query
                .dimensions()
                .iter()
                .enumerate()
                .filter(|(_, one)| !is_gone_through(one))
                .collect(),
            units: frozen.units_of(query.dataset()).map(|seen| seen.unit).collect(),
            connection,
            unfit: Kept::default(),
            failing,
        };
        evaluation.fill_dimensions().map_err(failing)?;
        Ok(evaluation)
    }

    fn fill_dimensions(&self) -> rusqlite::Result<()> {
        // Groups of many rows are sorted in a file, which SQLite makes for this account alone and unlinks.
        self.connection.execute_batch("PRAGMA temp_store = FILE")?;
        for (place, dimension) in &self.dimensions {
            let place = *place;
            self.connection.execute_batch(&sql::create_dimension(place))?;
            let mut insert = self.connection.prepare(&sql::insert_dimension(place))?;
            for (code, position) in dimension.codes().iter().zip(0_i64..) {
                insert.execute((position, &**code))?;
            }
        }
        Ok(())
    }

    fn statement(&self) -> Sql {
        Sql::of_store(self.cells.query.dataset(), self.ranges.is_some())
    }

    /// `FROM .. WHERE ..` of the rows that count for a measure.
    fn rows_of(&self, measure: &Measure, sql: &mut Sql) -> Result<String, ExtractError> {
        let cells = sql.cells(&self.dimensions).ok_or_else(|| overflow(measure))?;
        let population = sql.condition(self.cells.query.population()).ok_or_else(|| overflow(measure))?;
        let filter = sql.condition(measure.filter()).ok_or_else(|| overflow(measure))?;
        Ok(format!("{cells} AND {population} AND {filter}"))
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
        for (place, expr) in sql.meets.iter().enumerate() {
            functions::condition(&self.connection, &format!("meets{place}"), expr, &self.unfit)
                .map_err(failing)?;
        }
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
        let expected = sql.bind(Bound::Text(unit.name().to_owned()));
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
                file: self.cells.file.clone(),
                row,
                unit: found,
                measure: measure.name().to_owned(),
                expected: unit.name(),
            }),
        }
    }

    /// A row per cell, with the columns of each of the measures, which count the rows that `first` counts.
    fn statement_of(
        &self,
        measures: &[(usize, &Measure)],
        first: &Measure,
    ) -> Result<(String, Sql), ExtractError> {
        let mut sql = self.statement();
        let mut places = Vec::new();
        for (place, dimension) in &self.dimensions {
            places.push(sql.place(*place, dimension).ok_or_else(|| overflow(first))?);
        }
        let mut shown = places.clone();
        for (_, measure) in measures {
            match (How::of(measure.kind()), measure.kind()) {
                (How::Plain, MeasureKind::Sum { of, .. }) => {
                    let column = quantity_alone(of).unwrap_or(Column::Quantity);
                    shown.push(format!("COALESCE(SUM({}), 0)", sql.column(column)));
                }
                (How::Plain, MeasureKind::Patients { .. }) => {
                    shown.push(format!("COUNT(DISTINCT {})", sql.column(Column::Person)));
                }
                (How::Plain, _) => shown.push("COUNT(*)".to_owned()),
                (How::OfCell(aggregates), _) => {
                    shown.extend(aggregates.into_iter().map(|aggregate| sql.aggregate(aggregate)));
                }
                (How::Tallied, kind) => shown.push(sql.tally(&functions::columns(kind))),
            }
        }
        let rows = self.rows_of(first, &mut sql)?;
        let groups = sql::group_by_cell(&places);
        // Functions over rows are known by the order in which the statement speaks of them.
        let tallied = measures
            .iter()
            .map(|(_, measure)| measure)
            .filter(|measure| matches!(How::of(measure.kind()), How::Tallied));
        for (place, measure) in tallied.enumerate() {
            let name = format!("tally{place}");
            functions::tally(&self.connection, &name, measure.kind(), scales(measure), &self.unfit)
                .map_err(self.failing)?;
        }
        Ok((format!("SELECT {} {rows} {groups}", shown.join(", ")), sql))
    }

    /// The figures of measures that count the same rows, in one go over them.
    fn fill(&self, measures: &[(usize, &Measure)], figures: &mut [i64]) -> Result<(), ExtractError> {
        let Some((_, first)) = measures.first() else { return Ok(()) };
        self.cells.put_without_rows(measures, figures)?;
        let (text, sql) = self.statement_of(measures, first)?;
        let done = self.each(&text, &sql, &|error| self.too_large(error, first), &mut |code, row| {
            self.take(measures, code, row, figures)
        });
        match done {
            // Which of the measures it is shows when each is made alone.
            Err(ExtractError::Overflow { .. } | ExtractError::ValueOutOfRange { .. })
                if measures.len() > 1 =>
            {
                measures.chunks(1).try_for_each(|measure| self.fill(measure, figures))
            }
            done => done,
        }
    }

    /// What a function of ours kept, SQLite's own word for a sum that leaves 64 bits, or another failure.
    fn too_large(&self, error: rusqlite::Error, measure: &Measure) -> ExtractError {
        if let Some(unfit) = kept(&self.unfit) {
            return self.cells.unfit(unfit, measure);
        }
        match &error {
            rusqlite::Error::SqliteFailure(failure, Some(message))
                if failure.code == ErrorCode::Unknown && message.contains("overflow") =>
            {
                overflow(measure)
            }
            _ => (self.failing)(error),
        }
    }

    /// One group of rows: the figures of each measure.
    fn take(
        &self,
        measures: &[(usize, &Measure)],
        code: Option<usize>,
        row: &Row<'_>,
        figures: &mut [i64],
    ) -> Result<(), ExtractError> {
        let (places, mut next) = self.places(code, row)?;
        for (place, measure) in measures {
            let how = How::of(measure.kind());
            let values = self.values(measure, &how, row, next)?;
            next += how.columns();
            self.cells.put(&places, (*place, measure), values, figures)?;
        }
        Ok(())
    }

    /// The place in each dimension of a row of a result, and the column behind them.
    fn places(&self, code: Option<usize>, row: &Row<'_>) -> Result<(Vec<usize>, usize), ExtractError> {
        let (mut places, mut next) = (Vec::new(), 0);
        for dimension in self.cells.query.dimensions() {
            match (is_gone_through(dimension), code) {
                (true, Some(code)) => places.push(code),
                _ => {
                    let place = count(row, next).map_err(self.failing)?;
                    places.push(usize::try_from(place).unwrap_or(usize::MAX));
                    next += 1;
                }
            }
        }
        Ok((places, next))
    }

    /// The figures of a measure in a row of a result, its columns from `first` on.
    fn values(
        &self,
        measure: &Measure,
        how: &How,
        row: &Row<'_>,
        first: usize,
    ) -> Result<Vec<i128>, ExtractError> {
        match how {
            How::Plain => {
                let exact: i64 = row.get(first).map_err(self.failing)?;
                rounded(measure, exact).map(|value| vec![value]).ok_or_else(|| overflow(measure))
            }
            How::Tallied => {
                let bytes: Vec<u8> = row.get(first).map_err(self.failing)?;
                Ok(functions::figures(&bytes))
            }
            How::OfCell(aggregates) => self.cells.of_own_figures(measure, &mut |operand: Operand| {
                let Operand::Aggregate(aggregate) = operand else { return None };
                let place = aggregates.iter().position(|one| *one == aggregate)?;
                of_cell(aggregate, row.get_ref(first + place).ok()?)
            }),
        }
    }
}

/// A figure over the rows of a cell as SQLite gives it.
fn of_cell(aggregate: Aggregate, value: ValueRef<'_>) -> Option<Scalar> {
    match aggregate {
        Aggregate::Count => match value {
            ValueRef::Integer(count) => Decimal::new(i128::from(count), 0).map(Scalar::Number),
            _ => None,
        },
        Aggregate::Sum(_) => scalar(value, ColumnType::Number),
        Aggregate::Min(column) | Aggregate::Max(column) => scalar(value, column.column_type()),
    }
}

#[cfg(test)]
mod tests;
