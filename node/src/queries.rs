//! `queries`: what is asked here, in plain words and in this hospital's own figures, and what its people decide.
//!
//! Owns what is shown and the record of a decision, which is in the audit log before it takes effect. A preview reads
//! the extracts as a session would and keeps nothing; its figures go to the terminal of whoever asked and nowhere
//! else. How rules and decisions combine is `consent.rs`'s, where decisions lie `desk.rs`'s.

mod offered;

pub use offered::{Asked, Decided, Listed, list};

use crate::audit::{Audit, Event, tell_if_enrolled};
use crate::clock::now;
use crate::config::Config;
use crate::desk::{Decision, Desk, os_user};
use crate::error::Error;
use crate::{extract, identity};
use samensom_protocol::query::{Date, Language, Query, Row, table};
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Largest query file or code list.
const MOST_BYTES: u64 = 16 << 20;
/// Longest name of a person, or reason.
const LONGEST: usize = 160;

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
    /// Who asks it, who approved it, and how it stands here; `None` for a file.
    pub asked: Option<Asked>,
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

/// A query of a file, or that was offered here, in plain words.
///
/// # Errors
/// What is wrong with the file, on which line; or that no such query was offered.
pub fn show(
    config: &Config,
    which: &str,
    set: &[(String, String)],
    language: Language,
) -> Result<Shown, Error> {
    let file = Path::new(which);
    if !is_file(file) {
        let offered = Desk::of_state(&config.state).find(which)?;
        let asked = Some(Asked::of(config, &offered)?);
        return Ok(shown(&offered.query, language, (asked, None)));
    }
    let query = read(file)?;
    // Without values that were given a query is shown as it is: open.
    let query = if set.is_empty() { query } else { bound(query, file, set)? };
    Ok(shown(&query, language, (None, None)))
}

/// The same with this hospital's own figures.
///
/// # Errors
/// What is wrong with the query or with the extracts.
pub fn preview(
    config: &Config,
    which: &str,
    set: &[(String, String)],
    language: Language,
) -> Result<Shown, Error> {
    let file = Path::new(which);
    let (query, asked) = if is_file(file) {
        (bound(read(file)?, file, set)?, None)
    } else {
        let offered = Desk::of_state(&config.state).find(which)?;
        let asked = Asked::of(config, &offered)?;
        (offered.query, Some(asked))
    };
    let previewed = Event::Previewed { id: query.id().to_owned(), version: query.version() };
    tell_if_enrolled(config, previewed)?;
    let scratch = config.scratch();
    // A hospital's own figures are those of its own class.
    let whole = query.without_classes();
    let figures =
        extract::preview(&config.reader, &config.extracts, &config.base_dir, (&scratch, now()), &whole)?;
    let figures: Vec<i128> = figures.into_iter().map(i128::from).collect();
    let own =
        table(&whole, &figures, &samensom_protocol::query::Shown::All).into_iter().map(Own::from).collect();
    Ok(shown(&query, language, (asked, Some(own))))
}

/// A query that was offered is named by the beginning of its hash; anything else is a file.
fn is_file(which: &Path) -> bool {
    let hash = |text: &str| text.len() <= 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    !which.to_str().is_some_and(hash) || which.exists()
}

/// A person of this hospital approves or refuses a warrant that was offered; told in the audit log first.
///
/// # Errors
/// When no such query was offered, a rule decides and not a person, or the disk fails.
pub fn decide(
    config: &Config,
    which: &str,
    approve: bool,
    (person, reason): (&str, &str),
) -> Result<Decided, Error> {
    let (person, reason) = (line(person, "the name")?, line(reason, "the reason")?);
    if !person.chars().any(char::is_alphanumeric) {
        return Err(Error::Desk("a decision needs the name of who takes it: --name".to_owned()));
    }
    let desk = Desk::of_state(&config.state);
    let offered = desk.find(which)?;
    offered::may_decide(config, &offered, approve)?;
    let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
    let key = identity::load(&config.state)?.ok_or_else(absent)?;
    let os_user = os_user();
    Audit::open(&config.state, &Arc::new(key))?.tell(Event::Decided {
        warrant: offered.hash,
        id: offered.query.id().to_owned(),
        version: offered.query.version(),
        decision: if approve { "approve" } else { "refuse" }.to_owned(),
        person: person.clone(),
        os_user: os_user.clone(),
        reason,
    })?;
    let decision = Decision { approve, person, os_user, at: now() };
    desk.decide(&offered.hash, &decision)
        .map_err(|source| Error::Io { doing: "writing a decision", source })?;
    Decided::of(config, &offered)
}

/// One line of text, not too long.
fn line(text: &str, what: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(Error::Desk(format!("{what} is more than one line, or than {LONGEST} bytes")));
    }
    Ok(text.to_owned())
}

fn shown(query: &Query, language: Language, (asked, own): (Option<Asked>, Option<Vec<Own>>)) -> Shown {
    Shown {
        id: query.id().to_owned(),
        version: query.version(),
        purpose: query.purpose().name(),
        dataset: query.dataset().name(),
        cells: query.layout().cells(),
        description: query.describe(language),
        asked,
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
    let today = Date::at(now()).unwrap_or(Date::EARLIEST);
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
        if let Some(asked) = &self.asked {
            write!(f, "\n\n{asked}")?;
        }
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
        let shown = preview(&config, file.to_str().unwrap(), &set, Language::Dutch).unwrap();
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
        let english = show(&Config::bare(folder.dir.path()), file.to_str().unwrap(), &[], Language::English)
            .unwrap()
            .to_string();
        assert!(
            english.contains("horizon = not chosen yet; a day from 2026-01-01 to 2030-12-31."),
            "{english}"
        );
        let config = Config::bare(&folder.dir.path().join("state"));
        let open = preview(&config, file.to_str().unwrap(), &[], Language::Dutch).unwrap_err().to_string();
        assert!(open.contains("the parameter `horizon` has no value") && open.contains("--set"), "{open}");
        std::fs::write(&file, QUERY.replace("\"quantity\"", "\"quantiti\"")).unwrap();
        let wrong = show(&config, file.to_str().unwrap(), &[], Language::Dutch).unwrap_err().to_string();
        assert!(
            wrong.contains("query.toml, line 18, column 16, measure 1.sum")
                && wrong.contains("did you mean `quantity`?"),
            "{wrong}"
        );
    }
}
