//! A real PostgreSQL server of the system's package, for the tests: made, started, and gone with its handle.
//!
//! Owns the server's folder and process. It listens on a socket, and on loopback where TLS is asked for; it runs
//! as an unprivileged account, for it refuses to run as root. It ends with this process, however that ends.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// When it is set, a test that finds no server fails.
pub const REQUIRED: &str = "SAMENSOM_POSTGRES_REQUIRED";
const PATIENCE: Duration = Duration::from_secs(60);
/// `nobody`, where this process may choose.
const ACCOUNT: u32 = 65_534;
/// Of the role that the extracts are read with.
pub const PASSWORD: &str = "geheim-wachtwoord-7";

/// Local roles come in by trust but for the one with a password; over the network only with TLS.
const ACCESS: &str = "local all samensom_password scram-sha-256\nlocal all all trust\n\
                      hostssl all samensom_password 127.0.0.1/32 scram-sha-256\n";

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    process: Mutex<Child>,
    port: u16,
}

/// Where the server's programs are; says on stderr what does not run without them.
///
/// # Panics
/// Without them, where they are required.
fn programs(what: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    found.sort();
    if found.is_empty() {
        let absent =
            format!("{what}; no server in /usr/lib/postgresql/*/bin: install the package postgresql");
        assert!(std::env::var_os(REQUIRED).is_none(), "{absent} ({REQUIRED} is set)");
        let _ = writeln!(std::io::stderr(), "NOT RUN: {absent}");
    }
    found.pop()
}

/// As another account where this one is root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let account = ACCOUNT.to_string();
    command.args(["--reuid", &account, "--regid", &account, "--clear-groups"]).arg(program);
    command
}

fn done(command: &mut Command) -> String {
    let ended = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

impl Server {
    /// The server that tests share: it stops with the last of them. None where there is no package.
    #[must_use]
    pub fn shared(what: &str) -> Option<Arc<Server>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Server::start(what)?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server of one's own. None where there is no package.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(what: &str) -> Option<Server> {
        let programs = programs(what)?;
        // A socket's path is short.
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("rights");
        for name in ["data", "run"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder");
            if rustix::process::geteuid().is_root() {
                chown(&path, Some(ACCOUNT), Some(ACCOUNT)).expect("its owner");
            }
        }
        let data = folder.path().join("data");
        let mut make = unprivileged(&programs.join("initdb"));
        make.args([
            "--username",
            "owner",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
            "--pgdata",
        ]);
        done(make.arg(&data).args(["--auth", "trust"]).current_dir("/"));
        fs::write(data.join("pg_hba.conf"), ACCESS).expect("who may come in");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a free port").port();
        let process = Server::spawn(&programs, folder.path(), port, "");
        let server = Server { folder, programs, process: Mutex::new(process), port };
        server.wait();
        server.sql(
            "postgres",
            &format!(
                "CREATE ROLE samensom LOGIN; CREATE ROLE samensom_password LOGIN PASSWORD '{PASSWORD}';
                 REVOKE CREATE ON SCHEMA public FROM PUBLIC"
            ),
        );
        Some(server)
    }

    /// A shell stands before it, which ends it when the pipe from this process ends.
    fn spawn(programs: &Path, folder: &Path, port: u16, addresses: &str) -> Child {
        let script = "\"$@\" <&- & server=$!; read -r _; kill -INT $server; wait $server";
        let mut command = unprivileged(Path::new("/bin/sh"));
        command.args(["-c", script, "sh"]).arg(programs.join("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder.join("run"));
        command.args(["-p", &port.to_string(), "-c", &format!("listen_addresses={addresses}")]);
        command.args(["-c", "fsync=off", "-c", "log_min_messages=fatal"]);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the server starts")
    }

    /// Waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            ready.arg("-q").arg("-h").arg(self.socket()).args(["-p", &self.port.to_string()]);
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            assert!(Instant::now() < until, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Listens on loopback too, with this certificate and key.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn listen_with_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.folder.path().join("data").join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("rights");
            if rustix::process::geteuid().is_root() {
                chown(&path, Some(ACCOUNT), Some(ACCOUNT)).expect("its owner");
            }
        }
        let settings = self.folder.path().join("data/postgresql.auto.conf");
        fs::write(settings, "ssl = on\n").expect("its settings");
        self.stop();
        *self.process() = Server::spawn(&self.programs, self.folder.path(), self.port, "127.0.0.1");
        self.wait();
    }

    /// Stops it at once, in the middle of whatever it does.
    pub fn stop(&self) {
        let mut process = self.process();
        drop(process.stdin.take());
        let _ = process.wait();
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Its port, by which the socket is named too.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database and fills it, as its owner.
    pub fn database(&self, name: &str, sql: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.sql(name, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        self.sql(name, sql);
    }

    /// What its owner is answered, one row a line.
    ///
    /// # Panics
    /// When it is refused.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "owner", "-d", database, "-h"]);
        psql.arg(self.socket()).args(["-p", &self.port.to_string()]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = psql.spawn().expect("psql runs");
        // Not as an argument: those are short.
        running.stdin.take().expect("its stdin").write_all(sql.as_bytes()).expect("it reads");
        let ended = running.wait_with_output().expect("psql ends");
        assert!(ended.status.success(), "{sql}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
