//! The password and the rows stay where they are: in no text that anybody is shown, in no log.

use super::*;
use samensom_tests::postgres::PASSWORD;
use std::os::unix::fs::PermissionsExt as _;

fn password(hospital: &Hospital, text: &str) {
    let path = hospital.path("password");
    std::fs::write(&path, format!("{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    hospital.connect("user = \"samensom_password\"\npassword_file = \"password\"");
}

#[test]
fn a_password_lets_in_and_is_never_shown() {
    let Some(hospital) = Hospital::new("a_password_lets_in", STOCK) else { return };
    hospital.server.sql(&hospital.database, "INSERT INTO voorraad VALUES ('a', 1, '', '2026-11-21')");
    password(&hospital, PASSWORD);
    assert_eq!(hospital.freeze(SELECT).unwrap().accounting[0].used, 1);
    let good = hospital.said(&["data", "check"]);
    assert!(good.contains("used 1"), "{good}");
    let wrong = format!("{PASSWORD}-anders");
    password(&hospital, &wrong);
    let refused = hospital.refused(SELECT);
    for part in [
        "database.toml: ",
        "lets nobody in: password authentication failed for user \"samensom_password\" (SQLSTATE 28P01)",
        "check user and password_file",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    let checked = hospital.said(&["check"]);
    assert!(checked.contains("password authentication failed"), "{checked}");
    for text in [good, refused, checked, format!("{:?}", hospital.configs())] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let rights = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(hospital.path("password"), rights).unwrap();
    let open = hospital.refused(SELECT);
    assert!(
        open.contains("password: the password's file may be read or changed by others (rights 644)"),
        "{open}"
    );
}

#[test]
fn what_the_server_says_of_a_row_is_not_repeated() {
    let shout = "CREATE FUNCTION roep(t text) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'wie is %', t USING ERRCODE = t, DETAIL = 'geheime-rij', HINT = 'geheime-rij'; END $$;";
    let Some(hospital) = Hospital::new("what_the_server_says_of_a_row", &format!("{STOCK}{shout}")) else {
        return;
    };
    let insert = "INSERT INTO voorraad VALUES ('geheime-rij', 0, 'geheime-rij', '2026-11-21')";
    hospital.server.sql(&hospital.database, insert);
    let from = "plek, peildatum FROM voorraad";
    for (columns, code) in [
        ("code, plek::int AS aantal", "22P02"),
        ("code, 1 / aantal AS aantal", "22012"),
        ("code, to_number(plek, '9') AS aantal", "22P02"),
        // A function may say anything with any code.
        ("code, roep('42501') AS aantal", "42501"),
        ("code, roep('25006') AS aantal", "25006"),
        ("code, roep('42P01') AS aantal", "42P01"),
        ("code, roep('28000') AS aantal", "28000"),
        ("code, roep('P0001') AS aantal", "P0001"),
        ("code, query_to_xml('SELECT ' || quote_ident(plek), true, true, '')::text::int AS aantal", "42703"),
    ] {
        let sql = format!("SELECT {columns}, {from}");
        let refused = hospital.refused(&sql);
        assert!(refused.contains(&format!("SQLSTATE {code})")), "{columns}: {refused}");
        for text in [refused, hospital.said(&["data", "check"]), hospital.said(&["check"])] {
            assert!(text.contains(code) && !text.contains("geheime"), "{columns}: {text}");
            assert!(!text.contains("wie is"), "{columns}: {text}");
        }
    }
    // Before a row is read its words are of the SELECT alone; class 22 is kept back even then.
    let early = hospital.refused("SELECT code, 'geheime-rij'::int AS aantal, plek, peildatum FROM voorraad");
    assert!(early.contains("SQLSTATE 22P02") && !early.contains("geheime"), "{early}");
}
