//! The real programs as a small country: one coordinator, its agents, known figures at every hospital.
//!
//! Owns the processes and folders of one deployment, with short slots, and the true total of every slot. All
//! is done by the public commands; a test stops, kills, copies and starts as it likes. It must not know why.

mod outcome;
mod promises;
mod template;

pub use outcome::{Outcome, Session, Sum};
pub use promises::Looked;
pub use template::{Template, copy};

use crate::harness::{programs, samensom};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use template::{FIGURES, output};

/// The folder of the hospitals' folders.
const HOSTS: &str = "hospitals";
/// The server listens, and an agent ends, within this time, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Environment of a process, such as what a shim reads.
pub type Env<'a> = &'a [(&'static str, OsString)];

/// How fast a deployment lives.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Length of a slot in seconds; all rounds must fit into it.
    pub spacing_s: u64,
    /// Deadlines of deposit, ready, contribute, confirm, reveal in milliseconds.
    pub rounds_ms: [u32; 5],
    /// A silent link is given up after so many milliseconds.
    pub idle_ms: u32,
    /// A sign of life is sent after so many milliseconds.
    pub keep_alive_ms: u32,
    /// The shipped floors hold, so that a session has two passes; else none does, and it has one.
    pub floors: bool,
    /// Sessions of one family of queries that the rules allow in 7 days; 0 for no limit, for slots are short here.
    pub family_sessions: u16,
}

impl Pace {
    /// Slots of a quarter of a minute, for a quiet loopback; one pass.
    #[must_use]
    pub fn quick() -> Pace {
        let rounds_ms = [2000, 1500, 1500, 1000, 1000];
        Pace {
            spacing_s: 15,
            rounds_ms,
            idle_ms: 1500,
            keep_alive_ms: 400,
            floors: false,
            family_sessions: 0,
        }
    }

    /// The same with the shipped floors: both passes fit into a slot.
    #[must_use]
    pub fn of_two_passes() -> Pace {
        Pace { spacing_s: 25, floors: true, ..Pace::quick() }
    }

    fn rules(&self, shipped: &str) -> String {
        let mut text = shipped.replace("spacing = \"20h\"", &format!("spacing = \"{}s\"", self.spacing_s));
        let names = ["deposit", "ready", "contribute", "confirm", "reveal"];
        let old = ["10s", "10s", "20s", "10s", "10s"];
        for ((name, old), ms) in names.iter().zip(old).zip(self.rounds_ms) {
            let (from, to) = (format!("{name} = \"{old}\""), format!("{name} = \"{ms}ms\""));
            assert!(text.contains(&from), "the shipped rules say `{from}`");
            text = text.replace(&from, &to);
        }
        let most = format!("family_sessions = {}", self.family_sessions);
        let lines = text.lines().map(|line| if line.starts_with("family_sessions") { &most } else { line });
        text = lines.collect::<Vec<_>>().join("\n");
        if !self.floors {
            let kept = text.lines().filter(|line| !line.starts_with("floor_"));
            text = kept.collect::<Vec<_>>().join("\n");
        }
        text.replace("contribute_per_mb = \"1s\"", "contribute_per_mb = \"1ms\"")
    }

    /// A session ends within this time, however many rounds pass their deadlines; one attempt of each pass.
    #[must_use]
    pub fn session(&self) -> Duration {
        let [rounds @ .., reveal] = self.rounds_ms;
        let pass = rounds.iter().sum::<u32>() + 2 * reveal;
        Duration::from_millis(u64::from(pass) * if self.floors { 2 } else { 1 })
    }
}

/// Processes over one folder; they end when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    /// Where all lies.
    pub folder: TempDir,
    /// Where the server listens.
    pub server_address: SocketAddr,
    /// Warrants, one for each query.
    pub warrants: Vec<String>,
    /// How fast it lives.
    pub pace: Pace,
    hospitals: usize,
    server: Option<Child>,
    agents: BTreeMap<usize, Child>,
}

impl Deployment {
    fn over(folder: TempDir, hospitals: usize, pace: Pace, warrants: Vec<String>) -> Deployment {
        let server_address = free_port();
        let deployment = Deployment {
            folder,
            server_address,
            warrants,
            pace,
            hospitals,
            server: None,
            agents: BTreeMap::new(),
        };
        deployment.listen(server_address);
        deployment.dial(server_address);
        deployment
    }

    /// LCG's data folder.
    #[must_use]
    pub fn lcg(&self) -> PathBuf {
        self.folder.path().join("lcg")
    }

    /// The folder of a hospital.
    #[must_use]
    pub fn home(&self, hospital: usize) -> PathBuf {
        self.folder.path().join(HOSTS).join(format!("h{hospital}"))
    }

    /// The state folder of a hospital's agent.
    #[must_use]
    pub fn state(&self, hospital: usize) -> PathBuf {
        self.home(hospital).join("state")
    }

    /// Where the server is to listen.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn listen(&self, address: SocketAddr) {
        let (idle, alive) = (self.pace.idle_ms, self.pace.keep_alive_ms);
        let text = format!("listen = \"{address}\"\nidle = \"{idle}ms\"\nkeep_alive = \"{alive}ms\"\n");
        std::fs::write(self.lcg().join("coordinator.toml"), text).expect("coordinator.toml");
    }

    /// What the agents are to dial.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn dial(&self, address: SocketAddr) {
        for hospital in 0..self.hospitals {
            self.dial_from(hospital, address);
        }
    }

    /// What one agent is to dial.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn dial_from(&self, hospital: usize, address: SocketAddr) {
        let text = node_toml(&format!("h{hospital}"), Some(address), &self.pace);
        std::fs::write(self.home(hospital).join("node.toml"), text).expect("node.toml");
    }

    /// Starts the server; how long it took until it listened, or what it said instead.
    ///
    /// # Errors
    /// When it ended before it listened.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn try_serve(&mut self, env: Env<'_>) -> Result<Duration, String> {
        let begun = Instant::now();
        let mut command = command(&samensom());
        command.arg("--data").arg(self.lcg()).arg("serve").envs(env.iter().cloned());
        command.stdout(Stdio::piped()).stderr(self.log("serve.log"));
        let mut server = command.spawn().expect("the server starts");
        let mut line = String::new();
        let out = server.stdout.take().expect("its stdout");
        BufReader::new(out).read_line(&mut line).expect("its stdout can be read");
        if line.starts_with("listening on ") {
            self.server = Some(server);
            return Ok(begun.elapsed());
        }
        let status = server.wait().expect("it can be waited for");
        Err(format!("{status}: {}", tail(&self.folder.path().join("serve.log"))))
    }

    /// Starts the server; how long it took until it listened.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn serve(&mut self) -> Duration {
        self.try_serve(&[]).unwrap_or_else(|why| panic!("the server did not start: {why}"))
    }

    fn log(&self, name: &str) -> std::fs::File {
        let path = self.folder.path().join(name);
        OpenOptions::new().create(true).append(true).open(path).expect("a log")
    }

    /// Starts the agent of a hospital over `home`, its log beside it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn_agent(&self, home: &Path, env: Env<'_>) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(home.join("agent.log")).expect("a log");
        let mut command = command(&programs().join("samensom-node"));
        command.arg("--config").arg(home.join("node.toml")).args(["--no-input", "run"]);
        command.envs(env.iter().cloned()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("the agent starts")
    }

    /// Starts the agent of a hospital.
    ///
    /// # Panics
    /// When it cannot be started, or runs.
    pub fn start(&mut self, hospital: usize, env: Env<'_>) {
        assert!(!self.runs(hospital), "the agent of hospital {hospital} runs");
        let agent = self.spawn_agent(&self.home(hospital), env);
        self.agents.insert(hospital, agent);
    }

    /// Starts the agent of a hospital in a network namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_in(&mut self, hospital: usize, namespace: &str) {
        let home = self.home(hospital);
        let log = OpenOptions::new().create(true).append(true).open(home.join("agent.log")).expect("a log");
        let mut command = command(Path::new("ip"));
        command.args(["netns", "exec", namespace]).arg(programs().join("samensom-node"));
        command.arg("--config").arg(home.join("node.toml")).args(["--no-input", "run"]);
        let agent = command.stdout(Stdio::null()).stderr(log).spawn().expect("the agent starts");
        self.agents.insert(hospital, agent);
    }

    /// Starts server and agents, and waits until all are linked.
    ///
    /// # Panics
    /// When they are not.
    pub fn start_all(&mut self) {
        self.serve();
        for hospital in 0..self.hospitals {
            self.start(hospital, &[]);
        }
        self.linked(self.hospitals, PATIENCE);
    }

    /// Whether the agent of a hospital runs.
    pub fn runs(&mut self, hospital: usize) -> bool {
        self.agents.get_mut(&hospital).is_some_and(|agent| matches!(agent.try_wait(), Ok(None)))
    }

    /// Whether the server runs.
    pub fn serves(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| matches!(server.try_wait(), Ok(None)))
    }

    /// Kills an agent as a power failure would.
    pub fn kill(&mut self, hospital: usize) {
        if let Some(mut agent) = self.agents.remove(&hospital) {
            kill(&mut agent);
        }
    }

    /// Kills the server as a power failure would.
    pub fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            kill(&mut server);
        }
    }

    /// Asks an agent to stop, and waits; its exit code.
    pub fn stop(&mut self, hospital: usize) -> Option<i32> {
        stop(&mut self.agents.remove(&hospital)?)
    }

    /// Waits until the agent of a hospital has ended by itself; its exit code, none after a signal.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ended(&mut self, hospital: usize, patience: Duration) -> Option<i32> {
        let mut agent = self.agents.remove(&hospital).expect("an agent was started");
        waited(&mut agent, patience).unwrap_or_else(|| {
            kill(&mut agent);
            panic!("the agent of hospital {hospital} does not end")
        })
    }

    /// As [`Deployment::ended`], for the server.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn server_ended(&mut self, patience: Duration) -> Option<i32> {
        let mut server = self.server.take().expect("a server was started");
        waited(&mut server, patience).unwrap_or_else(|| {
            kill(&mut server);
            panic!("the server does not end")
        })
    }

    /// Facts that a command of `samensom` prints, if it succeeds.
    ///
    /// # Panics
    /// When it does not start, or prints no facts.
    #[must_use]
    pub fn asked(&self, args: &[&str]) -> Option<Value> {
        let mut command = command(&samensom());
        command.arg("--data").arg(self.lcg()).args(["--no-input", "--format", "json"]).args(args);
        let ended = command.output().expect("the program starts");
        ended.status.success().then(|| serde_json::from_slice(&ended.stdout).expect("JSON"))
    }

    /// What a command of `samensom` says when it fails.
    ///
    /// # Panics
    /// When it does not start, or succeeds.
    #[must_use]
    pub fn refused(&self, args: &[&str]) -> String {
        let mut command = command(&samensom());
        command.arg("--data").arg(self.lcg()).args(["--no-input", "--format", "json"]).args(args);
        let ended = command.output().expect("the program starts");
        assert!(!ended.status.success(), "{args:?} succeeds");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    }

    /// Submits a query and has it approved; its warrant.
    ///
    /// # Panics
    /// When a command fails.
    #[must_use]
    pub fn approved(&self, query: &str) -> String {
        let path = |name: &str| self.folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
        std::fs::write(path("query-more.toml"), query).expect("the query is written");
        let (file, key) = (path("query-more.toml"), path("persons/analyst.key"));
        let facts = self.asked(&["query", "submit", &file, "--key", &key, "--sessions", "60000"]);
        let warrant = facts.expect("it is taken")["warrant"].as_str().expect("a hash").to_owned();
        for person in 0..2 {
            let key = path(&format!("persons/approver-{person}.key"));
            self.asked(&["query", "approve", &warrant, "--key", &key]).expect("it is approved");
        }
        warrant
    }

    /// How many agents are linked with all channel keys between them; none while they are set up.
    #[must_use]
    pub fn links(&self) -> Option<usize> {
        let status = self.asked(&["status"])?;
        let linked = status["linked"].as_array().map_or(0, Vec::len);
        (status["channels_missing"] == 0).then_some(linked)
    }

    /// How many agents are linked, whatever channel keys are still missing.
    #[must_use]
    pub fn there(&self) -> usize {
        let status = self.asked(&["status"]).unwrap_or_default();
        status["linked"].as_array().map_or(0, Vec::len)
    }

    /// Waits until so many agents at least are linked; how long it took, or none.
    #[must_use]
    pub fn try_linked(&self, count: usize, patience: Duration) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if self.links().is_some_and(|linked| linked >= count) {
                return Some(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        None
    }

    /// Waits until so many agents at least are linked; how long it took.
    ///
    /// # Panics
    /// When they are not in time.
    pub fn linked(&self, count: usize, patience: Duration) -> Duration {
        self.try_linked(count, patience).unwrap_or_else(|| {
            let status = self.asked(&["status"]);
            panic!("{count} were to be linked within {patience:?}: {status:?}\n{}", self.tails())
        })
    }

    /// Starts agents that were killed and waits until each has a new link and every channel stands: before
    /// that the server may still take the links of their former processes for alive.
    ///
    /// # Panics
    /// When that takes longer than `patience`.
    pub fn restart(&mut self, hospitals: &[usize], patience: Duration) {
        let links = |deployment: &Deployment, hospital: usize| {
            deployment.told(hospital).matches("linked address").count()
        };
        let before: Vec<usize> = hospitals.iter().map(|hospital| links(self, *hospital)).collect();
        for hospital in hospitals {
            self.start(*hospital, &[]);
        }
        let begun = Instant::now();
        let again = |deployment: &Deployment| {
            let mut all = hospitals.iter().zip(&before);
            all.all(|(hospital, before)| links(deployment, *hospital) > *before)
                && deployment.asked(&["status"]).is_some_and(|status| status["channels_missing"] == 0)
        };
        while !again(self) {
            assert!(begun.elapsed() < patience, "not back within {patience:?}: {}", self.tails());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of every log.
    #[must_use]
    pub fn tails(&self) -> String {
        let mut text = format!("serve.log: {}\n", tail(&self.folder.path().join("serve.log")));
        for hospital in 0..self.hospitals.min(9) {
            text.push_str(&format!("h{hospital}: {}\n", tail(&self.home(hospital).join("agent.log"))));
        }
        text
    }

    /// Facts of `samensom-node status`.
    ///
    /// # Panics
    /// When it fails: then the ledger does not verify.
    #[must_use]
    pub fn status(&self, hospital: usize) -> Value {
        let mut command = command(&programs().join("samensom-node"));
        command.arg("--config").arg(self.home(hospital).join("node.toml"));
        let text = output(command.args(["--no-input", "status", "--format", "json"]));
        serde_json::from_str(&text).expect("JSON")
    }

    /// The log of a hospital's agent.
    #[must_use]
    pub fn told(&self, hospital: usize) -> String {
        std::fs::read_to_string(self.home(hospital).join("agent.log")).unwrap_or_default()
    }

    /// The slot that is open.
    #[must_use]
    pub fn slot(&self) -> u64 {
        now_ms() / (self.pace.spacing_s * 1000)
    }

    /// Waits until a new slot begins and gives every hospital its new extract; the slot.
    ///
    /// # Panics
    /// When an extract cannot be written.
    pub fn next_slot(&self) -> u64 {
        let slot_ms = self.pace.spacing_s * 1000;
        // Before the slot begins, so that nobody freezes the old one in it.
        let slot = self.slot() + 1;
        let left = slot_ms - now_ms() % slot_ms;
        std::thread::sleep(Duration::from_millis(left.saturating_sub(100)));
        for hospital in 0..self.hospitals {
            let path = self.home(hospital).join("stock.csv");
            let rows = figures(hospital, slot);
            let rows: String =
                rows.iter().enumerate().map(|(place, figure)| format!("c{place};{figure}\n")).collect();
            std::fs::write(path, format!("code;quantity\n{rows}")).expect("an extract");
        }
        while self.slot() < slot {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(20));
        slot
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let server = self.server.take().into_iter();
        for mut child in std::mem::take(&mut self.agents).into_values().chain(server) {
            kill(&mut child);
        }
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("logs and folders stay in {}", self.folder.path().display());
        }
    }
}

/// The true figures of a hospital in a slot.
#[must_use]
pub fn figures(hospital: usize, slot: u64) -> [i64; FIGURES] {
    std::array::from_fn(|place| {
        let mut state =
            slot.wrapping_mul(1_000_003) ^ (u64::try_from(hospital * FIGURES + place).unwrap_or(0));
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        1 + i64::try_from(state >> 40).unwrap_or(0) % 900_000
    })
}

fn node_toml(id: &str, coordinator: Option<SocketAddr>, pace: &Pace) -> String {
    let dialled = coordinator.map_or_else(String::new, |address| format!("coordinator = \"{address}\"\n"));
    let (idle, alive) = (pace.idle_ms, pace.keep_alive_ms);
    format!(
        "[node]\nname = \"{id}\"\nstate = \"state\"\n[network]\n{dialled}idle = \"{idle}ms\"\n\
         keep_alive = \"{alive}ms\"\n[policy]\npurposes = {{ stock = \"auto\" }}\n[[extract]]\n\
         dataset = \"stock\"\nfile = \"stock.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
         decimal = \",\"\nunit = \"piece\"\n[extract.columns]\ncode = \"code\"\nquantity = \"quantity\"\n"
    )
}

/// A program without the settings of whoever runs the tests.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("SAMENSOM_DATA").env_remove("SAMENSOM_NODE_CONFIG");
    command
}

/// An address of loopback on which nobody listens.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn kill(child: &mut Child) {
    // One that ended by itself is as dead.
    let _ = child.kill();
    let _ = child.wait();
}

fn waited(child: &mut Child, patience: Duration) -> Option<Option<i32>> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.code());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Asks a process to stop and waits; its exit code.
fn stop(child: &mut Child) -> Option<i32> {
    // The id of one that ended by itself may be somebody else's by now.
    if let Ok(Some(status)) = child.try_wait() {
        return status.code();
    }
    let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
    waited(child, PATIENCE).unwrap_or_else(|| {
        kill(child);
        panic!("it does not stop")
    })
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n  ")
}
