//! The membership lock over real programs: what signed rosters change, and what nobody else can.
//!
//! Signers sign from files, elsewhere; agents follow, hold or refuse by themselves. Who owns the
//! coordinator's computer, its key and its database shows forks, old rosters, gaps and ghosts: each agent
//! stays with the roster it has and says why.

use samensom_protocol::codec::{List, Text, decode, encode};
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::roster::{Member, Roster, RosterBody, Status};
use samensom_tests::deployment::{Deployment, Pace, Template, copy};
use samensom_tests::harness::{programs, samensom};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const HOSPITALS: usize = 4;
/// An agent dials again, and follows, within this time.
const PATIENCE: Duration = Duration::from_secs(45);

fn deployed() -> Deployment {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment
}

fn path(deployment: &Deployment, name: &str) -> String {
    deployment.folder.path().join(name).to_str().unwrap().to_owned()
}

fn lcg(deployment: &Deployment, args: &[&str]) -> Value {
    deployment.asked(args).unwrap_or_else(|| panic!("{args:?}: {}", refused(deployment, args).1))
}

/// Exit code and words of a command that must fail.
fn refused(deployment: &Deployment, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(samensom());
    command.arg("--data").arg(deployment.lcg()).arg("--no-input").args(args).env_remove("SAMENSOM_DATA");
    let ended = command.output().unwrap();
    assert!(!ended.status.success(), "{args:?} was done: {}", String::from_utf8_lossy(&ended.stdout));
    (ended.status.code().unwrap(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// Runs a command of the agent at a hospital; whether it succeeded, and all it said.
fn agent(deployment: &Deployment, hospital: usize, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(deployment.home(hospital).join("node.toml")).arg("--no-input").args(args);
    let ended = command.env_remove("SAMENSOM_NODE_CONFIG").output().unwrap();
    let text =
        [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (ended.status.success(), text)
}

/// Lets three signers sign what waits, on the server's computer; the words of the roster.
fn sign(deployment: &Deployment) -> String {
    let mut words = String::new();
    for signer in 0..3 {
        let key = path(deployment, &format!("persons/signer-{signer}.key"));
        let facts = lcg(deployment, &["roster", "sign", "--key", &key]);
        assert_eq!(facts["head"], signer == 2);
        facts["words"].as_str().unwrap().clone_into(&mut words);
    }
    words
}

pub(crate) fn propose_and_sign(deployment: &Deployment, args: &[&str]) -> String {
    lcg(deployment, &[&["roster", "propose"], args].concat());
    sign(deployment)
}

fn until(what: &str, deployment: &Deployment, held: impl Fn() -> bool) {
    let begun = Instant::now();
    while !held() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}\n{}", deployment.tails());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn epoch(deployment: &Deployment, hospital: usize) -> u64 {
    deployment.status(hospital)["roster"]["epoch"].as_u64().unwrap()
}

fn follow(deployment: &Deployment, hospitals: &[usize], wanted: u64) {
    for hospital in hospitals {
        let told = format!("h{hospital} follows roster {wanted}");
        until(&told, deployment, || epoch(deployment, *hospital) == wanted);
    }
}

fn linked(deployment: &Deployment) -> Vec<u64> {
    let status = deployment.asked(&["status"]).unwrap_or_default();
    status["linked"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// A computer of a signer: its folder, and no server.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    /// With a signer's key that is sealed, its pass phrase and a wrong one.
    fn new() -> Elsewhere {
        use std::os::unix::fs::PermissionsExt as _;
        let elsewhere = Elsewhere(tempfile::TempDir::new().unwrap());
        for (name, phrase) in
            [("phrase", "paard batterij nietje goed\n"), ("other", "paard batterij nietje slecht\n")]
        {
            std::fs::write(elsewhere.path(name), phrase).unwrap();
            std::fs::set_permissions(elsewhere.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let who = ["keygen", "signer", "--name", "N. Nieuw", "--organisation", "nvza", "--out", "nieuw"];
        let (made, told) = elsewhere.run(&[&who[..], &["--passphrase-file", "phrase"]].concat());
        assert!(made, "{told}");
        elsewhere
    }
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
    /// Runs `samensom` here, with no data folder; whether it succeeded, and all it said.
    fn run(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(samensom());
        let ended =
            command.current_dir(self.0.path()).arg("--no-input").args(args).env_remove("SAMENSOM_DATA");
        let ended = ended.output().unwrap();
        assert!(!self.0.path().join("samensom-data").exists(), "no data folder is made");
        let text = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (ended.status.success(), text.concat())
    }
    fn sign(&self, key: &str, proposal: &str, out: &str) -> (bool, String) {
        self.run(&["roster", "sign", "--key", key, "--proposal", proposal, "--out", out])
    }
}

/// A proposal that replaces a signer by the one elsewhere, as a file there; its words.
fn proposal(deployment: &Deployment, elsewhere: &Elsewhere) -> String {
    let (new, gone) = (elsewhere.path("nieuw.pub"), path(deployment, "persons/signer-4.pub"));
    lcg(deployment, &["roster", "propose", "--signer", &new, "--remove-signer", &gone]);
    let out = elsewhere.path("2.proposal");
    let facts = lcg(deployment, &["roster", "export", "--proposal", "--out", &out]);
    facts["words"].as_str().unwrap().to_owned()
}

/// Every byte of the two bodies changed in turn would take long: some in each, and the file's own words.
#[test]
fn a_proposal_changed_on_the_way_is_never_signed_as_the_proposal() {
    let mut deployment = Template::make(HOSPITALS, 0, Pace::quick()).deploy();
    deployment.serve();
    let elsewhere = Elsewhere::new();
    let words = proposal(&deployment, &elsewhere);
    let text = std::fs::read_to_string(elsewhere.path("2.proposal")).unwrap();
    let key = path(&deployment, "persons/signer-0.key");
    let mut refusals = 0;
    for part in 0..24 {
        let place = text.len() * part / 24;
        let mut bytes = text.clone().into_bytes();
        bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
        std::fs::write(elsewhere.path("changed"), bytes).unwrap();
        let out = format!("changed.{part}");
        let (done, told) = elsewhere.sign(&key, "changed", &out);
        refusals += usize::from(!done);
        if done {
            // It is another proposal then, under other words, and its signature is for that alone.
            assert!(!told.contains(&words), "{told}");
            let (_, told) = refused(&deployment, &["roster", "sign", "--signature", &elsewhere.path(&out)]);
            assert!(told.contains("does not wait for signatures"), "{told}");
        }
    }
    assert!(refusals >= 12, "at least what touches the head: {refusals} of 24");
    let (done, told) = elsewhere.sign(&path(&deployment, "persons/approver-0.key"), "2.proposal", "x");
    assert!(!done && told.contains("not one of a signer of this roster"), "{told}");
    let (done, told) = elsewhere.sign(&elsewhere.path("nieuw.key"), "2.proposal", "x");
    assert!(!done && told.contains("--passphrase-file"), "{told}");
}

/// Three of five sign files; then the signer who came signs, by the right pass phrase alone.
#[test]
fn signers_sign_elsewhere_and_agents_hold_what_they_sign_until_it_is_read() {
    let deployment = deployed();
    let elsewhere = Elsewhere::new();
    let words = proposal(&deployment, &elsewhere);
    for signer in 0..3 {
        let (key, out) = (path(&deployment, &format!("persons/signer-{signer}.key")), format!("2.{signer}"));
        let (done, told) = elsewhere.sign(&key, "2.proposal", &out);
        assert!(
            done && told.contains("+ signer N. Nieuw (nvza)") && told.contains("- signer Signer 4"),
            "{told}"
        );
        assert!(told.contains(&words), "{told}");
        let facts = lcg(&deployment, &["roster", "sign", "--signature", &elsewhere.path(&out)]);
        assert_eq!(facts["head"], signer == 2, "{facts}");
    }
    let (_, told) = refused(&deployment, &["roster", "sign", "--signature", &elsewhere.path("2.0")]);
    assert!(told.contains("no roster waits for signatures"), "{told}");
    // Other signers: every agent holds it, in words, until its operator has compared them.
    for hospital in 0..HOSPITALS {
        until("the new roster is held", &deployment, || deployment.status(hospital)["held"]["epoch"] == 2);
        assert_eq!(epoch(&deployment, hospital), 1);
        let held = deployment.status(hospital)["held"].clone();
        assert!(held["changes"].to_string().contains("+ signer N. Nieuw"), "{held}");
    }
    let (done, told) =
        agent(&deployment, 0, &["enroll", "--accept-roster", "babab babab babab babab babab babab"]);
    assert!(!done && told.contains("words do not fit"), "{told}");
    for hospital in 0..HOSPITALS {
        let (done, told) = agent(&deployment, hospital, &["enroll", "--accept-roster", &words]);
        assert!(done, "{told}");
    }
    follow(&deployment, &[0, 1, 2, 3], 2);
    the_new_signer_counts(&deployment, &elsewhere);
    follow(&deployment, &[0, 1, 2, 3], 3);
}

fn the_new_signer_counts(deployment: &Deployment, elsewhere: &Elsewhere) {
    lcg(deployment, &["roster", "propose", "--remove-approver", &path(deployment, "persons/approver-1.pub")]);
    let (key, right, wrong) =
        (elsewhere.path("nieuw.key"), elsewhere.path("phrase"), elsewhere.path("other"));
    let by_new = ["roster", "sign", "--key", &key];
    let (code, told) = refused(deployment, &[&by_new[..], &["--passphrase-file", &wrong]].concat());
    assert!(code == 8 && told.contains("does not open this key") && !told.contains("slecht"), "{told}");
    let old = path(deployment, "persons/signer-4.key");
    let (_, told) = refused(deployment, &["roster", "sign", "--key", &old]);
    assert!(told.contains("not one of a signer"), "{told}");
    let facts = lcg(deployment, &[&by_new[..], &["--passphrase-file", &right]].concat());
    assert_eq!(facts["signatures"], 1);
    for signer in 0..2 {
        let key = path(deployment, &format!("persons/signer-{signer}.key"));
        lcg(deployment, &["roster", "sign", "--key", &key]);
    }
}

/// A warrant under the newest roster, approved, in the place of the old one.
fn warrant(deployment: &mut Deployment) {
    let query = path(deployment, "query-0.toml");
    let facts = lcg(
        deployment,
        &[
            "query",
            "submit",
            &query,
            "--key",
            &path(deployment, "persons/analyst.key"),
            "--sessions",
            "60000",
        ],
    );
    let warrant = facts["warrant"].as_str().unwrap().to_owned();
    for approver in 0..2 {
        let key = path(deployment, &format!("persons/approver-{approver}.key"));
        lcg(deployment, &["query", "approve", &warrant, "--key", &key]);
    }
    deployment.warrants[0] = warrant;
}

#[test]
fn suspended_resumed_and_re_keyed_hospitals_follow_the_signed_roster() {
    let mut deployment = deployed();
    let (_, told) = refused(&deployment, &["hospital", "token", "h0", "--valid", "73h"]);
    assert!(told.contains("72h"), "{told}");
    lcg(&deployment, &["hospital", "suspend", "h3"]);
    propose_and_sign(&deployment, &[]);
    follow(&deployment, &[0, 1, 2, 3], 2);
    assert_eq!(deployment.status(3)["admitted"], false);
    until("the suspended one is out", &deployment, || linked(&deployment) == [1, 2, 3]);
    lcg(&deployment, &["hospital", "suspend", "h2"]);
    let (code, told) = refused(&deployment, &["roster", "propose"]);
    assert!(code == 4 && told.contains("2 hospitals take part"), "{told}");
    lcg(&deployment, &["hospital", "resume", "h2"]);
    lcg(&deployment, &["hospital", "resume", "h3"]);
    propose_and_sign(&deployment, &[]);
    follow(&deployment, &[0, 1, 2, 3], 3);
    // The server of h0 is lost; somebody has a copy of its old state.
    deployment.stop(0);
    let (home, stolen) = (deployment.home(0), deployment.folder.path().join("stolen"));
    std::fs::create_dir(&stolen).unwrap();
    copy(&home, &stolen);
    std::fs::remove_dir_all(deployment.state(0)).unwrap();
    let mut token = Command::new(samensom());
    let token = token.arg("--data").arg(deployment.lcg()).args(["hospital", "token", "h0"]).output().unwrap();
    std::fs::write(home.join("token"), token.stdout).unwrap();
    let file = home.join("token").to_str().unwrap().to_owned();
    let (done, told) = agent(&deployment, 0, &["enroll", "--no-wait", "--token-file", &file]);
    assert!(done, "{told}");
    let key = told.lines().find_map(|line| line.strip_prefix("key:")).unwrap().trim().to_owned();
    let (_, told) = agent(&deployment, 1, &["enroll", "--no-wait", "--token-file", &file]);
    assert!(told.contains("already enrolled as h1"), "{told}");
    lcg(&deployment, &["hospital", "confirm", "h0", "--fingerprint", &key]);
    let told = lcg(&deployment, &["roster", "propose"])["changes"].to_string();
    assert!(told.contains("another key") && told.contains(&key), "{told}");
    let words = sign(&deployment);
    follow(&deployment, &[1, 2, 3], 4);
    let (done, told) = agent(&deployment, 0, &["enroll", "--accept-roster", &words]);
    assert!(done, "{told}");
    let mut thief = deployment.spawn_agent(&stolen, &[]);
    deployment.start(0, &[]);
    let back = deployment.try_linked(HOSPITALS, PATIENCE);
    warrant(&mut deployment);
    deployment.next_slot();
    let outcome = deployment.run(0);
    thief.kill().unwrap();
    thief.wait().unwrap();
    assert!(back.is_some(), "{}", deployment.tails());
    assert_eq!(outcome.sum().survivors, [0, 1, 2, 3], "{}", deployment.tails());
    let told = std::fs::read_to_string(stolen.join("agent.log")).unwrap();
    let barred = "no accepted roster lists this hospital's key";
    assert!(told.contains(barred), "the old key counts no more: {told}");
    // The token was used: another key with it is told so, by code.
    std::fs::remove_dir_all(stolen.join("state")).unwrap();
    let mut second = Command::new(programs().join("samensom-node"));
    second.arg("--config").arg(stolen.join("node.toml")).args([
        "--no-input",
        "enroll",
        "--no-wait",
        "--token-file",
    ]);
    let second = second.arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.code() == Some(4) && told.contains("(used-token)"), "{told}");
}

/// Puts what lies in `from` in the place of LCG's folder, under the address the agents dial.
fn replace(deployment: &mut Deployment, from: &Path) {
    deployment.kill_server();
    std::fs::remove_dir_all(deployment.lcg()).unwrap();
    std::fs::create_dir(deployment.lcg()).unwrap();
    copy(from, &deployment.lcg());
    deployment.serve();
}

fn keep(deployment: &Deployment, name: &str) -> std::path::PathBuf {
    let kept = deployment.folder.path().join(name);
    std::fs::create_dir(&kept).unwrap();
    copy(&deployment.lcg(), &kept);
    kept
}

#[test]
fn forks_and_old_rosters_of_a_stolen_coordinator_are_refused() {
    let mut deployment = deployed();
    deployment.kill_server();
    let old = keep(&deployment, "old");
    deployment.serve();
    lcg(&deployment, &["hospital", "suspend", "h3"]);
    let words = propose_and_sign(&deployment, &[]);
    follow(&deployment, &[0, 1, 2, 3], 2);
    // A backup: the coordinator's own key, and roster 1.
    replace(&mut deployment, &old);
    for hospital in 0..3 {
        let told = "the coordinator shows an older roster";
        until(told, &deployment, || deployment.told(hospital).contains(told));
        assert_eq!(epoch(&deployment, hospital), 2, "never back");
    }
    // And on that backup three stolen signers' keys: another roster 2.
    lcg(&deployment, &["hospital", "suspend", "h2"]);
    let fork = propose_and_sign(&deployment, &[]);
    assert_ne!(fork, words);
    for hospital in 0..3 {
        let told = "the coordinator shows another roster 2 than this agent has";
        until(told, &deployment, || deployment.told(hospital).contains(told));
        assert!(deployment.told(hospital).contains(&fork) && deployment.told(hospital).contains(&words));
        let status = deployment.status(hospital);
        assert_eq!(
            (&status["roster"]["words"], &status["held"]),
            (&Value::from(words.as_str()), &Value::Null)
        );
    }
}

/// What somebody who owns the database puts into it while the server runs.
#[test]
fn gaps_and_ghosts_in_the_coordinators_database_are_refused() {
    let mut deployment = deployed();
    deployment.stop(0);
    propose_and_sign(&deployment, &["--remove-approver", "Approver 1"]);
    let approver = path(&deployment, "persons/approver-1.pub");
    propose_and_sign(&deployment, &["--approver", &approver]);
    follow(&deployment, &[1, 2, 3], 3);
    let db = rusqlite::Connection::open(deployment.lcg().join("samensom.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    let second: Vec<u8> =
        db.query_row("SELECT body FROM roster WHERE epoch = 2", [], |row| row.get(0)).unwrap();
    db.execute("DELETE FROM roster_signature WHERE roster = (SELECT hash FROM roster WHERE epoch = 2)", [])
        .unwrap();
    db.execute("DELETE FROM roster WHERE epoch = 2", []).unwrap();
    let refuses = |deployment: &mut Deployment, told: &str| {
        deployment.start(0, &[]);
        until(told, deployment, || deployment.told(0).contains(told));
        deployment.stop(0);
        assert_eq!(epoch(deployment, 0), 1, "{}", deployment.told(0));
    };
    refuses(&mut deployment, "does not follow the one before it: epoch or previous hash differ");
    // A ghost, in a roster that nobody signed, and then with signatures of another.
    let mut body: RosterBody = decode(&second).unwrap();
    let mut members = body.members.to_vec();
    members.push(Member {
        id: NodeId(5),
        institution: Text::new("ghost").unwrap(),
        name: Text::new("Spookziekenhuis").unwrap(),
        group: Text::new("west").unwrap(),
        kind: Text::new("general").unwrap(),
        key: PublicKey(ghost_key()),
        status: Status::Active,
        floor_hospitals: 0,
    });
    body.members = List::new(members).unwrap();
    let forged = encode(&body).unwrap();
    let hash = Roster::hash_of(&forged);
    let add = "INSERT INTO roster (hash, epoch, body, state) VALUES (?1, 2, ?2, 'signed')";
    db.execute(add, rusqlite::params![hash.0, forged]).unwrap();
    refuses(&mut deployment, "0 valid signatures of the signers before, 3 needed");
    let lend = "INSERT INTO roster_signature SELECT ?1, key, signature FROM roster_signature
                WHERE roster = (SELECT hash FROM roster WHERE epoch = 3)";
    assert_eq!(db.execute(lend, [hash.0]).unwrap(), 3);
    let before = deployment.told(0).matches("valid signatures of the signers before").count();
    deployment.start(0, &[]);
    let told = "valid signatures of the signers before";
    until(told, &deployment, || deployment.told(0).matches(told).count() > before);
    deployment.stop(0);
    assert_eq!(epoch(&deployment, 0), 1);
    // The program itself does not start over such a database.
    drop(db);
    deployment.kill_server();
    let why = deployment.try_serve(&[]).unwrap_err();
    assert!(why.contains("row of `roster` cannot be read"), "{why}");
}

/// The key of an approver-like stranger: any valid one that nobody in the roster has.
fn ghost_key() -> [u8; 32] {
    let seed = samensom_protocol::secret::Secret::new([77; 32]);
    samensom_protocol::crypto::keys::Identity::from_seed(&seed).public().0
}
