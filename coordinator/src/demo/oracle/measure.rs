//! The figures of one cell at one hospital, measure by measure.
//!
//! Owns what each measure counts and when a hospital must refuse. The rows given are those of the cell.

use super::rows::{Row, Val, unit_of};
use super::value::{Number, decimal, holds, number, rounded};
use num_traits::Signed as _;
use samensom_protocol::query::{Bins, Column, Expr, Limits, Measure, MeasureKind, Per};
use std::collections::BTreeSet;

/// Why a hospital must not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A row that counts has another unit than the measure.
    ForeignUnit,
    /// A figure is outside its declared range.
    FigureOutOfRange,
    /// A value is outside the limits of its measure.
    ValueOutOfRange,
}

/// The figures of a measure over the rows of a cell; why they must not leave is added to `refused`.
pub(super) fn figures(measure: &Measure, cell: &[&Row], refused: &mut BTreeSet<Refusal>) -> Vec<i128> {
    let counted: Vec<&Row> =
        cell.iter().copied().filter(|row| holds(measure.filter(), &[row]) == Some(true)).collect();
    if let Some(unit) = measure.unit()
        && counted.iter().any(|row| unit_of(row) != Some(unit.name()))
    {
        refused.insert(Refusal::ForeignUnit);
    }
    let exact = match measure.kind() {
        MeasureKind::Sum { of, .. } => {
            let numbers = counted.iter().filter_map(|row| number(of, &[row]));
            vec![numbers.sum()]
        }
        MeasureKind::Rows { .. } => vec![count(counted.len())],
        MeasureKind::Patients { .. } => vec![count(persons(&counted))],
        MeasureKind::Hospitals { condition } => {
            vec![count(usize::from(holds(condition, &counted) == Some(true)))]
        }
        MeasureKind::Histogram { of, per, bins, .. } => {
            let values = each(*per, &counted).into_iter().map(|rows| number(of, &rows));
            histogram(values, bins)
        }
        MeasureKind::Moments { of, per, limits } => {
            let samples = each(*per, &counted).into_iter().map(|rows| vec![number(of, &rows)]);
            let (whole, absent) = complete(samples, limits, refused);
            let values = || whole.iter().flatten();
            let squares = values().map(|value| value * value);
            vec![count(whole.len()), values().sum(), squares.sum(), count(absent)]
        }
        MeasureKind::Regression { outcome, predictors, per, limits } => {
            let all: Vec<&Expr> = predictors.iter().chain([outcome]).collect();
            let samples = each(*per, &counted)
                .into_iter()
                .map(|rows| all.iter().map(|expr| number(expr, &rows)).collect());
            let (whole, absent) = complete(samples, limits, refused);
            regression(&whole, predictors.len(), absent)
        }
        MeasureKind::Survival { time, event, bins, .. } => {
            let seen = counted.iter().map(|row| (number(time, &[row]), holds(event, &[row])));
            survival(&seen.collect::<Vec<_>>(), bins)
        }
    };
    let parts = measure.parts().unwrap_or_default();
    let mut figures = Vec::new();
    for (part, exact) in parts.iter().zip(&exact) {
        let figure = rounded(exact, part.scale);
        if !figure.is_some_and(|figure| (i128::from(part.low)..=i128::from(part.high)).contains(&figure)) {
            refused.insert(Refusal::FigureOutOfRange);
        }
        figures.push(figure.unwrap_or_default());
    }
    figures
}

fn count(number: usize) -> Number {
    Number::from_integer(number.into())
}

fn persons(rows: &[&Row]) -> usize {
    let name = |row: &&Row| match row.get(&Column::Person) {
        Some(Val::Text(person)) => Some(person.clone()),
        _ => None,
    };
    rows.iter().filter_map(name).collect::<BTreeSet<_>>().len()
}

/// What one value is taken of: each row, or all of them where there are any.
fn each<'a>(per: Per, rows: &[&'a Row]) -> Vec<Vec<&'a Row>> {
    match per {
        Per::Row => rows.iter().map(|row| vec![*row]).collect(),
        Per::Hospital if rows.is_empty() => Vec::new(),
        Per::Hospital => vec![rows.to_vec()],
    }
}

/// The class of a value: as many ends as are not above it.
pub(super) fn class(value: &Number, bins: &Bins) -> usize {
    bins.iter().filter(|end| decimal(**end) <= *value).count()
}

fn histogram(values: impl Iterator<Item = Option<Number>>, bins: &Bins) -> Vec<Number> {
    let mut counts = vec![0; bins.len() + 2];
    for value in values {
        let place = value.map_or(bins.len() + 1, |value| class(&value, bins));
        if let Some(held) = counts.get_mut(place) {
            *held += 1;
        }
    }
    counts.into_iter().map(count).collect()
}

/// Those of which no value is absent, judged, and how many of which one is.
fn complete(
    samples: impl Iterator<Item = Vec<Option<Number>>>,
    limits: &Limits,
    refused: &mut BTreeSet<Refusal>,
) -> (Vec<Vec<Number>>, usize) {
    let (low, high) = (Number::from_integer(limits.low.into()), Number::from_integer(limits.high.into()));
    let (mut whole, mut absent) = (Vec::new(), 0);
    for sample in samples {
        match sample.into_iter().collect::<Option<Vec<Number>>>() {
            Some(values) => {
                if values.iter().any(|value| *value < low || *value > high) {
                    refused.insert(Refusal::ValueOutOfRange);
                }
                whole.push(values);
            }
            None => absent += 1,
        }
    }
    (whole, absent)
}

/// Sums of products: of 1 and the predictors with each other, each pair once, then of each with the outcome,
/// which stands last in a sample, then of the outcome with itself.
fn regression(samples: &[Vec<Number>], predictors: usize, absent: usize) -> Vec<Number> {
    let one = || count(1);
    let product = |left: usize, right: usize| -> Number {
        let of = |sample: &[Number], at: usize| match at {
            0 => one(),
            at => sample.get(at - 1).cloned().unwrap_or_default(),
        };
        samples.iter().map(|sample| of(sample, left) * of(sample, right)).sum()
    };
    let outcome = predictors + 1;
    let mut sums = Vec::new();
    for row in 0..=predictors {
        sums.extend((row..=predictors).map(|column| product(row, column)));
    }
    sums.extend((0..=outcome).map(|at| product(at, outcome)));
    sums.push(count(absent));
    sums
}

fn survival(seen: &[(Option<Number>, Option<bool>)], bins: &Bins) -> Vec<Number> {
    let known: Vec<(usize, bool)> = seen
        .iter()
        .filter_map(|(time, event)| {
            let time = time.as_ref().filter(|time| !time.is_negative())?;
            Some((class(time, bins), (*event)?))
        })
        .collect();
    let mut sums = Vec::new();
    for interval in 0..=bins.len() {
        let ended =
            |with: bool| known.iter().filter(|(end, event)| *end == interval && *event == with).count();
        // At risk at its beginning: whoever ends in it or later.
        sums.push(count(known.iter().filter(|(end, _)| *end >= interval).count()));
        sums.push(count(ended(true)));
        sums.push(count(ended(false)));
    }
    sums.push(count(seen.len() - known.len()));
    sums
}
