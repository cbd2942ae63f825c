//! A03 over time: a warrant that keeps its hospitals is for those of its sessions before, and for those of whom the same
//! was asked, under any warrant, of a time that is over (protocol.md 3.3).
//!
//! Rows of a time that is over do not change with an extract, so between two sums of them lies the figure of whoever is
//! in one alone. Owns what a node reads in its ledger for this, and which sessions bind which; it must not know extracts.

use super::offer::{Asked, Facts};
use crate::ablation::ablated;
use crate::error::{Check, Fault};
use crate::ids::NodeId;
use crate::ledger::Attempt;
use crate::query::{Date, Shape};
use crate::time::Time;
use crate::warrant::Series;

/// What was asked, and when.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its figures.
    pub shape: &'a Shape,
    /// When its extracts were frozen.
    pub at: Time,
}

impl<'a> Question<'a> {
    /// Of an attempt in the ledger; none of a value pass whose figures were counted before.
    fn of(attempt: &'a Attempt) -> Option<Question<'a>> {
        let shape = attempt.shape.as_deref()?;
        Some(Question { shape, at: attempt.at })
    }

    /// Whether sums of both must be over the same hospitals: some figure of both may be of the same rows of a time that
    /// was over each time.
    #[must_use]
    pub fn binds(&self, other: &Question<'_>) -> bool {
        let over = |one: &Question<'_>| Date::at(one.at).is_some_and(|day| one.shape.is_over(day));
        over(self) && over(other) && self.shape.asks_again(other.shape)
    }
}

/// Exactly those who took part before are invited, each in the class that it was in; from here on each of them must be in
/// the sum.
///
/// # Errors
/// A03, A23.
pub(super) fn check(facts: Facts, asked: &Asked) -> Result<Facts, Fault> {
    if facts.warrant.body().series == Series::Free || ablated!("series-off") {
        return Ok(facts);
    }
    let shape = facts.shape().filter(|_| !ablated!("series-by-warrant"));
    let own = shape.as_ref().map(|shape| Question { shape, at: asked.now });
    let confirmed = asked.view.confirmed_of(&facts.header.lock);
    let again = confirmed.filter_map(|attempt| {
        let before = Question::of(attempt).filter(|before| own.is_some_and(|own| own.binds(before)))?;
        Some((before.shape, attempt.survivors.as_deref()?))
    });
    let again: Vec<(&Shape, &[NodeId])> = again.collect();
    let of_warrant = asked.view.series(&facts.header.warrant);
    let mut before = again.iter().map(|(_, survivors)| *survivors).chain(of_warrant);
    let invited = || facts.header.invited.iter().map(|one| &one.node);
    let (same, bound) = (before.clone().all(|before| invited().eq(before)), before.next().is_some());
    Fault::unless(
        same,
        Check::A03,
        "others are invited than took part before, and this warrant is for the same hospitals each time",
    )?;
    let moved =
        again.iter().any(|(before, _)| own.is_some_and(|own| !own.shape.has_the_same_classes(before)));
    Fault::unless(
        !moved || ablated!("series-of-classes"),
        Check::A23,
        "a hospital came to another class since the same was asked of a time that is over",
    )?;
    Ok(facts.of_all(bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::List;
    use crate::query::{Floors, Query};

    const FLOORS: Floors = Floors { hospitals: 3, patients: 0, dominance: 0 };

    /// The use of codes in a time.
    fn shape(codes: &str, time: &str, measure: &str) -> Shape {
        let text = format!(
            "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
             dataset = \"use\"\n[population]\nwhere = \"{time}\"\n[[dimension]]\ncolumn = \"code\"\n\
             codes = [{codes}]\n[[measure]]\nname = \"m\"\n{measure}\n"
        );
        let query = Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap();
        Shape::new(query.resolved().unwrap(), FLOORS, List::default())
    }

    const SUM: &str = "sum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]";
    const MARCH: &str = "period = '2026-03-01'";
    /// 1 May 2026.
    const MAY: Time = Time(1_777_593_600_000);

    fn binds(one: &Shape, other: &Shape, at: Time) -> bool {
        Question { shape: one, at: MAY }.binds(&Question { shape: other, at })
    }

    #[test]
    fn the_same_rows_of_a_time_that_is_over_bind() {
        let march = shape("\"a\", \"b\"", MARCH, SUM);
        for (other, what) in [
            (march.clone(), "whatever the warrant"),
            (shape("\"b\", \"c\"", MARCH, SUM), "b is in both"),
            (shape("\"a\"", MARCH, &SUM.replace("[0, 9]", "[0, 8]")), "another range"),
            (shape("\"a\"", "period in ('2026-03-01', '2026-02-01')", SUM), "March is in both"),
        ] {
            assert!(binds(&march, &other, MAY), "{what}");
        }
        for (other, what) in [
            (shape("\"c\"", MARCH, SUM), "other codes"),
            (shape("\"a\"", "period = '2026-02-01'", SUM), "another month"),
            (shape("\"a\"", MARCH, "rows = true\nmax = 9"), "another measure"),
            (shape("\"a\"", &format!("{MARCH} and quantity > 5"), SUM), "another population"),
        ] {
            assert!(!binds(&march, &other, MAY), "{what}");
        }
        let day = |day: u64| Time(MAY.0 - day * 86_400_000);
        assert!(binds(&march, &march, day(30)), "asked on 1 April");
        assert!(!binds(&march, &march, day(31)), "asked on 31 March, when it was not over");
    }

    #[test]
    fn a_quarter_binds_its_months() {
        let of = |time: &str| shape("\"a\"", time, SUM);
        let quarter = of("period >= '2026-01-01' and period < '2026-04-01'");
        for (month, bound) in [
            ("period >= '2026-03-01' and period < '2026-04-01'", true),
            (MARCH, true),
            ("period >= '2026-04-01' and period < '2026-05-01'", false),
            ("period >= '2025-12-01' and period < '2026-01-01'", false),
            ("period between '2025-12-01' and '2026-01-01'", true),
        ] {
            assert_eq!(binds(&quarter, &of(month), MAY), bound, "{month}");
        }
    }
}
