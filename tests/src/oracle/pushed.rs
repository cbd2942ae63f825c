//! The same random queries over rows that stay in PostgreSQL: pushed down, beside the snapshot and the oracle.
//!
//! Owns how a world's rows become tables of a real server, whose texts have an order and an equality that are not
//! those of bytes wherever the server knows such. The three vectors are the same, or all three refuse.

use super::{Dice, Met, QUERIES, Spec, World, met_figures, refusal, smallest};
use crate::postgres::Server;
use samensom_coordinator::demo::oracle::{self, Row, Val, written};
use samensom_node::extract::{
    ExtractConfig, ExtractError, Frozen, Home, Stop, answer, count, evaluate, freeze,
};
use samensom_protocol::query::{Column, ColumnType, Counting, Dataset, Date, Query};
use samensom_protocol::time::Time;
use std::fmt::Write as _;
use std::path::Path;
use tempfile::TempDir;

/// Queries that are asked of one world, each of its three hospitals.
const PER_WORLD: usize = 20;

/// 2026-11-02T12:00:00Z.
const NOW: Time = Time(1_793_620_800_000);

/// A database for worlds.
struct Database<'a> {
    server: &'a Server,
    name: String,
    folder: TempDir,
    /// For columns of texts.
    collation: &'static str,
}

/// Asks `cases` queries of rows in a database of this server, beginning with the world of this seed; says what was met.
///
/// # Panics
/// At the first difference, made small.
#[must_use]
pub fn run_pushed(server: &Server, seed: u64, cases: u64) -> Met {
    let database = Database::new(server, &format!("pushed{seed}"));
    let mut met = Met::new();
    let sources: Vec<Dataset> =
        Dataset::ALL.into_iter().filter(|dataset| dataset.made_of().is_empty()).collect();
    let mut world_seed = seed;
    let mut turns = sources.iter().cycle();
    while met.get(QUERIES).copied().unwrap_or(0) < cases {
        let mut dice = Dice::new(world_seed);
        let Some(dataset) = turns.next() else { return met };
        let world = World::of(&mut dice, *dataset);
        let frozen = database.freeze(&world, &mut met);
        for _ in 0..PER_WORLD {
            let spec = Spec::random(&mut dice, &world);
            if let Some(why) = differs(&database, &world, &frozen, &spec, &mut met) {
                let mut again = |world: &World, spec: &Spec| {
                    let frozen = database.freeze(world, &mut Met::new());
                    differs(&database, world, &frozen, spec, &mut Met::new())
                };
                let told = smallest(world, spec, why, &mut again);
                panic!("world {world_seed}\n{told}");
            }
        }
        world_seed = world_seed.wrapping_add(1);
    }
    met
}

impl Database<'_> {
    fn new<'a>(server: &'a Server, name: &str) -> Database<'a> {
        // Letters that differ in case alone are the same there, and a stands before B.
        let icu =
            server.sql("postgres", "SELECT count(*) > 0 FROM pg_collation WHERE collprovider = 'i'") == "t";
        let made =
            "CREATE COLLATION same_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
        server.database(name, if icu { made } else { "" });
        let collation = if icu { "COLLATE same_case" } else { "" };
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "host = \"{}\"\nport = {}\ndbname = \"{name}\"\nuser = \"samensom\"\n",
            server.socket().display(),
            server.port()
        );
        std::fs::write(folder.path().join("database.toml"), text).expect("a file");
        Database { server, name: name.to_owned(), folder, collation }
    }

    fn home(&self, hospital: usize) -> std::path::PathBuf {
        self.folder.path().join(hospital.to_string())
    }

    /// The rows of every hospital as a table, surveyed; none where the survey is refused as it must be.
    fn freeze(&self, world: &World, met: &mut Met) -> Vec<Option<(ExtractConfig, Frozen)>> {
        let tables: String = world
            .hospitals()
            .enumerate()
            .map(|(place, (_, rows))| self.table(world.dataset, place, rows))
            .collect();
        self.server.sql(&self.name, &format!("BEGIN; {tables} COMMIT"));
        let freeze = |(place, (_, rows)): (usize, (&Frozen, &[Row]))| {
            let home = self.home(place);
            let _ = std::fs::remove_dir_all(&home);
            std::fs::create_dir(&home).expect("a folder");
            std::fs::copy(self.folder.path().join("database.toml"), home.join("database.toml"))
                .expect("a copy");
            std::fs::write(home.join("rows.sql"), format!("SELECT * FROM h{place} -- all")).expect("a file");
            let config: ExtractConfig = toml::from_str(&config(world.dataset)).expect("a description");
            match freeze_here(&config, &home) {
                Ok(frozen) => Some((config, frozen)),
                Err(ExtractError::MixedUnits { .. }) if units(rows) > 1 && !world.dataset.has_patients() => {
                    *met.entry("refused: several units".to_owned()).or_default() += 1;
                    None
                }
                Err(why) => panic!("{why}\n{}", world.told()),
            }
        };
        world.hospitals().enumerate().map(freeze).collect()
    }

    fn table(&self, dataset: Dataset, place: usize, rows: &[Row]) -> String {
        let kind = |column: &Column| match column.column_type() {
            ColumnType::Text => format!("text {}", self.collation),
            ColumnType::Number => "numeric".to_owned(),
            ColumnType::Date => "date".to_owned(),
        };
        let columns = dataset.columns();
        let declared: Vec<String> =
            columns.iter().map(|column| format!("\"{}\" {}", column.name(), kind(column))).collect();
        let mut text = format!(
            "DROP TABLE IF EXISTS h{place}; CREATE TABLE h{place} ({}); GRANT SELECT ON h{place} TO samensom;",
            declared.join(", ")
        );
        for row in rows {
            let cells = columns.iter().map(|column| match row.get(column) {
                Some(Val::Text(text) | Val::Date(text)) => format!("'{text}'"),
                // Decimals that are zeros are no other number.
                Some(Val::Micro(micro)) => format!("{}::numeric(30, 9)", written(*micro, 6)),
                None => "NULL".to_owned(),
            });
            let _ = write!(text, "INSERT INTO h{place} VALUES ({});", cells.collect::<Vec<_>>().join(", "));
        }
        text
    }
}

fn freeze_here(config: &ExtractConfig, home: &Path) -> Result<Frozen, ExtractError> {
    freeze(std::slice::from_ref(config), home, &home.join("slot.db"), NOW)
}

fn units(rows: &[Row]) -> usize {
    let mut units: Vec<String> = rows.iter().map(|row| format!("{:?}", row.get(&Column::Unit))).collect();
    units.sort();
    units.dedup();
    units.len()
}

fn config(dataset: Dataset) -> String {
    let unit = if dataset.quantity().is_some() { "unit_column = \"unit\"\n" } else { "" };
    let mut text = format!(
        "dataset = \"{}\"\nselect = \"rows.sql\"\ndatabase = \"database.toml\"\nlarge = true\n{unit}\
         may_be_empty = true\n[columns]\n",
        dataset.name()
    );
    for column in dataset.columns().iter().filter(|column| **column != Column::Unit) {
        let _ = writeln!(text, "{0} = \"{0}\"", column.name());
    }
    text
}

/// Where the three answers differ; none when they do not, or when this is no query.
fn differs(
    database: &Database<'_>,
    world: &World,
    pushed: &[Option<(ExtractConfig, Frozen)>],
    spec: &Spec,
    met: &mut Met,
) -> Option<String> {
    let query = Query::from_toml(&spec.toml(), &mut |_| Err("no files".into())).ok()?;
    // What one hospital is asked: classes of hospitals are put around it.
    let bound = query.bound(&[], Date::new(2026, 3, 1)?).ok()?.without_classes();
    let clear = bound.resolved().ok()?;
    let floors = spec.floors();
    let counting = Counting::judging(&clear, floors.patients, floors.dominance);
    for (place, ((frozen, rows), pushed)) in world.hospitals().zip(pushed).enumerate() {
        let Some((config, here)) = pushed else { continue };
        let mut meet = |what: &str| *met.entry(what.to_owned()).or_default() += 1;
        meet(QUERIES);
        let (configs, home) = (std::slice::from_ref(config), database.home(place));
        let home = Home { configs, base_dir: &home, stop: &Stop::default() };
        let pushed = answer(&bound, here, NOW, &home);
        let stored = evaluate(&bound, frozen);
        let plain = oracle::of_rows(&clear, rows);
        let overflow =
            |answer: &Result<Vec<i64>, ExtractError>| matches!(answer, Err(ExtractError::Overflow { .. }));
        let same = match (&pushed, &stored, &plain) {
            (Ok(pushed), Ok(stored), Ok(plain)) => {
                pushed == stored && pushed.iter().map(|figure| i128::from(*figure)).eq(plain.iter().copied())
            }
            // Whichever of several reasons was met first.
            (Err(error), Err(_), Err(plain)) if refusal(error).is_some() => {
                refusal(error).is_some_and(|reason| plain.contains(&reason))
            }
            (Err(_), Err(_), _) => overflow(&pushed) && overflow(&stored) && spec.divides(),
            _ => false,
        };
        if !same {
            let pushed = pushed.map_err(|error| error.to_string());
            let stored = stored.map_err(|error| error.to_string());
            return Some(format!(
                "hospital {place}\n  pushed {pushed:?}\n  stored {stored:?}\n  oracle {plain:?}"
            ));
        }
        if let (Some(counting), Ok(_)) = (&counting, &pushed) {
            let enough = u32::try_from(floors.patients_each).unwrap_or(u32::MAX);
            let pushed = count(&bound, here, NOW, (counting, enough, None), &home);
            let stored = count(&bound, frozen, NOW, (counting, enough, None), &home);
            meet("counted before it is summed");
            if !matches!((&pushed, &stored), (Ok(pushed), Ok(stored)) if pushed == stored) {
                let told = |said: Result<Vec<i64>, ExtractError>| said.map_err(|error| error.to_string());
                return Some(format!(
                    "hospital {place}, counted\n  pushed {:?}\n  stored {:?}",
                    told(pushed),
                    told(stored)
                ));
            }
        }
        match (&pushed, plain) {
            (Err(error), _) => match refusal(error) {
                Some(reason) => meet(&format!("refused: {reason:?}")),
                None => meet("refused: fractions that do not fit"),
            },
            (Ok(_), Ok(plain)) => {
                met_figures(&clear, &plain, &mut meet);
                met_parts(&clear, rows, &mut meet);
            }
            _ => {}
        }
    }
    None
}

/// What a query that was answered is made of.
fn met_parts(query: &Query, rows: &[Row], meet: &mut impl FnMut(&str)) {
    meet(&format!("data set {}", query.dataset().name()));
    let filters: Vec<_> = query.measures().iter().map(|measure| measure.filter()).collect();
    if query.population().has_arithmetic() || filters.iter().any(|filter| filter.has_arithmetic()) {
        meet("a condition that computes");
    }
    if !query.population().is_always() && !query.population().has_arithmetic() {
        meet("a condition that the server judges");
    }
    for dimension in query.dimensions() {
        let absent = rows.iter().any(|row| !row.contains_key(&dimension.column()));
        if absent && dimension.has_missing() {
            meet("absent values in a cell");
        }
        if absent && !dimension.has_missing() {
            meet("absent values in no cell");
        }
        meet(if dimension.codes().is_empty() { "a dimension of classes" } else { "a dimension of codes" });
    }
}
