//! `queries show|preview`: what a query would compute here, in plain words and in this hospital's own figures.
//!
//! Owns what is shown. A preview reads the extracts as a session would and keeps nothing; its figures go to
//! the terminal of whoever asked and nowhere else.

use crate::audit::{Event, tell_if_enrolled};
use crate::config::Config;
use crate::error::Error;
use crate::extract;
use samensom_protocol::query::{Date, Language, Query, Row, own_table};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Largest query file or code list.
const MOST_BYTES: u64 = 16 << 20;

/// A query in plain words, and in figures where they were asked for.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// The query's id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Why it is asked.
    pub purpose: &'static str,
    /// The data set it reads.
    pub dataset: &'static str,
    /// The numbers that leave.
    pub cells: u32,
    /// The query in plain words.
    pub description: String,
    /// This hospital's own figures; `None` where they were not asked for.
    pub own: Option<Vec<Own>>,
}

/// One of this hospital's own figures.
#[derive(Debug, Serialize)]
pub struct Own {
    /// Column and value of every dimension.
    pub cell: Vec<(String, String)>,
    /// The measure.
    pub measure: String,
    /// What it is within its measure.
    pub part: String,
    /// The figure.
    pub value: String,
    /// Its unit.
    pub unit: String,
}

/// The query of a file in plain words.
///
/// # Errors
/// What is wrong with the file, on which line.
pub fn show(file: &Path, set: &[(String, String)], language: Language) -> Result<Shown, Error> {
    let query = read(file)?;
    // Without values that were given a query is shown as it is: open.
    let query = if set.is_empty() { query } else { bound(query, file, set)? };
    Ok(shown(&query, language, None))
}

/// The same with this hospital's own figures.
///
/// # Errors
/// What is wrong with the query or with the extracts.
pub fn preview(
    config: &Config,
    file: &Path,
    set: &[(String, String)],
    language: Language,
) -> Result<Shown, Error> {
    let query = bound(read(file)?, file, set)?;
    let previewed = Event::Previewed { id: query.id().to_owned(), version: query.version() };
    tell_if_enrolled(config, previewed)?;
    let scratch = config.scratch();
    let now = crate::clock::now();
    let figures =
        extract::preview(&config.reader, &config.extracts, &config.base_dir, (&scratch, now), &query)?;
    let figures: Vec<i128> = figures.into_iter().map(i128::from).collect();
    let own = own_table(&query, &figures).into_iter().map(Own::from).collect();
    Ok(shown(&query, language, Some(own)))
}

fn shown(query: &Query, language: Language, own: Option<Vec<Own>>) -> Shown {
    Shown {
        id: query.id().to_owned(),
        version: query.version(),
        purpose: query.purpose().name(),
        dataset: query.dataset().name(),
        cells: query.layout().cells(),
        description: query.describe(language),
        own,
    }
}

/// Reads a query; its code lists stand relative to it.
fn read(file: &Path) -> Result<Query, Error> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut codes = |list: &str| text(&folder.join(list)).map_err(|error| error.to_string());
    let source = text(file).map_err(|error| Error::Query(format!("{}: {error}", file.display())))?;
    Query::from_toml(&source, &mut codes)
        .map_err(|error| Error::Query(format!("{}, {error}", file.display())))
}

fn text(file: &Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > MOST_BYTES {
        return Err(std::io::Error::other(format!("more than {MOST_BYTES} bytes")));
    }
    std::fs::read_to_string(file)
}

fn bound(query: Query, file: &Path, set: &[(String, String)]) -> Result<Query, Error> {
    let today = Date::at(crate::clock::now()).unwrap_or(Date::EARLIEST);
    query
        .bound(set, today)
        .map_err(|error| Error::Query(format!("{}, {error}; give one with --set NAME=VALUE", file.display())))
}

impl From<Row> for Own {
    fn from(row: Row) -> Own {
        Own {
            cell: row.labels,
            measure: row.measure,
            part: row.part,
            value: row.value.to_string(),
            unit: row.unit,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.description)?;
        let Some(own) = &self.own else { return Ok(()) };
        write!(
            f,
            "\n\nDe eigen cijfers van dit ziekenhuis; ze blijven hier / own figures, which stay here:"
        )?;
        for one in own {
            let mut cell: Vec<&str> = one.cell.iter().map(|(_, value)| value.as_str()).collect();
            cell.extend(
                [one.measure.as_str(), one.part.as_str()].into_iter().filter(|text| !text.is_empty()),
            );
            write!(f, "\n- {}: {} {}", cell.join(", "), one.value, one.unit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::tests::Folder;

    const QUERY: &str = r#"
        query.id = "voorraad"
        query.version = 1
        query.title = { nl = "Voorraad", en = "Stock" }
        query.purpose = "stock"
        query.dataset = "stock"
        population.where = "expiry > horizon"
        floors.hospitals = 5
        [[parameter]]
        name = "horizon"
        type = "date"
        range = ["2026-01-01", "2030-12-31"]
        [[dimension]]
        column = "code"
        codes = "codes.csv"
        [[measure]]
        name = "stock"
        sum = "quantity"
        unit = "piece"
        scale = 1
        range = [0, 100]
        [[measure]]
        name = "holders"
        hospitals = "sum(quantity) > 0"
        "#;

    fn place(folder: &Folder) -> std::path::PathBuf {
        std::fs::write(folder.dir.path().join("codes.csv"), "code\nmidazolam\npropofol\n").unwrap();
        let file = folder.dir.path().join("query.toml");
        std::fs::write(&file, QUERY).unwrap();
        file
    }

    #[test]
    fn a_preview_shows_own_figures_below_every_floor_and_leaves_nothing() {
        let folder = Folder::stock(&[
            "midazolam;2,5;ccv;31-12-2026;;01-11-2026;1",
            "midazolam;4;ccv;01-12-2026;;01-11-2026;1",
        ]);
        let file = place(&folder);
        let mut config = Config::bare(&folder.dir.path().join("state"));
        config.extracts = folder.configs.clone();
        config.base_dir = folder.dir.path().to_owned();
        let before = std::fs::read_dir(folder.dir.path()).unwrap().count();
        let set = [("horizon".to_owned(), "2026-12-15".to_owned())];
        let shown = preview(&config, &file, &set, Language::Dutch).unwrap();
        let own: Vec<(String, String)> = shown
            .own
            .as_ref()
            .unwrap()
            .iter()
            .map(|one| (one.cell[0].1.clone(), one.value.clone()))
            .collect();
        let figure = |code: &str, value: &str| (code.to_owned(), value.to_owned());
        assert_eq!(
            own,
            [("midazolam", "2.5"), ("midazolam", "1"), ("propofol", "0"), ("propofol", "0")]
                .map(|(a, b)| figure(a, b))
        );
        assert_eq!(std::fs::read_dir(folder.dir.path()).unwrap().count(), before);
        let text = shown.to_string();
        assert!(
            text.contains("horizon = 2026-12-15") && text.contains("- midazolam, stock: 2.5 piece"),
            "{text}"
        );
    }

    #[test]
    fn a_query_is_shown_open_and_refused_with_its_line() {
        let folder = Folder::stock(&[]);
        let file = place(&folder);
        let english = show(&file, &[], Language::English).unwrap().to_string();
        assert!(
            english.contains("horizon = not chosen yet; a day from 2026-01-01 to 2030-12-31."),
            "{english}"
        );
        let config = Config::bare(&folder.dir.path().join("state"));
        let open = preview(&config, &file, &[], Language::Dutch).unwrap_err().to_string();
        assert!(open.contains("the parameter `horizon` has no value") && open.contains("--set"), "{open}");
        std::fs::write(&file, QUERY.replace("\"quantity\"", "\"quantiti\"")).unwrap();
        let wrong = show(&file, &[], Language::Dutch).unwrap_err().to_string();
        assert!(
            wrong.contains("query.toml, line 18, measure 1.sum")
                && wrong.contains("did you mean `quantity`?"),
            "{wrong}"
        );
    }
}
