//! Invented hospitals and their extracts for the demo: a pure function of seed, hospital and slot.
//!
//! Owns the names, the stock, and the Dutch dialect of the files (`;`, decimal comma, `dd-mm-yyyy`, UTF-8). Integers
//! only, so that a seed gives the same bytes on every machine. It must not know files, clocks or sessions.

mod care;
mod goods;

use jiff::{ToSpan as _, civil};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use samensom_protocol::query::Dataset;

/// Hospitals that can be invented.
pub const MOST: usize = 69;
/// First line of every extract.
pub const HEADER: &str = "Peildatum;ZI-nummer;Artikel;Voorraad;Soort;Houdbaar tot;Locatie";
/// The `[[extract]]` table by which an agent reads `stock.csv`, without its `file`; the columns stand in a table of their own.
pub const DIALECT: &str = r#"dataset = "stock"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit = "piece"

[columns]
as_of = "Peildatum"
code = "ZI-nummer"
quantity = "Voorraad"
kind = "Soort"
expiry = "Houdbaar tot"
location = "Locatie"
"#;

/// How an agent reads the extract of a data set, as [`DIALECT`] for the stock; none for what it makes itself.
#[must_use]
pub fn dialect(dataset: Dataset) -> Option<&'static str> {
    match dataset {
        Dataset::Stock => Some(DIALECT),
        Dataset::Use => Some(goods::USE),
        Dataset::Orders => Some(goods::ORDERS),
        Dataset::Administration => Some(care::ADMINISTRATION),
        Dataset::Admission => Some(care::ADMISSION),
        Dataset::Result => Some(care::RESULT),
        Dataset::Position | Dataset::Course => None,
    }
}

/// The extracts of hospital number `hospital` in a slot. A stock alone changes from slot to slot; after the first the
/// others are left out.
#[must_use]
pub fn extracts(datasets: &[Dataset], seed: u64, hospital: usize, slot: u64) -> Vec<(Dataset, String)> {
    let care = datasets.iter().any(|dataset| dataset.has_patients()) && slot == 0;
    let mut care = care.then(|| care::care(seed, hospital));
    let mut text = |dataset: &Dataset| match dataset {
        Dataset::Stock => Some(stock(seed, hospital, slot)),
        _ if slot > 0 => None,
        Dataset::Use => Some(goods::used(seed, hospital)),
        Dataset::Orders => Some(goods::orders(seed, hospital)),
        Dataset::Administration => care.as_mut().map(|care| std::mem::take(&mut care.administration)),
        Dataset::Admission => care.as_mut().map(|care| std::mem::take(&mut care.admission)),
        Dataset::Result => care.as_mut().map(|care| std::mem::take(&mut care.result)),
        Dataset::Position | Dataset::Course => None,
    };
    datasets.iter().filter_map(|dataset| Some((*dataset, text(dataset)?))).collect()
}

/// Code, name and usual stock of the 13 medicines, in the order of the shipped code list. The codes lie in
/// the range that is free for local numbers.
pub const MEDICINES: [(&str, &str, u32); 13] = [
    ("90000013", "ceftriaxon", 900),
    ("90000021", "clonidine", 160),
    ("90000048", "dexmedetomidine", 240),
    ("90000056", "esketamine", 320),
    ("90000064", "midazolam", 700),
    ("90000072", "morfine", 850),
    ("90000080", "noradrenaline", 620),
    ("90000099", "propofol", 1500),
    ("90000102", "remifentanil", 430),
    ("90000110", "rocuronium", 520),
    ("90000129", "sufentanil", 480),
    ("90000137", "atracurium", 90),
    ("90000145", "cisatracurium", 110),
];

/// Infusion fluids by bag, in the order of the shipped code list.
pub const FLUIDS: [(&str, &str, u32); 6] = [
    ("90000153", "NaCl 0.9% 500 ml", 2400),
    ("90000161", "NaCl 0.9% 1000 ml", 3100),
    ("90000188", "glucose 5% 500 ml", 1300),
    ("90000196", "glucose 5% 1000 ml", 900),
    ("90000218", "Ringer-lactaat 500 ml", 700),
    ("90000226", "Ringer-lactaat 1000 ml", 1600),
];

const PLACES: [&str; 23] = [
    "Aalder",
    "Bever",
    "Dalmer",
    "Eiken",
    "Fazant",
    "Graven",
    "Hazel",
    "Iepen",
    "Jager",
    "Kraanvogel",
    "Linde",
    "Merel",
    "Nachtegaal",
    "Otter",
    "Populieren",
    "Reiger",
    "Spechten",
    "Torenvalk",
    "Uilen",
    "Vossen",
    "Wilgen",
    "Zwaluwen",
    "Braam",
];
const ENDINGS: [&str; 3] = ["hove", "waard", "zoom"];
const GROUPS: [&str; 8] = ["noord", "oost", "zuid", "west", "midden", "kust", "rivieren", "duinen"];
const LOCATIONS: [&str; 4] = ["apotheek", "IC", "OK", "centraal magazijn"];
/// Days of the invented month in which reference dates lie.
const DAYS: u64 = 28;

/// An invented hospital.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invented {
    /// Short name, unique.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Purchasing group.
    pub group: String,
    /// Kind of hospital.
    pub kind: String,
}

/// The first `count` hospitals, at most [`MOST`]; the same ones for every seed.
#[must_use]
pub fn hospitals(count: usize) -> Vec<Invented> {
    let places = ENDINGS.iter().flat_map(|ending| PLACES.iter().map(move |place| format!("{place}{ending}")));
    let groups = GROUPS.iter().cycle();
    let one = |((number, place), group): ((usize, String), &&str)| {
        let (prefix, kind) = match number % 9 {
            0 => ("Academisch Ziekenhuis", "umc"),
            1 | 2 => ("Topklinisch Centrum", "teaching"),
            8 => ("Kliniek", "specialised"),
            _ => ("Streekziekenhuis", "general"),
        };
        let slug = format!("{}-{}", prefix.rsplit(' ').next().unwrap_or(prefix), place).to_lowercase();
        let name = format!("{prefix} {place}");
        Invented { slug, name, group: (*group).to_owned(), kind: kind.to_owned() }
    };
    places.enumerate().zip(groups).map(one).take(count.min(MOST)).collect()
}

/// The stock extract of hospital number `hospital` in a slot, counted from 0. In every slot some rows of
/// every hospital differ from those of the slot before.
#[must_use]
pub fn stock(seed: u64, hospital: usize, slot: u64) -> String {
    let mut shelf = random(seed, hospital, None);
    let mut today = random(seed, hospital, Some(slot));
    let as_of = format!("{:02}-11-2026", slot % DAYS + 1);
    // Small and large hospitals: a quarter of the usual stock up to twice as much.
    let size = 25 + below(&mut shelf, 176);
    let mut lines = vec![HEADER.to_owned()];
    for (code, name, usual) in MEDICINES {
        for (kind, batches, share) in kinds(&mut shelf) {
            for _ in 0..batches {
                let base = 5 + usual * size * share / 10_000 + below(&mut shelf, usual / 4 + 1);
                let half = below(&mut shelf, 6) == 0;
                let expiry = expiry(&mut shelf);
                let place = LOCATIONS.get(below(&mut shelf, 4) as usize).unwrap_or(&"apotheek");
                // One batch in four was used or filled up since; the first one every time.
                let changed = below(&mut today, 4) == 0;
                let drift = if changed { below(&mut today, base / 3 + 1) } else { 0 };
                let first = if lines.len() == 1 { (slot % 50) as u32 } else { 0 };
                let amount = base + drift + first;
                let tenths = if half { 5 } else { 0 };
                lines.push(format!("{as_of};{code};{name};{amount},{tenths};{kind};{expiry};{place}"));
            }
        }
    }
    for (code, name, usual) in FLUIDS {
        let amount = usual * size / 100 + below(&mut shelf, usual / 4 + 1);
        let expiry = expiry(&mut shelf);
        lines.push(format!("{as_of};{code};{name};{amount},0;regular;{expiry};centraal magazijn"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The kinds of stock of one medicine at one hospital: how many batches, and percent of the usual stock.
fn kinds(shelf: &mut ChaCha20Rng) -> [(&'static str, u32, u32); 3] {
    // One hospital in eight does not have the medicine at all, one in three holds no CCV of it.
    let regular = if below(shelf, 8) == 0 { 0 } else { 1 + below(shelf, 3) };
    let ccv = if regular == 0 || below(shelf, 3) == 0 { 0 } else { 1 + below(shelf, 2) };
    let study = u32::from(below(shelf, 25) == 0);
    [("regular", regular, 40), ("ccv", ccv, 55), ("study", study, 5)]
}

fn expiry(random: &mut ChaCha20Rng) -> String {
    let (day, month, year) = (1 + below(random, 28), 1 + below(random, 12), 2027 + below(random, 3));
    format!("{day:02}-{month:02}-{year}")
}

/// The day so many days after 1 June 2026.
fn date(days: u32) -> String {
    let day = civil::date(2026, 6, 1).saturating_add(i64::from(days).days());
    format!("{:02}-{:02}-{}", day.day(), day.month(), day.year())
}

fn below(random: &mut ChaCha20Rng, bound: u32) -> u32 {
    random.next_u32() % bound
}

/// A stream for the shelf of a hospital (`slot` is none) or for what happened to it in a slot.
fn random(seed: u64, hospital: usize, slot: Option<u64>) -> ChaCha20Rng {
    seeded([seed, hospital as u64, u64::from(slot.is_some()), slot.unwrap_or(0)])
}

/// A stream for another file of a hospital, by a number from 2.
fn stream(seed: u64, hospital: usize, file: u64) -> ChaCha20Rng {
    seeded([seed, hospital as u64, file, 0])
}

fn seeded(words: [u64; 4]) -> ChaCha20Rng {
    let mut key = [0_u8; 32];
    key.iter_mut().zip(words.into_iter().flat_map(u64::to_le_bytes)).for_each(|(to, from)| *to = from);
    ChaCha20Rng::from_seed(key)
}

#[cfg(test)]
mod tests;
