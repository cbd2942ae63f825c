//! A21: cells per class of hospitals. Each hospital fills its own; a class has no members in a sum, or enough.

use super::*;
use crate::io::FailureCode;
use crate::message::{Opening, Pass, Round};
use crate::query::Query;
use crate::roster::tests::{chain_of, member, text};
use crate::testing::World;
use crate::warrant::tests::{QUERY, approved, body};
use crate::warrant::{WarrantBody, with_classes_of};

const GROUP: &str = "[[dimension]]\ngroup = \"purchasing_group\"\n";
const KIND: &str = "[[dimension]]\ngroup = \"hospital_kind\"\n";
const NORTH: u16 = 4;

/// Twelve hospitals, q = 8: the first four are of the north. Cells as these dimensions say, under a floor of 3.
fn world(dimensions: &str, kind: impl Fn(u16) -> &'static str) -> World {
    let of = |i: u16| crate::roster::Member {
        group: text(if i <= NORTH { "north" } else { "south" }),
        kind: text(kind(i)),
        ..member(i)
    };
    let mut world = World::under(chain_of((1..=12).map(of).collect()), 21, &[]);
    let query = format!("{QUERY}{dimensions}[floors]\nhospitals = 3\n");
    let query = Query::from_toml(&query, &mut |_| Err("no files".into())).unwrap();
    let query = with_classes_of(&world.roster, &query).unwrap();
    let terms = WarrantBody {
        floor_hospitals: 3,
        query: crate::codec::Blob::new(query.canonical().unwrap()).unwrap(),
        ..body(&world.roster, QUERY)
    };
    world.signed = approved(&terms, &[800, 801]);
    world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    let lanes = world.warrant.count().unwrap().counting.lanes().len();
    for i in 1..=12 {
        let class = world.warrant.class_of(&world.roster, NodeId(i));
        world.counts.insert(NodeId(i), class.spread(lanes, &vec![1; lanes]));
        let own = world.values[&NodeId(i)].clone();
        world.values.insert(NodeId(i), class.spread(own.len(), &own));
    }
    world.pass = Pass::Count;
    world
}

fn general(_: u16) -> &'static str {
    "general"
}

#[test]
fn cells_of_classes_are_the_sums_of_their_members() {
    let mut world = world(GROUP, general);
    let sum = world.run(&Silence::new()).unwrap();
    let lanes = world.warrant.count().unwrap().counting.lanes().len();
    let expected: Vec<u64> = [4, 8].into_iter().flat_map(|members| vec![members; lanes]).collect();
    assert_eq!(sum.lanes, expected);
    let counting = &world.warrant.count().unwrap().counting;
    let open = counting.open(&sum.lanes, 3).to_bytes();
    let result: crate::message::ResultBody = crate::codec::decode(&sum.outcome.body.body).unwrap();
    let open = crate::codec::Blob::new(open).unwrap();
    let opening = Opening { freeze: sum.bound.freeze, result: result.result, open };
    (world.pass, world.opening) = (Pass::Value, Some((opening, sum.survivors)));
    let sum = world.run(&Silence::new()).unwrap();
    let clear = |nodes: core::ops::RangeInclusive<i64>| {
        let figures = nodes.map(|i| [i128::from(i) * 7 - 50, i128::from(i), 1]);
        figures.fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z])
    };
    assert_eq!(world.totals(&sum), [clear(1..=4), clear(5..=12)].concat());
}

/// A driver that puts its figures into the cells of another class.
#[test]
fn a21_a_hospital_fills_the_cells_of_its_own_class_alone() {
    for (pass, what) in [(Pass::Count, "counts"), (Pass::Value, "values")] {
        let mut world = world(GROUP, general);
        if pass == Pass::Value {
            let sum = world.run(&Silence::new()).unwrap();
            let open = world.warrant.count().unwrap().counting.open(&sum.lanes, 3).to_bytes();
            let result: crate::message::ResultBody = crate::codec::decode(&sum.outcome.body.body).unwrap();
            let open = crate::codec::Blob::new(open).unwrap();
            let opening = Opening { freeze: sum.bound.freeze, result: result.result, open };
            (world.pass, world.opening) = (Pass::Value, Some((opening, sum.survivors)));
        }
        let of_other = world.counts[&NodeId(9)].clone();
        world.counts.insert(NodeId(2), of_other);
        let of_other = world.values[&NodeId(9)].clone();
        world.values.insert(NodeId(2), of_other);
        let _ = world.run(&Silence::new());
        assert_eq!(world.ends(2).last(), Some(&Some(Check::A21)), "{what}");
    }
}

/// The coordinator's own look, at START and at FREEZE: three of the north are enough, two are not.
#[test]
fn a21_a_class_below_its_floor_ends_the_session() {
    for (round, frames) in [(Round::Deposit, 0), (Round::Contribute, 2)] {
        for (gone, fails) in [(1, false), (2, true)] {
            let mut world = world(GROUP, general);
            let silence = (1..=gone).map(|node| (node, frames)).collect();
            let ran = world.run(&silence);
            assert_eq!(ran.is_err(), fails, "{round:?}: {gone} gone");
            if let Err(failure) = ran {
                let told = (failure.code, failure.round, failure.needed, failure.present);
                assert_eq!(told, (FailureCode::SmallClass, round, 3, 2));
            }
        }
    }
}

/// A class that nobody is there of has no figures.
#[test]
fn a21_a_class_without_members_does_not_stop_the_others() {
    let mut world = world(GROUP, general);
    let sum = world.run(&(1..=NORTH).map(|node| (node, 0)).collect()).unwrap();
    assert_eq!(sum.survivors.len(), 8);
    assert_eq!(sum.lanes[0], 0);
}

/// Each property's classes are large enough; one hospital is alone where they cross.
#[test]
fn a21_a_cell_of_two_properties_is_a_class_of_its_own() {
    let kind = |i: u16| if i <= 5 && i != 1 { "umc" } else { "general" };
    for dimensions in [GROUP, KIND] {
        assert!(world(dimensions, kind).run(&Silence::new()).is_ok(), "{dimensions}");
    }
    let mut world = world(&[GROUP, KIND].concat(), kind);
    let failure = world.run(&Silence::new()).unwrap_err();
    assert_eq!((failure.code, failure.present), (FailureCode::SmallClass, 1));
}

#[test]
fn a03_none_may_be_missing_and_classes_are_named_where_cells_are_of_classes() {
    let world = world(GROUP, general);
    let sums = QUERY.split("[[measure]]\nname = \"holders\"").next().unwrap();
    let query = |dimension: &str| format!("{sums}{dimension}[floors]\nhospitals = 3\n");
    let told = |dimension: &str, may_miss: u8| {
        let terms = WarrantBody { may_miss, floor_hospitals: 3, ..body(&world.roster, &query(dimension)) };
        approved(&terms, &[800, 801]).read(&world.roster).err().map(|fault| (fault.check, fault.what))
    };
    let named = GROUP.to_owned() + "codes = [\"north\", \"south\"]\n";
    assert_eq!((told(&named, 0), told("", 1)), (None, None));
    let missing = "none may be missing where classes of hospitals are cells";
    assert_eq!(told(&named, 1), Some((Check::A03, missing)));
    let open = "the warrant's query leaves open which classes of hospitals there are";
    assert_eq!(told(GROUP, 0), Some((Check::A03, open)));
}
