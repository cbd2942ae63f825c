//! The temporary folder and the processes in it.
//!
//! Owns every child: commands that end by themselves, the server, the agents. When the stage ends, in any
//! way, they are dead and the folder holds nothing but a bundle, or is gone.

use crate::cli::hint;
use crate::clock::now;
use crate::error::Error;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The server and an agent start within this time, also on a busy machine.
const START: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when its process failed.
const TAIL: usize = 5;
/// Lengths of a slot, in seconds, among which the demo chooses.
const SPACINGS: std::ops::RangeInclusive<u64> = 180..=300;

/// Where the programs are and where they work; handed to every command.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `samensom`.
    pub samensom: PathBuf,
    /// `samensom-node`.
    pub agent: PathBuf,
    /// The temporary folder.
    pub folder: PathBuf,
}

/// The folder and the children.
pub struct Stage {
    /// For commands.
    pub tools: Tools,
    /// Length of a slot in seconds.
    pub spacing_s: u64,
    folder: Option<TempDir>,
    server: Option<Child>,
    agents: BTreeMap<usize, Child>,
    bundle: Option<PathBuf>,
}

impl Stage {
    /// Makes the folder and finds the programs.
    ///
    /// # Errors
    /// When the agent's program does not lie beside this one, or there is no temporary folder.
    pub fn new() -> Result<Stage, Error> {
        let samensom = std::env::current_exe()
            .map_err(|why| Error::machine(format!("this program does not know where it is: {why}")))?;
        let agent = samensom.with_file_name("samensom-node");
        if !agent.is_file() {
            return Err(Error::asked("the agent's program is missing")
                .place(agent.display().to_string())
                .expected("samensom-node beside samensom")
                .remedy("cargo build --release builds both"));
        }
        let folder = tempfile::Builder::new().prefix("samensom-demo-").tempdir();
        let folder = folder.map_err(|why| Error::machine(format!("no temporary folder: {why}")))?;
        let tools = Tools { samensom, agent, folder: folder.path().to_owned() };
        Ok(Stage {
            tools,
            spacing_s: spacing(now().0 / 1000),
            folder: Some(folder),
            server: None,
            agents: BTreeMap::new(),
            bundle: None,
        })
    }

    /// How long until a new slot begins.
    #[must_use]
    pub fn until_next_slot(&self) -> Duration {
        let slot_ms = self.spacing_s * 1000;
        Duration::from_millis(slot_ms - now().0 % slot_ms)
    }

    /// Starts the server and waits until it listens. `hold_go` makes it wait with GO.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn serve(&mut self, hold_go: Option<&Path>) -> Result<(), Error> {
        let log = self.tools.folder.join("serve.log");
        let mut command = self.tools.lcg_command(&[OsStr::new("serve")]);
        if let Some(path) = hold_go {
            command.arg("--hold-go").arg(path);
        }
        command.stdout(Stdio::piped()).stderr(log_file(&log)?);
        let mut server = spawn(&mut command, &self.tools.samensom)?;
        let lines = server.stdout.take().map(|out| BufReader::new(out).lines());
        self.server = Some(server);
        let Some(mut lines) = lines else { return Err(Error::machine("the server has no output")) };
        match timeout(START, lines.next_line()).await {
            Ok(Ok(Some(line))) if line.starts_with("listening on ") => Ok(()),
            _ => Err(Error::session("the server did not start").remedy(tail(&log))),
        }
    }

    /// Starts the agent of a hospital.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_agent(&mut self, hospital: usize, home: &Path) -> Result<(), Error> {
        let mut command = self.tools.agent_command(home, &[OsStr::new("run")]);
        command.stdout(Stdio::null()).stderr(log_file(&home.join("agent.log"))?);
        let agent = spawn(&mut command, &self.tools.agent)?;
        self.agents.insert(hospital, agent);
        Ok(())
    }

    /// Kills the agent of a hospital as a power failure would.
    pub async fn kill_agent(&mut self, hospital: usize) {
        if let Some(mut agent) = self.agents.remove(&hospital) {
            // One that ended by itself is as dead.
            let _ = agent.kill().await;
        }
    }

    /// The server's process.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().and_then(Child::id)
    }

    /// The processes of the agents that run.
    #[must_use]
    pub fn agent_pids(&self) -> BTreeMap<usize, u32> {
        self.agents.iter().filter_map(|(hospital, agent)| Some((*hospital, agent.id()?))).collect()
    }

    /// Says if the server ended by itself, or an agent of those did.
    ///
    /// # Errors
    /// With the last lines of the log of the one that ended.
    pub fn all_run(&mut self, home: &dyn Fn(usize) -> PathBuf) -> Result<(), Error> {
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        if self.server.as_mut().is_none_or(ended) {
            return Err(Error::session("the server ended").remedy(tail(&self.tools.folder.join("serve.log"))));
        }
        for (hospital, agent) in &mut self.agents {
            if ended(agent) {
                let home = home(*hospital);
                let place = home.display().to_string();
                return Err(Error::session("an agent ended")
                    .place(place)
                    .remedy(tail(&home.join("agent.log"))));
            }
        }
        Ok(())
    }

    /// Copies the bundle out of the data folder to where it stays.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_bundle(&mut self, bundle: &Path) -> Result<PathBuf, Error> {
        let kept = self.tools.folder.join("result.bundle");
        std::fs::copy(bundle, &kept).map_err(|why| Error::file(bundle, "copy the bundle", &why))?;
        self.bundle = Some(kept.clone());
        Ok(kept)
    }

    /// Ends all processes and leaves nothing but the bundle.
    pub async fn end(&mut self) {
        let agents = std::mem::take(&mut self.agents).into_values();
        for mut child in agents.chain(self.server.take()) {
            let _ = child.kill().await;
        }
        let Some(folder) = self.folder.take() else { return };
        if self.bundle.is_none() {
            // What cannot be removed is named, for it was to leave nothing behind.
            if let Err(why) = folder.close() {
                hint(&format!("the temporary folder stays: {why}"));
            }
            return;
        }
        let folder = folder.keep();
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| Some(path) != self.bundle.as_ref()) {
            let gone =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            if let Err(why) = gone {
                hint(&format!("{} stays: {why}", path.display()));
            }
        }
    }
}

impl Tools {
    /// LCG's data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("lcg")
    }

    /// `samensom` on the demo's data folder.
    #[must_use]
    pub fn lcg_command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = command(&self.samensom);
        command.arg("--data").arg(self.data()).arg("--no-input").args(args);
        command
    }

    /// `samensom-node` of a hospital.
    #[must_use]
    pub fn agent_command<S: AsRef<OsStr>>(&self, home: &Path, args: &[S]) -> Command {
        let mut command = command(&self.agent);
        command.arg("--config").arg(home.join("node.toml")).arg("--no-input").args(args);
        command
    }

    /// Runs `samensom` and returns what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub async fn lcg<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, Error> {
        done(self.lcg_command(args)).await
    }

    /// The same, for facts.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub async fn lcg_json<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<serde_json::Value, Error> {
        let mut command = self.lcg_command(args);
        command.args(["--format", "json"]);
        json(&done(command).await?)
    }

    /// Runs `samensom-node` of a hospital and returns what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub async fn agent<S: AsRef<OsStr>>(&self, home: &Path, args: &[S]) -> Result<String, Error> {
        done(self.agent_command(home, args)).await
    }
}

/// Reads facts that a command printed.
///
/// # Errors
/// When they are no JSON.
pub fn json(text: &str) -> Result<serde_json::Value, Error> {
    serde_json::from_str(text).map_err(|why| Error::machine(format!("a command printed no JSON: {why}")))
}

/// Most memory that a process held so far, in KB.
#[must_use]
pub fn peak_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Whatever happens to the demo, its children die with it, and the user's own settings do not reach them.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.env_remove("SAMENSOM_DATA").env_remove("SAMENSOM_NODE_CONFIG");
    command
}

fn spawn(command: &mut Command, program: &Path) -> Result<Child, Error> {
    command.spawn().map_err(|why| Error::file(program, "start the program", &why))
}

async fn done(mut command: Command) -> Result<String, Error> {
    let program = PathBuf::from(command.as_std().get_program());
    let ended = command.output().await.map_err(|why| Error::file(&program, "start the program", &why))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let args = command.as_std().get_args().map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    let told = String::from_utf8_lossy(&ended.stderr);
    Err(Error::session(format!("a command failed ({})", ended.status))
        .place(format!("{} {args}", program.display()))
        .remedy(told.trim()))
}

fn log_file(path: &Path) -> Result<File, Error> {
    File::create(path).map_err(|why| Error::file(path, "make the log", &why))
}

/// The last lines of a log, for the one who reads the error.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(TAIL).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n  ")
}

/// The length of a slot that leaves the most time in the slot that is now.
fn spacing(now_s: u64) -> u64 {
    SPACINGS.max_by_key(|spacing| spacing - now_s % spacing).unwrap_or(300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_has_just_begun() {
        for now_s in (1_763_000_000..1_763_001_000).step_by(7) {
            let chosen = spacing(now_s);
            assert!(SPACINGS.contains(&chosen) && chosen - now_s % chosen > 170, "{now_s}: {chosen}");
        }
    }

    #[test]
    fn this_process_has_a_peak() {
        assert!(peak_kb(std::process::id()).unwrap() > 100);
        assert_eq!(peak_kb(u32::MAX), None);
    }
}
