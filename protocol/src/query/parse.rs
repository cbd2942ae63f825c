//! The tokens of an expression -> its terms.
//!
//! Owns the grammar: arithmetic, comparisons, `in`, `between`, `is null`, `like`, `and`, `or`, `not`,
//! parentheses. Types are checked afterwards, by `expr.rs`; here a quoted text becomes a date only where it
//! meets a date.

use super::dataset::{Column, ColumnType, Dataset};
use super::decimal::{Date, Decimal};
use super::error::{Code, QueryError, nearest};
use super::expr::{Aggregate, Compare, Expr, MAX_TEXT, Scope, Term, too_long};
use super::gauge::Gauge;
use super::lex::{Token, lex};
use super::parameter::{Parameter, ParameterType};
use crate::codec::Text;

const MAX_SOURCE: usize = 65_536;
const MAX_PARENTHESES: u32 = 64;
const FUNCTIONS: [&str; 4] = ["sum", "min", "max", "count"];

/// Reads the condition `source` over `scope`.
///
/// # Errors
/// The place (counted in letters), what stands there, what was expected.
pub(super) fn condition(source: &str, scope: Scope, names: &[Parameter]) -> Result<Expr, QueryError> {
    let mut parser = Parser::new(source, scope, names)?;
    parser.any_of()?;
    parser.at_end("the end, `and` or `or`")?;
    Expr::new(parser.terms, scope)
}

/// Reads the number expression `source` over `scope`, and what it counts.
///
/// # Errors
/// As [`condition`].
pub(super) fn number(source: &str, scope: Scope, names: &[Parameter]) -> Result<(Expr, Gauge), QueryError> {
    let mut parser = Parser::new(source, scope, names)?;
    parser.sum()?;
    parser.at_end("the end, or one of + - * /")?;
    Expr::number(parser.terms, scope)
}

/// What was read: where its terms begin, and what they make.
#[derive(Clone, Copy)]
struct Part {
    from: usize,
    makes: Makes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Makes {
    Condition,
    Date,
    Literal,
    Other,
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    terms: Vec<Term>,
    scope: Scope,
    parameters: &'a [Parameter],
    open: u32,
    /// The place behind the last letter.
    end: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &str, scope: Scope, parameters: &'a [Parameter]) -> Result<Parser<'a>, QueryError> {
        if source.len() > MAX_SOURCE {
            return Err(QueryError::new(
                Code::Limit,
                format!("an expression of {} bytes", source.len()),
                format!("at most {MAX_SOURCE}"),
            ));
        }
        let end = source.chars().count().saturating_add(1);
        Ok(Parser { tokens: lex(source)?, next: 0, terms: Vec::new(), scope, parameters, open: 0, end })
    }

    fn at_end(&self, expected: &str) -> Result<(), QueryError> {
        self.peek().map_or(Ok(()), |(at, token)| Err(found(*at, token, expected)))
    }

    /// What was read from `from` on.
    fn part(&self, from: usize, makes: Makes) -> Part {
        Part { from, makes }
    }

    fn push(&mut self, term: Term, makes: Makes) -> Part {
        let from = self.terms.len();
        self.terms.push(term);
        self.part(from, makes)
    }

    fn peek(&self) -> Option<&(usize, Token)> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<(usize, Token)> {
        let token = self.tokens.get(self.next).cloned();
        self.next = self.next.saturating_add(1);
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = matches!(self.peek(), Some((_, Token::Word(found))) if found.eq_ignore_ascii_case(word));
        if there {
            self.next = self.next.saturating_add(1);
        }
        there
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let there = matches!(self.peek(), Some((_, Token::Symbol(found))) if *found == symbol);
        if there {
            self.next = self.next.saturating_add(1);
        }
        there
    }

    fn need_symbol(&mut self, symbol: &'static str) -> Result<(), QueryError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.here(&format!("`{symbol}`"))) }
    }

    /// The error that something else was expected at the next token.
    fn here(&self, expected: &str) -> QueryError {
        match self.peek() {
            Some((at, token)) => found(*at, token, expected),
            None => QueryError::new(Code::Syntax, "the expression ends too early", expected).letter(self.end),
        }
    }

    fn any_of(&mut self) -> Result<Part, QueryError> {
        let mut part = self.all_of()?;
        while self.take_word("or") {
            self.all_of()?;
            self.terms.push(Term::Or);
            part.makes = Makes::Condition;
        }
        Ok(part)
    }

    fn all_of(&mut self) -> Result<Part, QueryError> {
        let mut part = self.negatable()?;
        while self.take_word("and") {
            self.negatable()?;
            self.terms.push(Term::And);
            part.makes = Makes::Condition;
        }
        Ok(part)
    }

    fn negatable(&mut self) -> Result<Part, QueryError> {
        let mut negations = 0_u32;
        while self.take_word("not") {
            negations = negations.saturating_add(1);
        }
        let mut part = self.judged()?;
        for _ in 0..negations {
            self.terms.push(Term::Not);
            part.makes = Makes::Condition;
        }
        Ok(part)
    }

    /// A comparison, or a condition in parentheses; inside parentheses also a bare value.
    fn judged(&mut self) -> Result<Part, QueryError> {
        let left = self.sum()?;
        if left.makes == Makes::Condition || self.open > 0 && self.closes() {
            return Ok(left);
        }
        let negated = self.take_word("not");
        let operator = if self.take_word("in") {
            self.list_after(left)?
        } else if self.take_word("between") {
            let low = self.sum()?;
            if !self.take_word("and") {
                return Err(self.here("`and` and the higher end of `between`"));
            }
            let high = self.sum()?;
            self.dates_where_dates_are(&[left, low, high])?;
            Term::Between
        } else if self.take_word("like") {
            Term::Like(self.prefix()?)
        } else if negated {
            return Err(self.here("`in`, `between` or `like` after `not`"));
        } else if self.take_word("is") {
            return self.null_after(left);
        } else {
            let compare = self.compare_sign()?;
            let right = self.sum()?;
            self.dates_where_dates_are(&[left, right])?;
            Term::Compare(compare)
        };
        self.terms.push(operator);
        if negated {
            self.terms.push(Term::Not);
        }
        Ok(self.part(left.from, Makes::Condition))
    }

    fn closes(&self) -> bool {
        matches!(self.peek(), Some((_, Token::Symbol(")"))))
    }

    fn null_after(&mut self, left: Part) -> Result<Part, QueryError> {
        let negated = self.take_word("not");
        if !self.take_word("null") {
            return Err(self.here("`null`"));
        }
        self.terms.push(Term::IsNull);
        if negated {
            self.terms.push(Term::Not);
        }
        Ok(self.part(left.from, Makes::Condition))
    }

    /// The text after `like`: letters, then one `%` at their end.
    fn prefix(&mut self) -> Result<Text<MAX_TEXT>, QueryError> {
        let expected = "the first letters and then %, such as like 'N05%'";
        let Some((at, Token::Quoted(text))) = self.peek().cloned() else { return Err(self.here(expected)) };
        self.next = self.next.saturating_add(1);
        match text.strip_suffix('%') {
            Some(start) if !start.is_empty() && !start.contains(['%', '_']) => short(start.to_owned(), at),
            _ => {
                let problem = format!("the pattern '{text}' at letter {at}");
                Err(QueryError::new(Code::Syntax, problem, expected).letter(at))
            }
        }
    }

    fn list_after(&mut self, left: Part) -> Result<Term, QueryError> {
        let mut parts = vec![left];
        self.need_symbol("(")?;
        loop {
            let item = self.sum()?;
            if item.makes != Makes::Literal {
                return Err(QueryError::new(
                    Code::Type,
                    "a column in the list after `in`",
                    "literals, such as in ('a', 'b')",
                ));
            }
            parts.push(item);
            if !self.take_symbol(",") {
                break;
            }
        }
        self.need_symbol(")")?;
        self.dates_where_dates_are(&parts)?;
        let count = parts.len().saturating_sub(1);
        let count = u16::try_from(count).map_err(|_| too_long(count))?;
        Ok(Term::In(count))
    }

    fn compare_sign(&mut self) -> Result<Compare, QueryError> {
        let sign = match self.peek() {
            Some((_, Token::Symbol("="))) => Compare::Equal,
            Some((_, Token::Symbol("!=" | "<>"))) => Compare::NotEqual,
            Some((_, Token::Symbol("<"))) => Compare::Less,
            Some((_, Token::Symbol("<="))) => Compare::LessOrEqual,
            Some((_, Token::Symbol(">"))) => Compare::Greater,
            Some((_, Token::Symbol(">="))) => Compare::GreaterOrEqual,
            _ => return Err(self.here("one of = <> < <= > >=, `in`, `between`, `like` or `is null`")),
        };
        self.next = self.next.saturating_add(1);
        Ok(sign)
    }

    fn sum(&mut self) -> Result<Part, QueryError> {
        let mut part = self.product()?;
        loop {
            let term = match self.peek() {
                Some((_, Token::Symbol("+"))) => Term::Add,
                Some((_, Token::Symbol("-"))) => Term::Subtract,
                _ => return Ok(part),
            };
            self.next = self.next.saturating_add(1);
            let right = self.product()?;
            self.dates_where_dates_are(&[part, right])?;
            self.terms.push(term);
            part.makes = both(part, right);
        }
    }

    fn product(&mut self) -> Result<Part, QueryError> {
        let mut part = self.factor()?;
        loop {
            let term = match self.peek() {
                Some((_, Token::Symbol("*"))) => Term::Multiply,
                Some((_, Token::Symbol("/"))) => Term::Divide,
                _ => return Ok(part),
            };
            self.next = self.next.saturating_add(1);
            let right = self.factor()?;
            self.terms.push(term);
            part.makes = both(part, right);
        }
    }

    fn factor(&mut self) -> Result<Part, QueryError> {
        match self.take() {
            Some((_, Token::Symbol("("))) => self.parenthesis(),
            Some((at, Token::Word(word))) => {
                let term = self.named(&word).map_err(|error| error.letter(at))?;
                let makes = match term {
                    Term::Parameter(_, ParameterType::Number | ParameterType::Text) => Makes::Literal,
                    _ if is_date(&term) => Makes::Date,
                    _ => Makes::Other,
                };
                Ok(self.push(term, makes))
            }
            Some((at, Token::Quoted(text))) => {
                let text = short(text, at)?;
                Ok(self.push(Term::Text(text), Makes::Literal))
            }
            Some((_, Token::Number(number))) => Ok(self.push(Term::Number(number), Makes::Literal)),
            Some((_, Token::Symbol("-"))) => match self.take() {
                Some((_, Token::Number(number))) => {
                    let number = negative(number)?;
                    Ok(self.push(Term::Number(number), Makes::Literal))
                }
                Some((at, token)) => Err(found(at, &token, "a number after the minus sign, or 0 - column")),
                None => Err(self.here("a number after the minus sign")),
            },
            Some((at, token)) => Err(found(at, &token, "a column or a literal")),
            None => Err(self.here("a column or a literal")),
        }
    }

    fn parenthesis(&mut self) -> Result<Part, QueryError> {
        self.open = self.open.saturating_add(1);
        if self.open > MAX_PARENTHESES {
            return Err(QueryError::new(
                Code::Limit,
                "too many parentheses in each other",
                format!("at most {MAX_PARENTHESES}"),
            ));
        }
        let part = self.any_of()?;
        self.need_symbol(")")?;
        self.open = self.open.saturating_sub(1);
        Ok(part)
    }

    /// Makes a date of each quoted text that meets a date.
    fn dates_where_dates_are(&mut self, parts: &[Part]) -> Result<(), QueryError> {
        if !parts.iter().any(|part| part.makes == Makes::Date) {
            return Ok(());
        }
        let literals = parts.iter().filter(|part| part.makes == Makes::Literal);
        for place in literals.map(|part| part.from) {
            if let Some(term) = self.terms.get_mut(place)
                && let Term::Text(text) = term
            {
                *term = Term::Date(Date::parse(text).ok_or_else(|| not_a_date(text))?);
            }
        }
        Ok(())
    }

    fn named(&mut self, word: &str) -> Result<Term, QueryError> {
        let (Scope::Rows(dataset) | Scope::Cell(dataset)) = self.scope;
        if self.take_symbol("(") {
            return self.function(word, dataset);
        }
        if let Some(place) = self.parameters.iter().position(|parameter| parameter.name() == word)
            && let (Some(parameter), Ok(place)) = (self.parameters.get(place), u8::try_from(place))
        {
            return Ok(Term::Parameter(place, parameter.kind()));
        }
        dataset.column(word).map(Term::Column).map_err(|unknown| {
            let names = self.parameters.iter().map(Parameter::name);
            // A parameter may be nearer than any column.
            match nearest(word, names) {
                Some(near) => unknown.advice(format!("did you mean the parameter `{near}`?")),
                None => unknown,
            }
        })
    }

    fn function(&mut self, name: &str, dataset: Dataset) -> Result<Term, QueryError> {
        let make: fn(Column) -> Aggregate = match name {
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "count" => {
                self.need_symbol("*")?;
                self.need_symbol(")")?;
                return Ok(Term::Aggregate(Aggregate::Count));
            }
            _ => return Err(QueryError::unknown("function", name, FUNCTIONS)),
        };
        let Some((at, Token::Word(column))) = self.peek().cloned() else {
            return Err(self.here("the name of a column"));
        };
        self.next = self.next.saturating_add(1);
        let column = dataset.column(&column).map_err(|error| error.letter(at))?;
        self.need_symbol(")")?;
        Ok(Term::Aggregate(make(column)))
    }
}

/// What arithmetic makes of two parts; dates go in, but none comes out.
fn both(left: Part, right: Part) -> Makes {
    let literal = (left.makes, right.makes) == (Makes::Literal, Makes::Literal);
    if literal { Makes::Literal } else { Makes::Other }
}

fn is_date(term: &Term) -> bool {
    match term {
        Term::Parameter(_, kind) => *kind == ParameterType::Date,
        Term::Column(column) | Term::Aggregate(Aggregate::Min(column) | Aggregate::Max(column)) => {
            column.column_type() == ColumnType::Date
        }
        _ => false,
    }
}

fn short(text: String, at: usize) -> Result<Text<MAX_TEXT>, QueryError> {
    Text::new(text).map_err(|_| {
        QueryError::new(Code::Limit, format!("the text at letter {at} is too long"), "at most 64 bytes")
            .letter(at)
    })
}

fn negative(number: Decimal) -> Result<Decimal, QueryError> {
    let (mantissa, scale) = number.into();
    mantissa.checked_neg().and_then(|mantissa| Decimal::new(mantissa, scale)).ok_or_else(|| {
        QueryError::new(Code::Limit, format!("the number -{number} is too large"), "at most 25 digits")
    })
}

pub(super) fn not_a_date(text: &str) -> QueryError {
    QueryError::new(
        Code::Type,
        format!("`{text}` is not a date"),
        "a day of the calendar as 'YYYY-MM-DD', such as '2025-12-31'",
    )
}

fn found(at: usize, token: &Token, expected: &str) -> QueryError {
    let text = match token {
        Token::Word(word) => word.clone(),
        Token::Quoted(text) => format!("'{text}'"),
        Token::Number(number) => number.to_string(),
        Token::Symbol(symbol) => (*symbol).to_owned(),
    };
    let error = QueryError::new(Code::Syntax, format!("`{text}` at letter {at}"), expected).letter(at);
    if text == "==" { error.advice("write a single =") } else { error }
}
