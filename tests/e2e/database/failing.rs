//! A server that is away, goes away, or does not let the role in.

use super::*;

#[test]
fn each_way_of_failing_says_what_to_do() {
    let Some(hospital) = Hospital::new("each_way_of_failing", STOCK) else { return };
    let told = |sql: &str| hospital.refused(sql);
    let place = told("SELECT code,\n  aantall, plek FROM voorraad");
    assert!(
        place
            .contains("v.sql:2:3: the server refuses it: column \"aantall\" does not exist (SQLSTATE 42703)"),
        "{place}"
    );
    let table = told("SELECT code FROM niets");
    assert!(table.contains("v.sql:1:18: ") && table.contains("correct the name, and see whether"), "{table}");
    hospital.server.sql(&hospital.database, "REVOKE SELECT ON voorraad FROM samensom");
    let rights = told(SELECT);
    assert!(
        rights
            .contains("may not read it: permission denied for table voorraad (SQLSTATE 42501); let the role"),
        "{rights}"
    );
    hospital.connect("user = \"niemand\"");
    let role = told(SELECT);
    assert!(
        role.contains("database.toml: ") && role.contains("role \"niemand\" does not exist (SQLSTATE 28000)"),
        "{role}"
    );
    let toml = std::fs::read_to_string(hospital.path("database.toml")).unwrap();
    std::fs::write(hospital.path("database.toml"), toml.replace("each_way_of_failing", "elders")).unwrap();
    let database = told(SELECT);
    assert!(database.contains("SQLSTATE") && !database.contains("no connection"), "{database}");
    std::fs::write(hospital.path("database.toml"), toml.replace("port = ", "port = 1 #")).unwrap();
    let away = told(SELECT);
    assert!(
        away.contains(".s.PGSQL.1: no connection: ") && away.contains("see whether the server runs"),
        "{away}"
    );
    std::fs::remove_file(hospital.path("database.toml")).unwrap();
    let absent = told(SELECT);
    assert!(
        absent.contains("database.toml: cannot be read") && absent.contains("let the agent's user"),
        "{absent}"
    );
}

#[test]
fn another_extract_is_read_when_a_database_is_away() {
    let Some(hospital) = Hospital::new("another_extract_is_read", STOCK) else { return };
    hospital.server.sql(&hospital.database, "INSERT INTO voorraad VALUES ('a', 1, '', '2026-11-21')");
    hospital.select(SELECT);
    std::fs::write(hospital.path("use.csv"), "c;q;p\na;1;2026-11-01\n").unwrap();
    let of_use = "dataset = \"use\"\nfile = \"use.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\nunit = \"piece\"\n\
                  [columns]\ncode = \"c\"\nquantity = \"q\"\nperiod = \"p\"\n";
    let mut configs = hospital.configs();
    configs.push(toml(of_use));
    let reports = || {
        let all = data_check(&configs, hospital.folder.path(), None, now());
        let facts = all.into_iter().map(|report| (report.dataset, report.complete));
        facts.collect::<Vec<_>>()
    };
    let both = |stock| [("stock".to_owned(), stock), ("use".to_owned(), true)];
    assert_eq!(reports(), both(true));
    hospital.connect("user = \"niemand\"");
    assert_eq!(reports(), both(false));
}

#[test]
fn a_server_that_dies_in_the_middle_gives_no_extract() {
    let Some(server) = Server::start("a_server_that_dies_in_the_middle").map(Arc::new) else { return };
    let whose = "FROM pg_stat_activity WHERE application_name = 'samensom-node'";
    for (how, words) in [
        ("terminate", "v.sql: the server ended the session (SQLSTATE 57P01)"),
        ("kill", "v.sql: the server went away in the middle: "),
        ("stop", "v.sql: the server "),
    ] {
        let hospital = Hospital::on(Arc::clone(&server), &format!("dies_{how}"), STOCK);
        server.sql(&hospital.database, "INSERT INTO voorraad VALUES ('a', 1, '', '2026-11-21')");
        hospital.select(SELECT);
        let good = hospital.reading(1, &Stop::default()).join().unwrap().unwrap();
        hospital.select(SLOW);
        let reading = hospital.reading(2, &Stop::default());
        until("rows come", || kept(&hospital.path("state")));
        match how {
            "terminate" => drop(server.sql("postgres", &format!("SELECT pg_terminate_backend(pid) {whose}"))),
            "kill" => {
                let id = server.sql("postgres", &format!("SELECT pid {whose}"));
                assert!(Command::new("kill").args(["-s", "KILL", &id]).status().unwrap().success());
            }
            _ => server.stop(),
        }
        let error = reading.join().unwrap().unwrap_err();
        assert!(error.contains(words), "{how}: {error}");
        let left = samensom_tests::harness::files(&hospital.path("state"));
        assert_eq!(left, [good.path()], "{how}: the last good snapshot and nothing beside it");
        if how == "stop" {
            let away = hospital.reading(3, &Stop::default()).join().unwrap().unwrap_err();
            assert!(
                away.contains("no connection: ") && away.contains("see whether the server runs"),
                "{away}"
            );
        } else {
            server.wait();
        }
    }
}
