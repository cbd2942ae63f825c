//! The file that says which database server of the hospital's is asked, and how it is reached.
//!
//! Owns its keys, and what may go over a network: nothing in the clear, and nothing to a server that cannot
//! show who it is. The password stands in a file of its own, which not everybody may read; it is read here and
//! told to the server alone. It must not connect.

use super::Fault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::time::Duration;
use zeroize::Zeroizing;

const KEYS: &str = "engine, host, port, dbname, user, password_file, tls, ca";
/// How long a server may take to answer at all.
#[cfg(feature = "postgres")]
const DIAL: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    engine: Engine,
    host: String,
    #[serde(default)]
    port: Option<u16>,
    dbname: String,
    user: String,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    tls: Option<Tls>,
    #[serde(default)]
    ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    #[default]
    PostgreSql,
    SqlServer,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tls {
    Verify,
    Off,
}

/// How a server is reached, checked as far as files go.
pub(super) struct Connection {
    /// Where it is, for people.
    pub(super) server: String,
    /// The file that said so.
    pub(super) path: PathBuf,
    /// As whom.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "of PostgreSQL's roles alone more is told")
    )]
    pub(super) user: String,
    pub(super) how: How,
}

/// The same in the words of a server's own library.
pub(super) enum How {
    /// Without TLS over a socket or loopback.
    #[cfg(feature = "postgres")]
    PostgreSql(Box<(tokio_postgres::Config, Option<ClientConfig>)>),
    #[cfg(feature = "mssql")]
    SqlServer(Box<tiberius::Config>),
}

impl Connection {
    pub(super) fn read(path: &Path) -> Result<Connection, Fault> {
        let fault = |what: String, todo: &str| Fault::new(path, what, todo);
        let text = fs::read_to_string(path)
            .map_err(|error| fault(format!("cannot be read: {error}"), "let the agent's user read it"))?;
        let file: File = toml::from_str(&text).map_err(|error| not_read(path, &text, &error))?;
        let socket = file.host.starts_with('/');
        let tls = tls(path, &file, socket)?;
        let password = match &file.password_file {
            Some(name) => Some(password(&beside(path, name))?),
            None if socket => None,
            None => {
                return Err(fault(
                    "no password_file, and the server is reached over a network".to_owned(),
                    "name the file that holds the password; a login without one (peer) is by socket only",
                ));
            }
        };
        let (how, usual) = match file.engine {
            Engine::PostgreSql => (postgresql(path, &file, tls, password)?, 5432),
            Engine::SqlServer => (sqlserver(path, &file, password)?, 1433),
        };
        let port = file.port.unwrap_or(usual);
        let server =
            if socket { format!("{}/.s.PGSQL.{port}", file.host) } else { format!("{}:{port}", file.host) };
        Ok(Connection { server, path: path.to_owned(), user: file.user, how })
    }
}

type Password = Option<Zeroizing<Vec<u8>>>;

#[cfg(feature = "postgres")]
fn postgresql(_: &Path, file: &File, tls: Option<ClientConfig>, password: Password) -> Result<How, Fault> {
    use tokio_postgres::config::SslMode;
    let mut how = tokio_postgres::Config::new();
    how.host(&file.host).port(file.port.unwrap_or(5432)).dbname(&file.dbname).user(&file.user);
    how.application_name("samensom-node").connect_timeout(DIAL).keepalives_idle(Duration::from_secs(30));
    how.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    if let Some(password) = password {
        how.password(password.as_slice());
    }
    Ok(How::PostgreSql(Box::new((how, tls))))
}

#[cfg(not(feature = "postgres"))]
fn postgresql(path: &Path, _: &File, _: Option<ClientConfig>, _: Password) -> Result<How, Fault> {
    let todo = "use the program that was built with `--features postgres`";
    Err(Fault::new(path, "this build has no PostgreSQL", todo))
}

#[cfg(feature = "mssql")]
fn sqlserver(path: &Path, file: &File, password: Password) -> Result<How, Fault> {
    use tiberius::{AuthMethod, EncryptionLevel};
    let password = password.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok().map(Zeroizing::new));
    let Some(password) = password.filter(|_| !file.host.starts_with('/')) else {
        let todo = "name its host, and the file of its password in UTF-8";
        return Err(Fault::new(path, "SQL Server is reached over a network, with a password", todo));
    };
    let mut how = tiberius::Config::new();
    how.host(&file.host);
    how.port(file.port.unwrap_or(1433));
    how.database(&file.dbname);
    how.application_name("samensom-node");
    how.readonly(true);
    how.authentication(AuthMethod::sql_server(&file.user, password.as_str()));
    match &file.ca {
        Some(ca) => {
            how.encryption(EncryptionLevel::Required);
            how.trust_cert_ca(beside(path, ca).display());
        }
        None => how.encryption(EncryptionLevel::NotSupported),
    }
    Ok(How::SqlServer(Box::new(how)))
}

#[cfg(not(feature = "mssql"))]
fn sqlserver(path: &Path, _: &File, _: Password) -> Result<How, Fault> {
    let todo = "use a program that was built with `--features mssql`, or export a file and declare `file`";
    Err(Fault::new(path, "this build has no SQL Server", todo))
}

fn beside(path: &Path, name: &Path) -> PathBuf {
    path.parent().map_or_else(|| name.to_owned(), |folder| folder.join(name))
}

/// The parser quotes no line of the file, which may hold what it should not.
fn not_read(path: &Path, text: &str, error: &toml::de::Error) -> Fault {
    let known = "correct this line, expected are";
    let at = error.span().map(|span| span.start);
    let line = at.map(|at| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1);
    let message = error.message().trim_end();
    if message.contains("unknown field `password`") {
        let what = "`password`: a password never stands in this file";
        return Fault::new(path, what, "put it alone in a file and name that with password_file")
            .at(line.and_then(|line| u64::try_from(line).ok()).map(|line| (line, 1)));
    }
    // A wrong value is not repeated: only the words about keys are.
    let about_keys = message.starts_with("unknown field") || message.starts_with("missing ");
    let what = if about_keys {
        message.replace("; ", ", ")
    } else {
        "not TOML, or not a value of this key".to_owned()
    };
    Fault::new(path, what, format!("{known} {KEYS}, each once"))
        .at(line.and_then(|line| u64::try_from(line).ok()).map(|line| (line, 1)))
}

/// What protects the way to the server; refused where nothing would.
fn tls(path: &Path, file: &File, socket: bool) -> Result<Option<ClientConfig>, Fault> {
    let here = socket
        || file.host == "localhost"
        || file.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let fault = |what: &str, todo: &str| Err(Fault::new(path, what, todo));
    match (file.tls, &file.ca) {
        (Some(Tls::Verify), _) if socket => {
            fault("tls = \"verify\" over a socket, which has no TLS", "leave tls and ca out")
        }
        (Some(Tls::Verify), Some(ca)) => client(&beside(path, ca)).map(Some),
        (Some(Tls::Verify), None) => fault(
            "tls = \"verify\" without ca",
            "name the file of certificates (PEM) that the server's certificate is checked against",
        ),
        (Some(Tls::Off) | None, Some(_)) => {
            fault("ca without tls = \"verify\"", "declare tls = \"verify\", or leave ca out")
        }
        (Some(Tls::Off), None) if !here => fault(
            "tls = \"off\" to another machine",
            "declare tls = \"verify\" and ca; off is for a socket or a loopback address alone",
        ),
        (None, None) if !socket => {
            fault("no tls", "declare tls = \"verify\" and ca, or \"off\" if the server is on this machine")
        }
        (Some(Tls::Off) | None, None) => Ok(None),
    }
}

/// TLS 1.3 towards a server whose certificate one of these has signed, for the name that is dialled.
fn client(ca: &Path) -> Result<ClientConfig, Fault> {
    let unfit =
        |what: String| Fault::new(ca, what, "put the certificates that sign the server's in it, as PEM");
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(ca).map_err(|error| unfit(format!("cannot be read: {error}")))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unfit(format!("no PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| unfit(format!("a certificate that cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(unfit("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let with = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unfit(format!("TLS cannot be used: {error}")))?;
    Ok(with.with_root_certificates(roots).with_no_client_auth())
}

/// The first line of a file that not everybody may read.
fn password(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let fault = |what: String, todo: &str| Fault::new(path, what, todo);
    let failed = |error: std::io::Error| {
        fault(
            format!("the password's file cannot be read: {error}"),
            "let the agent's user read it, and nobody else",
        )
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        let what = format!("the password's file may be read or changed by others (rights {mode:03o})");
        return Err(fault(what, "run `chmod 600` on it, or `chmod 640` with the agent's group"));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(failed)?);
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    if line.is_empty() {
        return Err(fault("no password in it".to_owned(), "put the password alone on its first line"));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, text).unwrap();
        for (name, mode) in [("good", 0o640), ("open", 0o644), ("empty", 0o600), ("ca", 0o644)] {
            let text = if name == "empty" { "\nx" } else { "geheim\n" };
            fs::write(folder.path().join(name), text).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let read = Connection::read(&path);
        read.map_or_else(|fault| fault.to_string(), |connection| format!("good: {}", connection.server))
    }

    #[test]
    fn the_shipped_sample_is_a_way_to_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let sample = include_str!("../../../../deploy/config/database.toml");
        let path = folder.path().join("database.toml");
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            Connection::read(&path).map_or_else(|fault| fault.to_string(), |connection| connection.server)
        };
        assert_eq!(told(sample), "/run/postgresql/.s.PGSQL.5432");
        // Its lines for a server over the network, in place of the socket.
        let network: Vec<&str> = sample.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
        let text = sample.replace("host = \"/run/postgresql\"", &network.join("\n"));
        let told = told(&text);
        assert!(told.contains("apotheek-ca.pem: cannot be read"), "{told}");
    }

    const REST: &str = "dbname = \"d\"\nuser = \"u\"\n";

    #[test]
    fn a_way_to_the_server_is_safe_or_refused() {
        for (text, wanted) in [
            ("host = \"/run/pg\"", "good: /run/pg/.s.PGSQL.5432"),
            ("host = \"/run/pg\"\nport = 5433\ntls = \"off\"", "good: /run/pg/.s.PGSQL.5433"),
            ("host = \"/run/pg\"\ntls = \"verify\"\nca = \"ca\"", "over a socket, which has no TLS"),
            ("host = \"127.0.0.1\"\ntls = \"off\"\npassword_file = \"good\"", "good: 127.0.0.1:5432"),
            ("host = \"::1\"\ntls = \"off\"\npassword_file = \"good\"", "good: ::1:5432"),
            ("host = \"127.0.0.1\"\ntls = \"off\"", "no password_file"),
            ("host = \"127.0.0.1\"\npassword_file = \"good\"", "no tls; declare"),
            ("host = \"db.local\"\npassword_file = \"good\"", "no tls; declare"),
            ("host = \"db.local\"\ntls = \"off\"\npassword_file = \"good\"", "to another machine"),
            ("host = \"10.0.0.1\"\ntls = \"off\"\npassword_file = \"good\"", "to another machine"),
            ("host = \"db.local\"\ntls = \"verify\"\npassword_file = \"good\"", "without ca"),
            ("host = \"db.local\"\nca = \"ca\"\npassword_file = \"good\"", "ca without tls"),
            (
                "host = \"db.local\"\ntls = \"verify\"\nca = \"ca\"\npassword_file = \"good\"",
                "ca: no certificate in it",
            ),
            (
                "host = \"db.local\"\ntls = \"verify\"\nca = \"none\"\npassword_file = \"good\"",
                "cannot be read",
            ),
            (
                "host = \"/run/pg\"\npassword_file = \"open\"",
                "open: the password's file may be read or changed by others",
            ),
            ("host = \"/run/pg\"\npassword_file = \"empty\"", "empty: no password in it"),
            ("host = \"/run/pg\"\npassword_file = \"none\"", "none: the password's file cannot be read"),
            (
                "host = \"/run/pg\"\npassword = \"geheim\"",
                ":4:1: `password`: a password never stands in this file",
            ),
            ("host = \"/run/pg\"\npasword_file = \"x\"", ":4:1: unknown field `pasword_file`"),
            ("host = \"/run/pg\"\ntls = \"geheim\"", ":4:1: "),
            ("host = \"/run/pg\"\nport = \"geheim\"", ":4:1: "),
            ("port = 1", "missing field `host`"),
            ("host = \"/run/pg\"\nengine = \"oracle\"", ":4:1: "),
            ("host = \"/run/pg\"\nengine = \"sqlserver\"", "SQL Server"),
        ] {
            let told = told(&format!("{REST}{text}\n"));
            assert!(told.contains(wanted), "{text}\n{told}");
            assert!(!told.contains("geheim"), "{told}");
        }
    }
}
