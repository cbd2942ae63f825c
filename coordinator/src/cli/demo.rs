//! `samensom demo`: the options.

use super::Context;
use crate::demo;
use crate::error::Error;
use std::path::PathBuf;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  samensom demo\n  samensom demo --drop-out 23 --format json\n  \
samensom demo --drop-out 24 --come-back\n  \
samensom demo --extracts nhs_scmd.demo.toml --query methotrexate.query.toml\n\nNeeds samensom-node beside \
samensom, no rights, no network. It leaves the result bundle in the temporary folder and nothing else.")]
pub struct Args {
    /// Hospitals of the roster: the first so many. Default: all that there are, 69 invented ones.
    #[arg(long, value_name = "N")]
    hospitals: Option<usize>,
    /// Agents that are never started, chosen by the seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    absent: usize,
    /// Agents that are killed when all are ready and none has contributed, chosen by the seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    drop_out: usize,
    /// When there is no sum, start whoever was absent or killed, and run the query again in the same slot.
    #[arg(long)]
    come_back: bool,
    /// A file that names hospitals and their extracts, and maps the columns.
    #[arg(long, value_name = "FILE", requires = "query")]
    extracts: Option<PathBuf>,
    /// The query. Default: the national stock of 13 CCV medicines.
    #[arg(long, value_name = "FILE")]
    query: Option<PathBuf>,
    /// Decides what is invented and who is chosen. Keys are new every time.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stay when the result is there, with new extracts in every slot, until Ctrl-C.
    #[arg(long)]
    keep_running: bool,
    /// Where the server listens; for a test that puts a relay before it.
    #[arg(long, hide = true, value_name = "ADDR", requires = "public")]
    listen: Option<String>,
    /// What the agents dial.
    #[arg(long, hide = true, value_name = "HOST:PORT", requires = "listen")]
    public: Option<String>,
}

/// Plays it.
///
/// # Errors
/// When a step fails, there is no sum, or it is not the true one.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let options = demo::Options {
        hospitals: args.hospitals,
        absent: args.absent,
        drop_out: args.drop_out,
        come_back: args.come_back,
        extracts: args.extracts.clone(),
        query: args.query.clone(),
        seed: args.seed,
        keep_running: args.keep_running,
        addresses: args.listen.clone().zip(args.public.clone()),
    };
    demo::run(context, &options)
}
