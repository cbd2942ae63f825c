//! `shim.c`, compiled once, and the environment that aims it at one step of one process.
//!
//! Owns the words of that environment and the reading of the shim's log. It needs a C compiler, as the
//! product's own build does.

use crate::harness::programs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What happens at the step that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Killed before it.
    Before,
    /// Killed once half of a write is out.
    Half,
    /// Killed after it.
    After,
}

/// A step that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// `write`, `sync`, `truncate`, `rename`, `unlink`, `send`.
    pub kind: String,
    /// The file's name; of a packet only that.
    pub file: String,
}

fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shim.c");
        let built = programs().join("samensom-test-shim.so");
        let draft = programs().join(format!("samensom-test-shim.{}", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&draft)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("a C compiler, `cc`, is there");
        assert!(compiled.success(), "shim.c compiles");
        std::fs::rename(&draft, &built).expect("the library has its place");
        built
    })
}

fn aimed(folder: &Path, rest: &[(&'static str, OsString)]) -> Vec<(&'static str, OsString)> {
    let mut env = vec![
        ("LD_PRELOAD", library().as_os_str().to_owned()),
        ("SHIM_FOLDER", folder.as_os_str().to_owned()),
    ];
    env.extend(rest.iter().cloned());
    env
}

/// Counts the steps of files below a folder into a log.
#[must_use]
pub fn counting(folder: &Path, log: &Path) -> Vec<(&'static str, OsString)> {
    aimed(folder, &[("SHIM_LOG", log.as_os_str().to_owned())])
}

/// Kills the process at a step.
#[must_use]
pub fn killing(folder: &Path, step: usize, moment: Moment) -> Vec<(&'static str, OsString)> {
    let what = match moment {
        Moment::Before => "before",
        Moment::Half => "half",
        Moment::After => "after",
    };
    aimed(folder, &[("SHIM_AT", step.to_string().into()), ("SHIM_DO", what.into())])
}

/// Kills the process once its `number`-th sync is done, however many packets left between.
#[must_use]
pub fn killing_after_sync(folder: &Path, number: usize) -> Vec<(&'static str, OsString)> {
    let at = ("SHIM_AT", OsString::from(number.to_string()));
    aimed(folder, &[at, ("SHIM_DO", "after".into()), ("SHIM_KIND", "sync".into())])
}

/// From a step on nothing can be written as long as the file `gate` exists: the disk is full.
#[must_use]
pub fn filling(folder: &Path, step: usize, gate: &Path) -> Vec<(&'static str, OsString)> {
    let at = ("SHIM_AT", OsString::from(step.to_string()));
    aimed(folder, &[at, ("SHIM_DO", "full".into()), ("SHIM_WHILE", gate.as_os_str().to_owned())])
}

/// One sync, the `number`-th, fails with an error of the device.
#[must_use]
pub fn failing_sync(folder: &Path, number: usize) -> Vec<(&'static str, OsString)> {
    let at = ("SHIM_AT", OsString::from(number.to_string()));
    aimed(folder, &[at, ("SHIM_DO", "eio".into()), ("SHIM_KIND", "sync".into())])
}

/// The steps that a log counted.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn steps(log: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(log).expect("the shim was loaded and wrote its log");
    let step = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let number = words.next()?.parse().ok()?;
        let (kind, path) = (words.next()?.to_owned(), Path::new(words.next()?));
        let file = path.file_name()?.to_string_lossy().into_owned();
        Some(Step { number, kind, file })
    };
    text.lines().map(|line| step(line).expect("a line of the shim")).collect()
}
