//! `samensom keygen`: key pairs of persons, made where the person is.

use super::{Context, hint};
use crate::error::Error;
use crate::passphrase::Phrases;
use crate::person::{Kind, Person};
use samensom_protocol::admission::words;
use serde_json::json;
use std::path::PathBuf;

/// Whose key.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Somebody who approves warrants.
    #[command(after_help = "Example:\n  samensom keygen approver --name \"J. Jansen\" --role pharmacist \
--organisation erasmus-mc --out jansen")]
    Approver {
        /// Role, as the rules of the roster name it.
        #[arg(long)]
        role: String,
        /// The rest.
        #[command(flatten)]
        of: Of,
    },
    /// Somebody who signs rosters.
    #[command(
        after_help = "Example:\n  samensom keygen signer --name \"A. de Vries\" --organisation nvza --out vries"
    )]
    Signer(Of),
    /// Somebody who asks queries and reads results.
    #[command(
        after_help = "Example:\n  samensom keygen analyst --name \"B. Smit\" --organisation lcg --out smit"
    )]
    Analyst(Of),
}

/// What every person's key is made of.
#[derive(Debug, clap::Args)]
pub struct Of {
    /// The person's name.
    #[arg(long)]
    name: String,
    /// Short name of the hospital or body that the person belongs to, or that appointed the person.
    #[arg(long)]
    organisation: String,
    /// Writes BASENAME.key and BASENAME.pub.
    #[arg(long, value_name = "BASENAME")]
    out: PathBuf,
    /// File with the pass phrase in its first line; without it, it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave the key unsealed: whoever reads the file can sign. For trials only.
    #[arg(long, conflicts_with = "passphrase_file")]
    unsealed: bool,
}

/// Makes the pair; nothing is overwritten.
///
/// # Errors
/// When a file exists or cannot be written, or there is no pass phrase.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (kind, role, of) = match args {
        Args::Approver { role, of } => (Kind::Approver, Some(role.as_str()), of),
        Args::Signer(of) => (Kind::Signer, None, of),
        Args::Analyst(of) => (Kind::Analyst, None, of),
    };
    let phrase = if of.unsealed {
        None
    } else {
        let phrases = Phrases { file: of.passphrase_file.clone(), may_ask: context.may_ask };
        Some(phrases.choose()?)
    };
    let (person, secret, public) =
        Person::generate(kind, &of.name, role, &of.organisation, &of.out, phrase.as_ref())?;
    let told = words(&person.key.0);
    let facts = json!({
        "key": person.key, "words": told, "secret_file": secret, "public_file": public, "sealed": phrase.is_some(),
    });
    context.print(&facts, || format!("{}  {told}", public.display()))?;
    if phrase.is_none() {
        hint("warning: the key is not sealed; whoever reads the file can sign with it. For trials only.");
    }
    hint(&format!(
        "Keep {} to yourself, off this machine when it is not in use, and its pass phrase apart from it. Give {} \
         to LCG.",
        secret.display(),
        public.display()
    ));
    Ok(())
}
