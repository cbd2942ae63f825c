//! Attacks on patients: two queries over one extract between which hardly a patient lies. The hospital's rows are
//! written down here, and it answers as its agent does: it compares on its own rows, then it counts. That the agent's
//! SQL gives the same sets is a test of its own (`node/src/extract/tests/overlap.rs`).

#[cfg(samensom_ablation)]
use crate::off;
use samensom_protocol::query::{
    Answered, Column, Decimal, Expr, Operand, Predicate, Query, Scalar, is_too_close,
};
use std::collections::BTreeSet;

/// A patient and an age, for each row.
type Rows = Vec<(usize, i128)>;

/// Forty adults, of whom one is of eighteen.
const ADULTS: usize = 40;

fn rows() -> Rows {
    (0..ADULTS).map(|person| (person, if person == 0 { 18 } else { 19 })).collect()
}

fn holds(condition: &Expr, age: i128) -> bool {
    let value = |operand| match operand {
        Operand::Column(Column::Age) => Decimal::new(age, 0).map(Scalar::Number),
        _ => None,
    };
    condition.holds(&mut { value }) == Ok(Some(true))
}

fn patients(rows: &Rows, predicate: &Predicate) -> BTreeSet<usize> {
    let met = |(_, age): &&(usize, i128)| predicate.conditions().iter().all(|one| holds(one, *age));
    rows.iter().filter(met).map(|(person, _)| *person).collect()
}

fn query(id: &str, population: &str) -> Answered {
    let text = format!(
        "[query]\nid = \"{id}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"quality\"\n\
         dataset = \"administration\"\n[population]\nwhere = \"{population}\"\n[[measure]]\nname = \"n\"\n\
         patients = true\n[floors]\nhospitals = 3\npatients = 10\n"
    );
    let query = Query::from_toml(&text, &mut |_| Err(String::new())).unwrap();
    Answered { query: query.resolved().unwrap(), patients: query.floor_patients() }
}

/// Whether the hospital finds a query too close to what it answered.
fn refuses(rows: &Rows, own: &Answered, answered: &[Answered]) -> bool {
    answered.iter().any(|other| {
        let floor = own.patients.max(other.patients);
        own.query.to_compare(other, answered).iter().any(|pair| {
            let (one, two) = (patients(rows, &pair.own), patients(rows, &pair.other));
            let alone = [one.difference(&two).count(), two.difference(&one).count()];
            alone.iter().any(|alone| is_too_close(u64::try_from(*alone).unwrap(), floor))
        })
    })
}

/// What the hospital counts for one query after the other; none where it refuses.
fn answers(rows: &Rows, queries: &[Answered]) -> Vec<Option<usize>> {
    let mut answered: Vec<Answered> = Vec::new();
    let answer = |own: &Answered| {
        let taken = !refuses(rows, own, &answered);
        answered.extend(taken.then(|| own.clone()));
        taken.then(|| patients(rows, &own.query.predicates()[0]).len())
    };
    queries.iter().map(answer).collect()
}

fn all_and_all_but_one() -> Vec<Option<usize>> {
    answers(&rows(), &[query("adults", "age >= 18"), query("older", "age >= 19")])
}

#[test]
fn attack_25_adults_less_those_who_are_older_overlap() {
    assert_eq!(all_and_all_but_one(), [Some(ADULTS), None]);
    // What is asked again says nothing new, and nobody lies between two names of one set.
    let again = [query("adults", "age >= 18"), query("again", "age >= 18"), query("same", "not age < 18")];
    assert_eq!(answers(&rows(), &again), [Some(ADULTS); 3]);
}

#[cfg(samensom_ablation)]
#[test]
fn control_25_adults_less_those_who_are_older() {
    let answers = off(Some("overlap-off"), None, all_and_all_but_one);
    let [Some(adults), Some(older)] = answers[..] else { panic!("{answers:?}") };
    assert_eq!(adults - older, 1, "one patient");
}
