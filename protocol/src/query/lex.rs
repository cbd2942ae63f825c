//! The text of an expression -> its tokens.
//!
//! Owns numbers, quotes, words and signs, and the place of each. It must not know the grammar.

use super::decimal::Decimal;
use super::error::{Code, QueryError};
use super::expr::{MAX_TERMS, too_long};

const SYMBOLS: [&str; 15] = ["!=", "<>", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "*", "-", "+", "/"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Number(Decimal),
    Symbol(&'static str),
}

/// The tokens of `source`, each with its place counted in letters from 1.
///
/// # Errors
/// The place, what stands there, what was expected.
pub(super) fn lex(source: &str) -> Result<Vec<(usize, Token)>, QueryError> {
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
                .letter(at)
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
            let error = QueryError::new(Code::Syntax, problem, "a column, a literal or an operator");
            return Err(error.advice(advice).letter(at));
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
            return Err(QueryError::new(Code::Syntax, problem, "a closing single quote").letter(at));
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
