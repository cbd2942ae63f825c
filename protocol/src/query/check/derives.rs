//! The rules that one derived figure must keep: which measures it may be made of.

use super::place;
use crate::query::Query;
use crate::query::decimal::FINEST;
use crate::query::derive::{Derive, DeriveKind, Positions};
use crate::query::error::{Code, QueryError};
use crate::query::measure::{Measure, MeasureKind};
use std::collections::BTreeSet;

/// Checks the derived figure at this position.
pub(super) fn one(query: &Query, derive: &Derive, index: usize) -> Result<(), QueryError> {
    let at = |key: &'static str| move |error: QueryError| error.at(place("derive", index, key));
    if derive.scale > FINEST {
        let error = QueryError::new(Code::Limit, format!("scale {}", derive.scale), format!("0 to {FINEST}"));
        return Err(at("scale")(error));
    }
    match &derive.kind {
        DeriveKind::Ratio { numerator, denominator } => [numerator, denominator]
            .into_iter()
            .try_for_each(|side| one_side(query, side))
            .map_err(at("ratio")),
        DeriveKind::Cover { stock, used, months } => {
            cover(query, *stock, *used, *months).map_err(at("cover"))
        }
        DeriveKind::Share { of, over } => {
            single(query, *of).map_err(at("share"))?;
            let there = |place: &u8| usize::from(*place) < query.dimensions.len();
            if over.as_ref().is_some_and(|place| !there(place)) {
                let error =
                    QueryError::new(Code::Unknown, "a dimension that is not there", "a column of one");
                return Err(at("over")(error));
            }
            Ok(())
        }
        DeriveKind::Mean(of) => {
            needs(query, *of, "moments", |kind| matches!(kind, MeasureKind::Moments { .. }))
                .map_err(at("mean"))
        }
        DeriveKind::Variance(of) => {
            needs(query, *of, "moments", |kind| matches!(kind, MeasureKind::Moments { .. }))
                .map_err(at("variance"))
        }
        DeriveKind::Quantile { of, share } => {
            needs(query, *of, "histogram", |kind| matches!(kind, MeasureKind::Histogram { .. }))
                .map_err(at("quantile"))?;
            let inside = share.at_scale(FINEST).is_some_and(|fine| fine > 0 && fine < 1_000_000);
            if inside {
                return Ok(());
            }
            let error =
                QueryError::new(Code::Limit, format!("the share {share}"), "between 0 and 1, such as 0.5");
            Err(at("at")(error))
        }
        DeriveKind::Coefficients(of) => {
            needs(query, *of, "regression", |kind| matches!(kind, MeasureKind::Regression { .. }))
                .map_err(at("coefficients"))
        }
        DeriveKind::Curve(of) => {
            needs(query, *of, "survival", |kind| matches!(kind, MeasureKind::Survival { .. }))
                .map_err(at("curve"))
        }
    }
}

fn measure(query: &Query, position: u8) -> Result<&Measure, QueryError> {
    let gone = || QueryError::new(Code::Unknown, "a measure that is not there", "a measure's name");
    query.measures.get(usize::from(position)).ok_or_else(gone)
}

fn single(query: &Query, position: u8) -> Result<&Measure, QueryError> {
    let measure = measure(query, position)?;
    if measure.is_single() {
        return Ok(measure);
    }
    let problem = format!("`{}` is several figures", measure.name());
    Err(QueryError::new(Code::Type, problem, "a measure of one figure: sum, rows, patients or hospitals"))
}

fn needs(query: &Query, position: u8, kind: &str, fits: fn(&MeasureKind) -> bool) -> Result<(), QueryError> {
    let measure = measure(query, position)?;
    if fits(&measure.kind) {
        return Ok(());
    }
    Err(QueryError::new(
        Code::Type,
        format!("`{}` is no {kind}", measure.name()),
        format!("a measure `{kind}`"),
    ))
}

fn cover(query: &Query, stock: u8, used: u8, months: u16) -> Result<(), QueryError> {
    let (stock, used) = (single(query, stock)?, single(query, used)?);
    if !(1..=120).contains(&months) {
        return Err(QueryError::new(Code::Limit, format!("months = {months}"), "1 to 120"));
    }
    if stock.unit() != used.unit() || stock.gauge != used.gauge {
        let problem = format!("`{}` and `{}` have different units", stock.name(), used.name());
        return Err(QueryError::new(Code::Conflict, problem, "stock and use in one unit"));
    }
    Ok(())
}

fn one_side(query: &Query, positions: &Positions) -> Result<(), QueryError> {
    let mut seen = BTreeSet::new();
    let mut unit: Option<String> = None;
    for position in positions.iter() {
        let measure = single(query, *position)?;
        if !seen.insert(*position) {
            let problem = format!("`{}` is added to itself", measure.name());
            return Err(QueryError::new(Code::Duplicate, problem, "each measure once per side"));
        }
        let own = measure.unit_text();
        if let Some(first) = unit.as_ref().filter(|first| **first != own) {
            let problem = format!("{first} and {own} are added");
            return Err(QueryError::new(Code::Conflict, problem, "one unit per side"));
        }
        unit = Some(own);
    }
    if unit.is_none() {
        return Err(QueryError::new(Code::Missing, "an empty side", "one measure or more per side"));
    }
    Ok(())
}
