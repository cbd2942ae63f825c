//! Attacks on floors: figures of too few hospitals opened, or left over when open ones are subtracted. The nodes'
//! rows are written down in each test; whoever lies is the coordinator, in what it says was counted or may open.

use crate::*;
use samensom_protocol::codec::{Blob, decode};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::io::{Failure, Sum};
use samensom_protocol::message::{Header, Opening};
use samensom_protocol::query::Query;
use samensom_protocol::warrant::WarrantBody;
use samensom_tests::adversary::drops::Stops;
use samensom_tests::adversary::floors::{self, Rows};
use samensom_tests::adversary::office::{Liars, Office, Stop};
use samensom_tests::adversary::town::Of;
use samensom_tests::forge::message::sign;

const N: u16 = 9;
/// Fewest hospitals behind a figure.
const FLOOR: u16 = 3;

fn query(id: &str, rest: &str) -> String {
    format!(
        "[query]\nid = \"{id}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n{rest}"
    )
}

fn sum(name: &str, of: &str, filter: &str) -> String {
    format!(
        "[[measure]]\nname = \"{name}\"\nsum = \"{of}\"\n{filter}unit = \"piece\"\nscale = 0\nrange = [0, 1000]\n"
    )
}

fn floored(terms: &mut WarrantBody) {
    terms.floor_hospitals = FLOOR;
}

/// Hospitals with these rows under these queries.
fn world(n: u16, queries: &[String], change: impl Fn(&mut WarrantBody), rows: Vec<Rows>) -> World {
    world_of(n, &|_| ("north", "general"), queries, change, rows)
}

/// The same, of these groups.
fn world_of(
    n: u16,
    of: Of<'_>,
    queries: &[String],
    change: impl Fn(&mut WarrantBody),
    rows: Vec<Rows>,
) -> World {
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let town = floors::town_of(n, of, &queries, |terms| {
        floored(terms);
        change(terms);
    });
    let machines: Vec<NodeId> = (1..=n).map(NodeId).collect();
    let mut world = World::new(town, 5, &machines, BTreeSet::new());
    (world.watched, world.rows) = (false, rows);
    world
}

/// These hospitals have rows there that meet exactly these filters: 10 times the hospital's number of pieces.
fn rows(nodes: impl IntoIterator<Item = u16>, cell: u32, atom: usize) -> Vec<Rows> {
    let of = |node| Rows { node: NodeId(node), cell, atom, sum: i64::from(node) * 10, patients: 0 };
    nodes.into_iter().map(of).collect()
}

fn run(world: &mut World, office: &mut Office) -> Result<Sum, Failure> {
    office.among(world, &Stops::new(), &mut Liars::default())
}

/// The value pass of a coordinator that writes what it likes into the header's opening; what everyone said of it.
fn opened(world: &mut World, office: &mut Office, lie: impl Fn(&mut Header)) -> Result<Sum, Failure> {
    let key = std::sync::Arc::clone(&world.town.coordinator);
    let mut tamper = |_: &mut World, _: NodeId, message: Message| {
        let Message::Offer(mut offer) = message else { return vec![message] };
        let mut header: Header = decode(&offer.header.body).unwrap();
        lie(&mut header);
        offer.header = sign(&key, Signed::Header, &header);
        vec![Message::Offer(offer)]
    };
    office.among(world, &Stops::new(), &mut Liars { coordinator: Some(&mut tamper), ..Liars::default() })
}

/// The coordinator runs the value pass as if these bits were what may open.
fn opens(world: &mut World, office: &mut Office, bits: u8) -> Result<Sum, Failure> {
    let (mut opening, counted) = office.opening.clone().unwrap();
    opening.open = Blob::new(vec![bits]).unwrap();
    office.opening = Some((opening, counted));
    run(world, office)
}

fn bits(office: &Office) -> u8 {
    let (Opening { open, .. }, _) = office.opening.as_ref().unwrap();
    open[0]
}

/// Everyone but the first so many, who were not asked, refused by this check; there is no sum.
#[track_caller]
fn all_refuse((world, ended): &(World, Result<Sum, Failure>), gone: u16, check: Check) {
    assert!(ended.is_err());
    for node in world.machines().filter(|node| node.0 > gone) {
        assert_eq!(ends(world, node.0).last(), Some(&Some(check)), "{node}: {:?}", world.ended);
    }
}

/// Pieces of product A and of B; two hospitals have B.
fn two_products() -> (World, Office) {
    let asked = query(
        "two",
        &format!("[[dimension]]\ncolumn = \"code\"\ncodes = [\"A\", \"B\"]\n{}", sum("m", "quantity", "")),
    );
    let mut world = world(N, &[asked], |_| (), [rows(1..=9, 0, 0), rows(1..=2, 1, 0)].concat());
    let mut office = Office::default();
    office.count(&mut world, &Stops::new()).unwrap();
    (world, office)
}

type Lie = fn(&mut Header);

/// What a value pass may not say of the count pass.
const OPENINGS: [(Lie, Check); 6] = [
    (|header| header.opening = None, Check::A03),
    (|header| header.opening.as_mut().unwrap().result.0[0] ^= 1, Check::A03),
    (|header| header.opening.as_mut().unwrap().freeze.0[0] ^= 1, Check::A03),
    (|header| header.opening.as_mut().unwrap().open = Blob::new(vec![0b101]).unwrap(), Check::A03),
    (|header| header.opening.as_mut().unwrap().open = Blob::new(vec![]).unwrap(), Check::A03),
    (|header| header.opening.as_mut().unwrap().open = Blob::new(vec![0b11]).unwrap(), Check::A23),
];

#[test]
fn attack_40_a_value_pass_on_what_was_not_counted_a03_a22_a23() {
    let (mut world, mut office) = two_products();
    assert_eq!(bits(&office), 0b01);
    let sum = run(&mut world, &mut office).unwrap();
    assert_eq!(sum.lanes, [450, 0], "B stays closed: no hospital gave its figure");
    for (lie, check) in OPENINGS {
        let (mut world, mut office) = two_products();
        let ended = opened(&mut world, &mut office, lie);
        all_refuse(&(world, ended), 0, check);
    }
    // Four of 27 that were counted are left out, and three may be missing.
    all_refuse(&fewer_than_counted(4), 4, Check::A22);
    assert!(fewer_than_counted(3).1.is_ok());
}

/// 27 hospitals are counted, of which three may be missing; so many are left out of the value pass.
fn fewer_than_counted(gone: u16) -> (World, Result<Sum, Failure>) {
    let asked = query("one", &sum("m", "quantity", ""));
    let mut world = world(27, &[asked], |terms| terms.may_miss = 3, rows(1..=27, 0, 0));
    let mut office = Office::default();
    office.count(&mut world, &Stops::new()).unwrap();
    let ended = without(&mut world, &mut office, gone);
    (world, ended)
}

/// The value pass without the first so many of those counted, as if they had not been.
fn without(world: &mut World, office: &mut Office, gone: u16) -> Result<Sum, Failure> {
    office.opening.as_mut().unwrap().1.retain(|node| node.0 > gone);
    let gone: Stops = (1..=gone).map(|node| (NodeId(node), Stop::Absent)).collect();
    office.among(world, &gone, &mut Liars::default())
}

/// Wins: the figures of nine are opened over fewer than were counted, so that the two sums differ by the rest.
#[cfg(samensom_ablation)]
#[test]
fn control_40_who_was_counted_is_not_asked() {
    let (_, sum) = off(None, Some(Check::A22), || fewer_than_counted(4));
    assert_eq!(sum.unwrap().survivors.len(), 23);
    // A figure of two hospitals, which nobody was to see.
    let (mut world, mut office) = two_products();
    let sum = off(None, Some(Check::A23), || opens(&mut world, &mut office, 0b11));
    assert_eq!(sum.unwrap().lanes, [450, 30]);
}

/// Which hospitals have something, counted over nine and asked again as a figure over eight of them.
fn counted_twice() -> (u64, World, Result<Sum, Failure>) {
    let holders = "[[measure]]\nname = \"holders\"\nhospitals = \"count(*) > 0\"\n";
    let mut world = world(N, &[query("one", holders)], |_| (), rows([1, 3, 4, 5, 6, 7, 8, 9], 0, 0));
    let mut office = Office::default();
    let counted = office.count(&mut world, &Stops::new()).unwrap().lanes[0];
    let ended = without(&mut world, &mut office, 1);
    (counted, world, ended)
}

#[test]
fn attack_51_a_hospital_counted_once_with_and_once_without_a03_a22() {
    let (counted, world, ended) = counted_twice();
    assert_eq!(counted, 8);
    all_refuse(&(world, ended), 1, Check::A22);
    // A warrant that lets some be missing may not ask for what is 0 or 1 of each.
    let holders = "[[measure]]\nname = \"holders\"\nhospitals = \"count(*) > 0\"\n";
    let town = samensom_tests::adversary::town::town(27);
    let misses = |misses| {
        let signed = floors::asked(&town, &query("one", holders), |terms| {
            floored(terms);
            terms.may_miss = misses;
        });
        signed.read(&town.roster).err().map(|fault| fault.check)
    };
    assert_eq!((misses(0), misses(1)), (None, Some(Check::A03)));
}

/// Wins: what is between both sums is whether hospital 1 has something.
#[cfg(samensom_ablation)]
#[test]
fn control_51_the_second_sum_is_over_others() {
    let (counted, _, ended) = off(None, Some(Check::A22), counted_twice);
    assert_eq!(counted - ended.unwrap().lanes[0], 1);
}

/// Nineteen patients at nine hospitals, eleven of them at one; a floor of ten patients.
fn patients() -> (World, Office) {
    let asked = query(
        "care",
        "[[measure]]\nname = \"patients\"\npatients = true\nmax = 1000\n[floors]\nhospitals = 3\npatients = 10\n",
    )
    .replace("dataset = \"stock\"", "dataset = \"administration\"");
    let mut own = rows(1..=9, 0, 0);
    own.iter_mut().for_each(|rows| rows.patients = if rows.node.0 == 1 { 11 } else { 1 });
    let mut world = world(N, &[asked], |terms| terms.floor_patients = 10, own);
    let mut office = Office::default();
    office.count(&mut world, &Stops::new()).unwrap();
    (world, office)
}

#[test]
fn attack_52_patients_who_sit_in_one_hospital_a23() {
    let (mut world, mut office) = patients();
    assert_eq!(bits(&office), 0);
    let ended = opens(&mut world, &mut office, 1);
    all_refuse(&(world, ended), 0, Check::A23);
    // So many at each, and they open.
    let (mut world, mut office) = patients();
    world.rows.iter_mut().for_each(|rows| rows.patients = 4);
    world.pass(72_000_000);
    office.count(&mut world, &Stops::new()).unwrap();
    assert_eq!(bits(&office), 1);
    assert_eq!(run(&mut world, &mut office).unwrap().lanes, [36]);
}

/// Wins: a figure that is one hospital's patients but for eight.
#[cfg(samensom_ablation)]
#[test]
fn control_52_patients_are_counted_together() {
    let (mut world, mut office) = patients();
    let sum = off(None, Some(Check::A23), || opens(&mut world, &mut office, 1));
    assert_eq!(sum.unwrap().lanes, [19]);
}

/// Product A, which all have, and then all products, of which hospital 1 alone has another.
fn nation_and_part() -> (World, Vec<Result<u64, Failure>>) {
    let part = query(
        "part",
        &format!("[[dimension]]\ncolumn = \"code\"\ncodes = [\"A\"]\n{}", sum("m", "quantity", "")),
    );
    let nation = query("nation", &sum("m", "quantity", ""));
    let mut world = world(N, &[part, nation], |_| (), [rows(1..=9, 0, 0), rows(1..=1, 1, 0)].concat());
    let mut office = Office::default();
    let mut sums = Vec::new();
    for warrant in 0..2 {
        office.warrant = warrant;
        let ended = office.count(&mut world, &Stops::new()).and_then(|_| run(&mut world, &mut office));
        sums.push(ended.map(|sum| sum.lanes[0]));
    }
    (world, sums)
}

#[test]
fn attack_53_the_nation_less_its_open_parts_a23() {
    let (world, sums) = nation_and_part();
    assert_eq!(*sums[0].as_ref().unwrap(), 450);
    for node in world.machines() {
        assert_eq!(ends(&world, node.0).last(), Some(&Some(Check::A23)));
    }
    assert!(sums[1].is_err());
}

/// Wins: what hospital 1 has of the other product.
#[cfg(samensom_ablation)]
#[test]
fn control_53_sums_of_other_cells_over_one_extract() {
    let (_, sums) = off(None, Some(Check::A23), nation_and_part);
    let [part, nation] = [0, 1].map(|which| *sums[which].as_ref().unwrap());
    assert_eq!(nation - part, 10);
}

/// Three groups of three; of the last, only hospital 9 has any. The nation is asked, and its groups.
fn nation_of_groups(floorless: bool) -> World {
    let groups = "[floors]\nhospitals = 3\n[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"a\", \"b\", \"c\"]\n";
    let group = |node: u16| usize::from(node - 1) / 3;
    let queries = [
        query("nation", &sum("m", "quantity", "")),
        query("groups", &(groups.to_owned() + &sum("m", "quantity", ""))),
    ];
    let own = [1, 2, 3, 4, 5, 6, 9].map(|node| rows([node], u32::try_from(group(node)).unwrap(), 0)).concat();
    let of = |node: u16| (["a", "b", "c"][group(node)], "general");
    let change = |terms: &mut WarrantBody| {
        let query = Query::from_canonical(&terms.query).unwrap();
        if floorless && query.id() == "nation" {
            terms.floor_hospitals = 0;
        }
    };
    world_of(N, &of, &queries, change, own)
}

/// In this order.
fn nation_and_groups(nation_first: bool, opening: [u8; 2]) -> (World, Vec<Result<Vec<u64>, Failure>>) {
    let mut world = nation_of_groups(false);
    let mut office = Office::default();
    let order = if nation_first { [0, 1] } else { [1, 0] };
    let sums = order.map(|warrant| {
        office.warrant = warrant;
        office.count(&mut world, &Stops::new()).unwrap();
        opens(&mut world, &mut office, opening[warrant]).map(|sum| sum.lanes)
    });
    (world, sums.into())
}

/// Either may be asked first; what comes second may not open all that it could alone.
#[test]
fn attack_53_the_nation_less_its_open_groups_a23() {
    for nation_first in [true, false] {
        let (world, sums) = nation_and_groups(nation_first, [0b1, 0b011]);
        assert!(sums[0].is_ok(), "{:?}", world.ended);
        all_refuse(&(world, sums[1].clone().map(|_| unreachable!("refused"))), 0, Check::A23);
        // With one group closed besides, hospital 9 stands among four.
        let (_, sums) = nation_and_groups(nation_first, [0b1, 0b001]);
        let sums: Vec<Vec<u64>> = sums.into_iter().map(Result::unwrap).collect();
        let [nation, groups] = if nation_first { [0, 1] } else { [1, 0] }.map(|place: usize| &sums[place]);
        assert_eq!((&nation[..], &groups[..]), (&[300][..], &[60, 0, 0][..]));
    }
}

/// Wins: the nation less its groups is what hospital 9 has.
#[cfg(samensom_ablation)]
#[test]
fn control_53_a_nation_and_its_groups_are_judged_apart() {
    for nation_first in [true, false] {
        let (_, sums) = off(Some("tree-off"), None, || nation_and_groups(nation_first, [0b1, 0b011]));
        let sums: Vec<Vec<u64>> = sums.into_iter().map(Result::unwrap).collect();
        let [nation, groups] = if nation_first { [0, 1] } else { [1, 0] }.map(|place: usize| &sums[place]);
        assert_eq!(nation[0] - groups.iter().sum::<u64>(), 90);
    }
}

/// The nation is asked without a floor, so that nothing of it is counted; the groups under one. In this order.
fn floorless_nation(nation_first: bool) -> (World, Vec<Result<Vec<u64>, Failure>>) {
    let mut world = nation_of_groups(true);
    let mut office = Office::default();
    let order = if nation_first { [0, 1] } else { [1, 0] };
    let sums = order.map(|warrant| {
        office.warrant = warrant;
        if warrant == 1 {
            office.count(&mut world, &Stops::new())?;
            return opens(&mut world, &mut office, 0b011).map(|sum| sum.lanes);
        }
        office.opening = None;
        run(&mut world, &mut office).map(|sum| sum.lanes)
    });
    (world, sums.into())
}

#[test]
fn attack_53_a_nation_under_no_floor_a23() {
    for nation_first in [true, false] {
        let (world, sums) = floorless_nation(nation_first);
        assert!(sums[0].is_ok(), "{:?}", world.ended);
        all_refuse(&(world, sums[1].clone().map(|_| unreachable!("refused"))), 0, Check::A23);
    }
}

/// Wins: the nation less its groups is what hospital 9 has.
#[cfg(samensom_ablation)]
#[test]
fn control_53_figures_under_no_floor_are_not_looked_at() {
    for nation_first in [true, false] {
        let (_, sums) = off(Some("floorless-off"), None, || floorless_nation(nation_first));
        let sums: Vec<Vec<u64>> = sums.into_iter().map(Result::unwrap).collect();
        let [nation, groups] = if nation_first { [0, 1] } else { [1, 0] }.map(|place: usize| &sums[place]);
        assert_eq!(nation[0] - groups.iter().sum::<u64>(), 90);
    }
}

/// All rows, those of two kinds, and hospital 1 alone has another kind.
fn all_but_the_listed() -> (World, Office) {
    let kinds =
        ["regular", "ccv"].map(|kind| sum(kind, "quantity", &format!("where = \"kind = '{kind}'\"\n")));
    let asked = query("kinds", &format!("{}{}", sum("all", "quantity", ""), kinds.concat()));
    let own = [rows(1..=9, 0, 0b01), rows(1..=9, 0, 0b10), rows(1..=1, 0, 0)].concat();
    let mut world = world(N, &[asked], |_| (), own);
    let mut office = Office::default();
    office.count(&mut world, &Stops::new()).unwrap();
    (world, office)
}

#[test]
fn attack_56_the_rest_of_open_inner_cells_a23() {
    let (mut world, mut office) = all_but_the_listed();
    assert_eq!(bits(&office).count_ones(), 2, "one of the three stays closed");
    let ended = opens(&mut world, &mut office, 0b111);
    all_refuse(&(world, ended), 0, Check::A23);
}

/// Wins: all less both kinds is what hospital 1 has of the third.
#[cfg(samensom_ablation)]
#[test]
fn control_56_every_cell_is_judged_alone() {
    let (mut world, mut office) = all_but_the_listed();
    let lanes = off(None, Some(Check::A23), || opens(&mut world, &mut office, 0b111)).unwrap().lanes;
    assert_eq!(lanes[0] - lanes[1] - lanes[2], 10);
}

/// Stock, and stock beyond five pieces; only hospital 1 has a line of fewer.
fn stock_and_surplus() -> (World, Office) {
    let surplus = sum("surplus", "quantity", "where = \"quantity > 5\"\n");
    let asked = query("norm", &format!("{}{surplus}", sum("stock", "quantity", "")));
    let mut world = world(N, &[asked], |_| (), [rows(1..=9, 0, 0b1), rows(1..=1, 0, 0)].concat());
    let mut office = Office::default();
    office.count(&mut world, &Stops::new()).unwrap();
    (world, office)
}

#[test]
fn attack_57_a_closed_sum_that_follows_from_open_ones_a23() {
    let (mut world, mut office) = stock_and_surplus();
    assert_eq!(bits(&office).count_ones(), 1, "stock or surplus, not both");
    let ended = opens(&mut world, &mut office, 0b11);
    all_refuse(&(world, ended), 0, Check::A23);
}

/// Wins: stock less surplus is the line of hospital 1.
#[cfg(samensom_ablation)]
#[test]
fn control_57_sums_open_one_by_one() {
    let (mut world, mut office) = stock_and_surplus();
    let lanes = off(None, Some(Check::A23), || opens(&mut world, &mut office, 0b11)).unwrap().lanes;
    assert_eq!(lanes[0] - lanes[1], 10);
}

/// Pieces of product A, of which all have some, and of B, of which hospital 1 has nearly all; the figures have opened
/// once, and are counted again in the next slot.
fn one_has_most() -> (World, Office) {
    let asked = query(
        "share",
        &format!(
            "[[dimension]]\ncolumn = \"code\"\ncodes = [\"A\", \"B\"]\n{}[floors]\nhospitals = 3\ndominance = 80\n",
            sum("m", "quantity", "")
        ),
    );
    let mut own = [rows(1..=9, 0, 0), rows(1..=9, 1, 0)].concat();
    own[9].sum = 1000;
    own[10..].iter_mut().for_each(|rows| rows.sum = 10);
    let mut world = world(N, &[asked], |terms| terms.floor_dominance = 80, own);
    let mut office = Office::default();
    let counted = office.count(&mut world, &Stops::new()).unwrap();
    // Of each box: rows, not 0, compared, dominant.
    assert_eq!(counted.lanes, [9, 9, 0, 0, 9, 9, 0, 0], "nobody knows a total yet");
    assert_eq!(run(&mut world, &mut office).unwrap().lanes, [450, 1080]);
    world.pass(72_000_000);
    let counted = office.count(&mut world, &Stops::new()).unwrap();
    assert_eq!(counted.lanes, [9, 9, 9, 0, 9, 9, 9, 1], "one of them has most of B");
    (world, office)
}

#[test]
fn attack_59_a_figure_that_is_mostly_one_hospitals_a23() {
    let (mut world, mut office) = one_has_most();
    assert_eq!(bits(&office), 0b01);
    let ended = opens(&mut world, &mut office, 0b11);
    all_refuse(&(world, ended), 0, Check::A23);
    let (mut world, mut office) = one_has_most();
    assert_eq!(run(&mut world, &mut office).unwrap().lanes, [450, 0], "B stays closed");
    // What opened before is not forgotten while the figure is closed, nor by a program that starts anew.
    world.restart(NodeId(1));
    world.pass(72_000_000);
    let counted = office.count(&mut world, &Stops::new()).unwrap();
    assert_eq!(counted.lanes[6..], [9, 1]);
    assert_eq!(bits(&office), 0b01);
}

/// Wins: B, of which hospital 1 has 93 %.
#[cfg(samensom_ablation)]
#[test]
fn control_59_shares_of_a_figure_do_not_count() {
    let (mut world, mut office) = one_has_most();
    let sum = off(None, Some(Check::A23), || opens(&mut world, &mut office, 0b11));
    assert_eq!(sum.unwrap().lanes, [450, 1080]);
}
