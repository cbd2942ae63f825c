//! `samensom demo`: the real commands as real processes in a temporary folder, and what came of it.
//!
//! Owns the order of the steps. Every step is a command that a person would type; nothing here reaches into
//! a session. The true totals are computed apart, by [`oracle`].

#[path = "../../deploy/demo/generator.rs"]
pub mod generator;

pub mod extracts;
pub mod oracle;
pub mod plan;
mod report;
mod run;
mod setup;
mod stage;

use crate::cli::{Context, hint};
use crate::error::Error;
use plan::Plan;
use report::Outcome;
use stage::Stage;
use std::path::PathBuf;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// What the demo is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Hospitals of the roster; without it all that there are.
    pub hospitals: Option<usize>,
    /// Agents that are never started.
    pub absent: usize,
    /// Agents that are killed between READY and their contribution.
    pub drop_out: usize,
    /// Run it again with everyone when there is no sum.
    pub come_back: bool,
    /// A file that names the extracts; without it hospitals and extracts are invented.
    pub extracts: Option<PathBuf>,
    /// A query; without it the shipped one about the CCV stock.
    pub query: Option<PathBuf>,
    /// Decides everything that is invented or chosen.
    pub seed: u64,
    /// Stay when the result is there.
    pub keep_running: bool,
    /// Where the server listens and what the agents dial; without it a free port.
    pub addresses: Option<(String, String)>,
}

/// Plays the demo and prints what came of it.
///
/// # Errors
/// When a step fails, when there is no sum, or when the sum is not the true one.
pub fn run(context: &Context, options: &Options) -> Result<(), Error> {
    let plan = Plan::new(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Error::machine(format!("no event loop: {why}")))?;
    runtime.block_on(async {
        let mut stage = Stage::new()?;
        let mut played = tokio::select! {
            played = play(context, &plan, &mut stage) => played,
            stopped = interrupted() => Err(stopped),
        };
        if let (Ok(_), true) = (&played, plan.keep_running) {
            // Here Ctrl-C is how it ends, not a failure.
            let stayed = tokio::select! {
                stayed = stay(&plan, &stage) => stayed,
                _ = interrupted() => Ok(()),
            };
            played = stayed.and(played);
        }
        // However it ended, no process outlives it and nothing is left but the bundle.
        stage.end().await;
        played?.verdict()
    })
}

async fn play(context: &Context, plan: &Plan, stage: &mut Stage) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let lcg = setup::all(plan, stage).await?;
    hint(&format!("ready after {} ms", begun.elapsed().as_millis()));
    let outcome = run::session(plan, stage, &lcg).await?;
    outcome.print(context)?;
    Ok(outcome)
}

/// Keeps everything running, with new extracts in every slot, until Ctrl-C.
async fn stay(plan: &Plan, stage: &Stage) -> Result<(), Error> {
    hint(&format!("running in {} until Ctrl-C", stage.tools.folder.display()));
    for slot in 1.. {
        tokio::time::sleep(stage.until_next_slot()).await;
        plan.write_extracts(&stage.tools.folder, slot)?;
        hint("a new slot has begun; some rows of every invented extract changed");
    }
    Ok(())
}

/// Resolves when somebody asks the program to stop.
async fn interrupted() -> Error {
    let of = |kind| signal(kind).map_err(|why| Error::machine(format!("no signals: {why}")));
    let heard = async {
        let (mut int, mut term) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
        let mut gone = of(SignalKind::hangup())?;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = gone.recv() => {}
        }
        Ok::<_, Error>(())
    };
    match heard.await {
        Ok(()) => Error::session("stopped"),
        Err(why) => why,
    }
}
