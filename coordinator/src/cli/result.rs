//! `samensom result`: the options of show, export and verify.

use super::Context;
use crate::error::Error;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Show the national table with coverage.
    #[command(after_help = "Example:\n  samensom result show 8c1d")]
    Show(Show),
    /// Write the table to a file: CSV, JSON, or a chart for each measure.
    #[command(after_help = "Examples:\n  samensom result export 8c1d --out stock.csv\n  \
samensom result export 8c1d --out stock.svg")]
    Export(Export),
    /// Verify a bundle: every signature, and the total against what was committed to. Needs nothing but the bundle;
    /// says what was checked and what that means.
    #[command(after_help = "Example:\n  samensom result verify stock.bundle --roster-fingerprint \
\"bihun dafok lusab tivon gohar pizut\"")]
    Verify(Verify),
}

/// Options of `show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Id of the session or its start, or the path of a bundle.
    pub result: String,
}

/// Options of `export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Id of the session or its start, or the path of a bundle.
    pub result: String,
    /// The file to write; its ending says what: .csv, .json or .svg.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The bundle.
    pub file: PathBuf,
    /// The words of the founding roster, as they were given to you; another roster is refused.
    #[arg(long, value_name = "WORDS")]
    pub roster_fingerprint: Option<String>,
    /// The language of the words.
    #[arg(long, value_enum, default_value_t)]
    pub lang: super::query::Lang,
}

/// Does it.
///
/// # Errors
/// When there is no such result, or it does not verify.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Show(args) => crate::result::show(context, args),
        Args::Export(args) => crate::result::export(context, args),
        Args::Verify(args) => crate::result::verify(context, args),
    }
}
