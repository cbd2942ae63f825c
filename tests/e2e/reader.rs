//! The reading child of `samensom-node`: the same snapshot as in one process, limits that hold, and an end
//! that comes at once, whoever dies first.

use samensom_node::clock::now;
use samensom_node::extract::{ExtractConfig, Reader, Snapshots, Stop, freeze};
use samensom_tests::deployment::{Outcome, Pace, Template};
use samensom_tests::harness::{processes, programs};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

fn config() -> Value {
    json!({ "dataset": "stock", "file": "stock.csv", "encoding": "utf-8", "separator": ";", "decimal": ",",
        "date": "%d-%m-%Y", "unit": "piece",
        "columns": { "code": "Artikel", "quantity": "Voorraad", "as_of": "Peildatum" } })
}

fn configs() -> Vec<ExtractConfig> {
    vec![serde_json::from_value(config()).unwrap()]
}

/// A folder with an extract of so many rows.
fn extract(rows: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut text = "Artikel;Voorraad;Peildatum\n".to_owned();
    for row in 0..rows {
        writeln!(text, "{:05};{},5;22-11-2026", row.wrapping_mul(2_654_435_761) % 50_000, row % 900).unwrap();
    }
    std::fs::write(folder.path().join("stock.csv"), text).unwrap();
    folder
}

fn child() -> Reader {
    Reader::Child(programs().join("samensom-node"))
}

/// Reading children of a process, of this one where none is named.
fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let ours = status.contains(&format!("PPid:\t{parent}\n")) && !status.contains("State:\tZ");
        (ours && String::from_utf8_lossy(&line).contains("read-extracts")).then_some(id)
    });
    found.collect()
}

/// It did what it does before it reads.
fn shut_in(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| status.contains("Seccomp:\t2"))
}

fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap().success());
}

/// Reads in another thread, so that the child can be looked at.
fn reading(folder: &Path, stop: &Stop) -> std::thread::JoinHandle<Result<(), String>> {
    let (folder, stop) = (folder.to_owned(), stop.clone());
    std::thread::spawn(move || {
        let snapshots = Snapshots::of_state(&folder.join("state"));
        let made = snapshots.of_slot(&child(), &configs(), &folder, ("goods", 1), now(), &stop);
        made.map(drop).map_err(|error| error.to_string())
    })
}

/// One child at a time: they are told apart by their parent, which is this process.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_child_makes_the_snapshot_that_this_process_would_make() {
    let _alone = alone();
    let folder = extract(1_000);
    let state = folder.path().join("state");
    let of_slot = |reader: &Reader, slot| {
        let snapshots = Snapshots::of_state(&state);
        snapshots
            .of_slot(reader, &configs(), folder.path(), ("goods", slot), now(), &Stop::default())
            .unwrap()
    };
    let here = freeze(&configs(), folder.path(), &folder.path().join("here.sqlite"), now()).unwrap();
    let by_child = of_slot(&child(), 1);
    assert_eq!((by_child.hash, &by_child.accounting), (here.hash, &here.accounting));
    assert_eq!(std::fs::read(by_child.path()).unwrap(), std::fs::read(here.path()).unwrap(), "byte for byte");
    assert_eq!(std::fs::read_dir(state.join("frozen")).unwrap().count(), 1, "and nothing beside it");
}

/// What is made of other data sets is made behind the same walls, with room to sort in the draft's folder.
#[test]
fn a_child_makes_the_courses_that_this_process_would_make() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let mut text = "p,c,d,q\n".to_owned();
    for row in 0..20_000_u32 {
        let (person, day) = (row.wrapping_mul(2_654_435_761) % 700, row % 28 + 1);
        writeln!(text, "{person},drug{},2026-10-{day:02},1", row % 7).unwrap();
    }
    std::fs::write(folder.path().join("given.csv"), text).unwrap();
    let config = json!({ "dataset": "administration", "file": "given.csv", "encoding": "utf-8", "separator": ",",
        "decimal": ".", "unit": "mg", "columns": { "person": "p", "code": "c", "at": "d", "quantity": "q" } });
    let configs: Vec<ExtractConfig> = vec![serde_json::from_value(config).unwrap()];
    let here = freeze(&configs, folder.path(), &folder.path().join("here.sqlite"), now()).unwrap();
    let snapshots = Snapshots::of_state(&folder.path().join("state"));
    let stop = Stop::default();
    let by_child = snapshots.of_slot(&child(), &configs, folder.path(), ("care", 1), now(), &stop).unwrap();
    let used: Vec<u64> = here.accounting.iter().map(|one| one.used).collect();
    assert!(used.len() == 2 && used[0] == 20_000 && used[1] > 2_000, "{used:?}");
    assert_eq!((by_child.hash, &by_child.accounting), (here.hash, &here.accounting));
    assert_eq!(std::fs::read(by_child.path()).unwrap(), std::fs::read(here.path()).unwrap(), "byte for byte");
}

#[test]
fn a_child_that_finds_bad_rows_says_the_same_as_this_process() {
    let _alone = alone();
    let folder = extract(3);
    let path = folder.path().join("stock.csv");
    let text = std::fs::read_to_string(&path).unwrap().replace("22-11-2026", "22/11/2026");
    std::fs::write(&path, text).unwrap();
    let here = freeze(&configs(), folder.path(), &folder.path().join("here.sqlite"), now()).unwrap_err();
    let by_child = reading(folder.path(), &Stop::default()).join().unwrap().unwrap_err();
    assert_eq!(by_child, here.to_string());
    assert!(by_child.contains("row 4, column `Peildatum`, value `22/11/2026`"), "{by_child}");
    std::fs::remove_file(&path).unwrap();
    let absent = reading(folder.path(), &Stop::default()).join().unwrap().unwrap_err();
    assert!(absent.contains("opening the extract: No such file"), "{absent}");
    // Nobody falls back to reading here.
    let nobody = Reader::Child(folder.path().join("no-program"));
    let snapshots = Snapshots::of_state(&folder.path().join("state"));
    let error = snapshots.of_slot(&nobody, &configs(), folder.path(), ("goods", 1), now(), &Stop::default());
    assert!(error.unwrap_err().to_string().contains("starting the reading process"));
}

#[test]
fn a_reading_that_is_stopped_ends_and_leaves_nothing() {
    let _alone = alone();
    let folder = extract(1_500_000);
    let (me, stop) = (std::process::id(), Stop::default());
    let reading = reading(folder.path(), &stop);
    let frozen = folder.path().join("state/frozen");
    until("the child writes", || frozen.join("goods-1.db.part/snapshot.db").exists().then_some(()));
    let id = children(me)[0];
    stop.now();
    let error = reading.join().unwrap().unwrap_err();
    assert!(error.contains("the reading was stopped"), "{error}");
    assert!(!is_alive(id));
    assert_eq!(std::fs::read_dir(&frozen).unwrap().count(), 0);
}

#[test]
fn a_child_that_is_killed_is_told_and_the_next_reading_is_whole() {
    let _alone = alone();
    let folder = extract(1_500_000);
    let stop = Stop::default();
    let killed = reading(folder.path(), &stop);
    let id = until("the child runs", || children(std::process::id()).first().copied());
    signal("KILL", id);
    let error = killed.join().unwrap().unwrap_err();
    assert!(error.contains("the reading process was killed (signal 9)"), "{error}");
    let shorter = extract(1_000);
    std::fs::rename(shorter.path().join("stock.csv"), folder.path().join("stock.csv")).unwrap();
    assert_eq!(reading(folder.path(), &stop).join().unwrap(), Ok(()));
}

/// One line of 300 MB without an end, more than the child may hold.
#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    let _alone = alone();
    let folder = extract(1);
    let mut file = File::create(folder.path().join("stock.csv")).unwrap();
    file.write_all(b"Artikel;Voorraad;Peildatum\nx;1;01-11-2026\n").unwrap();
    let piece = vec![b'a'; 1 << 20];
    (0..300).for_each(|_| file.write_all(&piece).unwrap());
    let reading = reading(folder.path(), &Stop::default());
    let mut peak = 0;
    while !reading.is_finished() {
        peak = children(std::process::id()).into_iter().filter_map(resident_mb).fold(peak, u64::max);
        std::thread::sleep(Duration::from_millis(2));
    }
    let error = reading.join().unwrap().unwrap_err();
    assert!(error.contains("row 3") && error.contains("1048576 bytes"), "{error}");
    assert!(peak < 64, "it had {peak} MB");
}

/// Most memory that a process had so far.
fn resident_mb(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    Some(status.split("VmHWM:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

/// A node.toml beside the extract, and `samensom-node data check` over it.
fn data_check(folder: &Path) -> Child {
    let toml = "[node]\nstate = \"state\"\n[[extract]]\ndataset = \"stock\"\nfile = \"stock.csv\"\n\
                encoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\ndate = \"%d-%m-%Y\"\nunit = \"piece\"\n\
                [extract.columns]\ncode = \"Artikel\"\nquantity = \"Voorraad\"\nas_of = \"Peildatum\"\n";
    std::fs::write(folder.join("node.toml"), toml).unwrap();
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(folder.join("node.toml")).args(["--format", "json", "data", "check"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The child made a folder for rows that it stores, which it may not once it is shut in.
#[test]
fn repro_data_check_of_a_unique_key_by_a_child() {
    let _alone = alone();
    let folder = extract(12);
    let path = folder.path().join("stock.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let last = text.lines().last().unwrap().to_owned();
    std::fs::write(&path, format!("{text}{last}\n")).unwrap();
    data_check(folder.path()).wait().unwrap();
    let toml = folder.path().join("node.toml");
    let keyed = std::fs::read_to_string(&toml).unwrap().replace("unit =", "unique = [\"code\"]\nunit =");
    std::fs::write(&toml, keyed).unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    let mut check = Command::new(programs().join("samensom-node"));
    let ended =
        check.arg("--config").arg(&toml).args(["--format", "json", "data", "check"]).output().unwrap();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let accounting = &report[0]["accounting"];
    assert_eq!((&accounting["used"], &accounting["rejected"]), (&json!(11), &json!(2)), "{report}");
    assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0, "nothing is left");
}

#[test]
fn data_check_reads_by_a_child_and_takes_it_along_when_it_is_ended() {
    let _alone = alone();
    let folder = extract(1_500_000);
    // Not INT: whoever starts the tests in the background has it ignored, and so have these processes.
    for name in ["TERM", "KILL"] {
        let mut check = data_check(folder.path());
        let id = until("the child runs", || children(check.id()).first().copied());
        until("it is shut in", || shut_in(id).then_some(()));
        // It does not end by having read everything.
        signal("STOP", id);
        signal(name, check.id());
        until("the check ends", || check.try_wait().unwrap());
        let start = Instant::now();
        while is_alive(id) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let outlived = is_alive(id);
        if outlived {
            signal("KILL", id);
        }
        assert!(!outlived, "{name}: the child outlives its parent");
    }
    let shorter = extract(12);
    let ended = data_check(shorter.path()).wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(ended.status.success(), "{report}");
    assert_eq!((&report[0]["complete"], &report[0]["accounting"]["used"]), (&json!(true), &json!(12)));
}

/// The service is asked to stop in the middle of a long reading; the session goes on without it.
#[test]
fn an_agent_that_is_stopped_while_its_extract_is_read_takes_the_child_along() {
    let _alone = alone();
    let mut deployment = Template::make(4, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment.next_slot();
    let mut rows = std::fs::read_to_string(deployment.home(0).join("stock.csv")).unwrap();
    (0..2_000_000).for_each(|row| writeln!(rows, "x{row};1").unwrap());
    std::fs::write(deployment.home(0).join("stock.csv"), rows).unwrap();
    let home = deployment.home(0);
    let agent = processes(&home).into_iter().find(|(_, line)| line.contains("samensom-node")).unwrap().0;
    let session = deployment.begin(0);
    let id = until("the agent's child runs", || children(agent).first().copied());
    until("it is shut in", || shut_in(id).then_some(()));
    assert_eq!(deployment.stop(0), Some(0), "{}", deployment.told(0));
    assert!(!is_alive(id), "the child outlives its agent");
    let left = std::fs::read_dir(deployment.state(0).join("frozen")).unwrap();
    assert_eq!(left.count(), 0, "no draft stays behind");
    let outcome = deployment.outcome(session);
    assert!(matches!(&outcome, Outcome::Sum(sum) if sum.survivors == [1, 2, 3]), "{outcome:?}");
}
