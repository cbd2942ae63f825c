//! Extracts as hospitals export them: each with its exact rows and sums, or its exact error.
//!
//! Owns the form of a fixture and its run through the real `freeze`; the tables stand beside. A fixture is
//! either taken (normalised rows, and the vector of a query over all its codes), rejected row by row (the
//! whole text, and an accounting that covers every line), or refused as a file (the whole text).

mod codes;
mod dates;
mod dialects;
mod files;
mod numbers;
mod rows;
mod units;

use super::*;
use crate::extract::source::{self, Field};
use std::collections::{BTreeMap, BTreeSet};

const FIXTURES: usize = 460;

const BASE: &str = r#"
dataset = "stock"
file = "stock.csv"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit = "piece"
[columns]
code = "Artikel"
quantity = "Voorraad"
as_of = "Peildatum"
"#;

const HEAD: &str = "Artikel;Voorraad;Peildatum";

/// A rejected row: line, how many lines, column, value, reason, remedy.
type Reject = (u64, u64, String, String, String, String);

enum Expect {
    /// `line: values` in canonical order, absent ones left out.
    Rows(Vec<String>),
    /// Used, objected, and the rejected rows.
    Rejected(u64, u64, Vec<Reject>),
    /// The whole text; FILE and TABLE stand for the paths.
    Refused(String),
}

struct Fixture {
    name: String,
    config: String,
    bytes: Vec<u8>,
    table: Option<Vec<u8>>,
    expect: Expect,
}

/// The base configuration with changes: what, and by what it is replaced.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(BASE.to_owned(), |config, (from, to)| {
        assert!(config.contains(from), "{from} is not in the configuration");
        config.replacen(from, to, 1)
    })
}

/// The base configuration with further keys.
fn with(keys: &str) -> String {
    changed(&[("unit = ", &format!("{keys}\nunit = "))])
}

fn lines(rows: &[&str]) -> Vec<u8> {
    format!("{HEAD}\n{}\n", rows.join("\n")).into_bytes()
}

fn taken(name: &str, config: String, bytes: impl Into<Vec<u8>>, rows: &[&str]) -> Fixture {
    let expect = Expect::Rows(rows.iter().map(|row| (*row).to_owned()).collect());
    Fixture { name: name.to_owned(), config, bytes: bytes.into(), table: None, expect }
}

fn refused(name: &str, config: String, bytes: impl Into<Vec<u8>>, text: &str) -> Fixture {
    let expect = Expect::Refused(text.to_owned());
    Fixture { name: name.to_owned(), config, bytes: bytes.into(), table: None, expect }
}

/// (line, how many lines, column, value, reason, remedy) of each rejected row.
fn rejected(
    name: &str,
    config: String,
    bytes: impl Into<Vec<u8>>,
    used: u64,
    rejects: &[(u64, u64, &str, &str, &str, &str)],
) -> Fixture {
    let own = |(row, lines, column, value, reason, remedy): &(u64, u64, &str, &str, &str, &str)| {
        let [column, value, reason, remedy] = [column, value, reason, remedy].map(|text| (*text).to_owned());
        (*row, *lines, column, value, reason, remedy)
    };
    let expect = Expect::Rejected(used, 0, rejects.iter().map(own).collect());
    Fixture { name: name.to_owned(), config, bytes: bytes.into(), table: None, expect }
}

impl Fixture {
    fn table(mut self, table: &str) -> Fixture {
        self.table = Some(table.as_bytes().to_vec());
        self
    }

    fn objected(mut self, rows: u64) -> Fixture {
        if let Expect::Rejected(_, objected, _) = &mut self.expect {
            *objected = rows;
        }
        self
    }

    fn run(&self) {
        let name = &self.name;
        let folder = Folder { dir: tempfile::tempdir().unwrap(), configs: vec![config(&self.config)] };
        std::fs::write(folder.dir.path().join("stock.csv"), &self.bytes).unwrap();
        if let Some(table) = &self.table {
            std::fs::write(folder.dir.path().join("units.csv"), table).unwrap();
        }
        let shown = |text: String| {
            let path = |file: &str| folder.dir.path().join(file).display().to_string();
            text.replace(&path("stock.csv"), "FILE").replace(&path("units.csv"), "TABLE")
        };
        let frozen = folder.freeze();
        match &self.expect {
            Expect::Rows(rows) => {
                let frozen = frozen.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(self.read(&folder), *rows, "{name}");
                assert_eq!(sums(&folder.configs[0], &frozen, rows), None, "{name}");
            }
            Expect::Rejected(used, objected, rejects) => {
                let text = shown(text(frozen));
                assert_eq!(text, listed(*used, *objected, rejects), "{name}");
                let seen = folder.report().accounting.unwrap();
                let lost: u64 = rejects.iter().map(|reject| reject.1).sum();
                assert_eq!((seen.used, seen.rejected, seen.objected), (*used, lost, *objected), "{name}");
                assert_eq!(seen.total(), self.data_lines(), "{name}: every line is accounted for");
            }
            Expect::Refused(expected) => {
                assert_eq!(shown(text(frozen)), *expected, "{name}");
                let report = folder.report();
                assert!(!report.complete && shown(report.problem.unwrap()) == *expected, "{name}");
            }
        }
        if matches!(self.expect, Expect::Rejected(..) | Expect::Refused(_)) {
            assert!(!folder.path().exists(), "{name}: a refused extract leaves nothing");
        }
    }

    fn read(&self, folder: &Folder) -> Vec<String> {
        let mut rows = Vec::new();
        let read = source::read(&folder.configs[0], folder.dir.path(), folder.dir.path(), &mut |row| {
            let values = row.fields.iter().filter_map(|field| match field {
                Field::Absent => None,
                Field::Text(text) => Some(text.clone()),
                Field::Quantity(size) => Some(plain(*size)),
            });
            rows.push(format!("{}: {}", row.row, values.collect::<Vec<_>>().join(" ")));
            Ok(())
        });
        assert!(read.is_ok(), "{}", self.name);
        rows
    }

    /// Lines below the header that are not blank, counted on the decoded text by other means.
    fn data_lines(&self) -> u64 {
        let text = if self.config.contains("utf-16le") {
            let units = self.bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        } else {
            String::from_utf8_lossy(&self.bytes).into_owned()
        };
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = text.split('\n').filter(|line| !line.is_empty()).count();
        u64::try_from(lines).unwrap() - 1
    }
}

/// Millionths as a plain decimal.
fn plain(size: i64) -> String {
    Decimal::new(i128::from(size), 6).unwrap().to_string()
}

fn listed(used: u64, objected: u64, rejects: &[Reject]) -> String {
    let lost: u64 = rejects.iter().map(|reject| reject.1).sum();
    let mut text = format!(
        "incomplete: FILE: rows total {} = used {used} + rejected {lost} + objected {objected}; expected at most 0 \
         rejected (max_rejected)",
        used + lost + objected
    );
    for (row, _, column, value, reason, remedy) in rejects {
        text += &format!("\n  FILE, row {row}, column `{column}`, value `{value}`: {reason}; {remedy}");
    }
    text
}

/// The sums per code by the query engine, against those of the expected rows added here; none when equal.
fn sums(config: &ExtractConfig, frozen: &Frozen, rows: &[String]) -> Option<String> {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    let mut units = BTreeSet::new();
    for row in rows {
        // "2: 2026-11-01 code 1.5 piece regular"; the date only where it is mapped.
        let mut words = row.split(' ').skip(1 + usize::from(config.day_column().is_some()));
        let (code, size) = (words.next()?, Decimal::parse(words.next()?)?);
        units.insert(words.next()?.to_owned());
        *expected.entry(code.to_owned()).or_default() += i64::try_from(size.at_scale(6)?).ok()?;
    }
    let unit = units.pop_first()?;
    if !units.is_empty() {
        return None;
    }
    let codes: Vec<&String> = expected.keys().collect();
    let query = Query::from_toml(
        &format!(
            "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"stock\", dataset = \
             \"{}\" }}\n[[dimension]]\ncolumn = \"code\"\ncodes = {codes:?}\n[[measure]]\nname = \"s\"\nsum = \
             \"quantity\"\nunit = \"{unit}\"\nscale = 6\nrange = [-2000000000000, 2000000000000]\n",
            config.dataset.name()
        ),
        &mut |path| Err(format!("no {path}")),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let figures = evaluate(&query, frozen).unwrap_or_else(|error| panic!("{error}"));
    let wanted: Vec<i64> = query.dimensions()[0].codes().iter().map(|code| expected[&**code]).collect();
    (figures != wanted).then(|| format!("{figures:?} where {wanted:?} is right"))
}

#[test]
fn every_fixture_behaves_as_listed() {
    let tables = [
        numbers::fixtures(),
        dates::fixtures(),
        codes::fixtures(),
        dialects::fixtures(),
        rows::fixtures(),
        units::fixtures(),
        files::fixtures(),
    ];
    let all: Vec<Fixture> = tables.into_iter().flatten().collect();
    let names: BTreeSet<&str> = all.iter().map(|fixture| fixture.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "each fixture has its own name");
    let failed = all
        .iter()
        .filter(|fixture| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fixture.run())).is_err());
    let failed: Vec<&str> = failed.map(|fixture| fixture.name.as_str()).collect();
    assert!(failed.is_empty(), "{} of {} fixtures: {failed:?}", failed.len(), all.len());
    assert_eq!(all.len(), FIXTURES);
}
