//! Values -> the figures of one measure, exactly.
//!
//! Owns the reckoning of every measure whose values are more than a plain sum: classes, moments, products,
//! intervals. Figures are rounded once, half to even, when all values are in.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use samensom_protocol::query::{
    Bins, Decimal, Limits, MeasureKind, Operand, Overflow, Ratio, Scalar, divide_half_even, pow10,
};
use std::collections::BTreeMap;
use std::fmt;

/// Decimals in which most values are whole, so that they are added as integers.
const FINE: u8 = 6;
/// Most divisors of the other values: more cannot be brought under one line in any reasonable time.
const MOST_DIVISORS: usize = 2_000;

/// Looks up what an expression speaks of.
pub(super) type Lookup<'a> = &'a mut dyn FnMut(Operand) -> Option<Scalar>;

/// Why a value cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It does not fit.
    Overflow,
    /// Values divide by too many different numbers.
    Divisors,
    /// It is not within the limits of its measure: the value, the limits.
    Outside(String, String),
}

impl From<Overflow> for Unfit {
    fn from(_: Overflow) -> Unfit {
        Unfit::Overflow
    }
}

/// Sums on their way, one for each figure.
pub(super) struct Tally {
    sums: Vec<Exact>,
    /// How often what is put counts.
    times: i128,
}

/// A sum: what is whole in `10^-FINE`, and the rest by its divisors, each with the sum above the line. Rows
/// divide by many numbers (days, quantities), whose common multiple soon leaves 128 bits.
#[derive(Clone, Default)]
struct Exact {
    fine: i128,
    rest: BTreeMap<i128, i128>,
}

impl Tally {
    /// Nothing yet, for so many figures.
    pub(super) fn new(figures: usize) -> Tally {
        Tally { sums: vec![Exact::default(); figures], times: 1 }
    }

    /// Takes the same value, or row, so many times.
    #[cfg(feature = "postgres")]
    pub(super) fn add_times(
        &mut self,
        times: i128,
        kind: &MeasureKind,
        lookup: Lookup<'_>,
    ) -> Result<(), Unfit> {
        self.times = times;
        let added = self.add(kind, lookup);
        self.times = 1;
        added
    }

    /// Takes one value, or one row.
    pub(super) fn add(&mut self, kind: &MeasureKind, lookup: Lookup<'_>) -> Result<(), Unfit> {
        match kind {
            MeasureKind::Sum { of, .. } => match of.value(lookup)? {
                Some(value) => self.put(0, value),
                None => Ok(()),
            },
            MeasureKind::Histogram { of, bins, .. } => {
                let class = of.value(lookup)?.map_or(bins.len() + 1, |value| class(bins, value));
                self.one(class)
            }
            MeasureKind::Moments { of, limits, .. } => {
                let Some(value) = of.value(lookup)? else { return self.one(3) };
                within(value, limits)?;
                self.one(0)?;
                self.put(1, value)?;
                self.put(2, value.times(value)?)
            }
            MeasureKind::Regression { outcome, predictors, limits, .. } => {
                let mut values = vec![Some(Ratio::whole(1))];
                for expr in predictors.iter().chain([outcome]) {
                    values.push(expr.value(lookup)?);
                }
                self.products(values.into_iter().collect(), limits)
            }
            MeasureKind::Survival { time, event, bins, .. } => {
                let (time, event) = (time.value(lookup)?, event.holds(lookup)?);
                match (time.filter(|time| *time >= Ratio::whole(0)), event) {
                    (Some(time), Some(event)) => self.interval(bins, time, event),
                    _ => self.one((bins.len() + 1) * 3),
                }
            }
            MeasureKind::Rows { .. } | MeasureKind::Hospitals { .. } | MeasureKind::Patients { .. } => {
                Err(Unfit::Overflow)
            }
        }
    }

    /// X'X, X'y and y'y of one row of X (its first value is 1) and y, or one that lacks a value.
    fn products(&mut self, values: Option<Vec<Ratio>>, limits: &Limits) -> Result<(), Unfit> {
        let last = self.sums.len().saturating_sub(1);
        let Some(values) = values else { return self.one(last) };
        let Some((outcome, row)) = values.split_last() else { return self.one(last) };
        values.iter().skip(1).try_for_each(|value| within(*value, limits))?;
        let above =
            row.iter().enumerate().flat_map(|(at, one)| row.iter().skip(at).map(move |two| (one, two)));
        let all = above.chain(row.iter().map(|one| (one, outcome))).chain([(outcome, outcome)]);
        for (at, (one, two)) in all.enumerate() {
            self.put(at, one.times(*two)?)?;
        }
        Ok(())
    }

    /// Counted at risk in every interval that begins no later than its time, and once for how it ended.
    fn interval(&mut self, bins: &Bins, time: Ratio, event: bool) -> Result<(), Unfit> {
        let last = class(bins, time);
        (0..=last).try_for_each(|interval| self.one(interval * 3))?;
        self.one(last * 3 + if event { 1 } else { 2 })
    }

    fn one(&mut self, figure: usize) -> Result<(), Unfit> {
        self.put(figure, Ratio::whole(1))
    }

    fn put(&mut self, figure: usize, value: Ratio) -> Result<(), Unfit> {
        let exact = self.sums.get_mut(figure).ok_or(Unfit::Overflow)?;
        let all = |one: i128| one.checked_mul(self.times).ok_or(Unfit::Overflow);
        if let Some(fine) = value.exact(FINE) {
            exact.fine = exact.fine.checked_add(all(fine)?).ok_or(Unfit::Overflow)?;
            return Ok(());
        }
        let (top, bottom) = value.parts();
        let top = all(top)?;
        if exact.rest.len() >= MOST_DIVISORS && !exact.rest.contains_key(&bottom) {
            return Err(Unfit::Divisors);
        }
        let sum = exact.rest.entry(bottom).or_insert(0);
        *sum = sum.checked_add(top).ok_or(Unfit::Overflow)?;
        Ok(())
    }

    /// The figures at their scales.
    pub(super) fn figures(self, scales: &[u8]) -> Result<Vec<i128>, Unfit> {
        let figures = self.sums.into_iter().zip(scales).map(|(exact, scale)| exact.rounded(*scale));
        figures.collect::<Option<Vec<i128>>>().ok_or(Unfit::Overflow)
    }
}

impl Exact {
    fn rounded(self, scale: u8) -> Option<i128> {
        if self.rest.is_empty() {
            return divide_half_even(self.fine, pow10(FINE.checked_sub(scale)?)?, 0);
        }
        let whole = |number: i128| BigRational::from_integer(BigInt::from(number));
        // In pairs, so that few additions are of long numbers.
        let mut sums: Vec<BigRational> =
            self.rest.into_iter().map(|(bottom, top)| BigRational::new(top.into(), bottom.into())).collect();
        sums.push(BigRational::new(self.fine.into(), pow10(FINE)?.into()));
        while sums.len() > 1 {
            sums = sums.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        let scaled = sums.pop()? * whole(pow10(scale)?);
        let floor = scaled.floor();
        let twice = (&scaled - &floor) * whole(2);
        let floor = floor.to_integer();
        let up = twice > whole(1) || twice == whole(1) && floor.bit(0);
        (floor + BigInt::from(i32::from(up))).to_i128()
    }
}

/// The class of a value: each holds its lower end.
fn class(bins: &Bins, value: Ratio) -> usize {
    bins.partition_point(|end| Ratio::from(*end) <= value)
}

fn within(value: Ratio, limits: &Limits) -> Result<(), Unfit> {
    let (low, high) = (Ratio::whole(i128::from(limits.low)), Ratio::whole(i128::from(limits.high)));
    if low <= value && value <= high {
        return Ok(());
    }
    let shown = value.rounded(FINE).and_then(|fine| Decimal::new(fine, FINE));
    let shown = shown.map_or_else(|| "a larger value".to_owned(), |value| value.to_string());
    Err(Unfit::Outside(shown, format!("{} to {}", limits.low, limits.high)))
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Overflow => f.write_str("a figure does not fit"),
            Unfit::Divisors => f.write_str("values divide by too many different numbers"),
            Unfit::Outside(..) => f.write_str("a value is outside its limits"),
        }
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quotients of many divisors leave 128 bits when they are brought under one line one after the other.
    #[test]
    fn repro_quotients_of_many_divisors_are_added_exactly() {
        let query = crate::extract::tests::query(
            "[[measure]]\nname = \"s\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 6\nrange = [0, 9]\n",
        );
        let kind = query.measures()[0].kind();
        assert!(matches!(kind, MeasureKind::Sum { .. }));
        let mut tally = Tally::new(1);
        // 1/(n (n + 1)) telescopes: the sum up to 2000 is 2000/2001 = 0.9995002..
        for n in 1..=2_000_i128 {
            tally.put(0, Ratio::new(1, n * (n + 1)).unwrap().unwrap()).unwrap();
        }
        assert_eq!(tally.figures(&[6]), Ok(vec![999_500]));
        let mut half = Tally::new(1);
        for part in [1, 1, 1] {
            half.put(0, Ratio::new(part, 6_000_000).unwrap().unwrap()).unwrap();
        }
        assert_eq!(half.figures(&[6]), Ok(vec![0]), "half a millionth goes to the even neighbour");
        let mut many = Tally::new(1);
        let put = |n: i128| many.put(0, Ratio::new(1, 7 * n + 3).unwrap().unwrap());
        assert_eq!((1..20_000).map(put).find(Result::is_err), Some(Err(Unfit::Divisors)));
    }

    #[test]
    fn classes_hold_their_lower_end() {
        let query = crate::extract::tests::query(
            "[[measure]]\nname = \"h\"\nhistogram = \"sum(quantity)\"\nunit = \"piece\"\nbins = [0, 0.25, 1]\n",
        );
        let MeasureKind::Histogram { bins, .. } = query.measures()[0].kind() else { panic!() };
        for (micro, expected) in
            [(-1, 0), (0, 1), (249_999, 1), (250_000, 2), (999_999, 2), (1_000_000, 3), (9_000_000, 3)]
        {
            let value = Ratio::new(micro, 1_000_000).unwrap().unwrap();
            assert_eq!(class(bins, value), expected, "{micro}");
        }
    }
}
