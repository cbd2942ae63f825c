//! `samensom serve`: the server, from start to a clean end.

use super::{Context, hint, print_text};
use crate::audit::{Audit, Event};
use crate::config::Config;
use crate::control;
use crate::error::Error;
use crate::listener::Listener;
use crate::ops::Ops;
use crate::session::{Options, Sessions};
use crate::store::Store;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  samensom --data /var/lib/samensom serve\n\nThe log goes to stderr; \
SAMENSOM_LOG=debug shows more of it. It holds keys and ids, never a figure.")]
pub struct Args {
    /// Hold the first GO until this file exists; for rehearsals of drop-outs.
    #[arg(long, hide = true, value_name = "PATH")]
    hold_go: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    // A core dump would hold channel state; there is none.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .map_err(|why| Error::machine(format!("core dumps cannot be switched off: {why}")))?;
    let folder = &context.folder;
    if !folder.database().exists() {
        return Err(Error::asked("there is no data folder here")
            .place(folder.path().display().to_string())
            .remedy("run `samensom init`, or name the folder with --data"));
    }
    let config = Config::read(&folder.config())?;
    let _held = folder.lock()?;
    let filter = EnvFilter::try_from_env("SAMENSOM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,samensom=info,samensom_coordinator=info"));
    // Fails only where a test has set one up already.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| Error::machine(format!("no threads: {why}")))?;
    runtime.block_on(serve(context, config, args.hold_go.clone()))
}

async fn serve(context: &Context, config: Config, hold_go: Option<PathBuf>) -> Result<(), Error> {
    let folder = &context.folder;
    let signals = |kind| signal(kind).map_err(|why| Error::machine(format!("no signals: {why}")));
    let (mut term, mut int) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let store = Arc::new(Store::open(&folder.database())?);
    let identity = Arc::new(folder.identity()?);
    let audit = Audit::open(folder, &identity)?;
    audit.tell(Event::Started { key: identity.public(), epoch: store.head_roster().body().epoch })?;
    store.audited(audit.clone());
    let (listener, events) = Listener::open(config.options()?, &identity, &store)?;
    let options = Options { results: folder.results(), hold_go };
    let links = listener.links.clone();
    let sessions = Sessions::spawn(Arc::clone(&store), links.clone(), events, Arc::clone(&identity), options);
    let address = listener.address;
    let ops =
        Arc::new(Ops { store: Arc::clone(&store), links, sessions, key: identity.public(), address, config });
    let control = control::serve(folder, ops)?;
    print_text(&format!("listening on {address}"))?;
    let ended = tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
        why = store.broken() => Err(why),
    };
    hint("stopping");
    control.abort();
    // A socket that stays behind is taken away at the next start.
    let _ = std::fs::remove_file(folder.socket());
    listener.close().await;
    let why = ended
        .as_ref()
        .err()
        .map_or_else(|| "asked to".to_owned(), |why: &Error| why.to_string().replace('\n', ";"));
    // Where the log itself failed there is nothing to add to it.
    let told = audit.tell(Event::Stopped { why });
    ended.and(told)
}
