//! Random rows of three hospitals, as rows and as files that the real path freezes.
//!
//! Owns the pools of values: few, so that they meet; halves, negatives and zeros, absent ones, letters that
//! differ in case alone, days around the ends of months.

use super::dice::Dice;
use samensom_coordinator::demo::oracle::{Row, Val, written};
use samensom_node::extract::{ExtractConfig, Frozen, freeze};
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};
use samensom_protocol::time::Time;
use std::fmt::Write as _;
use tempfile::TempDir;

/// Days that rows and queries speak of.
pub const DAYS: [&str; 7] =
    ["2024-02-28", "2024-02-29", "2024-03-01", "2025-12-31", "2026-01-01", "2026-01-02", "2026-02-28"];
const MONTHS: [&str; 3] = ["2025-12-01", "2026-01-01", "2026-02-01"];
/// Texts of columns without a list of their own.
pub const TEXTS: [&str; 6] = ["a", "A", "ab", "b", "x", "oral"];
/// Kinds of stock.
pub const WORDS: [&str; 3] = ["regular", "ccv", "import"];
const PERSONS: [&str; 8] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"];
/// Codes that are counted in another unit, where a world has two.
const ML: [&str; 2] = ["b", "x"];
const MICRO: [i128; 16] = [
    0, 1, -1, 500_000, 1_500_000, 2_500_000, -500_000, -1_500_000, 50_000, 250_000, 350_000, 1_000_000,
    2_000_000, 10_000_000, -2_000_000, 99_500_000,
];
const AGES: [i128; 6] = [0, 17, 18, 64, 65, 130];

/// The data sets that are read from files.
pub const DATASETS: [Dataset; 6] = [
    Dataset::Stock,
    Dataset::Use,
    Dataset::Orders,
    Dataset::Administration,
    Dataset::Admission,
    Dataset::Result,
];

/// Three hospitals.
pub struct World {
    /// The data set.
    pub dataset: Dataset,
    two_units: bool,
    rows: Vec<Vec<Row>>,
    frozen: Vec<Frozen>,
    _folder: TempDir,
}

impl World {
    /// One of many.
    #[must_use]
    pub fn random(dice: &mut Dice) -> World {
        let dataset = *dice.pick(&DATASETS);
        let two_units = dataset.quantity().is_some() && dice.chance(30);
        let size = *dice.pick(&[3, 8, 16, 40]);
        let rows = (0..3).map(|_| (0..dice.below(size + 1)).map(|_| row(dice, dataset, two_units)).collect());
        let rows = rows.collect();
        World::frozen(dataset, two_units, rows)
    }

    fn frozen(dataset: Dataset, two_units: bool, rows: Vec<Vec<Row>>) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let config: ExtractConfig = toml::from_str(&config(dataset, two_units)).expect("a description");
        let units: String = TEXTS.iter().map(|code| format!("{code};base;{};1\n", unit(code))).collect();
        let frozen = rows.iter().enumerate().map(|(place, rows)| {
            let home = folder.path().join(place.to_string());
            std::fs::create_dir(&home).expect("a folder");
            std::fs::write(home.join("extract.csv"), csv(dataset, rows)).expect("a file");
            std::fs::write(home.join("units.csv"), format!("code;level;unit;factor\n{units}"))
                .expect("a file");
            // 2026-11-02T12:00:00Z.
            let now = Time(1_793_620_800_000);
            let made = freeze(std::slice::from_ref(&config), &home, &home.join("slot.sqlite"), now);
            made.unwrap_or_else(|why| panic!("{why}\n{}", csv(dataset, rows)))
        });
        let frozen = frozen.collect();
        World { dataset, two_units, rows, frozen, _folder: folder }
    }

    /// Each with what it froze.
    pub fn hospitals(&self) -> impl Iterator<Item = (&Frozen, &[Row])> {
        self.frozen.iter().zip(self.rows.iter().map(Vec::as_slice))
    }

    /// With a hospital or a row less.
    pub fn smaller(&self) -> impl Iterator<Item = World> + use<> {
        let mut all = Vec::new();
        for hospital in 0..self.rows.len() {
            if self.rows.len() > 1 {
                let mut rows = self.rows.clone();
                rows.remove(hospital);
                all.push(rows);
            }
            for place in 0..self.rows[hospital].len() {
                let mut rows = self.rows.clone();
                rows[hospital].remove(place);
                all.push(rows);
            }
        }
        let (dataset, two_units) = (self.dataset, self.two_units);
        all.into_iter().map(move |rows| World::frozen(dataset, two_units, rows))
    }

    /// The files.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = config(self.dataset, self.two_units);
        for (place, rows) in self.rows.iter().enumerate() {
            let _ = write!(told, "\nhospital {place}\n{}", csv(self.dataset, rows));
        }
        told
    }
}

fn unit(code: &str) -> &'static str {
    if ML.contains(&code) { "ml" } else { "piece" }
}

fn row(dice: &mut Dice, dataset: Dataset, two_units: bool) -> Row {
    let mut row = Row::new();
    for column in dataset.columns() {
        let may_be_absent = dataset.may_be_absent(*column) && dataset.day() != Some(*column);
        if may_be_absent && dice.chance(25) {
            continue;
        }
        let text = |text: &str| Val::Text(text.to_owned());
        let value = match (column.column_type(), *column) {
            (_, Column::AsOf) => Val::Date("2026-01-01".into()),
            (_, Column::Period) => Val::Date((*dice.pick(&MONTHS)).into()),
            (ColumnType::Date, _) => Val::Date((*dice.pick(&DAYS)).into()),
            (_, Column::Unit) => text("piece"),
            (_, Column::Kind) => text(*dice.pick(&WORDS)),
            (_, Column::Person) => text(*dice.pick(&PERSONS)),
            (ColumnType::Text, _) => text(*dice.pick(&TEXTS)),
            (ColumnType::Number, column) if column.counts() == Some(Counts::Years) => {
                Val::Micro(dice.pick(&AGES) * 1_000_000)
            }
            (ColumnType::Number, _) => Val::Micro(*dice.pick(&MICRO)),
        };
        row.insert(*column, value);
    }
    if two_units && let Some(Val::Text(code)) = row.get(&Column::Code) {
        let unit = unit(code).to_owned();
        row.insert(Column::Unit, Val::Text(unit));
    }
    row
}

fn config(dataset: Dataset, two_units: bool) -> String {
    let mut text = format!(
        "dataset = \"{}\"\nfile = \"extract.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \".\"\n\
         date = \"%Y-%m-%d\"\nmay_be_empty = true\n",
        dataset.name()
    );
    if two_units {
        text += "unit_table = \"units.csv\"\nlevel = \"base\"\n";
    } else if dataset.quantity().is_some() {
        text += "unit = \"piece\"\n";
    }
    text += "[columns]\n";
    for column in dataset.columns().iter().filter(|column| **column != Column::Unit) {
        let _ = writeln!(text, "{0} = \"{0}\"", column.name());
    }
    text
}

fn csv(dataset: Dataset, rows: &[Row]) -> String {
    let columns: Vec<Column> =
        dataset.columns().iter().copied().filter(|column| *column != Column::Unit).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    let mut text = names.join(";") + "\n";
    for row in rows {
        let cells = columns.iter().map(|column| match row.get(column) {
            Some(Val::Text(text) | Val::Date(text)) => text.clone(),
            Some(Val::Micro(micro)) => written(*micro, 6),
            None => String::new(),
        });
        text += &(cells.collect::<Vec<_>>().join(";") + "\n");
    }
    text
}
