//! A random analyst who owns the coordinator: sequences of queries, groups, rosters, slots and retries over small
//! hospitals, and what the released figures give away.
//!
//! Owns the verdict: no difference of two released figures, and nothing else that follows from released figures by adding
//! and subtracting (`combined.rs`), may be about fewer hospitals than the floor. Rows, cells and
//! filters are a model of their own (`queries.rs`), which shares nothing with the language but its text; what stands
//! before a release are the protocol's own rules over each hospital's ledger (`session.rs`). Signatures and masks are
//! left out: attacks on them are played elsewhere.

mod combined;
mod country;
mod queries;
mod session;

use country::Country;
use queries::{Asked, Of, pool};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use session::Play;
use std::collections::BTreeMap;

/// Fewest hospitals behind a figure.
pub const FLOOR: u64 = 3;

fn below(rng: &mut ChaCha12Rng, count: usize) -> usize {
    usize::try_from(rng.next_u32()).unwrap() % count
}

/// True in one of so many.
fn one_in(rng: &mut ChaCha12Rng, count: usize) -> bool {
    below(rng, count) == 0
}

/// A released figure: what it counts, the version of each participant's rows, and its rows as (hospital, number).
struct Released {
    of: Of,
    /// Rows of a time that is over.
    over: bool,
    /// What is summed, whatever the slot and the warrant.
    figure: String,
    versions: BTreeMap<usize, u32>,
    rows: Vec<(usize, usize)>,
    /// Those of them that add something.
    filled: Vec<(usize, usize)>,
    by: String,
}

impl Released {
    /// Whether rows of both can be held against each other: nobody who is in both has changed them between, or they are
    /// of a time that is over and the same is summed of them. Sums of rows that change from slot to slot can be
    /// subtracted, and the result says so.
    fn is_over_the_rows_of(&self, other: &Released) -> bool {
        if self.over != other.over {
            return false;
        }
        let changed = |(hospital, version): (&usize, &u32)| {
            other.versions.get(hospital).is_some_and(|other| other != version)
        };
        !self.versions.iter().any(changed) || self.over && self.figure == other.figure
    }

    /// Hospitals behind the rows that are in one of two figures alone; none where there are no such rows.
    fn between(&self, other: &[(usize, usize)]) -> u64 {
        let own = self.rows.iter().filter(|row| !other.contains(row));
        let apart = own.chain(other.iter().filter(|row| !self.rows.contains(row)));
        let mut hospitals: Vec<usize> = apart.map(|(hospital, _)| *hospital).collect();
        hospitals.sort_unstable();
        hospitals.dedup();
        u64::try_from(hospitals.len()).unwrap()
    }
}

/// Two figures, or one alone, that are about too few hospitals.
fn isolated(figure: &Released, before: &[Released]) -> Option<String> {
    let alone = (figure.between(&[]), "nothing");
    let pairs = before.iter().filter(|other| other.of == figure.of && figure.is_over_the_rows_of(other));
    let pairs = pairs.map(|other| (figure.between(&other.rows), other.by.as_str()));
    let few = pairs.chain([alone]).find(|(few, _)| (1..FLOOR).contains(few));
    few.map(|(few, other)| format!("{few} hospitals stand between {}\nand {other}", figure.by))
}

/// The queries that analysts choose from, with their warrants under the rosters of some years.
pub struct Analysts {
    pool: Vec<Asked>,
    country: Country,
}

/// How a sequence ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Told {
    /// Passes that gave a sum.
    pub ran: usize,
    /// Passes that nobody, or too few, took part in.
    pub refused: usize,
    /// Passes that were lost after somebody contributed.
    pub lost: usize,
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
        let pool = pool(queries, &mut rng);
        let country = Country::new(&pool);
        Analysts { pool, country }
    }

    /// One sequence; `rules`: the ledgers hold to what they promised.
    ///
    /// # Panics
    /// Never, unless the model is wrong.
    #[must_use]
    pub fn ask(&self, seed: u64, rules: bool) -> Told {
        let mut play = Play::new(&self.pool, &self.country, ChaCha12Rng::seed_from_u64(seed), rules);
        play.all();
        play.told
    }
}
