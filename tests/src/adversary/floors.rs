//! Towns in which floors are held, and what their hospitals' rows are: said in the count pass, summed in the value
//! pass.
//!
//! Rows are written down by the filters they meet, so that a test can say at a glance how many hospitals stand
//! behind which rows. It must not know which figures open.

use super::town::{self, ANALYST, APPROVER, Of, Town, identity};
use samensom_protocol::codec::{Blob, encode};
use samensom_protocol::ids::{ExtractHash, NodeId};
use samensom_protocol::message::Pass;
use samensom_protocol::query::{Counting, Dominance, Lane, MeasureKind, Open, Query};
use samensom_protocol::ring::Contribution;
use samensom_protocol::warrant::{Approval, SignedWarrant, Warrant, WarrantBody};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of one hospital in one box that meet exactly these filters.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Whose.
    pub node: NodeId,
    /// The box, in the order of the layout; any, where the query has no dimension.
    pub cell: u32,
    /// Bit i: they meet filter i, in the order in which the query's measures name them.
    pub atom: usize,
    /// Their sum, in base units.
    pub sum: i64,
    /// Patients among them.
    pub patients: u32,
}

/// A town over these queries; `change` is made to each warrant's terms before it is approved.
///
/// # Panics
/// When a query is none, or its warrant may not be.
#[must_use]
pub fn town(n: u16, queries: &[&str], change: impl Fn(&mut WarrantBody)) -> Arc<Town> {
    town_of(n, &|_| ("north", "general"), queries, change)
}

/// The same; `of`: group and kind of each hospital.
///
/// # Panics
/// As [`town()`].
#[must_use]
pub fn town_of(n: u16, of: Of<'_>, queries: &[&str], change: impl Fn(&mut WarrantBody)) -> Arc<Town> {
    let plain = town::town(n);
    let roster = Arc::new(town::with_patients(n, of));
    let warrants = queries.iter().map(|query| {
        let signed = asked(&plain, query, |terms| {
            terms.roster = roster.hash();
            change(terms);
        });
        let warrant = signed.verify(&roster, samensom_protocol::time::Time(1));
        let warrant = Arc::new(warrant.unwrap_or_else(|fault| panic!("{fault}: {query}")));
        (signed, warrant)
    });
    let warrants: Vec<(SignedWarrant, Arc<Warrant>)> = warrants.collect();
    let of_first = warrants.first().map(|(_, one)| one.query().dataset().name());
    let lock = of_first.and_then(|dataset| roster.lock_of(dataset)).unwrap_or(&plain.lock).clone();
    Arc::new(Town {
        warrants,
        roster,
        coordinator: Arc::clone(&plain.coordinator),
        identities: plain.identities.clone(),
        lock,
    })
}

/// A warrant for a query, asked and approved as it must be.
///
/// # Panics
/// When the query is none.
#[must_use]
pub fn asked(town: &Town, query: &str, change: impl Fn(&mut WarrantBody)) -> SignedWarrant {
    let query = Query::from_toml(query, &mut |_| Err("no files here".into()))
        .unwrap_or_else(|error| panic!("{error}: {query}"));
    let mut body = town.warrants[0].1.body().clone();
    body.query = Blob::new(query.canonical().unwrap()).unwrap();
    change(&mut body);
    let raw = encode(&body).unwrap();
    let approvals = vec![Approval::new(&identity(APPROVER), &raw)];
    SignedWarrant::asked(&body, &identity(ANALYST)).unwrap().approved(approvals).unwrap()
}

/// What a hospital gives to a pass of a warrant, as its program computes it from its rows.
#[must_use]
pub fn contribution(
    warrant: &Warrant,
    pass: Pass,
    rows: &[Rows],
    (open, each, dominance): (Option<&Open>, u32, Option<&Dominance>),
    extract: ExtractHash,
) -> Option<Contribution> {
    let layout = warrant.query().layout();
    match (pass, warrant.count()) {
        (Pass::Count, Some(count)) => {
            let said = said(warrant, &count.counting, rows, (each, dominance));
            Contribution::new(count.params.cells, |_| (0, 1), &said, extract).ok()
        }
        _ => {
            let figures = figures(warrant, rows);
            let all =
                Contribution::new(layout.cells(), |cell| layout.bounds(cell), &figures, extract).ok()?;
            Some(all.only(|cell| open.is_none_or(|open| open.opens(&layout, cell))))
        }
    }
}

fn said(
    warrant: &Warrant,
    counting: &Counting,
    rows: &[Rows],
    (each, dominance): (u32, Option<&Dominance>),
) -> Vec<i64> {
    let (query, lanes, own) = (warrant.query(), counting.lanes(), figures(warrant, rows));
    let (judged, measures) = (counting.judged(), query.measures().len());
    let mut said = Vec::new();
    for cell in 0..counting.boxes() {
        let alone = query.dimensions().is_empty();
        let here = || rows.iter().filter(move |rows| rows.cell == cell || alone);
        let is_in = |rows: &&Rows, filter: usize| rows.atom >> filter & 1 == 1;
        for lane in &lanes {
            said.push(i64::from(match *lane {
                Lane::Rows(atom) => here().any(|rows| rows.atom == atom),
                Lane::Patients(atom) => here().any(|rows| rows.atom == atom && rows.patients >= each),
                Lane::Matter(_, atom) => here().any(|rows| rows.atom == atom && rows.sum != 0),
                Lane::Value(_) | Lane::Set(None) => here().next().is_some(),
                Lane::Compared(one) => {
                    dominance.is_some_and(|before| before.compares(cell as usize * judged.len() + one))
                }
                Lane::Dominant(one) => dominance.is_some_and(|before| {
                    let figure = own[cell as usize * measures + judged[one].measure];
                    before.is_dominant(cell as usize * judged.len() + one, figure)
                }),
                Lane::Set(Some(filter)) => here().any(|rows| is_in(&rows, filter)),
            }));
        }
    }
    said
}

/// One figure a measure: its sum, its patients, or whether the hospital has rows.
fn figures(warrant: &Warrant, rows: &[Rows]) -> Vec<i64> {
    let query = warrant.query();
    let boxes = query.layout().cells().checked_div(u32::try_from(query.measures().len()).unwrap_or(1));
    let filters: BTreeMap<usize, usize> = filters(query);
    let mut figures = Vec::new();
    for cell in 0..boxes.unwrap_or(0) {
        for (place, measure) in query.measures().iter().enumerate() {
            let of_it = |one: &&Rows| {
                (one.cell == cell || query.dimensions().is_empty())
                    && filters.get(&place).is_none_or(|filter| one.atom >> filter & 1 == 1)
            };
            let here = rows.iter().filter(of_it);
            figures.push(match measure.kind() {
                MeasureKind::Sum { .. } => here.map(|one| one.sum).sum(),
                MeasureKind::Hospitals { .. } => i64::from(here.count() > 0),
                _ => here.map(|one| i64::from(one.patients)).sum(),
            });
        }
    }
    figures
}

/// Which filter a measure has, in the order in which they are named first.
fn filters(query: &Query) -> BTreeMap<usize, usize> {
    let mut named = Vec::new();
    let mut of = BTreeMap::new();
    for (place, measure) in query.measures().iter().enumerate() {
        if !measure.filter().is_always() {
            let known = named.iter().position(|one| *one == measure.filter());
            let filter = known.unwrap_or_else(|| {
                named.push(measure.filter());
                named.len() - 1
            });
            of.insert(place, filter);
        }
    }
    of
}
