//! A query over rows that stay in the hospital's database: statements for its server, and figures of their groups.
//!
//! Owns how the same tree becomes groups of rows (by cell, person, and whatever an expression needs that only this
//! program reckons exactly) and how groups become figures: the expressions and tallies are those of the snapshot. Groups
//! come in the order of their cells, so that one cell is in memory at a time. It must not connect to anything.

mod holders;

use super::cells::{Cells, How, over_the_same_rows, overflow, quantity_alone, rounded, scales};
use super::functions;
use super::tally::Tally;
use crate::extract::accounting::Accounting;
use crate::extract::cell::SCALE;
use crate::extract::error::ExtractError;
use crate::extract::sql::{Bound, Sql, group_by_cell};
use samensom_protocol::query::{
    Aggregate, Column, ColumnType, Date, Decimal, Dimension, Expr, Measure, MeasureKind, Operand, Query,
    Scalar, Unit,
};
use std::path::PathBuf;

/// A statement and its values.
pub(in crate::extract) struct Asked {
    pub(in crate::extract) text: String,
    pub(in crate::extract) values: Vec<Bound>,
}

/// A query over what a SELECT gives.
pub(in crate::extract) struct Pushed<'a> {
    cells: Cells<'a>,
    rows: String,
    units: Vec<Unit>,
    dimensions: Vec<(usize, &'a Dimension)>,
}

impl<'a> Pushed<'a> {
    /// The query with the values of its parameters.
    pub(in crate::extract) fn resolved(query: &Query) -> Result<Query, ExtractError> {
        super::resolved(query)
    }

    /// Over the rows of this SELECT, of which this is known.
    pub(in crate::extract) fn new(query: &'a Query, accounting: &Accounting, rows: String) -> Pushed<'a> {
        let units = accounting.units.iter().map(|seen| seen.unit).collect();
        let dimensions = query.dimensions().iter().enumerate().collect();
        Pushed { cells: Cells::new(query, accounting), rows, units, dimensions }
    }

    /// A figure for every cell, all nothing.
    pub(in crate::extract) fn nothing(&self) -> Vec<i64> {
        self.cells.nothing()
    }

    /// Measures that are asked together.
    pub(in crate::extract) fn over_the_same_rows(&self) -> Vec<Vec<(usize, &'a Measure)>> {
        over_the_same_rows(self.cells.query)
    }

    /// What asks for rows of another unit than the measure's; none where there can be none.
    pub(in crate::extract) fn foreign(
        &self,
        measure: &'a Measure,
    ) -> Result<Option<(Asked, Foreign<'_>)>, ExtractError> {
        let Some(unit) = measure.unit().filter(|unit| self.units.iter().any(|seen| seen != unit)) else {
            return Ok(None);
        };
        let mut sql = Sql::of_server(self.cells.query.dataset(), self.rows.clone());
        let rows = self.rows_of(measure, &mut sql)?;
        let expected = sql.bind(Bound::Text(unit.name().to_owned()));
        let (found, given) = (sql.column(Column::Unit), Given::of(&sql, Vec::new()));
        let columns = given.columns.iter().map(|column| sql.column(*column));
        let groups: Vec<String> = [found.clone()].into_iter().chain(columns).collect();
        let text = format!(
            "{} {rows} AND {found} <> {expected} GROUP BY {} ORDER BY 1",
            selected(&groups),
            places(groups.len())
        );
        let foreign = Foreign { cells: &self.cells, measure, unit, given };
        Ok(Some((Asked { text, values: sql.values }, foreign)))
    }

    /// What asks for the groups of measures that count the same rows, and what makes figures of them.
    pub(in crate::extract) fn groups(
        &self,
        measures: &[(usize, &'a Measure)],
        figures: &mut [i64],
    ) -> Result<(Asked, Groups<'_>), ExtractError> {
        self.cells.put_without_rows(measures, figures)?;
        let first = measures.first().map(|(_, measure)| *measure).ok_or_else(|| self.unread())?;
        let mut sql = Sql::of_server(self.cells.query.dataset(), self.rows.clone());
        let mut groups = Vec::new();
        for (place, dimension) in &self.dimensions {
            groups.push(sql.place(*place, dimension).ok_or_else(|| overflow(first))?);
        }
        let rows = self.rows_of(first, &mut sql)?;
        let by_person = measures.iter().any(|(_, one)| matches!(one.kind(), MeasureKind::Patients { .. }));
        groups.extend(by_person.then(|| sql.column(Column::Person)));
        let ordered = groups.len();
        let given = Given::of(&sql, measures.iter().flat_map(|(_, one)| tallied(one)).collect());
        groups.extend(given.columns.iter().map(|column| sql.column(*column)));
        let aggregates = aggregates(measures);
        let figured: Vec<String> =
            [Aggregate::Count].iter().chain(&aggregates).map(|one| sql.aggregate(*one)).collect();
        let all = [groups.as_slice(), figured.as_slice()].concat();
        let text = format!(
            "{} {rows} {}{}",
            selected(&all),
            group_by_cell(&(1..=groups.len()).map(|place| place.to_string()).collect::<Vec<_>>()),
            if ordered == 0 { String::new() } else { format!(" ORDER BY {}", places(ordered)) }
        );
        let groups = Groups {
            cells: &self.cells,
            measures: measures.to_vec(),
            by_person,
            given,
            aggregates,
            open: None,
        };
        Ok((Asked { text, values: sql.values }, groups))
    }

    /// `FROM .. WHERE ..` of the rows that count for a measure, as far as the server judges them.
    fn rows_of(&self, measure: &Measure, sql: &mut Sql) -> Result<String, ExtractError> {
        let cells = sql.cells(&self.dimensions).ok_or_else(|| overflow(measure))?;
        let population = sql.condition(self.cells.query.population()).ok_or_else(|| overflow(measure))?;
        let filter = sql.condition(measure.filter()).ok_or_else(|| overflow(measure))?;
        Ok(format!("{cells} AND {population} AND {filter}"))
    }

    fn unread(&self) -> ExtractError {
        unread(&self.cells)
    }
}

/// `SELECT ..` of these as texts, whatever their types are at the server. They are grouped and ordered as such, and
/// equal texts are equal values.
fn selected(all: &[String]) -> String {
    let columns: Vec<String> = all.iter().map(|one| format!("({one})::text COLLATE \"C\"")).collect();
    format!("SELECT {}", columns.join(", "))
}

fn places(count: usize) -> String {
    (1..=count).map(|place| place.to_string()).collect::<Vec<_>>().join(", ")
}

/// The columns of a measure that is reckoned value by value.
fn tallied(measure: &Measure) -> Vec<Column> {
    match How::of(measure.kind()) {
        How::Tallied => functions::columns(measure.kind()),
        _ => Vec::new(),
    }
}

/// The figures that the server makes of every group beside its size, each once.
fn aggregates(measures: &[(usize, &Measure)]) -> Vec<Aggregate> {
    let mut all: Vec<Aggregate> = Vec::new();
    for (_, measure) in measures {
        let own = match (How::of(measure.kind()), measure.kind()) {
            (How::OfCell(own), _) => own,
            (How::Plain, MeasureKind::Sum { of, .. }) => {
                quantity_alone(of).map(Aggregate::Sum).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for aggregate in own {
            if aggregate != Aggregate::Count && !all.contains(&aggregate) {
                all.push(aggregate);
            }
        }
    }
    all
}

fn unread(cells: &Cells<'_>) -> ExtractError {
    ExtractError::Unfit {
        file: PathBuf::from(&cells.file),
        row: None,
        reason: "the server answered with something that was not asked for".to_owned(),
        remedy: "report this with `samensom-node --version` and the server's version".to_owned(),
    }
}

/// The values by which rows are grouped because this program reckons with them, and the conditions among it.
struct Given {
    columns: Vec<Column>,
    meets: Vec<Expr>,
}

impl Given {
    fn of(sql: &Sql, columns: Vec<Column>) -> Given {
        let meets = sql.meets.clone();
        let mut all: Vec<Column> = Vec::new();
        for column in meets.iter().flat_map(Expr::columns).chain(columns) {
            if !all.contains(&column) {
                all.push(column);
            }
        }
        Given { columns: all, meets }
    }

    /// The values of a group; none where one cannot be read.
    fn read(&self, cells: &[Option<&str>]) -> Option<Vec<Option<Scalar>>> {
        let values = self.columns.iter().zip(cells).map(|(column, cell)| match cell {
            None => Some(None),
            Some(text) => scalar(text, column.column_type()).map(Some),
        });
        values.collect::<Option<Vec<_>>>().filter(|values| values.len() == self.columns.len())
    }

    fn value(&self, values: &[Option<Scalar>], operand: Operand) -> Option<Scalar> {
        let Operand::Column(column) = operand else { return None };
        values.get(self.columns.iter().position(|one| *one == column)?)?.clone()
    }

    /// Whether the rows of a group count.
    fn holds(&self, values: &[Option<Scalar>], measure: &Measure) -> Result<bool, ExtractError> {
        for expr in &self.meets {
            let holds = expr.holds(&mut |operand| self.value(values, operand));
            if holds.map_err(|_| overflow(measure))? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn scalar(text: &str, kind: ColumnType) -> Option<Scalar> {
    match kind {
        ColumnType::Number => Decimal::new(text.parse().ok()?, SCALE).map(Scalar::Number),
        ColumnType::Date => Date::parse(text).map(Scalar::Date),
        ColumnType::Text => Some(Scalar::Text(text.to_owned())),
    }
}

/// Looks for a row of another unit that counts.
pub(in crate::extract) struct Foreign<'p> {
    cells: &'p Cells<'p>,
    measure: &'p Measure,
    unit: Unit,
    given: Given,
}

impl Foreign<'_> {
    /// One group of rows of another unit.
    pub(in crate::extract) fn take(&mut self, row: &[Option<&str>]) -> Result<(), ExtractError> {
        let Some((Some(found), rest)) = row.split_first() else { return Err(unread(self.cells)) };
        let values = self.given.read(rest).ok_or_else(|| unread(self.cells))?;
        if !self.given.holds(&values, self.measure)? {
            return Ok(());
        }
        Err(ExtractError::ForeignUnit {
            file: self.cells.file.clone(),
            row: 0,
            unit: (*found).to_owned(),
            measure: self.measure.name().to_owned(),
            expected: self.unit.name(),
        })
    }
}

/// Makes figures of groups that come in the order of their cells, and in a cell of their persons.
pub(in crate::extract) struct Groups<'p> {
    cells: &'p Cells<'p>,
    measures: Vec<(usize, &'p Measure)>,
    by_person: bool,
    given: Given,
    aggregates: Vec<Aggregate>,
    open: Option<Cell>,
}

/// What is known of the cell whose groups are coming.
struct Cell {
    places: Vec<usize>,
    rows: i128,
    patients: i128,
    /// The last that was counted.
    person: Option<String>,
    /// One for each of the aggregates.
    figures: Vec<Option<Figure>>,
    /// One for each of the measures that are reckoned value by value.
    tallies: Vec<Option<Tally>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Figure {
    Number(i128),
    Day(Date),
}

impl Groups<'_> {
    /// One group of rows.
    pub(in crate::extract) fn take(
        &mut self,
        row: &[Option<&str>],
        figures: &mut [i64],
    ) -> Result<(), ExtractError> {
        let dimensions = self.cells.query.dimensions().len();
        let unread = || unread(self.cells);
        let (places, row) = row.split_at_checked(dimensions).ok_or_else(unread)?;
        let places: Option<Vec<usize>> = places.iter().map(|place| (*place)?.parse().ok()).collect();
        let places = places.ok_or_else(unread)?;
        let (person, row) = row.split_at_checked(usize::from(self.by_person)).ok_or_else(unread)?;
        let (values, row) = row.split_at_checked(self.given.columns.len()).ok_or_else(unread)?;
        let values = self.given.read(values).ok_or_else(unread)?;
        let (rows, own) = row.split_first().ok_or_else(unread)?;
        let rows: i128 = rows.and_then(|rows| rows.parse().ok()).ok_or_else(unread)?;
        let own = self.own_figures(own).ok_or_else(unread)?;
        let Some((_, first)) = self.measures.first().copied() else { return Err(unread()) };
        if !self.given.holds(&values, first)? {
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|cell| cell.places != places) {
            self.end(figures)?;
            self.open = Some(self.begin(places));
        }
        let Some(cell) = &mut self.open else { return Err(unread()) };
        cell.rows = cell.rows.checked_add(rows).ok_or_else(|| overflow(first))?;
        if let Some(person) = person.first().copied().flatten()
            && cell.person.as_deref() != Some(person)
        {
            cell.patients += 1;
            cell.person = Some(person.to_owned());
        }
        for ((aggregate, so_far), found) in self.aggregates.iter().zip(&mut cell.figures).zip(own) {
            *so_far = merged(*aggregate, *so_far, found).ok_or_else(|| overflow(first))?;
        }
        for ((_, measure), tally) in self.measures.iter().zip(&mut cell.tallies) {
            let Some(tally) = tally else { continue };
            let lookup = &mut |operand| self.given.value(&values, operand);
            let added = tally.add_times(rows, measure.kind(), lookup);
            added.map_err(|unfit| self.cells.unfit(unfit, measure))?;
        }
        Ok(())
    }

    /// Puts the figures of the last cell.
    pub(in crate::extract) fn end(&mut self, figures: &mut [i64]) -> Result<(), ExtractError> {
        let Some(mut cell) = self.open.take() else { return Ok(()) };
        let tallies = std::mem::take(&mut cell.tallies);
        for ((place, measure), tally) in self.measures.iter().zip(tallies) {
            let values = match tally {
                Some(tally) => {
                    tally.figures(&scales(measure)).map_err(|unfit| self.cells.unfit(unfit, measure))?
                }
                None => self.values(measure, &cell)?,
            };
            self.cells.put(&cell.places, (*place, *measure), values, figures)?;
        }
        Ok(())
    }

    fn begin(&self, places: Vec<usize>) -> Cell {
        let tally = |measure: &Measure| {
            matches!(How::of(measure.kind()), How::Tallied).then(|| Tally::new(scales(measure).len()))
        };
        Cell {
            places,
            rows: 0,
            patients: 0,
            person: None,
            figures: vec![None; self.aggregates.len()],
            tallies: self.measures.iter().map(|(_, measure)| tally(measure)).collect(),
        }
    }

    /// The figures of a group; none where one cannot be read.
    fn own_figures(&self, cells: &[Option<&str>]) -> Option<Vec<Option<Figure>>> {
        let read = self.aggregates.iter().zip(cells).map(|(aggregate, cell)| match (cell, aggregate) {
            (None, _) => Some(None),
            (Some(text), Aggregate::Min(column) | Aggregate::Max(column))
                if column.column_type() == ColumnType::Date =>
            {
                Date::parse(text).map(|day| Some(Figure::Day(day)))
            }
            (Some(text), _) => text.parse().ok().map(|number| Some(Figure::Number(number))),
        });
        read.collect::<Option<Vec<_>>>().filter(|read| read.len() == self.aggregates.len())
    }

    /// The figures of a measure that is not reckoned value by value.
    fn values(&self, measure: &Measure, cell: &Cell) -> Result<Vec<i128>, ExtractError> {
        let figure = |aggregate: Aggregate| {
            let place = self.aggregates.iter().position(|one| *one == aggregate)?;
            cell.figures.get(place).copied().flatten()
        };
        if let How::OfCell(own) = How::of(measure.kind()) {
            for aggregate in own {
                in_64_bits(figure(aggregate), measure)?;
            }
            return self.cells.of_own_figures(measure, &mut |operand| match operand {
                Operand::Aggregate(Aggregate::Count) => Decimal::new(cell.rows, 0).map(Scalar::Number),
                Operand::Aggregate(aggregate) => match figure(aggregate)? {
                    Figure::Number(number) => Decimal::new(number, SCALE).map(Scalar::Number),
                    Figure::Day(day) => Some(Scalar::Date(day)),
                },
                Operand::Column(_) => None,
            });
        }
        let exact = match measure.kind() {
            MeasureKind::Patients { .. } => Some(Figure::Number(cell.patients)),
            MeasureKind::Sum { of, .. } => quantity_alone(of).map(Aggregate::Sum).and_then(figure),
            _ => Some(Figure::Number(cell.rows)),
        };
        let exact = in_64_bits(exact, measure)?;
        rounded(measure, exact).map(|value| vec![value]).ok_or_else(|| overflow(measure))
    }
}

/// As a snapshot holds it: a sum that leaves 64 bits is refused there, and here. Nothing of no value is 0.
fn in_64_bits(figure: Option<Figure>, measure: &Measure) -> Result<i64, ExtractError> {
    match figure {
        Some(Figure::Number(number)) => i64::try_from(number).map_err(|_| overflow(measure)),
        Some(Figure::Day(_)) | None => Ok(0),
    }
}

/// Two groups as one; none where a sum does not fit.
fn merged(aggregate: Aggregate, one: Option<Figure>, other: Option<Figure>) -> Option<Option<Figure>> {
    let (Some(left), Some(right)) = (one, other) else { return Some(one.or(other)) };
    match (aggregate, left, right) {
        (Aggregate::Min(_), _, _) => Some(Some(left.min(right))),
        (Aggregate::Max(_), _, _) => Some(Some(left.max(right))),
        (_, Figure::Number(left), Figure::Number(right)) => {
            left.checked_add(right).map(Figure::Number).map(Some)
        }
        _ => None,
    }
}
