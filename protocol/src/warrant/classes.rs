//! Classes of hospitals: which cells are whose by the roster, and whether each has enough members (A21).
//!
//! Owns what the roster says of a query's dimensions over properties of hospitals. Two hospitals of one class would
//! read each other's figures, so a class that is a cell has no members in a sum, or enough; a cell of several
//! dimensions is a class of its own. It must not know rounds or figures.

use super::Warrant;
use crate::codec::List;
use crate::ids::NodeId;
use crate::query::{Class, Column, Dimension, Floors, Query, QueryError, Shape, shape};
use crate::roster::{Member, Roster};
use std::collections::BTreeMap;

/// A class of hospitals with too few members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallClass {
    /// Its value of each property that makes cells, with the property's name.
    pub labels: Vec<(&'static str, String)>,
    /// Members that are there.
    pub present: usize,
    /// Members that are needed, where there are any.
    pub needed: u64,
}

/// A property of a member; none where the roster gives it no value.
#[must_use]
pub fn property(member: &Member, column: Column) -> Option<&str> {
    let value: &str = match column {
        Column::PurchasingGroup => &member.group,
        Column::HospitalKind => &member.kind,
        _ => return None,
    };
    (!value.is_empty()).then_some(value)
}

/// The query with the values that active members have, where it leaves open which classes of hospitals there are.
///
/// # Errors
/// When no member has a value, or one cannot be a class.
pub fn with_classes_of(roster: &Roster, query: &Query) -> Result<Query, QueryError> {
    let values =
        |column| roster.active().filter_map(|one| property(one, column)).map(str::to_owned).collect();
    query.clone().with_classes(&values)
}

impl Warrant {
    /// The cells of a hospital's own class; none for one that is no active member, where cells are of classes.
    #[must_use]
    pub fn class_of(&self, roster: &Roster, node: NodeId) -> Class {
        let member = roster.member(node);
        self.query.class_of(|column| member.and_then(|member| property(member, column)))
    }

    /// The first class that is a cell and has members, and fewer than its floor: of those present, under the floors
    /// over those invited.
    #[must_use]
    pub fn small_class(&self, roster: &Roster, present: &[NodeId], invited: &[NodeId]) -> Option<SmallClass> {
        if !self.query.is_by_class() {
            return None;
        }
        let mut members: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for node in present {
            // Who has no place in some dimension fills no cell.
            let Some(places) = self.class_of(roster, *node).places() else { continue };
            let count = members.entry(places).or_default();
            *count = count.saturating_add(1);
        }
        let needed = self.least(roster, invited);
        let few = |present: usize| u64::try_from(present).is_ok_and(|present| present < needed);
        let (places, present) = members.into_iter().find(|(_, present)| few(*present))?;
        let of_hospitals: Vec<&Dimension> =
            self.query.dimensions().iter().filter(|one| one.is_of_hospitals()).collect();
        let labels = of_hospitals.into_iter().zip(places).map(|(dimension, place)| {
            (dimension.column().name(), dimension.label(place).unwrap_or_default())
        });
        Some(SmallClass { labels: labels.collect(), present, needed })
    }

    /// What is counted over these hospitals, or summed without a count where no floor is held; none where the query is
    /// not whole.
    #[must_use]
    pub fn shape(&self, roster: &Roster, invited: &[NodeId]) -> Option<Shape> {
        let floors = Floors {
            hospitals: if self.count().is_some() { self.least(roster, invited) } else { 0 },
            patients: self.patients_each(roster, invited),
            dominance: self.body.floor_dominance,
        };
        // A hospital that came to another class between two sums over one extract would be their difference.
        let of = |member: &Member| shape::Member {
            node: member.id,
            group: member.group.clone(),
            kind: member.kind.clone(),
        };
        let by_class = self.query.is_by_class();
        let members = invited.iter().filter(|_| by_class).filter_map(|node| roster.member(*node));
        let classes = List::new(members.map(of).collect()).ok()?;
        Some(Shape::new(self.query.resolved().ok()?, floors, classes))
    }
}
