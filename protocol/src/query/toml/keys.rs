//! Tables and values of a TOML document with the lines they stand on.
//!
//! Owns the walk over `toml`'s own tree. It must not know which keys a query has.

use super::strings;
use crate::codec::Text;
use crate::query::decimal::Decimal;
use crate::query::error::{Code, QueryError};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The line on which each key that was asked for stands, and where its value begins.
pub(super) struct Lines {
    starts: Vec<usize>,
    places: BTreeMap<String, (u32, usize)>,
}

impl Lines {
    pub(super) fn new(source: &str) -> Lines {
        let starts =
            source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Lines { starts, places: BTreeMap::new() }
    }

    fn at(&self, offset: usize) -> u32 {
        let before = self.starts.partition_point(|newline| *newline < offset);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The line of `place`, or of the nearest place that holds it.
    pub(super) fn of_place(&self, place: &str) -> Option<u32> {
        self.places.get(place).map(|(line, _)| *line).or_else(|| {
            let (outer, _) = place.rsplit_once('.')?;
            self.of_place(outer)
        })
    }

    /// An error of a place, with its line and where its value begins.
    pub(super) fn told(&self, error: QueryError) -> QueryError {
        let line = self.of_place(&error.place);
        match self.places.get(&*error.place) {
            Some((_, start)) => error.on(line).within(*start),
            None => error.on(line),
        }
    }

    /// The error with line and column of what is wrong: in an expression of the word itself, else of the value, or the
    /// line of the key alone where the value begins on a later one.
    pub(super) fn located(&self, source: &str, mut error: QueryError) -> QueryError {
        let Some(start) = error.start.and_then(|start| usize::try_from(start).ok()) else { return error };
        let value = source.get(start..).unwrap_or("");
        let within = error.letter.and_then(|letter| strings::offset(value, usize::try_from(letter).ok()?));
        let at = start.saturating_add(within.unwrap_or(0));
        let line = self.at(at);
        if within.is_some() || error.line.is_none_or(|known| known == line) {
            let before = self.starts.partition_point(|newline| *newline < at);
            let newline = before.checked_sub(1).and_then(|place| self.starts.get(place));
            let begins = newline.map_or(0, |newline| newline.saturating_add(1));
            let letters = source.get(begins..at).unwrap_or("").chars().count();
            error.line = Some(line);
            error.column = u32::try_from(letters.saturating_add(1)).ok();
        }
        error
    }
}

/// A table and where it stands.
pub(super) struct Keys<'a> {
    pub(super) place: String,
    pub(super) line: u32,
    table: Table<'a>,
}

enum Table<'a> {
    Root(Box<DeTable<'a>>),
    Inner(&'a DeTable<'a>),
}

/// A value and where it stands.
pub(super) struct Item<'a> {
    place: String,
    line: u32,
    start: usize,
    value: &'a DeValue<'a>,
}

/// Reads the document.
pub(super) fn parse<'a>(source: &'a str, lines: &mut Lines) -> Result<Keys<'a>, QueryError> {
    let table = DeTable::parse(source).map_err(|error| {
        let told = QueryError::new(Code::Syntax, error.message().trim_end(), "a TOML document");
        match error.span() {
            Some(span) => told.on(Some(lines.at(span.start))).within(span.start),
            None => told,
        }
    })?;
    Ok(Keys { place: String::new(), line: 1, table: Table::Root(Box::new(table.into_inner())) })
}

impl<'a> Keys<'a> {
    fn table(&self) -> &DeTable<'a> {
        match &self.table {
            Table::Root(table) => table,
            Table::Inner(table) => table,
        }
    }

    fn name_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Refuses every key but the known ones; those of `later` are named as such.
    pub(super) fn only(&self, known: &[&str], later: &[&str], lines: &Lines) -> Result<(), QueryError> {
        let mut unknown: Vec<(usize, &str)> = self
            .table()
            .keys()
            .map(|key| (key.span().start, key.get_ref().as_ref()))
            .filter(|(_, key)| !known.contains(key))
            .collect();
        unknown.sort_unstable();
        let Some((at, key)) = unknown.first() else { return Ok(()) };
        let error = if later.contains(key) {
            QueryError::new(
                Code::NotYet,
                format!("`{key}` is not in this version, it comes later"),
                format!("one of {}", known.join(", ")),
            )
            .advice("leave it out, or wait for the version that has it")
        } else {
            QueryError::unknown("key", key, known.iter().copied())
        };
        Err(error.at(self.name_of(key)).on(Some(lines.at(*at))).within(*at))
    }

    /// The value of `key`, when it is there.
    pub(super) fn get(&self, key: &str, lines: &mut Lines) -> Option<Item<'_>> {
        let (found, value) = self.table().iter().find(|(found, _)| found.get_ref().as_ref() == key)?;
        let place = self.name_of(key);
        let line = lines.at(found.span().start);
        let start = value.span().start;
        lines.places.insert(place.clone(), (line, start));
        Some(Item { place, line, start, value: value.get_ref() })
    }

    /// The value of `key`, which must be there.
    pub(super) fn need(&self, key: &str, lines: &mut Lines) -> Result<Item<'_>, QueryError> {
        self.get(key, lines).ok_or_else(|| {
            let error =
                QueryError::new(Code::Missing, format!("`{key}` is missing"), format!("a key `{key}`"));
            error.at(self.name_of(key)).on(Some(self.line))
        })
    }

    /// The tables `[[key]]`, in their order; none when the key is not there.
    pub(super) fn tables(&self, key: &str, lines: &mut Lines) -> Result<Vec<Keys<'_>>, QueryError> {
        let Some(item) = self.get(key, lines) else { return Ok(Vec::new()) };
        let DeValue::Array(array) = item.value else {
            return Err(item.wrong(&format!("tables, each under [[{key}]]")));
        };
        let mut tables = Vec::new();
        for (entry, number) in array.iter().zip(1_u32..) {
            let place = format!("{key} {number}");
            let line = lines.at(entry.span().start);
            let start = entry.span().start;
            lines.places.insert(place.clone(), (line, start));
            let item = Item { place, line, start, value: entry.get_ref() };
            tables.push(item.table(lines)?);
        }
        Ok(tables)
    }
}

impl<'a> Item<'a> {
    fn wrong(&self, expected: &str) -> QueryError {
        let problem = format!("{} of type {}", self.key(), self.value.type_str());
        self.told(QueryError::new(Code::Type, problem, expected))
    }

    /// The error with this place.
    fn told(&self, error: QueryError) -> QueryError {
        error.at(&self.place).on(Some(self.line)).within(self.start)
    }

    /// The key itself, without the tables around it.
    pub(super) fn key(&self) -> &str {
        self.place.rsplit('.').next().unwrap_or("")
    }

    /// Gives errors of `f` this place and line.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        f(self).map_err(|error| self.told(error))
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn text(&self) -> Result<&'a str, QueryError> {
        self.value.as_str().ok_or_else(|| self.wrong("text in quotes"))
    }

    pub(super) fn short<const MAX: usize>(&self) -> Result<Text<MAX>, QueryError> {
        let text = self.text()?;
        let problem = || format!("a text of {} bytes", text.len());
        self.read(|_| {
            Text::new(text)
                .map_err(|_| QueryError::new(Code::Limit, problem(), format!("at most {MAX} bytes")))
        })
    }

    pub(super) fn number<T: TryFrom<i64>>(&self) -> Result<T, QueryError> {
        let whole = self.value.as_integer().ok_or_else(|| self.wrong("a whole number"))?;
        let number = i64::from_str_radix(whole.as_str(), whole.radix()).ok();
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let error = QueryError::new(
                Code::Limit,
                format!("{whole} is out of limits"),
                "a smaller whole number, not below 0 where none is meant",
            );
            self.told(error)
        })
    }

    /// An exact decimal number, bare.
    pub(super) fn decimal(&self) -> Result<Decimal, QueryError> {
        let text = match self.value {
            DeValue::Integer(whole) if whole.radix() == 10 => whole.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(self.wrong("a number")),
        };
        Decimal::parse(text).ok_or_else(|| {
            let problem = format!("{text} is no plain number");
            self.told(QueryError::new(Code::Type, problem, "digits and at most one point"))
        })
    }

    pub(super) fn flag(&self) -> Result<bool, QueryError> {
        self.value.as_bool().ok_or_else(|| self.wrong("true"))
    }

    pub(super) fn list(&self) -> Result<Vec<Item<'a>>, QueryError> {
        let array = self.value.as_array().ok_or_else(|| self.wrong("a list in [ ]"))?;
        let item = |entry: &'a toml::Spanned<DeValue<'a>>| Item {
            place: self.place.clone(),
            line: self.line,
            start: entry.span().start,
            value: entry.get_ref(),
        };
        Ok(array.iter().map(item).collect())
    }

    pub(super) fn table(&self, _lines: &Lines) -> Result<Keys<'a>, QueryError> {
        let table = self.value.as_table().ok_or_else(|| self.wrong("a table"))?;
        Ok(Keys { place: self.place.clone(), line: self.line, table: Table::Inner(table) })
    }
}
