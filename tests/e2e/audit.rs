//! The audit logs of agents and server after real sessions: what they tell, that each side holds the other's head,
//! that a changed byte stops an agent, and that no figure stands in them.

use samensom_tests::deployment::{Deployment, Outcome, Pace, Template, figures};
use samensom_tests::harness::{files, programs};
use samensom_tests::needles::Needles;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const HOSPITALS: usize = 3;
const SOON: Duration = Duration::from_secs(10);

fn agent(deployment: &Deployment, hospital: usize, args: &[&str]) -> Output {
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(deployment.home(hospital).join("node.toml")).arg("--no-input");
    command.args(args).output().unwrap()
}

fn server(deployment: &Deployment, args: &[&str]) -> Output {
    let mut command = Command::new(programs().join("samensom"));
    command.arg("--data").arg(deployment.lcg()).arg("--no-input").args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn events(output: &Output) -> Vec<String> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)));
    all.as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap().to_owned()).collect()
}

fn of_agent(deployment: &Deployment, hospital: usize, more: &[&str]) -> Vec<String> {
    events(&agent(deployment, hospital, &[&["--format", "json", "audit", "show"], more].concat()))
}

fn of_server(deployment: &Deployment) -> Vec<String> {
    events(&server(deployment, &["--format", "json", "audit", "show"]))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "{what}: it never came about");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Writes what a program exports as heads to a file.
fn heads(output: &Output, file: &Path) -> PathBuf {
    assert!(output.status.success() && !output.stdout.is_empty(), "{}", text(output));
    std::fs::write(file, &output.stdout).unwrap();
    file.to_owned()
}

fn needles(slots: &[u64]) -> Needles {
    let mut needles = Needles::default();
    for hospital in 0..HOSPITALS {
        for slot in slots {
            for figure in figures(hospital, *slot).into_iter().filter(|figure| figure.abs() > 99_999) {
                needles.short(&format!("figure {figure} of hospital {hospital}"), figure.unsigned_abs());
            }
        }
    }
    needles
}

#[test]
fn both_logs_tell_of_a_session_and_hold_each_others_heads() {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    deployment.start_all();
    let slot = deployment.next_slot();
    let outcome = deployment.run(0);
    assert!(matches!(outcome, Outcome::Sum(_)), "{}", deployment.tails());
    until("the agent's last record", || of_agent(&deployment, 0, &[]).contains(&"verified".to_owned()));
    let told = of_agent(&deployment, 0, &[]);
    for event in [
        "enrolling",
        "enrolled",
        "roster",
        "started",
        "head",
        "offered",
        "answered",
        "spent",
        "confirmed",
        "released",
    ] {
        assert!(told.iter().any(|one| one == event), "{event}: {told:?}");
    }
    let place = |event: &str| told.iter().position(|one| one == event).unwrap();
    assert!(place("offered") < place("answered") && place("answered") < place("spent"));

    // After the session each side keeps the other's head once more.
    until("heads after the session", || {
        of_server(&deployment).iter().filter(|one| *one == "head").count() >= 2 * HOSPITALS
    });
    let told = of_server(&deployment);
    for event in ["started", "asked", "roster-head", "token-taken", "offered", "round", "certified", "opened"]
    {
        assert!(told.iter().any(|one| one == event), "{event}: {told:?}");
    }
    let file = deployment.folder.path().join("heads");
    let kept = heads(&server(&deployment, &["audit", "export", "--as", "heads"]), &file);
    let verified = agent(&deployment, 0, &["audit", "verify", "--against", kept.to_str().unwrap()]);
    assert!(
        verified.status.success() && text(&verified).contains("heads that the other side kept fit"),
        "{}",
        text(&verified)
    );
    let kept = heads(&agent(&deployment, 1, &["audit", "export", "--as", "heads"]), &file);
    let verified = server(&deployment, &["audit", "verify", "--against", kept.to_str().unwrap()]);
    assert!(
        verified.status.success() && text(&verified).contains("heads that the other side kept fit"),
        "{}",
        text(&verified)
    );

    the_transparency_log_holds(&deployment);

    // No figure of a hospital in any log, of this slot or of one that it may have run over into.
    let needles = needles(&[slot, slot + 1]);
    assert!(needles.names().len() > HOSPITALS, "figures to look for");
    let mut looked = 0;
    for folder in (0..HOSPITALS).map(|one| deployment.state(one)).chain([deployment.lcg()]) {
        for file in files(&folder.join("audit")) {
            assert_eq!(needles.in_file(&file), Vec::<&str>::new(), "{}", file.display());
            looked += 1;
        }
    }
    assert!(looked >= 3 * HOSPITALS, "{looked} files");
    let csv = files(&deployment.home(0)).into_iter().find(|file| file.ends_with("stock.csv")).unwrap();
    assert!(!needles.in_file(&csv).is_empty(), "the same look finds them where they belong");
}

/// Anybody with the exported log, a bundle and a hospital's audit log can hold the server to it.
fn the_transparency_log_holds(deployment: &Deployment) {
    let write = |name: &str, output: Output| {
        assert!(output.status.success() && !output.stdout.is_empty(), "{}", text(&output));
        let path = deployment.folder.path().join(name);
        std::fs::write(&path, output.stdout).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let kept = write("kept.jsonl", agent(deployment, 2, &["audit", "export"]));
    let log = write("log.jsonl", server(deployment, &["transparency", "export"]));
    let bundle = files(&deployment.lcg().join("results")).remove(0).to_str().unwrap().to_owned();
    // In another folder, with nothing but the files.
    let verify = |more: &[&str]| {
        let mut command = Command::new(programs().join("samensom"));
        command.current_dir("/").args(["transparency", "verify", &log]).args(more).output().unwrap()
    };
    let verified = verify(&["--bundle", &bundle, "--against", &kept]);
    assert!(verified.status.success(), "{}", text(&verified));
    for says in ["1 sessions with a sum", "the bundle is entry", "heads that a hospital kept"] {
        assert!(text(&verified).contains(says), "{says}: {}", text(&verified));
    }
    let changed = std::fs::read_to_string(&log).unwrap().replacen("\"Sum\"", "\"NoSum\"", 1);
    std::fs::write(&log, changed).unwrap();
    let verified = verify(&[]);
    assert_eq!(verified.status.code(), Some(8), "{}", text(&verified));
}

#[test]
fn a_changed_byte_stops_the_agent_and_names_the_record() {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment.linked(HOSPITALS, SOON);
    deployment.stop(0);
    let log = deployment.state(0).join("audit/log.jsonl");
    let whole = std::fs::read(&log).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    let mut changed = whole.clone();
    changed[second] ^= 1;
    std::fs::write(&log, &changed).unwrap();
    let verified = agent(&deployment, 0, &["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(8), "{}", text(&verified));
    assert!(text(&verified).contains("record 2: it was changed"), "{}", text(&verified));
    deployment.start(0, &[]);
    assert_eq!(deployment.ended(0, SOON), Some(8), "{}", deployment.told(0));
    assert!(deployment.told(0).contains("record 2: it was changed"), "{}", deployment.told(0));
    std::fs::write(&log, &whole).unwrap();
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
}

/// The log is put back to an earlier state, with the head beside it: the coordinator kept a later one.
#[test]
fn a_log_that_is_put_back_is_found_out_at_the_next_contact() {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment.linked(HOSPITALS, SOON);
    deployment.stop(0);
    let audit = deployment.state(0).join("audit");
    let kept = deployment.folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    samensom_tests::deployment::copy(&audit, &kept);
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    deployment.stop(0);
    std::fs::remove_dir_all(&audit).unwrap();
    std::fs::create_dir(&audit).unwrap();
    samensom_tests::deployment::copy(&kept, &audit);
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    until("the agent says so", || of_agent(&deployment, 0, &[]).contains(&"head-differs".to_owned()));
    until("the server says so", || of_server(&deployment).contains(&"head-went-back".to_owned()));
}

#[test]
fn a_paused_hospital_refuses_until_it_resumes() {
    let mut deployment = Template::make(4, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment.linked(4, SOON);
    let paused = agent(&deployment, 0, &["pause"]);
    assert!(paused.status.success() && text(&paused).contains("paused"), "{}", text(&paused));
    deployment.stop(0);
    deployment.start(0, &[]);
    deployment.linked(4, SOON);
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, [1, 2, 3], "{}", deployment.tails());
    let log = text(&agent(&deployment, 0, &["audit", "show"]));
    assert!(log.contains("this hospital has paused"), "{log}");
    let told = text(&server(&deployment, &["audit", "show"]));
    assert!(told.contains("node 1 refuses, signed"), "refused, and not away: {told}");
    assert!(deployment.status(0)["paused"]["since"].is_string());
    assert!(agent(&deployment, 0, &["resume"]).status.success());
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors.len(), 4, "{}", deployment.tails());
    let left = agent(&deployment, 0, &["leave"]);
    assert!(left.status.success() && text(&left).contains("tell LCG"), "{}", text(&left));
    assert_eq!(agent(&deployment, 0, &["resume"]).status.code(), Some(6));
}
