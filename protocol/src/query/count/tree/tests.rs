//! Nations and groups of a few hospitals, written down by what each has: what may open of both.

use super::*;
use crate::codec::{List, Text};
use crate::ids::NodeId;
use crate::query::shape::{Floors, Member};
use crate::query::{Query, Shape};

const STOCK: &str =
    "[[measure]]\nname = \"m\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9]\n";
const CCV: &str = "[[measure]]\nname = \"ccv\"\nsum = \"quantity\"\nwhere = \"kind = 'ccv'\"\nunit = \"piece\"\n\
                   scale = 0\nrange = [0, 9]\n";
const GROUPS: &str =
    "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"north\", \"south\", \"east\"]\n";

/// What a hospital of a group has: regular stock, ccv stock, patients enough for one hospital.
#[derive(Clone, Copy)]
struct Has {
    group: &'static str,
    regular: bool,
    ccv: bool,
}

/// So many hospitals of a group that have these.
fn some(count: usize, group: &'static str, regular: bool, ccv: bool) -> Vec<Has> {
    vec![Has { group, regular, ccv }; count]
}

fn shape(rest: &str, patients: u32, of: &[Has]) -> Shape {
    let text = format!(
        "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"V\", en = \"Q\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n{rest}[floors]\nhospitals = 3\n"
    );
    let query = Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap();
    let member = |(node, has): (u16, &Has)| Member {
        node: NodeId(node),
        group: Text::new(has.group).unwrap(),
        kind: Text::new("general").unwrap(),
    };
    let members = if query.is_by_class() { (1..).zip(of).map(member).collect() } else { Vec::new() };
    let floors = Floors { hospitals: 3, patients, dominance: 0 };
    Shape::new(query.resolved().unwrap(), floors, List::new(members).unwrap())
}

/// One query with what these hospitals count for it, over one box a class.
struct Sum {
    shape: Shape,
    totals: Vec<u16>,
    slot: u64,
    open: Open,
}

impl Sum {
    fn new(rest: &str, of: &[Has], slot: u64) -> Sum {
        Sum::with_patients(rest, 0, of, slot)
    }

    fn with_patients(rest: &str, patients: u32, of: &[Has], slot: u64) -> Sum {
        let shape = shape(rest, patients, of);
        let counting = shape.counting().unwrap();
        let classes = match shape.query().dimensions() {
            [] => vec![""],
            [groups] => groups.codes().iter().map(|code| &**code).collect(),
            _ => unreachable!("one dimension at most"),
        };
        let mut totals = Vec::new();
        for class in classes {
            let of: Vec<&Has> = of.iter().filter(|has| class.is_empty() || has.group == class).collect();
            for lane in counting.lanes() {
                let atom = |has: &Has, atom: usize| if atom == 0 { has.regular } else { has.ccv };
                let in_lane = |has: &&&Has| match lane {
                    Lane::Rows(of) | Lane::Matter(_, of) if counting.atoms().len() > 1 => atom(has, of),
                    // Nobody has patients enough but those with ccv stock.
                    Lane::Patients(_) => has.ccv,
                    Lane::Set(Some(_)) => has.ccv,
                    _ => has.regular || has.ccv,
                };
                totals.push(u16::try_from(of.iter().filter(in_lane).count()).unwrap());
            }
        }
        let numbers: Vec<u64> = totals.iter().copied().map(u64::from).collect();
        let open = counting.open(&numbers, 3);
        Sum { shape, totals, slot, open }
    }

    fn closing(mut self, boxes: &[(u32, usize)]) -> Sum {
        boxes.iter().for_each(|(index, measure)| self.open.close(*index, *measure));
        self
    }

    fn opened(&self) -> Opened<'_> {
        Opened { shape: &self.shape, slot: self.slot, totals: &self.totals, open: &self.open }
    }
}

/// Whether the first may open beside the others, whichever of them comes last.
#[track_caller]
fn judged(sums: &[&Sum]) -> bool {
    let last = |at: usize| {
        let others: Vec<Opened> =
            sums.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, sum)| sum.opened()).collect();
        may_open(&sums[at].opened(), &others)
    };
    let first = last(0);
    assert!((1..sums.len()).all(|at| last(at) == first), "it is the same from whichever side");
    first
}

/// The bits of a query's boxes.
fn bits(open: &Open) -> Vec<u8> {
    open.to_bytes()
}

#[test]
fn the_nation_less_its_open_groups_has_enough_or_none() {
    for (east, fits) in [(0, true), (1, false), (2, false), (3, true)] {
        let of =
            [some(6, "north", true, false), some(4, "south", true, false), some(east, "east", true, false)];
        let of = [of.concat(), some(1, "east", false, false)].concat();
        let (nation, groups) = (Sum::new(STOCK, &of, 1), Sum::new(&(GROUPS.to_owned() + STOCK), &of, 1));
        assert_eq!(groups.open.is_open(2, 0), !(1..3).contains(&east));
        assert_eq!(judged(&[&nation, &groups]), fits, "{east} of the east");
    }
}

#[test]
fn what_comes_second_closes_more() {
    let of =
        [some(6, "north", true, false), some(3, "south", true, false), some(1, "east", true, false)].concat();
    let (nation, groups) = (Sum::new(STOCK, &of, 1), Sum::new(&(GROUPS.to_owned() + STOCK), &of, 1));
    let second = closing(&groups.opened(), &[nation.opened()]);
    assert_eq!(
        (bits(&groups.open), bits(&second)),
        (vec![0b011], vec![0b001]),
        "the south closes beside the east"
    );
    assert_eq!(bits(&closing(&nation.opened(), &[groups.opened()])), [0], "or the nation");
    let north = groups.closing(&[(1, 0)]);
    assert!(judged(&[&nation, &north]));
    assert_eq!(bits(&closing(&nation.opened(), &[north.opened()])), [1]);
}

#[test]
fn hospitals_of_no_class_are_the_rest() {
    for (without, fits) in [(0, true), (1, false), (2, false), (3, true)] {
        let of = [some(5, "north", true, false), some(5, "south", true, false), some(5, "east", true, false)];
        let of = [of.concat(), some(without, "", true, false)].concat();
        let (nation, groups) = (Sum::new(STOCK, &of, 1), Sum::new(&(GROUPS.to_owned() + STOCK), &of, 1));
        assert_eq!(judged(&[&nation, &groups]), fits, "{without} of none");
        let (nodes, all): (Vec<NodeId>, _) =
            ((1..=15 + without).map(|node| NodeId(node as u16)).collect(), [&nation.shape, &groups.shape]);
        assert_eq!(Shape::leaves_too_few(&all, &nodes), !fits, "who has none is in the counts too");
    }
}

/// Each leaves enough hospitals without a class; both together leave one.
#[test]
fn classes_of_two_queries_are_taken_together() {
    let of = [some(5, "north", true, false), some(5, "south", true, false), some(1, "east", true, false)];
    let of = of.concat();
    let nation = Sum::new(STOCK, &of, 1);
    let only = |group: &str| GROUPS.replace("\"north\", \"south\", \"east\"", group) + STOCK;
    let (north, south) = (Sum::new(&only("\"north\""), &of, 1), Sum::new(&only("\"south\""), &of, 1));
    assert!(north.shape.may_stand_beside(&south.shape));
    assert!(judged(&[&nation, &north]) && judged(&[&nation, &south]));
    assert!(!judged(&[&nation, &north, &south]));
    let nodes: Vec<NodeId> = (1..=11).map(NodeId).collect();
    assert!(!Shape::leaves_too_few(&[&nation.shape, &north.shape], &nodes));
    assert!(Shape::leaves_too_few(&[&nation.shape, &north.shape, &south.shape], &nodes));
    assert!(!Shape::leaves_too_few(&[&north.shape, &south.shape], &nodes), "nobody counted the nation");
}

/// What one query opened of the north and another of the south, of the same cells.
#[test]
fn what_opened_before_of_the_same_cells_counts_too() {
    let of =
        [some(5, "north", true, false), some(5, "south", true, false), some(1, "east", true, false)].concat();
    let nation = Sum::new(STOCK, &of, 1);
    let groups = || Sum::new(&(GROUPS.to_owned() + STOCK), &of, 1);
    let (north, south) = (groups().closing(&[(1, 0)]), groups().closing(&[(0, 0)]));
    assert!(judged(&[&nation, &north]) && judged(&[&nation, &south]));
    assert!(!judged(&[&nation, &north, &south]));
}

/// Parts of the rows: the nation's ccv stock follows where all other stock of the rest is known to be none.
#[test]
fn parts_of_rows_are_judged_with_the_whole() {
    let both = STOCK.to_owned() + CCV;
    for (others, fits) in [(0, false), (4, true)] {
        // One hospital of the north has ccv stock; the south has hardly any but ccv stock, and its cells stay closed.
        let of =
            [some(6, "north", true, false), some(1, "north", true, true), some(others, "south", true, false)];
        let of = [of.concat(), some(5, "south", false, true)].concat();
        let nation = Sum::new(&both, &of, 1);
        let groups = Sum::new(&(GROUPS.to_owned() + &both), &of, 1).closing(&[(1, 0), (1, 1)]);
        assert_eq!(bits(&nation.open), [0b11]);
        assert!(groups.open.is_open(0, 0));
        assert!(!groups.open.is_open(0, 1), "one hospital's");
        assert_eq!(judged(&[&nation, &groups]), fits, "{others} have other stock");
    }
}

#[test]
fn a_rest_without_patients_enough_is_too_little() {
    for (ccv, fits) in [(2, false), (3, true)] {
        let of = [some(6, "north", true, true), some(2, "south", true, false)].concat();
        let of = [of, some(ccv, "south", true, true)].concat();
        let north = GROUPS.replace(", \"south\", \"east\"", "");
        let nation = Sum::with_patients(STOCK, 4, &of, 1);
        let groups = Sum::with_patients(&(north + STOCK), 4, &of, 1);
        assert_eq!(judged(&[&nation, &groups]), fits, "{ccv} have enough");
    }
}

/// Counts of two slots are of other rows: none in the difference may be one that came and one that went.
#[test]
fn counts_of_other_slots_show_no_empty_rest() {
    let of = [some(6, "north", true, false), some(4, "south", true, false), some(1, "east", false, false)];
    let of = of.concat();
    let groups = Sum::new(&(GROUPS.to_owned() + STOCK), &of, 2).closing(&[(2, 0)]);
    assert!(judged(&[&Sum::new(STOCK, &of, 2), &groups]), "the east has none");
    assert!(!judged(&[&Sum::new(STOCK, &of, 1), &groups]));
    let whole = Sum::new(&(GROUPS.to_owned() + STOCK), &of, 2);
    assert!(judged(&[&Sum::new(STOCK, &of, 1), &whole]), "all groups open: no rest");
    let more = [of, some(3, "east", true, false)].concat();
    assert!(judged(&[&Sum::new(STOCK, &more, 1), &groups]), "enough, whoever else came or went");
    let fewer = some(5, "north", true, false);
    assert!(!judged(&[&Sum::new(STOCK, &fewer, 1), &groups]), "more in parts than in the nation");
}

#[test]
fn other_sums_are_no_tree() {
    let of = some(9, "north", true, true);
    let groups = shape(&(GROUPS.to_owned() + STOCK), 0, &of);
    assert!(
        shape(STOCK, 0, &of).is_in_a_tree_with(&groups) && groups.is_in_a_tree_with(&shape(STOCK, 0, &of))
    );
    let kinds = GROUPS.replace("purchasing_group", "hospital_kind") + STOCK;
    assert!(!shape(&kinds, 0, &of).is_in_a_tree_with(&groups), "two ways to cut one nation");
    let listed = format!("[[dimension]]\ncolumn = \"code\"\ncodes = [\"a\"]\n{STOCK}");
    for other in [CCV.to_owned(), STOCK.to_owned() + CCV, listed] {
        assert!(!shape(&other, 0, &of).is_in_a_tree_with(&groups), "{other}");
    }
    assert!(!shape(STOCK, 4, &of).is_in_a_tree_with(&groups), "patients are counted in one alone");
    let judged = Floors { hospitals: 3, patients: 0, dominance: 80 };
    let judged = Shape::new(shape(STOCK, 0, &of).query().clone(), judged, List::default());
    assert!(!judged.is_in_a_tree_with(&groups), "nobody said how much of the rest is one hospital's");
}

/// Rows that follow from one another add nothing to the rank.
#[test]
fn ranks_are_those_of_the_rational_numbers() {
    let columns: [&[usize]; 3] = [&[0, 2], &[1, 2], &[0, 1, 2]];
    assert_eq!(rank(3, &columns[..2]), 2, "the third row is the sum of the others");
    assert_eq!(rank(3, &columns), 3);
    assert_eq!(rank(3, &[&[0, 1], &[1, 2], &[0, 2]]), 3, "a cycle: 2 modulo two");
    assert_eq!((rank(0, &[]), rank(2, &[]), rank(2, &[&[0, 1]])), (0, 0, 1));
}
