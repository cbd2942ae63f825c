//! Extracts from a database: against a real PostgreSQL server, the same rows as from a file, and nothing but
//! reading. Where there is no server the tests say so; in CI its absence is a failure.

mod failing;
mod large;
mod limits;
mod rights;
mod secrets;
mod tls;
mod values;

use samensom_node::clock::now;
use samensom_node::extract::{
    CheckReport, ExtractConfig, Frozen, Reader, Snapshots, Stop, data_check, freeze,
};
use samensom_tests::harness::programs;
use samensom_tests::postgres::Server;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const COLUMNS: &str =
    "[columns]\ncode = \"code\"\nquantity = \"aantal\"\nlocation = \"plek\"\nas_of = \"peildatum\"\n";

/// A hospital's folder, and its database on a server.
struct Hospital {
    server: Arc<Server>,
    folder: TempDir,
    database: String,
    /// Keys of the extract beside those of every one here.
    keys: String,
}

impl Hospital {
    /// Its database holds what this makes. None where there is no server.
    fn new(name: &str, sql: &str) -> Option<Hospital> {
        Server::shared(name).map(|server| Hospital::on(server, name, sql))
    }

    fn on(server: Arc<Server>, name: &str, sql: &str) -> Hospital {
        let hospital = Hospital {
            folder: TempDir::new().unwrap(),
            database: name.to_owned(),
            keys: "unit = \"piece\"\n".to_owned(),
            server,
        };
        hospital.server.database(name, sql);
        hospital.connect("user = \"samensom\"");
        hospital
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes how the server is reached: by its socket, with these lines beside.
    fn connect(&self, more: &str) {
        let (socket, port) = (self.server.socket(), self.server.port());
        let text =
            format!("host = \"{}\"\nport = {port}\ndbname = \"{}\"\n", socket.display(), self.database);
        std::fs::write(self.path("database.toml"), format!("{text}{more}\n")).unwrap();
    }

    fn select(&self, sql: &str) {
        std::fs::write(self.path("v.sql"), sql).unwrap();
    }

    fn text(&self) -> String {
        format!(
            "dataset = \"stock\"\nselect = \"v.sql\"\ndatabase = \"database.toml\"\n{}{COLUMNS}",
            self.keys
        )
    }

    fn configs(&self) -> Vec<ExtractConfig> {
        vec![toml(&self.text())]
    }

    fn freeze(&self, sql: &str) -> Result<Frozen, String> {
        self.select(sql);
        let db = self.path("slot.db");
        let _ = std::fs::remove_file(&db);
        let made = freeze(&self.configs(), self.folder.path(), &db, now()).map_err(|error| error.to_string());
        assert!(!self.path("slot.db.part").exists(), "nothing is left of a draft");
        assert!(made.is_ok() || !db.exists());
        made
    }

    fn refused(&self, sql: &str) -> String {
        self.freeze(sql).map(drop).expect_err(sql)
    }

    fn report(&self, sql: &str) -> CheckReport {
        self.select(sql);
        self.report_of_file()
    }

    /// Of the SELECT that stands there.
    fn report_of_file(&self) -> CheckReport {
        data_check(&self.configs(), self.folder.path(), None, now()).remove(0)
    }

    /// Freezes by a child in another thread.
    fn reading(&self, slot: u64, stop: &Stop) -> std::thread::JoinHandle<Result<Frozen, String>> {
        let (configs, folder, stop) = (self.configs(), self.folder.path().to_owned(), stop.clone());
        std::thread::spawn(move || {
            let reader = Reader::Child(programs().join("samensom-node"));
            let snapshots = Snapshots::of_state(&folder.join("state"));
            let made = snapshots.of_slot(&reader, &configs, &folder, ("goods", slot), now(), &stop);
            made.map_err(|error| error.to_string())
        })
    }

    /// Starts `samensom-node` over this folder.
    fn agent(&self, args: &[&str]) -> Child {
        let text = self.text().replace("[columns]", "[extract.columns]");
        let toml = format!("[node]\nstate = \"state\"\n[[extract]]\n{text}");
        std::fs::write(self.path("node.toml"), toml).unwrap();
        let mut command = Command::new(programs().join("samensom-node"));
        command.arg("--config").arg(self.path("node.toml")).args(args).env("SAMENSOM_NODE_LOG", "trace");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// All that it says, on stdout and stderr.
    fn said(&self, args: &[&str]) -> String {
        let ended = self.agent(args).wait_with_output().unwrap();
        String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned()
    }
}

fn toml(text: &str) -> ExtractConfig {
    // Through JSON, so that the tests need no parser of their own.
    samensom_node::config::Config::parse(
        &format!("[[extract]]\n{}", text.replace("[columns]", "[extract.columns]")),
        Path::new("/node.toml"),
    )
    .unwrap_or_else(|error| panic!("{error}"))
    .extracts
    .remove(0)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The file in which a result is kept, once it has some rows.
fn kept(folder: &Path) -> Option<PathBuf> {
    let files = samensom_tests::harness::files(folder).into_iter();
    let mut kept = files.filter(|path| path.extension().is_some_and(|name| name == "rows"));
    kept.find(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0))
}

const STOCK: &str = "CREATE TABLE voorraad (code text, aantal numeric, plek text, peildatum date);
    GRANT SELECT ON voorraad TO samensom, samensom_password;";
const SELECT: &str = "SELECT code, aantal, plek, peildatum FROM voorraad";

/// Rows that come slowly, without an end that a test would see. The series stands where the server makes it row by
/// row, and does not put all of it by first.
const SLOW: &str =
    "SELECT 'a' AS code, 1 AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum, repeat('x', 9000)
    FROM (SELECT generate_series(1, 100000000) AS n) AS s WHERE pg_sleep(0.001) IS NOT NULL";

/// The n-th of rows with all that a CSV file could stumble over.
fn row(n: u64) -> (String, String, String) {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let places =
        ["", "ok", "IC \"noord\", kast;3", "'s-Hertogenbosch", " café ", "a\\b\tc", "$$", "NULL", "\\."];
    let (whole, parts) = (mixed % 100_000, mixed % 1_000_000);
    let sign = if mixed.is_multiple_of(7) { "-" } else { "" };
    let place = places[usize::try_from(mixed % 9).unwrap()].replace('\t', " ");
    (format!("{:05}", mixed % 500), format!("{sign}{whole}.{parts:06}"), place)
}

/// The same rows as a file in another dialect and in the database, where nothing is null.
#[test]
fn the_rows_are_those_of_the_same_file() {
    let Some(hospital) = Hospital::new("the_rows_are_those_of_the_same_file", STOCK) else { return };
    let (mut csv, mut sql) = ("code;aantal;plek;peildatum\n".to_owned(), String::new());
    for n in 0..5_000 {
        let (code, quantity, place) = row(n);
        let cell = format!("\"{}\"", place.replace('"', "\"\""));
        writeln!(csv, "{code};{};{cell};21-11-2026", quantity.replace('.', ",")).unwrap();
        let null =
            if place.is_empty() { "NULL".to_owned() } else { format!("'{}'", place.replace('\'', "''")) };
        writeln!(sql, "INSERT INTO voorraad VALUES ('{code}', {quantity}, {null}, '2026-11-21');").unwrap();
    }
    hospital.server.sql(&hospital.database, &format!("BEGIN; {sql} COMMIT"));
    std::fs::write(hospital.path("stock.csv"), csv).unwrap();
    let file = "dataset = \"stock\"\nfile = \"stock.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n\
                date = \"%d-%m-%Y\"\n";
    let twin = [toml(&format!("{file}{}{COLUMNS}", hospital.keys))];
    let twin = freeze(&twin, hospital.folder.path(), &hospital.path("twin.db"), now()).unwrap();
    let here = hospital.freeze(&format!("{SELECT};\n-- done\n")).unwrap();
    assert_eq!((here.accounting[0].used, here.content), (5_000, twin.content));
    assert_ne!(here.hash, twin.hash, "the description is another");
    // By a child, as the shipped program reads: no network and no file but the kept result.
    let by_child = hospital.reading(1, &Stop::default()).join().unwrap().unwrap();
    assert_eq!((by_child.hash, &by_child.accounting), (here.hash, &here.accounting));
    let left = samensom_tests::harness::files(&hospital.path("state"));
    assert_eq!(left, [by_child.path()], "the snapshot and nothing beside it");
}
