//! `check`: everything that must be right before this hospital can take part, line by line.
//!
//! Owns the order of the areas and the shape of a line: what was tried, what to do, who can do it. It uses
//! the service's own code for each step and stops only what depends on a failure. No figure of the
//! hospital's data stands in it beyond the counts that `data check` shows.

use crate::audit::Audit;
use crate::chain::Chain;
use crate::config::{Config, ConfigError};
use crate::enroll::same_name;
use crate::error::Error;
use crate::extract::{Accounting, CheckReport, Guard, data_check_by};
use crate::hello::{SKEW_MS, Welcome, greet};
use crate::identity;
use crate::ledger::{Enrolment, Ledger, LedgerError, Pins, is_running};
use crate::link::{LinkError, dial};
use samensom_protocol::admission::words;
use samensom_protocol::crypto::keys::Identity;
use std::os::unix::fs::PermissionsExt;

mod findings;
mod service;

pub use findings::{Finding, Findings, Level};

use findings::{LCG, NETWORK, YOU};

/// Free space below which a warning is due, in MB.
const FREE_MB: u64 = 100;

/// Checks everything.
pub async fn check(config: Result<Config, ConfigError>) -> Findings {
    let mut findings = Findings::default();
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            findings.fail("config", &error, YOU);
            return findings;
        }
    };
    let file = config.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
    findings.ok("config", format!("{file}, {} data sets", config.extracts.len()));
    disk(&mut findings, &config);
    if let Some((enrolment, identity)) = enrolled(&mut findings, &config) {
        coordinator(&mut findings, &config, &enrolment, &identity).await;
    }
    data(&mut findings, &config);
    policy(&mut findings, &config);
    service::service(&mut findings, &config);
    findings
}

fn disk(findings: &mut Findings, config: &Config) {
    let state = config.state.display();
    let mode = match config.state.metadata() {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) => {
            let todo = "make the folder for the agent's user, or run `samensom-node enroll`, which makes it";
            return findings.not(Level::Fail, "disk", format!("{state}: {error}"), todo, YOU);
        }
    };
    if mode & 0o077 != 0 {
        let found = format!("{state}: others may enter (rights {:03o})", mode & 0o777);
        findings.not(Level::Warn, "disk", found, "run `chmod 700` on it", YOU);
    }
    let free = rustix::fs::statvfs(&config.state).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) >> 20);
    match free {
        Ok(free) if free < FREE_MB => {
            let found = format!("{state}: {free} MB free");
            findings.not(
                Level::Warn,
                "disk",
                found,
                "make room; the ledger must never fail to be written",
                YOU,
            );
        }
        Ok(free) => findings.ok("disk", format!("{state}: {free} MB free")),
        Err(error) => findings.not(Level::Warn, "disk", format!("{state}: {error}"), "look at the disk", YOU),
    }
    match Ledger::open_to_read(&config.state) {
        Ok(ledger) => findings.ok("ledger", format!("{} records, the chain holds", ledger.seq())),
        Err(LedgerError::Absent { .. }) => {}
        Err(error) => findings.fail("ledger", &error, LCG),
    }
}

fn enrolled(findings: &mut Findings, config: &Config) -> Option<(Enrolment, Identity)> {
    let read = || -> Result<(Enrolment, Identity), Error> {
        let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
        let pins = Pins::open_to_read(&config.state)?;
        let enrolment = pins.enrolment()?.ok_or_else(absent)?;
        let identity = identity::load(&config.state)?.ok_or_else(absent)?;
        same_name(config, &enrolment.institution)?;
        Ok((enrolment, identity))
    };
    match read() {
        Ok((enrolment, identity)) => {
            let key = words(&identity.public().0);
            findings.ok("identity", format!("{} ({}), key {key}", enrolment.institution, enrolment.hospital));
            Some((enrolment, identity))
        }
        Err(error) => {
            findings.fail("identity", &error, YOU);
            None
        }
    }
}

async fn coordinator(findings: &mut Findings, config: &Config, enrolment: &Enrolment, identity: &Identity) {
    let address = config.coordinator.as_ref().unwrap_or(&enrolment.coordinator);
    let mut link = match dial(address, &enrolment.coordinator_key, identity, config.timing).await {
        Ok(link) => link,
        Err(error) => return unreachable(findings, address, &error),
    };
    reached(findings, address, 3);
    if is_running(&config.state) {
        // A hello from here would take the place of the running agent's link, in the middle of a session.
        findings.ok("clock", "left to the running agent, which compares it at every link");
        return match Pins::open_to_read(&config.state).map_err(Error::from) {
            Ok(pins) => roster(findings, &pins, enrolment, identity),
            Err(error) => findings.fail("roster", &error, YOU),
        };
    }
    let greeted = async {
        let key = identity::load(&config.state)?.map(std::sync::Arc::new);
        let audit = key.map(|key| Audit::open(&config.state, &key)).transpose()?;
        let mut pins = Pins::open(&config.state)?.audited(audit.unwrap_or_default());
        let mut chain = Chain::load(&pins, enrolment.founding_roster)?;
        let welcome = greet(&mut link, &mut chain, &mut pins).await?;
        Ok::<_, Error>((pins, welcome))
    };
    let greeted = greeted.await;
    link.close("checked").await;
    match greeted {
        Ok((pins, welcome)) => {
            clock(findings, &welcome);
            roster(findings, &pins, enrolment, identity);
            service::version(findings, &welcome.software);
        }
        Err(error) => findings.fail("roster", &error, LCG),
    }
}

/// The first `steps` of DNS, UDP and TLS went well.
fn reached(findings: &mut Findings, address: &str, steps: usize) {
    let lines = [
        ("dns", format!("{address} has an address")),
        ("udp", format!("{address} answers")),
        ("tls", format!("{address} has the pinned key")),
    ];
    for (area, found) in lines.into_iter().take(steps) {
        findings.ok(area, found);
    }
}

fn unreachable(findings: &mut Findings, address: &str, error: &LinkError) {
    let (steps, area, who) = match error {
        LinkError::Resolve { .. } => (0, "dns", NETWORK),
        LinkError::WrongKey { .. } => (2, "tls", LCG),
        _ => (1, "udp", NETWORK),
    };
    reached(findings, address, steps);
    findings.fail(area, error, who);
}

fn clock(findings: &mut Findings, welcome: &Welcome) {
    let seconds = welcome.skew_ms / 1_000;
    if welcome.skew_ms < SKEW_MS {
        return findings.ok("clock", format!("{seconds} s from the coordinator's"));
    }
    let found = format!("{seconds} s from the coordinator's; less than {} s expected", SKEW_MS / 1_000);
    findings.not(Level::Fail, "clock", found, "set this machine's clock by NTP", YOU);
}

fn roster(findings: &mut Findings, pins: &Pins, enrolment: &Enrolment, identity: &Identity) {
    let chain = match Chain::load(pins, enrolment.founding_roster) {
        Ok(chain) => chain,
        Err(error) => return findings.fail("roster", &error, LCG),
    };
    let key = identity.public();
    let number =
        |roster: &samensom_protocol::roster::Roster| roster.member_by_key(&key).map(|member| member.id);
    match (chain.current().and_then(number), chain.newest().and_then(number)) {
        (Some(node), _) if node == enrolment.hospital => findings.ok("admitted", format!("{node}")),
        (Some(found), _) => {
            let expected = enrolment.hospital;
            findings.fail("admitted", &Error::OtherNumber { expected, found }, LCG);
        }
        (None, Some(_)) => {
            let found = "only by a roster that waits for confirmation here".to_owned();
            findings.not(Level::Fail, "admitted", found, "see the next line", YOU);
        }
        (None, None) => findings.fail("admitted", &Error::NotListed, LCG),
    }
    match (chain.why_held(), chain.current()) {
        (Some(held), _) => findings.fail("roster", &held, YOU),
        (None, Some(roster)) => {
            let (epoch, hospitals) = (roster.body().epoch, roster.size());
            findings
                .ok("roster", format!("number {epoch}, {hospitals} hospitals: {}", words(&roster.hash().0)));
        }
        (None, None) => findings.fail("roster", &Error::NotListed, LCG),
    }
}

fn data(findings: &mut Findings, config: &Config) {
    if config.extracts.is_empty() {
        let todo = "add an [[extract]] table to the configuration; deploy/config/node.toml shows one";
        return findings.not(Level::Fail, "data", "no extract is declared".to_owned(), todo, YOU);
    }
    let read = data_check_by(
        &config.reader,
        &config.extracts,
        &config.base_dir,
        (&config.scratch(), crate::clock::now()),
        None,
    );
    let (reports, guard) = match read {
        Ok(read) => read,
        Err(error) => return findings.fail("data", &error, YOU),
    };
    kept_apart(findings, guard);
    for CheckReport { dataset, file, accounting, problem, warning, .. } in reports {
        if let Some((found, todo)) = warning.as_deref().and_then(|warning| warning.rsplit_once("; ")) {
            findings.not(Level::Warn, "data", format!("{dataset}: {found}"), todo, YOU);
        }
        match (problem, accounting) {
            (None, Some(accounting)) => {
                let Accounting { used, rejected, objected, .. } = &accounting;
                let newest = accounting.newest.map_or("no date".to_owned(), |date| format!("to {date}"));
                let rows = format!("{used} rows used, {rejected} rejected, {objected} objected to");
                findings.ok("data", format!("{dataset}: {rows}, {newest}"));
            }
            (problem, Some(_)) => {
                let found = format!("{dataset}: {file}: {}", problem.unwrap_or_default());
                let todo = format!("run `samensom-node data check {dataset}`, which shows the rows");
                findings.not(Level::Fail, "data", found, &todo, YOU);
            }
            // The file as a whole: its text begins with its name and ends with what to do.
            (problem, None) => {
                let text = problem.unwrap_or_default();
                let (found, todo) = text.rsplit_once("; ").unwrap_or((&text, "see above"));
                findings.not(Level::Fail, "data", format!("{dataset}: {found}"), todo, YOU);
            }
        }
    }
}

/// How the process that reads the extracts is kept apart.
fn kept_apart(findings: &mut Findings, guard: Option<Guard>) {
    let limits = "read by a process of its own: limited memory and time, no network";
    match guard {
        Some(Guard::Full) => findings.ok("reader", format!("{limits}, no other files")),
        Some(Guard::Partial) => {
            findings
                .ok("reader", format!("{limits}, no other files (as far as this kernel's Landlock goes)"));
        }
        Some(Guard::NoLandlock) => {
            let found =
                format!("{limits}; this kernel has no Landlock, so it could read this user's other files");
            let todo = "use a kernel of 5.13 or newer with Landlock switched on (lsm=landlock)";
            findings.not(Level::Warn, "reader", found, todo, YOU);
        }
        None => {
            let found = "read by this process itself".to_owned();
            findings.not(Level::Warn, "reader", found, "run the shipped program", YOU);
        }
    }
}

fn policy(findings: &mut Findings, config: &Config) {
    use samensom_protocol::query::Purpose;
    let rules = Purpose::ALL.map(|purpose| (purpose, config.policy.purposes.of(purpose)));
    let allowed = rules.iter().filter(|(_, rule)| *rule != crate::consent::Consent::Refuse);
    let allowed: Vec<String> =
        allowed.map(|(purpose, rule)| format!("{} ({rule})", purpose.name())).collect();
    if allowed.is_empty() && config.policy.query.is_empty() {
        let todo = "set policy.purposes, such as { stock = \"auto\" }, if this hospital is to take part";
        return findings.not(Level::Warn, "policy", "every purpose is refused".to_owned(), todo, YOU);
    }
    let floor = config.policy.floor_hospitals;
    findings.ok("policy", format!("takes part in: {}; own floor {floor} hospitals", allowed.join(", ")));
}
