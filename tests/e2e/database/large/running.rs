//! Large extracts as time goes on: rows that change, the program as it is shipped, a stop, and many rows.

use super::*;
use samensom_tests::deployment::{Pace, Template, figures};

#[test]
fn rows_that_changed_since_the_freeze_are_refused_by_name() {
    let Some(both) = Both::new("large_rows_that_changed", STOCKED) else { return };
    let server = &both.hospital.server;
    let sql = |text: &str| server.sql(&both.hospital.database, text);
    sql("CREATE TABLE v (n int, code text, aantal numeric, soort text, dag date); GRANT SELECT ON v TO samensom;
         INSERT INTO v SELECT n, 'c' || n % 7, n, 'ccv', '2026-11-21' FROM generate_series(1, 500) AS n");
    both.hospital.select("SELECT code, aantal, soort, dag FROM v WHERE n < 1000");
    let frozen = both.survey().unwrap();
    let lines = query("stock", "[[measure]]\nname = \"lines\"\nrows = true\n");
    assert_eq!(both.pushed(&lines, &frozen).unwrap(), [500]);
    // What is not in the extract may change, and how the rows lie.
    sql(
        "INSERT INTO v VALUES (2000, 'c', 1, 'ccv', '2026-11-21'); UPDATE v SET aantal = aantal + 0.00 WHERE n < 50",
    );
    assert_eq!(both.pushed(&lines, &frozen).unwrap(), [500]);
    for (change, back) in [
        ("INSERT INTO v VALUES (999, 'c', 1, 'ccv', '2026-11-21')", "DELETE FROM v WHERE n = 999"),
        ("UPDATE v SET aantal = aantal + 0.000001 WHERE n = 7", "UPDATE v SET aantal = 7 WHERE n = 7"),
        // The same values in every column, in other rows.
        (
            "UPDATE v SET aantal = CASE n WHEN 1 THEN 2 ELSE 1 END WHERE n IN (1, 2)",
            "UPDATE v SET aantal = n WHERE n IN (1, 2)",
        ),
        // As many as before, and one of them twice.
        (
            "UPDATE v SET code = 'c1', aantal = 8 WHERE n = 15",
            "UPDATE v SET code = 'c1', aantal = 15 WHERE n = 15",
        ),
        ("UPDATE v SET aantal = 'NaN' WHERE n = 7", "UPDATE v SET aantal = 7 WHERE n = 7"),
    ] {
        sql(change);
        let told = both.pushed(&lines, &frozen).expect_err(change);
        assert_eq!(told.code(), "changed", "{told}");
        let text = told.to_string();
        assert!(
            text.contains("v.sql: the rows are no longer those that were frozen for this slot"),
            "{text}"
        );
        sql(back);
        assert_eq!(both.pushed(&lines, &frozen).unwrap(), [500], "{back}");
    }
    // A slot that was frozen as large goes on as large.
    let configs = [both.config("")];
    let home = Home { configs: &configs, base_dir: both.hospital.folder.path(), stop: &Stop::default() };
    let told = answer(&lines, &frozen, now(), &home).unwrap_err().to_string();
    assert!(told.contains("it was large when it was frozen"), "{told}");
}

/// The program as it is shipped: `data check`, and `queries preview` with the figures.
#[test]
fn the_program_checks_and_previews_a_large_extract() {
    let Some(mut hospital) = Hospital::new("the_program_and_a_large_extract", STOCK) else { return };
    hospital.keys = "unit = \"piece\"\nlarge = true\n".into();
    hospital.server.sql(
        &hospital.database,
        "INSERT INTO voorraad SELECT 'geheim' || n % 5, n, NULL, '2026-11-21' FROM generate_series(1, 100) AS n",
    );
    hospital.select(SELECT);
    std::fs::create_dir(hospital.path("state")).unwrap();
    let said = hospital.said(&["data", "check"]);
    for part in [
        "rows: total 100 = used 100 + rejected 0",
        "unit: piece, 100 rows\n",
        "reference date: 2026-11-21",
        "  ok",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("geheim"), "{said}");
    let text = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"stock\" }\n\
                [[measure]]\nname = \"s\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9999]\n";
    std::fs::write(hospital.path("q.toml"), text).unwrap();
    let query = hospital.path("q.toml").display().to_string();
    let said = hospital.said(&["queries", "preview", &query]);
    assert!(said.contains("- s: 5050 piece"), "{said}");
    assert_eq!(samensom_tests::harness::files(&hospital.path("state")), Vec::<PathBuf>::new());
    hospital
        .server
        .sql(&hospital.database, "INSERT INTO voorraad VALUES ('geheim', 'NaN', NULL, '2026-11-21')");
    let said = hospital.said(&["data", "check"]);
    let wanted = "FAIL: ";
    assert!(
        said.contains(wanted)
            && said.contains("column `aantal`: more than 12 digits, or no finite number (1 row)"),
        "{said}"
    );
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn a_large_extract_that_is_stopped_is_cancelled_on_the_server() {
    let Some(mut hospital) = Hospital::new("a_large_extract_that_is_stopped", STOCK) else { return };
    hospital.keys = "unit = \"piece\"\nlarge = true\n".into();
    hospital.select(&format!("{SELECT} WHERE pg_sleep(100) IS NOT NULL"));
    hospital.server.sql(&hospital.database, "INSERT INTO voorraad VALUES ('a', 1, NULL, '2026-11-21')");
    let runs = || {
        let asked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
            hospital.database
        );
        hospital.server.sql("postgres", &asked) != "0"
    };
    let stop = Stop::default();
    let _built = programs();
    let reading = hospital.reading(1, &stop);
    until("it runs", || runs().then_some(()));
    stop.now();
    assert!(reading.join().unwrap().unwrap_err().contains("v.sql: the SELECT was stopped"));
    until("the server stops", || (!runs()).then_some(()));
    assert_eq!(samensom_tests::harness::files(&hospital.path("state")), Vec::<PathBuf>::new());
}

/// One that is asked in groups has far fewer of them than rows; where there are as many, they go by one by one.
/// `SAMENSOM_LARGE_ROWS` of them, 200,000 when it is not set.
#[test]
fn many_rows_stay_where_they_are() {
    let Some(mut hospital) = Hospital::new("many_large_rows", STOCK) else { return };
    let rows = std::env::var("SAMENSOM_LARGE_ROWS").map_or(200_000, |rows| rows.parse::<u64>().unwrap());
    hospital.keys = "unit = \"piece\"\nlarge = true\n".into();
    let sql = |text: &str| hospital.server.sql(&hospital.database, text);
    sql(&format!(
        "INSERT INTO voorraad SELECT 'c' || n % 1000, n % 9999 + n % 7 * 0.25, 'p' || n % 20, '2026-11-21' \
         FROM generate_series(1, {rows}) AS n; ANALYZE voorraad"
    ));
    hospital.select(SELECT);
    std::fs::create_dir(hospital.path("state")).unwrap();
    let _built = programs();
    let codes: Vec<String> = (0..200).map(|code| format!("\"c{code}\"")).collect();
    let text = format!(
        "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"stock\", dataset = \"stock\" }}\n\
         [[dimension]]\ncolumn = \"code\"\ncodes = [{}]\nother = true\n[[measure]]\nname = \"s\"\nsum = \"quantity\"\n\
         unit = \"piece\"\nscale = 0\nrange = [0, 99999999999]\n",
        codes.join(", ")
    );
    std::fs::write(hospital.path("sum.toml"), &text).unwrap();
    let moments = "[[measure]]\nname = \"m\"\nmoments = \"quantity\"\nper = \"row\"\nunit = \"piece\"\nscale = 0\nrange = [0, 20000]\n";
    std::fs::write(hospital.path("moments.toml"), format!("{text}{moments}")).unwrap();
    let file = |name: &str| hospital.path(name).display().to_string();
    for (what, args, wanted) in [
        ("surveyed", vec!["data", "check"], format!("rows: total {rows} = used {rows}")),
        (
            "surveyed twice and summed by code",
            vec!["queries", "preview", &file("sum.toml")],
            "- other, s: ".to_owned(),
        ),
        (
            "the same with moments",
            vec!["queries", "preview", &file("moments.toml")],
            format!("- other, m, n: {}", rows / 10 * 8),
        ),
    ] {
        let start = Instant::now();
        let mut agent = hospital.agent(&args);
        let mut most = 0;
        while agent.try_wait().unwrap().is_none() {
            most = super::super::limits::peak_mb(agent.id()).map_or(most, |mb| most.max(mb));
            std::thread::sleep(Duration::from_millis(2));
        }
        let ended = agent.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(said.contains(&wanted), "{said}{}", String::from_utf8_lossy(&ended.stderr));
        use std::io::Write as _;
        let seconds = start.elapsed().as_secs_f64();
        let _ = writeln!(
            std::io::stderr(),
            "{rows} rows in PostgreSQL {what}: {seconds:.1} s; peak {most} MB agent"
        );
        assert!((1..48).contains(&most), "{most} MB");
    }
    // More codes than are judged one by one.
    hospital.select(
        "SELECT 'c' || n AS code, 1 AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum FROM generate_series(0, 1000000) AS n",
    );
    let told = hospital.report_of_file().problem.unwrap();
    assert!(told.contains("more than 1000000 different codes"), "{told}");
}

/// A hospital whose rows stay in its database takes part in both passes as the others do.
#[test]
fn a_session_over_a_large_extract_has_its_sum() {
    let Some(server) = Server::start("a_session_over_a_large_extract") else { return };
    server.database("session", "CREATE TABLE v (code text, quantity numeric); GRANT SELECT ON v TO samensom");
    let mut deployment = Template::make(4, 1, Pace::of_two_passes()).deploy();
    let home = deployment.home(0);
    let database = format!(
        "host = \"{}\"\nport = {}\ndbname = \"session\"\nuser = \"samensom\"\n",
        server.socket().display(),
        server.port()
    );
    std::fs::write(home.join("database.toml"), database).unwrap();
    std::fs::write(home.join("rows.sql"), "SELECT code, quantity FROM v").unwrap();
    let toml = std::fs::read_to_string(home.join("node.toml")).unwrap();
    let of_file = "file = \"stock.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n";
    assert!(toml.contains(of_file), "{toml}");
    let of_database = "select = \"rows.sql\"\ndatabase = \"database.toml\"\nlarge = true\n";
    std::fs::write(home.join("node.toml"), toml.replace(of_file, of_database)).unwrap();
    deployment.start_all();
    for _ in 0..2 {
        let slot = deployment.next_slot();
        std::fs::remove_file(home.join("stock.csv")).unwrap();
        let rows = figures(0, slot);
        let rows: Vec<String> =
            rows.iter().enumerate().map(|(place, figure)| format!("('c{place}', {figure})")).collect();
        server.sql(
            "session",
            &format!("BEGIN; DELETE FROM v; INSERT INTO v VALUES {}; COMMIT", rows.join(", ")),
        );
        assert_eq!(deployment.run(0).sum().survivors, [0, 1, 2, 3], "{}", deployment.tails());
    }
}
