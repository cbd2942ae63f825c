//! A nation beside its groups: which figures of both may open over one extract (A23, protocol.md 3.3).
//!
//! Owns that rule. Both queries were counted apart, of the same rows; no hospital is in two classes, so what was counted
//! of the nation less what was counted of classes is what is counted of all the others. The open figures of one box cut
//! the rows of all hospitals into *pieces*; no figure that follows from them by adding and subtracting may be about pieces
//! alone behind which too few hospitals stand. It must not know rosters, ledgers or rounds.

use super::super::Column;
use super::super::dimension::{Classes, Dimension};
use super::super::shape::Shape;
use super::groups::Group;
use super::open::{Set, is_in};
use super::{Counting, Lane, Open};
use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Figures of one query that opened, or are about to, with what was counted of them.
#[derive(Debug, Clone, Copy)]
pub struct Opened<'a> {
    /// What was counted.
    pub shape: &'a Shape,
    /// In which slot: counts of other slots are of other rows, where a hospital's changed.
    pub slot: u64,
    /// The totals of the count pass: one for each lane of each box.
    pub totals: &'a [u16],
    /// What opens.
    pub open: &'a Open,
}

/// A place along a dimension, by what it means: a listed value, or the place where both queries have the same places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Listed(String),
    Missing,
    At(usize),
}

/// A box without its class of hospitals.
type Row = Vec<Place>;
/// A class of hospitals.
type Class = Vec<(Column, Place)>;

fn place(dimension: &Dimension, at: usize) -> Place {
    if !matches!(dimension.classes(), Classes::Codes(_)) || dimension.has_other() {
        return Place::At(at);
    }
    dimension.codes().get(at).map_or(Place::Missing, |code| Place::Listed(code.to_string()))
}

/// One query of the tree.
struct Side<'a> {
    of: Opened<'a>,
    /// Whether it is the one that is judged.
    own: bool,
    /// Its boxes: for each row, each class and the box's number.
    boxes: BTreeMap<Row, Vec<(Class, u32)>>,
    /// The class of each hospital that was invited; none where it has no place.
    members: Vec<Option<Class>>,
}

impl<'a> Side<'a> {
    fn new((of, own): (&Opened<'a>, bool)) -> Side<'a> {
        let query = of.shape.query();
        let layout = query.layout();
        let figures = u32::try_from(layout.figures()).unwrap_or(0);
        let count = layout.cells().checked_div(figures).unwrap_or(0);
        let mut boxes: BTreeMap<Row, Vec<(Class, u32)>> = BTreeMap::new();
        for index in 0..count {
            let Some((places, _)) = layout.place(index.saturating_mul(figures)) else { continue };
            let (mut row, mut class) = (Row::new(), Class::new());
            for (dimension, at) in query.dimensions().iter().zip(places) {
                if dimension.is_of_hospitals() {
                    class.push((dimension.column(), place(dimension, at)));
                } else {
                    row.push(place(dimension, at));
                }
            }
            boxes.entry(row).or_default().push((class, index));
        }
        let of_hospitals: Vec<&Dimension> =
            query.dimensions().iter().filter(|one| one.is_of_hospitals()).collect();
        let named = |places: Vec<usize>| {
            let pairs = of_hospitals.iter().zip(places);
            pairs.map(|(dimension, at)| (dimension.column(), place(dimension, at))).collect()
        };
        let members = of.shape.places_of_members().map(|places| places.map(named)).collect();
        Side { of: *of, own, boxes, members }
    }
}

/// Boxes of one row behind one region, each with the query that it is a box of.
type Boxes<'t, 'a> = Vec<(&'t Side<'a>, u32)>;

/// All queries over one extract that stand in one tree with one of them.
struct Tree<'a> {
    counting: Counting,
    lanes: Vec<Lane>,
    least: u64,
    /// What opens in the one that is judged.
    open: Open,
    nations: Vec<Side<'a>>,
    groups: Vec<Side<'a>>,
}

/// Whether all that opens in `own` may open beside what opened in all of these over the same extract.
#[must_use]
pub fn may_open(own: &Opened, others: &[Opened]) -> bool {
    let Some(tree) = Tree::of(own, others) else { return true };
    tree.own_boxes().keys().all(|row| tree.counting.groups.iter().all(|group| tree.holds(row, group)))
}

/// As much of `own.open` as may open beside these: a figure of the nation is closed, or of the open classes the one with
/// the fewest holders, until it does.
#[must_use]
pub fn closing(own: &Opened, others: &[Opened]) -> Open {
    let Some(mut tree) = Tree::of(own, others) else { return own.open.clone() };
    let groups = tree.counting.groups.clone();
    for (row, boxes) in tree.own_boxes().clone() {
        for group in &groups {
            while !tree.holds(&row, group) {
                let Some((index, measure)) = tree.smallest(own, &boxes, group) else { break };
                tree.open.close(index, measure);
            }
        }
    }
    tree.open
}

impl<'a> Tree<'a> {
    /// None where no other stands in a tree with it.
    fn of(own: &Opened<'a>, others: &[Opened<'a>]) -> Option<Tree<'a>> {
        let (mut nations, mut groups) = (Vec::new(), Vec::new());
        let others = others.iter().map(|other| (other, false));
        if own.shape.query().is_by_class() {
            nations.extend(others.clone().filter(|(other, _)| other.shape.is_nation_of(own.shape)));
            groups.push((own, true));
        } else {
            nations.push((own, true));
            nations.extend(others.clone().filter(|(other, _)| other.shape.is_as_nation(own.shape)));
        }
        let of_one =
            |other: &Opened| nations.iter().any(|(nation, _)| nation.shape.is_nation_of(other.shape));
        groups.extend(others.filter(|(other, _)| of_one(other)));
        if nations.is_empty() || groups.is_empty() {
            return None;
        }
        let all = nations.iter().chain(&groups).map(|(one, _)| one.shape.floors().hospitals);
        let least = all.max()?;
        let counting = Counting::of(own.shape.query(), own.shape.floors().patients > 0)?;
        Some(Tree {
            lanes: counting.lanes(),
            counting,
            least,
            open: own.open.clone(),
            nations: nations.into_iter().map(Side::new).collect(),
            groups: groups.into_iter().map(Side::new).collect(),
        })
    }

    fn own_boxes(&self) -> &BTreeMap<Row, Vec<(Class, u32)>> {
        let mut own = self.nations.iter().chain(&self.groups).filter(|side| side.own);
        static NONE: BTreeMap<Row, Vec<(Class, u32)>> = BTreeMap::new();
        own.next().map_or(&NONE, |side| &side.boxes)
    }

    fn is_open(&self, side: &Side, index: u32, measure: usize) -> bool {
        if side.own { self.open.is_open(index, measure) } else { side.of.open.is_open(index, measure) }
    }

    /// The figure of a group of measures that is open in one of these boxes and has the fewest holders, the last of those.
    fn smallest(&self, own: &Opened, boxes: &[(Class, u32)], group: &Group) -> Option<(u32, usize)> {
        let totals: Vec<u64> = own.totals.iter().copied().map(u64::from).collect();
        let open =
            boxes.iter().flat_map(|(_, index)| group.measures.iter().map(|measure| (*index, *measure)));
        let open = open.filter(|(index, measure)| self.open.is_open(*index, *measure));
        open.min_by_key(|one| (self.counting.holders(&totals, one.0, one.1), Reverse(*one)))
    }

    /// Whether nothing about too few follows from what opens of a group of measures in a row.
    fn holds(&self, row: &Row, group: &Group) -> bool {
        let opens = |(side, index): &(&Side, u32)| {
            group.measures.iter().any(|measure| self.is_open(side, *index, *measure))
        };
        let mut nation: Boxes = Vec::new();
        for side in &self.nations {
            let boxes = side.boxes.get(row).into_iter().flatten().map(|(_, index)| (side, *index));
            nation.extend(boxes.filter(opens));
        }
        let mut classes: BTreeMap<&Class, Boxes> = BTreeMap::new();
        for side in &self.groups {
            for (class, index) in side.boxes.get(row).into_iter().flatten() {
                if opens(&(side, *index)) {
                    classes.entry(class).or_default().push((side, *index));
                }
            }
        }
        let concerned = nation.iter().chain(classes.values().flatten()).any(|(side, _)| side.own);
        if nation.is_empty() || classes.is_empty() || !concerned {
            return true;
        }
        Cut { tree: self, group, nation, classes }.holds()
    }
}

/// The open figures of one group of measures in one row.
struct Cut<'t, 'a> {
    tree: &'t Tree<'a>,
    group: &'t Group,
    nation: Boxes<'t, 'a>,
    /// The classes in which something opens.
    classes: BTreeMap<&'t Class, Boxes<'t, 'a>>,
}

/// How many hospitals were counted: at least, and at most.
#[derive(Clone, Copy)]
struct Range {
    least: u64,
    most: u64,
}

/// Hospitals whose rows were counted together: of one class in which something opens, or all the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Region<'t> {
    Class(&'t Class),
    Rest,
}

/// What is known of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// Its figures are 0, and nobody, or enough, have rows there.
    Empty,
    /// Too few stand behind it.
    Small,
    /// Enough do.
    Large,
}

impl<'t> Cut<'t, '_> {
    fn holds(&self) -> bool {
        let sets = |boxes: &Boxes| -> BTreeSet<Set> { boxes.iter().flat_map(|one| self.sets(one)).collect() };
        let of_nation = sets(&self.nation);
        let of_classes: BTreeMap<&Class, BTreeSet<Set>> =
            self.classes.iter().map(|(class, boxes)| (*class, sets(boxes))).collect();
        // Of a hospital's own values no difference of two sets of rows is counted.
        let all: BTreeSet<&Set> = of_nation.iter().chain(of_classes.values().flatten()).collect();
        if self.group.values && all.len() > 1 {
            return false;
        }
        // Each open figure is a row of a matrix, each piece a column: 1 where the figure has the piece in it.
        let figures: Vec<(Option<&Class>, Set)> = of_classes
            .iter()
            .flat_map(|(class, sets)| sets.iter().map(|set| (Some(*class), *set)))
            .chain(of_nation.iter().map(|set| (None, *set)))
            .collect();
        let mut pieces: BTreeMap<Vec<usize>, Vec<(Region, usize)>> = BTreeMap::new();
        for region in self.regions() {
            for atom in self.tree.counting.atoms() {
                let has = |(class, set): &(Option<&Class>, Set)| {
                    class.is_none_or(|class| region == Region::Class(class)) && is_in(*set, atom)
                };
                let column: Vec<usize> =
                    (0..).zip(&figures).filter(|(_, one)| has(one)).map(|(row, _)| row).collect();
                if !column.is_empty() {
                    pieces.entry(column).or_default().push((region, atom));
                }
            }
        }
        let known: Vec<(Vec<usize>, Piece)> =
            pieces.into_iter().map(|(column, atoms)| (column, self.piece(&atoms))).collect();
        let columns = |of: &dyn Fn(Piece) -> bool| -> Vec<&[usize]> {
            known.iter().filter(|(_, piece)| of(*piece)).map(|(column, _)| column.as_slice()).collect()
        };
        // A figure that follows and is 0 on every large piece, but not on all, is about small ones alone.
        rank(figures.len(), &columns(&|piece| piece != Piece::Empty))
            == rank(figures.len(), &columns(&|piece| piece == Piece::Large))
    }

    /// The sets of rows of which something opens in a box.
    fn sets(&self, (side, index): &(&Side, u32)) -> Vec<Set> {
        let open = self.group.measures.iter().filter(|measure| self.tree.is_open(side, *index, **measure));
        open.filter_map(|measure| self.tree.counting.measures.get(*measure))
            .map(|counted| counted.rows)
            .collect()
    }

    /// The classes, and the rest where it has a member.
    fn regions(&self) -> Vec<Region<'t>> {
        let in_rest =
            |member: &Option<Class>| member.as_ref().is_none_or(|class| !self.classes.contains_key(class));
        let mut sides = self.classes.values().flatten();
        let rest = sides.any(|(side, _)| side.members.iter().any(in_rest));
        let classes = self.classes.keys().map(|class| Region::Class(class));
        classes.chain(rest.then_some(Region::Rest)).collect()
    }

    /// Whether all was counted in one slot, of the same rows.
    fn is_of_one_slot(&self) -> bool {
        let all = || self.nation.iter().chain(self.classes.values().flatten());
        all().next().is_some_and(|(first, _)| all().all(|(side, _)| side.of.slot == first.of.slot))
    }

    /// The least and the most that was counted of a lane in these boxes.
    fn counted(&self, boxes: &Boxes, lane: Lane) -> Range {
        let lanes = &self.tree.lanes;
        let at = |(side, index): &(&Side, u32)| {
            let place = lanes.iter().position(|one| *one == lane)?;
            let start = usize::try_from(*index).ok()?.checked_mul(lanes.len())?;
            side.of.totals.get(start.checked_add(place)?).copied().map(u64::from)
        };
        // What is not known could be anything.
        let least = boxes.iter().map(|one| at(one).unwrap_or(0)).min().unwrap_or(0);
        let most = boxes.iter().map(|one| at(one).unwrap_or(u64::MAX)).max().unwrap_or(u64::MAX);
        Range { least, most }
    }

    /// How many of a region's hospitals were counted in a lane. Where counts are of several slots, who was counted in the
    /// one and not in the other stands in the difference of the figures too: they are at least that many.
    fn of_region(&self, region: Region, lane: Lane) -> Range {
        let class = match region {
            Region::Class(class) => {
                return self.classes.get(class).map_or(UNKNOWN, |all| self.counted(all, lane));
            }
            Region::Rest => self.classes.values().map(|boxes| self.counted(boxes, lane)),
        };
        let nation = self.counted(&self.nation, lane);
        let others = class.fold(0, |all: u64, one| all.saturating_add(one.most));
        let least = nation.least.saturating_sub(others);
        let exact = self.is_of_one_slot() && nation.least >= others;
        Range { least, most: if exact { least } else { u64::MAX } }
    }

    /// Of a piece's atoms in one region each: hospitals of several regions are different ones, behind several atoms they
    /// are at least those behind the fullest.
    fn most(&self, atoms: &[(Region, usize)], lane: &dyn Fn(usize) -> Lane) -> Range {
        let mut of_atoms: BTreeMap<usize, Range> = BTreeMap::new();
        for (region, atom) in atoms {
            let own = self.of_region(*region, lane(*atom));
            let all = of_atoms.entry(*atom).or_insert(Range { least: 0, most: 0 });
            *all =
                Range { least: all.least.saturating_add(own.least), most: all.most.saturating_add(own.most) };
        }
        let most = |of: fn(&Range) -> u64| of_atoms.values().map(of).max().unwrap_or(0);
        Range { least: most(|one| one.least), most: most(|one| one.most) }
    }

    fn piece(&self, atoms: &[(Region, usize)]) -> Piece {
        let (counting, enough) = (&self.tree.counting, |one: &Range| one.least >= self.tree.least);
        let rows = self.most(atoms, &Lane::Rows);
        if rows.most == 0 {
            return Piece::Empty;
        }
        let matters =
            self.group.matters.iter().map(|matter| self.most(atoms, &|atom| Lane::Matter(*matter, atom)));
        let mut numbers: Vec<Range> = matters.collect();
        let values = counting.values.iter().enumerate();
        let own = values.filter(|(_, value)| self.group.measures.contains(&value.measure));
        numbers.extend(own.map(|(value, _)| self.most(atoms, &|_| Lane::Value(value))));
        let zero = !numbers.is_empty() && !self.group.squares && numbers.iter().all(|one| one.most == 0);
        let patients = !counting.patients || enough(&self.most(atoms, &Lane::Patients));
        match enough(&rows) && patients {
            true if zero => Piece::Empty,
            true if numbers.iter().all(enough) => Piece::Large,
            _ => Piece::Small,
        }
    }
}

/// Nothing is known.
const UNKNOWN: Range = Range { least: 0, most: u64::MAX };

/// The field in which the rank is taken, 2^61 - 1: the numbers in play are minors of small matrices of zeros and ones.
const PRIME: u128 = (1 << 61) - 1;

/// The rank of a matrix of zeros and ones with these many rows, of which each column is given by the rows that have a one.
fn rank(rows: usize, columns: &[&[usize]]) -> usize {
    let mut matrix: Vec<BTreeMap<usize, u128>> = vec![BTreeMap::new(); rows];
    for (column, ones) in columns.iter().enumerate() {
        for row in ones.iter() {
            if let Some(row) = matrix.get_mut(*row) {
                row.insert(column, 1);
            }
        }
    }
    let mut pivots: BTreeMap<usize, BTreeMap<usize, u128>> = BTreeMap::new();
    for mut row in matrix {
        while let Some((column, number)) = row.first_key_value().map(|(column, number)| (*column, *number)) {
            let Some(pivot) = pivots.get(&column) else {
                let inverse = power(number, PRIME.saturating_sub(2));
                row.values_mut().for_each(|one| *one = times(*one, inverse));
                pivots.insert(column, row);
                break;
            };
            // The pivot's first number is 1.
            for (column, one) in pivot {
                let own = row.entry(*column).or_default();
                *own = plus(*own, PRIME.saturating_sub(times(*one, number)));
            }
            row.retain(|_, one| *one != 0);
        }
    }
    pivots.len()
}

fn plus(one: u128, other: u128) -> u128 {
    one.wrapping_add(other).checked_rem(PRIME).unwrap_or(0)
}

fn times(one: u128, other: u128) -> u128 {
    one.wrapping_mul(other).checked_rem(PRIME).unwrap_or(0)
}

fn power(base: u128, mut exponent: u128) -> u128 {
    let (mut base, mut result) = (base, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        exponent = exponent.wrapping_shr(1);
    }
    result
}

#[cfg(test)]
mod tests;
