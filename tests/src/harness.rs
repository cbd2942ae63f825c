//! The two programs, built once, and the demo as a process in a temporary folder of its own.
//!
//! Owns the processes it starts: when a handle is dropped they are told to stop, and waited for.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The programs, built once with the profile of the tests.
///
/// # Panics
/// When they cannot be built.
#[must_use]
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // The whole workspace, as `cargo test` builds it, so that nothing is compiled twice.
        let built = Command::new(env!("CARGO"))
            .args(["build", "--workspace", "--bins", "--locked", "--message-format", "json"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "the programs can be built");
        let lines = String::from_utf8(built.stdout).expect("cargo speaks UTF-8");
        let executables = lines.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        let named: Vec<PathBuf> =
            executables.filter(|path| path.file_stem().is_some_and(|name| name == "samensom")).collect();
        let [samensom] = named.as_slice() else { panic!("one `samensom`: {named:?}") };
        assert!(samensom.with_file_name("samensom-node").is_file(), "the agent lies beside it");
        samensom.parent().expect("a program lies in a folder").to_owned()
    })
}

/// `samensom`.
#[must_use]
pub fn samensom() -> PathBuf {
    programs().join("samensom")
}

/// The folder of the outside test data; says on stderr what does not run without it.
#[must_use]
pub fn outside_data(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SAMENSOM_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        use std::io::Write as _;
        // Straight to the stream: what a passing test prints is not shown.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: {what}; set SAMENSOM_TEST_DATA to the folder of the outside data"
        );
    }
    folder
}

/// What a demo printed, once it has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its own temporary folder; what the demo leaves lies in it.
    pub folder: TempDir,
    /// How it ended.
    pub status: ExitStatus,
    /// The object on stdout.
    pub facts: Value,
    /// What it said beside it.
    pub told: String,
}

/// Runs a demo with `--format json` to its end; one at a time, for each is some seventy processes.
///
/// # Panics
/// When it does not start, or prints anything but one JSON object.
#[must_use]
pub fn demo(args: &[&str]) -> Ended {
    let _alone = alone();
    let folder = TempDir::new().expect("a temporary folder");
    let ended = command(folder.path(), args).output().expect("the demo runs");
    let (out, told) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let facts = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}\n{told}"));
    Ended { status: ended.status, facts, told: told.into_owned(), folder }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(samensom());
    command.args(["--format", "json", "demo"]).args(args).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A demo that runs.
#[derive(Debug)]
pub struct Running {
    /// Its own temporary folder.
    pub folder: TempDir,
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
    told: String,
    _alone: MutexGuard<'static, ()>,
}

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(args: &[&str]) -> Running {
        let alone = alone();
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = command(folder.path(), args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the demo starts");
        let lines = BufReader::new(child.stderr.take().expect("its stderr"));
        Running { folder, child, lines, told: String::new(), _alone: alone }
    }

    /// Reads what it says until a line holds `text`; that line.
    ///
    /// # Panics
    /// When it ends before.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("its stderr can be read");
            assert!(read > 0, "it ended before it said `{text}`:\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// The processes of the demo whose command line holds `word`, by their ids.
    #[must_use]
    pub fn processes(&self, word: &str) -> Vec<u32> {
        processes(self.folder.path())
            .into_iter()
            .filter(|(_, line)| line.contains(word))
            .map(|(id, _)| id)
            .collect()
    }

    /// Asks it to stop as Ctrl-C does, and waits; how it ended, and what it had printed on stdout.
    ///
    /// # Panics
    /// When it does not end within 20 s.
    #[must_use]
    pub fn interrupt(mut self) -> (ExitStatus, String, TempDir) {
        signal(&self.child, "INT");
        let patience = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(Instant::now() < patience, "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut out = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut out).expect("its stdout can be read");
        }
        let folder = TempDir::new().expect("a temporary folder");
        (status, out, std::mem::replace(&mut self.folder, folder))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(&self.child, "TERM");
            let _ = self.child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
    assert!(sent.success(), "the signal is sent");
}

/// Processes whose command line names a path below `folder`.
#[must_use]
pub fn processes(folder: &Path) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(folder.to_str()?).then_some((id, line))
    });
    found.collect()
}

/// Every file below a folder.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
