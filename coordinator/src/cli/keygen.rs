//! `samensom keygen`: key pairs of persons, made where the person is.

use super::{Context, hint};
use crate::error::Error;
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
        /// The person's name.
        #[arg(long)]
        name: String,
        /// Role, as the rules of the roster name it.
        #[arg(long)]
        role: String,
        /// Short name of the hospital, or of the body, the person belongs to.
        #[arg(long)]
        organisation: String,
        /// Writes BASENAME.key and BASENAME.pub.
        #[arg(long, value_name = "BASENAME")]
        out: PathBuf,
    },
    /// Somebody who signs rosters.
    #[command(
        after_help = "Example:\n  samensom keygen signer --name \"A. de Vries\" --organisation nvza --out vries"
    )]
    Signer {
        /// The person's name.
        #[arg(long)]
        name: String,
        /// Who appointed the person.
        #[arg(long)]
        organisation: String,
        /// Writes BASENAME.key and BASENAME.pub.
        #[arg(long, value_name = "BASENAME")]
        out: PathBuf,
    },
}

/// Makes the pair; nothing is overwritten.
///
/// # Errors
/// When a file exists or cannot be written.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (person, secret, public) = match args {
        Args::Approver { name, role, organisation, out } => {
            Person::generate(Kind::Approver, name, Some(role), organisation, out)?
        }
        Args::Signer { name, organisation, out } => {
            Person::generate(Kind::Signer, name, None, organisation, out)?
        }
    };
    let told = words(&person.key.0);
    let facts = json!({ "key": person.key, "words": told, "secret_file": secret, "public_file": public });
    context.print(&facts, || format!("{}  {told}", public.display()))?;
    hint(&format!(
        "Keep {} to yourself, off this machine when it is not in use. Give {} to LCG.",
        secret.display(),
        public.display()
    ));
    Ok(())
}
