//! Figures computed after opening: exact fractions of opened sums, rounded once, half to even.
//!
//! Owns their reckoning. What divides by zero or has no solution is `no use`, never a number; it must not
//! know which cells are shown.

use super::Query;
use super::decimal::{Decimal, FINEST, pow10};
use super::derive::{Derive, DeriveKind, Positions};
use super::gauge::Gauge;
use super::layout::Layout;
use super::measure::{Measure, MeasureKind};
use super::table::Value;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Signed, ToPrimitive, Zero};

/// Fewest degrees of freedom with which coefficients are shown (queries.md 5).
const LEAST_FREEDOM: i64 = 10;

/// One figure of a derived one.
pub(super) struct Figure {
    pub(super) part: String,
    pub(super) value: Value,
    pub(super) unit: String,
}

/// The figures of one opened cell, and the sum of shares' measures over the cells they are shares of.
pub(super) struct Opened<'a> {
    pub(super) query: &'a Query,
    pub(super) layout: &'a Layout,
    pub(super) cell: &'a [i128],
    /// For a share: the sum of its measure; `None` when a cell of it is not shown.
    pub(super) whole: Option<i128>,
}

impl Opened<'_> {
    /// The figures of `derive` in this cell.
    pub(super) fn figures(&self, derive: &Derive) -> Vec<Figure> {
        let scale = derive.scale();
        let one = |value: Option<BigRational>, unit: String| {
            vec![Figure { part: String::new(), value: shown(value, scale), unit }]
        };
        match derive.kind() {
            DeriveKind::Ratio { numerator, denominator } => {
                let value = || self.side(numerator)?.checked_div(&self.side(denominator)?);
                one(value(), self.ratio_unit(numerator, denominator))
            }
            DeriveKind::Cover { stock, used, months } => {
                let value = || {
                    let monthly = self.single(*used)?.checked_div(&whole(*months))?;
                    self.single(*stock)?.checked_div(&monthly)
                };
                one(value(), "months".to_owned())
            }
            DeriveKind::Share { of, .. } => {
                let Some(all) = self.whole else {
                    let value = Value::Suppressed;
                    return vec![Figure { part: String::new(), value, unit: "1".to_owned() }];
                };
                let scale_of = self.measure(*of).map_or(0, Measure::scale);
                let value = || self.single(*of)?.checked_div(&at_scale(all, scale_of)?);
                one(value(), "1".to_owned())
            }
            DeriveKind::Mean(of) => one(self.moments(*of).and_then(|m| m.mean()), self.unit(*of, 1)),
            DeriveKind::Variance(of) => one(self.moments(*of).and_then(|m| m.variance()), self.unit(*of, 2)),
            DeriveKind::Quantile { of, share } => {
                let value = self.quantile(*of, *share, scale).unwrap_or(Value::NoUse);
                vec![Figure { part: String::new(), value, unit: self.unit(*of, 1) }]
            }
            DeriveKind::Coefficients(of) => self.coefficients(*of, scale),
            DeriveKind::Curve(of) => self.curve(*of, scale),
        }
    }

    fn measure(&self, place: u8) -> Option<&Measure> {
        self.query.measures().get(usize::from(place))
    }

    /// The opened figures of a measure, as fractions.
    fn parts(&self, place: u8) -> Option<Vec<BigRational>> {
        let figures = self.cell.get(self.layout.figures_of(usize::from(place)))?;
        let parts = self.measure(place)?.parts()?;
        figures.iter().zip(&parts).map(|(figure, part)| at_scale(*figure, part.scale)).collect()
    }

    fn single(&self, place: u8) -> Option<BigRational> {
        self.parts(place)?.into_iter().next()
    }

    fn side(&self, places: &Positions) -> Option<BigRational> {
        places.iter().try_fold(BigRational::zero(), |sum, place| sum.checked_add(&self.single(*place)?))
    }

    fn ratio_unit(&self, numerator: &Positions, denominator: &Positions) -> String {
        let first = |places: &Positions| {
            let measure = places.first().and_then(|place| self.measure(*place));
            measure.map_or_else(String::new, Measure::unit_text)
        };
        let (top, bottom) = (first(numerator), first(denominator));
        if top == bottom { "1".to_owned() } else { format!("{top}/{bottom}") }
    }

    /// The unit of a measure's values, to a power.
    fn unit(&self, place: u8, power: u8) -> String {
        let Some(measure) = self.measure(place) else { return String::new() };
        let gauge = (1..power).fold(measure.gauge, |gauge, _| gauge.times(measure.gauge));
        if gauge == Gauge::PLAIN { "1".to_owned() } else { gauge.text(measure.unit()) }
    }

    fn moments(&self, place: u8) -> Option<Moments> {
        let [count, sum, squares, _] = <[BigRational; 4]>::try_from(self.parts(place)?).ok()?;
        Some(Moments { count, sum, squares })
    }

    fn quantile(&self, place: u8, share: Decimal, scale: u8) -> Option<Value> {
        let MeasureKind::Histogram { bins, .. } = self.measure(place)?.kind() else { return None };
        let mut classes = self.parts(place)?;
        // The last class is of those without a value.
        classes.pop()?;
        let sum = |classes: &[BigRational]| {
            classes.iter().try_fold(BigRational::zero(), |sum, one| sum.checked_add(one))
        };
        let all = sum(&classes)?;
        if all.is_zero() {
            return Some(Value::NoUse);
        }
        let sought = all.checked_mul(&fraction(share)?)?;
        let mut below = BigRational::zero();
        for (at, count) in classes.iter().enumerate() {
            let until = below.checked_add(count)?;
            if until >= sought && !count.is_zero() {
                let low = at.checked_sub(1).and_then(|at| bins.get(at));
                return match (low, bins.get(at)) {
                    (Some(low), Some(high)) => {
                        let (low, high) = (fraction(*low)?, fraction(*high)?);
                        let part = sought.checked_sub(&below)?.checked_div(count)?;
                        let inside = high.checked_sub(&low)?.checked_mul(&part)?;
                        Some(shown(low.checked_add(&inside), scale))
                    }
                    (None, Some(high)) => Some(Value::Below(*high)),
                    (Some(low), None) => Some(Value::AtLeast(*low)),
                    (None, None) => None,
                };
            }
            below = until;
        }
        None
    }

    fn coefficients(&self, place: u8, scale: u8) -> Vec<Figure> {
        let predictors = match self.measure(place).map(Measure::kind) {
            Some(MeasureKind::Regression { predictors, .. }) => predictors.len(),
            _ => 0,
        };
        let parts = self.parts(place).unwrap_or_default();
        let freedom = freedom(&parts, predictors);
        // Before it is asked whether they have a solution: that few values have none tells of them.
        let few = freedom.as_ref().is_some_and(|freedom| *freedom < whole(LEAST_FREEDOM));
        let fit = Fit::of(&parts, predictors);
        let name = |at: usize| if at == 0 { "intercept".to_owned() } else { format!("x{at}") };
        let mut figures = Vec::new();
        let mut put = |part: String, value: Value| {
            let value = if few { Value::Suppressed } else { value };
            figures.push(Figure { part, value, unit: "1".to_owned() });
        };
        for at in 0..=predictors {
            let of = |values: fn(&Fit) -> &Vec<BigRational>| {
                fit.as_ref().and_then(|fit| values(fit).get(at).cloned())
            };
            put(name(at), shown(of(|fit| &fit.coefficients), scale));
            let error = of(|fit| &fit.variances).and_then(|variance| root(&variance, scale));
            put(format!("standard error {}", name(at)), error.unwrap_or(Value::NoUse));
        }
        put("degrees of freedom".to_owned(), shown(freedom.filter(|_| fit.is_some()), 0));
        figures
    }

    fn curve(&self, place: u8, scale: u8) -> Vec<Figure> {
        let Some(MeasureKind::Survival { bins, .. }) = self.measure(place).map(Measure::kind) else {
            return Vec::new();
        };
        let parts = self.parts(place).unwrap_or_default();
        let mut left = Some(whole(1));
        let figure = |(end, interval): (&Decimal, &[BigRational])| {
            left = left.take().and_then(|left| left.checked_mul(&survived(interval)?));
            Figure { part: format!("until {end}"), value: shown(left.clone(), scale), unit: "1".to_owned() }
        };
        bins.iter().zip(parts.chunks(3)).map(figure).collect()
    }
}

/// The share of those at risk in an interval that it leaves without an event.
fn survived(interval: &[BigRational]) -> Option<BigRational> {
    let [at_risk, event, censored] = interval else { return None };
    let exposed = at_risk.checked_sub(&censored.checked_div(&whole(2))?)?;
    whole(1).checked_sub(&event.checked_div(&exposed)?)
}

struct Moments {
    count: BigRational,
    sum: BigRational,
    squares: BigRational,
}

impl Moments {
    fn mean(&self) -> Option<BigRational> {
        self.sum.checked_div(&self.count)
    }

    fn variance(&self) -> Option<BigRational> {
        let of_means = self.sum.checked_mul(&self.mean()?)?;
        let below = self.count.checked_sub(&whole(1))?;
        // One value says nothing of how values differ; rounded squares may come out a little too small.
        let apart = self.squares.checked_sub(&of_means)?;
        let apart = if apart.is_negative() { BigRational::zero() } else { apart };
        apart.checked_div(&below)
    }
}

/// A linear model by least squares.
struct Fit {
    coefficients: Vec<BigRational>,
    variances: Vec<BigRational>,
}

/// The first sum is the number of values.
fn freedom(parts: &[BigRational], predictors: usize) -> Option<BigRational> {
    let coefficients = i64::try_from(predictors.checked_add(1)?).ok()?;
    parts.first()?.checked_sub(&whole(coefficients))
}

impl Fit {
    /// From the sums in the order of `regression_parts`; `None` without one solution, or with as many
    /// coefficients as values.
    fn of(parts: &[BigRational], predictors: usize) -> Option<Fit> {
        let size = predictors.checked_add(1)?;
        let mut sums = parts.iter();
        let mut products = vec![vec![BigRational::zero(); size]; size];
        for row in 0..size {
            for column in row..size {
                let sum = sums.next()?;
                for (one, two) in [(row, column), (column, row)] {
                    products.get_mut(one)?.get_mut(two)?.clone_from(sum);
                }
            }
        }
        let with_outcome: Vec<BigRational> = sums.by_ref().take(size).cloned().collect();
        let outcomes = sums.next()?;
        let inverse = inverted(products)?;
        let dot = |left: &[BigRational], right: &[BigRational]| {
            let mut pairs = left.iter().zip(right);
            pairs.try_fold(BigRational::zero(), |sum, (a, b)| sum.checked_add(&a.checked_mul(b)?))
        };
        let coefficients: Option<Vec<BigRational>> =
            inverse.iter().map(|row| dot(row, &with_outcome)).collect();
        let coefficients = coefficients?;
        let freedom = freedom(parts, predictors)?;
        let rest = outcomes.checked_sub(&dot(&coefficients, &with_outcome)?)?;
        let rest = if rest.is_negative() { BigRational::zero() } else { rest };
        let variance = if freedom.is_positive() { rest.checked_div(&freedom)? } else { return None };
        let variances: Option<Vec<BigRational>> =
            (0..size).map(|at| variance.checked_mul(inverse.get(at)?.get(at)?)).collect();
        Some(Fit { coefficients, variances: variances? })
    }
}

/// The inverse by Gauss and Jordan's elimination; `None` where there is none.
fn inverted(mut rows: Vec<Vec<BigRational>>) -> Option<Vec<Vec<BigRational>>> {
    let size = rows.len();
    for (at, row) in rows.iter_mut().enumerate() {
        row.extend((0..size).map(|column| whole(i64::from(column == at))));
    }
    for at in 0..size {
        let pivot = (at..size)
            .find(|row| rows.get(*row).and_then(|row| row.get(at)).is_some_and(|x| !x.is_zero()))?;
        rows.swap(at, pivot);
        let divisor = rows.get(at)?.get(at)?.clone();
        let lead: Option<Vec<BigRational>> =
            rows.get(at)?.iter().map(|value| value.checked_div(&divisor)).collect();
        let lead = lead?;
        for (place, row) in rows.iter_mut().enumerate() {
            if place == at {
                row.clone_from(&lead);
                continue;
            }
            let factor = row.get(at)?.clone();
            for (value, above) in row.iter_mut().zip(&lead) {
                *value = value.checked_sub(&factor.checked_mul(above)?)?;
            }
        }
    }
    rows.into_iter().map(|row| row.get(size..).map(<[BigRational]>::to_vec)).collect()
}

fn whole(value: impl Into<BigInt>) -> BigRational {
    BigRational::from_integer(value.into())
}

fn at_scale(figure: i128, scale: u8) -> Option<BigRational> {
    whole(figure).checked_div(&whole(pow10(scale)?))
}

fn fraction(number: Decimal) -> Option<BigRational> {
    at_scale(number.at_scale(FINEST)?, FINEST)
}

/// The value at the scale, or `no use`.
fn shown(value: Option<BigRational>, scale: u8) -> Value {
    let number = || rounded(&value?.checked_mul(&whole(pow10(scale)?))?)?.to_i128();
    number().map_or(Value::NoUse, |mantissa| Value::Number { mantissa, scale })
}

/// To the nearest whole number, a half to the even one.
fn rounded(value: &BigRational) -> Option<BigInt> {
    let floor = value.floor().to_integer();
    let rest = value.checked_sub(&whole(floor.clone()))?.checked_mul(&whole(2))?;
    let up = rest > whole(1) || rest == whole(1) && floor.bit(0);
    floor.checked_add(&BigInt::from(i32::from(up)))
}

/// The square root at the scale, exactly rounded.
fn root(square: &BigRational, scale: u8) -> Option<Value> {
    if square.is_negative() {
        return None;
    }
    let unit = whole(pow10(scale)?);
    let scaled = square.checked_mul(&unit)?.checked_mul(&unit)?;
    let low = scaled.floor().to_integer().sqrt();
    let half = whole(low.clone()).checked_add(&BigRational::new(BigInt::from(1), BigInt::from(2)))?;
    let up = match scaled.cmp(&half.checked_mul(&half)?) {
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Equal => low.bit(0),
        core::cmp::Ordering::Less => false,
    };
    let mantissa = low.checked_add(&BigInt::from(i32::from(up)))?.to_i128()?;
    Some(Value::Number { mantissa, scale })
}
