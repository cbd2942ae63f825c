//! `samensom audit`: the options of show, verify and export.

use super::Context;
use crate::audit::{self, ExportFormat, Since};
use crate::error::Error;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// The records in words: who was asked, who refused, what was opened and to whom.
    #[command(after_help = "Example:\n  samensom audit show --since 2026-11-22")]
    Show(Which),
    /// Hold every record against its chain and its signature.
    #[command(after_help = "Example:\n  samensom audit verify --against heads-of-erasmus-mc.jsonl")]
    Verify {
        /// Also against the heads of this log that a hospital kept (`samensom-node audit export --as heads`).
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Write the records for another program to stdout.
    #[command(after_help = "Examples:\n  samensom audit export --as syslog --since 2026-11-22\n  \
samensom audit export --as heads > heads.jsonl")]
    Export {
        /// In which form.
        #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
        form: ExportFormat,
        /// Which records.
        #[command(flatten)]
        which: Which,
    },
}

/// Which records.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only from this day or moment on (UTC).
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only of the session whose id begins so.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

/// Does it.
///
/// # Errors
/// When the log is not as it was written, or cannot be read.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Show(Which { since, session }) => {
            let (facts, words) = audit::show(&context.folder, since.as_ref(), session.as_deref())?;
            context.print(&facts, || words)
        }
        Args::Verify { against } => {
            let (facts, words) = audit::verify(&context.folder, against.as_deref())?;
            context.print(&facts, || words)
        }
        Args::Export { form, which: Which { since, session } } => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            audit::export(&context.folder, *form, (since.as_ref(), session.as_deref()), &mut out)
        }
    }
}
