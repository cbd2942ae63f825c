//! Section 8 of the manual: lanes of a count pass, and what it lets open. Of queries without filters alone: one atom.

use super::{Checked, Warrant, number};
use serde_json::Value;
use std::collections::BTreeSet;

/// What one box of a count pass holds: rows; patients, where they are counted; then each matter.
pub struct Lanes {
    patients: bool,
    matters: usize,
    /// By measure: its matter and the columns that it adds up; none where it is no sum.
    measures: Vec<Option<(usize, BTreeSet<String>)>>,
}

fn columns(of: &Value) -> BTreeSet<String> {
    let terms = of["terms"].as_array().map(Vec::as_slice).unwrap_or_default();
    terms.iter().filter_map(|term| term["Column"].as_str().map(str::to_owned)).collect()
}

impl Lanes {
    pub fn of(warrant: &Warrant) -> Checked<Self> {
        let (mut matters, mut measures) = (Vec::new(), Vec::new());
        for measure in warrant.query["measures"].as_array().ok_or("no measures")? {
            if measure["filter"]["terms"].as_array().is_none_or(|terms| !terms.is_empty()) {
                return Err("filters are not read here".to_owned());
            }
            let kind = measure["kind"].as_object().and_then(|map| map.iter().next()).ok_or("no kind")?;
            match (kind.0.as_str(), kind.1) {
                ("Rows" | "Hospitals" | "Patients", _) => measures.push(None),
                ("Sum", sum) => {
                    // What is added up, and its scale, each once.
                    let matter = (sum["of"].clone(), number(&sum["limits"]["scale"])?);
                    let at = matters.iter().position(|one| *one == matter).unwrap_or(matters.len());
                    measures.push(Some((at, columns(&matter.0))));
                    if at == matters.len() {
                        matters.push(matter);
                    }
                }
                (other, _) => return Err(format!("{other} is not read here")),
            }
        }
        if number(&warrant.body["floor_dominance"])? > 0 {
            return Err("shares of a total are not read here".to_owned());
        }
        let patients = number(&warrant.body["floor_patients"])? > 0;
        Ok(Lanes { patients, matters: matters.len(), measures })
    }

    /// Lanes of a box.
    pub fn count(&self) -> usize {
        1 + usize::from(self.patients) + self.matters
    }

    /// Matters of the measures that add up a common column with this one, also through others; of one that is no sum
    /// none: those that are not are a group of their own.
    fn matters(&self, measure: usize) -> BTreeSet<usize> {
        let Some((own, columns)) = &self.measures[measure] else { return BTreeSet::new() };
        let (mut matters, mut columns) = (BTreeSet::from([*own]), columns.clone());
        for _ in &self.measures {
            for (at, own) in self.measures.iter().flatten() {
                if !own.is_disjoint(&columns) {
                    matters.insert(*at);
                    columns.extend(own.iter().cloned());
                }
            }
        }
        matters
    }

    /// Which measures of each box may open: its one atom is one piece.
    pub fn may_open(&self, counts: &[u64], least: u64) -> Vec<bool> {
        let of_box = |counts: &[u64]| {
            let (rows, first) = (counts[0], 1 + usize::from(self.patients));
            let people = !self.patients || counts[1] >= least;
            let fit = |measure: usize| {
                let held = |at: usize| counts[first + at] >= least || counts[first + at] == 0;
                rows == 0 || rows >= least && people && self.matters(measure).into_iter().all(held)
            };
            (0..self.measures.len()).map(fit).collect::<Vec<bool>>()
        };
        counts.chunks(self.count()).flat_map(of_box).collect()
    }
}
