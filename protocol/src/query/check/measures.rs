//! The rules that one measure must keep.

use super::{place, rising};
use crate::query::decimal::{Decimal, FINEST};
use crate::query::error::{Code, QueryError};
use crate::query::expr::{Expr, Scope};
use crate::query::gauge::Gauge;
use crate::query::measure::{Limits, Measure, MeasureKind, Per};
use crate::query::{Bins, Query};

/// Most values a measure may allow.
const MAX_ROWS: i64 = 1_000_000_000_000;

/// Checks the measure at this position.
pub(super) fn one(query: &Query, measure: &Measure, index: usize) -> Result<(), QueryError> {
    let at = |key: &'static str| move |error: QueryError| error.at(place("measure", index, key));
    let rows = Scope::Rows(query.dataset);
    measure.filter.check(rows).map_err(at("where"))?;
    let gauge = match &measure.kind {
        MeasureKind::Sum { of, limits } => {
            if limits.max != 1 {
                return Err(at("max")(QueryError::new(Code::Conflict, "several sums", "one")));
            }
            let gauge = of.check_number(rows).map_err(at("sum"))?;
            check_limits(limits, measure, index)?;
            gauge
        }
        MeasureKind::Rows { max } => {
            most(*max).map_err(at("max"))?;
            Gauge::PLAIN
        }
        MeasureKind::Patients { max } => {
            if !query.dataset.has_patients() {
                let problem = format!("data set {} has no patients", query.dataset.name());
                return Err(at("patients")(QueryError::new(Code::Conflict, problem, "rows = true")));
            }
            most(*max).map_err(at("max"))?;
            Gauge::PLAIN
        }
        MeasureKind::Hospitals { condition } => {
            if condition.is_always() {
                let error = QueryError::new(Code::Missing, "no condition", "such as sum(quantity) > 0");
                return Err(at("hospitals")(error));
            }
            condition.check(Scope::Cell(query.dataset)).map_err(at("hospitals"))?;
            Gauge::PLAIN
        }
        MeasureKind::Histogram { of, per, bins, max } => {
            let gauge = of.check_number(scope(query, *per)).map_err(at("histogram"))?;
            classes(bins).map_err(at("bins"))?;
            per_hospital(*per, *max).and_then(|()| most(*max)).map_err(at("max"))?;
            gauge
        }
        MeasureKind::Moments { of, per, limits } => {
            let gauge = of.check_number(scope(query, *per)).map_err(at("moments"))?;
            per_hospital(*per, limits.max).and_then(|()| most(limits.max)).map_err(at("max"))?;
            check_limits(limits, measure, index)?;
            gauge
        }
        MeasureKind::Regression { .. } => regression(query, measure, index)?,
        MeasureKind::Survival { .. } => survival(query, measure, index)?,
    };
    if gauge != measure.gauge {
        let error = QueryError::new(Code::Conflict, "another unit than that of its value", "its own");
        return Err(at("unit")(error));
    }
    unit(measure).map_err(at("unit"))
}

fn regression(query: &Query, measure: &Measure, index: usize) -> Result<Gauge, QueryError> {
    let MeasureKind::Regression { outcome, predictors, per, limits } = &measure.kind else {
        return Ok(Gauge::PLAIN);
    };
    let at = |key: &'static str| move |error: QueryError| error.at(place("measure", index, key));
    outcome.check_number(scope(query, *per)).map_err(at("regression"))?;
    if predictors.is_empty() {
        return Err(at("on")(QueryError::new(Code::Missing, "no predictors", "one or more")));
    }
    for predictor in predictors.iter() {
        predictor.check_number(scope(query, *per)).map_err(at("on"))?;
    }
    per_hospital(*per, limits.max).and_then(|()| most(limits.max)).map_err(at("max"))?;
    check_limits(limits, measure, index)?;
    Ok(Gauge::PLAIN)
}

fn survival(query: &Query, measure: &Measure, index: usize) -> Result<Gauge, QueryError> {
    let MeasureKind::Survival { time, event, bins, max } = &measure.kind else { return Ok(Gauge::PLAIN) };
    let at = |key: &'static str| move |error: QueryError| error.at(place("measure", index, key));
    let rows = Scope::Rows(query.dataset);
    let gauge = time.check_number(rows).map_err(at("survival"))?;
    if gauge.unit != 0 {
        let problem = format!("{} is no time", gauge.name());
        return Err(at("survival")(QueryError::new(Code::Type, problem, "a number of days")));
    }
    if event.is_always() {
        return Err(at("event")(QueryError::new(Code::Missing, "no condition", "such as event = 1")));
    }
    event.check(rows).map_err(at("event"))?;
    classes(bins).map_err(at("bins"))?;
    if bins.first().is_some_and(|first| first.at_scale(FINEST).is_some_and(|fine| fine <= 0)) {
        let error = QueryError::new(Code::Limit, "an interval that ends at 0 or before", "above 0");
        return Err(at("bins")(error));
    }
    most(*max).map_err(at("max"))?;
    // Times are days, whose unit is not that of the quantity.
    Ok(Gauge::PLAIN)
}

fn scope(query: &Query, per: Per) -> Scope {
    match per {
        Per::Hospital => Scope::Cell(query.dataset),
        Per::Row => Scope::Rows(query.dataset),
    }
}

/// A unit exactly where a quantity is judged.
fn unit(measure: &Measure) -> Result<(), QueryError> {
    if judges_quantity(&measure.kind) == measure.unit.is_some() {
        return Ok(());
    }
    let problem = if measure.unit.is_none() {
        "the measure speaks of a quantity, and its unit is not known"
    } else {
        "a unit, but the measure does not speak of a quantity"
    };
    Err(QueryError::new(Code::Conflict, problem, "a unit exactly where a quantity is judged"))
}

/// Whether a figure of a quantity decides what the measure gives.
pub(in crate::query) fn judges_quantity(kind: &MeasureKind) -> bool {
    match kind {
        MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => false,
        MeasureKind::Sum { of, .. }
        | MeasureKind::Histogram { of, .. }
        | MeasureKind::Moments { of, .. }
        | MeasureKind::Hospitals { condition: of } => of.uses_quantity(),
        MeasureKind::Regression { outcome, predictors, .. } => {
            outcome.uses_quantity() || predictors.iter().any(Expr::uses_quantity)
        }
        MeasureKind::Survival { time, event, .. } => time.uses_quantity() || event.uses_quantity(),
    }
}

fn most(max: i64) -> Result<(), QueryError> {
    if (1..=MAX_ROWS).contains(&max) {
        return Ok(());
    }
    Err(QueryError::new(Code::Limit, format!("max = {max}"), format!("1 to {MAX_ROWS}")))
}

fn per_hospital(per: Per, max: i64) -> Result<(), QueryError> {
    if per == Per::Row || max == 1 {
        return Ok(());
    }
    let problem = format!("max = {max} where a hospital has one value");
    Err(QueryError::new(Code::Conflict, problem, "no `max`, or per = \"row\""))
}

fn classes(bins: &Bins) -> Result<(), QueryError> {
    rising(bins)?;
    bins.iter().try_for_each(fine_enough)
}

fn fine_enough(number: &Decimal) -> Result<(), QueryError> {
    if number.at_scale(FINEST).is_some() {
        return Ok(());
    }
    Err(QueryError::new(Code::Limit, format!("{number} is too fine"), format!("at most {FINEST} decimals")))
}

fn check_limits(limits: &Limits, measure: &Measure, index: usize) -> Result<(), QueryError> {
    let (scale, low, high) = (limits.scale, limits.low, limits.high);
    if scale > FINEST {
        let error = QueryError::new(Code::Limit, format!("scale {scale}"), format!("0 to {FINEST}"));
        return Err(error.at(place("measure", index, "scale")));
    }
    if low > 0 || high < 0 || low == high {
        let problem = format!("[{low}, {high}] leaves out 0 or everything else");
        return Err(QueryError::new(Code::Limit, problem, "[LOW, HIGH] with LOW <= 0 <= HIGH")
            .advice("a hospital without rows contributes 0")
            .at(place("measure", index, "range")));
    }
    if measure.parts().is_none() {
        let problem = format!("[{low}, {high}] at scale {scale} does not fit 64 bits");
        return Err(QueryError::new(Code::Limit, problem, "a narrower range or a lower scale")
            .at(place("measure", index, "range")));
    }
    Ok(())
}
