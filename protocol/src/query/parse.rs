//! The text of an expression -> its terms.
//!
//! Owns the lexer and the grammar (comparisons, `in`, `between`, `and`, `or`, `not`, parentheses).
//! Types are checked afterwards, by `expr.rs`; here a quoted text becomes a date only where a date is
//! compared.

use super::dataset::{Column, ColumnType, Dataset};
use super::decimal::{Date, Decimal};
use super::error::{Code, QueryError};
use super::expr::{Aggregate, Compare, Expr, MAX_TERMS, Scope, Term, too_long};
use crate::codec::Text;

const MAX_SOURCE: usize = 65_536;
const MAX_PARENTHESES: u32 = 64;
const FUNCTIONS: [&str; 4] = ["sum", "min", "max", "count"];
const LATER: [&str; 9] = ["is", "null", "like", "avg", "date", "days", "case", "exists", "patients"];
const SYMBOLS: [&str; 15] = ["!=", "<>", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "*", "-", "+", "/"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Number(Decimal),
    Symbol(&'static str),
}

/// Reads the condition `source` over `scope`.
///
/// # Errors
/// The place (counted in letters), what stands there, what was expected.
pub(super) fn condition(source: &str, scope: Scope) -> Result<Expr, QueryError> {
    if source.len() > MAX_SOURCE {
        return Err(QueryError::new(
            Code::Limit,
            format!("an expression of {} bytes", source.len()),
            format!("at most {MAX_SOURCE}"),
        ));
    }
    let tokens = lex(source)?;
    let mut parser = Parser { tokens, next: 0, terms: Vec::new(), scope, open: 0 };
    parser.any_of()?;
    if let Some((at, token)) = parser.peek() {
        return Err(found(*at, token, "the end, `and` or `or`"));
    }
    Expr::new(parser.terms, scope)
}

fn lex(source: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let at = letters(source, rest);
        if tokens.len() > MAX_TERMS.saturating_mul(2) {
            return Err(too_long(tokens.len()));
        }
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if first == '\'' {
            let (text, after) = quoted(rest, at)?;
            tokens.push((at, Token::Quoted(text)));
            rest = after;
        } else if first.is_ascii_digit() {
            let (text, after) = split_while(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
            let number = Decimal::parse(text).ok_or_else(|| {
                QueryError::new(
                    Code::Syntax,
                    format!("`{text}` at letter {at} is not a number"),
                    "digits with at most one point, such as 12.5; a code or date in single quotes",
                )
            })?;
            tokens.push((at, Token::Number(number)));
            rest = after;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (word, after) = split_while(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            tokens.push((at, Token::Word(word.to_owned())));
            rest = after;
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            tokens.push((at, Token::Symbol(symbol)));
            rest = rest.get(symbol.len()..).unwrap_or("");
        } else {
            let advice = if first == '"' { "put texts and dates in single quotes" } else { "" };
            let problem = format!("`{first}` at letter {at} means nothing here");
            return Err(
                QueryError::new(Code::Syntax, problem, "a column, a literal or an operator").advice(advice)
            );
        }
    }
    Ok(tokens)
}

/// The place of `rest` in `source`, counted in letters from 1.
fn letters(source: &str, rest: &str) -> usize {
    let before = source.len().saturating_sub(rest.len());
    source.get(..before).unwrap_or("").chars().count().saturating_add(1)
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// The text after an opening quote; a doubled quote stands for one.
fn quoted(source: &str, at: usize) -> Result<(String, &str), QueryError> {
    let mut text = String::new();
    let mut rest = source.get(1..).unwrap_or("");
    loop {
        let Some(end) = rest.find('\'') else {
            let problem = format!("the quote at letter {at} is not closed");
            return Err(QueryError::new(Code::Syntax, problem, "a closing single quote"));
        };
        text.push_str(rest.get(..end).unwrap_or(""));
        rest = rest.get(end.saturating_add(1)..).unwrap_or("");
        match rest.strip_prefix('\'') {
            Some(after) => {
                text.push('\'');
                rest = after;
            }
            None => return Ok((text, rest)),
        }
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    terms: Vec<Term>,
    scope: Scope,
    open: u32,
}

impl Parser {
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
            None => QueryError::new(Code::Syntax, "the expression ends too early", expected),
        }
    }

    fn any_of(&mut self) -> Result<(), QueryError> {
        self.all_of()?;
        while self.take_word("or") {
            self.all_of()?;
            self.terms.push(Term::Or);
        }
        Ok(())
    }

    fn all_of(&mut self) -> Result<(), QueryError> {
        self.negatable()?;
        while self.take_word("and") {
            self.negatable()?;
            self.terms.push(Term::And);
        }
        Ok(())
    }

    fn negatable(&mut self) -> Result<(), QueryError> {
        let mut negations = 0_u32;
        while self.take_word("not") {
            negations = negations.saturating_add(1);
        }
        if self.take_symbol("(") {
            self.open = self.open.saturating_add(1);
            if self.open > MAX_PARENTHESES {
                return Err(QueryError::new(
                    Code::Limit,
                    "too many parentheses in each other",
                    format!("at most {MAX_PARENTHESES}"),
                ));
            }
            self.any_of()?;
            self.need_symbol(")")?;
            self.open = self.open.saturating_sub(1);
        } else {
            self.comparison()?;
        }
        for _ in 0..negations {
            self.terms.push(Term::Not);
        }
        Ok(())
    }

    fn comparison(&mut self) -> Result<(), QueryError> {
        let left = self.operand()?;
        let negated = self.take_word("not");
        let (operands, operator) = if self.take_word("in") {
            self.list_after(left)?
        } else if self.take_word("between") {
            let low = self.operand()?;
            if !self.take_word("and") {
                return Err(self.here("`and` and the higher end of `between`"));
            }
            (vec![left, low, self.operand()?], Term::Between)
        } else if negated {
            return Err(self.here("`in` or `between` after `not`"));
        } else {
            let compare = self.compare_sign()?;
            (vec![left, self.operand()?], Term::Compare(compare))
        };
        self.terms.extend(dates_where_dates_are_compared(operands)?);
        self.terms.push(operator);
        if negated {
            self.terms.push(Term::Not);
        }
        Ok(())
    }

    fn list_after(&mut self, left: Term) -> Result<(Vec<Term>, Term), QueryError> {
        let mut operands = vec![left];
        self.need_symbol("(")?;
        loop {
            let item = self.operand()?;
            if matches!(item, Term::Column(_) | Term::Aggregate(_)) {
                return Err(QueryError::new(
                    Code::Type,
                    "a column in the list after `in`",
                    "literals, such as in ('a', 'b')",
                ));
            }
            operands.push(item);
            if !self.take_symbol(",") {
                break;
            }
        }
        self.need_symbol(")")?;
        let count = operands.len().saturating_sub(1);
        let count = u16::try_from(count).map_err(|_| too_long(count))?;
        Ok((operands, Term::In(count)))
    }

    fn compare_sign(&mut self) -> Result<Compare, QueryError> {
        let sign = match self.peek() {
            Some((_, Token::Symbol("="))) => Compare::Equal,
            Some((_, Token::Symbol("!=" | "<>"))) => Compare::NotEqual,
            Some((_, Token::Symbol("<"))) => Compare::Less,
            Some((_, Token::Symbol("<="))) => Compare::LessOrEqual,
            Some((_, Token::Symbol(">"))) => Compare::Greater,
            Some((_, Token::Symbol(">="))) => Compare::GreaterOrEqual,
            Some((_, Token::Symbol(sign @ ("+" | "-" | "*" | "/")))) => {
                return Err(QueryError::not_yet(format!("arithmetic (`{sign}`)"), "a plain comparison"));
            }
            Some((_, Token::Word(word))) if LATER.contains(&word.to_lowercase().as_str()) => {
                return Err(QueryError::not_yet(format!("`{word}`"), "a plain comparison"));
            }
            _ => return Err(self.here("one of = <> < <= > >=, `in` or `between`")),
        };
        self.next = self.next.saturating_add(1);
        Ok(sign)
    }

    fn operand(&mut self) -> Result<Term, QueryError> {
        let term = match self.take() {
            Some((_, Token::Word(word))) => self.named(&word)?,
            Some((at, Token::Quoted(text))) => Term::Text(Text::new(text).map_err(|_| {
                QueryError::new(
                    Code::Limit,
                    format!("the text at letter {at} is too long"),
                    "at most 64 bytes",
                )
            })?),
            Some((_, Token::Number(number))) => Term::Number(number),
            Some((_, Token::Symbol("-"))) => match self.take() {
                Some((_, Token::Number(number))) => Term::Number(negative(number)?),
                _ => return Err(QueryError::not_yet("arithmetic (`-`)", "a number after the minus sign")),
            },
            Some((at, token)) => return Err(found(at, &token, "a column or a literal")),
            None => return Err(self.here("a column or a literal")),
        };
        if let Some((_, Token::Symbol(sign @ ("+" | "-" | "*" | "/")))) = self.peek() {
            return Err(QueryError::not_yet(format!("arithmetic (`{sign}`)"), "a plain comparison"));
        }
        Ok(term)
    }

    fn named(&mut self, word: &str) -> Result<Term, QueryError> {
        let (Scope::Rows(dataset) | Scope::Cell(dataset)) = self.scope;
        if LATER.contains(&word.to_lowercase().as_str()) {
            return Err(QueryError::not_yet(format!("`{word}`"), "a column or a literal"));
        }
        if self.take_symbol("(") {
            return self.function(word, dataset);
        }
        Ok(Term::Column(dataset.column(word)?))
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
        let Some((_, Token::Word(column))) = self.peek().cloned() else {
            return Err(self.here("the name of a column"));
        };
        self.next = self.next.saturating_add(1);
        let column = dataset.column(&column)?;
        self.need_symbol(")")?;
        Ok(Term::Aggregate(make(column)))
    }
}

fn negative(number: Decimal) -> Result<Decimal, QueryError> {
    let (mantissa, scale) = number.into();
    mantissa.checked_neg().and_then(|mantissa| Decimal::new(mantissa, scale)).ok_or_else(|| {
        QueryError::new(Code::Limit, format!("the number -{number} is too large"), "at most 25 digits")
    })
}

fn dates_where_dates_are_compared(operands: Vec<Term>) -> Result<Vec<Term>, QueryError> {
    let is_date = |term: &Term| match term {
        Term::Column(column) | Term::Aggregate(Aggregate::Min(column) | Aggregate::Max(column)) => {
            column.column_type() == ColumnType::Date
        }
        _ => false,
    };
    if !operands.iter().any(is_date) {
        return Ok(operands);
    }
    let dated = |term| match term {
        Term::Text(text) => Date::parse(&text).map(Term::Date).ok_or_else(|| not_a_date(&text)),
        other => Ok(other),
    };
    operands.into_iter().map(dated).collect()
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
    let error = QueryError::new(Code::Syntax, format!("`{text}` at letter {at}"), expected);
    if text == "==" { error.advice("write a single =") } else { error }
}
