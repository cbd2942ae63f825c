//! What is wrong with a query: what, where, what was expected, what to do.
//!
//! Owns the error type and the nearest-name search. It must not know the language itself.

use core::fmt;

/// Kinds of things that can be wrong with a query, as stable names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Not TOML, or an expression that cannot be read.
    Syntax,
    /// A key, column, function, unit or code nobody knows.
    Unknown,
    /// Part of the language, but not of this version of the program.
    NotYet,
    /// A key that must be there is not.
    Missing,
    /// A value of another type than its place wants.
    Type,
    /// A value outside its limits.
    Limit,
    /// The same name or code twice.
    Duplicate,
    /// Parts that contradict each other.
    Conflict,
    /// Bytes that are not the canonical form of a query.
    Malformed,
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct QueryError {
    /// Line in the query's text; `None` when it came in canonical form.
    pub line: Option<u32>,
    /// Column in that line, from 1; `None` when only the line is known.
    pub column: Option<u32>,
    /// The key, such as `measure 1.range`; empty for the document as a whole.
    pub place: Box<str>,
    /// The kind.
    pub code: Code,
    /// What is wrong.
    pub problem: String,
    /// What was expected.
    pub expected: String,
    /// What to do; empty when `expected` says it all.
    pub do_this: Box<str>,
    /// Where the value begins that is wrong, in bytes of the text.
    pub(super) start: Option<u32>,
    /// Where in the value, if it is an expression: counted in letters from 1.
    pub(super) letter: Option<u32>,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        if let Some(column) = self.column {
            write!(f, "column {column}, ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}; expected {}", self.problem, self.expected)?;
        if !self.do_this.is_empty() {
            write!(f, "; {}", self.do_this)?;
        }
        Ok(())
    }
}

impl QueryError {
    pub(super) fn new(code: Code, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        QueryError {
            line: None,
            column: None,
            place: Box::default(),
            code,
            problem: problem.into(),
            expected: expected.into(),
            do_this: Box::default(),
            start: None,
            letter: None,
        }
    }

    /// A name nobody knows, with the nearest of `known`.
    pub(super) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let error = QueryError::new(
            Code::Unknown,
            format!("unknown {what} `{name}`"),
            format!("one of {}", known.join(", ")),
        );
        match nearest(name, known.iter().copied()) {
            Some(near) => error.advice(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    pub(super) fn advice(mut self, do_this: impl Into<String>) -> Self {
        self.do_this = do_this.into().into_boxed_str();
        self
    }

    /// The same error at `place`; a place closer to the fault is kept.
    pub(super) fn at(mut self, place: impl Into<String>) -> Self {
        if self.place.is_empty() {
            self.place = place.into().into_boxed_str();
        }
        self
    }

    /// The same error at this letter of an expression, unless it has one.
    pub(super) fn letter(mut self, at: usize) -> Self {
        self.letter = self.letter.or(u32::try_from(at).ok());
        self
    }

    /// The same error in the value that begins here, unless it has one.
    pub(super) fn within(mut self, start: usize) -> Self {
        self.start = self.start.or(u32::try_from(start).ok());
        self
    }

    /// The same error on `line`, unless it has one.
    pub(super) fn on(mut self, line: Option<u32>) -> Self {
        self.line = self.line.or(line);
        self
    }
}

/// The name of `known` that a reader most likely meant; `None` when none is near.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = name.chars().count().div_ceil(3).max(2);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= far && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
