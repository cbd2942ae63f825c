//! The hospital's file of one SELECT: read, and anything else refused with line and column.
//!
//! Owns what may stand in such a file: one statement that reads. Whether it writes all the same, by a function
//! that it calls, no parser can see; that is the session's and the role's. It must not change the text: what
//! was looked at is what is run.

use super::Fault;
use crate::extract::error::ExtractError;
use sqlparser::ast::{Query, Select as SelectBody, SetExpr, Statement, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const MOST_BYTES: u64 = 64 * 1024;
/// A chain of operators is as deep a tree as it is long.
const STACK: usize = 256 << 20;
/// How deep brackets may stand in each other.
const DEPTH: usize = 100;

/// A text that is one SELECT, as far as that can be seen.
pub(super) struct Select {
    path: PathBuf,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mssql")),
        expect(dead_code, reason = "only a build with a database runs it")
    )]
    text: String,
}

/// Line and column, from 1.
type Place = (u64, u64);

/// Why a text is not one SELECT.
#[derive(Debug, PartialEq, Eq)]
struct Unfit {
    place: Option<Place>,
    what: String,
    todo: &'static str,
}

impl Select {
    /// Reads the file and looks at it.
    pub(super) fn read(path: &Path) -> Result<Select, ExtractError> {
        let failed = |source| ExtractError::Io { path: path.to_owned(), doing: "opening the SELECT", source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        let unfit = |what: &str, todo: &str| Err(Fault::new(path, what, todo).into());
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
            return unfit("longer than 64 KiB", "make a view of it in the database, and select from that");
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return unfit("no UTF-8 text", "save it as UTF-8");
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let judged = std::thread::scope(|scope| {
            let judging = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || judge(text));
            let ended = judging.map_err(failed)?.join();
            ended.map_err(|_| failed(io::Error::other("the parser ended")))
        })?;
        match judged {
            Ok(text) => Ok(Select { path: path.to_owned(), text: text.to_owned() }),
            Err(Unfit { place, what, todo }) => Err(Fault::new(path, what, todo).at(place).into()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(any(feature = "postgres", feature = "mssql"))]
impl Select {
    /// Without the semicolon at its end.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a character, from 1.
    #[cfg(feature = "postgres")]
    pub(super) fn place(&self, character: u32) -> Option<Place> {
        let before = usize::try_from(character).ok()?.checked_sub(1)?;
        let step = |(line, column), c| if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        Some(self.text.chars().take(before).fold((1, 1), step))
    }
}

const ONE_SELECT: &str =
    "write one SELECT and nothing else; what does not go into one goes into a view in the database";

/// The text without a semicolon at its end, if it is one SELECT.
fn judge(text: &str) -> Result<&str, Unfit> {
    if text.contains('\0') {
        return Err(Unfit { place: None, what: "a NUL character".to_owned(), todo: "save it as UTF-8 text" });
    }
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| Unfit {
        place: Some((error.location.line, error.location.column)),
        what: format!("no SQL: {}", error.message),
        todo: "correct this place",
    })?;
    let said = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
    let tokens: Vec<TokenWithSpan> = tokens.iter().filter(said).cloned().collect();
    let end = tokens.iter().position(|token| token.token == Token::SemiColon).unwrap_or(tokens.len());
    let (statement, rest) = tokens.split_at_checked(end).unwrap_or_default();
    if let Some(second) = rest.iter().find(|token| token.token != Token::SemiColon) {
        return Err(unfit(Some(second), "a second statement"));
    }
    let Some(first) = statement.first() else {
        return Err(Unfit {
            place: None,
            what: "nothing in it; one SELECT expected".to_owned(),
            todo: ONE_SELECT,
        });
    };
    // Told before the parser's word for it: a parser that does not know a statement says something else.
    if !matches!(&first.token, Token::LParen) && keyword(first).is_none_or(|word| !BEGINS.contains(&word)) {
        return Err(unfit(Some(first), &format!("`{}` where SELECT or WITH is expected", first.token)));
    }
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(DEPTH).with_tokens_with_locations(statement.to_vec());
    let parsed = parser.parse_statement().map_err(|error| not_read(&error))?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        return Err(unfit(Some(&left), &format!("`{}` behind the SELECT", left.token)));
    }
    let ControlFlow::Break(wrong) = parsed.visit(&mut Look) else {
        return match &parsed {
            Statement::Query(query) if is_select(&query.body) => Ok(before(text, rest.first())),
            _ => Err(unfit(Some(first), "no SELECT")),
        };
    };
    Err(wrong.told(statement))
}

const BEGINS: [Keyword; 2] = [Keyword::SELECT, Keyword::WITH];

fn is_select(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) => true,
        SetExpr::Query(query) => is_select(&query.body),
        SetExpr::SetOperation { left, right, .. } => is_select(left) && is_select(right),
        _ => false,
    }
}

/// What is looked for in all of a statement, at whatever depth.
struct Look;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Into,
    Locks,
    Writes,
    Parameter,
}

impl Visitor for Look {
    type Break = Wrong;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Wrong> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Wrong::Writes),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Wrong> {
        if query.locks.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(Wrong::Locks) }
    }

    fn pre_visit_select(&mut self, select: &SelectBody) -> ControlFlow<Wrong> {
        if select.into.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(Wrong::Into) }
    }

    fn pre_visit_value(&mut self, value: &sqlparser::ast::ValueWithSpan) -> ControlFlow<Wrong> {
        match value.value {
            sqlparser::ast::Value::Placeholder(_) => ControlFlow::Break(Wrong::Parameter),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Wrong {
    /// The tree says that it is wrong, the words say where.
    fn told(self, statement: &[TokenWithSpan]) -> Unfit {
        use Keyword::{DELETE, FOR, INSERT, INTO, KEY, MERGE, NO, SHARE, UPDATE};
        let (words, behind, what): (&[Keyword], &[Keyword], &str) = match self {
            Wrong::Into => (&[INTO], &[], "INTO, which makes a table"),
            Wrong::Locks => (&[FOR], &[UPDATE, SHARE, NO, KEY], "FOR UPDATE or FOR SHARE, which locks rows"),
            Wrong::Writes => (&[INSERT, UPDATE, DELETE, MERGE], &[], "a statement that writes"),
            Wrong::Parameter => (&[], &[], "a parameter ($1), which nobody fills in"),
        };
        let is = |token: &TokenWithSpan, words: &[Keyword]| {
            keyword(token).is_some_and(|word| words.contains(&word))
        };
        let mut places = statement.iter().enumerate().filter(|(at, token)| match self {
            Wrong::Parameter => matches!(token.token, Token::Placeholder(_)),
            _ => {
                let next = || statement.get(at + 1).is_some_and(|next| is(next, behind));
                let before = at.checked_sub(1).and_then(|before| statement.get(before));
                // Where it is no name: a statement stands in brackets, or behind those of WITH.
                let begins =
                    || before.is_none_or(|before| matches!(before.token, Token::LParen | Token::RParen));
                is(token, words) && (behind.is_empty() || next()) && (self != Wrong::Writes || begins())
            }
        });
        unfit(places.next().map(|(_, token)| token), what)
    }
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn unfit(token: Option<&TokenWithSpan>, what: &str) -> Unfit {
    let place = token.map(|token| (token.span.start.line, token.span.start.column));
    Unfit { place, what: what.to_owned(), todo: ONE_SELECT }
}

/// The parser's own word for it, with the place that it puts at the end.
fn not_read(error: &ParserError) -> Unfit {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "brackets too deep in each other",
    };
    let (what, place) = match text.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, place.split_once(", Column: ")),
        None => (text, None),
    };
    let place = place.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    Unfit {
        place,
        what: format!("no SELECT that can be read: {what}"),
        todo: "correct this place, or make a view of it in the database and select from that",
    }
}

/// The text before a token.
fn before<'a>(text: &'a str, token: Option<&TokenWithSpan>) -> &'a str {
    let Some(end) = token.map(|token| token.span.start) else { return text };
    let (mut line, mut column) = (1, 1);
    for (at, c) in text.char_indices() {
        if (line, column) == (end.line, end.column) {
            return text.get(..at).unwrap_or(text);
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    text
}

#[cfg(test)]
mod tests;
