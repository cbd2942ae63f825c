//! One session, from the query to the verified result, and what the oracle says of it.
//!
//! Owns the commands of a session and who is killed in its middle. The figures of the survivors are read
//! again, by the oracle, once the session is over.

use super::oracle::{self, Figures, Floors};
use super::plan::Plan;
use super::report::{Costs, Failed, Glimpse, Outcome, Summed};
use super::setup::Lcg;
use super::stage::{Stage, Tools, json, peak_kb};
use crate::cli::hint;
use crate::error::Error;
use crate::result::read_bundle;
use crate::store::Store;
use samensom_protocol::bundle::Verified;
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::params::Thresholds;
use samensom_protocol::query::{Measure, Query};
use serde_json::Value as Json;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::time::sleep;

/// Slots of the roster's rules in which the warrant may run.
const SESSIONS: &str = "20";
/// A session that begins with less time than this in its slot waits for the next one.
const ROOM: Duration = Duration::from_secs(100);

/// Runs the query and compares.
///
/// # Errors
/// When a step fails; a session without a sum is an outcome.
pub async fn session(plan: &Plan, stage: &mut Stage, lcg: &Lcg) -> Result<Outcome, Error> {
    let warrant = approved(plan, stage, lcg).await?;
    let left = stage.until_next_slot();
    if left < ROOM {
        hint(&format!("waiting {} s for a new slot ...", left.as_secs() + 1));
        sleep(left).await;
    }
    let mut begun = Instant::now();
    let mut said = run(plan, stage, lcg, &warrant).await?;
    let mut first = None;
    if plan.come_back && said.get("summary").is_none() {
        first = Some(failed(plan, stage, thresholds(plan)?, &said));
        come_back(plan, stage).await?;
        begun = Instant::now();
        said = query_run(&stage.tools, &warrant, async { Ok(()) }).await?;
    }
    let session_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Some(session) = said.get("summary").and(said.get("session")).and_then(Json::as_str) else {
        return Ok(Outcome::Failed(failed(plan, stage, thresholds(plan)?, &said)));
    };
    let session = session.to_owned();
    let summed = summed(plan, stage, lcg, (&session, warrant), session_ms).await?;
    Ok(Outcome::Summed(Box::new(Summed { first, ..summed })))
}

/// Starts every agent that does not run, and waits until all are linked.
async fn come_back(plan: &Plan, stage: &mut Stage) -> Result<(), Error> {
    let running = stage.agent_pids();
    let gone: Vec<usize> =
        (0..plan.hospitals.len()).filter(|hospital| !running.contains_key(hospital)).collect();
    hint(&format!("no sum; {} agents come back, and the query runs again in the same slot", gone.len()));
    for hospital in gone {
        let home = plan.home(&stage.tools.folder, hospital);
        stage.start_agent(hospital, &home)?;
    }
    super::setup::wait_until_linked(plan, stage, plan.hospitals.len()).await
}

/// The result of a session, verified and compared.
async fn summed(
    plan: &Plan,
    stage: &mut Stage,
    lcg: &Lcg,
    (session, warrant): (&str, String),
    session_ms: u64,
) -> Result<Summed, Error> {
    let data = stage.tools.data();
    let store = Store::open_read_only(&data.join("samensom.db"))?;
    let finished = store.result(session)?;
    let bundle = data.join(&finished.bundle);
    let verified = [
        "result".as_ref(),
        "verify".as_ref(),
        bundle.as_os_str(),
        "--roster-fingerprint".as_ref(),
        lcg.founding.as_ref(),
    ];
    stage.tools.lcg(&verified).await?;
    let shown = stage.tools.lcg_json(&["result", "show", session]).await?;
    let table = stage.tools.lcg(&["result", "show", session]).await?;
    let table = format!("{}\n{}", table.trim_end(), plan.legend());
    let survivors = survivors(&shown, lcg)?;
    let costs = costs(plan, stage, session_ms, &survivors).await?;
    let (equal, own) = compare(plan, stage, &survivors, &bundle, &shown)?;
    let glimpse = glimpse(plan, &store, &finished.sid, &survivors, lcg, &own)?;
    let bundle = stage.keep_bundle(&bundle)?;
    Ok(Summed {
        first: None,
        hospitals: plan.hospitals.len(),
        absent: plan.absent.len(),
        shown,
        table,
        equal,
        costs,
        glimpse,
        bundle,
        samensom: stage.tools.samensom.clone(),
        data: plan.keep_running.then_some(data),
        warrant,
        founding: lcg.founding.clone(),
    })
}

/// Submits the query and has it approved.
async fn approved(plan: &Plan, stage: &Stage, lcg: &Lcg) -> Result<String, Error> {
    let tools = &stage.tools;
    let query = plan.query_path(&tools.folder.join("query"))?;
    let set =
        plan.query.parameters().iter().filter_map(|parameter| {
            Some(format!("--set={}={}", parameter.name(), parameter.value()?.written()))
        });
    let set: Vec<String> = set.collect();
    let mut args: Vec<&OsStr> = vec![
        "query".as_ref(),
        "submit".as_ref(),
        query.as_os_str(),
        "--key".as_ref(),
        lcg.analyst.as_os_str(),
        "--sessions".as_ref(),
        SESSIONS.as_ref(),
    ];
    args.extend(set.iter().map(|set| OsStr::new(set.as_str())));
    let facts = tools.lcg_json(&args).await?;
    let warrant = facts.get("warrant").and_then(Json::as_str);
    let warrant = warrant.ok_or_else(|| Error::machine("no warrant was printed"))?.to_owned();
    for key in &lcg.approvers {
        let args =
            ["query".as_ref(), "approve".as_ref(), warrant.as_ref(), "--key".as_ref(), key.as_os_str()];
        tools.lcg(&args).await?;
    }
    Ok(warrant)
}

/// Runs the warrant, relays its progress, and kills those who drop out; what the command printed.
async fn run(plan: &Plan, stage: &mut Stage, lcg: &Lcg, warrant: &str) -> Result<Json, Error> {
    let tools = stage.tools.clone();
    query_run(&tools, warrant, drop_out(plan, stage, lcg)).await
}

/// Runs the warrant and relays its progress, `meanwhile` beside it; what the command printed.
async fn query_run(
    tools: &Tools,
    warrant: &str,
    meanwhile: impl Future<Output = Result<(), Error>>,
) -> Result<Json, Error> {
    let mut command = tools.lcg_command(&["query", "run", warrant, "--wait", "--format", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running =
        command.spawn().map_err(|why| Error::file(&tools.samensom, "start the program", &why))?;
    let (out, err) = (running.stdout.take(), running.stderr.take());
    let (printed, told, killed) = tokio::join!(whole(out), relayed(err), meanwhile);
    let ended = running.wait().await.map_err(|why| Error::machine(format!("query run: {why}")))?;
    killed?;
    if printed.trim().is_empty() {
        if let Some(few) = too_few(&told) {
            return Ok(few);
        }
        return Err(
            Error::session(format!("`samensom query run` failed ({ended})")).remedy(told.join("\n  "))
        );
    }
    json(&printed)
}

async fn whole(out: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = String::new();
    if let Some(mut out) = out {
        // What cannot be read to its end is no JSON, which is told then.
        let _ = out.read_to_string(&mut text).await;
    }
    text
}

/// Shows every line as it comes, and keeps it.
async fn relayed(err: Option<impl AsyncRead + Unpin>) -> Vec<String> {
    let mut told = Vec::new();
    let Some(err) = err else { return told };
    let mut lines = BufReader::new(err).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        hint(&line);
        told.push(line);
    }
    told
}

/// Kills those who drop out once every READY is there, and lets GO go on.
async fn drop_out(plan: &Plan, stage: &mut Stage, lcg: &Lcg) -> Result<(), Error> {
    let Some(go) = &lcg.hold_go else { return Ok(()) };
    let waiting = PathBuf::from(format!("{}.waiting", go.display()));
    let patience = Instant::now() + Duration::from_secs(60);
    while !waiting.exists() {
        if Instant::now() > patience {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    for hospital in &plan.drop_out {
        stage.kill_agent(*hospital).await;
    }
    hint(&format!("{} agents were killed", plan.drop_out.len()));
    std::fs::write(go, b"").map_err(|why| Error::file(go, "let GO go on", &why))
}

/// A session that could not begin, told as one that failed.
fn too_few(told: &[String]) -> Option<Json> {
    let line = told.iter().find_map(|line| line.strip_prefix("error: too-few: "))?;
    let present: u16 = line.split_whitespace().next()?.parse().ok()?;
    Some(serde_json::json!({ "failure": { "code": "too-few", "round": "channel", "present": present } }))
}

fn thresholds(plan: &Plan) -> Result<Thresholds, Error> {
    let n = u16::try_from(plan.hospitals.len()).unwrap_or(u16::MAX);
    Thresholds::for_size(n, 0).map_err(|why| Error::asked(why.to_string()))
}

fn failed(plan: &Plan, stage: &Stage, thresholds: Thresholds, said: &Json) -> Failed {
    let failure = said.get("failure").cloned().unwrap_or_default();
    let text = |key: &str| failure.get(key).and_then(Json::as_str).unwrap_or("unknown").to_lowercase();
    let number = |key: &str| failure.get(key).and_then(Json::as_u64);
    Failed {
        hospitals: plan.hospitals.len(),
        absent: plan.absent.len(),
        dropped: plan.drop_out.iter().filter(|hospital| !stage.agent_pids().contains_key(hospital)).count(),
        thresholds,
        code: text("code"),
        round: text("round"),
        needed: number("needed").unwrap_or_else(|| u64::from(thresholds.quorum)),
        present: number("present").unwrap_or(0),
    }
}

/// The survivors, by their places among the hospitals.
fn survivors(shown: &Json, lcg: &Lcg) -> Result<Vec<usize>, Error> {
    let listed = shown.get("survivors").and_then(Json::as_array);
    let listed = listed.ok_or_else(|| Error::machine("`result show` named no survivors"))?;
    let place = |node: &Json| lcg.nodes.iter().position(|known| Some(*known) == node.as_u64());
    let places: Option<Vec<usize>> = listed.iter().map(place).collect();
    places.ok_or_else(|| Error::machine("a survivor is no hospital of this demo"))
}

async fn costs(plan: &Plan, stage: &Stage, session_ms: u64, survivors: &[usize]) -> Result<Costs, Error> {
    let agents = stage.agent_pids();
    let node_peak_rss_kb = agents.values().filter_map(|pid| peak_kb(*pid)).max();
    let coordinator_peak_rss_kb = stage.server_pid().and_then(peak_kb);
    let mut node_up_bytes = None;
    for hospital in survivors {
        let home = plan.home(&stage.tools.folder, *hospital);
        let status = json(&stage.tools.agent(&home, &["status", "--format", "json"]).await?)?;
        let up = status.get("last_session").and_then(|last| last.get("up_bytes")).and_then(Json::as_u64);
        node_up_bytes = node_up_bytes.max(up);
    }
    Ok(Costs { session_ms, node_up_bytes, node_peak_rss_kb, coordinator_peak_rss_kb })
}

/// Whether every opened cell and every shown figure is the clear sum of the survivors' extracts; and the
/// first survivor's own figures.
fn compare(
    plan: &Plan,
    stage: &Stage,
    survivors: &[usize],
    bundle: &Path,
    shown: &Json,
) -> Result<(bool, Figures), Error> {
    let tables = plan.extract_tables();
    let (mut clear, mut own, mut hospitals) = (Figures::new(), None, Vec::new());
    for hospital in survivors {
        let properties = plan.properties(*hospital);
        let home = plan.home(&stage.tools.folder, *hospital);
        let rows = oracle::rows(&plan.query, &tables, &home, &properties)?;
        let figures = oracle::figures(&plan.query, &rows, &properties)?;
        oracle::add(&mut clear, &figures);
        own.get_or_insert(figures);
        hospitals.push(rows);
    }
    let bytes = std::fs::read(bundle).map_err(|why| Error::file(bundle, "read the bundle", &why))?;
    let verified = read_bundle(&bytes)?;
    let query = plan.query.resolved().map_err(|why| Error::asked(why.to_string()))?;
    let closed = oracle::closed(&query, &hospitals, floors(&verified).as_ref());
    let totals = shown.get("totals").cloned().unwrap_or_default();
    let told = oracle::compare(&plan.query, &closed, &clear, &totals);
    let opened = is_opened(&query, &verified.totals(), &clear, &closed, survivors.len());
    if let Err(why) = &told {
        hint(&format!("the oracle differs: {why}"));
    }
    Ok((opened && told.is_ok(), own.unwrap_or_default()))
}

/// What must stand behind a figure, by roster and warrant.
fn floors(verified: &Verified) -> Option<Floors> {
    let count = verified.count.as_ref()?;
    let (warrant, roster) = (&verified.facts.warrant, &verified.facts.roster);
    let counted: Vec<NodeId> = count.facts.header.invited.iter().map(|one| one.node).collect();
    Some(Floors {
        hospitals: usize::try_from(warrant.least(roster, &counted)).unwrap_or(usize::MAX),
        patients: warrant.body().floor_patients > 0,
        patients_each: usize::try_from(warrant.patients_each(roster, &counted)).unwrap_or(usize::MAX),
        dominance: warrant.body().floor_dominance > 0,
    })
}

/// Whether every opened cell is the clear sum, and every other one holds nothing of anybody.
fn is_opened(query: &Query, opened: &[i128], clear: &[i128], closed: &[Vec<bool>], hospitals: usize) -> bool {
    let layout = query.layout();
    let width = layout.figures().max(1);
    let nothing = |cell: usize| {
        let low = u32::try_from(cell).map_or(0, |cell| layout.bounds(cell).0);
        i128::from(low) * i128::try_from(hospitals).unwrap_or(0)
    };
    let is_right = |(cell, (opened, clear)): (usize, (&i128, &i128))| {
        let measure = layout.measure_of(cell % width).unwrap_or(usize::MAX);
        let stays = closed.get(cell / width).and_then(|cell| cell.get(measure)) != Some(&false);
        *opened == if stays { nothing(cell) } else { *clear }
    };
    opened.len() == clear.len() && opened.iter().zip(clear).enumerate().all(is_right)
}

/// What the coordinator holds of one hospital, beside that hospital's own figures.
fn glimpse(
    plan: &Plan,
    store: &Store,
    sid: &AttemptId,
    survivors: &[usize],
    lcg: &Lcg,
    own: &[i128],
) -> Result<Glimpse, Error> {
    let first = survivors.first().copied().unwrap_or(0);
    let node = lcg.nodes.get(first).and_then(|node| u16::try_from(*node).ok()).map_or(NodeId(0), NodeId);
    let held = store.spooled(sid, node, 0)?.unwrap_or_default();
    let name = plan.hospitals.get(first).map(|hospital| hospital.name.clone()).unwrap_or_default();
    let named = |measure: &Measure| {
        let parts = measure.parts().unwrap_or_default();
        let name = measure.name().to_owned();
        parts.into_iter().map(move |part| (format!("{name} {}", part.name).trim().to_owned(), part.scale))
    };
    let parts: Vec<(String, u8)> = plan.query.measures().iter().flat_map(named).collect();
    let line = |(place, cell): (usize, &[i128])| {
        let figures = parts
            .iter()
            .zip(cell)
            .map(|((name, scale), figure)| format!("{name} {}", oracle::written(*figure, *scale)));
        format!("{}  {}", oracle::label(&plan.query, place), figures.collect::<Vec<_>>().join(", "))
    };
    let figures = own.chunks(parts.len().max(1)).enumerate().map(line).collect();
    Ok(Glimpse { name, held, figures })
}
