//! Random queries, kept in pieces so that they can be cut down.
//!
//! Owns which measures, dimensions and derived figures are asked for, and their text.

use super::dice::Dice;
use super::rows::{DAYS, World, words};
use super::tree::{Maker, Tree};
use samensom_coordinator::demo::oracle::Floors;
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};

/// A query.
#[derive(Debug, Clone)]
pub struct Spec {
    dataset: Dataset,
    floor: u16,
    /// Patients that are enough for one hospital.
    patients_each: usize,
    /// Largest share of one hospital in a figure, in percent.
    dominance: Option<u8>,
    population: Option<Tree>,
    dimensions: Vec<(Column, String)>,
    measures: Vec<Asked>,
    derives: Vec<Derived>,
}

/// A measure.
#[derive(Debug, Clone)]
struct Asked {
    name: String,
    /// The kind of measure; none of these are trees.
    kind: &'static str,
    of: Option<Tree>,
    on: Vec<Tree>,
    event: Option<Tree>,
    filter: Option<Tree>,
    unit: &'static str,
    rest: String,
}

/// A derived figure, and what it is made of.
#[derive(Debug, Clone)]
struct Derived {
    text: String,
    of: Vec<String>,
    over: Option<Column>,
}

impl Spec {
    /// One of many, over the data set of this world.
    #[must_use]
    pub fn random(dice: &mut Dice, world: &World) -> Spec {
        let dataset = world.dataset;
        let parameters = dice.chance(30);
        let population =
            dice.chance(50).then(|| maker(dice, dataset, false, parameters).condition(2)).flatten();
        let dimensions = dimensions(dice, dataset);
        let mut measures = Vec::new();
        for place in 0..=dice.below(3) {
            measures.extend(Asked::random(dice, dataset, parameters, format!("m{place}")));
        }
        if dataset.has_patients() {
            measures.push(Asked::plain("patients", "persons", "true", "max = 1000"));
            measures.push(Asked::plain("hospitals", "holders", "\"count(*) > 0\"", ""));
        }
        if measures.is_empty() {
            measures.push(Asked::plain("rows", "lines", "true", "max = 1000"));
        }
        let (mut floor, patients_each) = (*dice.pick(&[1, 2, 3]), *dice.pick(&[1, 1, 2]));
        // Under a lower floor no cell may be of classes of hospitals.
        if dimensions.iter().any(|(column, _)| column.is_of_hospitals()) {
            floor = 3;
        }
        let dominance = dice.chance(30).then_some(80);
        let derives = Vec::new();
        let mut spec =
            Spec { dataset, floor, patients_each, dominance, population, dimensions, measures, derives };
        for place in 0..dice.below(4) {
            spec.derives.extend(Derived::random(dice, &spec, &format!("d{place}")));
        }
        spec
    }

    /// What must stand behind a figure.
    #[must_use]
    pub fn floors(&self) -> Floors {
        let patients = self.dataset.has_patients();
        Floors {
            hospitals: self.floor.into(),
            patients,
            patients_each: self.patients_each,
            dominance: self.dominance.is_some(),
        }
    }

    /// Whether one of its expressions divides.
    #[must_use]
    pub fn divides(&self) -> bool {
        let filters = self.population.iter().chain(self.measures.iter().flat_map(|one| &one.filter));
        let values = self.measures.iter().flat_map(|one| one.of.iter().chain(&one.on).chain(&one.event));
        filters.chain(values).any(|tree| tree.to_string().contains('/'))
    }

    /// Its text.
    #[must_use]
    pub fn toml(&self) -> String {
        let body = self.body();
        let mut text = format!(
            "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\ndataset = \"{}\"\n",
            self.dataset.name()
        );
        for (name, rest) in [
            ("p_day", "type = \"date\"\nrange = [\"2020-01-01\", \"2030-01-01\"]\ndefault = \"2026-01-01\""),
            ("p_size", "type = \"number\"\nrange = [-10, 10]\ndefault = 1.5"),
            ("p_word", "type = \"text\"\none_of = [\"a\", \"ab\"]\ndefault = \"a\""),
        ] {
            if body.contains(name) {
                text += &format!("[[parameter]]\nname = \"{name}\"\n{rest}\n");
            }
        }
        text + &body
    }

    fn body(&self) -> String {
        let mut text = String::new();
        if let Some(population) = &self.population {
            text += &format!("[population]\nwhere = \"{population}\"\n");
        }
        for (column, rest) in &self.dimensions {
            let kind = if column.is_of_hospitals() { "group" } else { "column" };
            text += &format!("[[dimension]]\n{kind} = \"{}\"\n{rest}\n", column.name());
        }
        for measure in &self.measures {
            text += &measure.toml();
        }
        for derive in &self.derives {
            text += &format!("[[derive]]\n{}\n", derive.text);
        }
        let patients = if self.dataset.has_patients() { "patients = 10\n" } else { "" };
        let dominance = self.dominance.map(|percent| format!("dominance = {percent}\n")).unwrap_or_default();
        text + &format!("[floors]\nhospitals = {}\n{patients}{dominance}", self.floor)
    }

    /// With less in it.
    #[must_use]
    pub fn smaller(&self) -> Vec<Spec> {
        let mut all = Vec::new();
        let mut keep = |change: &mut dyn FnMut(&mut Spec)| {
            let mut spec = self.clone();
            change(&mut spec);
            all.push(spec);
        };
        for place in 0..self.derives.len() {
            keep(&mut |spec| drop(spec.derives.remove(place)));
        }
        for place in 0..self.measures.len() {
            keep(&mut |spec| {
                let gone = spec.measures.remove(place).name;
                spec.derives.retain(|derive| !derive.of.contains(&gone));
            });
        }
        for place in 0..self.dimensions.len() {
            keep(&mut |spec| {
                let (gone, _) = spec.dimensions.remove(place);
                spec.derives.retain(|derive| derive.over != Some(gone));
            });
        }
        if self.floor > 1 {
            keep(&mut |spec| spec.floor -= 1);
        }
        for less in cut(self.population.as_ref()) {
            keep(&mut |spec| spec.population.clone_from(&less));
        }
        for (place, measure) in self.measures.iter().enumerate() {
            for less in measure.smaller() {
                keep(&mut |spec| spec.measures[place] = less.clone());
            }
        }
        all
    }
}

/// The tree with less in it, and none at all.
fn cut(tree: Option<&Tree>) -> Vec<Option<Tree>> {
    let Some(tree) = tree else { return Vec::new() };
    [None].into_iter().chain(tree.smaller().into_iter().map(Some)).collect()
}

fn maker(dice: &mut Dice, dataset: Dataset, cell: bool, parameters: bool) -> Maker<'_> {
    Maker { dice, dataset, cell, parameters }
}

impl Asked {
    fn plain(kind: &'static str, name: &str, of: &str, rest: &str) -> Asked {
        let rest = format!("{kind} = {of}\n{rest}\n");
        let name = name.to_owned();
        Asked { name, kind, of: None, on: Vec::new(), event: None, filter: None, unit: "piece", rest }
    }

    fn random(dice: &mut Dice, dataset: Dataset, parameters: bool, name: String) -> Option<Asked> {
        let kind = *dice.pick(&[
            "sum",
            "sum",
            "rows",
            "hospitals",
            "histogram",
            "moments",
            "regression",
            "survival",
        ]);
        let filter = dice.chance(30).then(|| maker(dice, dataset, false, parameters).condition(1)).flatten();
        let by_row = kind == "sum" || kind == "survival" || dice.chance(70);
        let cell = kind == "hospitals" || !by_row;
        let counts = match kind {
            "survival" => *dice.pick(&[Counts::Days, Counts::Days, Counts::Plain]),
            _ => *dice.pick(&[Counts::Unit, Counts::Unit, Counts::Unit, Counts::Days, Counts::Plain]),
        };
        let max = *dice.pick(&[2, 20, 100, 100, 100]);
        let range =
            *dice.pick(&["[-10000, 10000]", "[-10000, 10000]", "[-10000, 10000]", "[0, 10]", "[-2, 3]"]);
        let scale = dice.below(4);
        let per = if by_row { format!("per = \"row\"\nmax = {max}\n") } else { String::new() };
        let rest = match kind {
            "rows" => format!("rows = true\nmax = {max}\n"),
            "sum" => format!("scale = {scale}\nrange = {range}\n"),
            "histogram" => {
                format!("{per}bins = {}\n", dice.pick(&["[0]", "[0, 0.5]", "[-1, 0, 2.5]", "[1, 2, 10]"]))
            }
            "survival" => {
                format!("max = {max}\nbins = {}\n", dice.pick(&["[1]", "[1, 31]", "[0.5, 1, 366]"]))
            }
            "hospitals" => String::new(),
            _ => format!("{per}scale = {scale}\nrange = {range}\n"),
        };
        let depth = dice.below(3);
        let mut make = maker(dice, dataset, cell, parameters);
        let of = match kind {
            "rows" => None,
            "hospitals" => Some(make.condition(depth)?),
            _ => Some(make.number(counts, depth)?),
        };
        let (mut on, mut event) = (Vec::new(), None);
        if kind == "regression" {
            for _ in 0..=make.dice.below(2) {
                let counts = *make.dice.pick(&[Counts::Unit, Counts::Days, Counts::Plain]);
                on.push(make.number(counts, 1)?);
            }
        }
        if kind == "survival" {
            event = Some(make.condition(1)?);
        }
        let unit = if dice.chance(94) { "piece" } else { "ml" };
        Some(Asked { name, kind, of, on, event, filter, unit, rest })
    }

    fn toml(&self) -> String {
        let mut text = format!("[[measure]]\nname = \"{}\"\n", self.name);
        let mut told = String::new();
        if let Some(of) = &self.of {
            told += &format!("{} = \"{of}\"\n", self.kind);
        }
        if !self.on.is_empty() {
            let on: Vec<String> = self.on.iter().map(|tree| format!("\"{tree}\"")).collect();
            told += &format!("on = [{}]\n", on.join(", "));
        }
        if let Some(event) = &self.event {
            told += &format!("event = \"{event}\"\n");
        }
        text += &told;
        // A unit stands exactly where a quantity is judged.
        let mut columns = Dataset::ALL.iter().flat_map(|dataset| dataset.columns());
        if columns.any(|column| column.counts() == Some(Counts::Unit) && told.contains(column.name())) {
            text += &format!("unit = \"{}\"\n", self.unit);
        }
        if let Some(filter) = &self.filter {
            text += &format!("where = \"{filter}\"\n");
        }
        text + &self.rest
    }

    fn smaller(&self) -> Vec<Asked> {
        let mut all: Vec<Asked> =
            cut(self.filter.as_ref()).into_iter().map(|filter| Asked { filter, ..self.clone() }).collect();
        let some = |tree: &Option<Tree>| tree.as_ref().map(Tree::smaller).unwrap_or_default();
        all.extend(some(&self.of).into_iter().map(|of| Asked { of: Some(of), ..self.clone() }));
        all.extend(some(&self.event).into_iter().map(|event| Asked { event: Some(event), ..self.clone() }));
        for place in 0..self.on.len() {
            if self.on.len() > 1 {
                let mut less = self.clone();
                less.on.remove(place);
                all.push(less);
            }
            for tree in self.on[place].smaller() {
                let mut less = self.clone();
                less.on[place] = tree;
                all.push(less);
            }
        }
        all
    }
}

fn dimensions(dice: &mut Dice, dataset: Dataset) -> Vec<(Column, String)> {
    let mut columns: Vec<Column> = dataset.columns().to_vec();
    let unfit = |column: &Column| {
        column.names_a_patient() || *column == Column::Unit || column.counts() == Some(Counts::Unit)
    };
    columns.retain(|column| !unfit(column));
    if dice.chance(25) {
        columns.extend(Column::OF_HOSPITALS);
    }
    let mut made = Vec::new();
    for _ in 0..*dice.pick(&[0, 0, 1, 1, 2]) {
        if columns.is_empty() {
            break;
        }
        let column = columns.remove(dice.below(columns.len()));
        let quoted =
            |texts: &[&str]| texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ");
        let (mut text, listed) = match column.column_type() {
            _ if column.is_of_hospitals() => {
                (format!("codes = [{}]", quoted(&dice.some(&["general", "north", "south"], 60))), true)
            }
            ColumnType::Text => (format!("codes = [{}]", quoted(&dice.some(words(column), 40))), true),
            ColumnType::Date if column == Column::Period => {
                ("codes = [\"2025-12-01\", \"2026-02-01\"]".into(), true)
            }
            ColumnType::Date if dice.chance(40) => {
                (format!("codes = [{}]", quoted(&dice.some(&DAYS, 40))), true)
            }
            ColumnType::Date => (format!("bins = [{}]", quoted(&dice.some(&DAYS, 40))), false),
            ColumnType::Number => (
                (*dice.pick(&[
                    "bins = [18, 65]",
                    "bins = [17.5]",
                    "bins = [0, 64, 130]",
                    "bins = [1, 2, 5]",
                ]))
                .into(),
                false,
            ),
        };
        if listed && dice.chance(40) {
            text += "\nother = true";
        }
        if dice.chance(40) {
            text += "\nmissing = true";
        }
        made.push((column, text));
    }
    made
}

impl Derived {
    fn random(dice: &mut Dice, spec: &Spec, name: &str) -> Option<Derived> {
        let measure = dice.pick(&spec.measures);
        let of = measure.name.clone();
        let scale = dice.below(7);
        let text = |kind: &str| format!("name = \"{name}\"\nscale = {scale}\n{kind}\n");
        let made = |kind: String, of: Vec<String>| Some(Derived { text: text(&kind), of, over: None });
        match measure.kind {
            "moments" => {
                let kind = *dice.pick(&["mean", "variance"]);
                made(format!("{kind} = \"{of}\""), vec![of])
            }
            "histogram" => {
                let at = *dice.pick(&["0.5", "0.05", "0.95", "0.333333"]);
                made(format!("quantile = \"{of}\"\nat = {at}"), vec![of])
            }
            "regression" => made(format!("coefficients = \"{of}\""), vec![of]),
            "survival" => made(format!("curve = \"{of}\""), vec![of]),
            _ if dice.chance(30) => {
                let over =
                    dice.chance(50).then(|| spec.dimensions.first().map(|(column, _)| *column)).flatten();
                let along = over.map(|column| format!("\nover = \"{}\"", column.name())).unwrap_or_default();
                Some(Derived { text: text(&format!("share = \"{of}\"{along}")), of: vec![of], over })
            }
            _ => {
                let single = ["sum", "rows", "hospitals", "patients"];
                let singles: Vec<&Asked> =
                    spec.measures.iter().filter(|one| single.contains(&one.kind)).collect();
                let other = singles[dice.below(singles.len())].name.clone();
                if dice.chance(30) {
                    let months = *dice.pick(&[1, 12]);
                    return made(
                        format!("cover = [\"{of}\", \"{other}\"]\nmonths = {months}"),
                        vec![of, other],
                    );
                }
                let both =
                    if dice.chance(30) && of != other { format!("{of} + {other}") } else { of.clone() };
                made(format!("ratio = [\"{both}\", \"{other}\"]"), vec![of, other])
            }
        }
    }
}
