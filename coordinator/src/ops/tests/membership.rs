//! Proposals: every change that a roster can make, and those that cannot be.

use super::*;
use crate::store::Mark;
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::Status;

fn begun(folder: &TempDir, n: u16) -> Arc<Ops> {
    let ops = ops(folder);
    admit(&ops, n);
    propose_and_sign(&ops, vec![called_a(800, "pharmacist", "h1"), called_a(801, "duty-pharmacist", "lcg")]);
    ops
}

/// Two people may have one name.
fn called_a(i: u16, role: &str, organisation: &str) -> Approver {
    Approver { person: text("", "a").unwrap(), ..approver(i, role, organisation) }
}

fn mark(ops: &Ops, slug: &str, mark: Mark) -> Option<Mark> {
    match ops.hospital_mark(slug, mark).unwrap() {
        Response::Hospital(hospital) => hospital.marked,
        other => panic!("{other:?}"),
    }
}

fn proposed(ops: &Ops, wanted: Wanted) -> Vec<String> {
    ops.roster_propose(wanted).unwrap();
    let body = ops.store.roster_proposal().unwrap().unwrap().roster.body;
    changes(ops.store.head_roster().body(), &samensom_protocol::codec::decode(&body).unwrap())
}

fn refused(ops: &Ops, wanted: Wanted) -> String {
    let before = ops.store.roster_proposal().unwrap();
    let why = ops.roster_propose(wanted).unwrap_err().to_string();
    assert_eq!(ops.store.roster_proposal().unwrap(), before, "nothing is proposed: {why}");
    why
}

fn status(ops: &Ops, id: u16) -> Status {
    let head = ops.store.head_roster();
    head.body().members.iter().find(|member| member.id == NodeId(id)).unwrap().status
}

#[tokio::test]
async fn a_hospital_is_suspended_resumed_and_leaves_by_signed_rosters_only() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 5);
    assert_eq!(mark(&ops, "h2", Mark::Suspended), Some(Mark::Suspended));
    assert_eq!(mark(&ops, "h2", Mark::Active), None, "it takes part: that is no mark");
    assert!(refused(&ops, Wanted::default()).contains("nothing would change"));
    mark(&ops, "h2", Mark::Suspended);
    assert_eq!(
        (status(&ops, 2), ops.store.head_roster().size()),
        (Status::Active, 5),
        "a mark alone does nothing"
    );
    assert_eq!(proposed(&ops, Wanted::default()), ["~ hospital 2 h2 (h2); is suspended"]);
    sign_wanted(&ops, Wanted::default());
    assert_eq!((status(&ops, 2), ops.store.head_roster().size()), (Status::Suspended, 4));
    assert!(refused(&ops, Wanted::default()).contains("nothing would change"), "the mark is spent");
    mark(&ops, "h2", Mark::Active);
    sign_wanted(&ops, Wanted::default());
    assert_eq!(status(&ops, 2), Status::Active);
    // For good: no mark, no token, no key brings it back.
    mark(&ops, "h2", Mark::Left);
    assert!(ops.hospital_token("h2", 1000).unwrap_err().to_string().contains("for good"));
    sign_wanted(&ops, Wanted::default());
    assert_eq!((status(&ops, 2), ops.store.head_roster().size()), (Status::Left, 4));
    for again in [Mark::Active, Mark::Suspended, Mark::Left] {
        let why = ops.hospital_mark("h2", again).unwrap_err();
        assert!(why.exit_code() == 4 && why.to_string().contains("another short name"), "{why}");
    }
    assert!(ops.hospital_token("h2", 1000).is_err());
    // Nor a mark written into the database: every agent would refuse such a roster.
    ops.store.mark_hospital(NodeId(2), Some(Mark::Active)).unwrap();
    assert!(refused(&ops, Wanted::default()).contains("nothing would change"));
}

#[tokio::test]
async fn one_that_no_roster_lists_is_kept_out_and_its_tokens_are_void() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 3);
    ops.hospital_add("h4", "north", "general", 0, None).unwrap();
    enrol(&ops, "h4", 4);
    ops.hospital_confirm("h4", &words(&identity(4).public().0)).unwrap();
    let Response::Token(token) = ops.hospital_token("h4", 1000).unwrap() else { panic!() };
    assert!(ops.hospital_mark("h4", Mark::Suspended).unwrap_err().to_string().contains("nothing to suspend"));
    assert_eq!(mark(&ops, "h4", Mark::Left), Some(Mark::Left));
    let late =
        ops.store.take_token(token.hospital, &token.secret, &identity(44).public(), crate::clock::now());
    assert!(late.unwrap().is_err(), "void");
    assert!(refused(&ops, Wanted::default()).contains("nothing would change"));
    mark(&ops, "h4", Mark::Active);
    assert_eq!(proposed(&ops, Wanted::default()).len(), 1);
}

#[tokio::test]
async fn a_lost_server_is_enrolled_anew_and_its_old_key_goes_with_the_next_roster() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 4);
    enrol(&ops, "h1", 11);
    assert!(
        refused(&ops, Wanted::default()).contains("nothing would change"),
        "nobody compared its words yet"
    );
    // Suspended while its new key waits: it keeps the old key, which is barred.
    mark(&ops, "h1", Mark::Suspended);
    assert_eq!(proposed(&ops, Wanted::default()), ["~ hospital 1 h1 (h1); is suspended"]);
    mark(&ops, "h1", Mark::Active);
    ops.hospital_confirm("h1", &words(&identity(11).public().0)).unwrap();
    let told = proposed(&ops, Wanted::default());
    assert!(told.len() == 1 && told[0].contains("another key"), "{told:?}");
    assert!(ops.store.head_roster().member_by_key(&identity(1).public()).is_some(), "until it is signed");
    sign_wanted(&ops, Wanted::default());
    let head = ops.store.head_roster();
    assert_eq!(head.member_by_key(&identity(1).public()), None);
    assert_eq!(head.member_by_key(&identity(11).public()).map(|m| m.id), Some(NodeId(1)));
}

#[tokio::test]
async fn approvers_signers_threshold_and_rules_change_by_proposal() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 5);
    let signer = |i: u16| Signer {
        key: identity(i).public(),
        person: text("", &format!("s{i}")).unwrap(),
        organisation: text("", "h").unwrap(),
    };
    let one = |who: &str| vec![who.to_owned()];
    let told = proposed(
        &ops,
        Wanted { remove_approvers: one(&identity(800).public().to_hex()[..8]), ..Wanted::default() },
    );
    assert!(told.len() == 1 && told[0].starts_with("- approver a (pharmacist, h1)"), "{told:?}");
    for (who, why) in [
        ("a", "more than one approver"),
        ("nobody", "no approver"),
        ("", "no approver"),
        ("abc", "no approver"),
    ] {
        let told = refused(&ops, Wanted { remove_approvers: one(who), ..Wanted::default() });
        assert!(told.contains(why) && told.contains("--remove-approver"), "{who}: {told}");
    }
    let wanted = Wanted { signers: vec![signer(903), signer(904)], threshold: Some(3), ..Wanted::default() };
    sign_wanted(&ops, wanted);
    let head = ops.store.head_roster();
    assert_eq!((head.body().signers.len(), head.body().threshold), (5, 3));
    let wanted = Wanted { remove_signers: one("s904"), ..Wanted::default() };
    let told = proposed(&ops, wanted);
    assert!(told.len() == 1 && told[0].starts_with("- signer s904 (h)"), "{told:?}");
    let strict =
        DEFAULT.replacen("floor_hospitals = 3", "floor_hospitals = 4", 1).replacen("\"20h\"", "\"10h\"", 1);
    let rules =
        Some(Rules::parse("new.toml", &strict.replacen("deposit = \"10s\"", "deposit = \"9s\"", 1)).unwrap());
    let told = proposed(&ops, Wanted { rules, ..Wanted::default() });
    assert_eq!(
        told,
        [
            "~ purpose stock; fewest hospitals behind a figure 3 -> 4",
            "~ lock goods; seconds of a slot 72000 -> 36000",
            "~ longest time to deposit: 10000 ms -> 9000 ms",
        ]
    );
    let same = Some(Rules::parse("rules.toml", DEFAULT).unwrap());
    assert!(refused(&ops, Wanted { rules: same, ..Wanted::default() }).contains("nothing would change"));
}

/// What cannot be is refused before anybody is asked to sign it, with the reason.
#[tokio::test]
async fn a_proposal_that_cannot_be_valid_is_refused_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 4);
    let signers: Vec<String> = (900..903).map(|i| identity(i).public().to_hex()).collect();
    let rules = |text: String| Some(Rules::parse("new.toml", &text).unwrap());
    let split = DEFAULT.replacen("\"stock\", \"use\"", "\"stock\"", 1)
        + "\n[[lock]]\nname = \"other\"\ndatasets = [\"use\"]\nspacing = \"20h\"\n";
    let split = split.replacen("[limits]", "[limits_]", 1);
    let (begin, limits) = split.split_once("[limits_]").unwrap();
    let (limits, lock) = limits.split_once("\n[[lock]]").unwrap();
    let split = format!("{begin}\n[[lock]]{lock}\n[limits]{limits}");
    let cases: [(Wanted, &str); 6] = [
        (Wanted { threshold: Some(1), ..Wanted::default() }, "threshold must be a majority"),
        (Wanted { threshold: Some(4), ..Wanted::default() }, "threshold must be a majority"),
        (
            Wanted { remove_signers: signers[..2].to_vec(), ..Wanted::default() },
            "threshold must be a majority",
        ),
        (Wanted { remove_signers: signers.clone(), ..Wanted::default() }, "threshold must be a majority"),
        (
            Wanted {
                rules: rules(DEFAULT.replacen("honest_min = 0", "honest_min = 3", 1)),
                ..Wanted::default()
            },
            "no session could be: 4 hospitals cannot keep 3 honest ones",
        ),
        (Wanted { rules: rules(split), ..Wanted::default() }, "a lock splits data sets that share rows"),
    ];
    for (wanted, told) in cases {
        let why = refused(&ops, wanted);
        assert!(why.contains(told) && why.contains("4 hospitals take part"), "{told}: {why}");
    }
    mark(&ops, "h1", Mark::Left);
    sign_wanted(&ops, Wanted::default());
    mark(&ops, "h2", Mark::Suspended);
    let why = refused(&ops, Wanted::default());
    assert!(why.contains("three hospitals at least") && why.contains("2 hospitals take part"), "{why}");
    for slug in ["h2", "h3", "h4"] {
        mark(&ops, slug, Mark::Left);
    }
    let why = refused(&ops, Wanted::default());
    assert!(why.contains("no session could be"), "nobody at all: {why}");
    assert!(Thresholds::of(&ops.store.head_roster()).is_ok(), "the newest stays as it was");
}

/// Somebody who owns the database puts a hospital of their own into it.
#[tokio::test]
async fn a_ghost_in_the_database_is_seen_by_who_signs_and_followed_by_nobody() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 4);
    let db = rusqlite::Connection::open(folder.path().join("samensom.db")).unwrap();
    let ghost = identity(66).public();
    crate::store::tests::ghost(&db, &ghost);
    assert_eq!(ops.store.head_roster().member_by_key(&ghost), None);
    let told = proposed(&ops, Wanted::default());
    assert!(
        told.len() == 1 && told[0].starts_with("+ hospital ") && told[0].contains(&words(&ghost.0)),
        "{told:?}"
    );
    let Response::Proposed(hash) = ops.roster_propose(Wanted::default()).unwrap() else { panic!() };
    let body = ops.store.roster_proposal().unwrap().unwrap().roster.body;
    for stranger in [1, 66, 800] {
        let why = ops.roster_sign(hash, &RosterSignature::new(&identity(stranger), &body)).unwrap_err();
        assert!(why.to_string().contains("is no signer's"), "{why}");
    }
    assert_eq!(ops.store.head_roster().member_by_key(&ghost), None);
}

#[tokio::test]
async fn a_token_lasts_72_hours_at_most() {
    let folder = TempDir::new().unwrap();
    let ops = begun(&folder, 3);
    let hour = 3_600_000;
    assert!(ops.hospital_token("h1", 72 * hour).is_ok());
    for wrong in [0, 72 * hour + 1, 1000 * hour, u64::MAX] {
        let why = ops.hospital_token("h1", wrong).unwrap_err().to_string();
        assert!(why.contains("72h"), "{wrong}: {why}");
    }
}
