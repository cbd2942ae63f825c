//! A query over a frozen extract -> one exact figure per cell.
//!
//! Owns the order of the checks: foreign units first, then the figures, each rounded once (half to even)
//! and refused outside its range. Nothing is converted, clipped or left out in silence.

mod functions;
mod person;
mod tally;

pub use person::rows_of_person;

use self::functions::{Kept, expressions, kept, scalar};
use self::tally::{Tally, Unfit};
use super::cell::SCALE;
use super::error::ExtractError;
use super::sql::{self, Sql};
use super::store::{Frozen, count, store_error};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ToSql};
use samensom_protocol::query::{
    Aggregate, Classes, Column, ColumnType, Decimal, Dimension, Layout, Measure, MeasureKind, Operand, Per,
    Query, Scalar, Unit, divide_half_even, pow10,
};

/// The figures of this hospital in the order of the query's layout, in base units of each figure's scale.
///
/// # Errors
/// A row of another unit, a cell outside its range, a data set that was not frozen, a failing store. The
/// text is for the hospital; only its `code()` may leave.
pub fn evaluate(query: &Query, frozen: &Frozen) -> Result<Vec<i64>, ExtractError> {
    let query = query.resolved().map_err(|_| ExtractError::Open { query: query.id().to_owned() })?;
    let failing = store_error(frozen.path(), "evaluating the query");
    let evaluation = Evaluation::new(&query, frozen, &failing)?;
    let cells = usize::try_from(evaluation.layout.cells()).unwrap_or(0);
    let mut figures = vec![0_i64; cells];
    for measure in query.measures() {
        evaluation.refuse_foreign_unit(measure)?;
    }
    for measures in over_the_same_rows(&query) {
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

/// Whether the query has a closed list of codes, which are gone through one by one.
fn is_gone_through(dimension: &Dimension) -> bool {
    dimension.column() == Column::Code
        && matches!(dimension.classes(), Classes::Codes(_))
        && !dimension.has_other()
}

/// How a measure's figures come of a statement's result.
enum How {
    /// One column: a quantity to be rounded, or a count.
    Plain,
    /// A column for each figure of the cell that its expressions speak of.
    OfCell(Vec<Aggregate>),
    /// One column with all its figures.
    Tallied,
}

impl How {
    fn of(kind: &MeasureKind) -> How {
        match kind {
            MeasureKind::Sum { of, .. } if quantity_alone(of).is_some() => How::Plain,
            MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => How::Plain,
            MeasureKind::Hospitals { .. }
            | MeasureKind::Histogram { per: Per::Hospital, .. }
            | MeasureKind::Moments { per: Per::Hospital, .. }
            | MeasureKind::Regression { per: Per::Hospital, .. } => {
                let mut all: Vec<Aggregate> = Vec::new();
                for aggregate in expressions(kind).into_iter().flat_map(|expr| expr.aggregates()) {
                    if !all.contains(&aggregate) {
                        all.push(aggregate);
                    }
                }
                How::OfCell(all)
            }
            _ => How::Tallied,
        }
    }

    fn columns(&self) -> usize {
        match self {
            How::Plain | How::Tallied => 1,
            How::OfCell(aggregates) => aggregates.len(),
        }
    }
}

/// The column, where a number is nothing but a column.
fn quantity_alone(expr: &samensom_protocol::query::Expr) -> Option<Column> {
    match expr.terms() {
        [samensom_protocol::query::Term::Column(column)] => Some(*column),
        _ => None,
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
    query: &'a Query,
    layout: Layout,
    ranges: Option<Vec<Range>>,
    /// Those that are not gone through.
    dimensions: Vec<(usize, &'a Dimension)>,
    units: Vec<Unit>,
    connection: Connection,
    file: String,
    accounting: String,
    unfit: Kept,
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
            dimensions: query
                .dimensions()
                .iter()
                .enumerate()
                .filter(|(_, one)| !is_gone_through(one))
                .collect(),
            units: frozen.units_of(query.dataset()).map(|seen| seen.unit).collect(),
            connection,
            file: accounting.file.clone(),
            accounting: accounting.to_string(),
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
        Sql::new(self.query.dataset(), self.ranges.is_some())
    }

    /// `FROM .. WHERE ..` of the rows that count for a measure.
    fn rows_of(&self, measure: &Measure, sql: &mut Sql) -> Result<String, ExtractError> {
        let cells = sql.cells(&self.dimensions).ok_or_else(|| overflow(measure))?;
        let population = sql.condition(self.query.population()).ok_or_else(|| overflow(measure))?;
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
        for (place, measure) in measures {
            // A cell without rows is no group, but its condition may hold all the same.
            if let MeasureKind::Hospitals { condition } = measure.kind() {
                let holds = condition.holds(&mut over_no_rows).map_err(|_| overflow(measure))?;
                if holds == Some(true) {
                    self.each_cell(*place, figures, 1);
                }
            }
        }
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
            return self.unfit(unfit, measure);
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

    fn unfit(&self, unfit: Unfit, measure: &Measure) -> ExtractError {
        match unfit {
            Unfit::Overflow => overflow(measure),
            Unfit::Divisors => ExtractError::Divisors { measure: measure.name().to_owned() },
            Unfit::Outside(value, range) => ExtractError::ValueOutOfRange {
                measure: measure.name().to_owned(),
                value,
                range,
                accounting: self.accounting.clone(),
            },
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
        let mut places = Vec::new();
        let mut next = 0;
        for dimension in self.query.dimensions() {
            match (is_gone_through(dimension), code) {
                (true, Some(code)) => places.push(code),
                _ => {
                    let place = count(row, next).map_err(self.failing)?;
                    places.push(usize::try_from(place).unwrap_or(usize::MAX));
                    next += 1;
                }
            }
        }
        for (place, measure) in measures {
            let how = How::of(measure.kind());
            let values = self.values(measure, &how, row, next)?;
            next += how.columns();
            for (figure, value) in self.layout.figures_of(*place).zip(values) {
                let Some(cell) = self.layout.cell(&places, figure) else { continue };
                let value = self.within_range(cell, &places, measure, value)?;
                if let Some(figure) = usize::try_from(cell).ok().and_then(|cell| figures.get_mut(cell)) {
                    *figure = value;
                }
            }
        }
        Ok(())
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
            How::OfCell(aggregates) => {
                let lookup = &mut |operand: Operand| {
                    let Operand::Aggregate(aggregate) = operand else { return None };
                    let place = aggregates.iter().position(|one| *one == aggregate)?;
                    of_cell(aggregate, row.get_ref(first + place).ok()?)
                };
                if let MeasureKind::Hospitals { condition } = measure.kind() {
                    let holds = condition.holds(lookup).map_err(|_| overflow(measure))?;
                    return Ok(vec![i128::from(holds == Some(true))]);
                }
                let scales = scales(measure);
                let mut tally = Tally::new(scales.len());
                tally
                    .add(measure.kind(), lookup)
                    .and_then(|()| tally.figures(&scales))
                    .map_err(|unfit| self.unfit(unfit, measure))
            }
        }
    }

    fn each_cell(&self, measure: usize, figures: &mut [i64], value: i64) {
        let first = self.layout.figures_of(measure).start;
        for figure in figures.iter_mut().skip(first).step_by(self.layout.figures().max(1)) {
            *figure = value;
        }
    }

    fn within_range(
        &self,
        cell: u32,
        places: &[usize],
        measure: &Measure,
        value: i128,
    ) -> Result<i64, ExtractError> {
        let (low, high) = self.layout.bounds(cell);
        if let Some(value) = i64::try_from(value).ok().filter(|value| (low..=high).contains(value)) {
            return Ok(value);
        }
        let parts = measure.parts().unwrap_or_default();
        let figure = self.layout.place(cell).map_or(0, |(_, figure)| figure);
        let of_measure = |part: &usize| {
            let first = self.query.measures().iter().position(|one| one.name() == measure.name());
            first.map(|place| self.layout.figures_of(place).start + part) == Some(figure)
        };
        let part = (0..parts.len()).find(of_measure).and_then(|part| parts.get(part));
        let (scale, unit, name) = part.map_or((0, "", ""), |part| (part.scale, &*part.unit, &*part.name));
        let shown = |mantissa: i128| {
            let decimal = Decimal::new(mantissa, scale);
            decimal.map_or_else(|| mantissa.to_string(), |decimal| decimal.to_string())
        };
        let dimensions = self.query.dimensions().iter().zip(places);
        let mut labels: Vec<String> = dimensions
            .map(|(dimension, place)| {
                format!("{}={}", dimension.column().name(), dimension.label(*place).unwrap_or_default())
            })
            .collect();
        labels.push(format!("measure {} {name}", measure.name()).trim_end().to_owned());
        Err(ExtractError::OutOfRange {
            cell: labels.join(", "),
            value: format!("{} {unit}", shown(value)),
            range: format!("{} to {}", shown(i128::from(low)), shown(i128::from(high))),
            accounting: self.accounting.clone(),
        })
    }
}

fn overflow(measure: &Measure) -> ExtractError {
    ExtractError::Overflow { measure: measure.name().to_owned() }
}

fn scales(measure: &Measure) -> Vec<u8> {
    measure.parts().unwrap_or_default().iter().map(|part| part.scale).collect()
}

/// The figure at the measure's scale: sums are rounded once, half to even, counts are whole.
fn rounded(measure: &Measure, exact: i64) -> Option<i128> {
    match measure.kind() {
        MeasureKind::Sum { limits, .. } => {
            let divisor = pow10(SCALE.checked_sub(limits.scale)?)?;
            divide_half_even(i128::from(exact), divisor, 0)
        }
        _ => Some(i128::from(exact)),
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

fn over_no_rows(operand: Operand) -> Option<Scalar> {
    match operand {
        Operand::Aggregate(Aggregate::Count) => Decimal::new(0, 0).map(Scalar::Number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
