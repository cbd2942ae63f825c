//! Results: the bundle as a file, its verification, and what people see of it.
//!
//! A bundle is one line of JSON in one canonical form, so that every byte of it counts. Everything shown is
//! read from a bundle that was verified first; the store only says where it lies.

mod chart;
mod figures;
mod render;
#[cfg(test)]
mod sample;
mod words;

use crate::audit::{Audit, Event};
use crate::cli::Context;
use crate::cli::result::{Export, Show, Verify};
use crate::error::Error;
use crate::shown;
use crate::store::Store;
use figures::{Before, Figures};
use samensom_protocol::admission;
use samensom_protocol::bundle::{Bundle, BundledSession, Verified, assemble};
use samensom_protocol::codec::decode;
use samensom_protocol::crypto::pedersen;
use samensom_protocol::ids::{AttemptId, SessionId};
use samensom_protocol::io::Record;
use samensom_protocol::message::{Header, Message, Pass, Round};
use samensom_protocol::rounds::offer::session_id;
use samensom_protocol::warrant::SignedWarrant;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Facts of a result as JSON; stable.
#[must_use]
pub fn summary(session: &SessionId, verified: &Verified) -> serde_json::Value {
    render::json(&Figures::of(session, verified))
}

/// How many figures a summary has, and how many of them are suppressed.
#[must_use]
pub fn cells(summary: &serde_json::Value) -> (u64, u64) {
    let totals = summary.get("totals").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let suppressed = totals.iter().filter(|one| one.get("value").is_some_and(|value| value == "suppressed"));
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    (count(totals.len()), count(suppressed.count()))
}

/// The bundle of a finished session, from the store; with the count pass that it stands on.
///
/// # Errors
/// When the store lacks a message of it.
pub fn bundle_text(store: &Store, sid: &AttemptId) -> Result<String, Error> {
    let (warrant, value) = pass(store, sid)?;
    let header: Header = decode(&value.header.body).map_err(|why| defect(&why))?;
    let count = match &header.opening {
        None => None,
        Some(_) => {
            let session = session_id(&header.warrant, header.slot, Pass::Count);
            let sid = store.summed(&session)?.ok_or_else(|| defect(&"the count pass is missing"))?;
            Some(pass(store, &sid)?.1)
        }
    };
    let bundle = Bundle::new(&store.roster_chain()?, warrant, count, value).map_err(|why| defect(&why))?;
    serde_json::to_string(&bundle).map_err(|why| defect(&why))
}

/// A count pass as its records say, verified.
///
/// # Errors
/// When the store lacks a message of it, or it does not verify.
pub fn verified_pass(store: &Store, sid: &AttemptId) -> Result<Verified, Error> {
    let (warrant, session) = pass(store, sid)?;
    let bundle = Bundle::new(&store.roster_chain()?, warrant, None, session).map_err(|why| defect(&why))?;
    bundle.verify_count(&mut randomness()).map_err(|why| defect(&why))
}

/// Weights of the blocks that a bundle is checked by are the verifier's own.
fn randomness() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

fn defect(why: &dyn std::fmt::Display) -> Error {
    Error::machine(format!("the bundle cannot be put together: {why}"))
}

/// The messages of an attempt that gave a sum.
fn pass(store: &Store, sid: &AttemptId) -> Result<(SignedWarrant, BundledSession), Error> {
    let records = store.records(sid)?;
    let sent = |wanted: Round| {
        let of = |record: &Record| match record {
            Record::Sent { round, bytes, .. } if *round == wanted => Some(bytes.to_vec()),
            _ => None,
        };
        records.iter().filter_map(of).collect()
    };
    let mut received = |wanted: Round| {
        let of = |record: &Record| match record {
            Record::Received { round, node, bytes, .. } if *round == wanted => {
                Some((*node, Message::from_frame(bytes).ok()?))
            }
            _ => None,
        };
        records.iter().filter_map(of).collect()
    };
    assemble(&sent, &mut received).map_err(|why| defect(&why))
}

/// Writes a bundle: whole and synced, or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_bundle(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let (path, draft) = (folder.join(name), folder.join(format!("{name}.new")));
    let written = || {
        std::fs::create_dir_all(folder)?;
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)
    };
    written().map_err(|why| Error::file(&path, "write the bundle", &why))?;
    Ok(path)
}

/// Reads and verifies a bundle.
///
/// # Errors
/// When it is not one, is not in its canonical form, or a check fails.
pub fn read_bundle(bytes: &[u8]) -> Result<Verified, Error> {
    std::thread::scope(|threads| {
        // They take as long as the signatures of a session. Where no thread is to be had they are made when needed.
        let _ahead = std::thread::Builder::new().spawn_scoped(threads, pedersen::prepare);
        verified(bytes)
    })
}

fn verified(bytes: &[u8]) -> Result<Verified, Error> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let wrong = |what: String| {
        Error::mismatch(what)
            .expected("a bundle exactly as `samensom` wrote it")
            .remedy("do not use its figures; ask LCG for the bundle again and tell them of this one")
    };
    let bundle: Bundle =
        serde_json::from_slice(bytes).map_err(|why| wrong(format!("this is not a bundle: {why}")))?;
    // One form for one content: a changed byte is a changed content, and that is signed.
    if !is_written_so(&bundle, bytes) {
        return Err(wrong("the bundle is not in its canonical form".to_owned()));
    }
    bundle
        .verify_spread(&randomness, &beside_each_other)
        .map_err(|fault| wrong(format!("the bundle does not verify: {fault}")))
}

/// True if these bytes are what is written of it.
fn is_written_so(bundle: &Bundle, bytes: &[u8]) -> bool {
    /// What is left to be written, and nothing else may be.
    struct Left<'a>(&'a [u8]);
    impl std::io::Write for Left<'_> {
        fn write(&mut self, next: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.strip_prefix(next).ok_or(std::io::ErrorKind::InvalidData)?;
            Ok(next.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut left = Left(bytes);
    serde_json::to_writer(&mut left, bundle).is_ok() && left.0.is_empty()
}

/// Each part on a thread of its own, but the first; here, one after the other, where none is to be had.
fn beside_each_other<T: Send>(parts: usize, part: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    std::thread::scope(|threads| {
        let begin = |at| std::thread::Builder::new().spawn_scoped(threads, move || part(at));
        let begun: Vec<_> = (1..parts).map(|at| (at, begin(at))).collect();
        let first = (parts > 0).then(|| part(0));
        let ended = begun.into_iter().map(|(at, begun)| match begun {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => part(at),
        });
        first.into_iter().chain(ended).collect()
    })
}

fn load(path: &Path) -> Result<Verified, Error> {
    let bytes = std::fs::read(path).map_err(|why| Error::file(path, "read the bundle", &why))?;
    read_bundle(&bytes).map_err(|error| error.place(path.display().to_string()))
}

/// The bundle that a session's id, its start, or a path names; one of this data folder is told in its log.
fn find(context: &Context, typed: &str, what: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(typed);
    if path.is_file() {
        return Ok(path);
    }
    let finished = context.folder.read_store()?.result(typed)?;
    let audit = Audit::open(&context.folder, &Arc::new(context.folder.identity()?))?;
    audit.tell(Event::ResultRead { session: finished.session, what: what.to_owned() })?;
    Ok(context.folder.path().join(finished.bundle))
}

/// A result, and who stood behind the same query in the slot before, where this data folder has both.
fn compared(context: &Context, verified: &Verified) -> Result<Figures, Error> {
    let session = session_of(verified);
    let mut figures = Figures::of(&session, verified);
    // A bundle is shown anywhere; where there is no store there is nothing to compare with.
    let Ok(store) = context.folder.read_store() else { return Ok(figures) };
    if let Some(earlier) = store.result_before(&session)? {
        match load(&context.folder.path().join(&earlier.bundle)) {
            Ok(earlier) => figures.before = Some(Before::of(&earlier, verified)),
            Err(why) => crate::cli::hint(&format!("not compared with the slot before: {why}")),
        }
    }
    Ok(figures)
}

fn session_of(verified: &Verified) -> SessionId {
    verified.facts.session
}

/// Shows a result.
///
/// # Errors
/// When there is none, or it does not verify.
pub fn show(context: &Context, args: &Show) -> Result<(), Error> {
    let path = find(context, &args.result, "shown")?;
    let verified = load(&path)?;
    let figures = compared(context, &verified)?;
    context.print(&render::json(&figures), || render::text(&figures))
}

/// Writes a result to a file.
///
/// # Errors
/// When there is none, it does not verify, or it cannot be written.
pub fn export(context: &Context, args: &Export) -> Result<(), Error> {
    let verified = load(&find(context, &args.result, &format!("exported to {}", args.out.display()))?)?;
    let figures = compared(context, &verified)?;
    let text = match args.out.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => render::csv(&figures)?,
        Some("json") => shown::json(&format!("{:#}\n", render::json(&figures))),
        Some("svg") => chart::svg(&figures)?,
        _ => {
            return Err(Error::asked("the ending says what is written")
                .place(args.out.display().to_string())
                .expected("a name that ends in .csv, .json or .svg"));
        }
    };
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| Error::file(&args.out, "write the result", &why))?;
    crate::cli::hint(&format!("written: {}", args.out.display()));
    Ok(())
}

/// Verifies a bundle.
///
/// # Errors
/// When it does not verify, or its founding roster has other words.
pub fn verify(context: &Context, args: &Verify) -> Result<(), Error> {
    let verified = load(&args.file)?;
    let found = admission::words(&verified.founding.0);
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if let Some(given) = &args.roster_fingerprint
        && plain(given) != found
    {
        return Err(Error::mismatch("the bundle's founding roster has other words")
            .place(args.file.display().to_string())
            .expected(format!("{} (as given); found: {found}", plain(given)))
            .remedy("compare the words with a hospital you trust; do not use the figures until they agree"));
    }
    let compared = args.roster_fingerprint.is_some();
    let facts = serde_json::json!({
        "verified": true,
        "session": session_of(&verified),
        "result": verified.result,
        "founding_roster_words": found,
        "words_compared": compared,
        "proven": words::proven(&verified),
        "survivors": verified.survivors.len(),
        "hospitals": verified.facts.roster.size(),
    });
    context.print(&facts, || words::verified(&verified, &found, compared, args.lang.into()))
}
