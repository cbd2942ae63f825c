//! One normalised row <-> bytes that sort as the rows do.
//!
//! Owns the canonical order (by code, then by every other column in the data set's order; an absent value
//! first; rows of a data set without codes lie under one empty code) and the form that is hashed. Comparing two rows is comparing bytes, and the bytes hold every
//! value, so that sorting, hashing and storing need nothing else. It must not know files or tables.

use super::source::Field;
use samensom_protocol::query::{Column, Dataset};

const ABSENT: u8 = 0;
const TEXT: u8 = 1;
const QUANTITY: u8 = 2;
/// Ends a text; inside one it is followed by `INSIDE`.
const END: u8 = 0;
const INSIDE: u8 = 0xff;

/// A value as it lies in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Absent,
    Text(&'a str),
    Quantity(i64),
}

/// The columns of a data set behind its code, in the order of the key.
pub(super) fn others(dataset: Dataset) -> impl Iterator<Item = Column> {
    dataset.columns().iter().copied().filter(|column| *column != Column::Code)
}

/// Appends the key of a row whose fields stand in the data set's order.
pub(super) fn put_row(dataset: Dataset, fields: &[Field], key: &mut Vec<u8>) {
    let columns = dataset.columns();
    let code = columns.iter().zip(fields).find(|(column, _)| **column == Column::Code);
    put(key, code.map_or(Part::Text(""), |(_, field)| field.part()));
    for (_, field) in columns.iter().zip(fields).filter(|(column, _)| **column != Column::Code) {
        put(key, field.part());
    }
}

/// Appends one value.
pub(super) fn put(key: &mut Vec<u8>, part: Part<'_>) {
    match part {
        Part::Absent => key.push(ABSENT),
        Part::Text(text) => {
            key.push(TEXT);
            let mut pieces = text.as_bytes().split(|byte| *byte == END);
            key.extend_from_slice(pieces.next().unwrap_or_default());
            for piece in pieces {
                key.extend_from_slice(&[END, INSIDE]);
                key.extend_from_slice(piece);
            }
            key.push(END);
        }
        Part::Quantity(quantity) => {
            key.push(QUANTITY);
            // With the sign turned, numbers sort as their bytes do.
            key.extend_from_slice(&(quantity ^ i64::MIN).to_be_bytes());
        }
    }
}

/// Takes the next value off a key; `None` for what `put` does not write, such as a text with a NUL, which
/// no source lets through.
pub(super) fn take<'a>(key: &mut &'a [u8]) -> Option<Part<'a>> {
    let (tag, rest) = key.split_first()?;
    match *tag {
        ABSENT => {
            *key = rest;
            Some(Part::Absent)
        }
        TEXT => {
            let end = rest.iter().position(|byte| *byte == END)?;
            let (text, rest) = rest.split_at_checked(end)?;
            *key = rest.get(1..)?;
            Some(Part::Text(std::str::from_utf8(text).ok()?))
        }
        QUANTITY => {
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            *key = rest;
            Some(Part::Quantity(i64::from_be_bytes(*bytes) ^ i64::MIN))
        }
        _ => None,
    }
}

impl Field {
    fn part(&self) -> Part<'_> {
        match self {
            Field::Absent => Part::Absent,
            Field::Text(text) => Part::Text(text),
            Field::Quantity(quantity) => Part::Quantity(*quantity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[Part<'_>]) -> Vec<u8> {
        let mut key = Vec::new();
        parts.iter().for_each(|part| put(&mut key, *part));
        key
    }

    #[test]
    fn keys_sort_as_the_values_do_and_give_them_back() {
        let sorted = [
            [Part::Absent, Part::Quantity(5)],
            [Part::Text(""), Part::Absent],
            [Part::Text(""), Part::Quantity(i64::MIN)],
            [Part::Text("a"), Part::Quantity(-1_000_000)],
            [Part::Text("a"), Part::Quantity(-1)],
            [Part::Text("a"), Part::Quantity(0)],
            [Part::Text("a"), Part::Quantity(255)],
            [Part::Text("a"), Part::Quantity(256)],
            [Part::Text("a"), Part::Quantity(i64::MAX)],
            [Part::Text("a "), Part::Quantity(0)],
            [Part::Text("aa"), Part::Quantity(0)],
            [Part::Text("b"), Part::Quantity(0)],
            [Part::Text("é"), Part::Quantity(0)],
        ];
        for pair in sorted.windows(2) {
            assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
        }
        for parts in sorted {
            let key = key(&parts);
            let mut rest = key.as_slice();
            assert_eq!([take(&mut rest), take(&mut rest)], parts.map(Some));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn two_rows_never_share_a_key() {
        let with_end = [key(&[Part::Text("a\0"), Part::Absent]), key(&[Part::Text("a"), Part::Absent])];
        assert_ne!(with_end[0], with_end[1]);
        assert!(with_end[1] < with_end[0]);
        assert_ne!(key(&[Part::Text("ab"), Part::Text("c")]), key(&[Part::Text("a"), Part::Text("bc")]));
        for bytes in [&[][..], &[TEXT, b'a'], &[QUANTITY, 1, 2], &[9], &[TEXT, 0xc3, END]] {
            assert_eq!(take(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
