//! How many rows, how long, how much memory.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn series(rows: u64) -> String {
    format!(
        "SELECT 'c' || n % 1000 AS code, n AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum FROM (SELECT generate_series(1, {rows}) AS n) AS s"
    )
}

#[test]
fn the_most_rows_are_taken_and_one_more_is_refused() {
    let Some(mut hospital) = Hospital::new("the_most_rows_are_taken", STOCK) else { return };
    hospital.keys = "unit = \"piece\"\nmax_rows = 1000\n".into();
    assert_eq!(hospital.freeze(&series(1_000)).unwrap().accounting[0].used, 1_000);
    let refused = hospital.refused(&series(1_001));
    assert!(
        refused.contains("v.sql: more than 1000 rows, the most that max_rows allows; see whether"),
        "{refused}"
    );
    // Line breaks are no rows.
    let lines = "SELECT 'a' AS code, 1 AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum, E'\\n\\n\\n' FROM generate_series(1, 1000)";
    assert_eq!(hospital.freeze(lines).unwrap().accounting[0].used, 1_000);
    // A result without an end is given up as soon as it is too long, and the server is told.
    let start = Instant::now();
    hospital.refused(&series(100_000_000));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    until("the server stops", || nothing_runs(&hospital).then_some(()));
}

fn nothing_runs(hospital: &Hospital) -> bool {
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'samensom-node'",
        hospital.database
    );
    hospital.server.sql("postgres", &asked) == "0"
}

#[test]
fn a_select_that_takes_too_long_is_ended_by_the_server() {
    let Some(mut hospital) = Hospital::new("a_select_that_takes_too_long", STOCK) else { return };
    hospital.keys = "unit = \"piece\"\ntimeout = \"1s\"\n".into();
    let start = Instant::now();
    let refused = hospital.refused(&format!("{} WHERE pg_sleep(30) IS NOT NULL", series(1)));
    assert!(
        refused.contains("v.sql: not done within 1 s") && refused.contains("(SQLSTATE 57014)"),
        "{refused}"
    );
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // Rows that come one by one are not a way around.
    let refused = hospital.refused(&format!("{} WHERE pg_sleep(0.2) IS NOT NULL", series(1_000)));
    assert!(refused.contains("SQLSTATE 57014"), "{refused}");
}

#[test]
fn a_reading_that_is_stopped_leaves_nothing_here_or_there() {
    let Some(hospital) = Hospital::new("a_reading_that_is_stopped", STOCK) else { return };
    hospital.select(SLOW);
    let stop = Stop::default();
    let reading = hospital.reading(1, &stop);
    let file = until("rows come", || kept(&hospital.path("state")));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    stop.now();
    let error = reading.join().unwrap().unwrap_err();
    assert!(error.contains("v.sql: the SELECT was stopped, with the program"), "{error}");
    assert_eq!(samensom_tests::harness::files(&hospital.path("state")), Vec::<PathBuf>::new());
    until("the server stops", || nothing_runs(&hospital).then_some(()));
}

/// The server would go on with it until its own time-out: it is told to stop.
#[test]
fn a_silent_select_that_is_stopped_is_cancelled_on_the_server() {
    let Some(hospital) = Hospital::new("a_silent_select", STOCK) else { return };
    hospital.select(&format!("{} WHERE pg_sleep(100) IS NOT NULL", series(1)));
    let stop = Stop::default();
    let reading = hospital.reading(1, &stop);
    until("it runs", || (!nothing_runs(&hospital)).then_some(()));
    stop.now();
    let start = Instant::now();
    assert!(reading.join().unwrap().unwrap_err().contains("v.sql: the SELECT was stopped"));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    until("the server stops", || nothing_runs(&hospital).then_some(()));
}

#[test]
fn what_a_killed_agent_left_goes_with_the_next_reading() {
    let Some(hospital) = Hospital::new("what_a_killed_agent_left", STOCK) else { return };
    std::fs::create_dir(hospital.path("state")).unwrap();
    hospital.select(SLOW);
    let mut agent = hospital.agent(&["data", "check"]);
    let file = until("rows come", || kept(&hospital.path("state")));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(file.exists(), "the system removes nothing");
    hospital.select(&series(5));
    let said = hospital.said(&["data", "check"]);
    assert!(said.contains("rows: total 5 = used 5"), "{said}");
    assert_eq!(samensom_tests::harness::files(&hospital.path("state")), Vec::<PathBuf>::new());
    // The same of a freeze.
    let part = hospital.path("state/frozen/goods-1.db.part");
    std::fs::create_dir_all(&part).unwrap();
    std::fs::write(part.join("stock.rows"), "rows").unwrap();
    let frozen = hospital.reading(2, &Stop::default()).join().unwrap().unwrap();
    assert_eq!(samensom_tests::harness::files(&hospital.path("state")), [frozen.path()]);
}

/// Most memory that a process had so far, in MB.
pub(super) fn peak_mb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(status.split("VmHWM:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[test]
fn a_million_rows_are_never_whole_in_memory() {
    let Some(hospital) = Hospital::new("a_million_rows", STOCK) else { return };
    hospital.select(&series(1_000_000));
    std::fs::create_dir(hospital.path("state")).unwrap();
    let _built = programs();
    let start = Instant::now();
    let mut agent = hospital.agent(&["data", "check"]);
    let (mut agent_mb, mut child_mb) = (0, 0);
    while agent.try_wait().unwrap().is_none() {
        agent_mb = peak_mb(agent.id()).map_or(agent_mb, |mb| agent_mb.max(mb));
        child_mb = children(agent.id()).into_iter().filter_map(peak_mb).fold(child_mb, u64::max);
        std::thread::sleep(Duration::from_millis(2));
    }
    let ended = agent.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("rows: total 1000000 = used 1000000"), "{said}");
    let seconds = start.elapsed().as_secs_f64();
    use std::io::Write as _;
    let line = "a million rows from PostgreSQL checked";
    let _ = writeln!(
        std::io::stderr(),
        "{line} in {seconds:.1} s; peak {agent_mb} MB agent, {child_mb} MB child"
    );
    // 30 MB of rows: neither holds them.
    assert!((1..40).contains(&agent_mb) && (1..64).contains(&child_mb), "{agent_mb} MB, {child_mb} MB");
}
