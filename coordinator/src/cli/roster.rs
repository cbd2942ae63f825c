//! `samensom roster`: propose, sign, show. The signature is made here; the key never reaches the server.

use super::{Context, hint, unexpected};
use crate::control::{Request, Response, ask};
use crate::error::Error;
use crate::folder::read_key;
use crate::ops::changes;
use crate::person::Person;
use crate::shown;
use crate::store::Store;
use samensom_protocol::admission::words;
use samensom_protocol::codec::decode;
use samensom_protocol::ids::RosterHash;
use samensom_protocol::params::Thresholds;
use samensom_protocol::roster::{RosterBody, RosterSignature};
use serde_json::json;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Propose the next roster: the newest one, the confirmed hospitals, these approvers.
    #[command(after_help = "Example:\n  samensom roster propose --approver jansen.pub --approver smit.pub")]
    Propose {
        /// Public key file of an approver to add; once for each.
        #[arg(long, num_args = 1.., value_name = "FILE")]
        approver: Vec<PathBuf>,
    },
    /// Read the proposal and sign it.
    #[command(after_help = "Example:\n  samensom roster sign --key vries.key")]
    Sign {
        /// The signer's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Show the newest roster, and the proposal if there is one.
    #[command(after_help = "Example:\n  samensom roster show --format json")]
    Show,
}

/// Does it.
///
/// # Errors
/// What the server answers as an error.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Propose { approver } => propose(context, approver),
        Args::Sign { key } => sign(context, key),
        Args::Show => show(context),
    }
}

fn propose(context: &Context, files: &[PathBuf]) -> Result<(), Error> {
    let approvers = files.iter().map(|path| Person::approver(path)).collect::<Result<Vec<_>, _>>()?;
    let request = Request::RosterPropose { approvers };
    let Response::Proposed(_) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let waiting = Waiting::of(&context.folder.read_store()?)?;
    context.print(&waiting.facts(), || waiting.text())?;
    hint(&format!("Next, by {} signers: samensom roster sign --key FILE.key", waiting.needed));
    Ok(())
}

fn sign(context: &Context, key: &std::path::Path) -> Result<(), Error> {
    let signer = read_key(key)?;
    let waiting = Waiting::of(&context.folder.read_store()?)?;
    hint(&waiting.text());
    context.agree("Sign this roster?")?;
    let signature = RosterSignature::new(&signer, &waiting.bytes);
    let request = Request::RosterSign { roster: waiting.hash, signature };
    let Response::Signed(signed) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let facts = json!({
        "roster": waiting.hash, "words": words(&waiting.hash.0), "epoch": waiting.body.epoch,
        "signatures": signed.have, "needed": signed.needed, "head": signed.head,
    });
    context.print(&facts, || match signed.head {
        true => format!("roster {} is the newest now", waiting.body.epoch),
        false => format!("{} of {} signatures", signed.have, signed.needed),
    })
}

/// A proposal and what it changes.
struct Waiting {
    bytes: Vec<u8>,
    body: RosterBody,
    hash: RosterHash,
    changes: Vec<String>,
    have: usize,
    needed: u16,
}

impl Waiting {
    fn of(store: &Store) -> Result<Waiting, Error> {
        let proposal = store.roster_proposal()?.ok_or_else(|| {
            Error::asked("no roster waits for signatures").remedy("make a proposal: samensom roster propose")
        })?;
        let head = store.head_roster();
        let bytes = proposal.roster.body.to_vec();
        let body: RosterBody =
            decode(&bytes).map_err(|why| Error::mismatch(format!("the proposal cannot be read: {why}")))?;
        if body.previous != head.hash() {
            return Err(Error::mismatch("the proposal does not follow the newest roster")
                .remedy("propose again: samensom roster propose"));
        }
        Ok(Waiting {
            hash: proposal.hash,
            changes: changes(head.body(), &body),
            have: proposal.roster.signatures.len(),
            needed: head.body().threshold,
            bytes,
            body,
        })
    }

    fn facts(&self) -> serde_json::Value {
        json!({
            "roster": self.hash, "words": words(&self.hash.0), "epoch": self.body.epoch, "changes": self.changes,
            "signatures": self.have, "needed": self.needed,
        })
    }

    fn text(&self) -> String {
        format!(
            "roster {}  {}\n  {}\n  {} of {} signatures",
            self.body.epoch,
            words(&self.hash.0),
            self.changes.iter().map(|change| shown::text(change)).collect::<Vec<_>>().join("\n  "),
            self.have,
            self.needed
        )
    }
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
