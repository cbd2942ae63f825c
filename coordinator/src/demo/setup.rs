//! From an empty folder to linked agents: keys, server, admission of every hospital, the signed roster.
//!
//! Owns the commands of a first day, in their order. What they mean is theirs.

use super::plan::{Hospital, Plan};
use super::stage::{Stage, Tools};
use crate::cli::hint;
use crate::error::Error;
use crate::rules::DEFAULT;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const SIGNERS: usize = 5;
const SIGNATURES: usize = 3;
/// Commands that run at a time.
const AT_ONCE: usize = 4;
/// All agents are linked within this time, also on a busy machine.
const LINKED: Duration = Duration::from_secs(120);

/// What the steps before a session leave behind.
#[derive(Debug)]
pub struct Lcg {
    /// Words of the founding roster.
    pub founding: String,
    /// Numbers of the hospitals in the roster.
    pub nodes: Vec<u64>,
    /// Key file of who asks.
    pub analyst: PathBuf,
    /// Key files of the approvers.
    pub approvers: Vec<PathBuf>,
    /// With this file the server's GO goes on; only where hospitals drop out.
    pub hold_go: Option<PathBuf>,
}

/// All of it.
///
/// # Errors
/// When a step fails.
pub async fn all(plan: &Plan, stage: &mut Stage) -> Result<Lcg, Error> {
    let tools = stage.tools.clone();
    let (signers, approvers) = persons(plan, &tools).await?;
    let founding = init(plan, &tools, stage.spacing_s, &signers).await?;
    let hold_go = (!plan.drop_out.is_empty()).then(|| tools.folder.join("go"));
    stage.serve(hold_go.as_deref()).await?;
    hint(&format!("{} hospitals are admitted ...", plan.hospitals.len()));
    let nodes = add(plan, &tools).await?;
    for (number, hospital) in plan.hospitals.iter().enumerate() {
        furnish(plan, &plan.home(&tools.folder, number), hospital)?;
    }
    plan.write_extracts(&tools.folder, 0)?;
    admit(plan, &tools).await?;
    let roster = sign(&tools, &signers, &approvers).await?;
    accept(plan, &tools, &roster).await?;
    for hospital in plan.present() {
        stage.start_agent(hospital, &plan.home(&tools.folder, hospital))?;
    }
    wait_until_linked(plan, stage, plan.present().count()).await?;
    let analyst = key(tools.folder.join("persons").join("analyst"));
    Ok(Lcg { founding, nodes, analyst, approvers: approvers.into_iter().map(key).collect(), hold_go })
}

fn key(mut base: PathBuf) -> PathBuf {
    base.add_extension("key");
    base
}

fn public(base: &Path) -> OsString {
    let mut path = base.to_owned();
    path.add_extension("pub");
    path.into_os_string()
}

/// Roles that approve the query's purpose, in the shipped rules.
fn roles(plan: &Plan) -> Result<Vec<String>, Error> {
    let rules: toml::Table = DEFAULT.parse().map_err(|why| Error::machine(format!("rules: {why}")))?;
    let purposes = rules.get("purpose").and_then(toml::Value::as_array);
    let name = plan.query.purpose().name();
    let named = |rule: &&toml::Value| rule.get("name").and_then(toml::Value::as_str) == Some(name);
    let rule = purposes.and_then(|all| all.iter().find(named));
    let rule = rule.ok_or_else(|| Error::asked(format!("no rule for the purpose `{name}`")))?;
    let roles = rule.get("roles").and_then(toml::Value::as_array).into_iter().flatten();
    Ok(roles.filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

/// Keys of five signers, of one approver for each role, and of who asks; the first approver belongs to a hospital.
async fn persons(plan: &Plan, tools: &Tools) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let folder = tools.folder.join("persons");
    std::fs::create_dir(&folder).map_err(|why| Error::file(&folder, "make the folder", &why))?;
    let (mut signers, mut approvers) = (Vec::new(), Vec::new());
    for number in 1..=SIGNERS {
        let (base, name) = (folder.join(format!("signer-{number}")), format!("Signer {number}"));
        // Thrown away with the demo's folder.
        let args = ["keygen", "signer", "--unsealed", "--name", &name, "--organisation", "nvza", "--out"];
        tools.lcg(&with(&args, &base)).await?;
        signers.push(base);
    }
    for (number, role) in roles(plan)?.iter().enumerate() {
        let base = folder.join(format!("approver-{}", number + 1));
        let hospital = plan.hospitals.first().map_or("lcg", |hospital| hospital.slug.as_str());
        let organisation = if number == 0 { hospital } else { "lcg" };
        let name = format!("Approver {}", number + 1);
        let who = ["--name", &*name, "--role", role, "--organisation", organisation, "--out"];
        tools.lcg(&with(&[&["keygen", "approver", "--unsealed"], &who[..]].concat(), &base)).await?;
        approvers.push(base);
    }
    let who = ["keygen", "analyst", "--unsealed", "--name", "Analyst", "--organisation", "lcg", "--out"];
    tools.lcg(&with(&who, &folder.join("analyst"))).await?;
    Ok((signers, approvers))
}

fn with(args: &[&str], last: &Path) -> Vec<OsString> {
    args.iter().map(OsString::from).chain([last.as_os_str().to_owned()]).collect()
}

/// The data folder, with short slots; the words of the founding roster.
async fn init(plan: &Plan, tools: &Tools, spacing_s: u64, signers: &[PathBuf]) -> Result<String, Error> {
    let rules = tools.folder.join("rules.toml");
    let text = DEFAULT.replace("spacing = \"20h\"", &format!("spacing = \"{spacing_s}s\""));
    std::fs::write(&rules, text).map_err(|why| Error::file(&rules, "write the rules", &why))?;
    let mut args = with(&["init", "--name", "LCG (demo)", "--rules"], &rules);
    match &plan.addresses {
        None => args.extend(["--listen", "127.0.0.1:0"].map(OsString::from)),
        Some((listen, public)) => {
            args.extend(["--listen", listen, "--public", public].map(OsString::from));
        }
    }
    args.push(OsString::from("--signer"));
    args.extend(signers.iter().map(|base| public(base)));
    let facts = tools.lcg_json(&args).await?;
    facts
        .get("founding_words")
        .and_then(|words| words.as_str())
        .map(str::to_owned)
        .ok_or_else(|| missing("founding_words"))
}

fn missing(fact: &str) -> Error {
    Error::machine(format!("a command did not print `{fact}`"))
}

/// Adds the hospitals one after the other, so that their numbers follow their order.
async fn add(plan: &Plan, tools: &Tools) -> Result<Vec<u64>, Error> {
    let mut nodes = Vec::new();
    for hospital in &plan.hospitals {
        let Hospital { slug, name, group, kind } = hospital;
        let facts = tools
            .lcg_json(&["hospital", "add", name, "--group", group, "--kind", kind, "--id", slug])
            .await?;
        nodes.push(facts.get("id").and_then(serde_json::Value::as_u64).ok_or_else(|| missing("id"))?);
    }
    Ok(nodes)
}

/// The folder of a hospital, with its `node.toml`.
fn furnish(plan: &Plan, home: &Path, hospital: &Hospital) -> Result<(), Error> {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let table = |pairs: Vec<(&str, toml::Value)>| {
        toml::Value::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let purposes = table(vec![(plan.query.purpose().name(), text("auto"))]);
    let extracts = plan.extract_tables().into_iter().map(toml::Value::Table).collect();
    let config = table(vec![
        ("node", table(vec![("name", text(&hospital.slug)), ("state", text("state"))])),
        // A killed agent sends no goodbye; on loopback a short silence is enough to tell.
        ("network", table(vec![("idle", text("5s")), ("keep_alive", text("1s"))])),
        ("policy", table(vec![("purposes", purposes)])),
        ("extract", toml::Value::Array(extracts)),
    ]);
    let config = toml::to_string(&config).map_err(|why| Error::machine(format!("node.toml: {why}")))?;
    let path = home.join("node.toml");
    std::fs::create_dir_all(home)
        .and_then(|()| std::fs::write(&path, config))
        .map_err(|why| Error::file(&path, "write the configuration", &why))
}

/// Token, key and confirmation of every hospital.
async fn admit(plan: &Plan, tools: &Tools) -> Result<(), Error> {
    each(plan, tools, |tools, home, hospital| async move {
        let token = home.join("token");
        let text = tools.lcg(&["hospital", "token", &hospital.slug]).await?;
        std::fs::write(&token, text).map_err(|why| Error::file(&token, "write the token", &why))?;
        let mut args = with(&["enroll", "--token-file"], &token);
        args.push(OsString::from("--no-wait"));
        let told = tools.agent(&home, &args).await?;
        let words = told.lines().find_map(|line| line.strip_prefix("key:")).map(str::trim);
        let words = words.ok_or_else(|| missing("key:"))?;
        // In life these words come over the telephone.
        tools.lcg(&["hospital", "confirm", &hospital.slug, "--fingerprint", words]).await.map(|_| ())
    })
    .await
}

/// Proposes the roster and signs it; its words.
async fn sign(tools: &Tools, signers: &[PathBuf], approvers: &[PathBuf]) -> Result<String, Error> {
    let mut args: Vec<OsString> = ["roster", "propose", "--approver"].iter().map(OsString::from).collect();
    args.extend(approvers.iter().map(|base| public(base)));
    let facts = tools.lcg_json(&args).await?;
    for signer in signers.iter().take(SIGNATURES) {
        tools.lcg(&with(&["roster", "sign", "--key"], &key(signer.clone()))).await?;
    }
    facts.get("words").and_then(|words| words.as_str()).map(str::to_owned).ok_or_else(|| missing("words"))
}

/// Every hospital accepts the roster by its words.
async fn accept(plan: &Plan, tools: &Tools, words: &str) -> Result<(), Error> {
    let words: Arc<str> = words.into();
    each(plan, tools, move |tools, home, _| {
        let words = Arc::clone(&words);
        async move { tools.agent(&home, &["enroll", "--accept-roster", &words]).await.map(|_| ()) }
    })
    .await
}

/// Does something for every hospital, a few at a time.
async fn each<F, W>(plan: &Plan, tools: &Tools, work: F) -> Result<(), Error>
where
    F: Fn(Tools, PathBuf, Hospital) -> W,
    W: Future<Output = Result<(), Error>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (number, hospital) in plan.hospitals.iter().enumerate() {
        let one = work(tools.clone(), plan.home(&tools.folder, number), hospital.clone());
        let permits = Arc::clone(&permits);
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            one.await
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|why| Error::machine(format!("a step did not end: {why}")))??;
    }
    Ok(())
}

/// Waits until so many agents are linked and share their channel keys.
///
/// # Errors
/// When one of them ended, or it takes too long.
pub async fn wait_until_linked(plan: &Plan, stage: &mut Stage, expected: usize) -> Result<(), Error> {
    let home = {
        let folder = stage.tools.folder.clone();
        move |hospital| plan.home(&folder, hospital)
    };
    let deadline = Instant::now() + LINKED;
    loop {
        stage.all_run(&home)?;
        let status = stage.tools.lcg_json(&[OsStr::new("status")]).await?;
        let linked = status.get("linked").and_then(|linked| linked.as_array()).map_or(0, Vec::len);
        let missing = status.get("channels_missing").and_then(serde_json::Value::as_u64);
        if linked >= expected && missing == Some(0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::session(format!(
                "{linked} of {expected} agents are linked, {} channel keys are missing",
                missing.unwrap_or(0)
            ))
            .remedy("try it with fewer: samensom demo --hospitals 9"));
        }
        sleep(Duration::from_millis(250)).await;
    }
}
