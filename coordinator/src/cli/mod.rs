//! The command line: a file per verb; what is printed, and the exit code.
//!
//! Results go to stdout, hints and progress to stderr. Nothing is asked when stdin is not a terminal. It
//! must not change anything by itself: verbs that do go through the control socket.

pub mod audit;
pub mod demo;
pub mod hospital;
pub mod init;
pub mod keygen;
pub mod query;
pub mod result;
pub mod roster;
pub mod serve;
pub mod status;
pub mod transparency;

use crate::error::Error;
use crate::folder::Folder;
use crate::shown;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 bad command line; 3 bad configuration; 4 refused by the \
roster or its rules; 5 the server does not run; 8 verification failed.";

/// LCG's coordinator of secure sums over hospitals: server and command line.
#[derive(Debug, Parser)]
#[command(name = "samensom", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// The data folder.
    #[arg(long, global = true, env = "SAMENSOM_DATA", default_value = "samensom-data", value_name = "DIR")]
    data: PathBuf,
    /// How facts are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Never ask anything.
    #[arg(long, global = true)]
    no_input: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// How facts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; stable.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the data folder, the coordinator's key and the founding roster.
    Init(init::Args),
    /// Run the server.
    Serve(serve::Args),
    /// How the running server is.
    Status,
    /// Make the key of an approver, a roster signer or an analyst.
    #[command(subcommand)]
    Keygen(keygen::Args),
    /// Hospitals: add, give a token, confirm, suspend, resume, remove, list.
    #[command(subcommand)]
    Hospital(hospital::Args),
    /// The roster: propose, sign, export, diff, show.
    #[command(subcommand)]
    Roster(roster::Args),
    /// Queries: check, submit, approve, run.
    #[command(subcommand)]
    Query(query::Args),
    /// Results: show, export, verify.
    #[command(subcommand)]
    Result(result::Args),
    /// What the server was asked, offered and opened: show, verify, export.
    #[command(subcommand)]
    Audit(audit::Args),
    /// The log of what the server did, for others to hold it to: export, verify.
    #[command(subcommand)]
    Transparency(transparency::Args),
    /// See it all: real agents, a coordinator, a national sum, in a temporary folder.
    Demo(demo::Args),
}

/// What every verb gets.
#[derive(Debug, Clone)]
pub struct Context {
    /// The data folder.
    pub folder: Folder,
    /// How facts are printed.
    pub format: Format,
    /// Whether a question may be asked.
    pub may_ask: bool,
}

impl Context {
    /// Prints facts on stdout, in the form that was asked for.
    ///
    /// # Errors
    /// `Unread` when nobody reads any more, else what stdout says.
    pub fn print(&self, facts: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Error> {
        match self.format {
            Format::Text => print_text(&shown::lines(&text())),
            Format::Json => {
                let json = serde_json::to_string_pretty(facts)
                    .map_err(|why| Error::machine(format!("the facts cannot be written: {why}")))?;
                print_text(&shown::json(&json))
            }
        }
    }

    /// Asks on the terminal; without one, or with --no-input, the answer is yes.
    ///
    /// # Errors
    /// When the answer is no.
    pub fn agree(&self, question: &str) -> Result<(), Error> {
        if !self.may_ask {
            return Ok(());
        }
        hint(&format!("{question} [y/N]"));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "j" | "ja") {
            return Ok(());
        }
        Err(Error::asked("not done: the answer was not yes"))
    }
}

/// Prints a text and a line end on stdout.
///
/// # Errors
/// `Unread` when nobody reads any more, else what stdout says.
pub fn print_text(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|why| {
        if why.kind() == std::io::ErrorKind::BrokenPipe {
            return Error::Unread;
        }
        Error::machine(format!("stdout cannot be written: {why}"))
    })
}

/// Says something beside the result, on stderr.
pub fn hint(text: &str) {
    // A hint that nobody can read changes nothing.
    let _ = writeln!(std::io::stderr(), "{}", shown::lines(text));
}

/// Reads the command line, does what it says, returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            // Help that nobody reads to its end is not a failure.
            let _ = why.print();
            return ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2));
        }
    };
    let context = Context {
        folder: Folder::new(cli.data),
        format: cli.format,
        may_ask: !cli.no_input && std::io::stdin().is_terminal(),
    };
    match run(&context, &cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Unread) => ExitCode::SUCCESS,
        Err(why) => {
            hint(&format!("error: {why}"));
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(context: &Context, verb: &Verb) -> Result<(), Error> {
    match verb {
        Verb::Init(args) => init::run(context, args),
        Verb::Serve(args) => serve::run(context, args),
        Verb::Status => status::run(context),
        Verb::Keygen(args) => keygen::run(context, args),
        Verb::Hospital(args) => hospital::run(context, args),
        Verb::Roster(args) => roster::run(context, args),
        Verb::Query(args) => query::run(context, args),
        Verb::Result(args) => result::run(context, args),
        Verb::Audit(args) => audit::run(context, args),
        Verb::Transparency(args) => transparency::run(context, args),
        Verb::Demo(args) => demo::run(context, args),
    }
}

/// The answer of another kind than was asked for.
fn unexpected() -> Error {
    Error::machine("the server answered something else")
        .remedy("use the command of the same version as the server")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound_and_every_verb_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let leaves: Vec<_> =
                if verb.has_subcommands() { verb.get_subcommands().collect() } else { vec![verb] };
            for leaf in leaves.into_iter().filter(|leaf| leaf.get_name() != "status") {
                let help = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("samensom "), "{} {}: no example", verb.get_name(), leaf.get_name());
            }
        }
    }
}
