//! Random queries over random extracts: the real path beside the oracle of `samensom_coordinator::demo`.
//!
//! The real path reads CSV, freezes it and evaluates the query at three hospitals, adds, and makes the table;
//! the oracle adds the same rows in the clear. Both give the same figures, or both refuse for the same
//! reason. A difference is made as small as it can be while it still is one, and printed whole.

mod dice;
mod pushed;
mod queries;
mod rows;
mod tree;

pub use dice::Dice;
pub use pushed::run_pushed;
pub use queries::Spec;
pub use rows::World;

use samensom_coordinator::demo::oracle::{self, Floors, Own, Refusal, Row, Shown, Val};
use samensom_node::extract::{ExtractError, Frozen, Home, Stop, count, evaluate};
use samensom_protocol::query::{Counting, Date, Query, Shown as Opened, Value, table};
use samensom_protocol::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

/// Queries that are asked of one world.
pub const PER_WORLD: usize = 60;

const QUERIES: &str = "queries";

/// How often each thing was met.
pub type Met = BTreeMap<String, u64>;

/// Asks `cases` queries, beginning with the world of this seed; says what was met.
///
/// # Panics
/// At the first difference, made small.
#[must_use]
pub fn run(seed: u64, cases: u64) -> Met {
    let mut met = Met::new();
    let mut world_seed = seed;
    while met.get(QUERIES).copied().unwrap_or(0) < cases {
        let mut dice = Dice::new(world_seed);
        let world = World::random(&mut dice);
        for _ in 0..PER_WORLD {
            let spec = Spec::random(&mut dice, &world);
            if let Some(why) = differs(&world, &spec, &mut met) {
                let told =
                    smallest(world, spec, why, &mut |world, spec| differs(world, spec, &mut Met::new()));
                panic!("SAMENSOM_ORACLE_SEED={world_seed} SAMENSOM_ORACLE_CASES={PER_WORLD}\n{told}");
            }
        }
        world_seed = world_seed.wrapping_add(1);
    }
    met
}

/// Where the two answers differ; none when they do not, or when this is no query.
fn differs(world: &World, spec: &Spec, met: &mut Met) -> Option<String> {
    let mut meet = |what: &str| *met.entry(what.to_owned()).or_default() += 1;
    let (bound, clear) = read(spec, &mut meet)?;
    meet(&format!("data set {}", world.dataset.name()));
    let mut sum: Vec<i128> = vec![0; usize::try_from(clear.layout().cells()).ok()?];
    let mut answered: Vec<Vec<Row>> = Vec::new();
    let floors = spec.floors();
    let counting = Counting::judging(&clear, floors.patients, floors.dominance);
    let mut counted: Vec<u64> = vec![0; counting.as_ref().map_or(0, |one| one.cells() as usize)];
    for (place, (frozen, rows)) in world.hospitals().enumerate() {
        let own = World::properties(place);
        let class = clear.class_of(|column| own.get(&column).map(String::as_str));
        let rows = &with_properties(rows, &own);
        let real = evaluate(&bound.without_classes(), frozen)
            .map(|figures| class.spread(clear.layout().figures(), &figures));
        // The real path's fractions have 128 bits; it refuses sums of quotients that do not fit, never rounds.
        if matches!(real, Err(ExtractError::Overflow { .. })) && spec.divides() {
            meet("refused: fractions that do not fit");
            continue;
        }
        let real = real.map_err(|error| (refusal(&error), error.to_string()));
        // A hospital judges all its figures, whatever class it is of.
        let fit = oracle::of_rows(&clear.without_classes(), rows);
        let plain = fit.and_then(|_| oracle::of_rows(&clear, rows));
        match (real, plain.map(|figures| oracle::in_own_class(&clear, figures, &own))) {
            (Ok(real), Ok(plain)) => {
                let real: Vec<i128> = real.into_iter().map(i128::from).collect();
                if real != plain {
                    return Some(format!("hospital {place}\n  real   {real:?}\n  oracle {plain:?}"));
                }
                answered.push(rows.clone());
                if let Some(counting) = &counting {
                    let said = said(&bound, frozen, &floors);
                    let said = class.spread(counting.lanes().len(), &said);
                    counted.iter_mut().zip(said).for_each(|(sum, one)| *sum += one.unsigned_abs());
                }
                sum.iter_mut().zip(&plain).for_each(|(sum, figure)| *sum += figure);
                met_figures(&clear, &plain, &mut meet);
            }
            (Err((Some(real), _)), Err(plain)) if plain.contains(&real) => {
                meet(&format!("refused: {real:?}"))
            }
            (real, plain) => {
                return Some(format!("hospital {place}\n  real   {real:?}\n  oracle {plain:?}"));
            }
        }
    }
    if answered.is_empty() {
        return None;
    }
    meet("tables");
    if let Some(why) = tables_differ(&clear, (&Opened::All, None), (&sum, &answered), &mut meet) {
        return Some(why);
    }
    let Some(counting) = counting else {
        meet("too much to count");
        return None;
    };
    let open = counting.open(&counted, floors.hospitals as u64);
    if floors.dominance {
        meet(if open.closed() == 0 { "shares judged, all open" } else { "shares judged, some closed" });
    }
    meet(if open.closed() == 0 { "all figures open" } else { "figures stay closed" });
    let shown = Opened::Counted { counting: &counting, open: &open, totals: &counted };
    tables_differ(&clear, (&shown, Some(&floors)), (&sum, &answered), &mut meet)
}

/// The query, and the same with its parameters' values; none when it is no query.
fn read(spec: &Spec, meet: &mut impl FnMut(&str)) -> Option<(Query, Query)> {
    let query = match Query::from_toml(&spec.toml(), &mut |_| Err("no files".into())) {
        Ok(query) => query,
        Err(why) => {
            meet(&format!("not a query: {:?}", why.code));
            return None;
        }
    };
    let today = Date::new(2026, 3, 1)?;
    let bound = query.bound(&[], today).map_err(|why| meet(&format!("not bound: {:?}", why.code))).ok()?;
    let clear = bound.resolved().ok()?;
    meet(QUERIES);
    if clear.is_by_class() {
        meet("cells of classes of hospitals");
    }
    Some((bound, clear))
}

/// What a hospital says in the count pass, in the boxes of its own class; nobody knows a total of before.
fn said(bound: &Query, frozen: &Frozen, floors: &Floors) -> Vec<i64> {
    let own = bound.without_classes();
    let counting =
        own.resolved().ok().and_then(|own| Counting::judging(&own, floors.patients, floors.dominance));
    let counting = counting.expect("no more than there is to count of all classes");
    let enough = u32::try_from(floors.patients_each).unwrap_or(u32::MAX);
    count(&own, frozen, Time(0), (&counting, enough, None), &nowhere()).expect("figures that are fit")
}

/// The rows of a hospital, each with the hospital's properties as if they were columns.
fn with_properties(rows: &[Row], own: &Own) -> Vec<Row> {
    let with = |row: &Row| {
        let mut row = row.clone();
        row.extend(own.iter().map(|(column, value)| (*column, Val::Text(value.clone()))));
        row
    };
    rows.iter().map(with).collect()
}

/// Of extracts that are in the snapshot nothing is asked elsewhere.
fn nowhere() -> Home<'static> {
    static STOP: OnceLock<Stop> = OnceLock::new();
    Home { configs: &[], base_dir: Path::new("."), stop: STOP.get_or_init(Stop::default) }
}

fn refusal(error: &ExtractError) -> Option<Refusal> {
    match error {
        ExtractError::ForeignUnit { .. } => Some(Refusal::ForeignUnit),
        ExtractError::OutOfRange { .. } => Some(Refusal::FigureOutOfRange),
        ExtractError::ValueOutOfRange { .. } => Some(Refusal::ValueOutOfRange),
        _ => None,
    }
}

fn met_figures(query: &Query, figures: &[i128], meet: &mut impl FnMut(&str)) {
    let layout = query.layout();
    for cell in figures.chunks(layout.figures()) {
        for (place, measure) in query.measures().iter().enumerate() {
            let own = cell.get(layout.figures_of(place)).unwrap_or_default();
            if own.iter().any(|figure| *figure != 0) {
                let kind = format!("{:?}", measure.kind());
                meet(&format!("measure {}", kind.split(' ').next().unwrap_or_default()));
            }
        }
    }
}

/// The national table of these sums, made by both.
fn tables_differ(
    query: &Query,
    (shown, floors): (&Opened, Option<&Floors>),
    (sum, rows): (&[i128], &[Vec<Row>]),
    meet: &mut impl FnMut(&str),
) -> Option<String> {
    let real = table(query, sum, shown);
    let plain = oracle::table(query, &oracle::closed(query, rows, floors), sum);
    if real.len() != plain.len() {
        return Some(format!("the table has {} lines, of the oracle {}", real.len(), plain.len()));
    }
    for (real, plain) in real.iter().zip(&plain) {
        let labels: Vec<&str> = real.labels.iter().map(|(_, label)| label.as_str()).collect();
        let same = match (&real.value, &plain.shown) {
            (Value::Number { mantissa, scale }, Shown::Figure(figure, own)) => {
                (mantissa, scale) == (figure, own)
            }
            (Value::Suppressed, Shown::Suppressed) | (Value::NoUse, Shown::NoUse) => true,
            (Value::Below(end), Shown::Below(own)) | (Value::AtLeast(end), Shown::AtLeast(own)) => {
                oracle::equals(*end, own)
            }
            _ => false,
        };
        if !same || (&real.measure, &real.part) != (&plain.measure, &plain.part) {
            return Some(format!("the table of {sum:?}\n  real   {real:?}\n  oracle {plain:?}"));
        }
        if labels.join(" ") != oracle::label(query, plain.place) {
            return Some(format!(
                "the labels {labels:?}, of the oracle {}",
                oracle::label(query, plain.place)
            ));
        }
        let derive = query.derives().iter().find(|derive| derive.name() == plain.measure);
        let kind = derive.map_or("a measure".to_owned(), |derive| format!("{:?}", derive.kind()));
        let kind = kind.split(['(', ' ']).next().unwrap_or_default();
        let shown = format!("{:?}", plain.shown);
        meet(&format!("shown {} of {kind}", shown.split('(').next().unwrap_or_default()));
    }
    None
}

/// Drops rows, hospitals, measures, terms .. as long as the answers differ; then tells all of it.
fn smallest(
    mut world: World,
    mut spec: Spec,
    mut why: String,
    differs: &mut dyn FnMut(&World, &Spec) -> Option<String>,
) -> String {
    let mut tries = 0;
    'again: loop {
        for smaller in spec.smaller() {
            tries += 1;
            if let Some(differs) = differs(&world, &smaller) {
                (spec, why) = (smaller, differs);
                continue 'again;
            }
        }
        for smaller in world.smaller() {
            tries += 1;
            if let Some(differs) = differs(&smaller, &spec) {
                (world, why) = (smaller, differs);
                continue 'again;
            }
        }
        break;
    }
    format!("{why}\n\n{}\n{}\nmade small in {tries} tries", spec.toml(), world.told())
}

/// What must have been met where `cases` were asked, and was not.
#[must_use]
pub fn unmet<'a>(met: &Met, wanted: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let wanted = wanted.into_iter().filter(|what| met.get(*what).copied().unwrap_or(0) == 0);
    wanted.map(str::to_owned).collect()
}
