//! The command line: verbs, options, exit codes.
//!
//! Owns how facts are printed (results on stdout, progress on stderr, a closed pipe is success) and what is
//! asked of a person, never without a terminal. What a verb does is in the module of its name.

use crate::adversary::adversary;
use crate::audit::{self, ExportFormat, Since};
use crate::check::check;
use crate::config::{Config, ConfigError, DEFAULT_FILE, DEFAULT_STATE};
use crate::enroll::{Fact, Operator, Wish, enroll};
use crate::error::{EXIT_CODES, Error};
use crate::extract::{Reader, data_check_by, read_as_child};
use crate::{pause, queries, run, status, stop_signal};
use clap::{Args, Parser, Subcommand, ValueEnum};
use samensom_protocol::query::{Dataset, Language};
use serde::Serialize;
use std::fmt::Display;
use std::io::{BufRead, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long work in other threads may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// The agent of one hospital: keeps the extracts, joins secure sum sessions, dials out only.
#[derive(Debug, Parser)]
#[command(name = "samensom-node", version, after_help = EXIT_CODES, after_long_help = long_help())]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Global {
    /// Configuration file [default: /etc/samensom-node/node.toml]
    #[arg(short, long, global = true, value_name = "FILE", env = "SAMENSOM_NODE_CONFIG")]
    config: Option<PathBuf>,
    /// State folder, instead of the configuration's
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How facts are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How log lines are written to stderr
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// Ask nothing, even on a terminal
    #[arg(long, global = true)]
    no_input: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Join: make the identity key here, present LCG's token, wait for admission
    Enroll {
        /// The token file that LCG gave; not needed to go on with an earlier enrolment
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Do not wait until a roster lists this hospital
        #[arg(long, conflicts_with = "accept_roster")]
        no_wait: bool,
        /// Accept the newest roster, if these are the six words that LCG reads to you
        #[arg(long, value_name = "WORDS")]
        accept_roster: Option<String>,
    },
    /// Run the service
    Run,
    /// Check everything that must be right, with what to do where it is not
    Check {
        /// Try a lying coordinator's attacks on this program instead, with throw-away keys and figures
        #[arg(long)]
        adversary: bool,
    },
    /// Show whom this agent follows and how its last sessions ended
    Status,
    /// The hospital's own data
    #[command(subcommand)]
    Data(Data),
    /// What queries would compute here
    #[command(subcommand)]
    Queries(Queries),
    /// What this agent was asked, decided and did
    #[command(subcommand)]
    Audit(Log),
    /// Take part in nothing until `resume`; nobody is asked
    Pause,
    /// Take part again
    Resume {
        /// After the agent stopped because the coordinator's transparency log did not go on, and the hospitals agree
        /// that it may begin anew (as after a restore): forget the head that was believed
        #[arg(long)]
        new_log: bool,
    },
    /// Take part in nothing for good; says what to tell LCG
    Leave,
    /// The reading child; its job comes on stdin
    #[command(name = crate::extract::VERB, hide = true)]
    ReadExtracts,
}

#[derive(Debug, Subcommand)]
enum Data {
    /// Read the extracts as configured and account for every row; nothing leaves
    Check {
        /// One data set alone
        #[arg(value_name = "DATASET", value_parser = dataset)]
        dataset: Option<Dataset>,
    },
}

#[derive(Debug, Subcommand)]
enum Queries {
    /// List what was asked here, and how each stands
    List,
    /// Say in plain words what a query reads, counts and sends, who asks it, and which rule decides
    Show(Asked),
    /// The same with this hospital's own figures, which stay here
    Preview(Asked),
    /// Approve what was asked here, as a named person; binds to exactly this warrant
    Approve(By),
    /// Refuse it; from the next session on this hospital takes no part in it
    Refuse(By),
}

#[derive(Debug, Args)]
struct By {
    /// The warrant, or the beginning of its hash, as `queries list` shows it
    #[arg(value_name = "ID")]
    which: String,
    /// Who decides; the account of this machine is recorded beside it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Why; stays in the audit log here
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, Subcommand)]
enum Log {
    /// The records in words
    Show(Which),
    /// Hold every record against its chain and its signature
    Verify {
        /// Also against the heads of this log that LCG kept (`samensom audit export --as heads`)
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Write the records for another program to stdout
    Export {
        /// In which form
        #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
        form: ExportFormat,
        #[command(flatten)]
        which: Which,
    },
    /// Say whether a session's query read the rows of one person
    Patient {
        /// The person as the extract writes it; `-` reads it from stdin, where no list of processes shows it
        #[arg(long, value_name = "ID")]
        person: String,
        /// The session, or the beginning of its id
        #[arg(long, value_name = "ID")]
        session: String,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only from this day or moment on (UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only of this session, or of those whose id begins so
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

#[derive(Debug, Args)]
struct Asked {
    /// A query's file, or the beginning of the hash of one that was asked here
    #[arg(value_name = "FILE|ID")]
    which: String,
    /// The value of a parameter, where it is not the usual one; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// The language of the words
    #[arg(long, value_enum, default_value_t)]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Lang {
    #[default]
    Nl,
    En,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Language {
        match lang {
            Lang::Nl => Language::Dutch,
            Lang::En => Language::English,
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as horizon=2026-12-31")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn dataset(name: &str) -> Result<Dataset, String> {
    Dataset::parse(name).map_err(|error| error.to_string())
}

fn long_help() -> String {
    format!(
        "Examples:\n  samensom-node enroll --token-file erasmus.token\n  samensom-node data check stock\n  \
         samensom-node check\n  samensom-node run\n  samensom-node status --format json\n\n{EXIT_CODES}"
    )
}

/// Runs the program on the process's own arguments and gives its exit code.
#[must_use]
pub fn main() -> u8 {
    let cli = Cli::parse();
    if matches!(cli.verb, Verb::ReadExtracts) {
        // Before any thread is made, for it limits the thread it runs in. It logs nothing.
        return read_as_child();
    }
    // The self-test's refusals are its report; as log lines they would alarm.
    let quiet = matches!(cli.verb, Verb::Check { adversary: true });
    log_to_stderr(cli.global.log_format, if quiet { "error" } else { "info" });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|source| Error::Io { doing: "starting", source }).and_then(|runtime| {
        let done = runtime.block_on(act(&cli));
        // An extract that is being read does not keep a stopped agent alive.
        runtime.shutdown_timeout(FAREWELL);
        done
    });
    match done {
        Ok(()) => 0,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code stays.
            let _ = writeln!(std::io::stderr(), "samensom-node: {error}");
            error.exit_code()
        }
    }
}

async fn act(cli: &Cli) -> Result<(), Error> {
    let global = &cli.global;
    match &cli.verb {
        Verb::Enroll { token_file, no_wait, accept_roster } => {
            let wish = Wish { token_file: token_file.clone(), wait: !no_wait, accept: accept_roster.clone() };
            let config = global.config_or_state()?;
            enroll(&config, &wish, &mut Person { ask: !global.no_input, format: global.format }).await
        }
        Verb::Run => run(global.config()?, stop_signal()).await,
        Verb::Check { adversary: true } => {
            let report = adversary().await?;
            global.print(&report)?;
            if report.good() { Ok(()) } else { Err(Error::Problems) }
        }
        Verb::Check { adversary: false } => {
            let findings = check(global.config()).await;
            global.print(&findings)?;
            if findings.good() { Ok(()) } else { Err(Error::Problems) }
        }
        Verb::Status => global.print(&status::read(&global.config_or_state()?)?),
        Verb::Data(Data::Check { dataset }) => {
            let config = global.config()?;
            let dataset_name = dataset.map_or("all", Dataset::name);
            audit::tell_if_enrolled(&config, audit::Event::DataChecked { dataset: dataset_name.to_owned() })?;
            let scratch = config.scratch();
            let (reports, _) = data_check_by(
                &config.reader,
                &config.extracts,
                &config.base_dir,
                (&scratch, crate::clock::now()),
                *dataset,
            )?;
            let good = !reports.is_empty() && reports.iter().all(|report| report.complete);
            match global.format {
                Format::Json => global.print(&Plain(&reports))?,
                Format::Text if reports.is_empty() => print("no such extract is declared")?,
                Format::Text => reports.iter().try_for_each(|report| print(&report.to_string()))?,
            }
            if good { Ok(()) } else { Err(Error::Problems) }
        }
        Verb::Queries(asked) => desk(global, asked),
        Verb::Audit(asked) => log(global, asked),
        Verb::Pause => global.print(&pause::pause(&global.config_or_state()?)?),
        Verb::Resume { new_log } => global.print(&pause::resume(&global.config_or_state()?, *new_log)?),
        Verb::Leave => global.print(&pause::leave(&global.config_or_state()?)?),
        // Served before there is a runtime.
        Verb::ReadExtracts => Ok(()),
    }
}

/// The consent desk's verbs.
fn desk(global: &Global, asked: &Queries) -> Result<(), Error> {
    match asked {
        Queries::List => global.print(&queries::list(&global.config_or_state()?)?),
        Queries::Show(Asked { which, set, lang }) => {
            global.print(&queries::show(&global.config_or_state()?, which, set, (*lang).into())?)
        }
        Queries::Preview(Asked { which, set, lang }) => {
            global.print(&queries::preview(&global.config()?, which, set, (*lang).into())?)
        }
        Queries::Approve(By { which, name, reason }) => {
            global.print(&queries::decide(&global.config()?, which, true, (name, reason))?)
        }
        Queries::Refuse(By { which, name, reason }) => {
            global.print(&queries::decide(&global.config()?, which, false, (name, reason))?)
        }
    }
}

/// The audit log's verbs.
fn log(global: &Global, asked: &Log) -> Result<(), Error> {
    let config = global.config_or_state()?;
    match asked {
        Log::Show(Which { since, session }) => {
            let shown = audit::show(&config, since.as_ref(), session.as_deref())?;
            match global.format {
                Format::Json => global.print(&Plain(&shown)),
                Format::Text => shown.iter().try_for_each(|one| print(&one.to_string())),
            }
        }
        Log::Verify { against } => global.print(&audit::verify(&config, against.as_deref())?),
        Log::Export { form, which: Which { since, session } } => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            audit::export(&config, *form, (since.as_ref(), session.as_deref()), &mut out)
        }
        Log::Patient { person, session } => {
            let mut line = String::new();
            if person == "-" {
                let read = std::io::stdin().lock().read_line(&mut line);
                read.map_err(|source| Error::Io { doing: "reading the person from stdin", source })?;
            }
            let person = if person == "-" { line.trim() } else { person };
            global.print(&audit::ask(&config, session, person)?)
        }
    }
}

/// This very program, also after its file was replaced by a newer one.
const ITSELF: &str = "/proc/self/exe";

impl Global {
    fn config(&self) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        let mut config = Config::load(file)?;
        config.reader = Reader::Child(ITSELF.into());
        if let Some(state) = &self.state {
            config.state = std::path::absolute(state).unwrap_or_else(|_| state.clone());
        }
        Ok(config)
    }

    /// A configuration, or a state folder alone.
    fn config_or_state(&self) -> Result<Config, ConfigError> {
        match (&self.config, &self.state) {
            (None, Some(state)) => Ok(Config::bare(state)),
            (None, None) if !Path::new(DEFAULT_FILE).exists() => Ok(Config::bare(Path::new(DEFAULT_STATE))),
            _ => self.config(),
        }
    }

    fn print(&self, facts: &(impl Display + Serialize)) -> Result<(), Error> {
        match self.format {
            Format::Text => print(&facts.to_string()),
            Format::Json => {
                let json = serde_json::to_string_pretty(facts);
                print(&json.map_err(|error| Error::Io { doing: "printing", source: error.into() })?)
            }
        }
    }
}

/// A value that is printed as JSON alone.
struct Plain<'a, T>(&'a T);

impl<T: Serialize> Serialize for Plain<'_, T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<T> Display for Plain<'_, T> {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

/// Writes a line to stdout. A reader that has seen enough is no failure.
fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|source| Error::Io { doing: "printing", source }),
    }
}

/// The operator at a terminal, if there is one.
struct Person {
    ask: bool,
    format: Format,
}

impl Operator for Person {
    fn show(&mut self, fact: &Fact) {
        let text = match self.format {
            Format::Text => fact.to_string(),
            // One object a line: the key is to be read out long before a roster is accepted.
            Format::Json => serde_json::to_string(fact).unwrap_or_default(),
        };
        // What cannot be shown stays in the state; `status` shows it again.
        let _ = print(&text);
    }
    fn progress(&mut self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    fn confirm(&mut self, question: &str) -> Option<bool> {
        if !self.ask || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let mut answer = String::new();
        write!(std::io::stderr(), "{question} [yes/no] ").ok()?;
        std::io::stdin().lock().read_line(&mut answer).ok()?;
        Some(answer.trim().eq_ignore_ascii_case("yes"))
    }
}

fn log_to_stderr(format: Format, level: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("SAMENSOM_NODE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        Format::Json => log.json().init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_help_ends_with_the_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(help.trim_end().ends_with("8  verification failed"), "{help}");
    }

    #[test]
    fn not_waiting_and_accepting_exclude_each_other() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));
        assert!(parse("samensom-node enroll --no-wait --accept-roster a").is_err());
        assert!(parse("samensom-node enroll --token-file t --no-wait --state s").is_ok());
        assert!(parse("samensom-node data check stok").unwrap_err().to_string().contains("stock"));
    }
}
