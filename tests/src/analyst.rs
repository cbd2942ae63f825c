//! A random analyst: sequences of queries over small hospitals, and what the released figures give away.
//!
//! Owns an independent model of rows, cells and filters, which shares nothing with the language but its text. The
//! rule that stands before a release is the protocol's own; what is judged is every pair of released figures: their
//! difference must be about no rows, or about enough hospitals.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::List;
use samensom_protocol::query::{Counting, Floors, Lane, Query, Shape};

/// Fewest hospitals behind a figure.
pub const FLOOR: u64 = 3;
const HOSPITALS: usize = 9;
const CODES: [&str; 4] = ["a", "b", "c", "d"];
const KINDS: [&str; 3] = ["regular", "ccv", "own"];

/// One row of a hospital.
#[derive(Debug, Clone, Copy)]
struct Row {
    code: usize,
    kind: usize,
    quantity: i64,
}

type Filter = (&'static str, fn(&Row) -> bool);

/// Conditions as the language has them, and as they are meant.
const FILTERS: [Filter; 6] = [
    ("", |_| true),
    ("kind = 'ccv'", |row| row.kind == 1),
    ("kind <> 'ccv'", |row| row.kind != 1),
    ("kind in ('ccv', 'own')", |row| row.kind > 0),
    ("quantity > 1", |row| row.quantity > 1),
    ("code = 'a'", |row| row.code == 0),
];

type Cell = fn(&Row) -> Option<usize>;

/// Axes as the language has them, with the number of places, and the place of a row.
const AXES: [(&str, usize, Cell); 6] = [
    ("", 1, |_| Some(0)),
    ("column = \"code\"\ncodes = [\"a\", \"b\"]", 2, |row| (row.code < 2).then_some(row.code)),
    ("column = \"code\"\ncodes = [\"c\", \"d\"]", 2, |row| row.code.checked_sub(2)),
    ("column = \"code\"\ncodes = [\"a\", \"b\", \"c\"]", 3, |row| (row.code < 3).then_some(row.code)),
    ("column = \"code\"\ncodes = [\"a\"]\nother = true", 2, |row| Some(row.code.min(1))),
    ("column = \"kind\"\ncodes = [\"ccv\"]\nother = true", 2, |row| Some(usize::from(row.kind != 1))),
];

/// What a measure counts of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Quantity,
    Rows,
}

/// A query, and the same as a model.
struct Asked {
    text: String,
    population: Filter,
    axis: (usize, Cell),
    measures: Vec<(Of, Filter)>,
    counting: Counting,
    shape: Shape,
}

/// A released figure: what it counts, and its rows as (hospital, number of the row).
struct Released {
    of: Of,
    rows: Vec<(usize, usize)>,
    by: String,
}

fn below(rng: &mut ChaCha12Rng, count: usize) -> usize {
    usize::try_from(rng.next_u32()).unwrap() % count
}

fn asked(rng: &mut ChaCha12Rng) -> Option<Asked> {
    let population = FILTERS[if below(rng, 2) == 0 { 0 } else { below(rng, FILTERS.len()) }];
    let (axis, places, cell) = AXES[below(rng, AXES.len())];
    let measures: Vec<(Of, Filter)> = (0..=below(rng, 2))
        .map(|_| {
            let of = if below(rng, 3) == 0 { Of::Rows } else { Of::Quantity };
            (of, FILTERS[below(rng, FILTERS.len())])
        })
        .collect();
    let mut text =
        "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"V\", en = \"Q\" }\npurpose = \"stock\"\n\
                    dataset = \"stock\"\n"
            .to_owned();
    if !population.0.is_empty() {
        text += &format!("[population]\nwhere = \"{}\"\n", population.0);
    }
    if !axis.is_empty() {
        text += &format!("[[dimension]]\n{axis}\n");
    }
    for (place, (of, filter)) in measures.iter().enumerate() {
        text += &format!("[[measure]]\nname = \"m{place}\"\n");
        if !filter.0.is_empty() {
            text += &format!("where = \"{}\"\n", filter.0);
        }
        text += match of {
            Of::Quantity => "sum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 99]\n",
            Of::Rows => "rows = true\nmax = 99\n",
        };
    }
    let query = Query::from_toml(&text, &mut |_| Err("no files".into()))
        .unwrap_or_else(|why| panic!("{why}\n{text}"));
    let resolved = query.resolved().unwrap();
    let counting = Counting::of(&resolved, false)?;
    let shape = Shape::new(resolved, Floors { hospitals: FLOOR, patients: 0 }, List::default());
    Some(Asked { text, population, axis: (places, cell), measures, counting, shape })
}

/// Small hospitals: most rows are many hospitals', a few are one's alone.
fn country(rng: &mut ChaCha12Rng) -> Vec<Vec<Row>> {
    let mut hospital = |_| {
        let row = |rng: &mut ChaCha12Rng| {
            let rare = below(rng, 12) == 0;
            let code = if rare { below(rng, CODES.len()) } else { below(rng, 2) };
            let kind = if rare { below(rng, KINDS.len()) } else { 0 };
            let quantity = i64::try_from(below(rng, 3)).unwrap();
            Row { code, kind, quantity }
        };
        (0..below(rng, 7)).map(|_| row(rng)).collect()
    };
    (0..HOSPITALS).map(&mut hospital).collect()
}

impl Asked {
    /// Rows of a hospital in a cell, by their numbers.
    fn rows_in<'a>(&'a self, rows: &'a [Row], cell: usize) -> impl Iterator<Item = (usize, &'a Row)> {
        let all = rows.iter().enumerate();
        all.filter(move |(_, row)| (self.population.1)(row) && (self.axis.1)(row) == Some(cell))
    }

    /// Which of the query's own filters a row meets, as the number of its atom.
    fn atom(&self, row: &Row, filters: &[Filter]) -> usize {
        filters.iter().enumerate().filter(|(_, filter)| (filter.1)(row)).map(|(bit, _)| 1 << bit).sum()
    }

    /// What the count pass adds up.
    fn totals(&self, country: &[Vec<Row>]) -> Vec<u64> {
        // The filters in the order in which the measures bring them, as the manual says.
        let mut filters: Vec<Filter> = Vec::new();
        for (_, filter) in &self.measures {
            if !filter.0.is_empty() && filters.iter().all(|other| other.0 != filter.0) {
                filters.push(*filter);
            }
        }
        assert_eq!(filters.len(), self.counting.filters().len(), "{}", self.text);
        let lanes = self.counting.lanes();
        let mut totals = Vec::new();
        for cell in 0..self.axis.0 {
            for lane in &lanes {
                let holds = |rows: &&Vec<Row>| {
                    let mut own = self.rows_in(rows, cell).map(|(_, row)| (self.atom(row, &filters), row));
                    match *lane {
                        Lane::Rows(atom) => own.any(|(of, _)| of == atom),
                        Lane::Matter(_, atom) => {
                            own.filter(|(of, _)| *of == atom).map(|(_, row)| row.quantity).sum::<i64>() != 0
                        }
                        Lane::Set(None) => own.next().is_some(),
                        Lane::Set(Some(filter)) => own.any(|(of, _)| of >> filter & 1 == 1),
                        Lane::Patients(_) | Lane::Value(_) => unreachable!("nothing of the kind is asked"),
                    }
                };
                totals.push(u64::try_from(country.iter().filter(holds).count()).unwrap());
            }
        }
        totals
    }

    /// The figures that open.
    fn released(&self, country: &[Vec<Row>]) -> Vec<Released> {
        let open = self.counting.open(&self.totals(country), FLOOR);
        let mut released = Vec::new();
        for cell in 0..self.axis.0 {
            for (place, (of, filter)) in self.measures.iter().enumerate() {
                if !open.is_open(u32::try_from(cell).unwrap(), place) {
                    continue;
                }
                let own = country.iter().enumerate().flat_map(|(hospital, rows)| {
                    let own = self.rows_in(rows, cell).filter(|(_, row)| (filter.1)(row));
                    own.map(move |(number, _)| (hospital, number)).collect::<Vec<_>>()
                });
                released.push(Released {
                    of: *of,
                    rows: own.collect(),
                    by: format!("m{place} in {cell} of\n{}", self.text),
                });
            }
        }
        released
    }
}

/// Hospitals behind the rows that are in one of two figures alone; none where there are no such rows.
fn between(one: &Released, other: &[(usize, usize)]) -> u64 {
    let apart = one
        .rows
        .iter()
        .filter(|row| !other.contains(row))
        .chain(other.iter().filter(|row| !one.rows.contains(row)));
    let mut hospitals: Vec<usize> = apart.map(|(hospital, _)| *hospital).collect();
    hospitals.sort_unstable();
    hospitals.dedup();
    u64::try_from(hospitals.len()).unwrap()
}

/// The queries that analysts choose from.
pub struct Analysts {
    pool: Vec<Asked>,
}

/// How a sequence of queries ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Told {
    /// Queries that ran.
    pub ran: usize,
    /// Queries that the ledger's rule refused.
    pub refused: usize,
    /// Figures that were released.
    pub figures: usize,
    /// Two figures whose difference is about too few.
    pub isolated: Option<String>,
}

impl Analysts {
    /// Those who ask these many different queries.
    ///
    /// # Panics
    /// When the language refuses what is no more than the language.
    #[must_use]
    pub fn new(queries: usize, seed: u64) -> Analysts {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut pool = Vec::new();
        while pool.len() < queries {
            pool.extend(asked(&mut rng));
        }
        Analysts { pool }
    }

    /// One sequence over one extract of every hospital; `rule`: the ledgers hold to it.
    ///
    /// # Panics
    /// Never, unless the model is wrong.
    #[must_use]
    pub fn ask(&self, seed: u64, rule: bool) -> Told {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let country = country(&mut rng);
        let (mut ran, mut told): (Vec<&Asked>, Told) = (Vec::new(), Told::default());
        let mut released: Vec<Released> = Vec::new();
        for _ in 0..2 + below(&mut rng, 5) {
            let asked = &self.pool[below(&mut rng, self.pool.len())];
            if rule && !ran.iter().all(|other| asked.shape.may_stand_beside(&other.shape)) {
                told.refused += 1;
                continue;
            }
            for figure in asked.released(&country) {
                let nothing = (between(&figure, &[]), "alone");
                let pairs = released.iter().filter(|other| other.of == figure.of);
                let pairs = pairs.map(|other| (between(&figure, &other.rows), other.by.as_str()));
                let few = pairs.chain([nothing]).find(|(few, _)| (1..FLOOR).contains(few));
                if let Some((few, other)) = few {
                    told.isolated.get_or_insert_with(|| {
                        format!("{few} hospitals stand between {}\nand {other}\nof {country:?}", figure.by)
                    });
                }
                released.push(figure);
            }
            told.ran += 1;
            ran.push(asked);
        }
        told.figures = released.len();
        told
    }
}
