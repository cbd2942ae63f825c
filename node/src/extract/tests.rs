//! Files in, figures out, and everything that must be refused on the way.

mod bad_input;
mod changing;
mod datasets;
mod derived;
mod differential;
mod figures;
mod large;
mod malformed;
mod measures;
mod omop;
mod overlap;
mod real;
mod records;
mod store;

use super::*;
use samensom_protocol::query::{Decimal, Query};
use std::path::PathBuf;
use tempfile::TempDir;

const CONFIG: &str = r#"
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
kind = "Soort"
expiry = "Houdbaar"
location = "Plaats"
as_of = "Peildatum"
"#;

/// 2026-11-02T12:00:00Z.
const NOW: Time = Time(1_793_620_800_000);

const HEADER: &str = "Artikel;Voorraad;Soort;Houdbaar;Plaats;Peildatum;Prijs";

fn config(text: &str) -> ExtractConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A folder with one stock file of these rows.
pub(crate) struct Folder {
    pub(crate) dir: TempDir,
    pub(crate) configs: Vec<ExtractConfig>,
}

impl Folder {
    fn of(config_text: &str, csv: &str) -> Folder {
        let folder = Folder { dir: tempfile::tempdir().unwrap(), configs: vec![config(config_text)] };
        std::fs::write(folder.dir.path().join(&folder.configs[0].file), csv).unwrap();
        folder
    }

    pub(crate) fn stock(rows: &[&str]) -> Folder {
        Folder::of(CONFIG, &format!("{HEADER}\n{}\n", rows.join("\n")))
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("slot.sqlite")
    }

    pub(super) fn freeze(&self) -> Result<Frozen, ExtractError> {
        freeze(&self.configs, self.dir.path(), &self.path(), NOW)
    }

    pub(super) fn evaluate(&self, query: &Query) -> Result<Vec<i64>, ExtractError> {
        let frozen = self.freeze().unwrap_or_else(|error| panic!("{error}"));
        evaluate(query, &frozen)
    }

    fn report(&self) -> CheckReport {
        data_check(&self.configs, self.dir.path(), None, NOW).remove(0)
    }
}

pub(super) fn query(body: &str) -> Query {
    let head = r#"
        query = { id = "q", version = 1, title = { nl = "t", en = "t" }, purpose = "stock", dataset = "stock" }
    "#;
    let text = format!("{head}\n{body}");
    Query::from_toml(&text, &mut |path| Err(format!("no {path}"))).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) const PER_CODE: &str = r#"
    [[dimension]]
    column = "code"
    codes = ["midazolam", "propofol"]
"#;

pub(super) fn sum(scale: u8, range: &str) -> String {
    format!(
        "[[measure]]\nname = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = {scale}\nrange = {range}\n"
    )
}

fn text<T>(result: Result<T, ExtractError>) -> String {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}
