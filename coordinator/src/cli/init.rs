//! `samensom init`: the data folder, the coordinator's key, the founding roster.

use super::{Context, hint};
use crate::config::Config;
use crate::error::Error;
use crate::folder::{new_identity, write_key, write_new};
use crate::person::Person;
use crate::rules::{DEFAULT, Rules};
use crate::store::Store;
use crate::toml_file;
use samensom_protocol::admission::words;
use samensom_protocol::roster::Roster;
use serde_json::json;
use std::path::PathBuf;

/// Options of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  samensom init --signer a.pub --signer b.pub --signer c.pub --signer d.pub \
--signer e.pub --threshold 3 --listen 0.0.0.0:443 --public node.lcg.example:443"
)]
pub struct Args {
    /// Public key file of a roster signer; once for each.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    signer: Vec<PathBuf>,
    /// How many signers must sign a roster; a majority.
    #[arg(long, default_value_t = 3)]
    threshold: u16,
    /// Rules of the founding roster; without it the shipped ones.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Address and UDP port to listen on.
    #[arg(long, default_value = "127.0.0.1:7443", value_name = "ADDR")]
    listen: String,
    /// Host and port that hospitals dial; stands in their tokens.
    #[arg(long, value_name = "HOST:PORT")]
    public: Option<String>,
    /// Who runs this coordinator.
    #[arg(long, default_value = "LCG")]
    name: String,
}

/// Makes it all, or says why not; nothing is overwritten.
///
/// # Errors
/// When a file is wrong or the folder is in use.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let config = Config {
        listen: args.listen.clone(),
        public: args.public.clone(),
        name: args.name.clone(),
        ..Config::default()
    };
    config.check()?;
    let rules = match &args.rules {
        Some(path) => Rules::parse(&path.display().to_string(), &toml_file::text(path)?)?,
        None => Rules::parse("rules.toml (shipped)", DEFAULT)?,
    };
    let signers = args.signer.iter().map(|path| Person::signer(path)).collect::<Result<Vec<_>, _>>()?;
    let count = signers.len();
    let founding = rules.founding(signers, args.threshold)?.to_signed(vec![]).map_err(|why| {
        Error::asked(why.to_string())
            .place(format!("{count} signers, threshold {}", args.threshold))
            .expected("a threshold above half of the signers, every signer once, rules that fit together")
    })?;
    let folder = &context.folder;
    folder.make()?;
    let identity = new_identity()?;
    write_key(&folder.key(), &identity)?;
    write_new(&folder.config(), 0o600, config.to_text().as_bytes())?;
    // Made first, so that the store and its log are for the owner alone.
    write_new(&folder.database(), 0o600, &[])?;
    Store::create(&folder.database(), &founding)?;
    let roster = Roster::hash_of(&founding.body);
    let facts = json!({
        "data": folder.path(), "coordinator_key": identity.public(), "coordinator_words": words(&identity.public().0),
        "founding_roster": roster, "founding_words": words(&roster.0),
        "signers": count, "threshold": args.threshold,
    });
    context.print(&facts, || {
        format!("founding roster  {}\ncoordinator key  {}", words(&roster.0), words(&identity.public().0))
    })?;
    hint(&format!(
        "Keep safe: {} (whoever has it can pose as this coordinator; it opens no hospital's figures), and a \
         backup of the whole folder. Give the words of the founding roster to every hospital.\n\
         Next: samensom --data {} serve",
        folder.key().display(),
        folder.path().display()
    ));
    Ok(())
}
