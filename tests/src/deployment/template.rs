//! A deployment at rest: keys, data folder, admitted hospitals, signed roster, approved warrants.
//!
//! Made once with the public commands of both programs and copied for every test that plays on it, so that a
//! test pays for its sessions only. It must not leave a process behind.

use super::{Deployment, HOSTS, Pace, command, free_port};
use crate::harness::{programs, samensom};
use samensom_coordinator::rules::DEFAULT;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

const SIGNERS: usize = 5;
/// Roles that the shipped rules ask for the purpose `stock`.
const ROLES: [&str; 2] = ["duty-pharmacist", "pharmacist"];
/// Figures of a hospital, and so measures of a query.
pub(super) const FIGURES: usize = 3;

/// A deployment that nobody runs.
#[derive(Debug)]
pub struct Template {
    folder: TempDir,
    hospitals: usize,
    pace: Pace,
    warrants: Vec<String>,
    told: Mutex<Vec<(String, Value)>>,
}

impl Template {
    /// Makes one with so many hospitals and so many approved queries.
    ///
    /// # Panics
    /// When a command fails.
    #[must_use]
    pub fn make(hospitals: usize, queries: usize, pace: Pace) -> Template {
        let folder = TempDir::new().expect("a temporary folder");
        let mut template = Template { folder, hospitals, pace, warrants: Vec::new(), told: Mutex::default() };
        let persons = template.persons();
        template.init(&persons);
        let mut server = template.serve();
        for hospital in 0..hospitals {
            template.admit(hospital);
        }
        template.roster(&persons);
        for query in 0..queries {
            let warrant = template.warrant(query, &persons);
            template.warrants.push(warrant);
        }
        super::stop(&mut server);
        template
    }

    /// A copy to play on, at an address of its own, in a temporary folder.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[must_use]
    pub fn deploy(&self) -> Deployment {
        let folder = TempDir::new().expect("a temporary folder");
        copy(self.folder.path(), folder.path());
        Deployment::over(folder, self.hospitals, self.pace.clone(), self.warrants.clone())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    fn lcg(&self, args: &[&str]) -> Value {
        let mut command = command(&samensom());
        command.arg("--data").arg(self.path("lcg")).args(["--no-input", "--format", "json"]).args(args);
        let printed = output(&mut command);
        let facts: Value = serde_json::from_str(&printed).expect("JSON");
        let verb: Vec<&str> = args.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((verb.join(" "), facts.clone()));
        facts
    }

    /// What each command of `samensom` printed on the way, by its words up to the first option.
    #[must_use]
    pub fn told(&self) -> Vec<(String, Value)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn persons(&self) -> Vec<String> {
        std::fs::create_dir(self.path("persons")).expect("a folder");
        let mut approvers = Vec::new();
        for signer in 0..SIGNERS {
            let (base, name) = (self.path(&format!("persons/signer-{signer}")), format!("Signer {signer}"));
            let who = ["--name", &name, "--organisation", "nvza", "--out", &base];
            self.lcg(&[&["keygen", "signer", "--unsealed"], &who[..]].concat());
        }
        for (number, role) in ROLES.iter().enumerate() {
            let base = self.path(&format!("persons/approver-{number}"));
            let organisation = if number == 0 { "h0" } else { "lcg" };
            let (name, who) = (format!("Approver {number}"), ["--organisation", organisation]);
            let head = ["keygen", "approver", "--unsealed", "--name", &name, "--role", role];
            self.lcg(&[&head[..], &who[..], &["--out", &base]].concat());
            approvers.push(base);
        }
        let base = self.path("persons/analyst");
        let who = ["--name", "Analyst", "--organisation", "lcg", "--out", &base];
        self.lcg(&[&["keygen", "analyst", "--unsealed"], &who[..]].concat());
        approvers
    }

    fn init(&self, _persons: &[String]) {
        let rules = self.path("rules.toml");
        std::fs::write(&rules, self.pace.rules(DEFAULT)).expect("the rules are written");
        let listen = free_port().to_string();
        let mut args = vec!["init", "--name", "LCG", "--rules", &rules, "--listen", &listen, "--signer"];
        let signers: Vec<String> =
            (0..SIGNERS).map(|signer| self.path(&format!("persons/signer-{signer}.pub"))).collect();
        args.extend(signers.iter().map(String::as_str));
        self.lcg(&args);
    }

    fn serve(&self) -> Child {
        let mut command = command(&samensom());
        command.arg("--data").arg(self.path("lcg")).arg("serve").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().expect("the server starts");
        let mut line = String::new();
        let out = server.stdout.take().expect("its stdout");
        BufReader::new(out).read_line(&mut line).expect("its stdout can be read");
        assert!(line.starts_with("listening on "), "{line}");
        server
    }

    fn agent(&self, hospital: usize, args: &[&str]) -> String {
        let config = self.path(&format!("{HOSTS}/h{hospital}/node.toml"));
        let mut command = command(&programs().join("samensom-node"));
        output(command.args(["--config", &config, "--no-input"]).args(args))
    }

    fn admit(&self, hospital: usize) {
        let id = format!("h{hospital}");
        let home = PathBuf::from(self.path(&format!("{HOSTS}/{id}")));
        std::fs::create_dir_all(&home).expect("a folder");
        std::fs::write(home.join("node.toml"), super::node_toml(&id, None, &self.pace)).expect("node.toml");
        let name = format!("Hospital {hospital}");
        let group = GROUPS[hospital / 3 % GROUPS.len()];
        self.lcg(&["hospital", "add", &name, "--group", group, "--kind", "general", "--id", &id]);
        let mut command = command(&samensom());
        command.arg("--data").arg(self.path("lcg")).args(["hospital", "token", &id]);
        let token = home.join("token");
        std::fs::write(&token, output(&mut command)).expect("the token is written");
        let token = token.to_str().expect("a path in UTF-8");
        let told = self.agent(hospital, &["enroll", "--no-wait", "--token-file", token]);
        let words = told.lines().find_map(|line| line.strip_prefix("key:")).map(str::trim);
        self.lcg(&["hospital", "confirm", &id, "--fingerprint", words.expect("the key's words")]);
    }

    fn roster(&self, approvers: &[String]) {
        let publics: Vec<String> = approvers.iter().map(|base| format!("{base}.pub")).collect();
        let mut args = vec!["roster", "propose", "--approver"];
        args.extend(publics.iter().map(String::as_str));
        let facts = self.lcg(&args);
        for signer in 0..3 {
            self.lcg(&["roster", "sign", "--key", &self.path(&format!("persons/signer-{signer}.key"))]);
        }
        let words = facts["words"].as_str().expect("the roster's words");
        for hospital in 0..self.hospitals {
            self.agent(hospital, &["enroll", "--accept-roster", words]);
        }
    }

    fn warrant(&self, number: usize, approvers: &[String]) -> String {
        let file = self.path(&format!("query-{number}.toml"));
        std::fs::write(&file, query(number)).expect("the query is written");
        let key = self.path("persons/analyst.key");
        let facts = self.lcg(&["query", "submit", &file, "--key", &key, "--sessions", "60000"]);
        let warrant = facts["warrant"].as_str().expect("the warrant's hash").to_owned();
        for base in approvers {
            self.lcg(&["query", "approve", &warrant, "--key", &format!("{base}.key")]);
        }
        warrant
    }
}

/// Purchasing groups of three hospitals each.
const GROUPS: [&str; 3] = ["west", "east", "south"];

fn query(number: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "[query]\nid = \"planted-{number}\"\nversion = 1\ntitle = {{ nl = \"Geplant\", en = \"Planted\" }}\n\
         purpose = \"stock\"\ndataset = \"stock\"\n"
    );
    for place in 0..FIGURES {
        let _ = write!(
            text,
            "[[measure]]\nname = \"m{place}\"\nsum = \"quantity\"\nwhere = \"code = 'c{place}'\"\n\
             unit = \"piece\"\nscale = 0\nrange = [-1000000, 1000000]\n"
        );
    }
    text.push_str("[[measure]]\nname = \"holders\"\nhospitals = \"sum(quantity) > 0\"\n");
    text
}

/// Runs a command to its end; what it printed.
pub(super) fn output(command: &mut Command) -> String {
    let ended = command.output().expect("the program starts");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {}\n{told}", ended.status);
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// Copies a folder with all rights; sockets stay behind.
///
/// # Panics
/// When it cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            std::fs::set_permissions(&target, entry.metadata().expect("rights").permissions())
                .expect("rights");
            copy(&path, &target);
        } else if kind.is_file() {
            std::fs::copy(&path, &target).expect("a file is copied");
        }
    }
}
