//! Whether some figure of a query is about a time that ends on a known day, and whether two are about different times
//! (protocol.md 0, 3.3).
//!
//! Owns that reading of filters and cells alone. Rows of a time that is over do not change any more, so two sums of
//! them over sets that differ by one hospital are that hospital's figure. What a filter leaves open is taken as not
//! over; expiry and expected days lie ahead of a row and say nothing of when it came about.

use super::Query;
use super::dataset::Column;
use super::decimal::Date;
use super::dimension::{Classes, Dimension};
use super::expr::{Compare, Expr, Term};

impl Query {
    /// The first of the days on which the time of some figure ends; none where no figure's time does. Its
    /// parameters have been replaced by their values.
    #[must_use]
    pub fn ends(&self) -> Option<Date> {
        let population = self.population().within(&says_when).last;
        let measures = self.measures().iter().filter_map(|measure| measure.filter().within(&says_when).last);
        let cells = self.dimensions().iter().filter_map(Dimension::ends);
        population.into_iter().chain(measures).chain(cells).min()
    }

    /// Whether some column of days sets every row of its figures apart from every row of the other's. Parameters of
    /// both have been replaced by their values.
    pub(super) fn is_of_another_time(&self, other: &Query) -> bool {
        TIMES.into_iter().any(|column| {
            let (own, other) = (self.within(column), other.within(column));
            let before = |one: Within, other: Within| {
                one.last.zip(other.first).is_some_and(|(last, first)| last < first)
            };
            before(own, other) || before(other, own)
        })
    }

    /// Between which days of a column all rows of its figures lie.
    fn within(&self, column: Column) -> Within {
        let of = |filter: &Expr| filter.within(&|one| one == column);
        let measures = self.measures().iter().map(|measure| of(measure.filter()));
        let all = measures.reduce(Within::or).unwrap_or_default();
        of(self.population()).and(all)
    }
}

impl Dimension {
    /// The day on which its first class of days ends.
    fn ends(&self) -> Option<Date> {
        if !says_when(self.column()) {
            return None;
        }
        match self.classes() {
            Classes::Codes(codes) => {
                codes.iter().filter_map(|code| last_of(self.column(), Date::parse(code)?)).min()
            }
            Classes::Days(bins) => bins.iter().filter_map(|bin| bin.plus_days(-1)).min(),
            Classes::Numbers(_) => None,
        }
    }
}

/// The first and the last day of rows, where they are known.
#[derive(Debug, Clone, Copy, Default)]
struct Within {
    first: Option<Date>,
    last: Option<Date>,
}

impl Within {
    fn and(self, other: Within) -> Within {
        let both = |one: Option<Date>, other: Option<Date>, of: fn(Date, Date) -> Date| match (one, other) {
            (Some(one), Some(other)) => Some(of(one, other)),
            (one, other) => one.or(other),
        };
        Within { first: both(self.first, other.first, Ord::max), last: both(self.last, other.last, Ord::min) }
    }
    fn or(self, other: Within) -> Within {
        Within {
            first: self.first.zip(other.first).map(|(one, other)| one.min(other)),
            last: self.last.zip(other.last).map(|(one, other)| one.max(other)),
        }
    }
}

/// What is on the way through an expression.
#[derive(Debug, Clone, Copy)]
enum Found {
    Column(Column),
    Day(Date),
    Other,
    /// A condition, and the days of the rows that meet it.
    Condition(Within),
}

impl Expr {
    /// Whether both are made of the same conditions, in any order, when those on days alone are left out.
    pub(super) fn is_alike_but_for_time(&self, other: &Expr) -> bool {
        let (own, theirs) = (self.conditions(), other.conditions());
        let within = |one: &[&[Term]], other: &[&[Term]]| one.iter().all(|term| other.contains(term));
        within(&own, &theirs) && within(&theirs, &own)
    }

    /// What must hold all together, without conditions on columns of days alone.
    fn conditions(&self) -> Vec<&[Term]> {
        let mut stack: Vec<(usize, Vec<&[Term]>)> = Vec::new();
        for (at, term) in self.terms().iter().enumerate() {
            let from = stack.len().saturating_sub(operands(term));
            let own = stack.split_off(from);
            let start = own.first().map_or(at, |(start, _)| *start);
            let all = match term {
                Term::And => own.into_iter().flat_map(|(_, all)| all).collect(),
                _ => self.terms().get(start..=at).into_iter().collect(),
            };
            stack.push((start, all));
        }
        let mut all = stack.pop().map(|(_, all)| all).unwrap_or_default();
        all.retain(|terms| !is_of_time(terms));
        all
    }
}

/// Whether a condition names columns, and columns of days alone.
fn is_of_time(terms: &[Term]) -> bool {
    let mut columns = terms.iter().filter_map(|term| match term {
        Term::Column(column) => Some(*column),
        _ => None,
    });
    columns.clone().next().is_some() && columns.all(says_when)
}

/// How many values a term takes.
fn operands(term: &Term) -> usize {
    match term {
        Term::Column(_) | Term::Aggregate(_) | Term::Text(_) => 0,
        Term::Number(_) | Term::Date(_) | Term::Parameter(..) => 0,
        Term::Not | Term::IsNull | Term::Like(_) => 1,
        Term::Compare(_) | Term::And | Term::Or => 2,
        Term::Add | Term::Subtract | Term::Multiply | Term::Divide => 2,
        Term::Between => 3,
        Term::In(count) => usize::from(*count).saturating_add(1),
    }
}

/// Of which columns the days are looked for.
type Wanted<'a> = &'a dyn Fn(Column) -> bool;

impl Expr {
    /// The days of the rows that meet this condition, where it names some of these columns.
    fn within(&self, wanted: Wanted<'_>) -> Within {
        let mut stack: Vec<Found> = Vec::new();
        for term in self.terms() {
            let next = step(term, &mut stack, wanted);
            stack.push(next);
        }
        stack.pop().map(condition).unwrap_or_default()
    }
}

fn step(term: &Term, stack: &mut Vec<Found>, wanted: Wanted<'_>) -> Found {
    let mut pop = || stack.pop().unwrap_or(Found::Other);
    let compared = |compare, left, right| compared(compare, left, right, wanted);
    match term {
        Term::Column(column) => Found::Column(*column),
        Term::Date(day) => Found::Day(*day),
        Term::Aggregate(_) | Term::Text(_) | Term::Number(_) | Term::Parameter(..) => Found::Other,
        Term::Compare(compare) => {
            let (right, left) = (pop(), pop());
            Found::Condition(compared(*compare, left, right).and(compared(turned(*compare), right, left)))
        }
        Term::Between => {
            let (high, low, value) = (pop(), pop(), pop());
            let least = compared(Compare::GreaterOrEqual, value, low);
            Found::Condition(least.and(compared(Compare::LessOrEqual, value, high)))
        }
        Term::In(count) => {
            let listed: Vec<Found> = (0..*count).map(|_| pop()).collect();
            let value = pop();
            let days = listed.into_iter().map(|one| compared(Compare::Equal, value, one));
            Found::Condition(days.reduce(Within::or).unwrap_or_default())
        }
        Term::And => Found::Condition(condition(pop()).and(condition(pop()))),
        Term::Or => Found::Condition(condition(pop()).or(condition(pop()))),
        Term::Not | Term::IsNull | Term::Like(_) => {
            pop();
            Found::Condition(Within::default())
        }
        Term::Add | Term::Subtract | Term::Multiply | Term::Divide => {
            pop();
            pop();
            Found::Other
        }
    }
}

fn condition(found: Found) -> Within {
    match found {
        Found::Condition(within) => within,
        _ => Within::default(),
    }
}

/// The days of a column of which this holds.
fn compared(compare: Compare, left: Found, right: Found, wanted: Wanted<'_>) -> Within {
    let (Found::Column(column), Found::Day(day)) = (left, right) else { return Within::default() };
    if !wanted(column) {
        return Within::default();
    }
    match compare {
        Compare::Less => Within { first: None, last: day.plus_days(-1) },
        Compare::LessOrEqual => Within { first: None, last: last_of(column, day) },
        Compare::Equal => Within { first: Some(day), last: last_of(column, day) },
        Compare::Greater | Compare::GreaterOrEqual => Within { first: Some(day), last: None },
        Compare::NotEqual => Within::default(),
    }
}

/// The comparison with its sides changed.
fn turned(compare: Compare) -> Compare {
    match compare {
        Compare::Less => Compare::Greater,
        Compare::LessOrEqual => Compare::GreaterOrEqual,
        Compare::Greater => Compare::Less,
        Compare::GreaterOrEqual => Compare::LessOrEqual,
        same => same,
    }
}

/// The last day that a value of this column stands for: a period is a month by its first day.
fn last_of(column: Column, day: Date) -> Option<Date> {
    if column == Column::Period { day.plus_months(1)?.plus_days(-1) } else { Some(day) }
}

/// The columns that say when a row came about.
const TIMES: [Column; 7] =
    [Column::Period, Column::Ordered, Column::Delivered, Column::At, Column::From, Column::To, Column::Start];

fn says_when(column: Column) -> bool {
    TIMES.contains(&column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(dataset: &str, rest: &str) -> Option<String> {
        let text = format!(
            "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
             dataset = \"{dataset}\"\n{rest}\n[[measure]]\nname = \"n\"\nrows = true\nmax = 9\n"
        );
        let query = Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap();
        query.ends().map(|day| day.to_string())
    }

    fn of(filter: &str) -> Option<String> {
        ends("use", &format!("[population]\nwhere = \"{filter}\""))
    }

    #[test]
    fn filters_are_alike_but_for_time() {
        let read = |filter: &str| {
            let population = if filter.is_empty() {
                String::new()
            } else {
                format!("[population]\nwhere = \"{filter}\"\n")
            };
            let text = format!(
                "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
                 dataset = \"use\"\n{population}[[measure]]\nname = \"n\"\nrows = true\nmax = 9\n"
            );
            Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap()
        };
        for (one, other, alike) in [
            ("period = '2026-03-01'", "period in ('2026-03-01', '2026-04-01')", true),
            ("period = '2026-03-01'", "", true),
            ("code = 'a' and period < '2026-03-01'", "period >= '2026-01-01' and code = 'a'", true),
            ("code = 'a' and quantity > 1", "quantity > 1 and code = 'a'", true),
            ("code = 'a' and period < '2026-03-01'", "period < '2026-03-01'", false),
            ("code = 'a'", "code = 'b'", false),
            ("code = 'a' or period < '2026-03-01'", "period < '2026-03-01'", false),
            ("not (code = 'a' and quantity > 1)", "code = 'a' and quantity > 1", false),
            ("code in ('a', 'b')", "code in ('a', 'b', 'c')", false),
        ] {
            let (own, theirs) = (read(one), read(other));
            let judged = own.population().is_alike_but_for_time(theirs.population());
            assert_eq!(judged, alike, "{one} and {other}");
            assert_eq!(theirs.population().is_alike_but_for_time(own.population()), alike);
        }
    }

    #[test]
    fn a_filter_says_when_its_rows_end() {
        for (filter, day) in [
            ("period < '2026-11-01'", Some("2026-10-31")),
            ("period <= '2026-11-01'", Some("2026-11-30")),
            ("'2026-11-01' > period", Some("2026-10-31")),
            ("period between '2026-01-01' and '2026-02-01'", Some("2026-02-28")),
            ("period in ('2026-03-01', '2026-01-01')", Some("2026-03-31")),
            ("period >= '2026-01-01'", None),
            ("period <> '2026-01-01'", None),
            ("period >= '2026-01-01' and period < '2026-03-01'", Some("2026-02-28")),
            ("period < '2026-03-01' or period < '2026-02-01'", Some("2026-02-28")),
            ("period < '2026-03-01' or code = 'a'", None),
            ("not period < '2026-03-01'", None),
            ("code = 'a'", None),
        ] {
            assert_eq!(of(filter).as_deref(), day, "{filter}");
        }
    }

    #[test]
    fn what_lies_ahead_of_a_row_does_not_say_when_it_came_about() {
        assert_eq!(ends("stock", "[population]\nwhere = \"expiry < '2026-03-01'\""), None);
        assert_eq!(ends("orders", "[population]\nwhere = \"eta < '2026-03-01'\""), None);
        let ordered = ends("orders", "[population]\nwhere = \"ordered < '2026-03-01'\"");
        assert_eq!(ordered.as_deref(), Some("2026-02-28"));
    }

    #[test]
    fn one_figure_of_a_time_that_is_over_is_enough() {
        let cells = "[[dimension]]\ncolumn = \"period\"\ncodes = [\"2026-10-01\", \"2026-11-01\"]\n";
        assert_eq!(ends("use", cells).as_deref(), Some("2026-10-31"));
        let measure = "[[measure]]\nname = \"m\"\nrows = true\nmax = 9\nwhere = \"period < '2026-03-01'\"\n";
        assert_eq!(ends("use", measure).as_deref(), Some("2026-02-28"));
    }
}
