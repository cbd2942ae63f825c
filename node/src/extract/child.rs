//! The reading child: the same program, which limits itself, reads the extracts and writes the draft.
//!
//! Owns both ends of the pipe: the job on its stdin, the answer on its stdout, and what the parent makes of a
//! child that dies, takes too long or is no longer wanted. Its stderr is nothing, so that no row gets into a
//! log by a library's panic. The parent trusts an answer only as far as it can check it.

use super::config::{ExtractConfig, UnitSource};
use super::error::ExtractError;
use super::jail::{self, Guard};
use super::report::{self, CheckReport};
use super::{database, describe, draft};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use samensom_protocol::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The hidden verb.
pub const VERB: &str = "read-extracts";
const MOST_ANSWER: u64 = 4 << 20;
const MOST_JOB: u64 = 16 << 20;
/// How often a waiting parent looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// Time that any reading may take, and how much more per byte: a quarter of the slowest disk worth having.
const LEAST_SECONDS: u64 = 120;
const BYTES_PER_SECOND: u64 = 2 << 20;

/// Who reads a hospital's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// This program, started again for it: limited, without network.
    Child(PathBuf),
    /// This process; for tests.
    Here,
}

/// Ends readings that are under way, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No reading goes on behind this.
    pub fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the child is to do.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    parent: u32,
    what: What,
    extracts: Vec<Value>,
    base_dir: PathBuf,
    folder: PathBuf,
    now_ms: u64,
    cpu_seconds: u64,
}

/// What is wanted of the extracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// A draft in the folder.
    Draft,
    /// A report on each; the folder holds what has to be put by.
    Reports,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Drafted,
    Reported(Vec<CheckReport>),
    Failed(Told),
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// Absent where the child could not shut itself in, and therefore read nothing.
    guard: Option<Guard>,
    reply: Reply,
}

/// What came of a job.
pub(super) enum Done {
    Drafted,
    Reported(Vec<CheckReport>, Option<Guard>),
}

/// What the child says of a failure, or the parent of the child.
#[derive(Clone, Serialize, Deserialize)]
pub struct Told {
    refused: bool,
    of_the_disk: bool,
    changed: bool,
    text: String,
}

impl Told {
    fn of(error: &ExtractError) -> Told {
        Told {
            refused: error.code() == "refused",
            of_the_disk: error.is_of_the_disk(),
            changed: error.is_changed(),
            text: error.to_string(),
        }
    }

    /// Of the child itself: holds nothing of what it read.
    fn by_parent(text: impl Into<String>) -> ExtractError {
        ExtractError::Told(Told { refused: false, of_the_disk: true, changed: false, text: text.into() })
    }

    pub(super) fn code(&self) -> &'static str {
        if self.refused { "refused" } else { "cannot" }
    }
    pub(super) fn is_of_the_disk(&self) -> bool {
        self.of_the_disk
    }
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Does the job in a child.
pub(super) fn ask(
    program: &Path,
    what: What,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (folder, now): (&Path, Time),
    stop: &Stop,
) -> Result<Done, ExtractError> {
    let started = |source: io::Error| Told::by_parent(format!("starting the reading process: {source}"));
    let kept = configs.iter().filter_map(|config| database::kept(config, folder));
    let bytes: u64 = files(configs, base_dir)
        .into_iter()
        .chain(kept)
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|metadata| metadata.len())
        .sum();
    let seconds = LEAST_SECONDS.saturating_add(bytes / BYTES_PER_SECOND);
    let job = Job {
        parent: std::process::id(),
        what,
        extracts: configs.iter().map(|config| Value::Object(describe::declared(config))).collect(),
        base_dir: std::path::absolute(base_dir).map_err(started)?,
        folder: std::path::absolute(folder).map_err(started)?,
        now_ms: now.0,
        cpu_seconds: seconds,
    };
    let job = serde_json::to_vec(&job).map_err(|error| started(error.into()))?;
    let mut running = Running::start(program, folder, &job).map_err(started)?;
    // The limit of its processor time comes first; this one is for a disk that gives nothing.
    let answer = running.answer(Instant::now() + Duration::from_secs(seconds.saturating_mul(2)), stop)?;
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| Told::by_parent("the reading process gave no answer that can be read"))?;
    match (answer.reply, what) {
        (Reply::Failed(told), _) => Err(ExtractError::Told(told)),
        (Reply::Drafted, What::Draft) => Ok(Done::Drafted),
        (Reply::Reported(all), What::Reports) => Ok(Done::Reported(all, answer.guard)),
        _ => Err(Told::by_parent("the reading process answered something else")),
    }
}

/// The files that the child may read. What a database gave lies in its folder; of the database it knows nothing.
fn files(configs: &[ExtractConfig], base_dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for config in configs {
        if config.database.is_none() {
            files.push(base_dir.join(&config.file));
        }
        match &config.unit {
            UnitSource::Nothing | UnitSource::Every(_) | UnitSource::Column(_) => {}
            UnitSource::Table { file, .. } => files.push(base_dir.join(file)),
        }
    }
    files
}

/// A child that does not outlive its handle.
struct Running {
    child: Child,
    answer: Receiver<io::Result<Vec<u8>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(program: &Path, folder: &Path, job: &[u8]) -> io::Result<Running> {
        let mut child = Command::new(program)
            .arg0("samensom-node")
            .arg(VERB)
            .env_clear()
            // Where SQLite sorts what does not fit in memory.
            .env("SQLITE_TMPDIR", folder)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, answer) = channel();
        let running = Running { child, answer };
        if let Some(mut stdin) = stdin {
            match stdin.write_all(job) {
                // It died already; how it ended says more.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = match stdout {
                Some(stdout) => stdout.take(MOST_ANSWER).read_to_end(&mut bytes).map(|_| bytes),
                None => Ok(bytes),
            };
            let _ = sender.send(read);
        });
        Ok(running)
    }

    /// Waits for the answer and for the end.
    fn answer(&mut self, until: Instant, stop: &Stop) -> Result<Vec<u8>, ExtractError> {
        let mut answer = None;
        loop {
            if stop.is_set() {
                return Err(Told::by_parent("the reading was stopped, with the program"));
            }
            if Instant::now() >= until {
                return Err(Told::by_parent(
                    "the reading process took too long and was stopped; is the disk or the share of the file slow?",
                ));
            }
            if answer.is_none() {
                match self.answer.recv_timeout(LOOK) {
                    Ok(read) => answer = Some(read),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => answer = Some(Ok(Vec::new())),
                }
            }
            let failed =
                |source: io::Error| Told::by_parent(format!("waiting for the reading process: {source}"));
            match (self.child.try_wait().map_err(failed)?, answer.take()) {
                (Some(status), Some(Ok(bytes))) if status.success() => return Ok(bytes),
                (Some(status), _) => return Err(Told::by_parent(ending(status))),
                (None, read) => {
                    answer = read;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

/// How a child that gave no answer ended, and what to do.
fn ending(status: ExitStatus) -> String {
    let memory = jail::MEMORY >> 20;
    let (why, todo) = match status.signal() {
        Some(libc::SIGXCPU) => (
            "used more processor time than its file is worth".to_owned(),
            "see whether the file is what it should be",
        ),
        Some(libc::SIGKILL) => (
            "was killed (signal 9), by a person or by a machine out of memory".to_owned(),
            "see the system's log, and give the machine more memory",
        ),
        Some(libc::SIGABRT) => (
            format!("stopped itself (signal 6); its memory is limited to {memory} MB"),
            "see whether the file is what it should be, and report this with `samensom-node --version`",
        ),
        Some(signal) => (
            format!("was ended by signal {signal}"),
            "see whether the file is what it should be, and report this with `samensom-node --version`",
        ),
        None => (
            format!("ended with code {}", status.code().unwrap_or(-1)),
            "report this with `samensom-node --version`",
        ),
    };
    format!("the reading process {why}; nothing of the extract is used; {todo}")
}

/// The child's whole life: job in, answer out, exit code.
#[must_use]
pub fn read_as_child() -> u8 {
    // A panic's text may hold a row; it is not told to anybody.
    std::panic::set_hook(Box::new(|_| {}));
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        return 1;
    }
    let mut text = Vec::new();
    let read = io::stdin().lock().take(MOST_JOB).read_to_end(&mut text);
    let Ok(job) = read.and_then(|_| serde_json::from_slice::<Job>(&text).map_err(io::Error::from)) else {
        return 2;
    };
    let Ok(answer) = serve(&job) else { return 1 };
    let mut out = io::stdout().lock();
    match serde_json::to_vec(&answer).map_err(io::Error::from).and_then(|text| {
        out.write_all(&text)?;
        out.flush()
    }) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn serve(job: &Job) -> io::Result<Answer> {
    // It may have died before the signal was asked for; then that never comes.
    let parent = getppid().and_then(|parent| u32::try_from(parent.as_raw_nonzero().get()).ok());
    if parent != Some(job.parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let extracts = job.extracts.iter().cloned();
    let configs: Vec<ExtractConfig> = extracts.map(serde_json::from_value).collect::<Result<_, _>>()?;
    let guard = match jail::enter(&files(&configs, &job.base_dir), &job.folder, job.cpu_seconds) {
        Ok(guard) => guard,
        Err(error) => {
            let text = format!(
                "the reading process cannot limit itself: {error}; it reads nothing without; allow landlock and seccomp, \
                 in a systemd unit with SystemCallFilter=@sandbox"
            );
            let told = Told { refused: false, of_the_disk: true, changed: false, text };
            return Ok(Answer { guard: None, reply: Reply::Failed(told) });
        }
    };
    let reply = match job.what {
        What::Draft => match draft::write(&configs, &job.base_dir, &job.folder, Time(job.now_ms)) {
            Ok(()) => Reply::Drafted,
            Err(error) => Reply::Failed(Told::of(&error)),
        },
        What::Reports => {
            let reports = configs
                .iter()
                .map(|config| report::check(config, &job.base_dir, (&job.folder, Time(job.now_ms))));
            match reports.collect() {
                Ok(all) => Reply::Reported(all),
                Err(error) => Reply::Failed(Told::of(&error)),
            }
        }
    };
    Ok(Answer { guard: Some(guard), reply })
}
