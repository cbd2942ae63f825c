//! `samensom roster sign` and `export`: a signer needs the proposal's file and the own key, no server.
//!
//! Owns how a signature is made and handed in. The signature is made in this process; the key never reaches
//! the server. Nothing is signed that was not shown in words before.

use super::super::{Context, hint, unexpected};
use super::{Waiting, told};
use crate::control::{Request, Response, ask};
use crate::error::Error;
use crate::passphrase::Phrases;
use crate::roster_file::{Proposed, RosterFile};
use crate::sealed::read_person_key;
use samensom_protocol::admission::words;
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::RosterHash;
use samensom_protocol::roster::{Roster, RosterSignature};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Examples of `sign --help`.
pub(super) const EXAMPLES: &str = "Examples:
  samensom roster sign --key vries.key                    # on the server's computer
  samensom roster sign --key vries.key --proposal roster-7.proposal --out roster-7.vries   # on any other
  samensom roster sign --signature roster-7.vries         # hands it in";

/// Options of `sign`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("by").required(true).args(["key", "signature"]))]
pub struct Args {
    /// The signer's key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the pass phrase of the key; without it, it is asked for.
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
    /// The proposal, as `roster export --proposal` wrote it; needs no server.
    #[arg(long, value_name = "FILE", requires = "key", requires = "out")]
    proposal: Option<PathBuf>,
    /// Writes the signature to this new file.
    #[arg(long, value_name = "FILE", requires = "proposal")]
    out: Option<PathBuf>,
    /// A signature made elsewhere, to hand in.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

pub(super) fn sign(context: &Context, args: &Args) -> Result<(), Error> {
    let phrases = Phrases { file: args.passphrase_file.clone(), may_ask: context.may_ask };
    match (&args.key, &args.signature, &args.proposal, &args.out) {
        (Some(key), _, Some(proposal), Some(out)) => elsewhere(context, (key, &phrases), proposal, out),
        (Some(key), ..) => here(context, (key, &phrases)),
        (None, Some(signature), ..) => hand_in(context, signature),
        (None, None, ..) => Err(Error::asked("neither a key nor a signature").remedy("see --help")),
    }
}

/// Shows the proposal and signs it, if the signer agrees.
fn signed(
    context: &Context,
    (key, phrases): (&Path, &Phrases),
    proposed: &Proposed,
) -> Result<RosterSignature, Error> {
    hint(&told(proposed));
    context.agree("Sign this roster?")?;
    let signer = read_person_key(key, || phrases.tell(key))?;
    if !proposed.head.signers.iter().any(|known| known.key == signer.public()) {
        return Err(Error::refused("the key is not one of a signer of this roster")
            .place(key.display().to_string())
            .expected(format!("the key of a signer whom roster {} names", proposed.head.epoch)));
    }
    Ok(RosterSignature::new(&signer, &proposed.bytes))
}

fn here(context: &Context, by: (&Path, &Phrases)) -> Result<(), Error> {
    let waiting = Waiting::of(&context.folder.read_store()?)?;
    let signature = signed(context, by, &waiting.proposed)?;
    let (hash, epoch) = (waiting.proposed.hash, waiting.proposed.body.epoch);
    given(context, hash, epoch, signature)
}

fn elsewhere(context: &Context, by: (&Path, &Phrases), file: &Path, out: &Path) -> Result<(), Error> {
    let RosterFile::Proposal { head, proposal } = RosterFile::read(file)? else {
        return Err(Error::asked("the file holds no proposal")
            .place(file.display().to_string())
            .expected("what `samensom roster export --proposal` wrote"));
    };
    let proposed = Proposed::new(&head, &proposal).map_err(|why| why.place(file.display().to_string()))?;
    let signature = signed(context, by, &proposed)?;
    RosterFile::Signature { roster: proposed.hash, signature }.write(out)?;
    let facts = json!({
        "roster": proposed.hash, "words": words(&proposed.hash.0), "epoch": proposed.body.epoch,
        "changes": proposed.changes(), "signature_file": out,
    });
    context.print(&facts, || format!("{}  signs roster {}", out.display(), proposed.body.epoch))?;
    hint("Next, at LCG: samensom roster sign --signature FILE");
    Ok(())
}

fn hand_in(context: &Context, file: &Path) -> Result<(), Error> {
    let RosterFile::Signature { roster, signature } = RosterFile::read(file)? else {
        return Err(Error::asked("the file holds no signature")
            .place(file.display().to_string())
            .expected("what `samensom roster sign --out` wrote"));
    };
    let epoch = Waiting::of(&context.folder.read_store()?)?.proposed.body.epoch;
    given(context, roster, epoch, signature).map_err(|why| why.place(file.display().to_string()))
}

fn given(context: &Context, roster: RosterHash, epoch: u32, signature: RosterSignature) -> Result<(), Error> {
    let request = Request::RosterSign { roster, signature };
    let Response::Signed(signed) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let facts = json!({
        "roster": roster, "words": words(&roster.0), "epoch": epoch,
        "signatures": signed.have, "needed": signed.needed, "head": signed.head,
    });
    context.print(&facts, || match signed.head {
        true => format!("roster {epoch} is the newest now"),
        false => format!("{} of {} signatures", signed.have, signed.needed),
    })
}

pub(super) fn export(context: &Context, proposal: bool, out: &Path) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let rosters = store.roster_chain()?;
    let head = rosters.last().ok_or_else(|| Error::machine("there is no roster at all"))?;
    let (file, hash, epoch, changes) = if proposal {
        let proposed = Waiting::of(&store)?.proposed;
        let body = Blob::new(proposed.bytes.clone())
            .map_err(|why| Error::machine(format!("the proposal is too long: {why}")))?;
        let file = RosterFile::Proposal { head: head.body.clone(), proposal: body };
        (file, proposed.hash, proposed.body.epoch, proposed.changes())
    } else {
        let (hash, epoch) = (Roster::hash_of(&head.body), store.head_roster().body().epoch);
        (RosterFile::Chain { rosters }, hash, epoch, Vec::new())
    };
    file.write(out)?;
    let facts = json!({
        "file": out, "roster": hash, "words": words(&hash.0), "epoch": epoch, "changes": changes,
    });
    context.print(&facts, || format!("{}  roster {epoch}  {}", out.display(), words(&hash.0)))?;
    if proposal {
        hint(
            "Next, by each signer, on any computer: samensom roster sign --key FILE.key --proposal FILE --out FILE",
        );
    }
    Ok(())
}
