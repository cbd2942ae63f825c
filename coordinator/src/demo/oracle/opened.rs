//! Which figures stay closed, by looking at every hospital's rows.
//!
//! Owns its own reckoning of the rule of opening (protocol.md 3.2): rows that meet the same filters are one piece,
//! and of figures that can be added and subtracted only so many open that every piece they cut out has no rows or
//! enough hospitals. It must not know a count pass.

use super::measure::figures;
use super::rows::{Row, Val};
use super::value::{holds, number, rounded};
use super::{Floors, cells};
use samensom_protocol::query::{Column, Expr, Measure, MeasureKind, Per, Query};
use std::collections::{BTreeMap, BTreeSet};

/// The rows of one hospital in one cell.
type Rows<'a> = Vec<&'a Row>;
/// Which filters a row meets, in the order of the measures.
type Mark = Vec<bool>;

/// Whether each measure of each cell stays closed over these hospitals.
pub(super) fn closed(query: &Query, hospitals: &[Vec<Row>], floors: &Floors) -> Vec<Vec<bool>> {
    let all: Vec<Vec<Rows<'_>>> = hospitals.iter().map(|rows| cells(query, rows)).collect();
    let count = all.first().map_or(0, Vec::len);
    let groups = groups(query);
    let cell = |place: usize| {
        let own: Vec<&Rows<'_>> = all.iter().filter_map(|cells| cells.get(place)).collect();
        let cell = Cell::of(query, &own, floors);
        let is_closed = |(at, measure): (usize, &Measure)| {
            let few = |group: &Group| {
                group.measures.contains(&at) && !cell.largest(group).contains(&filter(measure))
            };
            groups.iter().any(few) || cell.has_few_values(measure, &own)
        };
        query.measures().iter().enumerate().map(is_closed).collect()
    };
    (0..count).map(cell).collect()
}

/// A measure's filter; none for all rows.
fn filter(measure: &Measure) -> Option<Expr> {
    (!measure.filter().is_always()).then(|| measure.filter().clone())
}

/// What a measure adds up, of each row or of all of them.
fn added(measure: &Measure) -> (Vec<Expr>, Per) {
    match measure.kind() {
        MeasureKind::Sum { of, .. } => (vec![of.clone()], Per::Row),
        MeasureKind::Moments { of, per, .. } => (vec![of.clone()], *per),
        MeasureKind::Regression { outcome, predictors, per, .. } => {
            (predictors.iter().chain([outcome]).cloned().collect(), *per)
        }
        _ => (Vec::new(), Per::Row),
    }
}

/// Measures that can be combined.
struct Group {
    measures: BTreeSet<usize>,
    /// Each sum over rows that is among their figures, with its decimals.
    sums: Vec<(Expr, u8)>,
    squares: bool,
    values: bool,
    /// Of all that count rows.
    counts: bool,
}

fn groups(query: &Query) -> Vec<Group> {
    let measures = query.measures();
    let columns = |at: &usize| -> BTreeSet<Column> {
        measures.get(*at).map(|one| added(one).0.iter().flat_map(Expr::columns).collect()).unwrap_or_default()
    };
    let is_sum =
        |at: &usize| measures.get(*at).is_some_and(|one| matches!(one.kind(), MeasureKind::Sum { .. }));
    let mut left: BTreeSet<usize> = (0..measures.len())
        .filter(|at| measures.get(*at).is_some_and(|one| !added(one).0.is_empty()))
        .collect();
    let mut sets: Vec<BTreeSet<usize>> = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut set = BTreeSet::from([first]);
        loop {
            let known: BTreeSet<Column> = set.iter().flat_map(columns).collect();
            let more: Vec<usize> =
                left.iter().copied().filter(|at| !columns(at).is_disjoint(&known)).collect();
            if more.is_empty() {
                break;
            }
            more.iter().for_each(|at| {
                left.remove(at);
                set.insert(*at);
            });
        }
        sets.push(set);
    }
    let mut groups = Vec::new();
    for set in sets {
        let of: Vec<&Measure> = set.iter().filter_map(|at| measures.get(*at)).collect();
        let mut sums: Vec<(Expr, u8)> = Vec::new();
        for measure in of.iter().filter(|one| added(one).1 == Per::Row) {
            sums.extend(added(measure).0.into_iter().map(|expr| (expr, measure.scale())));
        }
        let values = of.iter().any(|one| added(one).1 == Per::Hospital);
        groups.push(Group { squares: !set.iter().all(is_sum), values, counts: false, measures: set, sums });
    }
    let counting: BTreeSet<usize> = (0..measures.len()).filter(|at| !is_sum(at)).collect();
    groups.push(Group { measures: counting, sums: Vec::new(), squares: false, values: false, counts: true });
    groups
}

/// One piece of a cell's rows: hospitals that have some of it, that have enough patients in it, and for each sum
/// those to whose sum it adds.
#[derive(Default)]
struct Piece {
    rows: usize,
    patients: usize,
    adds: BTreeMap<usize, usize>,
}

struct Cell<'a> {
    query: &'a Query,
    filters: Vec<Expr>,
    floors: &'a Floors,
    /// Of each hospital that has rows: those of each mark.
    own: Vec<BTreeMap<Mark, Rows<'a>>>,
}

impl<'a> Cell<'a> {
    fn of(query: &'a Query, hospitals: &[&Rows<'a>], floors: &'a Floors) -> Cell<'a> {
        let mut filters: Vec<Expr> = Vec::new();
        for one in query.measures().iter().filter_map(filter) {
            if !filters.contains(&one) {
                filters.push(one);
            }
        }
        let marked = |rows: &&Rows<'a>| {
            let mut own: BTreeMap<Mark, Rows<'a>> = BTreeMap::new();
            for row in rows.iter() {
                let mark = filters.iter().map(|filter| holds(filter, &[row]) == Some(true)).collect();
                own.entry(mark).or_default().push(row);
            }
            own
        };
        let own = hospitals.iter().map(marked).collect();
        Cell { query, filters, floors, own }
    }

    /// The filters of the most figures of a group that may open together; the first of those that are as many.
    fn largest(&self, group: &Group) -> Vec<Option<Expr>> {
        let mut sets: Vec<Option<Expr>> = Vec::new();
        for at in &group.measures {
            let own = self.query.measures().get(*at).and_then(filter);
            if !sets.contains(&own) {
                sets.push(own);
            }
        }
        let most = if group.values { 1 } else { sets.len() };
        let mut best: Vec<Option<Expr>> = Vec::new();
        for choice in 1..1_usize << sets.len() {
            let part: Vec<Option<Expr>> = sets
                .iter()
                .enumerate()
                .filter(|(bit, _)| choice >> bit & 1 == 1)
                .map(|(_, set)| set.clone())
                .collect();
            if part.len() <= most && part.len() > best.len() && self.opens(group, &part) {
                best = part;
            }
        }
        best
    }

    fn opens(&self, group: &Group, part: &[Option<Expr>]) -> bool {
        let inside = |mark: &Mark| -> Mark {
            let meets = |set: &Option<Expr>| match set {
                None => true,
                Some(filter) => {
                    let bit = self.filters.iter().position(|one| one == filter);
                    bit.and_then(|bit| mark.get(bit)) == Some(&true)
                }
            };
            part.iter().map(meets).collect()
        };
        // Hospitals are counted mark by mark; of a piece of several the fullest is known.
        let mut pieces: BTreeMap<Mark, Vec<Piece>> = BTreeMap::new();
        let marks: BTreeSet<&Mark> = self.own.iter().flat_map(BTreeMap::keys).collect();
        for mark in marks {
            let place = inside(mark);
            if place.contains(&true) {
                pieces.entry(place).or_default().push(self.piece(mark, group));
            }
        }
        // Of a piece that is no figure no hospital says how much of it is its own.
        let is_figure = |place: &Mark| {
            (0..part.len()).any(|at| {
                place.get(at) == Some(&true)
                    && pieces.keys().filter(|other| other.get(at) == Some(&true)).count() == 1
            })
        };
        let judged = !self.floors.dominance || group.counts || pieces.keys().all(is_figure);
        judged && pieces.values().all(|pieces| self.is_enough(pieces, group))
    }

    fn piece(&self, mark: &Mark, group: &Group) -> Piece {
        let mut piece = Piece::default();
        for rows in self.own.iter().filter_map(|own| own.get(mark)) {
            piece.rows += 1;
            piece.patients += usize::from(persons(rows) >= self.floors.patients_each);
            for (at, (of, scale)) in group.sums.iter().enumerate() {
                let sum = rows.iter().filter_map(|row| number(of, &[row])).sum();
                *piece.adds.entry(at).or_default() += usize::from(rounded(&sum, *scale) != Some(0));
            }
        }
        piece
    }

    fn is_enough(&self, pieces: &[Piece], group: &Group) -> bool {
        let most = |count: &dyn Fn(&Piece) -> usize| pieces.iter().map(count).max().unwrap_or(0);
        let least = self.floors.hospitals;
        let adds = |at: usize| {
            let adding = most(&|piece| piece.adds.get(&at).copied().unwrap_or(0));
            adding >= least || adding == 0 && !group.squares
        };
        most(&|piece| piece.rows) >= least
            && (!self.floors.patients || most(&|piece| piece.patients) >= least)
            && (0..group.sums.len()).all(adds)
    }

    /// Whether of the values that hospitals add some are not 0, and those are too few.
    fn has_few_values(&self, measure: &Measure, hospitals: &[&Rows<'_>]) -> bool {
        if added(measure).1 == Per::Row {
            return false;
        }
        let sums: Vec<usize> = match measure.kind() {
            MeasureKind::Regression { predictors, .. } => {
                let columns = predictors.len() + 1;
                (1..columns).chain([columns * (columns + 1) / 2]).collect()
            }
            _ => vec![1],
        };
        let of = |rows: &&Rows<'_>| figures(measure, rows, &mut BTreeSet::new());
        let all: Vec<Vec<i128>> = hospitals.iter().map(of).collect();
        let few = |part: &usize| {
            let there = all.iter().filter(|one| one.get(*part).is_some_and(|figure| *figure != 0)).count();
            there > 0 && there < self.floors.hospitals
        };
        sums.iter().any(few)
    }
}

fn persons(rows: &[&Row]) -> usize {
    let name = |row: &&Row| match row.get(&Column::Person) {
        Some(Val::Text(person)) => Some(person.clone()),
        _ => None,
    };
    rows.iter().filter_map(name).collect::<BTreeSet<_>>().len()
}
