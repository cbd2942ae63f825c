//! Queries as the language has them, and the same as a model: filters, axes and measures by plain functions.

use super::{FLOOR, below};
use rand_chacha::ChaCha12Rng;
use samensom_protocol::query::{Counting, Lane};

const CODES: [&str; 4] = ["a", "b", "c", "d"];
const KINDS: [&str; 3] = ["regular", "ccv", "own"];

/// One row of a hospital.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    code: usize,
    kind: usize,
    quantity: i64,
}

type Filter = (&'static str, fn(&Row) -> bool);

/// Conditions as the language has them, and as they are meant.
const FILTERS: [Filter; 6] = [
    ("", |_| true),
    ("quantity > 1", |row| row.quantity > 1),
    ("code = 'a'", |row| row.code == 0),
    ("kind = 'ccv'", |row| row.kind == 1),
    ("kind <> 'ccv'", |row| row.kind != 1),
    ("kind in ('ccv', 'own')", |row| row.kind > 0),
];
/// Those of them that rows of use can meet.
const OF_USE: usize = 3;
/// All rows of use are of a time that is over.
const TIME: &str = "period < '2021-01-01'";

/// The place of a row of a hospital of this group.
type Cell = fn(usize, &Row) -> Option<usize>;

/// Axes as the language has them, with the number of places, and the place of a row.
const AXES: [(&str, usize, Cell); 9] = [
    ("", 1, |_, _| Some(0)),
    ("column = \"code\"\ncodes = [\"a\", \"b\"]", 2, |_, row| (row.code < 2).then_some(row.code)),
    ("column = \"code\"\ncodes = [\"c\", \"d\"]", 2, |_, row| row.code.checked_sub(2)),
    ("column = \"code\"\ncodes = [\"a\", \"b\", \"c\"]", 3, |_, row| (row.code < 3).then_some(row.code)),
    ("column = \"code\"\ncodes = [\"a\"]\nother = true", 2, |_, row| Some(row.code.min(1))),
    ("column = \"kind\"\ncodes = [\"ccv\"]\nother = true", 2, |_, row| Some(usize::from(row.kind != 1))),
    ("group = \"purchasing_group\"\ncodes = [\"north\", \"south\"]", 2, |of, _| (of < 2).then_some(of)),
    ("group = \"purchasing_group\"\ncodes = [\"north\", \"south\", \"east\"]", 3, |of, _| Some(of)),
    (
        "group = \"purchasing_group\"\ncodes = [\"north\"]\n[[dimension]]\ncolumn = \"code\"\ncodes = [\"a\", \"b\"]",
        2,
        |of, row| (of == 0 && row.code < 2).then_some(row.code),
    ),
];

/// The axes of classes of hospitals, each with that of the nation.
const NATIONS: [(usize, usize); 3] = [(6, 0), (7, 0), (8, 1)];

/// What a measure counts of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Quantity,
    Rows,
}

/// A query, and the same as a model.
pub struct Asked {
    pub text: String,
    axis: &'static str,
    population: Filter,
    pub places: usize,
    cell: Cell,
    pub measures: Vec<(Of, Filter)>,
    /// One of those counted may be missing when figures are summed.
    pub may_miss: bool,
    /// Of a time that is over.
    pub over: bool,
    /// The place in the pool of the nation of these groups, or of groups of this nation.
    pub relative: Option<usize>,
}

/// So many queries, and the nation of each that asks groups.
pub fn pool(queries: usize, rng: &mut ChaCha12Rng) -> Vec<Asked> {
    let mut pool: Vec<Asked> = Vec::new();
    for _ in 0..queries {
        let axis = below(rng, AXES.len());
        let mut own = asked(axis, rng);
        if let Some((_, nation)) = NATIONS.iter().find(|(groups, _)| *groups == axis) {
            own.relative = Some(pool.len() + 1);
            let nation = worded(own.population, *nation, own.measures.clone(), own.over);
            let nation = Asked { relative: Some(pool.len()), ..nation };
            pool.extend([own, nation]);
        } else {
            pool.push(own);
        }
    }
    pool
}

/// Any query along these axes; one in five of use, in a time that is over.
fn asked(axis: usize, rng: &mut ChaCha12Rng) -> Asked {
    let over = below(rng, 5) == 0 && !AXES[axis].0.contains("kind");
    let filters = &FILTERS[..if over { OF_USE } else { FILTERS.len() }];
    let population = filters[if below(rng, 2) == 0 { 0 } else { below(rng, filters.len()) }];
    let measures: Vec<(Of, Filter)> = (0..=below(rng, 2))
        .map(|_| {
            let of = if below(rng, 3) == 0 { Of::Rows } else { Of::Quantity };
            (of, filters[below(rng, filters.len())])
        })
        .collect();
    let mut asked = worded(population, axis, measures, over);
    // None may where classes of hospitals are cells, or they are the same each time.
    asked.may_miss = !over && !AXES[axis].0.starts_with("group") && below(rng, 2) == 0;
    asked
}

/// A query in the language.
fn worded(population: Filter, axis: usize, measures: Vec<(Of, Filter)>, over: bool) -> Asked {
    let (axis, places, cell) = AXES[axis];
    let mut text = format!(
        "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
         dataset = \"{}\"\n[floors]\nhospitals = {FLOOR}\n",
        if over { "use" } else { "stock" }
    );
    let conditions: Vec<&str> =
        [if over { TIME } else { "" }, population.0].into_iter().filter(|one| !one.is_empty()).collect();
    if !conditions.is_empty() {
        text += &format!("[population]\nwhere = \"{}\"\n", conditions.join(" and "));
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
    Asked { text, axis, population, places, cell, measures, may_miss: false, over, relative: None }
}

/// Rows of a small hospital: most are like many hospitals', a few are one's alone.
pub fn rows(rng: &mut ChaCha12Rng) -> Vec<Row> {
    let row = |rng: &mut ChaCha12Rng| {
        let rare = below(rng, 12) == 0;
        let code = if rare { below(rng, CODES.len()) } else { below(rng, 2) };
        let kind = if rare { below(rng, KINDS.len()) } else { 0 };
        Row { code, kind, quantity: i64::try_from(below(rng, 3)).unwrap() }
    };
    (0..below(rng, 7)).map(|_| row(rng)).collect()
}

/// Rows of a hospital as they are summed: its number, its group, the rows.
pub type Own<'a> = (usize, usize, &'a [Row]);

impl Asked {
    /// Rows of a hospital in a cell, by their numbers.
    fn rows_in<'a>(
        &'a self,
        (_, group, rows): Own<'a>,
        cell: usize,
    ) -> impl Iterator<Item = (usize, &'a Row)> {
        let all = rows.iter().enumerate();
        all.filter(move |(_, row)| (self.population.1)(row) && (self.cell)(group, row) == Some(cell))
    }

    /// Which of the query's own filters a row meets, as the number of its atom.
    fn atom(row: &Row, filters: &[Filter]) -> usize {
        filters.iter().enumerate().filter(|(_, filter)| (filter.1)(row)).map(|(bit, _)| 1 << bit).sum()
    }

    /// What the count pass adds up over these hospitals.
    pub fn totals(&self, counting: &Counting, country: &[Own]) -> Vec<u64> {
        // The filters in the order in which the measures bring them, as the manual says.
        let mut filters: Vec<Filter> = Vec::new();
        for (_, filter) in &self.measures {
            if !filter.0.is_empty() && filters.iter().all(|other| other.0 != filter.0) {
                filters.push(*filter);
            }
        }
        assert_eq!(filters.len(), counting.filters().len(), "{}", self.text);
        let lanes = counting.lanes();
        let mut totals = Vec::new();
        for cell in 0..self.places {
            for lane in &lanes {
                let holds = |own: &&Own| {
                    let mut own = self.rows_in(**own, cell).map(|(_, row)| (Self::atom(row, &filters), row));
                    match *lane {
                        Lane::Rows(atom) => own.any(|(of, _)| of == atom),
                        Lane::Matter(_, atom) => {
                            own.filter(|(of, _)| *of == atom).map(|(_, row)| row.quantity).sum::<i64>() != 0
                        }
                        Lane::Set(None) => own.next().is_some(),
                        Lane::Set(Some(filter)) => own.any(|(of, _)| of >> filter & 1 == 1),
                        Lane::Patients(_) | Lane::Value(_) | Lane::Compared(_) | Lane::Dominant(_) => {
                            unreachable!("nothing of the kind is asked")
                        }
                    }
                };
                totals.push(u64::try_from(country.iter().filter(holds).count()).unwrap());
            }
        }
        totals
    }

    /// What a measure sums in a cell, whatever else the query asks.
    pub fn figure(&self, cell: usize, measure: usize) -> String {
        let (of, filter) = &self.measures[measure];
        format!("{of:?} of {:?} and {:?} in {cell} of {:?}", self.population.0, filter.0, self.axis)
    }

    /// The rows behind a measure in a cell, as (hospital, number).
    pub fn behind(&self, cell: usize, measure: usize, country: &[Own]) -> Vec<(usize, usize)> {
        self.rows_of(cell, measure, country).map(|(row, _)| row).collect()
    }

    /// Those of them that add something to it.
    pub fn filled(&self, cell: usize, measure: usize, country: &[Own]) -> Vec<(usize, usize)> {
        let of = self.measures[measure].0;
        let adds = |row: &Row| of == Of::Rows || row.quantity != 0;
        self.rows_of(cell, measure, country).filter(|(_, row)| adds(row)).map(|(row, _)| row).collect()
    }

    fn rows_of<'a>(
        &'a self,
        cell: usize,
        measure: usize,
        country: &'a [Own],
    ) -> impl Iterator<Item = ((usize, usize), &'a Row)> {
        let filter = self.measures[measure].1;
        country.iter().flat_map(move |own| {
            let rows = self.rows_in(*own, cell).filter(move |(_, row)| (filter.1)(row));
            rows.map(|(number, row)| ((own.0, number), row))
        })
    }
}
