//! The shipped OMOP mappings against sets that nobody here made; the files are not part of this repository.
//! `SAMENSOM_TEST_DATA` names the folder they are in. What is read is counted a second time from the file.

use super::datasets::{COUNTS, FLOORS};
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

const V53: &str = include_str!("../../../../deploy/config/omop-5.3.toml");
const V54: &str = include_str!("../../../../deploy/config/omop-5.4.toml");

fn data(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("SAMENSOM_TEST_DATA").map(|data| PathBuf::from(data).join(folder));
    if found.is_none() {
        let _ =
            writeln!(std::io::stderr(), "NOT RUN: {folder} by its shipped mapping; set SAMENSOM_TEST_DATA");
    }
    found
}

fn shipped(text: &str) -> Vec<ExtractConfig> {
    #[derive(serde::Deserialize)]
    struct File {
        extract: Vec<ExtractConfig>,
    }
    toml::from_str::<File>(text).unwrap_or_else(|error| panic!("{error}")).extract
}

/// The rows of a file as another reader sees them.
fn rows(path: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records = reader.records().map(Result::unwrap);
    records.map(|row| header.iter().cloned().zip(row.iter().map(str::to_owned)).collect()).collect()
}

/// Rows, persons, codes (or stays), first and last day, and the sum of the numbers in millionths.
type Counts = (i64, i64, i64, String, String, i64);

fn stored(frozen: &Frozen, dataset: &str, [code, day, number]: [&str; 3]) -> Counts {
    let connection = rusqlite::Connection::open(frozen.path()).unwrap();
    let sql = format!(
        "SELECT COUNT(*), COUNT(DISTINCT person), COUNT(DISTINCT {code}), MIN(\"{day}\"), MAX(\"{day}\"), SUM({number}) FROM {dataset}"
    );
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    connection.query_row(&sql, [], row).unwrap()
}

fn counted(rows: &[BTreeMap<String, String>], [person, code, day, number]: [&str; 4]) -> Counts {
    let distinct = |column: &str| rows.iter().map(|row| &row[column]).collect::<BTreeSet<_>>().len() as i64;
    let days = rows.iter().map(|row| row[day].clone());
    let millionths = |text: &str| {
        let (sign, size) = text.strip_prefix('-').map_or((1, text), |size| (-1, size));
        let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
        sign * format!("{whole}{fraction:0<6}").parse::<i64>().unwrap()
    };
    let sum = if number.is_empty() { 0 } else { rows.iter().map(|row| millionths(&row[number])).sum() };
    (
        rows.len() as i64,
        distinct(person),
        distinct(code),
        days.clone().min().unwrap(),
        days.max().unwrap(),
        sum,
    )
}

fn freeze_all(configs: &[ExtractConfig], data: &std::path::Path) -> (tempfile::TempDir, Frozen) {
    let folder = tempfile::tempdir().unwrap();
    let frozen =
        freeze(configs, data, &folder.path().join("slot.db"), NOW).unwrap_or_else(|error| panic!("{error}"));
    (folder, frozen)
}

#[test]
fn the_mappings_are_three_extracts_each_and_differ_in_case_alone() {
    let mappings = [V53, V54].map(shipped);
    for (one, other) in mappings[0].iter().zip(&mappings[1]) {
        assert_eq!(one.dataset, other.dataset);
        assert_eq!(one.values, other.values);
        let small = |config: &ExtractConfig| -> Vec<String> {
            config.columns.values().map(|name| name.to_lowercase()).collect()
        };
        assert_eq!(small(one), small(other));
        assert_ne!(one.columns, other.columns);
    }
    let names = mappings.map(|all| all.iter().map(|one| one.dataset.name()).collect::<Vec<_>>());
    assert_eq!(names, [["administration", "admission", "result"]; 2]);
}

#[test]
fn gibleed_is_read_whole_by_its_shipped_mapping() {
    let Some(data) = data("omop53_eunomia") else { return };
    let mut configs = shipped(V53);
    // The set has no measurements.
    configs.retain(|config| config.dataset.name() != "result");
    let (_folder, frozen) = freeze_all(&configs, &data);
    let drugs = rows(&data.join("drug_exposure.csv"));
    let found = stored(&frozen, "administration", ["code", "at", "quantity"]);
    assert_eq!(
        found,
        counted(&drugs, ["PERSON_ID", "DRUG_CONCEPT_ID", "DRUG_EXPOSURE_START_DATE", "QUANTITY"])
    );
    assert_eq!((found.0, found.1, found.2, found.5), (67_707, 2_694, 113, 0));
    let visits = rows(&data.join("visit_occurrence.csv"));
    let found = stored(&frozen, "admission", ["stay", "from", "0"]);
    assert_eq!(found, counted(&visits, ["PERSON_ID", "VISIT_OCCURRENCE_ID", "VISIT_START_DATE", ""]));
    assert_eq!((found.0, found.1, found.2), (1_037, 890, 1_037));
    assert!(frozen.accounting.iter().all(|one| one.rejected == 0 && one.objected == 0));
    // Concept 0 is no route, an empty stay is none, and 9201 is a word.
    let connection = rusqlite::Connection::open(frozen.path()).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM administration WHERE route IS NOT NULL"), 0);
    let without = drugs.iter().filter(|row| row["VISIT_OCCURRENCE_ID"].is_empty()).count() as i64;
    assert_eq!((without, count("SELECT COUNT(*) FROM administration WHERE stay IS NULL")), (520, 520));
    assert_eq!(count("SELECT COUNT(*) FROM admission WHERE specialty = 'inpatient'"), 1_037);
    // A query counts the same rows per drug.
    let mut per_drug: BTreeMap<&str, i64> = BTreeMap::new();
    drugs.iter().for_each(|row| *per_drug.entry(&row["DRUG_CONCEPT_ID"]).or_default() += 1);
    let (codes, wanted): (Vec<&str>, Vec<i64>) = per_drug.into_iter().unzip();
    let text = format!(
        "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"quality\", dataset = \"administration\" }}\n\
         {FLOORS}[[dimension]]\ncolumn = \"code\"\ncodes = {codes:?}\n[[measure]]\nname = \"n\"\nrows = true\n{COUNTS}"
    );
    let query = Query::from_toml(&text, &mut |path| Err(format!("no {path}"))).unwrap();
    let figures = evaluate(&query, &frozen).unwrap();
    assert_eq!(figures.into_iter().step_by(3).collect::<Vec<_>>(), wanted);
}

#[test]
fn synthea_is_read_whole_by_its_shipped_mapping() {
    let Some(data) = data("omop54_synthea27nj") else { return };
    let configs = shipped(V54);
    let (_folder, frozen) = freeze_all(&configs, &data);
    let drugs = rows(&data.join("DRUG_EXPOSURE.csv"));
    let found = stored(&frozen, "administration", ["code", "at", "quantity"]);
    assert_eq!(
        found,
        counted(&drugs, ["person_id", "drug_concept_id", "drug_exposure_start_date", "quantity"])
    );
    assert_eq!((found.0, found.1, found.2, found.5), (883, 26, 79, 0));
    let visits = rows(&data.join("VISIT_OCCURRENCE.csv"));
    let found = stored(&frozen, "admission", ["stay", "from", "0"]);
    assert_eq!(found, counted(&visits, ["person_id", "visit_occurrence_id", "visit_start_date", ""]));
    assert_eq!((found.0, found.1), (1_791, 28));
    // Results with a number in a unit that the mapping lists, and no other.
    let all = rows(&data.join("MEASUREMENT.csv"));
    let listed = ["mmol/L", "mg/L", "g/L", "[iU]/L", "mL"];
    let usable = |row: &BTreeMap<String, String>| {
        listed.contains(&row["unit_source_value"].as_str()) && !row["value_as_number"].is_empty()
    };
    let (used, left): (Vec<_>, Vec<_>) = all.into_iter().partition(usable);
    let found = stored(&frozen, "result", ["code", "at", "value"]);
    assert_eq!(
        found,
        counted(&used, ["person_id", "measurement_concept_id", "measurement_date", "value_as_number"])
    );
    assert_eq!((found.0, found.1), (1_004, 10));
    let accounting = frozen.accounting_of(samensom_protocol::query::Dataset::Result).unwrap();
    assert_eq!((accounting.used, accounting.rejected, left.len()), (1_004, 9_036, 9_036));
    let units: Vec<(&str, u64)> = accounting.units.iter().map(|seen| (seen.unit.name(), seen.rows)).collect();
    assert_eq!(units.iter().map(|(_, rows)| rows).sum::<u64>(), 1_004);
    assert!(units.contains(&("mmol", 964)) && units.contains(&("g", 40)), "{units:?}");
}

/// A day as its number, by the calendar library.
fn day(text: &str) -> i64 {
    let date: jiff::civil::Date = text.parse().unwrap();
    i64::from((date - jiff::civil::date(1970, 1, 1)).get_days())
}

/// Person, code and stay.
type Key = (String, String, String);
/// Start, days, event, event_day, bed_days.
type Course = (i64, i64, i64, i64, Option<i64>);

/// Courses by plain loops.
fn courses(
    drugs: &[BTreeMap<String, String>],
    visits: &[BTreeMap<String, String>],
    with_stays: bool,
) -> BTreeMap<Key, Course> {
    let mut of_course: BTreeMap<Key, BTreeSet<i64>> = BTreeMap::new();
    let mut of_drug: BTreeMap<(String, String), BTreeSet<i64>> = BTreeMap::new();
    let mut until: BTreeMap<&str, i64> = BTreeMap::new();
    let mut beds = BTreeMap::new();
    for row in drugs {
        let (person, code, at) =
            (&row["PERSON_ID"], &row["DRUG_CONCEPT_ID"], day(&row["DRUG_EXPOSURE_START_DATE"]));
        let stay = if with_stays { row["VISIT_OCCURRENCE_ID"].clone() } else { String::new() };
        of_course.entry((person.clone(), code.clone(), stay)).or_default().insert(at);
        of_drug.entry((person.clone(), code.clone())).or_default().insert(at);
        let last = until.entry(person).or_insert(at);
        *last = at.max(*last);
    }
    for row in visits {
        let (from, to) = (day(&row["VISIT_START_DATE"]), day(&row["VISIT_END_DATE"]));
        if let Some(last) = until.get_mut(row["PERSON_ID"].as_str()) {
            *last = to.max(*last);
        }
        beds.insert((row["PERSON_ID"].clone(), row["VISIT_OCCURRENCE_ID"].clone()), to - from + 1);
    }
    let mut found = BTreeMap::new();
    for ((person, code, stay), days) in of_course {
        let start = *days.first().unwrap();
        let mut last = start;
        for at in days {
            if at - last > 3 {
                break;
            }
            last = at;
        }
        let again = of_drug[&(person.clone(), code.clone())].iter().find(|at| **at > last + 3).copied();
        let (event, event_day) =
            (i64::from(again.is_some()), again.unwrap_or(until[person.as_str()]) - start);
        let bed_days = beds.get(&(person.clone(), stay.clone())).copied();
        found.insert((person, code, stay), (start, last - start + 1, event, event_day, bed_days));
    }
    found
}

#[test]
fn the_courses_of_gibleed_are_those_of_plain_loops() {
    let Some(data) = data("omop53_eunomia") else { return };
    let (drugs, visits) = (rows(&data.join("drug_exposure.csv")), rows(&data.join("visit_occurrence.csv")));
    for with_stays in [true, false] {
        let mut configs = shipped(V53);
        configs.retain(|config| config.dataset.name() != "result");
        if !with_stays {
            // First to next exposure of the same drug, whatever the visit.
            configs[0].columns.remove(&samensom_protocol::query::Column::Stay);
        }
        let (_folder, frozen) = freeze_all(&configs, &data);
        let connection = rusqlite::Connection::open(frozen.path()).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT person, code, coalesce(stay, ''), unixepoch(start) / 86400, days, event, event_day, bed_days FROM course",
            )
            .unwrap();
        let found: BTreeMap<_, _> = statement
            .query_map([], |row| {
                let whole = |place| row.get::<_, i64>(place).map(|number| number / 1_000_000);
                let beds = row.get::<_, Option<i64>>(7)?.map(|number| number / 1_000_000);
                let key = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((key, (row.get(3)?, whole(4)?, whole(5)?, whole(6)?, beds)))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let wanted = courses(&drugs, &visits, with_stays);
        assert_eq!(found.len(), wanted.len());
        for (key, course) in &wanted {
            assert_eq!(found.get(key), Some(course), "{key:?}");
        }
        let events: i64 = wanted.values().map(|course| course.2).sum();
        assert!(events > 1_000 && (events as usize) < wanted.len(), "{events} of {}", wanted.len());
    }
}
