//! Nothing but reading: by the text, by the session whatever the role may do, and by the role itself.

use super::*;

/// A function that writes, and one that tries to get out of the read-only transaction first; the role may do both.
const WRITERS: &str = "
    CREATE TABLE voorraad (code text, aantal numeric, plek text, peildatum date);
    INSERT INTO voorraad VALUES ('a', 1, '', '2026-11-21');
    CREATE SEQUENCE nummer;
    CREATE FUNCTION schrijf() RETURNS int LANGUAGE sql VOLATILE AS
        $$ INSERT INTO voorraad VALUES ('x', 1, '', '2026-11-21'); SELECT 1 $$;
    CREATE FUNCTION uit() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true);
           INSERT INTO voorraad VALUES ('y', 1, '', '2026-11-21'); RETURN 1; END $$;
    CREATE FUNCTION stil() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN BEGIN PERFORM set_config('transaction_read_only', 'off', true); EXCEPTION WHEN others THEN NULL; END;
           DELETE FROM voorraad; RETURN 1; END $$;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO samensom;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO samensom;";

fn with(column: &str) -> String {
    format!("SELECT code, aantal, plek, peildatum, {column} FROM voorraad")
}

#[test]
fn what_writes_is_refused_by_the_session() {
    let Some(hospital) = Hospital::new("what_writes_is_refused", WRITERS) else { return };
    let rows = || hospital.server.sql(&hospital.database, "SELECT count(*), sum(aantal) FROM voorraad");
    // It is this session that refuses: the role itself may do all of it.
    let may = "SET ROLE samensom; BEGIN; SELECT schrijf(), nextval('nummer'); SELECT stil(); SELECT count(*) FROM voorraad; ROLLBACK";
    let done = hospital.server.sql(&hospital.database, may);
    assert!(done.ends_with('0'), "{done}");
    let before = rows();
    for (column, words) in [
        (
            "nextval('nummer')",
            "it writes, which this session may not: cannot execute nextval() in a read-only transaction",
        ),
        ("schrijf()", "it writes, which this session may not (SQLSTATE 25006)"),
        ("stil()", "it writes, which this session may not (SQLSTATE 25006)"),
        ("uit()", "(SQLSTATE 25001)"),
    ] {
        let refused = hospital.refused(&with(column));
        assert!(refused.contains("v.sql: ") && refused.contains(words), "{column}: {refused}");
        assert_eq!(rows(), before, "{column}");
    }
    assert_eq!(hospital.freeze(&with("1")).unwrap().accounting[0].used, 1);
}

#[test]
fn what_is_no_single_select_reaches_no_server() {
    let Some(hospital) = Hospital::new("what_is_no_single_select", WRITERS) else { return };
    // Nobody answers there, and nobody is asked.
    std::fs::write(hospital.path("database.toml"), "nothing").unwrap();
    for (sql, words) in [
        ("SELECT 1;\nDROP TABLE voorraad", "v.sql:2:1: a second statement; write one SELECT"),
        ("INSERT INTO voorraad VALUES (1)", "v.sql:1:1: `INSERT` where SELECT or WITH is expected"),
        ("SELECT code\nINTO weg FROM voorraad", "v.sql:2:1: INTO, which makes a table"),
        (
            "WITH w AS (DELETE FROM voorraad RETURNING *) SELECT * FROM w",
            "v.sql:1:12: a statement that writes",
        ),
        ("SELECT * FROM voorraad FOR UPDATE", "v.sql:1:24: FOR UPDATE or FOR SHARE, which locks rows"),
    ] {
        let refused = hospital.refused(sql);
        assert!(refused.contains(words), "{sql}\n{refused}");
        let said = hospital.said(&["check"]);
        let found = words.split("; ").next().unwrap();
        assert!(
            said.contains(&format!("FAIL  data      stock: {}/{found}", hospital.folder.path().display())),
            "{said}"
        );
    }
}

#[test]
fn a_role_that_may_write_is_told() {
    let Some(hospital) = Hospital::new("a_role_that_may_write", WRITERS) else { return };
    let warning = |sql: &str| {
        hospital.server.sql(&hospital.database, sql);
        hospital.report(SELECT).warning.unwrap_or_default()
    };
    let all = warning("GRANT CREATE ON SCHEMA public TO samensom");
    assert!(
        all.starts_with(
            "role `samensom` may write nummer, may write voorraad, may make tables in schema public;"
        ),
        "{all}"
    );
    let said = hospital.said(&["check"]);
    assert!(said.contains("warn  data      stock: role `samensom` may write nummer"), "{said}");
    assert!(said.contains("do:  take these rights from it, for it needs SELECT"), "{said}");
    assert!(hospital.said(&["data", "check"]).contains("  warn: role `samensom` may write"));
    let none = "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM samensom; REVOKE ALL ON SEQUENCE nummer FROM samensom;
                REVOKE CREATE ON SCHEMA public FROM samensom; GRANT SELECT ON voorraad TO samensom";
    assert_eq!(warning(none), "");
    for (grant, revoke, words) in [
        (
            "GRANT UPDATE (aantal) ON voorraad TO samensom",
            "REVOKE UPDATE (aantal) ON voorraad FROM samensom",
            "may write voorraad;",
        ),
        ("ALTER ROLE samensom CREATEDB", "ALTER ROLE samensom NOCREATEDB", "may make roles or databases"),
        (
            "GRANT pg_execute_server_program TO samensom",
            "REVOKE pg_execute_server_program FROM samensom",
            "is a member of pg_execute_server_program;",
        ),
        ("ALTER ROLE samensom SUPERUSER", "ALTER ROLE samensom NOSUPERUSER", "role `samensom` is superuser;"),
    ] {
        let told = warning(grant);
        assert!(told.contains(words), "{grant}: {told}");
        assert_eq!(warning(revoke), "", "{revoke}");
    }
}
