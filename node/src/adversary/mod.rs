//! `check --adversary`: a lying coordinator tries its attacks on this very program, with throw-away keys.
//!
//! The victim is the agent's own driver over the agent's own ledger, extract reader and rules, in a folder
//! that is removed; only the network is left out. Each attack has a fresh one, four honest hospitals and a
//! coordinator in memory that follows the protocol up to the moment of the lie. Nothing of this hospital is
//! read: not its keys, its state or its figures. It must not decide what a check is.

mod attacks;
mod country;
mod hand;
mod town;

use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::link::{FarEnd, in_memory};
use crate::session::{Driver, LastSession};
use attacks::{Attack, Moment, Stops, all};
use country::Country;
use hand::Hand;
use samensom_protocol::admission::ADMISSION_VERSION;
use samensom_protocol::codec::Malformed;
use samensom_protocol::error::{Check, Fault};
use samensom_protocol::message::Message;
use samensom_protocol::roster::RosterFault;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use town::{ALLOWED, Town, VICTIM};

/// An attack that takes longer than this did not come about.
const PATIENCE: Duration = Duration::from_secs(30);

/// A part of the self-test that could not be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetUp(&'static str);

impl From<Malformed> for SetUp {
    fn from(_: Malformed) -> SetUp {
        SetUp("a message")
    }
}
impl From<RosterFault> for SetUp {
    fn from(_: RosterFault) -> SetUp {
        SetUp("its roster")
    }
}
impl From<Fault> for SetUp {
    fn from(_: Fault) -> SetUp {
        SetUp("its query")
    }
}
impl From<SetUp> for Error {
    fn from(SetUp(what): SetUp) -> Error {
        Error::SelfTest { what }
    }
}

/// One attack and what came of it. The JSON form has these names and is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Number in the specification's catalogue of attacks.
    pub number: u8,
    /// What the coordinator did.
    pub attack: &'static str,
    /// The check that must stop it.
    pub expected: String,
    /// What this program did.
    pub observed: String,
    /// True if it was stopped there, and nothing was given.
    pub refused: bool,
}

/// All attacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// In the order of a session.
    pub attacks: Vec<Line>,
}

impl Report {
    /// True if every attack was refused.
    #[must_use]
    pub fn good(&self) -> bool {
        !self.attacks.is_empty() && self.attacks.iter().all(|line| line.refused)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "samensom-node {}: attacks of a lying coordinator, with throw-away keys", self.version)?;
        for Line { number, attack, expected, observed, refused } in &self.attacks {
            let verdict = if *refused { "refused" } else { "FAIL" };
            writeln!(f, "{verdict:<7}  #{number:<3} {attack}")?;
            writeln!(f, "              expected: {expected}")?;
            writeln!(f, "              observed: {observed}")?;
        }
        let refused = self.attacks.iter().filter(|line| line.refused).count();
        write!(f, "{refused} of {} attacks refused", self.attacks.len())?;
        if self.good() {
            return Ok(());
        }
        write!(f, "\n  do: do not run this program; send LCG this report and ask for another version")
    }
}

/// Tries every attack.
///
/// # Errors
/// When the self-test itself could not be made, as on a full disk.
pub async fn adversary() -> Result<Report, Error> {
    let mut lines = Vec::new();
    for attack in all() {
        lines.push(play(&attack).await?);
    }
    Ok(Report { version: env!("CARGO_PKG_VERSION"), at_ms: now().0, attacks: lines })
}

const CONFIG: &str = "[node]\nname = \"h1\"\nstate = \"state\"\n[policy]\npurposes = { PURPOSE = \"auto\" }\n\
    [[extract]]\ndataset = \"stock\"\nfile = \"stock.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
    decimal = \",\"\nunit = \"piece\"\n[extract.columns]\ncode = \"code\"\nquantity = \"quantity\"\n";

/// The victim: this program's driver over a folder of its own.
fn victim(folder: &Path, town: &Town) -> Result<Driver, Error> {
    let io = |source| Error::Io { doing: "making the self-test's folder", source };
    std::fs::write(folder.join("node.toml"), CONFIG.replace("PURPOSE", ALLOWED)).map_err(io)?;
    std::fs::write(folder.join("stock.csv"), "code;quantity\nA;120\nB;3\n").map_err(io)?;
    let config = Config::load(&folder.join("node.toml"))?;
    let ledger = Ledger::open(&config.state)?;
    let identity = town.identities.get(&VICTIM).ok_or(SetUp("its keys"))?;
    let coordinator = town.coordinator.public();
    Ok(Driver::new(VICTIM, Arc::clone(identity), coordinator, Arc::new(config), ledger))
}

async fn play(attack: &Attack) -> Result<Line, Error> {
    let io = |source| Error::Io { doing: "making the self-test's folder", source };
    let folder = tempfile::tempdir().map_err(io)?;
    let town = Town::new()?;
    let mut driver = victim(folder.path(), &town)?;
    let mut country = Country::new(&town, attack.scene, attack.wish)?;
    let (mut link, mut far) = in_memory();
    let rosters = [town.roster.clone()];
    let both = async {
        tokio::join!(driver.serve(&mut link, &town.roster, &rosters), lie(attack, &mut country, &mut far))
    };
    let played = tokio::time::timeout(PATIENCE, both).await;
    let Ok((served, lied)) = played else {
        return Ok(line(attack, "the moment of the attack never came".to_owned(), false));
    };
    served?;
    lied?;
    let mut said = Vec::new();
    while let Ok(bytes) = far.from_node.try_recv() {
        said.extend(Message::from_frame(&bytes));
    }
    Ok(judge(attack, &driver, &said))
}

/// Plays the honest coordinator up to the moment, lies, and ends the link's service.
async fn lie(attack: &Attack, country: &mut Country<'_>, far: &mut FarEnd) -> Result<(), SetUp> {
    let gone = || SetUp("the link in memory");
    let mut waiting = country.begin();
    loop {
        let mut lied = Vec::new();
        for bytes in waiting {
            let message = Message::from_frame(&bytes)?;
            if attack.at.is(&message) {
                lied = (attack.forge)(&Hand { country, honest: &message })?;
                break;
            }
            far.to_node.send(Ok(bytes)).await.map_err(|_| gone())?;
            country.sent.push(message);
        }
        if attack.at == Moment::Over && country.is_over() {
            let last = country.sent.last().cloned().ok_or(gone())?;
            lied = (attack.forge)(&Hand { country, honest: &last })?;
        }
        if !lied.is_empty() {
            lied.push(vec![ADMISSION_VERSION]);
            for bytes in lied {
                far.to_node.send(Ok(bytes)).await.map_err(|_| gone())?;
            }
            return Ok(());
        }
        let bytes = far.from_node.recv().await.ok_or(gone())?;
        waiting = country.hear(bytes);
    }
}

fn line(attack: &Attack, observed: String, refused: bool) -> Line {
    let expected = match attack.stops {
        Stops::Check(check) => format!("{check}: {}", check.what()),
        Stops::Own => "the hospital's own rules, before any figure is used".to_owned(),
    };
    Line { number: attack.number, attack: attack.what, expected, observed, refused }
}

/// What the victim did: which check spoke, and whether it gave anything all the same.
fn judge(attack: &Attack, driver: &Driver, said: &[Message]) -> Line {
    let given: Vec<&str> = said.iter().filter_map(given).skip(attack.answers).collect();
    let LastSession { state, reason, .. } = driver.last();
    let ended = (state == "ended").then(|| reason.clone()).flatten();
    let spoke = driver.refused().map(ToString::to_string).or(ended);
    let stopped = match attack.stops {
        Stops::Check(check) => spoke.as_deref().is_some_and(|spoke| names(spoke, check)),
        Stops::Own => spoke.as_deref() == Some(Driver::REFUSED),
    };
    let observed = match (&spoke, given.as_slice()) {
        (_, [first, ..]) => format!("it went on and sent {first}"),
        (Some(spoke), []) => spoke.clone(),
        (None, []) => "it took the message and said nothing".to_owned(),
    };
    line(attack, observed, stopped && given.is_empty())
}

fn names(spoke: &str, check: Check) -> bool {
    spoke.split(':').next() == Some(check.to_string().as_str())
}

/// What a frame of the victim gives the coordinator; a refusal or an alarm gives nothing.
fn given(message: &Message) -> Option<&'static str> {
    match message {
        Message::Deposit(_) => Some("DEPOSIT"),
        Message::Ready(_) => Some("READY"),
        Message::Report(_) => Some("its masked report"),
        Message::Confirm(_) => Some("CONFIRM"),
        Message::RevealR(_) | Message::RevealB(_) => Some("shares of secrets"),
        Message::Void(_) => Some("VOID"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_attack_is_refused() {
        let report = adversary().await.unwrap();
        assert!(report.attacks.len() > 50, "{}", report.attacks.len());
        assert!(report.good(), "{report}");
    }

    /// The red control: with a check off, a line that expects it fails.
    #[cfg(samensom_ablation)]
    #[tokio::test]
    async fn controls_a_check_that_is_off_fails_its_line() {
        use samensom_protocol::ablation::without;
        let expect = |check| all().into_iter().filter(move |one| one.stops == Stops::Check(check));
        // A13 is the type of the stage: what is confirmed cannot be confirmed again, and no switch can change it.
        let check = |one: &Attack| if let Stops::Check(check) = one.stops { Some(check) } else { None };
        let mut checks: Vec<Check> =
            all().iter().filter_map(check).filter(|one| *one != Check::A13).collect();
        checks.sort();
        checks.dedup();
        let mut kept = Vec::new();
        for check in checks {
            without(Some(check));
            let mut failed = 0;
            for attack in expect(check) {
                failed += usize::from(!play(&attack).await.unwrap().refused);
            }
            println!("{check} off: {failed} of {} lines fail", expect(check).count());
            kept.extend(Some(check).filter(|_| failed == 0));
        }
        without(None);
        assert!(kept.is_empty(), "off, and no line fails: {kept:?}");
    }
}
