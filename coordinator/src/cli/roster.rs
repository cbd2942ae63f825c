//! `samensom roster`: propose, show, diff; `export` and `sign` stand in `sign.rs`.

mod sign;

use super::{Context, hint, unexpected};
use crate::control::{Request, Response, ask};
use crate::error::Error;
use crate::ops::{Wanted, changes};
use crate::person::{Kind, Person};
use crate::roster_file::Proposed;
use crate::rules::Rules;
use crate::shown;
use crate::store::Store;
use crate::toml_file;
use samensom_protocol::admission::words;
use samensom_protocol::codec::{decode, to_hex};
use samensom_protocol::ids::RosterHash;
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{Roster, RosterBody};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Propose the next roster: the newest one with confirmed and marked hospitals, and what is asked here.
    #[command(
        after_help = "Examples:\n  samensom roster propose --approver jansen.pub --approver smit.pub\n  \
samensom roster propose --remove-signer vries.pub --signer bos.pub\n  samensom roster propose --rules rules.toml"
    )]
    Propose(Propose),
    /// Read a proposal and sign it: on this server, or anywhere with its file.
    #[command(after_help = sign::EXAMPLES)]
    Sign(sign::Args),
    /// Write the chain of rosters, or the proposal for signers elsewhere, to a file.
    #[command(after_help = "Example:\n  samensom roster export --proposal --out roster-7.proposal")]
    Export {
        /// The proposal, with the roster that it follows.
        #[arg(long)]
        proposal: bool,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say in words what differs between two rosters; without numbers, what the proposal changes.
    #[command(after_help = "Example:\n  samensom roster diff 3 5")]
    Diff {
        /// Number of the roster before.
        #[arg(value_name = "EPOCH", requires = "to")]
        from: Option<u32>,
        /// Number of the roster after.
        #[arg(value_name = "EPOCH")]
        to: Option<u32>,
    },
    /// Show the newest roster, and the proposal if there is one.
    #[command(after_help = "Example:\n  samensom roster show --format json")]
    Show,
}

/// What the next roster is to have.
#[derive(Debug, clap::Args)]
pub struct Propose {
    /// Public key file of an approver to add; once for each.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    approver: Vec<PathBuf>,
    /// An approver to take off: .pub file, name, or the first digits of the key.
    #[arg(long, num_args = 1.., value_name = "WHO")]
    remove_approver: Vec<String>,
    /// Public key file of a signer to add; once for each.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    signer: Vec<PathBuf>,
    /// A signer to take off: .pub file, name, or the first digits of the key.
    #[arg(long, num_args = 1.., value_name = "WHO")]
    remove_signer: Vec<String>,
    /// How many signers must sign the roster after this one; a majority.
    #[arg(long)]
    threshold: Option<u16>,
    /// Rules that take the place of the present ones.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// What the server answers as an error.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Propose(wanted) => propose(context, wanted),
        Args::Sign(args) => sign::sign(context, args),
        Args::Export { proposal, out } => sign::export(context, *proposal, out),
        Args::Diff { from, to } => diff(context, from.zip(*to)),
        Args::Show => show(context),
    }
}

fn propose(context: &Context, args: &Propose) -> Result<(), Error> {
    let rules = args.rules.as_ref().map(|path| {
        let file = path.display().to_string();
        Rules::parse(&file, &toml_file::text(path)?)
    });
    let request = Request::RosterPropose(Wanted {
        approvers: args.approver.iter().map(|path| Person::approver(path)).collect::<Result<_, _>>()?,
        remove_approvers: who(&args.remove_approver, Kind::Approver)?,
        signers: args.signer.iter().map(|path| Person::signer(path)).collect::<Result<_, _>>()?,
        remove_signers: who(&args.remove_signer, Kind::Signer)?,
        threshold: args.threshold,
        rules: rules.transpose()?,
    });
    let Response::Proposed(_) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let waiting = Waiting::of(&context.folder.read_store()?)?;
    context.print(&waiting.facts(), || waiting.text())?;
    hint(&format!(
        "Next, for {} signers: samensom roster export --proposal --out FILE, or here: samensom roster sign --key \
         FILE.key",
        waiting.needed
    ));
    Ok(())
}

/// A person's key where a `.pub` file is named; else the name or digits as they were typed.
fn who(typed: &[String], kind: Kind) -> Result<Vec<String>, Error> {
    let one = |typed: &String| match Path::new(typed) {
        path if path.is_file() => Ok(to_hex(&Person::read(path, kind)?.key.0)),
        _ => Ok(typed.clone()),
    };
    typed.iter().map(one).collect()
}

/// A proposal on this server, and how many have signed it.
struct Waiting {
    proposed: Proposed,
    have: usize,
    needed: u16,
}

impl Waiting {
    fn of(store: &Store) -> Result<Waiting, Error> {
        let proposal = store.roster_proposal()?.ok_or_else(|| {
            Error::asked("no roster waits for signatures").remedy("make a proposal: samensom roster propose")
        })?;
        let chain = store.roster_chain()?;
        let head = chain.last().ok_or_else(|| Error::machine("there is no roster at all"))?;
        let proposed = Proposed::new(&head.body, &proposal.roster.body)?;
        let (have, needed) = (proposal.roster.signatures.len(), proposed.head.threshold);
        Ok(Waiting { proposed, have, needed })
    }

    fn facts(&self) -> serde_json::Value {
        let proposed = &self.proposed;
        json!({
            "roster": proposed.hash, "words": words(&proposed.hash.0), "epoch": proposed.body.epoch,
            "changes": proposed.changes(), "signatures": self.have, "needed": self.needed,
        })
    }

    fn text(&self) -> String {
        format!("{}\n  {} of {} signatures", told(&self.proposed), self.have, self.needed)
    }
}

/// A proposal in words.
fn told(proposed: &Proposed) -> String {
    let Proposed { body, hash, head, head_hash, .. } = proposed;
    format!(
        "roster {}  {}\n  follows roster {}  {}\n  {}",
        body.epoch,
        words(&hash.0),
        head.epoch,
        words(&head_hash.0),
        lines(&proposed.changes())
    )
}

fn lines(changes: &[String]) -> String {
    changes.iter().map(|change| shown::text(change)).collect::<Vec<_>>().join("\n  ")
}

fn diff(context: &Context, epochs: Option<(u32, u32)>) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let ((from, before), (to, after)) = match epochs {
        Some((from, to)) => (of_epoch(&store, from)?, of_epoch(&store, to)?),
        None => {
            let proposed = Waiting::of(&store)?.proposed;
            ((proposed.head_hash, proposed.head), (proposed.hash, proposed.body))
        }
    };
    let changes = changes(&before, &after);
    let at = |body: &RosterBody, hash: &RosterHash| json!({ "epoch": body.epoch, "roster": hash, "words": words(&hash.0) });
    let facts = json!({ "from": at(&before, &from), "to": at(&after, &to), "changes": changes });
    context.print(&facts, || {
        let line =
            |body: &RosterBody, hash: &RosterHash| format!("roster {}  {}", body.epoch, words(&hash.0));
        let differs = if changes.is_empty() { "nothing differs".to_owned() } else { lines(&changes) };
        format!("from {}\nto   {}\n  {differs}", line(&before, &from), line(&after, &to))
    })
}

fn of_epoch(store: &Store, epoch: u32) -> Result<(RosterHash, RosterBody), Error> {
    let chain = store.roster_chain()?;
    let found = usize::try_from(epoch).ok().and_then(|epoch| chain.get(epoch)).ok_or_else(|| {
        Error::asked(format!("there is no roster {epoch}"))
            .expected(format!("a number from 0 to {}", chain.len().saturating_sub(1)))
    })?;
    let body = decode(&found.body)
        .map_err(|why| Error::mismatch(format!("roster {epoch} cannot be read: {why}")))?;
    Ok((Roster::hash_of(&found.body), body))
}

fn show(context: &Context) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let head = store.head_roster();
    let body = head.body();
    let thresholds = Thresholds::of(&head).ok();
    let waiting = Waiting::of(&store).ok();
    let facts = json!({
        "roster": head.hash(), "words": words(&head.hash().0), "body": body,
        "colluders_tolerated": thresholds.map(|t| t.x), "honest_min": thresholds.map(|t| t.k),
        "quorum": thresholds.map(|t| t.quorum), "share_threshold": thresholds.map(|t| t.shares),
        "proposal": waiting.as_ref().map(Waiting::facts),
    });
    context.print(&facts, || {
        let mut lines = vec![format!("roster {}  {}", body.epoch, words(&head.hash().0))];
        let members = format!("{} hospitals take part, {} listed", head.size(), body.members.len());
        lines.push(match thresholds {
            Some(t) => format!(
                "{members}; a sum needs {}, stays closed to {} colluding ones, keeps {} honest ones behind it",
                t.quorum, t.x, t.k
            ),
            None => format!("{members}; too few for a sum"),
        });
        lines.extend(body.members.iter().map(|m| {
            let name = shown::text(&format!("{} ({})", &*m.institution, &*m.name));
            format!("  {} {name}, {:?}, {}", m.id.0, m.status, words(&m.key.0))
        }));
        let approvers = body.approvers.iter();
        lines.extend(approvers.map(|a| {
            shown::text(&format!("approver {} ({}, {})", &*a.person, &*a.role, &*a.organisation))
        }));
        let signers = body.signers.iter();
        lines.extend(signers.map(|s| shown::text(&format!("signer {} ({})", &*s.person, &*s.organisation))));
        lines.push(format!("{} signers must sign the next one", body.threshold));
        lines.extend(body.rules.iter().map(|rule| {
            let roles: Vec<&str> = rule.roles.iter().map(|role| &**role).collect();
            let rule =
                format!("purpose {}: approved by {}; floor {}", &*rule.purpose, roles.join(", "), rule.floor_hospitals);
            shown::text(&rule)
        }));
        lines.extend(waiting.iter().map(|waiting| format!("waiting: {}", waiting.text())));
        lines.join("\n")
    })
}
