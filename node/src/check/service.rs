//! The last lines of `check`: the service that runs the agent, its account, its version.
//!
//! Owns what is asked of the service manager (`systemctl show`, which any account may ask) and of the state
//! folder's owner. An agent that does not run yet is a warning: `check` comes before the first start.

use super::findings::{Findings, LCG, Level, YOU};
use crate::config::Config;
use crate::ledger::is_running;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

const UNIT: &str = "samensom-node.service";
const ASKED: [&str; 4] = ["LoadState", "ActiveState", "User", "WatchdogUSec"];
/// There where systemd is the service manager.
const SYSTEMD: &str = "/run/systemd/system";

/// Account, process and unit.
pub(super) fn service(findings: &mut Findings, config: &Config) {
    account(findings, config);
    let running = is_running(&config.state);
    if !Path::new(SYSTEMD).exists() {
        return if running {
            findings.ok("service", "an agent runs over this state; no systemd here watches it");
        } else {
            let todo = "start it: `samensom-node run`, by the service manager of this machine";
            findings.not(Level::Warn, "service", "no agent runs over this state".to_owned(), todo, YOU);
        };
    }
    let mut ask = Command::new("systemctl");
    ask.args(["show", UNIT]).args(ASKED.map(|name| format!("--property={name}"))).stdin(Stdio::null());
    match ask.output() {
        Ok(told) => unit(findings, &String::from_utf8_lossy(&told.stdout), running),
        Err(error) => {
            let found = format!("systemctl show {UNIT}: {error}");
            findings.not(Level::Warn, "service", found, "look with `systemctl status samensom-node`", YOU);
        }
    }
}

/// Commands by another account than the service's leave files behind that the service cannot use.
fn account(findings: &mut Findings, config: &Config) {
    let Ok(metadata) = config.state.metadata() else { return };
    let (me, owner) = (rustix::process::geteuid().as_raw(), metadata.uid());
    if me == owner {
        return findings.ok("account", format!("user {me} owns the state"));
    }
    let found = format!("the state belongs to user {owner}, this command runs as user {me}");
    let todo = "run it as the agent's user: `sudo -u samensom-node samensom-node check`";
    findings.not(Level::Warn, "account", found, todo, YOU);
}

/// What `systemctl show` printed, one `Name=value` a line.
fn unit(findings: &mut Findings, told: &str, running: bool) {
    let value = |name: &str| {
        let mut lines = told.lines().filter_map(|line| line.split_once('='));
        lines.find(|(found, _)| *found == name).map_or("", |(_, value)| value.trim())
    };
    let mut warn = |found: String, todo: &str| findings.not(Level::Warn, "service", found, todo, YOU);
    if value("LoadState") != "loaded" {
        let todo = "install deploy/systemd/samensom-node.service, then `systemctl daemon-reload`";
        return warn(format!("{UNIT} is not installed ({})", value("LoadState")), todo);
    }
    match (value("ActiveState"), running) {
        ("active", true) => {}
        ("active", false) => {
            return warn(
                format!("{UNIT} is active, but over another state folder than this"),
                "compare node.state in the unit's configuration file with this one",
            );
        }
        (state, _) => {
            return warn(format!("{UNIT} is {state}"), "start it: `systemctl enable --now samensom-node`");
        }
    }
    if matches!(value("User"), "" | "root") {
        return warn(format!("{UNIT} runs as root"), "set User=samensom-node in the unit, as shipped");
    }
    if matches!(value("WatchdogUSec"), "" | "0" | "infinity") {
        return warn(format!("{UNIT} has no watchdog"), "set WatchdogSec=60 in the unit, as shipped");
    }
    let (user, watchdog) = (value("User"), value("WatchdogUSec"));
    findings.ok("service", format!("{UNIT} is active as {user}, watchdog {watchdog}"));
}

/// This program beside the coordinator's.
pub(super) fn version(findings: &mut Findings, theirs: &str) {
    let ours = env!("CARGO_PKG_VERSION");
    let found = format!("samensom-node {ours}, coordinator {theirs}");
    match (minor(ours), minor(theirs)) {
        (Some(mine), Some(other)) if mine == other || mine.0 == other.0 && other.1 == mine.1 + 1 => {
            findings.ok("version", found);
        }
        (Some(mine), Some(other)) if mine < other => {
            let todo = "install the package that LCG names; a coordinator serves agents of its own version and of the one before";
            findings.not(Level::Warn, "version", found, todo, YOU);
        }
        _ => {
            let todo = "tell LCG; a coordinator is updated before the agents";
            findings.not(Level::Warn, "version", found, todo, LCG);
        }
    }
}

/// Major and minor number.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(act: impl FnOnce(&mut Findings)) -> (Level, String) {
        let mut findings = Findings::default();
        act(&mut findings);
        let one = &findings.lines()[0];
        assert_eq!(one.level == Level::Ok, one.todo.is_none(), "what is not right says what to do");
        (one.level, one.found.clone())
    }

    #[test]
    fn a_unit_is_judged_by_what_systemctl_shows() {
        let good = "LoadState=loaded\nActiveState=active\nUser=samensom-node\nWatchdogUSec=1min\n";
        let told = |from: &str, to: &str, running| {
            assert!(good.contains(from));
            line(|findings| unit(findings, &good.replace(from, to), running))
        };
        assert_eq!(told("", "", true).0, Level::Ok);
        for (from, to, running, word) in [
            ("=loaded", "=not-found", false, "not installed"),
            ("=active", "=failed", false, "is failed"),
            ("=active", "=active", false, "another state"),
            ("User=samensom-node", "User=", true, "as root"),
            ("=1min", "=infinity", true, "no watchdog"),
        ] {
            let (level, found) = told(from, to, running);
            assert!(level == Level::Warn && found.contains(word), "{found}");
        }
        assert_eq!(line(|findings| unit(findings, "", true)).0, Level::Warn);
    }

    #[test]
    fn an_agent_may_be_one_version_behind() {
        let (major, minor) = minor(env!("CARGO_PKG_VERSION")).unwrap();
        let told = |theirs: String| line(|findings| version(findings, &theirs)).0;
        assert_eq!(told(format!("{major}.{minor}.9")), Level::Ok);
        assert_eq!(told(format!("{major}.{}.0", minor + 1)), Level::Ok);
        assert_eq!(told(format!("{major}.{}.0", minor + 2)), Level::Warn);
        assert_eq!(told("0.0.9".to_owned()), Level::Warn);
        assert_eq!(told("development".to_owned()), Level::Warn);
    }
}
