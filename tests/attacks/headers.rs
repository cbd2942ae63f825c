//! Attacks by what is asked: headers, warrants and sizes that a node must refuse before it deals anything.

use crate::*;
use samensom_protocol::codec::{Bytes, List, Text, decode, encode};
use samensom_protocol::ids::{AnnounceHash, PublicKey, RosterHash, WarrantHash};
use samensom_protocol::message::{Header, Invited, Offer};
use samensom_protocol::query::Query;
use samensom_protocol::warrant::{Approval, SignedWarrant, WarrantBody};
use samensom_tests::adversary::drops::{Stops, world};
use samensom_tests::adversary::office::{Liars, Office};
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::town::{ANALYST, APPROVER, NOTHING, approved, identity};
use samensom_tests::forge::message::{edit, offer};

/// Hospital 1 gets an offer changed like this; true if it deposits.
fn asked(change: impl FnOnce(&Scene, &mut Offer)) -> (Scene, bool) {
    let mut scene = seven();
    let ask = plain_ask(&scene);
    let t = scene.hand.ask(&mut scene.world, ask).unwrap();
    let Ok(Message::Offer(mut lie)) = Message::from_frame(&scene.hand.tries[t].offer) else { panic!() };
    change(&scene, &mut lie);
    scene.world.deliver(NodeId(1), frame(&Message::Offer(lie)));
    let sent: Vec<Message> = scene.world.inbox.drain(..).map(|(_, message)| message).collect();
    assert!(sent.len() == 1 || !refuses(&scene.world, 1).is_empty(), "{sent:?}");
    let deposits = sent.iter().any(|message| matches!(message, Message::Deposit(_)));
    (scene, deposits)
}

type Lie = fn(&mut Header);

/// What a header may not say: what each party computes or knows for itself.
const LIES: [Lie; 9] = [
    |header| header.deadlines.deposit_ms = u32::MAX,
    |header| header.deadlines.reveal_ms += 1,
    |header| header.warrant = WarrantHash([1; 32]),
    |header| header.roster = RosterHash([1; 32]),
    |header| header.lock = Text::new("patients").unwrap(),
    |header| edit(&mut header.invited, |invited| invited.reverse()),
    |header| edit(&mut header.invited, |invited| invited[6].node = NodeId(9)),
    |header| edit(&mut header.invited, |invited| invited[6] = invited[5]),
    |header| header.slot += 1,
];

#[test]
fn attack_43_a_header_that_lowers_the_rules_a01_a03_a05_a06() {
    for lie in LIES {
        let (scene, deposits) = asked(|scene, one| offer(one, &scene.world.town.coordinator, lie));
        assert!(!deposits);
        end_by(&scene, &[1], Check::A03);
        assert!(scene.world.ledger(NodeId(1)).is_empty(), "nothing is frozen for it");
    }
    let others: [(Lie, Check); 2] = [
        (|header| edit(&mut header.invited, |invited| invited.truncate(4)), Check::A05),
        (
            |header| edit(&mut header.invited, |invited| invited[0].announce = AnnounceHash([1; 32])),
            Check::A06,
        ),
    ];
    for (lie, check) in others {
        let (scene, deposits) = asked(|scene, one| offer(one, &scene.world.town.coordinator, lie));
        assert!(!deposits);
        end_by(&scene, &[1], check);
    }
    let suites: [Lie; 3] = [
        |header| header.suite = 0,
        |header| header.wire = 2,
        |header| header.coordinator = PublicKey([1; 32]),
    ];
    for lie in suites {
        let (scene, deposits) = asked(|scene, one| offer(one, &scene.world.town.coordinator, lie));
        assert!(!deposits);
        assert_eq!(refuses(&scene.world, 1), [Check::A01]);
    }
    // Somebody else's signature.
    let (scene, deposits) = asked(|_, one| offer(one, &identity(1), |_| {}));
    assert!(!deposits);
    assert_eq!(refuses(&scene.world, 1), [Check::A01]);
}

/// Wins: a hospital holds its secrets for seven weeks, in a slot that is not its own.
#[cfg(samensom_ablation)]
#[test]
fn control_43_the_header_is_believed() {
    for lie in [LIES[0], LIES[1], LIES[8]] {
        let play = || asked(|scene, one| offer(one, &scene.world.town.coordinator, lie));
        assert!(off(None, Some(Check::A03), play).1);
    }
}

type Approve = fn(&Scene, &mut Offer);

fn with_approvals(lie: &mut Offer, approvals: Vec<Approval>) {
    lie.warrant.approvals = List::new(approvals).unwrap();
}

/// The same question, asked by this key under this name, and approved by the approver.
fn asked_by(scene: &Scene, lie: &mut Offer, key: u16, person: &str) {
    let mut body: WarrantBody = decode(&lie.warrant.body).unwrap();
    body.requester.key = identity(key).public();
    body.requester.person = Text::new(person).unwrap();
    let approval = Approval::new(&identity(APPROVER), &encode(&body).unwrap());
    let signed = SignedWarrant::asked(&body, &identity(key)).unwrap().approved(vec![approval]).unwrap();
    let hash = signed.hash();
    lie.warrant = signed;
    offer(lie, &scene.world.town.coordinator, |header| header.warrant = hash);
}

/// Ways round the approvers.
const UNAPPROVED: [Approve; 9] = [
    // Who asks approves: with the same key, or as the same person with another.
    |scene, lie| asked_by(scene, lie, APPROVER, "a"),
    |scene, lie| asked_by(scene, lie, ANALYST, " A."),
    // Nobody asked.
    |_, lie| lie.warrant.request = Bytes([1; 64]),
    |_, lie| with_approvals(lie, vec![]),
    // The coordinator approves its own.
    |scene, lie| {
        let own = Approval::new(&scene.world.town.coordinator, &lie.warrant.body);
        with_approvals(lie, vec![own]);
    },
    // A hospital's key, which is no approver's.
    |_, lie| with_approvals(lie, vec![Approval::new(&identity(6), &lie.warrant.body)]),
    // A genuine approval of another warrant.
    |scene, lie| lie.warrant.approvals = scene.world.town.warrants[1].0.approvals.clone(),
    |_, lie| edit(&mut lie.warrant.approvals, |all| all[0].signature = Bytes([1; 64])),
    |_, lie| edit(&mut lie.warrant.approvals, |all| all.push(all[0].clone())),
];

#[test]
fn attack_09_a_warrant_that_nobody_approved_a02() {
    for lie in UNAPPROVED {
        let (scene, deposits) = asked(lie);
        assert!(!deposits);
        end_by(&scene, &[1], Check::A02);
        assert!(scene.world.ledger(NodeId(1)).is_empty());
    }
    let roster = &world(7, 1).town.roster;
    assert!(approved(roster, 0, &[APPROVER]).verify(roster, samensom_protocol::time::Time(1)).is_ok());
}

/// Wins: figures are dealt for a question that nobody approved.
#[cfg(samensom_ablation)]
#[test]
fn control_09_approvals_do_not_count() {
    for lie in UNAPPROVED {
        assert!(off(None, Some(Check::A02), || asked(lie)).1);
    }
}

/// Everybody is asked for nothing, hospital 1 for its figure, in one attempt; what comes out.
fn two_queries(n: u16) -> (World, Option<(u64, Vec<NodeId>)>) {
    let mut world = world(n, 3);
    let mut office = Office::default();
    office.warrant = NOTHING;
    let mut coordinator = |world: &mut World, to: NodeId, message: Message| {
        let Message::Offer(mut one) = message else { return vec![message] };
        if to == NodeId(1) {
            let (real, by) = (world.town.warrants[0].clone(), world.town.coordinator.clone());
            one.warrant = real.0;
            offer(&mut one, &by, |header| header.warrant = real.1.hash());
        }
        vec![Message::Offer(one)]
    };
    let mut liars = Liars { coordinator: Some(&mut coordinator), ..Liars::default() };
    let sum = office.among(&mut world, &Stops::new(), &mut liars).ok();
    (world, sum.map(|sum| (sum.lanes[0], sum.survivors)))
}

#[test]
fn attack_08_another_query_for_one_hospital_sid() {
    let (world, sum) = two_queries(7);
    let (total, survivors) = sum.unwrap();
    assert_eq!(total, 0, "nobody's figure");
    assert!(!survivors.contains(&NodeId(1)), "its deposit is of another attempt");
    // What it knows of that attempt is an offer; nothing else ever fits it.
    assert!(world.observer.reports.iter().all(|seen| seen.node != NodeId(1)));
}

/// Wins: the sum over all is hospital 1's figure.
#[cfg(samensom_ablation)]
#[test]
fn control_08_one_sid_for_two_queries() {
    let (world, sum) = off(Some("sid-without-query"), None, || two_queries(7));
    let (total, survivors) = sum.unwrap();
    assert_eq!((total, survivors.len()), (world.value(NodeId(1), world.slot(world.now)), 7));
}

/// A header that invites 1,025 hospitals, each a member or not.
fn too_many() -> Vec<u8> {
    let mut scene = seven();
    let ask = plain_ask(&scene);
    let t = scene.hand.ask(&mut scene.world, ask).unwrap();
    let Ok(Message::Offer(one)) = Message::from_frame(&scene.hand.tries[t].offer) else { panic!() };
    let mut raw = one.header.body.to_vec();
    let header: Header = decode(&raw).unwrap();
    let count = 7u64.to_le_bytes();
    let first = samensom_protocol::codec::encode(&header.invited[0]).unwrap();
    let from = raw.windows(8 + first.len()).position(|at| at[..8] == count && at[8..] == first).unwrap();
    let invited: Vec<u8> = (0..1025u16)
        .flat_map(|i| {
            let one = Invited { node: NodeId(i), announce: AnnounceHash([7; 32]) };
            samensom_protocol::codec::encode(&one).unwrap()
        })
        .collect();
    raw.splice(from..from + 8, 1025u64.to_le_bytes());
    raw.splice(from + 8..from + 8 + 7 * first.len(), invited);
    raw
}

/// Reads bytes; all that is allocated for them is at most 16 times what came, and 64 KiB.
#[track_caller]
fn within_memory<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> T) -> T {
    let mut found = None;
    let seen = allocation_counter::measure(|| found = Some(read(bytes)));
    let most = 16 * u64::try_from(bytes.len()).unwrap() + 64 * 1024;
    assert!(seen.bytes_total <= most, "{} bytes allocated, at most {most}", seen.bytes_total);
    found.unwrap()
}

#[test]
fn attack_33_sizes_that_fill_the_memory_a01_a03_caps() {
    // Lengths that are only claimed, at every place where a length may stand.
    let mut scene = seven();
    let ask = plain_ask(&scene);
    let t = scene.hand.ask(&mut scene.world, ask).unwrap();
    let genuine = scene.hand.tries[t].offer.clone();
    for at in 1..genuine.len().saturating_sub(8) {
        for claimed in [60_000, 1u64 << 33, 1 << 60, u64::MAX] {
            let mut lie = genuine.clone();
            lie[at..at + 8].copy_from_slice(&claimed.to_le_bytes());
            // Where it falls on no length, what came is another message, or none.
            let _ = within_memory(&lie, Message::from_frame);
        }
    }
    assert!(within_memory(&too_many(), decode::<Header>).is_err());
    for claimed in [1u64 << 60, u64::MAX] {
        let lie = [&[1u8][..], &3u32.to_le_bytes(), &claimed.to_le_bytes()].concat();
        scene.world.deliver(NodeId(1), lie);
    }
    let long = vec![1; samensom_protocol::codec::MAX_MESSAGE + 2];
    assert!(within_memory(&long, Message::from_frame).is_err());
    scene.world.deliver(NodeId(1), long);
    assert_eq!(refuses(&scene.world, 1), [Check::A01; 3]);
    // A vector of 2^60 cells cannot even be asked for.
    let codes: Vec<String> = (0..100_000).map(|i| format!("\"{i:08}\"")).collect();
    let query = format!(
        "[query]\nid = \"big\"\nversion = 1\ntitle = {{ nl = \"x\", en = \"x\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n[[dimension]]\nname = \"a\"\ncodes = [{}]\n",
        codes.join(",")
    );
    assert!(Query::from_toml(&query, &mut |_| Err("no files here".into())).is_err());
}

/// Wins: a node takes up a header longer than any cap allows.
#[cfg(samensom_ablation)]
#[test]
fn control_33_lists_without_a_cap() {
    let header = off(Some("caps-off"), None, || decode::<Header>(&too_many()));
    assert_eq!(header.unwrap().invited.len(), 1025);
}
