//! What this hospital says in a count pass: of every box whether it has rows there, and whether they add anything.
//!
//! Owns the going over the rows by atom: those that meet exactly the same filters. It gives 0 or 1 for each lane;
//! which lanes there are, and what opens because of them, is the protocol's.

use super::functions;
use super::{Evaluation, overflow, quantity_alone};
use crate::extract::Counts;
use crate::extract::cell::SCALE;
use crate::extract::error::ExtractError;
use crate::extract::sql;
use crate::extract::store::{Frozen, count, store_error};
use rusqlite::Row;
use samensom_protocol::query::{
    Column, Counting, Dominance, Lane, Layout, Limits, Matter, MeasureKind, Placed, Query, divide_half_even,
    pow10,
};
use std::collections::BTreeMap;

/// One for each lane of the query's count pass, 0 or 1. `enough` patients make a hospital one that has enough.
///
/// # Errors
/// As [`super::evaluate`]: figures that are not within their range are refused before they are counted.
pub fn holders(
    query: &Query,
    frozen: &Frozen,
    (counting, enough, dominance): Counts<'_>,
) -> Result<Vec<i64>, ExtractError> {
    let figures = super::evaluate(query, frozen)?;
    let query = query.resolved().map_err(|_| ExtractError::Open { query: query.id().to_owned() })?;
    let failing = store_error(frozen.path(), "counting for the query");
    let evaluation = Evaluation::new(&query, frozen, &failing)?;
    let boxes = evaluation.atoms(counting, enough)?;
    Ok(said(&evaluation.cells.layout, (counting, dominance), &boxes, &figures))
}

/// The lanes of every box, of its atoms and of the query's figures.
pub(super) fn said(
    layout: &Layout,
    (counting, dominance): (&Counting, Option<&Dominance>),
    boxes: &BTreeMap<usize, Atoms>,
    figures: &[i64],
) -> Vec<i64> {
    let (nothing, width) = (Atoms::new(), counting.judged().len());
    let mut said = Vec::new();
    for (index, figures) in figures.chunks(layout.figures().max(1)).enumerate() {
        let atoms = boxes.get(&index).unwrap_or(&nothing);
        for lane in counting.lanes() {
            let figure = |of: &Placed| figures.get(layout.figures_of(of.measure).start + of.part).copied();
            said.push(i64::from(match (lane, dominance) {
                (Lane::Compared(judged), Some(before)) => before.compares(index * width + judged),
                (Lane::Dominant(judged), Some(before)) => {
                    let own = counting.judged().get(judged).and_then(figure);
                    own.is_some_and(|own| before.is_dominant(index * width + judged, own))
                }
                _ => says(lane, atoms, counting, |value| figure(value).is_some_and(|figure| figure != 0)),
            }));
        }
    }
    said
}

/// The rows of a box that meet exactly the filters whose bits are set.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// Whether there are enough patients among them.
    pub(super) patients: bool,
    /// Of each matter, whether its sum is not 0.
    pub(super) matters: Vec<bool>,
}

/// Those of a box, by their numbers.
pub(super) type Atoms = BTreeMap<usize, Atom>;

fn says(lane: Lane, atoms: &Atoms, counting: &Counting, value: impl Fn(&Placed) -> bool) -> bool {
    match lane {
        Lane::Rows(atom) => atoms.contains_key(&atom),
        Lane::Patients(atom) => atoms.get(&atom).is_some_and(|atom| atom.patients),
        Lane::Matter(matter, atom) => {
            atoms.get(&atom).is_some_and(|atom| atom.matters.get(matter) == Some(&true))
        }
        Lane::Value(place) => counting.values().get(place).is_some_and(value),
        Lane::Compared(_) | Lane::Dominant(_) => false,
        Lane::Set(None) => !atoms.is_empty(),
        Lane::Set(Some(filter)) => atoms.keys().any(|atom| atom >> filter & 1 == 1),
    }
}

/// So many patients of one atom are kept in memory while they are counted; more go through SQLite's files.
const MOST_SEEN: u32 = 10_000;

impl Evaluation<'_> {
    /// The atoms of every box that have rows.
    fn atoms(&self, counting: &Counting, enough: u32) -> Result<BTreeMap<usize, Atoms>, ExtractError> {
        let Some(first) = self.cells.query.measures().first() else { return Ok(BTreeMap::new()) };
        let mut sql = self.statement();
        let mut shown = Vec::new();
        for (place, dimension) in &self.dimensions {
            shown.push(sql.place(*place, dimension).ok_or_else(|| overflow(first))?);
        }
        let columns = functions::columns_of(counting.filters());
        let columns: Vec<String> = columns.into_iter().map(|column| sql.column(column)).collect();
        let groups = if counting.filters().is_empty() {
            // All rows are of one atom; a call for each of them costs as much as the rest of the scan. An aggregate,
            // for without one and without groups there is no HAVING.
            let groups = sql::group_by_cell(&shown);
            shown.push("MIN(0)".to_owned());
            groups
        } else {
            functions::signature(&self.connection, counting.filters(), &self.unfit).map_err(self.failing)?;
            shown.push(format!("signature({})", columns.join(", ")));
            sql::group_by_cell(&shown)
        };
        let mut tallies = 0;
        for matter in counting.matters() {
            shown.push(match quantity_alone(&matter.of) {
                Some(column) => format!("COALESCE(SUM({}), 0)", sql.column(column)),
                None => {
                    let kind = sum_of(matter);
                    let columns = functions::columns(&kind);
                    let name = format!("tally{tallies}");
                    tallies += 1;
                    let scales = vec![matter.scale];
                    functions::tally(&self.connection, &name, &kind, scales, &self.unfit)
                        .map_err(self.failing)?;
                    sql.tally(&columns)
                }
            });
        }
        if counting.counts_patients() {
            let person = sql.column(Column::Person);
            if enough <= MOST_SEEN {
                functions::some_of(&self.connection, enough).map_err(self.failing)?;
                shown.push(format!("some_of({person})"));
            } else {
                shown.push(format!("COUNT(DISTINCT {person})"));
            }
        }
        let cells = sql.cells(&self.dimensions).ok_or_else(|| overflow(first))?;
        let population = sql.condition(self.cells.query.population()).ok_or_else(|| overflow(first))?;
        let text = format!("SELECT {} {cells} AND {population} {groups}", shown.join(", "));
        let mut boxes: BTreeMap<usize, Atoms> = BTreeMap::new();
        self.each(&text, &sql, &|error| self.too_large(error, first), &mut |code, row| {
            self.take_atom((counting, enough), code, row, &mut boxes)
        })?;
        Ok(boxes)
    }

    fn take_atom(
        &self,
        (counting, enough): (&Counting, u32),
        code: Option<usize>,
        row: &Row<'_>,
        boxes: &mut BTreeMap<usize, Atoms>,
    ) -> Result<(), ExtractError> {
        let (places, mut next) = self.places(code, row)?;
        let cell = self.cells.layout.cell(&places, 0).and_then(|cell| usize::try_from(cell).ok());
        let Some(cell) = cell else { return Ok(()) };
        let number = |place| count(row, place).map_err(self.failing);
        let atom = usize::try_from(number(next)?).unwrap_or(usize::MAX);
        next += 1;
        if !counting.atoms().contains(&atom) {
            return Ok(());
        }
        let mut matters = Vec::new();
        for matter in counting.matters() {
            matters.push(if quantity_alone(&matter.of).is_some() {
                let exact: i64 = row.get(next).map_err(self.failing)?;
                is_something(i128::from(exact), matter)
            } else {
                let bytes: Vec<u8> = row.get(next).map_err(self.failing)?;
                functions::figures(&bytes).iter().any(|figure| *figure != 0)
            });
            next += 1;
        }
        let patients = !counting.counts_patients() || number(next)? >= u64::from(enough);
        let figures = self.cells.layout.figures().max(1);
        boxes.entry(cell / figures).or_default().insert(atom, Atom { patients, matters });
        Ok(())
    }
}

/// Whether a sum in 10^-SCALE is not 0 at the matter's scale.
pub(super) fn is_something(exact: i128, matter: &Matter) -> bool {
    let divisor = pow10(SCALE.saturating_sub(matter.scale));
    divisor.and_then(|divisor| divide_half_even(exact, divisor, 0)) != Some(0)
}

/// The matter as a measure of its own; its limits are those of the measures that use it, judged before.
pub(super) fn sum_of(matter: &Matter) -> MeasureKind {
    let limits = Limits { scale: matter.scale, low: 0, high: 0, max: 1 };
    MeasureKind::Sum { of: matter.of.clone(), limits }
}
