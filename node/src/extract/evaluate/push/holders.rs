//! What this hospital says in a count pass, of rows that stay in its database.
//!
//! Owns how groups of rows become atoms: the server groups by cell, person and the values that filters and numbers
//! speak of, and which filters a group meets is reckoned here, by the expressions of the snapshot. Groups come in the
//! order of their cells, so that one cell is built at a time. It must not know lanes.

use super::{Asked, Given, Pushed, places, selected, unread};
use crate::extract::error::ExtractError;
use crate::extract::evaluate::cells::{overflow, quantity_alone};
use crate::extract::evaluate::holders::{Atom, Atoms, is_something, said, sum_of};
use crate::extract::evaluate::tally::{Tally, Unfit};
use crate::extract::sql::{Sql, group_by_cell};
use samensom_protocol::query::{
    Aggregate, Column, Counting, Dominance, Expr, Matter, Measure, MeasureKind, Operand, Scalar,
};
use std::collections::BTreeMap;

/// Makes atoms of groups that come in the order of their cells, and in a cell of their persons.
pub(in crate::extract) struct Boxes<'p> {
    pushed: &'p Pushed<'p>,
    counting: &'p Counting,
    first: &'p Measure,
    enough: u32,
    given: Given,
    kinds: Vec<MeasureKind>,
    open: Option<(Vec<usize>, BTreeMap<usize, Building>)>,
    done: BTreeMap<usize, Atoms>,
}

/// An atom whose groups are coming.
struct Building {
    patients: u64,
    /// The last that was counted.
    person: Option<String>,
    sums: Vec<Sum>,
}

/// A matter's sum on its way.
enum Sum {
    /// Of what the server added up, in 10^-SCALE.
    Exact(i128),
    Tallied(Tally),
}

impl<'a> Pushed<'a> {
    /// What asks for the groups of a count, and what makes atoms of them.
    pub(in crate::extract) fn boxes<'p>(
        &'p self,
        counting: &'p Counting,
        enough: u32,
    ) -> Result<(Asked, Boxes<'p>), ExtractError> {
        let first = self.cells.query.measures().first().ok_or_else(|| self.unread())?;
        let mut sql = Sql::of_server(self.cells.query.dataset(), self.rows.clone());
        let mut groups = Vec::new();
        for (place, dimension) in &self.dimensions {
            groups.push(sql.place(*place, dimension).ok_or_else(|| overflow(first))?);
        }
        let cells = sql.cells(&self.dimensions).ok_or_else(|| overflow(first))?;
        let population = sql.condition(self.cells.query.population()).ok_or_else(|| overflow(first))?;
        groups.extend(counting.counts_patients().then(|| sql.column(Column::Person)));
        let ordered = groups.len();
        let tallied = counting.matters().iter().filter(|matter| quantity_alone(&matter.of).is_none());
        let filters = counting.filters().iter().flat_map(Expr::columns);
        let given = Given::of(&sql, filters.chain(tallied.flat_map(|matter| matter.of.columns())).collect());
        groups.extend(given.columns.iter().map(|column| sql.column(*column)));
        let alone = counting.matters().iter().filter_map(|matter| quantity_alone(&matter.of));
        let figured = [Aggregate::Count].into_iter().chain(alone.map(Aggregate::Sum));
        let figured: Vec<String> = figured.map(|one| sql.aggregate(one)).collect();
        let text = format!(
            "{} {cells} AND {population} {}{}",
            selected(&[groups.as_slice(), figured.as_slice()].concat()),
            group_by_cell(&(1..=groups.len()).map(|place| place.to_string()).collect::<Vec<_>>()),
            if ordered == 0 { String::new() } else { format!(" ORDER BY {}", places(ordered)) }
        );
        let kinds = counting.matters().iter().map(sum_of).collect();
        let (open, done) = (None, BTreeMap::new());
        let boxes = Boxes { pushed: self, counting, first, enough, given, kinds, open, done };
        Ok((Asked { text, values: sql.values }, boxes))
    }
}

impl Boxes<'_> {
    /// One group of rows.
    pub(in crate::extract) fn take(&mut self, row: &[Option<&str>]) -> Result<(), ExtractError> {
        let unread = || unread(&self.pushed.cells);
        let dimensions = self.pushed.cells.query.dimensions().len();
        let (places, row) = row.split_at_checked(dimensions).ok_or_else(unread)?;
        let places: Option<Vec<usize>> = places.iter().map(|place| (*place)?.parse().ok()).collect();
        let places = places.ok_or_else(unread)?;
        let by_person = usize::from(self.counting.counts_patients());
        let (person, row) = row.split_at_checked(by_person).ok_or_else(unread)?;
        let (values, row) = row.split_at_checked(self.given.columns.len()).ok_or_else(unread)?;
        let values = self.given.read(values).ok_or_else(unread)?;
        let (rows, sums) = row.split_first().ok_or_else(unread)?;
        let rows: i128 = rows.and_then(|rows| rows.parse().ok()).ok_or_else(unread)?;
        if !self.given.holds(&values, self.first)? {
            return Ok(());
        }
        let atom = self.atom(&values)?;
        if !self.counting.atoms().contains(&atom) {
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open != places) {
            self.end()?;
            self.open = Some((places, BTreeMap::new()));
        }
        let person = person.first().copied().flatten();
        self.add(atom, person, (rows, &values, sums))
    }

    /// Adds a group to an atom of the open cell.
    fn add(
        &mut self,
        atom: usize,
        person: Option<&str>,
        (rows, values, sums): (i128, &[Option<Scalar>], &[Option<&str>]),
    ) -> Result<(), ExtractError> {
        let unread = || unread(&self.pushed.cells);
        let Some((_, atoms)) = &mut self.open else { return Err(unread()) };
        let building = atoms.entry(atom).or_insert_with(|| Building::new(self.counting));
        if let Some(person) = person.filter(|person| building.person.as_deref() != Some(*person)) {
            building.patients += 1;
            building.person = Some(person.to_owned());
        }
        let mut sums = sums.iter();
        for (sum, kind) in building.sums.iter_mut().zip(&self.kinds) {
            match sum {
                Sum::Exact(sum) => {
                    let own = sums.next().ok_or_else(unread)?;
                    let own: i128 = own.map_or(Ok(0), str::parse).map_err(|_| unread())?;
                    *sum = sum.checked_add(own).ok_or_else(|| overflow(self.first))?;
                }
                Sum::Tallied(tally) => {
                    let lookup = &mut |operand| self.given.value(values, operand);
                    let added = tally.add_times(rows, kind, lookup);
                    added.map_err(|unfit| self.pushed.cells.unfit(unfit, self.first))?;
                }
            }
        }
        Ok(())
    }

    /// The lanes, once all groups came; `figures` are those of the query.
    pub(in crate::extract) fn said(
        mut self,
        figures: &[i64],
        dominance: Option<&Dominance>,
    ) -> Result<Vec<i64>, ExtractError> {
        self.end()?;
        let layout = &self.pushed.cells.layout;
        Ok(said(layout, (self.counting, dominance), &self.done, figures))
    }

    /// The number of the atom of rows with these values.
    fn atom(&self, values: &[Option<Scalar>]) -> Result<usize, ExtractError> {
        let mut atom = 0;
        for (bit, filter) in self.counting.filters().iter().enumerate() {
            let holds = filter.holds(&mut |operand: Operand| self.given.value(values, operand));
            if holds.map_err(|_| overflow(self.first))? == Some(true) {
                atom |= 1 << bit;
            }
        }
        Ok(atom)
    }

    /// Puts the atoms of the last cell.
    fn end(&mut self) -> Result<(), ExtractError> {
        let Some((places, atoms)) = self.open.take() else { return Ok(()) };
        let layout = &self.pushed.cells.layout;
        let cell = layout.cell(&places, 0).and_then(|cell| usize::try_from(cell).ok());
        let Some(cell) = cell else { return Ok(()) };
        let mut done = Atoms::new();
        for (number, building) in atoms {
            let mut matters = Vec::new();
            for (sum, matter) in building.sums.into_iter().zip(self.counting.matters()) {
                let adds = sum.into_something(matter);
                matters.push(adds.map_err(|unfit| self.pushed.cells.unfit(unfit, self.first))?);
            }
            let patients = !self.counting.counts_patients() || building.patients >= u64::from(self.enough);
            done.insert(number, Atom { patients, matters });
        }
        self.done.insert(cell / layout.figures().max(1), done);
        Ok(())
    }
}

impl Building {
    fn new(counting: &Counting) -> Building {
        let sum = |matter: &Matter| match quantity_alone(&matter.of) {
            Some(_) => Sum::Exact(0),
            None => Sum::Tallied(Tally::new(1)),
        };
        Building { patients: 0, person: None, sums: counting.matters().iter().map(sum).collect() }
    }
}

impl Sum {
    /// Whether it is not 0 at the matter's scale.
    fn into_something(self, matter: &Matter) -> Result<bool, Unfit> {
        match self {
            Sum::Exact(sum) => Ok(is_something(sum, matter)),
            Sum::Tallied(tally) => Ok(tally.figures(&[matter.scale])?.iter().any(|figure| *figure != 0)),
        }
    }
}
