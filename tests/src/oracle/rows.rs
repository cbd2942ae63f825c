//! Random rows of three hospitals, as rows and as files that the real path freezes.
//!
//! Owns the pools of values: few, so that they meet; halves, negatives and zeros, absent ones, letters that
//! differ in case alone, days around the ends of months.

use super::dice::Dice;
use samensom_coordinator::demo::oracle::{Own, Row, Val, made_rows, written};
use samensom_node::extract::{ExtractConfig, Frozen, freeze};
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};
use samensom_protocol::time::Time;
use std::fmt::Write as _;
use tempfile::TempDir;

/// Days that rows and queries speak of.
pub const DAYS: [&str; 11] = [
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2025-12-31",
    "2026-01-01",
    "2026-01-02",
    "2026-01-05",
    "2026-01-08",
    "2026-02-28",
    "2026-04-01",
    "2026-04-02",
];
/// Around the ends of 3 and of 12 whole months before the reference date.
const MONTHS: [&str; 8] = [
    "2024-12-01",
    "2025-01-01",
    "2025-02-01",
    "2025-09-01",
    "2025-10-01",
    "2025-12-01",
    "2026-01-01",
    "2026-02-01",
];
/// Texts of columns without a list of their own.
const TEXTS: [&str; 6] = ["a", "A", "ab", "b", "x", "oral"];
/// Kinds of stock.
const WORDS: [&str; 3] = ["regular", "ccv", "import"];
const PERSONS: [&str; 8] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"];
const STAYS: [&str; 2] = ["1", "2"];
/// What is given to patients whose courses are made: much of one, and what tells an indication.
const DRUGS: [&str; 7] = ["a", "a", "a", "b", "M01AB05", "B01AC06", "H02AB06"];
/// Codes that are counted in another unit, where a world has two.
const ML: [&str; 2] = ["b", "x"];
const MICRO: [i128; 16] = [
    0, 1, -1, 500_000, 1_500_000, 2_500_000, -500_000, -1_500_000, 50_000, 250_000, 350_000, 1_000_000,
    2_000_000, 10_000_000, -2_000_000, 99_500_000,
];
const AGES: [i128; 6] = [0, 17, 18, 64, 65, 130];

/// What queries speak of in a column of texts.
#[must_use]
pub fn words(column: Column) -> &'static [&'static str] {
    match column {
        Column::Kind => &WORDS,
        Column::Indication => &["M01A", "B01", "H02AB"],
        _ => &TEXTS,
    }
}

/// Reference date of every stock.
const TODAY: &str = "2026-01-01";

/// Three hospitals.
pub struct World {
    /// The data set that is asked.
    pub dataset: Dataset,
    two_units: bool,
    given: Vec<Given>,
    rows: Vec<Vec<Row>>,
    frozen: Vec<Frozen>,
    _folder: TempDir,
}

/// The rows of a hospital's files.
type Given = Vec<(Dataset, Row)>;

/// What is read for a data set.
fn sources(dataset: Dataset) -> Vec<Dataset> {
    if dataset.made_of().is_empty() { vec![dataset] } else { dataset.made_of().to_vec() }
}

fn of(source: Dataset, given: &Given) -> Vec<Row> {
    given.iter().filter(|(own, _)| *own == source).map(|(_, row)| row.clone()).collect()
}

impl World {
    /// One of many.
    #[must_use]
    pub fn random(dice: &mut Dice) -> World {
        let dataset = *dice.pick(&Dataset::ALL);
        World::of(dice, dataset)
    }

    /// One of many with this data set.
    #[must_use]
    pub fn of(dice: &mut Dice, dataset: Dataset) -> World {
        let sources = sources(dataset);
        let two_units = dataset.quantity().is_some() && dice.chance(30);
        let size = *dice.pick(&[3, 8, 16, 40]);
        let mut hospital = || {
            let rows = |_| {
                let source = *dice.pick(&sources);
                (source, row(dice, source, (dataset, two_units)))
            };
            // Without a stock there is no position.
            let first = || (Dataset::Stock, row(&mut Dice::new(7), Dataset::Stock, (dataset, two_units)));
            let first = (dataset == Dataset::Position).then(first);
            first.into_iter().chain((0..size).map(rows)).collect()
        };
        let given = (0..3).map(|_| hospital()).collect();
        World::frozen(dataset, two_units, given)
    }

    fn frozen(dataset: Dataset, two_units: bool, given: Vec<Given>) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = sources(dataset);
        let config = |source: &Dataset| toml::from_str(&config(*source, two_units)).expect("a description");
        let configs: Vec<ExtractConfig> = sources.iter().map(config).collect();
        let units: String = TEXTS.iter().map(|code| format!("{code};base;{};1\n", unit(code))).collect();
        let (mut rows, mut frozen) = (Vec::new(), Vec::new());
        for (place, given) in given.iter().enumerate() {
            let home = folder.path().join(place.to_string());
            std::fs::create_dir(&home).expect("a folder");
            for source in &sources {
                let file = home.join(format!("{}.csv", source.name()));
                std::fs::write(file, csv(*source, &of(*source, given))).expect("a file");
            }
            std::fs::write(home.join("units.csv"), format!("code;level;unit;factor\n{units}"))
                .expect("a file");
            // 2026-11-02T12:00:00Z.
            let now = Time(1_793_620_800_000);
            let made = freeze(&configs, &home, &home.join("slot.sqlite"), now);
            frozen.push(made.unwrap_or_else(|why| panic!("{why}\n{given:?}")));
            let read: Vec<Vec<Row>> = sources.iter().map(|source| of(*source, given)).collect();
            rows.push(match dataset.made_of() {
                [] => read.concat(),
                _ => made_rows(dataset, &read),
            });
        }
        World { dataset, two_units, given, rows, frozen, _folder: folder }
    }

    /// Each with what it froze.
    pub fn hospitals(&self) -> impl Iterator<Item = (&Frozen, &[Row])> {
        self.frozen.iter().zip(self.rows.iter().map(Vec::as_slice))
    }

    /// What the roster says of a hospital: two are of one group, one is of none, all are of one kind.
    #[must_use]
    pub fn properties(place: usize) -> Own {
        let group = (place < 2).then(|| (Column::PurchasingGroup, "north".to_owned()));
        group.into_iter().chain([(Column::HospitalKind, "general".to_owned())]).collect()
    }

    /// With a hospital or a row less.
    pub fn smaller(&self) -> impl Iterator<Item = World> + use<> {
        let mut all = Vec::new();
        for hospital in 0..self.given.len() {
            if self.given.len() > 1 {
                let mut given = self.given.clone();
                given.remove(hospital);
                all.push(given);
            }
            // The first row of a position's stock stays.
            for place in usize::from(self.dataset == Dataset::Position)..self.given[hospital].len() {
                let mut given = self.given.clone();
                given[hospital].remove(place);
                all.push(given);
            }
        }
        let (dataset, two_units) = (self.dataset, self.two_units);
        all.into_iter().map(move |given| World::frozen(dataset, two_units, given))
    }

    /// The files.
    #[must_use]
    pub fn told(&self) -> String {
        let sources = sources(self.dataset);
        let mut told: String = sources.iter().map(|source| config(*source, self.two_units)).collect();
        for (place, given) in self.given.iter().enumerate() {
            for source in &sources {
                let _ = write!(
                    told,
                    "\nhospital {place}: {}\n{}",
                    source.name(),
                    csv(*source, &of(*source, given))
                );
            }
        }
        told
    }
}

fn unit(code: &str) -> &'static str {
    if ML.contains(&code) { "ml" } else { "piece" }
}

/// A row of a source of the data set that is asked.
fn row(dice: &mut Dice, dataset: Dataset, (asked, two_units): (Dataset, bool)) -> Row {
    let mut row = Row::new();
    for column in dataset.columns() {
        let may_be_absent = dataset.may_be_absent(*column) && dataset.day() != Some(*column);
        if may_be_absent && dice.chance(25) {
            continue;
        }
        let text = |text: &str| Val::Text(text.to_owned());
        let value = match (column.column_type(), *column) {
            (_, Column::AsOf) => Val::Date(TODAY.into()),
            (_, Column::Period) => Val::Date((*dice.pick(&MONTHS)).into()),
            (ColumnType::Date, _) => Val::Date((*dice.pick(&DAYS)).into()),
            (_, Column::Unit) => text("piece"),
            (_, Column::Code) if asked == Dataset::Course => text(dice.pick::<&str>(&DRUGS)),
            (_, Column::Stay) => text(dice.pick::<&str>(&STAYS)),
            (_, Column::Kind) => text(dice.pick::<&str>(&WORDS)),
            (_, Column::Person) => text(dice.pick::<&str>(&PERSONS)),
            (ColumnType::Text, _) => text(dice.pick::<&str>(&TEXTS)),
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
        "dataset = \"{0}\"\nfile = \"{0}.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \".\"\n\
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
