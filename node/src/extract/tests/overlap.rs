//! Queries over almost the same patients, against sets of patients made by plain loops.

use super::*;
use samensom_protocol::query::Answered;
use std::collections::BTreeSet;

const CONFIG: &str = "dataset = \"administration\"\nfile = \"x.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
                      decimal = \",\"\ndate = \"%d-%m-%Y\"\nunit = \"mg\"\n[columns]\nperson = \"p\"\ncode = \"c\"\n\
                      at = \"d\"\nquantity = \"q\"\nward = \"w\"\nage = \"a\"\n";

/// A row: person, code, quantity, ward, age.
type Row = (usize, &'static str, i64, &'static str, Option<i64>);

fn folder(rows: &[Row]) -> Folder {
    let line = |(person, code, quantity, ward, age): &Row| {
        let age = age.map_or(String::new(), |age| age.to_string());
        format!("p{person};{code};01-11-2026;{quantity};{ward};{age}\n")
    };
    let lines: String = rows.iter().map(line).collect();
    Folder::of(CONFIG, &format!("p;c;d;q;w;a\n{lines}"))
}

/// A condition over rows, and the same by hand.
type Condition = (&'static str, fn(&Row) -> bool);

const CONDITIONS: [Condition; 9] = [
    ("age >= 18", |row| row.4.is_some_and(|age| age >= 18)),
    ("age >= 19", |row| row.4.is_some_and(|age| age >= 19)),
    ("not age < 18", |row| row.4.is_some_and(|age| age >= 18)),
    ("age is null or age >= 19", |row| row.4.is_none_or(|age| age >= 19)),
    ("ward = 'IC'", |row| row.3 == "IC"),
    ("ward is null", |row| row.3.is_empty()),
    ("quantity * 2 > 5", |row| row.2 * 2 > 5),
    ("quantity > 2", |row| row.2 > 2),
    ("code = 'a'", |row| row.1 == "a"),
];

/// A query: its population, its one filter, the codes by which it is cut.
#[derive(Clone)]
struct Asked {
    population: Condition,
    filter: Option<Condition>,
    codes: Vec<&'static str>,
    patients: u32,
}

impl Asked {
    fn answered(&self) -> Answered {
        let filter = self.filter.map_or(String::new(), |(text, _)| format!("where = \"{text}\"\n"));
        let codes: Vec<String> = self.codes.iter().map(|code| format!("\"{code}\"")).collect();
        let dimension = match codes.is_empty() {
            true => String::new(),
            false => format!("[[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n", codes.join(", ")),
        };
        let text = format!(
            "[query]\nid = \"q{}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"quality\"\n\
             dataset = \"administration\"\n[population]\nwhere = \"{}\"\n{dimension}[[measure]]\nname = \"n\"\n\
             patients = true\n{filter}[floors]\nhospitals = 3\npatients = 10\n",
            self.patients, self.population.0
        );
        let query =
            Query::from_toml(&text, &mut |_| Err(String::new())).unwrap_or_else(|why| panic!("{why}"));
        Answered { query: query.resolved().unwrap(), patients: self.patients }
    }

    fn is_same(&self, other: &Asked) -> bool {
        self.population.0 == other.population.0
            && self.filter.map(|one| one.0) == other.filter.map(|one| one.0)
    }

    fn patients_of(&self, rows: &[Row], code: Option<&str>) -> BTreeSet<usize> {
        let holds = |row: &&Row| {
            (self.population.1)(row)
                && self.filter.is_none_or(|filter| (filter.1)(row))
                && code.is_none_or(|code| row.1 == code)
        };
        rows.iter().filter(holds).map(|row| row.0).collect()
    }
}

/// Whether the oracle refuses the last of these.
fn refuses(own: &Asked, before: &[Asked], rows: &[Row]) -> bool {
    if before.iter().any(|other| other.is_same(own)) {
        return false;
    }
    before.iter().any(|other| {
        let floor = usize::try_from(own.patients.max(other.patients)).unwrap();
        let mut cells = vec![None];
        if !own.codes.is_empty() && !other.codes.is_empty() {
            cells.extend(own.codes.iter().copied().map(Some));
        }
        cells.into_iter().any(|cell| {
            let (one, two) = (own.patients_of(rows, cell), other.patients_of(rows, cell));
            [one.difference(&two).count(), two.difference(&one).count()]
                .into_iter()
                .any(|alone| alone > 0 && alone < floor)
        })
    })
}

#[test]
fn what_lies_between_two_predicates_is_judged_as_by_plain_sets() {
    let mut state = 11_u64;
    let mut pick = |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % count
    };
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..40 {
        let (people, size) = (1 + pick(25), 1 + pick(80));
        let row = |pick: &mut dyn FnMut(usize) -> usize| -> Row {
            let age = [None, Some(17), Some(18), Some(19), Some(19), Some(70)][pick(6)];
            (
                pick(people),
                ["a", "b", "c"][pick(3)],
                i64::try_from(pick(5)).unwrap(),
                ["IC", "", "C3"][pick(3)],
                age,
            )
        };
        let mut rows: Vec<Row> = (0..size).map(|_| row(&mut pick)).collect();
        // A row twice is refused as such.
        rows.sort();
        rows.dedup();
        let folder = folder(&rows);
        let frozen = folder.freeze().unwrap_or_else(|error| panic!("{error}"));
        for _ in 0..8 {
            let asked = |pick: &mut dyn FnMut(usize) -> usize| Asked {
                population: CONDITIONS[pick(CONDITIONS.len())],
                filter: [None, Some(CONDITIONS[pick(CONDITIONS.len())])][pick(2)],
                codes: [vec![], vec!["a", "b"], vec!["b", "c"]][pick(3)].clone(),
                patients: u32::try_from(pick(7)).unwrap(),
            };
            let before: Vec<Asked> = (0..1 + pick(3)).map(|_| asked(&mut pick)).collect();
            let own = asked(&mut pick);
            let answered: Vec<Answered> = before.iter().map(Asked::answered).collect();
            let judged = refuse_overlap(&own.answered(), &answered, &frozen);
            let expected = refuses(&own, &before, &rows);
            let told = judged.as_ref().err().map(ToString::to_string);
            assert_eq!(judged.is_err(), expected, "{rows:?}: {:?}: {told:?}", own.answered());
            assert!(judged.is_ok() || told.is_some_and(|told| told.contains("differ by fewer than")));
            (refused, taken) = (refused + usize::from(expected), taken + usize::from(!expected));
        }
    }
    println!("{refused} refused and {taken} taken, as by plain sets");
    assert!(refused > 50 && taken > 50, "{refused} {taken}");
}

#[test]
fn the_refusal_names_queries_and_the_floor_and_no_patient() {
    let rows: Vec<Row> =
        (0..30).map(|person| (person, "a", 1, "IC", Some(18 + i64::from(person > 2)))).collect();
    let folder = folder(&rows);
    let frozen = folder.freeze().unwrap();
    let of = |condition: usize, patients| Asked {
        population: CONDITIONS[condition],
        filter: None,
        codes: vec![],
        patients,
    };
    let (adults, nineteen) = (of(0, 10).answered(), of(1, 11).answered());
    let refused = refuse_overlap(&nineteen, std::slice::from_ref(&adults), &frozen).unwrap_err();
    assert!(refused.is_of_the_ledger());
    assert_eq!(
        refused.to_string(),
        "the populations of q11 and q10 differ by fewer than 11 of this hospital's patients, and q10 was answered over \
         this extract; expected none between them, or 11 at least; ask in the next slot, over another extract"
    );
    refuse_overlap(&adults, std::slice::from_ref(&adults), &frozen).unwrap();
    let again = of(1, 10).answered();
    refuse_overlap(&again, &[adults, nineteen], &frozen).unwrap();
}
