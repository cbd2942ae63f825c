//! Which patients a query counts, and which two such predicates lie too close over one extract (protocol.md 3.3).
//!
//! Owns what must be compared, and what is too little between two. A hospital compares its own rows (the agent's
//! `extract`); how many they are it tells nobody. Within one query the count pass judges what lies between its
//! measures, over all hospitals (`count.rs`): where a floor of patients is held it counts them atom by atom. What
//! lies between two queries was never counted together, so there each hospital looks for itself.

use super::dimension::{Classes, Dimension};
use super::expr::Expr;
use super::{Dataset, Query};
use crate::ablation::ablated;

/// The rows that a measure counts, in all cells together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    dataset: Dataset,
    population: Expr,
    filter: Expr,
}

impl Predicate {
    /// Of which data set.
    #[must_use]
    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// What a row must meet, all of it.
    #[must_use]
    pub fn conditions(&self) -> [&Expr; 2] {
        [&self.population, &self.filter]
    }
}

/// Two predicates whose patients are compared, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Of the query that is asked.
    pub own: Predicate,
    /// Of one that was answered.
    pub other: Predicate,
    /// Both are asked cell by cell along these; none where one is not, or is cut in another way.
    pub cut: &'a [Dimension],
}

/// A query that was answered over an extract, its parameters replaced by their values, with its floor of patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The query.
    pub query: Query,
    /// Fewest patients behind its figures; 0 where none is held.
    pub patients: u32,
}

impl Query {
    /// The predicates of its measures, each once; none over a data set without patients. Parameters must have been
    /// replaced by their values.
    #[must_use]
    pub fn predicates(&self) -> Vec<Predicate> {
        let mut all = Vec::new();
        if !self.dataset.has_patients() {
            return all;
        }
        for measure in self.measures.iter() {
            let (population, filter) = (self.population.clone(), measure.filter().clone());
            let one = Predicate { dataset: self.dataset, population, filter };
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }

    /// What of this query must be compared with one that was answered. `known`: all that were answered over the
    /// extract; a predicate of theirs that is asked again says nothing new. Data sets of which neither is made of the
    /// other have no rows in common, as in [`super::Shape::may_stand_beside`].
    #[must_use]
    pub fn to_compare<'a>(&'a self, other: &Answered, known: &[Answered]) -> Vec<Pair<'a>> {
        let (own, theirs) = (self.dataset, other.query.dataset);
        let related = own == theirs || own.made_of().contains(&theirs) || theirs.made_of().contains(&own);
        if !related {
            return Vec::new();
        }
        let repeated = |one: &Predicate| known.iter().any(|known| known.query.predicates().contains(one));
        let cut = if self.is_cut_as(&other.query) { self.dimensions() } else { &[] };
        let mut pairs = Vec::new();
        for own in self.predicates().into_iter().filter(|one| !repeated(one)) {
            for other in other.query.predicates() {
                pairs.push(Pair { own: own.clone(), other, cut });
            }
        }
        pairs
    }

    /// Along the same dimensions, of perhaps other listed values.
    fn is_cut_as(&self, other: &Query) -> bool {
        let lists = |one: &Dimension| matches!(one.classes(), Classes::Codes(_)) && !one.has_other();
        let alike = |own: &Dimension, theirs: &Dimension| {
            own == theirs || own.column() == theirs.column() && lists(own) && lists(theirs)
        };
        let (own, theirs) = (self.dimensions(), other.dimensions());
        self.dataset == other.dataset
            && own.len() == theirs.len()
            && own.iter().zip(theirs).all(|(own, theirs)| alike(own, theirs))
    }
}

/// Whether so many patients who meet the one predicate alone are too few to lie between two figures: some, and fewer
/// than the floor.
#[must_use]
pub fn is_too_close(alone: u64, floor: u32) -> bool {
    alone > 0 && alone < u64::from(floor) && !ablated!("overlap-off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dataset: &str, population: &str, rest: &str) -> Answered {
        let text = format!(
            "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"quality\"\n\
             dataset = \"{dataset}\"\n[population]\nwhere = \"{population}\"\n{rest}[floors]\nhospitals = 3\npatients = 10\n"
        );
        let query = Query::from_toml(&text, &mut |_| Err("no files".into()));
        Answered { query: query.unwrap_or_else(|error| panic!("{error}")).resolved().unwrap(), patients: 10 }
    }

    fn given(population: &str, rest: &str) -> Answered {
        of("administration", population, rest)
    }

    const HOLDERS: &str = "[[measure]]\nname = \"h\"\nhospitals = \"count(*) > 0\"\n";

    fn measure(name: &str, filter: &str) -> String {
        let filter = if filter.is_empty() { String::new() } else { format!("where = \"{filter}\"\n") };
        format!("[[measure]]\nname = \"{name}\"\npatients = true\n{filter}{HOLDERS}{filter}")
            .replace("name = \"h\"", &format!("name = \"h-{name}\"").replace('-', "_"))
    }

    fn pairs(own: &Answered, known: &[Answered]) -> usize {
        known.iter().map(|other| own.query.to_compare(other, known).len()).sum()
    }

    #[test]
    fn what_was_asked_before_is_not_compared_again() {
        let (adult, nineteen) =
            (given("age >= 18", &measure("n", "")), given("age >= 19", &measure("n", "")));
        assert_eq!(pairs(&adult, &[]), 0);
        assert_eq!(pairs(&adult, std::slice::from_ref(&adult)), 0, "the same predicate");
        assert_eq!(pairs(&nineteen, std::slice::from_ref(&adult)), 1);
        assert_eq!(pairs(&nineteen, &[adult.clone(), nineteen.clone()]), 0, "both were answered");
        let both = given("age >= 18", &(measure("n", "") + &measure("m", "ward = 'IC'")));
        assert_eq!(both.query.predicates().len(), 2, "its measures of one filter are one");
        assert_eq!(pairs(&both, std::slice::from_ref(&both)), 0, "a repeat of two");
        assert_eq!(pairs(&both, std::slice::from_ref(&adult)), 1, "the new one with the old one");
        let codes = |list: &str| format!("[[dimension]]\ncolumn = \"code\"\ncodes = [{list}]\n");
        let cut = given("age >= 19", &(codes("\"a\"") + &measure("n", "")));
        let before = [given("age >= 18", &(codes("\"b\"") + &measure("n", ""))), adult];
        let cuts: Vec<usize> = before
            .iter()
            .flat_map(|other| cut.query.to_compare(other, &before))
            .map(|pair| pair.cut.len())
            .collect();
        assert_eq!(cuts, [1, 0], "cell by cell where both are cut alike");
    }

    #[test]
    fn data_sets_that_share_no_row_are_not_compared() {
        let adult = given("age >= 18", &measure("n", ""));
        let stays = of("admission", "age >= 19", &measure("n", ""));
        assert_eq!(pairs(&stays, std::slice::from_ref(&adult)), 0);
        let courses = of("course", "age >= 19", &measure("n", ""));
        assert_eq!(pairs(&courses, &[adult, stays]), 2, "a course is made of both");
    }

    #[test]
    fn some_and_fewer_than_the_floor_are_too_close() {
        let judged: Vec<bool> = [0, 1, 9, 10, 11].map(|alone| is_too_close(alone, 10)).to_vec();
        assert_eq!(judged, [false, true, true, false, false]);
        assert!(!is_too_close(1, 0) && !is_too_close(1, 1), "no floor");
    }
}
