//! Over a network only by TLS, to the server whose name the certificate has, signed by whom the hospital named.

use super::*;
use samensom_tests::postgres::PASSWORD;
use std::os::unix::fs::PermissionsExt as _;

/// The lines of one key and certificate by `openssl`, which comes with the server's package.
fn openssl(folder: &Path, args: &[&str]) {
    let mut command = Command::new("openssl");
    let ended = command.args(args).current_dir(folder).output().expect("openssl runs");
    assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// An authority of this name, and a server's certificate that it signed for `localhost`.
fn authority(folder: &Path, name: &str) {
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let (ca, ca_key, subject) = (format!("{name}.pem"), format!("{name}.key"), format!("/CN={name}"));
    let own = ["req", "-x509", "-days", "2", "-subj", &subject, "-keyout", &ca_key, "-out", &ca];
    openssl(folder, &[&own[..], &new[..]].concat());
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    openssl(
        folder,
        &[&["req", "-subj", "/CN=db", "-keyout", "s.key", "-out", "s.csr"][..], &new[..]].concat(),
    );
    let sign =
        ["x509", "-req", "-in", "s.csr", "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "2"];
    openssl(folder, &[&sign[..], &["-extfile", "names", "-out", "s.pem"][..]].concat());
}

/// Writes that the server is reached so.
fn by(hospital: &Hospital, host: &str, tls: &str) {
    let port = hospital.server.port();
    let text = format!(
        "host = \"{host}\"\nport = {port}\ndbname = \"over_the_network\"\nuser = \"samensom_password\"\n\
         password_file = \"password\"\n{tls}\n"
    );
    std::fs::write(hospital.path("database.toml"), text).unwrap();
}

#[test]
fn a_server_over_the_network_shows_who_it_is() {
    let Some(server) = Server::start("a_server_over_the_network").map(Arc::new) else { return };
    let mut hospital = Hospital::on(Arc::clone(&server), "over_the_network", STOCK);
    server.sql(&hospital.database, "INSERT INTO voorraad VALUES ('a', 1, '', '2026-11-21')");
    authority(hospital.folder.path(), "other");
    authority(hospital.folder.path(), "right");
    let [certificate, key] =
        ["s.pem", "s.key"].map(|name| std::fs::read_to_string(hospital.path(name)).unwrap());
    server.listen_with_tls(&certificate, &key);
    std::fs::write(hospital.path("password"), PASSWORD).unwrap();
    std::fs::set_permissions(hospital.path("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    by(&hospital, "localhost", "tls = \"verify\"\nca = \"right.pem\"");
    assert_eq!(hospital.freeze(SELECT).unwrap().accounting[0].used, 1);
    assert_eq!(hospital.reading(1, &Stop::default()).join().unwrap().unwrap().accounting[0].used, 1);
    // A SELECT that is given up is cancelled over TLS too.
    hospital.keys = "unit = \"piece\"\nmax_rows = 5\n".into();
    let many = "SELECT 'a' AS code, 1 AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum FROM (SELECT generate_series(1, 100000000) AS n) AS s";
    assert!(hospital.refused(many).contains("more than 5 rows"));
    hospital.keys = "unit = \"piece\"\n".into();
    for (host, tls, wanted) in [
        (
            "localhost",
            "tls = \"verify\"\nca = \"other.pem\"",
            "invalid peer certificate: UnknownIssuer; check that `ca` has signed",
        ),
        ("127.0.0.1", "tls = \"verify\"\nca = \"right.pem\"", "certificate not valid for name \"127.0.0.1\""),
        // The server takes nothing over the network without TLS.
        ("localhost", "tls = \"off\"", "SQLSTATE 28000"),
    ] {
        by(&hospital, host, tls);
        let refused = hospital.refused(SELECT);
        assert!(refused.contains(wanted), "{host} {tls}: {refused}");
        assert!(!refused.contains(PASSWORD), "{refused}");
    }
}
