//! Which queries ask for the same: they are counted together in the rules' rate (protocol.md 3.3).
//!
//! Owns the family's hash and nothing that depends on it. What a query is called (id, version, titles, names of its
//! measures), why it is asked, its floors, and the values of its parameters do not count; nor do the classes of
//! hospitals that the roster filled in. Other words of one meaning are another family: this is a brake, not a proof.

use super::dataset::Dataset;
use super::dimension::{Classes, Dimension};
use super::expr::Expr;
use super::measure::MeasureKind;
use super::units::Unit;
use super::{Measure, Query};
use crate::codec::{List, Malformed, encode};
use crate::crypto::transcript::{Label, Transcript};
use crate::ids::FamilyHash;
use serde::Serialize;

/// What is hashed.
#[derive(Serialize)]
struct Family<'a> {
    dataset: Dataset,
    population: &'a Expr,
    dimensions: Vec<Dimension>,
    measures: Vec<(&'a MeasureKind, &'a Expr, Option<Unit>)>,
}

impl Query {
    /// Its family: data set, population, dimensions and measures, with its parameters open.
    ///
    /// # Errors
    /// `TooLong`, which a checked query never is.
    pub fn family(&self) -> Result<FamilyHash, Malformed> {
        let open = |one: &Dimension| match one.is_of_hospitals() {
            true => Dimension { classes: Classes::Codes(List::default()), ..one.clone() },
            false => one.clone(),
        };
        fn counts(one: &Measure) -> (&MeasureKind, &Expr, Option<Unit>) {
            (one.kind(), one.filter(), one.unit())
        }
        let family = Family {
            dataset: self.dataset,
            population: &self.population,
            dimensions: self.dimensions.iter().map(open).collect(),
            measures: self.measures.iter().map(counts).collect(),
        };
        Ok(FamilyHash(Transcript::new(Label::Family).bytes(&encode(&family)?).finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Date;

    const QUERY: &str = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"V\", en = \"Q\" }\npurpose = \"stock\"\n\
                         dataset = \"stock\"\n[[parameter]]\nname = \"horizon\"\ntype = \"date\"\n\
                         range = [\"2026-01-01\", \"2030-12-31\"]\n[population]\nwhere = \"expiry > horizon\"\n\
                         [[dimension]]\ncolumn = \"code\"\ncodes = [\"a\"]\n[[measure]]\nname = \"m\"\n\
                         sum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n[floors]\nhospitals = 3\n";

    fn query(from: &str, to: &str) -> Query {
        let text = QUERY.replace(from, to);
        assert!(from.is_empty() || text != QUERY, "{from}");
        Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    fn family(from: &str, to: &str) -> FamilyHash {
        query(from, to).family().unwrap()
    }

    #[test]
    fn names_floors_and_values_are_of_one_family() {
        let one = family("", "");
        for (from, to) in [
            ("id = \"q\"", "id = \"other\""),
            ("version = 1", "version = 2"),
            ("en = \"Q\"", "en = \"R\""),
            ("purpose = \"stock\"", "purpose = \"crisis\""),
            ("name = \"m\"", "name = \"n\""),
            ("hospitals = 3", "hospitals = 5"),
        ] {
            assert_eq!(family(from, to), one, "{to}");
        }
        let today = Date::parse("2026-11-22").unwrap();
        for day in ["2026-12-01", "2027-01-01"] {
            let bound = query("", "").bound(&[("horizon".to_owned(), day.to_owned())], today).unwrap();
            assert_eq!(bound.family().unwrap(), one, "{day}");
        }
    }

    #[test]
    fn another_question_is_another_family() {
        let one = family("", "");
        for (from, to) in [
            ("dataset = \"stock\"\n", "dataset = \"stock\"\nmax_age = \"36h\"\n"),
            ("expiry > horizon", "expiry >= horizon"),
            ("codes = [\"a\"]", "codes = [\"b\"]"),
            ("unit = \"piece\"", "where = \"kind = 'ccv'\"\nunit = \"piece\""),
            ("unit = \"piece\"", "unit = \"mg\""),
            ("range = [0, 9]", "range = [0, 8]"),
        ] {
            // How old an extract may be is no part of what is asked.
            assert_eq!(family(from, to) == one, to.contains("max_age"), "{to}");
        }
    }

    /// A roster that gives a hospital another class is no new question.
    #[test]
    fn classes_that_the_roster_fills_in_do_not_count() {
        let of = |codes: &str| {
            let dimension = format!("[[dimension]]\ngroup = \"purchasing_group\"\n{codes}[[dimension]]");
            family("[[dimension]]", &dimension)
        };
        assert_eq!(of("codes = [\"n\", \"s\"]\n"), of("codes = [\"n\"]\n"));
        assert_ne!(of("codes = [\"n\"]\n"), family("", ""));
    }
}
