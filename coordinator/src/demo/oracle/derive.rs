//! What is shown of the sums of all hospitals: every figure, those derived of them, what is suppressed.
//!
//! Owns the reckoning after opening, by exact fractions. It must not know rows.

use super::value::{Number, decimal, rounded, rounded_root};
use num_bigint::BigInt;
use num_traits::{One as _, Signed as _, Zero as _};
use samensom_protocol::query::{Derive, DeriveKind, MeasureKind, Part, Query};

/// Fewest degrees of freedom behind shown coefficients.
const FREEDOM: i64 = 10;

/// A shown figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A whole number of `10^-scale`.
    Figure(i128, u8),
    /// Too few stand behind it.
    Suppressed,
    /// It would divide by zero, or has no solution.
    NoUse,
    /// In the lowest class, below this end.
    Below(Number),
    /// In the highest class, from this end on.
    AtLeast(Number),
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The cell, counted without the figures in it.
    pub place: usize,
    /// Name of the measure or derived figure.
    pub measure: String,
    /// What it is within that.
    pub part: String,
    /// The figure.
    pub shown: Shown,
}

/// The sums, cell by cell and measure by measure.
struct Sums<'a> {
    query: &'a Query,
    parts: Vec<Vec<Part>>,
    /// Cell, measure, part.
    all: Vec<Vec<Vec<i128>>>,
    /// Cell, measure.
    hidden: Vec<Vec<bool>>,
}

/// Every line that is shown of these sums; `closed` says which measures of which cells are not.
#[must_use]
pub fn table(query: &Query, closed: &[Vec<bool>], clear: &[i128]) -> Vec<Line> {
    let sums = Sums::of(query, closed, clear);
    let mut lines = Vec::new();
    for (place, cell) in sums.all.iter().enumerate() {
        let mut line = |measure: &str, part: &str, shown: Shown, made_of: &[usize]| {
            let hidden = made_of.iter().any(|measure| sums.is_hidden(place, *measure));
            let shown = if hidden { Shown::Suppressed } else { shown };
            lines.push(Line { place, measure: measure.to_owned(), part: part.to_owned(), shown });
        };
        for (at, ((measure, parts), figures)) in
            query.measures().iter().zip(&sums.parts).zip(cell).enumerate()
        {
            for (part, figure) in parts.iter().zip(figures) {
                line(measure.name(), &part.name, Shown::Figure(*figure, part.scale), &[at]);
            }
        }
        for derive in query.derives() {
            for (part, shown) in sums.derived(derive, place) {
                line(derive.name(), &part, shown, &derive.made_of());
            }
        }
    }
    lines
}

impl Sums<'_> {
    fn of<'a>(query: &'a Query, closed: &[Vec<bool>], clear: &[i128]) -> Sums<'a> {
        let parts: Vec<Vec<Part>> =
            query.measures().iter().map(|measure| measure.parts().unwrap_or_default()).collect();
        let width = parts.iter().map(Vec::len).sum::<usize>().max(1);
        let mut all = Vec::new();
        for cell in clear.chunks(width) {
            let mut rest = cell.iter();
            let cell: Vec<Vec<i128>> =
                parts.iter().map(|parts| rest.by_ref().take(parts.len()).copied().collect()).collect();
            all.push(cell);
        }
        Sums { query, parts, all, hidden: closed.to_vec() }
    }

    fn is_hidden(&self, place: usize, measure: usize) -> bool {
        self.hidden.get(place).and_then(|cell| cell.get(measure)) == Some(&true)
    }

    fn figure(&self, place: usize, measure: usize, part: usize) -> Number {
        let scale = self.parts.get(measure).and_then(|parts| parts.get(part)).map_or(0, |part| part.scale);
        let figure = self.all.get(place).and_then(|cell| cell.get(measure)?.get(part)).copied();
        Number::new(figure.unwrap_or_default().into(), BigInt::from(10).pow(u32::from(scale)))
    }

    /// All figures of a measure in a cell.
    fn figures(&self, place: usize, measure: usize) -> Vec<Number> {
        let parts = self.parts.get(measure).map_or(0, Vec::len);
        (0..parts).map(|part| self.figure(place, measure, part)).collect()
    }

    /// The parts of a derived figure, each with its name.
    fn derived(&self, derive: &Derive, place: usize) -> Vec<(String, Shown)> {
        let scale = derive.scale();
        let figure = |measure: u8| self.figure(place, usize::from(measure), 0);
        let figures = |measure: u8| self.figures(place, usize::from(measure));
        let side = |positions: &[u8]| positions.iter().map(|at| figure(*at)).sum::<Number>();
        let only = |shown| vec![(String::new(), shown)];
        match derive.kind() {
            DeriveKind::Ratio { numerator, denominator } => {
                only(divided(side(numerator), side(denominator), scale))
            }
            DeriveKind::Cover { stock, used, months } => {
                let months = Number::from_integer((*months).into());
                only(divided(figure(*stock) * months, figure(*used), scale))
            }
            DeriveKind::Share { of, over } => only(self.share(place, usize::from(*of), *over, scale)),
            DeriveKind::Mean(of) => {
                let [n, sum] = [0, 1].map(|part| self.figure(place, usize::from(*of), part));
                only(divided(sum, n, scale))
            }
            DeriveKind::Variance(of) => {
                let [n, sum, squares] = [0, 1, 2].map(|part| self.figure(place, usize::from(*of), part));
                only(variance(&n, &sum, squares, scale))
            }
            DeriveKind::Quantile { of, share } => {
                only(self.quantile(place, usize::from(*of), &decimal(*share), scale))
            }
            DeriveKind::Coefficients(of) => {
                let predictors = match self.query.measures().get(usize::from(*of)).map(|one| one.kind()) {
                    Some(MeasureKind::Regression { predictors, .. }) => predictors.len(),
                    _ => 0,
                };
                coefficients(&figures(*of), predictors, scale)
            }
            DeriveKind::Curve(of) => self.curve(place, usize::from(*of), scale),
        }
    }

    /// This cell's part of the sum over all cells, or over those that differ in one dimension alone.
    fn share(&self, place: usize, of: usize, over: Option<u8>, scale: u8) -> Shown {
        let own = self.places(place);
        let beside = |other: &usize| {
            let other = self.places(*other);
            let same =
                |(at, (one, two)): (usize, (&usize, &usize))| Some(at) == over.map(usize::from) || one == two;
            over.is_none() || own.iter().zip(&other).enumerate().all(same)
        };
        let among: Vec<usize> = (0..self.all.len()).filter(beside).collect();
        if among.iter().any(|other| self.is_hidden(*other, of)) {
            return Shown::Suppressed;
        }
        let whole = among.iter().map(|other| self.figure(*other, of, 0)).sum();
        divided(self.figure(place, of, 0), whole, scale)
    }

    /// The place of a cell along every dimension.
    fn places(&self, mut place: usize) -> Vec<usize> {
        let mut places = Vec::new();
        for dimension in self.query.dimensions().iter().rev() {
            let size = dimension.size().max(1);
            places.push(place % size);
            place /= size;
        }
        places.reverse();
        places
    }

    fn quantile(&self, place: usize, of: usize, share: &Number, scale: u8) -> Shown {
        let Some(MeasureKind::Histogram { bins, .. }) = self.query.measures().get(of).map(|one| one.kind())
        else {
            return Shown::NoUse;
        };
        let ends: Vec<Number> = bins.iter().map(|end| decimal(*end)).collect();
        let mut counts = self.figures(place, of);
        counts.pop();
        let wanted = counts.iter().sum::<Number>() * share;
        let mut before = Number::zero();
        for (class, count) in counts.iter().enumerate() {
            if count.is_zero() || &before + count < wanted {
                before += count;
                continue;
            }
            return match (class.checked_sub(1).and_then(|below| ends.get(below)), ends.get(class)) {
                (None, Some(end)) => Shown::Below(end.clone()),
                (Some(end), None) => Shown::AtLeast(end.clone()),
                (Some(low), Some(high)) => shown(&(low + (high - low) * (wanted - before) / count), scale),
                (None, None) => Shown::NoUse,
            };
        }
        Shown::NoUse
    }

    /// Who has had no event at the end of each interval; whoever was censored in it counts for half.
    fn curve(&self, place: usize, of: usize, scale: u8) -> Vec<(String, Shown)> {
        let Some(MeasureKind::Survival { bins, .. }) = self.query.measures().get(of).map(|one| one.kind())
        else {
            return Vec::new();
        };
        let figures = self.figures(place, of);
        let mut left = Some(Number::one());
        let mut lines = Vec::new();
        for (end, interval) in bins.iter().zip(figures.chunks(3)) {
            let [at_risk, events, censored] = interval else { continue };
            let exposed = at_risk - censored / Number::from_integer(2.into());
            left = left.filter(|_| !exposed.is_zero()).map(|left| left * (Number::one() - events / exposed));
            let until = left.as_ref().map_or(Shown::NoUse, |left| shown(left, scale));
            lines.push((format!("until {end}"), until));
        }
        lines
    }
}

fn shown(number: &Number, scale: u8) -> Shown {
    rounded(number, scale).map_or(Shown::Suppressed, |figure| Shown::Figure(figure, scale))
}

fn divided(top: Number, bottom: Number, scale: u8) -> Shown {
    if bottom.is_zero() { Shown::NoUse } else { shown(&(top / bottom), scale) }
}

fn variance(n: &Number, sum: &Number, squares: Number, scale: u8) -> Shown {
    let fewer = n - Number::one();
    if n.is_zero() || fewer.is_zero() {
        return Shown::NoUse;
    }
    let variance = (squares - sum * sum / n) / fewer;
    // Rounded squares may lie below those of the mean.
    shown(&if variance.is_negative() { Number::zero() } else { variance }, scale)
}

/// Least squares by the inverse of X'X, whose upper triangle comes first among the sums.
fn coefficients(sums: &[Number], predictors: usize, scale: u8) -> Vec<(String, Shown)> {
    let size = predictors + 1;
    let names = (0..size).map(|at| if at == 0 { "intercept".to_owned() } else { format!("x{at}") });
    let names: Vec<String> = names
        .flat_map(|name| [name.clone(), format!("standard error {name}")])
        .chain(["degrees of freedom".to_owned()])
        .collect();
    let all = |shown: Shown| names.iter().map(|name| (name.clone(), shown.clone())).collect();
    let mut rest = sums.iter().cloned();
    // The triangle's rows become shorter; what a row lacks is in the column above it.
    let triangle: Vec<Vec<Number>> = (0..size).map(|row| rest.by_ref().take(size - row).collect()).collect();
    let crossed = |row: usize, column: usize| {
        let (upper, beside) = (row.min(column), row.abs_diff(column));
        triangle.get(upper).and_then(|row| row.get(beside)).cloned().unwrap_or_default()
    };
    let outcome: Vec<Number> = rest.by_ref().take(size).collect();
    let squares = rest.next().unwrap_or_default();
    let freedom = crossed(0, 0) - Number::from_integer(size.into());
    if freedom < Number::from_integer(FREEDOM.into()) {
        return all(Shown::Suppressed);
    }
    let matrix = (0..size).map(|row| (0..size).map(|column| crossed(row, column)).collect()).collect();
    let Some(inverse) = inverse(matrix) else { return all(Shown::NoUse) };
    let along = |row: &[Number]| row.iter().zip(&outcome).map(|(one, sum)| one * sum).sum::<Number>();
    let solved: Vec<Number> = inverse.iter().map(|row| along(row)).collect();
    let unexplained = squares - along(&solved);
    let spread = if unexplained.is_negative() { Number::zero() } else { unexplained / &freedom };
    let mut values = Vec::new();
    for (at, (coefficient, row)) in solved.iter().zip(&inverse).enumerate() {
        values.push(shown(coefficient, scale));
        let square = row.get(at).map(|own| &spread * own).unwrap_or_default();
        values.push(rounded_root(&square, scale).map_or(Shown::NoUse, |root| Shown::Figure(root, scale)));
    }
    values.push(shown(&freedom, 0));
    names.into_iter().zip(values).collect()
}

/// By elimination over rows; none when there is no inverse.
fn inverse(mut matrix: Vec<Vec<Number>>) -> Option<Vec<Vec<Number>>> {
    let size = matrix.len();
    for (at, row) in matrix.iter_mut().enumerate() {
        row.extend((0..size).map(|column| if column == at { Number::one() } else { Number::zero() }));
    }
    for column in 0..size {
        let is_there =
            |row: &usize| matrix.get(*row).and_then(|row| row.get(column)).is_some_and(|one| !one.is_zero());
        let pivot = (column..size).find(is_there)?;
        matrix.swap(column, pivot);
        let mut own = std::mem::take(matrix.get_mut(column)?);
        let by = own.get(column)?.clone();
        own.iter_mut().for_each(|value| *value = &*value / &by);
        for row in matrix.iter_mut().filter(|row| !row.is_empty()) {
            let by = row.get(column)?.clone();
            row.iter_mut().zip(&own).for_each(|(value, own)| *value = &*value - own * &by);
        }
        *matrix.get_mut(column)? = own;
    }
    Some(matrix.into_iter().map(|row| row.into_iter().skip(size).collect()).collect())
}
