//! Totals of the count pass -> which figures open.
//!
//! Owns the rule and the set's form on the wire. Of each group of measures the largest part opens in a box whose
//! sets of rows are so cut up by one another that every piece has no rows or enough hospitals behind it. How many
//! hospitals have rows in one of several atoms is not counted; it is at least as many as in the fullest. Of which figure
//! a hospital has most is judged by the figure alone, so where that is asked no other piece may follow.

use super::super::Layout;
use super::groups::Group;
use super::{Counting, Lane};

/// Which measures open in which boxes: one bit for each, the measures of a box side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    measures: usize,
    bits: Vec<bool>,
}

impl Open {
    /// Whether a measure opens in a box.
    #[must_use]
    pub fn is_open(&self, index: u32, measure: usize) -> bool {
        self.place(index, measure).and_then(|place| self.bits.get(place)).copied().unwrap_or(false)
    }

    fn place(&self, index: u32, measure: usize) -> Option<usize> {
        let first = usize::try_from(index).ok()?.checked_mul(self.measures)?;
        first.checked_add(measure).filter(|_| measure < self.measures)
    }

    /// Whether a cell of the value pass opens.
    #[must_use]
    pub fn opens(&self, layout: &Layout, cell: u32) -> bool {
        let Ok(figures) = u32::try_from(layout.figures()) else { return false };
        let (index, figure) = (cell.checked_div(figures), cell.checked_rem(figures));
        let figure = figure.and_then(|figure| usize::try_from(figure).ok());
        let measure = figure.and_then(|figure| layout.measure_of(figure));
        index.zip(measure).is_some_and(|(index, measure)| self.is_open(index, measure))
    }

    /// All that there is.
    #[must_use]
    pub fn all(counting: &Counting) -> Open {
        let measures = counting.measures.len();
        let count = usize::try_from(counting.boxes).unwrap_or(0).saturating_mul(measures);
        Open { measures, bits: vec![true; count] }
    }

    /// A measure stays closed in a box.
    pub(super) fn close(&mut self, index: u32, measure: usize) {
        if let Some(bit) = self.place(index, measure).and_then(|place| self.bits.get_mut(place)) {
            *bit = false;
        }
    }

    /// How many figures of measures stay closed.
    #[must_use]
    pub fn closed(&self) -> usize {
        self.bits.iter().filter(|open| !**open).count()
    }

    /// Whether all that opens here opens there.
    #[must_use]
    pub fn is_within(&self, other: &Open) -> bool {
        let within = self.bits.iter().zip(&other.bits).all(|(own, other)| *other || !*own);
        self.measures == other.measures && self.bits.len() == other.bits.len() && within
    }

    /// The bits, lowest first, the last byte padded with zero bits.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let byte =
            |chunk: &[bool]| chunk.iter().rev().fold(0u8, |byte, bit| byte.wrapping_shl(1) | u8::from(*bit));
        self.bits.chunks(8).map(byte).collect()
    }

    /// The set of these bytes for a query; `None` for another length or padding.
    #[must_use]
    pub fn from_bytes(counting: &Counting, bytes: &[u8]) -> Option<Open> {
        let measures = counting.measures.len();
        let count = usize::try_from(counting.boxes).ok()?.checked_mul(measures)?;
        let bit = |place: usize| {
            let byte = bytes.get(place.checked_div(8)?)?;
            Some(byte.wrapping_shr(u32::try_from(place & 7).ok()?) & 1 == 1)
        };
        let open = Open { measures, bits: (0..count).map(bit).collect::<Option<_>>()? };
        (open.to_bytes() == bytes).then_some(open)
    }
}

impl Counting {
    /// What opens: `totals` are those of the count pass, one for each lane of each box; `least` hospitals must
    /// stand behind a figure. Nothing where they are not the totals of this query.
    #[must_use]
    pub fn open(&self, totals: &[u64], least: u64) -> Open {
        let lanes = self.lanes();
        let measures = self.measures.len();
        let all = usize::try_from(self.cells()).is_ok_and(|cells| cells == totals.len());
        let mut bits = Vec::new();
        for totals in totals.chunks(lanes.len().max(1)).filter(|_| all) {
            let one = Box { counting: self, lanes: &lanes, totals, least };
            let mut open = vec![true; measures];
            for group in &self.groups {
                let sets = one.largest(group);
                for measure in &group.measures {
                    let own = self.measures.get(*measure).is_some_and(|own| sets.contains(&own.rows));
                    if let Some(open) = open.get_mut(*measure).filter(|_| !own) {
                        *open = false;
                    }
                }
            }
            for (place, value) in self.values.iter().enumerate() {
                let measure = value.measure;
                let value = one.of(Lane::Value(place));
                if let Some(open) = open.get_mut(measure).filter(|_| value > 0 && value < least) {
                    *open = false;
                }
            }
            bits.extend(open);
        }
        Open { measures, bits }
    }
}

/// One box of the count pass.
struct Box<'a> {
    counting: &'a Counting,
    lanes: &'a [Lane],
    totals: &'a [u64],
    least: u64,
}

/// A set of rows: those that meet a filter, or all.
pub(super) type Set = Option<usize>;

/// Whether the rows of an atom are in a set.
pub(super) fn is_in(set: Set, atom: usize) -> bool {
    set.is_none_or(|filter| {
        u32::try_from(filter).is_ok_and(|bit| atom.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
    })
}

impl Box<'_> {
    fn of(&self, lane: Lane) -> u64 {
        let place = self.lanes.iter().position(|one| *one == lane);
        place.and_then(|place| self.totals.get(place)).copied().unwrap_or(0)
    }

    /// The largest part of the group's sets that may open together; the first of those of one size.
    fn largest(&self, group: &Group) -> Vec<Set> {
        let mut sets: Vec<Set> = Vec::new();
        for measure in &group.measures {
            let rows = self.counting.measures.get(*measure).and_then(|counted| counted.rows);
            if !sets.contains(&rows) {
                sets.push(rows);
            }
        }
        // No two sets of rows open together where their difference was not counted.
        let most = if group.values { 1 } else { sets.len() };
        let mut parts: Vec<Vec<Set>> = vec![Vec::new()];
        for set in &sets {
            let with = parts.iter().map(|part| part.iter().copied().chain([*set]).collect());
            let with: Vec<Vec<Set>> = with.collect();
            parts.extend(with);
        }
        parts.sort_by_key(|part| core::cmp::Reverse(part.len()));
        let fits = |part: &Vec<Set>| part.len() <= most && self.may_open(group, part);
        parts.into_iter().find(fits).unwrap_or_default()
    }

    /// Whether every piece into which these sets cut each other has no rows, or enough behind it.
    fn may_open(&self, group: &Group, sets: &[Set]) -> bool {
        let mut pieces: Vec<(Vec<bool>, Vec<usize>)> = Vec::new();
        for atom in self.counting.atoms() {
            let inside: Vec<bool> = sets.iter().map(|set| is_in(*set, atom)).collect();
            if !inside.contains(&true) {
                continue;
            }
            match pieces.iter_mut().find(|(other, _)| *other == inside) {
                Some((_, atoms)) => atoms.push(atom),
                None => pieces.push((inside, vec![atom])),
            }
        }
        let judged = group.measures.iter().any(|measure| !self.judged(*measure).is_empty());
        let alone = !judged || group.counts || self.is_judged(group, sets, &pieces);
        alone && pieces.iter().all(|(_, atoms)| self.has_enough(group, atoms))
    }

    fn judged(&self, measure: usize) -> &[usize] {
        self.counting.measures.get(measure).map_or(&[], |measure| &measure.judged)
    }

    /// Whether each piece that has rows is all of one of these sets, and no figure follows from them of which a
    /// hospital has most. Of what is between two sets no hospital said how much it has.
    fn is_judged(&self, group: &Group, sets: &[Set], pieces: &[(Vec<bool>, Vec<usize>)]) -> bool {
        let with_rows = |atoms: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
            atoms.filter(|atom| self.of(Lane::Rows(*atom)) > 0).collect()
        };
        let pieces: Vec<Vec<usize>> = pieces
            .iter()
            .map(|(_, atoms)| with_rows(&mut atoms.iter().copied()))
            .filter(|atoms| !atoms.is_empty())
            .collect();
        let of_set =
            |set: Set| with_rows(&mut self.counting.atoms().into_iter().filter(|atom| is_in(set, *atom)));
        let sets: Vec<Vec<usize>> = sets.iter().map(|set| of_set(*set)).collect();
        let dominant =
            |measure: &&usize| self.judged(**measure).iter().any(|one| self.of(Lane::Dominant(*one)) > 0);
        let follows = |measure: &usize| {
            let own = self.counting.measures.get(*measure).map(|measure| of_set(measure.rows));
            let own = own.unwrap_or_default();
            let within = pieces.iter().filter(|piece| piece.iter().all(|atom| own.contains(atom)));
            !own.is_empty() && within.flatten().count() == own.len()
        };
        pieces.iter().all(|piece| sets.contains(piece))
            && !group.measures.iter().filter(dominant).any(follows)
    }

    fn has_enough(&self, group: &Group, atoms: &[usize]) -> bool {
        let most =
            |lane: &dyn Fn(usize) -> Lane| atoms.iter().map(|atom| self.of(lane(*atom))).max().unwrap_or(0);
        let rows = most(&Lane::Rows);
        if rows == 0 {
            return true;
        }
        let patients = !self.counting.patients || most(&Lane::Patients) >= self.least;
        let matter = |matter: &usize| {
            let not_zero = most(&|atom| Lane::Matter(*matter, atom));
            not_zero >= self.least || not_zero == 0 && !group.squares
        };
        rows >= self.least && patients && group.matters.iter().all(matter)
    }
}
