//! Expressions in words; every operator has its own brackets, so that nothing depends on precedence.

use super::{Language, words};
use crate::query::expr::{Aggregate, Compare, Expr, Term};
use crate::query::parameter::Parameter;

/// A condition or a number.
pub(super) fn in_words(expr: &Expr, parameters: &[Parameter], language: Language) -> String {
    let mut stack: Vec<String> = Vec::new();
    for term in expr.terms() {
        let mut take = |count: usize| stack.split_off(stack.len().saturating_sub(count));
        let both = |parts: Vec<String>, word: &str| format!("({})", parts.join(&format!(" {word} ")));
        let text = match term {
            Term::Column(column) => words::column(*column, language).to_owned(),
            Term::Aggregate(aggregate) => figure(*aggregate, language),
            Term::Text(text) => format!("'{}'", &**text),
            Term::Number(number) => number.to_string(),
            Term::Date(date) => date.to_string(),
            Term::Parameter(place, _) => {
                parameters.get(usize::from(*place)).map_or_else(String::new, |one| one.name().to_owned())
            }
            Term::Compare(compare) => take(2).join(&format!(" {} ", comparison(*compare, language))),
            Term::Between => match (take(3).as_slice(), language) {
                ([value, low, high], Language::Dutch) => format!("{value} van {low} tot en met {high}"),
                ([value, low, high], Language::English) => {
                    format!("{value} from {low} up to and including {high}")
                }
                _ => String::new(),
            },
            Term::In(count) => {
                let parts = take(usize::from(*count).saturating_add(1));
                match parts.split_first() {
                    Some((value, list)) => {
                        format!("{value} {} {}", language.pick("een van", "one of"), list.join(", "))
                    }
                    None => String::new(),
                }
            }
            Term::Not => format!("{} ({})", language.pick("niet", "not"), take(1).join("")),
            Term::And => both(take(2), language.pick("en", "and")),
            Term::Or => both(take(2), language.pick("of", "or")),
            Term::Add => both(take(2), "+"),
            Term::Subtract => both(take(2), "-"),
            Term::Multiply => both(take(2), "x"),
            Term::Divide => both(take(2), language.pick("gedeeld door", "divided by")),
            Term::IsNull => format!("{} {}", take(1).join(""), language.pick("ontbreekt", "is absent")),
            Term::Like(start) => {
                format!("{} {} '{}'", take(1).join(""), language.pick("begint met", "begins with"), &**start)
            }
        };
        stack.push(text);
    }
    stack.join(" ")
}

fn comparison(compare: Compare, language: Language) -> &'static str {
    let (dutch, english) = match compare {
        Compare::Equal => ("is", "is"),
        Compare::NotEqual => ("is niet", "is not"),
        Compare::Less => ("kleiner dan", "less than"),
        Compare::LessOrEqual => ("hoogstens", "at most"),
        Compare::Greater => ("groter dan", "greater than"),
        Compare::GreaterOrEqual => ("ten minste", "at least"),
    };
    language.pick(dutch, english)
}

fn figure(aggregate: Aggregate, language: Language) -> String {
    let of = |dutch: &'static str, english: &'static str, column| {
        format!("{} {}", language.pick(dutch, english), words::column(column, language))
    };
    match aggregate {
        Aggregate::Count => language.pick("het aantal regels", "the number of rows").to_owned(),
        Aggregate::Sum(column) => of("de som van", "the sum of", column),
        Aggregate::Min(column) => of("het minimum van", "the minimum of", column),
        Aggregate::Max(column) => of("het maximum van", "the maximum of", column),
    }
}
