//! Which rows a query's figures are of, and whether those of another may open over the same extract (A23).
//!
//! Owns that rule alone (protocol.md 3.3). Within one query the count pass judges all that can be added and
//! subtracted. Figures of two queries were counted apart, so each cell of one must be a cell of the other or share
//! no row with any; what is between cells that overlap was never counted and might be one hospital's.

use super::count::added;
use super::dimension::{Classes, Dimension};
use super::expr::Expr;
use super::measure::{Measure, MeasureKind};
use super::{Column, Counting, Dataset, Date, Query};
use crate::ablation::ablated;
use crate::codec::{List, Text};
use crate::ids::NodeId;
use crate::roster::MAX_NODES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What decides which figures of a query open: all of it but the names, and the floors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    query: Query,
    floors: Floors,
    /// The classes of those invited; of nobody where no cell is of classes.
    classes: List<Member, MAX_NODES>,
}

/// A hospital with its value of each property, as the roster gave them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which.
    pub node: NodeId,
    /// Purchasing group.
    pub group: Text<64>,
    /// Kind of hospital.
    pub kind: Text<32>,
}

/// The floors of one count pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors {
    /// Fewest hospitals behind a figure; 0 where none is held, and nothing is counted.
    pub hospitals: u64,
    /// Patients that make a hospital one of those that have enough.
    pub patients: u32,
    /// The share of a total, in percent, above which no hospital may be; 0 for any.
    pub dominance: u8,
}

/// What figures are sums of: those of one kind can be added and subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sums {
    /// Of a column.
    Of(Column),
    /// Of rows, patients or hospitals.
    Rows,
}

impl Shape {
    /// Of a query whose parameters have been replaced by their values.
    #[must_use]
    pub fn new(resolved: Query, floors: Floors, classes: List<Member, MAX_NODES>) -> Shape {
        Shape { query: resolved, floors, classes }
    }

    /// Whether figures of both may open over one extract: they are of the same cells, of cells that share no row, or
    /// sums that cannot be added and subtracted.
    #[must_use]
    pub fn may_stand_beside(&self, other: &Shape) -> bool {
        self.has_other_data(other)
            || self.sums().iter().all(|sums| !other.sums().contains(sums))
                && self.query.dataset == other.query.dataset
            || self.is_of_same_cells(other)
            || self.has_other_rows(other)
    }

    /// Whether figures of both may open over one extract, all or as far as what was counted of both says, or no floor is
    /// held in either.
    #[must_use]
    pub fn may_open_beside(&self, other: &Shape) -> bool {
        let held = [self, other].map(Shape::is_counted);
        let floorless = if ablated!("floorless-off") { held.contains(&false) } else { !held.contains(&true) };
        floorless || self.may_stand_beside(other) || self.is_in_a_tree_with(other)
    }

    /// Whether figures of both may open as far as what was counted of both says ([`super::tree`]): the one is the nation
    /// of which the other asks classes of hospitals.
    #[must_use]
    pub fn is_in_a_tree_with(&self, other: &Shape) -> bool {
        self.is_nation_of(other) || other.is_nation_of(self)
    }

    /// Whether too few of these hospitals are left when, over one extract, a nation and classes of its hospitals were
    /// counted: those that no class has are in the counts of the nation alone.
    #[must_use]
    pub fn leaves_too_few(all: &[&Shape], present: &[NodeId]) -> bool {
        let nations = all.iter().filter(|one| !one.query.is_by_class());
        let classes =
            |nation: &&&Shape| all.iter().filter(|one| nation.is_nation_of(one)).collect::<Vec<_>>();
        let few = |nation: &&Shape| {
            let classes = classes(&nation);
            let placed: BTreeSet<NodeId> = classes.iter().flat_map(|one| one.placed(present)).collect();
            let left = present.iter().filter(|node| !placed.contains(node)).count();
            let least = classes.iter().map(|one| one.floors.hospitals).max().unwrap_or(0);
            let least = least.max(nation.floors.hospitals);
            !classes.is_empty() && left > 0 && u64::try_from(left).is_ok_and(|left| left < least)
        };
        nations.into_iter().any(few)
    }

    /// Whether some figure of it is of a time that was over on this day.
    #[must_use]
    pub fn is_over(&self, day: Date) -> bool {
        self.query.ends().is_some_and(|end| end < day)
    }

    /// Whether some figure of both may be the sum of the same rows: populations and filters are made of the same
    /// conditions but for time, something is added up in both, and neither times nor cells set their rows apart.
    #[must_use]
    pub fn asks_again(&self, other: &Shape) -> bool {
        let again = |own: &Measure| {
            let alike = |theirs: &&Measure| own.filter().is_alike_but_for_time(theirs.filter());
            let sums = sums_of(own);
            let mut others = other.query.measures().iter().filter(alike);
            others.any(|theirs| sums_of(theirs).iter().any(|of| sums.contains(of)))
        };
        self.query.dataset == other.query.dataset
            && self.query.population.is_alike_but_for_time(&other.query.population)
            && self.query.measures().iter().any(again)
            && !self.query.is_of_another_time(&other.query)
            && !self.has_other_rows(other)
    }

    /// Whether it was counted how many hospitals stand behind its figures.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.floors.hospitals > 0
    }

    /// What is counted of it; none where it is of no query.
    #[must_use]
    pub fn counting(&self) -> Option<Counting> {
        Counting::judging(&self.query, self.floors.patients > 0, self.floors.dominance > 0)
    }

    /// Whether the other asks the same rows of the same sums, of classes of hospitals. Shares of a total are not judged
    /// in differences.
    pub(super) fn is_nation_of(&self, other: &Shape) -> bool {
        let axes = other.query.dimensions().iter().filter(|one| !one.is_of_hospitals());
        other.query.is_by_class() && self.is_as_nation_over(other, &axes.collect::<Vec<_>>())
    }

    /// Whether both are of all hospitals together, and what the one is the nation of the other may be too.
    pub(super) fn is_as_nation(&self, other: &Shape) -> bool {
        !other.query.is_by_class()
            && self.is_as_nation_over(other, &other.query.dimensions().iter().collect::<Vec<_>>())
    }

    fn is_as_nation_over(&self, other: &Shape, axes: &[&Dimension]) -> bool {
        let own = self.query.dimensions();
        let judged = self.floors.dominance > 0 || other.floors.dominance > 0;
        !self.query.is_by_class()
            && !judged
            && self.is_counted()
            && other.is_counted()
            && self.floors.patients == other.floors.patients
            && self.query.dataset == other.query.dataset
            && self.query.population == other.query.population
            && self.measured() == other.measured()
            && own.len() == axes.len()
            && own.iter().zip(axes).all(|(own, theirs)| own == *theirs || lists_alone(own, theirs))
    }

    /// What was asked.
    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// Under which floors.
    #[must_use]
    pub fn floors(&self) -> Floors {
        self.floors
    }

    /// The places of those invited along the dimensions of hospitals; none for one that has no place in some.
    pub(super) fn places_of_members(&self) -> impl Iterator<Item = Option<Vec<usize>>> {
        self.classes.iter().map(|member| self.places_of(member))
    }

    fn places_of(&self, member: &Member) -> Option<Vec<usize>> {
        let value = |column| match column {
            Column::PurchasingGroup => Some(&*member.group),
            Column::HospitalKind => Some(&*member.kind),
            _ => None,
        };
        let class = self.query.class_of(|column| value(column).filter(|value| !value.is_empty()));
        class.places()
    }

    /// Those of these hospitals that have a place in some class.
    #[must_use]
    pub fn placed(&self, of: &[NodeId]) -> BTreeSet<NodeId> {
        let placed = |member: &&Member| of.contains(&member.node) && self.places_of(member).is_some();
        self.classes.iter().filter(placed).map(|member| member.node).collect()
    }

    /// Kind and filter of each measure.
    fn measured(&self) -> Vec<(&MeasureKind, &Expr)> {
        self.query.measures().iter().map(|one| (one.kind(), one.filter())).collect()
    }

    /// Data sets of which neither is derived from the other.
    fn has_other_data(&self, other: &Shape) -> bool {
        let derived = |one: &Shape| matches!(one.query.dataset, Dataset::Position | Dataset::Course);
        self.query.dataset != other.query.dataset && !derived(self) && !derived(other)
    }

    fn sums(&self) -> Vec<Sums> {
        self.query.measures().iter().flat_map(sums_of).collect()
    }

    /// The same rows of the same sums, cell by cell, of perhaps other listed values.
    fn is_of_same_cells(&self, other: &Shape) -> bool {
        let (own, theirs) = (&self.query, &other.query);
        let pairs = own.dimensions().iter().zip(theirs.dimensions());
        own.dataset == theirs.dataset
            && own.population == theirs.population
            && self.floors == other.floors
            && self.has_the_same_classes(other)
            && self.measured() == other.measured()
            && own.dimensions().len() == theirs.dimensions().len()
            && pairs.into_iter().all(|(own, theirs)| own == theirs || lists_alone(own, theirs))
    }

    /// Whoever was invited to both is in the same class in both.
    #[must_use]
    pub fn has_the_same_classes(&self, other: &Shape) -> bool {
        let changed =
            |own: &Member| other.classes.iter().any(|theirs| theirs.node == own.node && theirs != own);
        !self.classes.iter().any(changed)
    }

    /// A column of which both list their values, and none in common.
    fn has_other_rows(&self, other: &Shape) -> bool {
        let apart = |own: &Dimension, theirs: &Dimension| {
            let common = own.codes().iter().any(|code| theirs.codes().contains(code));
            lists_alone(own, theirs) && !common && !(own.has_missing() && theirs.has_missing())
        };
        let goods = |one: &Shape| {
            matches!(one.query.dataset, Dataset::Stock | Dataset::Use | Dataset::Orders | Dataset::Position)
        };
        let same = self.query.dataset == other.query.dataset;
        let classes = self.has_the_same_classes(other);
        // Hospitals of other classes share no row, whatever the data set.
        let fits = |column: Column| {
            column.is_of_hospitals() && classes
                || !column.is_of_hospitals() && same
                || column == Column::Code && goods(self) && goods(other)
        };
        self.query
            .dimensions()
            .iter()
            .any(|own| fits(own.column()) && other.query.dimensions().iter().any(|theirs| apart(own, theirs)))
    }
}

/// What a measure is sums of.
fn sums_of(measure: &Measure) -> Vec<Sums> {
    let columns: Vec<Column> = added(measure).into_iter().flat_map(|added| added.of.columns()).collect();
    let rows = columns.is_empty() || !matches!(measure.kind(), MeasureKind::Sum { .. });
    columns.into_iter().map(Sums::Of).chain(rows.then_some(Sums::Rows)).collect()
}

/// Both list values of one column, and give no place to all others.
fn lists_alone(own: &Dimension, theirs: &Dimension) -> bool {
    let lists = |one: &Dimension| matches!(one.classes(), Classes::Codes(_)) && !one.has_other();
    own.column() == theirs.column() && lists(own) && lists(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: Floors = Floors { hospitals: 3, patients: 0, dominance: 0 };
    const ALL: &str =
        "[[measure]]\nname = \"m\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n";
    const CCV: &str = "[[measure]]\nname = \"m\"\nsum = \"quantity\"\nwhere = \"kind = 'ccv'\"\nunit = \"piece\"\nscale = 0\n\
                       range = [0, 9]\n";
    const ROWS: &str = "[[measure]]\nname = \"n\"\nrows = true\nmax = 9\n";

    fn of(dataset: &str, rest: &str, floors: Floors) -> Shape {
        let text = format!(
            "[query]\nid = \"{}\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
             dataset = \"{dataset}\"\n{rest}",
            ["one", "another"][rest.len() % 2]
        );
        let query = Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap();
        Shape::new(query.resolved().unwrap(), floors, List::default())
    }

    fn stock(rest: &str) -> Shape {
        of("stock", rest, FLOORS)
    }

    fn codes(list: &str, more: &str) -> String {
        format!("[[dimension]]\ncolumn = \"code\"\ncodes = [{list}]\n{more}\n")
    }

    /// Both ways round.
    #[track_caller]
    fn judged(one: &Shape, other: &Shape) -> bool {
        let judged = one.may_stand_beside(other);
        assert_eq!(other.may_stand_beside(one), judged);
        judged
    }

    #[test]
    fn the_same_cells_may_be_asked_again() {
        let (a, b) = (codes("'a', 'b'", ""), codes("'b', 'c'", ""));
        let (a, b) = (a.replace('\'', "\""), b.replace('\'', "\""));
        assert!(judged(&stock(ALL), &stock(ALL)));
        assert!(judged(&stock(&(a.clone() + ALL)), &stock(&(b.clone() + ALL))), "b twice, a and c once");
        assert!(!judged(&stock(&(a.clone() + ALL)), &stock(&(b.clone() + CCV))), "b's ccv is a part of b");
        for floors in [Floors { hospitals: 4, ..FLOORS }, Floors { dominance: 80, ..FLOORS }] {
            let other = of("stock", &(b.clone() + ALL), floors);
            assert!(!judged(&stock(&(a.clone() + ALL)), &other), "{floors:?}");
        }
    }

    #[test]
    fn cells_that_overlap_are_refused() {
        let listed = |list: &str, more: &str| codes(list, more).replace('\'', "\"");
        let population = |of: &str| format!("[population]\nwhere = \"{of}\"\n");
        assert!(!judged(&stock(ALL), &stock(CCV)));
        assert!(!judged(&stock(ALL), &stock(&(population("kind = 'ccv'") + ALL))));
        assert!(!judged(&stock(ALL), &stock(&(listed("'a'", "") + ALL))), "the nation and one product");
        let (with, without) = (listed("'a'", "other = true"), listed("'b'", ""));
        assert!(!judged(&stock(&(with + ALL)), &stock(&(without + ALL))), "all others, and one of them");
        assert!(!judged(
            &stock(&(listed("'a'", "") + ALL)),
            &of("position", &position(&listed("'a'", "")), FLOORS)
        ));
        assert!(!judged(&stock(ALL), &of("position", &position(""), FLOORS)));
    }

    fn position(dimension: &str) -> String {
        format!(
            "{dimension}[[measure]]\nname = \"m\"\nsum = \"stock\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n"
        )
    }

    #[test]
    fn what_shares_nothing_may_be_asked_beside_it() {
        let listed = |list: &str, more: &str| codes(list, more).replace('\'', "\"");
        assert!(judged(&stock(ALL), &of("use", ALL, FLOORS)), "other data");
        assert!(judged(&stock(ALL), &stock(&(listed("'a'", "") + ROWS))), "pieces and rows");
        let (a, b) = (listed("'a'", ""), listed("'b', 'c'", ""));
        assert!(judged(&stock(&(a.clone() + ALL)), &stock(&(b.clone() + CCV))), "other products");
        assert!(judged(&stock(&(a + ALL)), &of("position", &position(&b), FLOORS)));
        let missing = |list: &str| listed(list, "missing = true") + ALL;
        assert!(
            !judged(&stock(&missing("'a'")), &stock(&(listed("'b'", "missing = true") + CCV))),
            "no code twice"
        );
    }

    /// A query per class over these hospitals: number and group.
    fn by_class(rest: &str, of: &[(u16, &str)]) -> Shape {
        let shape = stock(&format!("{rest}{ALL}[floors]\nhospitals = 3\n"));
        let member = |(node, group): &(u16, &str)| Member {
            node: NodeId(*node),
            group: Text::new(*group).unwrap(),
            kind: Text::new("general").unwrap(),
        };
        Shape { classes: List::new(of.iter().map(member).collect()).unwrap(), ..shape }
    }

    #[test]
    fn a_nation_does_not_stand_beside_its_groups() {
        let groups = |list: &str| format!("[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [{list}]\n");
        let (north, south) = (groups("\"n\""), groups("\"s\""));
        let of = [(1, "n"), (2, "s"), (3, "")];
        assert!(!judged(&by_class(&north, &of), &stock(ALL)), "the nation less the groups");
        assert!(judged(&by_class(&north, &of), &by_class(&south, &of)), "other hospitals");
        assert!(judged(&by_class(&north, &of), &by_class(&north, &of)));
        let kinds = north.replace("purchasing_group", "hospital_kind");
        assert!(!judged(&by_class(&north, &of), &by_class(&kinds, &of)), "two ways to cut one nation");
    }

    /// Over one extract, the roster changed between two slots: the difference would be one hospital's.
    #[test]
    fn a_hospital_that_came_to_another_class_stands_between_two_sums() {
        let both = "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"n\", \"s\"]\n";
        let (before, after) = ([(1, "n"), (2, "s")], [(1, "n"), (2, "n")]);
        assert!(!judged(&by_class(both, &before), &by_class(both, &after)));
        let (north, south) = (both.replace(", \"s\"", ""), both.replace("\"n\", ", ""));
        assert!(!judged(&by_class(&north, &before), &by_class(&south, &after)));
        assert!(
            judged(&by_class(both, &before), &by_class(both, &[(1, "n"), (3, "s")])),
            "one was not invited again"
        );
    }
}
