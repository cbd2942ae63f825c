//! Which measures can be added and subtracted, so that their rows must be judged together.
//!
//! Owns the grouping alone: by the columns that they add up, and all that count rows. It must not know totals.

use super::super::{Column, MeasureKind, Query};
use super::Counted;

/// Measures whose figures can be combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Positions of the measures.
    pub(super) measures: Vec<usize>,
    /// Places of the numbers that they add row by row.
    pub(super) matters: Vec<usize>,
    /// Whether sums of squares and products are among the figures: a sum of 0 does not say that they are 0.
    pub(super) squares: bool,
    /// Whether values of the hospital are among them: of those no difference of two sets of rows is counted.
    pub(super) values: bool,
    /// Whether it is of all that count rows, and not of what adds up a column.
    pub(super) counts: bool,
}

pub(super) fn of(query: &Query, counted: &[Counted]) -> Vec<Group> {
    let columns: Vec<Vec<Column>> = query
        .measures()
        .iter()
        .map(|measure| super::added(measure).into_iter().flat_map(|added| added.of.columns()).collect())
        .collect();
    let mut groups: Vec<(Vec<Column>, Group)> = Vec::new();
    for (place, (own, counted)) in columns.iter().zip(counted).enumerate() {
        if own.is_empty() && counted.matters.is_empty() && counted.values.is_empty() {
            continue;
        }
        let squares =
            query.measures().get(place).is_some_and(|one| !matches!(one.kind(), MeasureKind::Sum { .. }));
        let mut joined = Group {
            measures: vec![place],
            matters: counted.matters.clone(),
            squares,
            values: !counted.values.is_empty(),
            counts: false,
        };
        let mut all = own.clone();
        let (touching, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(theirs, _)| theirs.iter().any(|column| own.contains(column)));
        for (theirs, group) in touching {
            all.extend(theirs);
            joined.measures.extend(group.measures);
            joined.matters.extend(group.matters);
            joined.squares |= group.squares;
            joined.values |= group.values;
        }
        joined.measures.sort_unstable();
        joined.matters.sort_unstable();
        joined.matters.dedup();
        groups = others;
        groups.push((all, joined));
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(_, group)| group).collect();
    let counts = |place: &usize| {
        query.measures().get(*place).is_some_and(|one| !matches!(one.kind(), MeasureKind::Sum { .. }))
    };
    let measures: Vec<usize> = (0..counted.len()).filter(counts).collect();
    if !measures.is_empty() {
        groups.push(Group { measures, matters: Vec::new(), squares: false, values: false, counts: true });
    }
    groups
}
