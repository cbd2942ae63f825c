//! What opens, against hospitals that are looked at one by one.

use super::*;
use crate::query::Query;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;

fn query(measures: &str) -> Query {
    let head = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"V\", en = \"Q\" }\npurpose = \"stock\"\ndataset = \"stock\"\n\
                [[dimension]]\ncolumn = \"code\"\ncodes = [\"a\", \"b\"]\n";
    Query::from_toml(&format!("{head}{measures}"), &mut |_| Err("no files".into()))
        .unwrap()
        .resolved()
        .unwrap()
}

fn sum(name: &str, filter: &str) -> String {
    let filter = if filter.is_empty() { String::new() } else { format!("where = \"{filter}\"\n") };
    format!(
        "[[measure]]\nname = \"{name}\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n{filter}"
    )
}

fn rows(name: &str, filter: &str) -> String {
    format!("[[measure]]\nname = \"{name}\"\nrows = true\nmax = 9\nwhere = \"{filter}\"\n")
}

/// Totals of one box, the other being empty, of what is said of each lane.
fn totals(counting: &Counting, said: impl Fn(Lane) -> u64) -> Vec<u64> {
    let own = counting.lanes().into_iter().map(said);
    own.chain(counting.lanes().into_iter().map(|_| 0)).collect()
}

#[test]
fn one_set_of_rows_is_one_atom() {
    let counting = Counting::of(&query(&sum("s", "")), false).unwrap();
    assert_eq!(counting.lanes(), [Lane::Rows(0), Lane::Matter(0, 0)]);
    assert_eq!((counting.boxes(), counting.cells()), (2, 4));
    let open = |rows, not_zero| {
        let totals = totals(&counting, |lane| if lane == Lane::Rows(0) { rows } else { not_zero });
        let open = counting.open(&totals, 5);
        assert!(open.is_open(1, 0), "nobody has rows there");
        assert_eq!(counting.holders(&totals, 0, 0), Some(rows));
        open.is_open(0, 0)
    };
    assert!(open(5, 5) && open(9, 5) && open(0, 0));
    assert!(open(5, 0), "five hospitals with nothing in stock");
    assert!(!open(4, 4) && !open(1, 1));
    assert!(!open(9, 4), "five of the nine add nothing to the figure");
    assert!(!open(4, 0));
    assert!(!counting.open(&[9; 3], 5).is_open(0, 0), "totals of another query open nothing");
}

/// All, and a part of it: the rest would be the figure of one hospital.
#[test]
fn a_rest_with_few_holders_closes_a_part() {
    let text = sum("all", "") + &sum("ccv", "kind = 'ccv'");
    let counting = Counting::of(&query(&text), false).unwrap();
    assert_eq!(counting.atoms(), [0, 1]);
    let open = |rest: u64, ccv: u64| {
        let totals = totals(&counting, |lane| match lane {
            Lane::Rows(0) | Lane::Matter(_, 0) => rest,
            Lane::Rows(_) | Lane::Matter(..) => ccv,
            Lane::Set(None) => 30,
            _ => ccv,
        });
        let open = counting.open(&totals, 5);
        assert_eq!(counting.holders(&totals, 0, 0), Some(30));
        assert_eq!(counting.holders(&totals, 0, 1), Some(ccv));
        (open.is_open(0, 0), open.is_open(0, 1))
    };
    assert_eq!(open(30, 30), (true, true));
    assert_eq!(open(30, 0), (true, true), "a part without rows takes nothing away");
    assert_eq!(open(0, 30), (true, true), "all is the part");
    assert_eq!(open(1, 30), (true, false), "one hospital has the rest");
    assert_eq!(open(30, 4), (true, false), "four hospitals have the part");
    assert_eq!(open(4, 4), (false, false));
}

/// Figures of other columns or rows counted cannot be taken from one another.
#[test]
fn only_what_can_be_combined_is_judged_together() {
    let text = rows("ccv_rows", "kind = 'ccv'") + &sum("all", "");
    let counting = Counting::of(&query(&text), false).unwrap();
    let totals = totals(&counting, |lane| match lane {
        Lane::Rows(0) | Lane::Matter(_, 0) => 1,
        _ => 30,
    });
    let open = counting.open(&totals, 5);
    assert!(open.is_open(0, 0) && open.is_open(0, 1));
}

#[test]
fn too_many_filters_are_too_much_to_count() {
    let text = |count: usize| -> String {
        (0..count).map(|i| rows(&format!("r{i}"), &format!("kind = 'ccv' or quantity > {i}"))).collect()
    };
    assert!(Counting::of(&query(&text(MAX_FILTERS)), false).is_some());
    assert_eq!(Counting::of(&query(&text(MAX_FILTERS + 1)), false), None);
}

#[test]
fn the_bits_come_back_and_nothing_else_does() {
    let text: String = (0..3).map(|i| rows(&format!("r{i}"), &format!("quantity > {i}"))).collect();
    let counting = Counting::of(&query(&text), false).unwrap();
    let totals: Vec<u64> = (0..u64::from(counting.cells())).map(|place| place % 7).collect();
    let open = counting.open(&totals, 3);
    let bytes = open.to_bytes();
    assert_eq!(bytes.len(), 1);
    assert_eq!(Open::from_bytes(&counting, &bytes), Some(open.clone()));
    assert!(open.is_within(&open));
    assert_eq!(Open::from_bytes(&counting, &[]), None);
    assert_eq!(Open::from_bytes(&counting, &[0, 0]), None);
    assert_eq!(Open::from_bytes(&counting, &[0xc0]), None, "padding");
    let all = Open::from_bytes(&counting, &[0x3f]).unwrap();
    let none = Open::from_bytes(&counting, &[0]).unwrap();
    assert!(none.is_within(&all) && !all.is_within(&none));
    assert_eq!((all.closed(), none.closed()), (0, 6));
}

/// One hospital's rows in one box: for each atom whether it has rows, enough patients, a sum that is not 0.
type Own = Vec<(bool, bool, bool)>;

fn said(counting: &Counting, own: &Own, lane: Lane) -> bool {
    let atoms = counting.atoms();
    let at = |atom: usize| atoms.iter().position(|one| *one == atom).map(|place| own[place]).unwrap();
    let of_set = |set: Option<usize>| {
        atoms.iter().any(|atom| set.is_none_or(|bit| atom >> bit & 1 == 1) && at(*atom).0)
    };
    match lane {
        Lane::Rows(atom) => at(atom).0,
        Lane::Patients(atom) => at(atom).1,
        Lane::Matter(_, atom) => at(atom).2,
        Lane::Value(_) => own.iter().any(|one| one.2),
        Lane::Set(set) => of_set(set),
        Lane::Compared(_) | Lane::Dominant(_) => false,
    }
}

/// Every piece into which the open figures cut the rows has no rows or enough hospitals, looked at one by one;
/// and a larger part of the figures would not do.
#[test]
fn what_opens_never_singles_out_fewer_than_the_floor() {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let mut below = |bound: u32| rng.next_u32() % bound;
    let (mut opened, mut closed) = (0, 0);
    for round in 0..3_000 {
        let filters = ["kind = 'ccv'", "kind = 'regular'", "quantity > 1"];
        let mut text = if below(2) == 0 { sum("all", "") } else { String::new() };
        for (place, filter) in filters.iter().enumerate().take(1 + below(3) as usize) {
            text += &sum(&format!("s{place}"), filter);
        }
        let counting = Counting::of(&query(&text), round % 2 == 0).unwrap();
        let atoms = counting.atoms();
        let chance = 1 + below(9);
        let hospitals: Vec<Own> = (0..9)
            .map(|_| {
                let mut one = || {
                    let rows = below(10) < chance;
                    (rows, rows && below(10) < 9, rows && below(10) < 9)
                };
                atoms.iter().map(|_| one()).collect()
            })
            .collect();
        let totals = totals(&counting, |lane| {
            u64::try_from(hospitals.iter().filter(|own| said(&counting, own, lane)).count()).unwrap()
        });
        let open = counting.open(&totals, 4);
        let sets: Vec<Option<usize>> = (0..counting.measures.len())
            .filter(|measure| open.is_open(0, *measure))
            .map(|measure| counting.measures[measure].rows)
            .collect();
        (opened, closed) = (opened + sets.len(), closed + counting.measures.len() - sets.len());
        for cut in 1..1usize << sets.len() {
            let inside = |atom: usize| {
                sets.iter()
                    .enumerate()
                    .all(|(at, set)| set.is_none_or(|bit| atom >> bit & 1 == 1) == (cut >> at & 1 == 1))
            };
            let places: Vec<usize> = (0..atoms.len()).filter(|place| inside(atoms[*place])).collect();
            let holding = |what: &dyn Fn(&(bool, bool, bool)) -> bool| {
                hospitals.iter().filter(|own| places.iter().any(|place| what(&own[*place]))).count()
            };
            let (rows, patients, adding) =
                (holding(&|one| one.0), holding(&|one| one.1), holding(&|one| one.2));
            assert!(rows == 0 || rows >= 4, "round {round}: {rows} hospitals behind a piece");
            assert!(rows == 0 || !counting.counts_patients() || patients >= 4, "round {round}");
            assert!(adding == 0 || adding >= 4, "round {round}: {adding} hospitals add to a piece");
        }
    }
    println!("{opened} figures opened, {closed} stayed closed");
    assert!(opened > 500 && closed > 500, "{opened} {closed}");
}

#[test]
fn values_of_hospitals_open_alone_and_with_enough_that_are_not_zero() {
    let moments = "[[measure]]\nname = \"m\"\nmoments = \"sum(quantity)\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n";
    let counting = Counting::of(&query(&(moments.to_owned() + &sum("ccv", "kind = 'ccv'"))), false).unwrap();
    let open = |value: u64, rest: u64| {
        let open = counting.open(
            &totals(&counting, |lane| match lane {
                Lane::Value(_) => value,
                Lane::Rows(0) | Lane::Matter(_, 0) => rest,
                _ => 30,
            }),
            5,
        );
        (open.is_open(0, 0), open.is_open(0, 1))
    };
    let several: BTreeSet<(bool, bool)> = [open(30, 30), open(4, 30), open(0, 30)].into_iter().collect();
    assert_eq!(several, BTreeSet::from([(true, false), (false, false)]));
    assert_eq!(open(4, 30), (false, false), "one of the group opens, and its values are too few");
}

#[test]
fn a_figure_of_which_one_hospital_has_most_stays_closed() {
    let text = sum("s", "") + "[[measure]]\nname = \"n\"\nrows = true\nmax = 9\n";
    let counting = Counting::judging(&query(&text), false, true).unwrap();
    assert_eq!(counting.lanes(), [Lane::Rows(0), Lane::Matter(0, 0), Lane::Compared(0), Lane::Dominant(0)]);
    let open = |compared, dominant| {
        let totals = totals(&counting, |lane| match lane {
            Lane::Compared(_) => compared,
            Lane::Dominant(_) => dominant,
            _ => 9,
        });
        let open = counting.open(&totals, 5);
        assert_eq!(counting.compared(&totals, 0, 0), Some(compared));
        assert_eq!(counting.compared(&totals, 0, 1), None, "rows are not judged");
        assert!(open.is_open(0, 1) && open.is_open(1, 0), "rows, and the empty box");
        open.is_open(0, 0)
    };
    assert!(open(9, 0) && open(0, 0), "without a total nobody says anything");
    assert!(!open(9, 1) && !open(1, 1) && !open(9, 9));
}

/// All, and a part: what is between them was compared by nobody.
#[test]
fn only_what_was_judged_follows_from_open_figures() {
    let text = sum("all", "") + &sum("ccv", "kind = 'ccv'") + &sum("regular", "kind = 'regular'");
    let counting = Counting::judging(&query(&text), false, true).unwrap();
    let open = |filled: &[usize], dominant: &[usize]| {
        let totals = totals(&counting, |lane| match lane {
            Lane::Rows(atom) | Lane::Matter(_, atom) if !filled.contains(&atom) => 0,
            Lane::Dominant(which) if !dominant.contains(&which) => 0,
            Lane::Dominant(_) => 1,
            _ => 9,
        });
        let open = counting.open(&totals, 5);
        [0, 1, 2].map(|measure| open.is_open(0, measure))
    };
    assert_eq!(open(&[0b01, 0b10], &[]), [true; 3], "both parts are all there is");
    assert_eq!(
        open(&[0, 0b01, 0b10], &[]),
        [false, true, true],
        "the third kind is between all and the parts"
    );
    assert_eq!(open(&[0, 0b01], &[]), [true, false, true], "nobody has the other part");
    assert_eq!(open(&[0b01, 0b10], &[1]), [true, false, false], "a closed part and its complement");
    assert_eq!(open(&[0b01, 0b10], &[0, 1, 2]), [false; 3]);
    assert_eq!(open(&[0b01], &[1]), [false, false, true], "all is the part");
    assert_eq!(open(&[0b01, 0b10], &[0]), [false, true, false], "both parts together are all");
}

/// Against the figures of every hospital: whatever follows from open ones, no hospital has most of it.
#[test]
fn nothing_that_opens_is_mostly_one_hospitals() {
    const PERCENT: u8 = 60;
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let mut below = |bound: u64| u64::from(rng.next_u32()) % bound;
    let (mut opened, mut closed) = (0, 0);
    for round in 0..3_000 {
        let filters = ["kind = 'ccv'", "kind = 'regular'", "quantity > 1"];
        let mut text = if below(2) == 0 { sum("all", "") } else { String::new() };
        for (place, filter) in filters.iter().enumerate().take(1 + below(3) as usize) {
            text += &sum(&format!("s{place}"), filter);
        }
        let counting = Counting::judging(&query(&text), false, true).unwrap();
        let atoms = counting.atoms();
        let empty = below(10);
        let hospitals: Vec<Vec<u64>> = (0..6)
            .map(|_| {
                let large = if below(4) == 0 { 60 } else { 10 };
                atoms
                    .iter()
                    .map(|atom| if *atom as u64 * 3 % 10 < empty { 0 } else { 1 + below(large) })
                    .collect()
            })
            .collect();
        let is_in = |set: Option<usize>, atom: usize| set.is_none_or(|bit| atom >> bit & 1 == 1);
        let of_set = |own: &[u64], set: Option<usize>| -> u64 {
            atoms.iter().zip(own).filter(|(atom, _)| is_in(set, **atom)).map(|(_, one)| one).sum()
        };
        let rows_of = |measure: usize| counting.measures[measure].rows;
        let before: Vec<u64> = counting
            .judged()
            .iter()
            .map(|one| hospitals.iter().map(|own| of_set(own, rows_of(one.measure))).sum())
            .collect();
        let dominance = Dominance::new(PERCENT, before);
        let at = |own: &[u64], atom: usize| own[atoms.iter().position(|one| *one == atom).unwrap()];
        let says = |own: &[u64], lane: Lane| match lane {
            Lane::Rows(atom) | Lane::Patients(atom) | Lane::Matter(_, atom) => at(own, atom) > 0,
            Lane::Set(set) => of_set(own, set) > 0,
            Lane::Value(_) => false,
            Lane::Compared(place) => dominance.compares(place),
            Lane::Dominant(place) => {
                let figure = of_set(own, rows_of(counting.judged()[place].measure));
                dominance.is_dominant(place, i64::try_from(figure).unwrap())
            }
        };
        let totals = totals(&counting, |lane| hospitals.iter().filter(|own| says(own, lane)).count() as u64);
        let open = counting.open(&totals, 3);
        let sets: Vec<Option<usize>> =
            (0..counting.measures.len()).filter(|measure| open.is_open(0, *measure)).map(rows_of).collect();
        (opened, closed) = (opened + sets.len(), closed + counting.measures.len() - sets.len());
        for cut in 1..1usize << sets.len() {
            let inside = |atom: &usize| {
                sets.iter().enumerate().all(|(at, set)| is_in(*set, *atom) == (cut >> at & 1 == 1))
            };
            let of = |own: &Vec<u64>| -> u64 {
                atoms.iter().filter(|atom| inside(atom)).map(|atom| at(own, *atom)).sum()
            };
            let piece: Vec<u64> = hospitals.iter().map(of).collect();
            let (most, all) = (piece.iter().max().unwrap(), piece.iter().sum::<u64>());
            assert!(most * 100 <= all * u64::from(PERCENT), "round {round}: {most} of {all}");
        }
    }
    println!("{opened} figures opened, {closed} stayed closed");
    assert!(opened > 500 && closed > 500, "{opened} {closed}");
}
