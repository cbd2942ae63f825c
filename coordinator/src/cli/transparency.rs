//! `samensom transparency`: the options of export and verify.

use super::Context;
use crate::error::Error;
use crate::transparency;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Write the log of rosters, warrants, sessions, counts of refusals and bundles, with its signed head, to stdout.
    #[command(after_help = "Example:\n  samensom transparency export > transparency.jsonl")]
    Export,
    /// Hold an exported log to its signed head. Needs nothing but the file.
    #[command(
        after_help = "Examples:\n  samensom transparency verify transparency.jsonl --bundle stock.bundle\n  \
samensom transparency verify transparency.jsonl --against audit-of-erasmus-mc.jsonl"
    )]
    Verify {
        /// The log.
        file: PathBuf,
        /// Also that this result bundle is in it, once.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Also that it begins with each head that a hospital kept (`samensom-node audit export`).
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
}

/// Does it.
///
/// # Errors
/// When the log cannot be read, or is not what its head signs.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Export => {
            transparency::export(&context.folder, &mut std::io::BufWriter::new(std::io::stdout().lock()))
        }
        Args::Verify { file, bundle, against } => {
            let verdict = transparency::verify(file, bundle.as_deref(), against.as_deref())?;
            context.print(&verdict, || verdict.to_string())
        }
    }
}
