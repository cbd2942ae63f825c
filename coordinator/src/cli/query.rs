//! `samensom query`: check, submit, approve, run. Approvals are signed here; the key never reaches the server.

use super::{Context, Format, hint, print_text, unexpected};
use crate::clock::{span_ms, text, today};
use crate::control::{Answers, Request, Response, ask};
use crate::error::Error;
use crate::ops::{Terms, asked};
use crate::passphrase::Phrases;
use crate::person::Person;
use crate::sealed::read_person_key;
use crate::session::{Consent, Progress};
use crate::toml_file;
use samensom_protocol::crypto::transcript::{Label, Transcript};
use samensom_protocol::ids::{NodeId, QueryHash, SessionId};
use samensom_protocol::io::Failure;
use samensom_protocol::query::{Language, Query, QueryError};
use samensom_protocol::warrant::{Approval, Series, SignedWarrant, WarrantBody};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A language of people.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum Lang {
    /// Dutch.
    #[default]
    Nl,
    /// English.
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

/// Who takes part from session to session.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Hospitals {
    /// Whoever is there.
    Free,
    /// Exactly those of the first session, each time.
    Equal,
}

impl From<Hospitals> for Series {
    fn from(hospitals: Hospitals) -> Series {
        match hospitals {
            Hospitals::Free => Series::Free,
            Hospitals::Equal => Series::Equal,
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as horizon=2026-12-31")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Read a query and say in plain words what it does; needs no server.
    #[command(after_help = "Example:\n  samensom query check stock.query.toml")]
    Check {
        /// The query.
        file: PathBuf,
        /// The language of the words.
        #[arg(long, value_enum, default_value_t)]
        lang: Lang,
    },
    /// Say in plain words what a warrant's query does.
    #[command(after_help = "Example:\n  samensom query show 3fa9 --lang en")]
    Show {
        /// Hash of the warrant, or its start.
        warrant: String,
        /// The language of the words.
        #[arg(long, value_enum, default_value_t)]
        lang: Lang,
    },
    /// Make a query a warrant, for the approvers to sign.
    #[command(after_help = "Examples:\n  samensom query submit stock.query.toml --key smit.key\n  \
samensom query submit stock.query.toml --key smit.key --valid 365d --sessions 52 --every 7d --wait 10m")]
    Submit {
        /// The query.
        file: PathBuf,
        /// The key of who asks, an analyst or an approver; beside it lies its .pub file.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File with the pass phrase of the key; without it, it is asked for.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// How long it may run.
        #[arg(long, default_value = "30d")]
        valid: String,
        /// Most sessions a hospital takes part in, one in each slot.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        sessions: u16,
        /// Least time between two sessions; without it, that of the slots.
        #[arg(long, value_name = "SPAN")]
        every: Option<String>,
        /// How long a session waits for hospitals that ask their people first; without it, not at all.
        #[arg(long, value_name = "SPAN")]
        wait: Option<String>,
        /// Who takes part from session to session; without it, the same hospitals where a figure is of a time that is
        /// over before the warrant, else whoever is there.
        #[arg(long, value_enum)]
        series: Option<Hospitals>,
        /// The value of a parameter, where it is not the usual one; may be given several times.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
    },
    /// Read a warrant and sign it.
    #[command(after_help = "Example:\n  samensom query approve 3fa9 --key jansen.key")]
    Approve {
        /// Hash of the warrant, or its start.
        warrant: String,
        /// The approver's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File with the pass phrase of the key; without it, it is asked for.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Run an approved warrant.
    #[command(after_help = "Example:\n  samensom query run 3fa9 --wait")]
    Run {
        /// Hash of the warrant, or its start.
        warrant: String,
        /// Stay until there is a result or none can be.
        #[arg(long)]
        wait: bool,
    },
}

/// Does it.
///
/// # Errors
/// What is wrong with the query, what the server answers as an error, or why there is no result.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Check { file, lang } => check(context, file, *lang),
        Args::Show { warrant, lang } => show(context, warrant, *lang),
        Args::Submit { file, key, passphrase_file, valid, sessions, every, wait, series, set } => {
            let terms = Terms {
                valid_ms: span_ms(valid)?,
                sessions: *sessions,
                every_s: seconds(every.as_deref())?,
                wait_s: seconds(wait.as_deref())?,
                series: series.map(Series::from),
            };
            let phrases = Phrases { file: passphrase_file.clone(), may_ask: context.may_ask };
            submit(context, file, (terms, key, &phrases), set)
        }
        Args::Approve { warrant, key, passphrase_file } => {
            let phrases = Phrases { file: passphrase_file.clone(), may_ask: context.may_ask };
            approve(context, warrant, key, &phrases)
        }
        Args::Run { warrant, wait } => run_session(context, warrant, *wait),
    }
}

/// Reads a query file; its code lists are relative to it.
fn read(file: &Path) -> Result<Query, Error> {
    let source = toml_file::text(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut codes = |path: &str| toml_file::text(&folder.join(path)).map_err(|why| why.to_string());
    Query::from_toml(&source, &mut codes).map_err(|why| refused(file, why))
}

fn refused(file: &Path, why: QueryError) -> Error {
    let mut line = why.line.map_or_else(String::new, |line| format!(", line {line}"));
    if let Some(column) = why.column {
        line.push_str(&format!(", column {column}"));
    }
    let place = if why.place.is_empty() { String::new() } else { format!(", {}", why.place) };
    Error::config(why.problem)
        .place(format!("{}{line}{place}", file.display()))
        .expected(why.expected)
        .remedy(why.do_this)
}

fn canonical(query: &Query) -> Result<Vec<u8>, Error> {
    query.canonical().map_err(|why| Error::asked(format!("the query is too large: {why}")))
}

fn hash(canonical: &[u8]) -> QueryHash {
    QueryHash(Transcript::new(Label::Query).bytes(canonical).finish())
}

fn check(context: &Context, file: &Path, lang: Lang) -> Result<(), Error> {
    let query = read(file)?;
    let (cells, hash) = (query.layout().cells(), hash(&canonical(&query)?));
    let parameters: Vec<_> = query.parameters().iter().map(|one| one.name()).collect();
    let facts = json!({
        "id": query.id(), "version": query.version(), "title_nl": query.title_nl(), "title_en": query.title_en(),
        "purpose": query.purpose().name(), "dataset": query.dataset().name(), "cells": cells,
        "parameters": parameters, "floor_hospitals": query.floor_hospitals(),
        "floor_patients": query.floor_patients(), "floor_dominance": query.floor_dominance(), "query_hash": hash,
        "description_nl": query.describe(Language::Dutch), "description_en": query.describe(Language::English),
    });
    context.print(&facts, || format!("{}\n\ncells  {cells}\nquery  {hash}", query.describe(lang.into())))
}

fn show(context: &Context, typed: &str, lang: Lang) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let signed: SignedWarrant = store.warrant(typed)?;
    let warrant = signed.read(&store.head_roster()).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("warrant {}", signed.hash()))
            .remedy("submit the query again: the roster changed since")
    })?;
    let query = warrant.query();
    let facts = json!({
        "warrant": warrant.hash(), "query_hash": warrant.query_hash(), "id": query.id(), "version": query.version(),
        "asked_by": { "person": warrant.body().requester.person, "organisation": warrant.body().requester.organisation },
        "sessions": warrant.body().sessions, "every_s": warrant.body().every_s, "wait_s": warrant.body().wait_s,
        "series": warrant.body().series,
        "description_nl": query.describe(Language::Dutch), "description_en": query.describe(Language::English),
    });
    context.print(&facts, || format!("{}\n\nwarrant  {}", query.describe(lang.into()), warrant.hash()))
}

/// Whole seconds of a span; 0 where none is given.
fn seconds(span: Option<&str>) -> Result<u32, Error> {
    let ms = span.map_or(Ok(0), span_ms)?;
    u32::try_from(ms.div_ceil(1000)).map_err(|_| Error::asked("too long a time").expected("at most 49 days"))
}

fn submit(
    context: &Context,
    file: &Path,
    (terms, key, phrases): (Terms, &Path, &Phrases),
    set: &[(String, String)],
) -> Result<(), Error> {
    let query = read(file)?.bound(set, today()).map_err(|why| refused(file, why))?;
    let asks = read_person_key(key, || phrases.tell(key))?;
    let requester = Person::asks(key, &asks.public())?;
    let body = asked(&context.folder.read_store()?.head_roster(), &query, terms, requester)?;
    // With the classes of hospitals that the roster has, where the query leaves them open.
    let query_hash = hash(&body.query);
    let warrant =
        SignedWarrant::asked(&body, &asks).map_err(|why| Error::asked(format!("too large: {why}")))?;
    let request = Request::QuerySubmit { warrant };
    let Response::Submitted(warrant) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let facts = json!({ "warrant": warrant, "query_id": query.id(), "query_hash": query_hash });
    context.print(&facts, || warrant.to_string())?;
    hint(&format!(
        "Next, by each approver: samensom query approve {} --key FILE.key",
        short(&warrant.to_hex())
    ));
    Ok(())
}

/// What a standing warrant says of its rhythm, its hospitals and its patience.
fn rhythm(body: &WarrantBody) -> String {
    let every = match body.every_s {
        0 => String::new(),
        every_s => format!(", {} apart at least", span(every_s)),
    };
    let series = match body.series {
        Series::Free => "whoever is there in each session",
        Series::Equal => "the same in each session, or there is none",
    };
    let wait = match body.wait_s {
        0 => String::new(),
        wait_s => format!("\nconsent   waited for {}", span(wait_s)),
    };
    format!("{every}\nhospitals {series}{wait}")
}

/// Seconds in the largest unit that holds them exactly.
fn span(seconds: u32) -> String {
    for (unit, of) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds.is_multiple_of(of) {
            return format!("{}{unit}", seconds / of);
        }
    }
    format!("{seconds}s")
}

/// The largest share of one hospital, where there is a rule.
fn most(body: &WarrantBody) -> String {
    match body.floor_dominance {
        0 => String::new(),
        percent => format!(", none of them more than {percent}% of a figure"),
    }
}

fn approve(context: &Context, typed: &str, key: &Path, phrases: &Phrases) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let signed: SignedWarrant = store.warrant(typed)?;
    let warrant = signed.read(&store.head_roster()).map_err(|why| {
        Error::refused(why.to_string())
            .place(format!("warrant {}", signed.hash()))
            .remedy("submit the query again: the roster changed since")
    })?;
    let body = warrant.body();
    hint(&format!(
        "{}\n\nwarrant   {}\nasked by  {} ({})\nfloor     {} hospitals{}\nvalid     {} to {}\nsessions  {} at most{}",
        warrant.query().describe(Language::Dutch),
        warrant.hash(),
        &*body.requester.person,
        &*body.requester.organisation,
        body.floor_hospitals,
        most(body),
        text(body.valid_from),
        text(body.valid_until),
        body.sessions,
        rhythm(body)
    ));
    context.agree("Approve this warrant?")?;
    let approver = read_person_key(key, || phrases.tell(key))?;
    let approval = Approval::new(&approver, &signed.body);
    let request = Request::QueryApprove { warrant: warrant.hash(), approval };
    let Response::Approved(approved) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    context.print(&approved, || {
        if approved.runnable {
            return format!("{} approvals; it may run", approved.approvals);
        }
        format!("{} approvals; it may not run yet: {}", approved.approvals, approved.missing)
    })?;
    if approved.runnable {
        hint(&format!("Next: samensom query run {} --wait", short(&approved.warrant.to_hex())));
    }
    Ok(())
}

fn run_session(context: &Context, warrant: &str, wait: bool) -> Result<(), Error> {
    let mut answers = Answers::ask(&context.folder, &Request::QueryRun { warrant: warrant.to_owned() })?;
    let session = match answers.next_answer()? {
        Some(Response::Started(session)) => session,
        Some(_) => return Err(unexpected()),
        None => {
            return Err(Error::session("the server stopped before the session began")
                .remedy("start it again, and run this one again"));
        }
    };
    let show = format!("samensom result show {}", short(&session.to_hex()));
    if !wait {
        context.print(&json!({ "session": session }), || format!("session {session}"))?;
        hint(&format!("It runs on its own. Later: {show}"));
        return Ok(());
    }
    hint(&format!("session {session}; Ctrl-C leaves it running"));
    let mut consent = Consent::default();
    while let Some(answer) = answers.next_answer()? {
        match answer {
            Response::Progress(Progress::Consent(told)) => {
                consent = told;
                let words = in_words(&consent);
                hint(if words.is_empty() {
                    "every hospital that was asked first has decided"
                } else {
                    &words
                });
            }
            Response::Progress(Progress::Line { round, present, expected, attempt }) => {
                let attempt =
                    if attempt == 0 { String::new() } else { format!("  (attempt {})", attempt + 1) };
                hint(&format!("{round:<11} {present}/{expected}{attempt}"));
            }
            Response::Progress(Progress::Done { session, summary }) => {
                let facts = json!({ "session": session, "summary": summary, "consent": consent });
                return context.print(&facts, || {
                    format!("session {session}\nresult  {show}\n{}", in_words(&consent)).trim_end().to_owned()
                });
            }
            Response::Progress(Progress::Failed { session, failure }) => {
                if context.format == Format::Json {
                    print_text(
                        &json!({ "session": session, "failure": failure, "consent": consent }).to_string(),
                    )?;
                }
                return Err(no_sum(&session, &failure, &consent));
            }
            _ => return Err(unexpected()),
        }
    }
    Err(Error::session("the server stopped before the session ended")
        .place(format!("session {session}"))
        .remedy(format!("start it again; then: {show}")))
}

/// Why a session gave none, and what to do.
fn no_sum(session: &SessionId, failure: &Failure, consent: &Consent) -> Error {
    let code = serde_json::to_value(failure.code).unwrap_or_default();
    let asked = in_words(consent);
    let error = Error::session(format!("no sum: {}", code.as_str().unwrap_or("failed")))
        .place(format!("session {session}, round {:?}", failure.round).to_lowercase())
        .expected(format!(
            "{} hospitals; {} were there{}{asked}",
            failure.needed,
            failure.present,
            if asked.is_empty() { "" } else { "; " }
        ));
    match (failure.culprits.as_slice(), failure.block) {
        (_, Some(block)) => error.remedy(format!(
            "a hospital reported other figures than it committed to, in block {block} of 1,024; who did is not known. Ask \
             the hospitals to check their agents, and run it again in the next slot"
        )),
        ([], None) => error.remedy("see `samensom status` for who is linked, and run it again"),
        (culprits, None) => error.remedy(format!("at fault: {culprits:?}")),
    }
}

/// How it stands with hospitals that are linked and take no part, or not yet; empty where there are none.
fn in_words(consent: &Consent) -> String {
    let named = |what: &str, nodes: &BTreeSet<NodeId>| {
        let list: Vec<String> = nodes.iter().map(|node| node.0.to_string()).collect();
        (!nodes.is_empty()).then(|| format!("{what}: {} ({})", nodes.len(), list.join(", ")))
    };
    let waiting = named("waiting for the hospital's consent", &consent.waiting);
    let all = [waiting, named("refused", &consent.refused), named("undecided", &consent.undecided)];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Enough of an id to type.
fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
