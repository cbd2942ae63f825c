//! What a demo will do: the hospitals and their extracts, the query, who is absent, who drops out.
//!
//! Owns every choice, all of them functions of the options. It must not start a process.

use super::extracts::Shared;
use super::oracle::Own;
use super::{Options, generator};
use crate::clock::today;
use crate::error::Error;
use crate::ops::slug;
use crate::toml_file;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use samensom_protocol::query::{Column, Dataset, Query};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const QUERY: &str = include_str!("../../../deploy/queries/ccv-stock.toml");
const CODES: &str = include_str!("../../../deploy/queries/codelists/ccv.csv");

/// A hospital of the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hospital {
    /// Short name, unique.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Purchasing group.
    pub group: String,
    /// Kind of hospital.
    pub kind: String,
}

impl Hospital {
    fn property(&self, column: Column) -> String {
        if column == Column::PurchasingGroup { self.group.clone() } else { self.kind.clone() }
    }
}

/// Where the extracts come from.
#[derive(Debug)]
pub enum Source {
    /// Invented from this seed.
    Invented(u64),
    /// Split from files that several hospitals share.
    Shared(Shared),
}

/// All that is decided before anything starts.
#[derive(Debug)]
pub struct Plan {
    /// The hospitals, in the order of their numbers.
    pub hospitals: Vec<Hospital>,
    /// Whose agents never start.
    pub absent: BTreeSet<usize>,
    /// Whose agents are killed.
    pub drop_out: BTreeSet<usize>,
    /// Whether all of them come back when there is no sum.
    pub come_back: bool,
    /// Where their extracts come from.
    pub source: Source,
    /// The query.
    pub query: Query,
    /// Its file; none for the shipped one.
    pub query_file: Option<PathBuf>,
    /// Whether everything stays when the result is there.
    pub keep_running: bool,
    /// Where the server listens and what the agents dial.
    pub addresses: Option<(String, String)>,
}

impl Plan {
    /// Decides.
    ///
    /// # Errors
    /// When the options do not fit together, or a file of theirs is wrong.
    pub fn new(options: &Options) -> Result<Plan, Error> {
        let (hospitals, source) = match &options.extracts {
            Some(path) => {
                if options.query.is_none() {
                    return Err(Error::asked("the shipped query does not fit foreign extracts")
                        .expected("--query FILE beside --extracts FILE"));
                }
                let (hospitals, shared) = Shared::read(path)?;
                (hospitals, Source::Shared(shared))
            }
            None => (invented(), Source::Invented(options.seed)),
        };
        let hospitals = first(hospitals, options.hospitals)?;
        let (query, query_file) = match &options.query {
            Some(path) => (read_query(path)?, Some(absolute(path))),
            None => (shipped()?, None),
        };
        // Given to the server value by value, so that both compute the same query also at midnight.
        let query = query
            .bound(&[], today())
            .map_err(|why| Error::asked(why.to_string()).expected("a default for every parameter"))?;
        let classes = |column| hospitals.iter().map(|one| one.property(column)).collect();
        let query = query.with_classes(&classes).map_err(|why| Error::asked(why.to_string()))?;
        let away = options.absent.saturating_add(options.drop_out);
        if away > hospitals.len() {
            return Err(Error::asked(format!("{away} hospitals cannot be absent or drop out"))
                .expected(format!("--absent and --drop-out of {} together at most", hospitals.len())));
        }
        let mut order = shuffled(hospitals.len(), options.seed).into_iter();
        Ok(Plan {
            absent: order.by_ref().take(options.absent).collect(),
            drop_out: order.take(options.drop_out).collect(),
            come_back: options.come_back,
            hospitals,
            source,
            query,
            query_file,
            keep_running: options.keep_running,
            addresses: options.addresses.clone(),
        })
    }

    /// The hospitals whose agents start.
    pub fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.hospitals.len()).filter(|hospital| !self.absent.contains(hospital))
    }

    /// What the roster will say of one hospital.
    #[must_use]
    pub fn properties(&self, hospital: usize) -> Own {
        let hospital = self.hospitals.get(hospital);
        Column::OF_HOSPITALS.into_iter().filter_map(|one| Some((one, hospital?.property(one)))).collect()
    }

    /// The folder of one hospital.
    #[must_use]
    pub fn home(&self, folder: &Path, hospital: usize) -> PathBuf {
        let slug = self.hospitals.get(hospital).map_or("", |hospital| hospital.slug.as_str());
        folder.join("hospitals").join(slug)
    }

    /// The `[[extract]]` tables of every hospital's `node.toml`; relative files stand in its folder.
    #[must_use]
    pub fn extract_tables(&self) -> Vec<toml::Table> {
        match &self.source {
            Source::Invented(_) => self.datasets().iter().filter_map(|one| invented_table(*one)).collect(),
            Source::Shared(shared) => shared.tables.iter().map(|table| table.of_one_hospital()).collect(),
        }
    }

    /// The data sets that the query reads, or those of which the agents make the one it reads.
    fn datasets(&self) -> Vec<Dataset> {
        let dataset = self.query.dataset();
        if dataset.made_of().is_empty() { vec![dataset] } else { dataset.made_of().to_vec() }
    }

    /// Writes the extracts of every hospital as they are in a slot, counted from 0.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn write_extracts(&self, folder: &Path, slot: u64) -> Result<(), Error> {
        match &self.source {
            Source::Invented(seed) => {
                for hospital in 0..self.hospitals.len() {
                    let home = self.home(folder, hospital);
                    for (dataset, text) in generator::extracts(&self.datasets(), *seed, hospital, slot) {
                        replace(&home.join(file_of(dataset)), text.as_bytes())?;
                    }
                }
                Ok(())
            }
            // What was issued in a month that is over does not change.
            Source::Shared(_) if slot > 0 => Ok(()),
            Source::Shared(shared) => {
                let homes: Vec<PathBuf> =
                    (0..self.hospitals.len()).map(|hospital| self.home(folder, hospital)).collect();
                shared.split(&homes)
            }
        }
    }

    /// What the codes of the shipped query stand for; nothing for another query.
    #[must_use]
    pub fn legend(&self) -> String {
        if self.query_file.is_some() {
            return String::new();
        }
        let named = CODES.lines().skip(1).filter_map(|line| line.split_once(','));
        let named: Vec<String> = named.map(|(code, name)| format!("{code} {name}")).collect();
        named.chunks(5).map(|line| line.join(", ")).collect::<Vec<_>>().join(",\n")
    }

    /// The path of the query; the shipped one is written below `folder` first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn query_path(&self, folder: &Path) -> Result<PathBuf, Error> {
        if let Some(path) = &self.query_file {
            return Ok(path.clone());
        }
        let (query, codes) = (folder.join("ccv-stock.toml"), folder.join("codelists/ccv.csv"));
        let made = std::fs::create_dir_all(folder.join("codelists"));
        made.map_err(|why| Error::file(&codes, "make the folder", &why))?;
        replace(&query, QUERY.as_bytes())?;
        replace(&codes, CODES.as_bytes())?;
        Ok(query)
    }
}

/// Writes a file beside and moves it into place, so that no agent reads half of it.
fn replace(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, contents)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|why| Error::file(path, "write the file", &why))
}

fn invented() -> Vec<Hospital> {
    let all = generator::hospitals(generator::MOST).into_iter();
    all.map(|one| Hospital { slug: one.slug, name: one.name, group: one.group, kind: one.kind }).collect()
}

fn invented_table(dataset: Dataset) -> Option<toml::Table> {
    let mut table: toml::Table = generator::dialect(dataset)?.parse().ok()?;
    // The dialect's text ends in a table of its own, so that the file is added here.
    table.insert("file".to_owned(), toml::Value::String(file_of(dataset)));
    Some(table)
}

fn file_of(dataset: Dataset) -> String {
    format!("{}.csv", dataset.name())
}

fn first(mut hospitals: Vec<Hospital>, asked: Option<usize>) -> Result<Vec<Hospital>, Error> {
    let asked = asked.unwrap_or(hospitals.len());
    if asked < 3 || asked > hospitals.len() {
        return Err(Error::asked(format!("--hospitals {asked}"))
            .expected(format!("3 to {}, for so many there are", hospitals.len())));
    }
    hospitals.truncate(asked);
    let mut seen = BTreeSet::new();
    for hospital in &hospitals {
        if hospital.slug.is_empty() || slug(&hospital.slug) != hospital.slug || !seen.insert(&hospital.slug) {
            return Err(Error::asked(format!("hospital `{}` has no short name of its own", hospital.name))
                .expected("ids that differ in letters and digits"));
        }
    }
    Ok(hospitals)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read_query(path: &Path) -> Result<Query, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let text = toml_file::text(path)?;
    let mut codes = |list: &str| toml_file::text(&folder.join(list)).map_err(|why| why.to_string());
    Query::from_toml(&text, &mut codes)
        .map_err(|why| Error::config(why.to_string()).place(path.display().to_string()))
}

fn shipped() -> Result<Query, Error> {
    Query::from_toml(QUERY, &mut |_| Ok(CODES.to_owned())).map_err(|why| Error::machine(why.to_string()))
}

/// The numbers below `count` in an order that the seed decides.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        let other = random.next_u64() % u64::try_from(place + 1).unwrap_or(1);
        order.swap(place, usize::try_from(other).unwrap_or(0));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { seed: 1, ..Options::default() }
    }

    #[test]
    fn the_seed_decides_who_is_away() {
        let away = |seed| {
            let plan = Plan::new(&Options { absent: 3, drop_out: 5, seed, ..Options::default() }).unwrap();
            assert_eq!((plan.absent.len(), plan.drop_out.len(), plan.present().count()), (3, 5, 66));
            assert!(plan.absent.is_disjoint(&plan.drop_out));
            (plan.absent, plan.drop_out)
        };
        assert_eq!(away(1), away(1));
        assert_ne!(away(1), away(2));
    }

    #[test]
    fn options_that_do_not_fit_are_refused() {
        for wrong in [
            Options { hospitals: Some(2), ..options() },
            Options { hospitals: Some(70), ..options() },
            Options { hospitals: Some(9), absent: 5, drop_out: 5, ..options() },
            Options { extracts: Some("x.toml".into()), ..options() },
        ] {
            assert!(Plan::new(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_generator_and_the_code_list_name_the_same_medicines() {
        let listed: Vec<(&str, &str)> =
            CODES.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
        let invented: Vec<(&str, &str)> = generator::MEDICINES.iter().map(|m| (m.0, m.1)).collect();
        assert_eq!(listed, invented);
        let plan = Plan::new(&options()).unwrap();
        let codes: Vec<&str> = plan.query.dimensions()[0].codes().iter().map(|code| &**code).collect();
        assert_eq!(codes, listed.iter().map(|(code, _)| *code).collect::<Vec<_>>());
    }
}
