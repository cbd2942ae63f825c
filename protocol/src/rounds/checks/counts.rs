//! A03, A22, A23: two passes. What enough hospitals stand behind is opened; the rest never leaves a hospital.

use super::*;
use crate::bundle::Bundle;
use crate::bundle::tests::session_of;
use crate::codec::{Blob, decode};
use crate::message::{Opening, Pass};
use crate::query::Lane;
use crate::testing::World;
use crate::warrant::WarrantBody;
use crate::warrant::tests::{QUERY, approved, body};

/// Five hospitals under a floor of 3; `holding` of them have stock.
fn world(holding: u16, change: impl FnOnce(&mut WarrantBody)) -> World {
    world_of(5, holding, QUERY, change)
}

fn world_of(n: u16, holding: u16, query: &str, change: impl FnOnce(&mut WarrantBody)) -> World {
    let mut world = World::new(n, 11);
    ask(&mut world, holding, query, change);
    for i in holding + 1..=n {
        world.values.get_mut(&NodeId(i)).unwrap()[0] = 0;
    }
    world
}

/// A warrant of this query, and what hospitals say when it is counted.
fn ask(world: &mut World, holding: u16, query: &str, change: impl FnOnce(&mut WarrantBody)) {
    let mut terms = WarrantBody { floor_hospitals: 3, ..body(&world.roster, query) };
    change(&mut terms);
    world.signed = approved(&terms, &[800, 801]);
    world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    let counting = &world.warrant.count().unwrap().counting;
    let boxes = usize::try_from(counting.boxes()).unwrap();
    let lanes = counting.lanes().repeat(boxes);
    let said = |lane: &Lane, node: u16| i64::from(matches!(lane, Lane::Rows(_)) || node <= holding);
    let nodes: Vec<NodeId> = world.values.keys().copied().collect();
    world.counts =
        nodes.into_iter().map(|node| (node, lanes.iter().map(|lane| said(lane, node.0)).collect())).collect();
}

/// Runs the count pass; what the value pass may stand on.
fn count(world: &mut World) -> Opening {
    world.pass = Pass::Count;
    let sum = world.run(&Silence::new()).unwrap();
    let result: crate::message::ResultBody = decode(&sum.outcome.body.body).unwrap();
    let setup = world.setup();
    let counted = setup.invited.iter().map(|one| one.node).collect::<Vec<_>>();
    let least = world.warrant.least(&world.roster, &counted);
    let open = world.warrant.count().unwrap().counting.open(&sum.lanes, least);
    let open = Blob::new(open.to_bytes()).unwrap();
    let opening = Opening { freeze: sum.bound.freeze, result: result.result, open };
    world.pass = Pass::Value;
    world.opening = Some((opening.clone(), sum.survivors));
    world.frames.clear();
    opening
}

#[test]
fn what_enough_stand_behind_opens_and_the_rest_never_leaves() {
    for (holding, bits) in [(5, 0b111), (3, 0b111), (2, 0b110), (1, 0b110), (0, 0b111)] {
        let mut world = world(holding, |_| ());
        let opening = count(&mut world);
        assert_eq!(*opening.open, [bits], "{holding} hospitals have stock");
        let sum = world.run(&Silence::new()).unwrap();
        assert_eq!(world.verified.len(), 10, "every node verified both passes");
        let clear = world.clear(&sum.survivors);
        let totals = world.totals(&sum);
        assert_eq!(totals[1..], clear[1..]);
        let stays = bits & 1 == 0;
        // 0 on the wire is the lower end of the range, five times.
        assert_eq!(totals[0], if stays { -1_000 * 5 } else { clear[0] });
    }
}

/// The value pass of a slot is not another session: a warrant for one allows both its passes.
#[test]
fn repro_a_warrant_for_one_session_runs_both_passes() {
    let mut world = world(5, |terms| (terms.sessions, terms.every_s) = (1, 604_800));
    count(&mut world);
    assert!(world.run(&Silence::new()).is_ok());
}

#[test]
fn the_bundle_of_both_passes_says_what_opened() {
    let counted_of = |world: &mut World| {
        world.pass = Pass::Count;
        let counted = world.run(&Silence::new()).unwrap();
        session_of(world, &counted).1
    };
    let mut world = world(2, |_| ());
    let counted = counted_of(&mut world);
    world = self::world(2, |_| ());
    count(&mut world);
    world.spool.clear();
    let sum = world.run(&Silence::new()).unwrap();
    let (warrant, value) = session_of(&world, &sum);
    let bundle = |count| Bundle::new(&world.chain, warrant.clone(), count, value.clone()).unwrap();
    let verified = bundle(Some(counted.clone())).verify(&mut crate::bundle::tests::rng()).unwrap();
    let rows: Vec<(String, Option<u64>)> =
        verified.table().into_iter().map(|row| (row.value.to_string(), row.hospitals)).collect();
    let clear = world.clear(&sum.survivors);
    let expected = [
        ("suppressed".to_owned(), Some(5)),
        (clear[1].to_string(), Some(5)),
        (clear[2].to_string(), Some(5)),
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        bundle(None).verify(&mut crate::bundle::tests::rng()).unwrap_err().check,
        Check::A03,
        "the count pass is missing"
    );
    let more = Bundle::new(&world.chain, warrant.clone(), Some(counted.clone()), counted.clone()).unwrap();
    assert_eq!(
        more.verify(&mut crate::bundle::tests::rng()).unwrap_err().check,
        Check::A03,
        "two count passes"
    );
    let alone = Bundle::new(&world.chain, warrant.clone(), None, counted.clone()).unwrap();
    assert_eq!(
        alone.verify(&mut crate::bundle::tests::rng()).unwrap_err().check,
        Check::A03,
        "a count pass is no sum of figures"
    );
    // Another count pass of the same warrant, in which more have stock.
    let mut other = self::world(5, |_| ());
    let other = counted_of(&mut other);
    assert_eq!(bundle(Some(other)).verify(&mut crate::bundle::tests::rng()).unwrap_err().check, Check::A03);
}

/// What one node answers to the header of a value pass that `change` makes.
fn answers(world: &mut World, change: impl Fn(&mut crate::message::Header)) -> Vec<Option<Check>> {
    let mut tamper = |_: &World, _: NodeId, bytes: Vec<u8>| {
        let Message::Offer(mut offer) = Message::from_frame(&bytes).unwrap() else { return vec![bytes] };
        let mut header: crate::message::Header = decode(&offer.header.body).unwrap();
        change(&mut header);
        offer.header = Sealed::new(
            &crate::roster::tests::identity(crate::testing::COORDINATOR),
            Signed::Header,
            &header,
        )
        .unwrap();
        vec![Message::Offer(offer).to_frame().unwrap()]
    };
    assert!(world.run_with(&Silence::new(), &mut tamper).is_err());
    (1..=5).map(|node| world.ends(node).last().copied().flatten()).collect()
}

#[test]
fn a03_a23_a_value_pass_stands_on_the_count_pass_that_was_verified() {
    type Change = fn(&mut crate::message::Header);
    let cases: [(&str, Change, Check); 6] = [
        ("nothing was counted", |header| header.opening = None, Check::A03),
        ("another result", |header| header.opening.as_mut().unwrap().result.0[0] ^= 1, Check::A03),
        ("other survivors", |header| header.opening.as_mut().unwrap().freeze.0[0] ^= 1, Check::A03),
        (
            "a figure of two",
            |header| header.opening.as_mut().unwrap().open = Blob::new(vec![0b111]).unwrap(),
            Check::A23,
        ),
        (
            "padding",
            |header| header.opening.as_mut().unwrap().open = Blob::new(vec![0b1110]).unwrap(),
            Check::A03,
        ),
        ("a count of a value pass", |header| header.pass = Pass::Count, Check::A03),
    ];
    for (what, change, check) in cases {
        let mut world = world(2, |_| ());
        count(&mut world);
        assert_eq!(answers(&mut world, change), [Some(check); 5], "{what}");
    }
}

#[test]
fn a23_fewer_figures_may_open_than_could() {
    let mut world = world(5, |_| ());
    count(&mut world);
    world.opening.as_mut().unwrap().0.open = Blob::new(vec![0b110]).unwrap();
    let sum = world.run(&Silence::new()).unwrap();
    assert_eq!(world.totals(&sum)[0], -5_000, "the coordinator closed it");
}

#[test]
fn a23_a_figure_that_stays_closed_does_not_leave() {
    let mut world = world(2, |_| ());
    let opening = count(&mut world);
    let setup = world.setup();
    let invited: Vec<NodeId> = setup.invited.iter().map(|one| one.node).collect();
    assert_eq!((invited.len(), opening.open.len()), (5, 1));
    let (_, outputs) =
        crate::coordinator::Coordinator::new(setup).step(Input::Start(world.now), &mut world.rng);
    let offer = outputs.into_iter().find_map(|output| match output {
        Output::Send { to: Peer::Node(NodeId(1)), bytes } => Some(bytes),
        _ => None,
    });
    let at = world.now;
    let asked =
        world.node_step(NodeId(1), Input::Frame { from: Peer::Coordinator, bytes: offer.unwrap(), at });
    let Some(Output::Measure { sid, warrant, open, .. }) = asked.last() else { panic!("{asked:?}") };
    assert!(!open.as_ref().unwrap().is_open(0, 0));
    // A driver that forgets to empty it.
    let contribution = world.measured(NodeId(1), warrant);
    let outputs = world.node_step(NodeId(1), Input::Measured { sid: *sid, contribution, at });
    let ended = outputs.iter().find_map(|output| match output {
        Output::Notify(Event::Ended { fault, .. }) => fault.as_ref().map(|fault| fault.check),
        _ => None,
    });
    assert_eq!(ended, Some(Check::A23));
    let deposits = |output: &&Output| match output {
        Output::Send { bytes, .. } => matches!(Message::from_frame(bytes), Ok(Message::Deposit(_))),
        _ => false,
    };
    assert_eq!(outputs.iter().filter(deposits).count(), 0);
}

/// Another warrant over the same extract: the same cells may be asked again and other products; parts of what was
/// asked may not, for what is between was never counted.
#[test]
fn a23_figures_of_the_same_rows_in_other_cells_are_refused() {
    let part =
        QUERY.replace("sum = \"quantity\"\nunit", "sum = \"quantity\"\nwhere = \"kind = 'ccv'\"\nunit");
    let nation = QUERY.replace("[[dimension]]\ncolumn = \"code\"\ncodes = [\"A\"]\n", "");
    let all_others = QUERY.replace("codes = [\"A\"]", "codes = [\"B\"]\nother = true");
    let again = again_of();
    let more = QUERY.replace("codes = [\"A\"]", "codes = [\"A\", \"B\"]");
    let cases = [(part, false), (nation, false), (all_others, false), (again, true), (more, true)];
    for (query, fits) in cases {
        assert_ne!(query, QUERY);
        let mut world = world(5, |_| ());
        count(&mut world);
        world.run(&Silence::new()).unwrap();
        world.opening = None;
        ask(&mut world, 5, &query, |_| ());
        world.pass = Pass::Count;
        let ran = world.run(&Silence::new());
        assert_eq!(ran.is_ok(), fits, "{query}: {:?}", ran.err());
        let refused = (1..=5).filter(|node| world.ends(*node).last() == Some(&Some(Check::A23))).count();
        assert_eq!(refused, if fits { 0 } else { 5 }, "{query}");
    }
    // Whoever lost what was counted cannot tell.
    let mut world = world(5, |_| ());
    count(&mut world);
    for record in world.records.get_mut(&NodeId(2)).unwrap() {
        if let crate::io::Record::Spent { shape, .. } = record {
            *shape = None;
        }
    }
    world.start_node(NodeId(2));
    ask(&mut world, 5, &again_of(), |_| ());
    world.pass = Pass::Count;
    world.opening = None;
    let _ = world.run(&Silence::new());
    assert_eq!(world.ends(2).last(), Some(&Some(Check::A23)));
}

fn again_of() -> String {
    QUERY.replace("id = \"sample\"", "id = \"another\"")
}

/// Three of 27 may be missing; q = 18.
const SUMS: &str = r#"
[query]
id = "sums"
version = 1
title = { nl = "Som", en = "Sum" }
purpose = "stock"
dataset = "stock"
[[dimension]]
column = "code"
codes = ["A"]
[[measure]]
name = "stock"
sum = "quantity"
unit = "piece"
scale = 1
range = [-100, 1000]
[[measure]]
name = "rows"
rows = true
max = 50
[[measure]]
name = "other"
rows = true
max = 50
"#;

#[test]
fn a22_at_most_d_of_those_counted_may_be_missing() {
    for (gone, fails) in [(0, false), (3, false), (4, true)] {
        let mut world = world_of(27, 27, SUMS, |terms| terms.may_miss = 3);
        assert_eq!(world.warrant.params().thresholds.quorum, 18);
        count(&mut world);
        for node in 1..=gone {
            world.nodes.insert(NodeId(node), None);
        }
        let silence = (1..=gone).map(|node| (node, 0)).collect();
        let ran = world.run(&silence);
        assert_eq!(ran.is_err(), fails, "{gone} gone: {:?}", ran.err());
    }
}

/// The coordinator goes on although more are missing: nobody confirms.
#[test]
fn a22_a_node_looks_itself_how_many_are_missing() {
    let mut world = world_of(27, 27, SUMS, |terms| terms.may_miss = 3);
    count(&mut world);
    world.opening.as_mut().unwrap().1.retain(|node| node.0 > 4);
    for node in 1..=4 {
        world.nodes.remove(&NodeId(node));
    }
    assert!(world.run(&Silence::new()).is_err());
    assert!((5..=27).all(|node| world.ends(node) == [Some(Check::A22)]), "{:?}", world.ended);
}

#[test]
fn a03_d_is_bounded_and_0_where_hospitals_are_counted() {
    let (_, roster) = crate::roster::tests::chain(27);
    let check = |query: &str, may_miss: u8, floor_hospitals: u16| {
        let terms = WarrantBody { may_miss, floor_hospitals, ..body(&roster, query) };
        approved(&terms, &[800, 801]).read(&roster).err().map(|fault| fault.check)
    };
    // k = 5 of 27.
    assert_eq!(check(SUMS, 4, 3), None);
    assert_eq!(check(SUMS, 5, 3), Some(Check::A03));
    assert_eq!(check(SUMS, 1, 0), Some(Check::A03), "nothing is counted");
    assert_eq!(check(QUERY, 1, 3), Some(Check::A03), "it counts hospitals");
    assert_eq!(check(QUERY, 0, 3), None);
}

/// A restarted node knows what it verified; one that missed the count pass does not take part.
#[test]
fn a03_only_who_verified_the_count_pass_answers() {
    let mut world = world(5, |_| ());
    count(&mut world);
    world.start_node(NodeId(2));
    assert!(world.run(&Silence::new()).is_ok(), "the ledger remembers");
    let mut world = self::world(5, |_| ());
    count(&mut world);
    world
        .records
        .get_mut(&NodeId(2))
        .unwrap()
        .retain(|record| !matches!(record, crate::io::Record::Counted { .. }));
    world.start_node(NodeId(2));
    assert!(world.run(&Silence::new()).is_err(), "D is 0");
    assert_eq!(world.ends(2).last(), Some(&Some(Check::A03)));
}
