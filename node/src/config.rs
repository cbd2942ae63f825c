//! The configuration: one TOML file, every key known, every default written down.
//!
//! Owns the keys (explained in `deploy/config/node.toml`) and what is said of a wrong one: file, line, what
//! is wrong, the nearest known key. Secrets never stand in it. It must not open any other file.

use crate::consent::{Consent, Persons, QueryRule};
use crate::extract::{ExtractConfig, Reader};
use crate::link::Timing;
use samensom_protocol::query::{Purpose, nearest};
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the file is looked for when none is named.
pub const DEFAULT_FILE: &str = "/etc/samensom-node/node.toml";
/// Where the state is when the file does not say.
pub const DEFAULT_STATE: &str = "/var/lib/samensom-node";

/// The configuration, with paths that stand on their own.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from; none when a state folder was named instead.
    pub file: Option<PathBuf>,
    /// The folder on which the extracts' relative paths stand.
    pub base_dir: PathBuf,
    /// Short name of the hospital, to be compared with the token's.
    pub name: Option<String>,
    /// The state folder.
    pub state: PathBuf,
    /// HOST:PORT, where it differs from the token's.
    pub coordinator: Option<String>,
    /// When a silent link counts as lost.
    pub timing: Timing,
    /// The extracts.
    pub extracts: Vec<ExtractConfig>,
    /// Who reads them. Not the file's to say: the program sets a child, tests read in their own process.
    pub reader: Reader,
    /// The hospital's own rules.
    pub policy: Policy,
}

/// The hospital's own rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// For each purpose; refused where nothing is said.
    pub purposes: Purposes,
    /// Fewest hospitals behind a shown figure, or this one does not take part.
    pub floor_hospitals: u16,
    /// How many people must approve what is asked; one where nothing is said.
    pub persons: Option<Persons>,
    /// For single queries; the first that names a query counts.
    pub query: Vec<QueryRule>,
}

/// What is done with a query of each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the purpose of that name")]
pub struct Purposes {
    pub stock: Consent,
    pub quality: Consent,
    pub research: Consent,
    pub crisis: Consent,
}

impl Purposes {
    /// What is done with a query of this purpose.
    #[must_use]
    pub fn of(&self, purpose: Purpose) -> Consent {
        match purpose {
            Purpose::Stock => self.stock,
            Purpose::Quality => self.quality,
            Purpose::Research => self.research,
            Purpose::Crisis => self.crisis,
        }
    }
}

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}\n  do: {todo}", .file.display(), .line.map_or(String::new(), |line| format!(":{line}")))]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub problem: String,
    /// What to do.
    pub todo: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    node: Node,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    extract: Vec<ExtractConfig>,
    #[serde(default)]
    policy: Policy,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Node {
    name: Option<String>,
    state: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Network {
    coordinator: Option<Address>,
    idle: Option<Span>,
    keep_alive: Option<Span>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong: file, line, problem, what to do.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: path.to_owned(),
            line: None,
            problem: format!("cannot be read: {error}"),
            todo: "name the file with --config FILE, and let this user read it; \
                   deploy/config/node.toml is a sample"
                .to_owned(),
        })?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Config::parse(&text, &absolute)
    }

    /// A configuration of nothing but a state folder.
    #[must_use]
    pub fn bare(state: &Path) -> Config {
        let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
        Config {
            file: None,
            base_dir: state.clone(),
            name: None,
            state,
            coordinator: None,
            timing: Timing::default(),
            extracts: Vec::new(),
            reader: Reader::Here,
            policy: Policy::default(),
        }
    }

    /// Where a check of the extracts puts by what it must: the state folder, if there is one.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        if self.state.is_dir() { self.state.clone() } else { std::env::temp_dir() }
    }

    /// Reads the text of the file at `path`, which is absolute.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| explain(&error, text, path))?;
        let base_dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let usual = Timing::default();
        let timing = Timing {
            idle: file.network.idle.map_or(usual.idle, |span| span.0),
            keep_alive: file.network.keep_alive.map_or(usual.keep_alive, |span| span.0),
        };
        if timing.keep_alive >= timing.idle {
            return Err(ConfigError {
                file: path.to_owned(),
                line: line_of_key(text, "keep_alive").or_else(|| line_of_key(text, "idle")),
                problem: format!(
                    "network.keep_alive ({:?}) is not shorter than network.idle ({:?})",
                    timing.keep_alive, timing.idle
                ),
                todo: "make network.keep_alive a third of network.idle, or less".to_owned(),
            });
        }
        Ok(Config {
            file: Some(path.to_owned()),
            name: file.node.name,
            state: base_dir.join(file.node.state.unwrap_or_else(|| DEFAULT_STATE.into())),
            base_dir,
            coordinator: file.network.coordinator.map(|address| address.0),
            timing,
            extracts: file.extract,
            reader: Reader::Here,
            policy: file.policy,
        })
    }
}

fn explain(error: &toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let at = error.span().map(|span| span.start);
    let line = at.map(|at| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1);
    let message = error.message().trim_end();
    let quoted = line.and_then(|line| text.lines().nth(line - 1)).map(str::trim).unwrap_or_default();
    // serde names the unknown word first and then those it knows, each in back quotes.
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let near = match words.split_first() {
        Some((wrong, known)) if message.starts_with("unknown ") && !message.contains("did you mean") => {
            nearest(wrong, known.iter().copied())
        }
        _ => None,
    };
    let todo = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "correct this line; deploy/config/node.toml explains every key".to_owned(),
    };
    let problem = if quoted.is_empty() { message.to_owned() } else { format!("{message}\n  line: {quoted}") };
    ConfigError { file: path.to_owned(), line, problem, todo }
}

fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let is_key = |line: &str| line.split_once('=').is_some_and(|(left, _)| left.trim() == key);
    text.lines().position(is_key).map(|at| at + 1)
}

/// HOST:PORT.
struct Address(String);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let good = text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
        if good {
            return Ok(Address(text));
        }
        Err(serde::de::Error::custom(format!(
            "`{text}` is no address; HOST:PORT expected, such as node.lcg.example:443"
        )))
    }
}

/// A length of time: a whole number and `ms`, `s`, `m` or `h`.
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let span = parse_span(&text).filter(|span| (LEAST..=MOST).contains(span));
        span.map(Span).ok_or_else(|| {
            let expected = "a whole number and ms, s, m or h, from 100ms to 1h, such as \"10s\"";
            serde::de::Error::custom(format!("`{text}` is no length of time; expected {expected}"))
        })
    }
}

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(3_600);

fn parse_span(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms)?))
}

#[cfg(test)]
mod tests;
