//! The control socket: how commands reach the running server, one JSON line there, JSON lines back.
//!
//! Owns the requests, the responses and both ends of the socket. Only the user who runs the server gets an
//! answer. It must not act: `ops` does.

use crate::error::Error;
use crate::folder::Folder;
use crate::ops::{Answer, Ops, Wanted};
use crate::session::Progress;
use crate::store::{Hospital, Mark, Signing};
use samensom_protocol::admission::Token;
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash, SessionId, WarrantHash};
use samensom_protocol::roster::RosterSignature;
use samensom_protocol::warrant::{Approval, MAX_BODY, SignedWarrant};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

/// Longest line: a query in hexadecimal text and what is around it.
const LONGEST: u64 = 2 * (MAX_BODY as u64) + 4096;
/// A command says what it wants within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the verb of that name, its fields the options")]
pub enum Request {
    Status,
    HospitalAdd { name: String, group: String, kind: String, floor: u16, id: Option<String> },
    HospitalToken { hospital: String, valid_ms: u64 },
    HospitalConfirm { hospital: String, fingerprint: String },
    HospitalMark { hospital: String, mark: Mark },
    RosterPropose(Wanted),
    RosterSign { roster: RosterHash, signature: RosterSignature },
    QuerySubmit { warrant: SignedWarrant },
    QueryApprove { warrant: WarrantHash, approval: Approval },
    QueryRun { warrant: String },
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// How the server is.
    Status(Status),
    /// A hospital as it stands now.
    Hospital(Hospital),
    /// A one-use token.
    Token(Token),
    /// This roster waits for signatures.
    Proposed(RosterHash),
    /// A roster got a signature.
    Signed(SignedAs),
    /// A warrant waits for approvals.
    Submitted(WarrantHash),
    /// A warrant got an approval.
    Approved(Approved),
    /// A session began.
    Started(SessionId),
    /// A session went on or ended.
    Progress(Progress),
    /// It was not done.
    Failed(Error),
}

/// How a running server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Program version.
    pub version: String,
    /// Where it listens.
    pub listening: String,
    /// The coordinator's key.
    pub key: PublicKey,
    /// Number of the newest roster.
    pub epoch: u32,
    /// Active members of the newest roster.
    pub members: u16,
    /// Members that are linked now.
    pub linked: Vec<NodeId>,
    /// Channel confirmations still missing among them; 0 when every pair shares a key.
    pub channels_missing: usize,
}

/// What a roster's signature changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAs {
    /// Signatures so far.
    pub have: u16,
    /// Needed.
    pub needed: u16,
    /// Whether it is the newest roster now.
    pub head: bool,
}

impl SignedAs {
    /// From the store's answer, with the threshold.
    #[must_use]
    pub fn new(signing: Signing, threshold: u16) -> Self {
        match signing {
            Signing::Waiting { have, needed } => SignedAs { have, needed, head: false },
            Signing::Head => SignedAs { have: threshold, needed: threshold, head: true },
        }
    }
}

/// What an approval changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The warrant.
    pub warrant: WarrantHash,
    /// Approvals so far.
    pub approvals: u16,
    /// Whether it may run now.
    pub runnable: bool,
    /// What is still missing, if it may not.
    pub missing: String,
}

/// Opens the socket of a data folder and answers until the task is dropped. The caller holds the folder's
/// lock, so a socket that is there is left from before.
///
/// # Errors
/// When it cannot be made.
pub fn serve(folder: &Folder, ops: Arc<Ops>) -> Result<tokio::task::JoinHandle<()>, Error> {
    let path = folder.socket();
    let fail = |why: std::io::Error| {
        Error::file(&path, "open the control socket", &why)
            .expected("a path of at most 107 bytes on a disk of this machine")
    };
    match std::fs::remove_file(&path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(fail(why)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&path).map_err(fail)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    let listener = tokio::net::UnixListener::from_std(listener).map_err(fail)?;
    Ok(tokio::spawn(async move {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match listener.accept().await {
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) => {
                    let ops = Arc::clone(&ops);
                    tokio::spawn(async move {
                        if let Err(why) = serve_one(stream, &ops).await {
                            tracing::debug!(%why, "a command went away");
                        }
                    });
                }
                Ok(_) => tracing::warn!("a command of another user is not answered"),
                Err(why) => {
                    tracing::warn!(%why, "the control socket failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }))
}

async fn serve_one(stream: tokio::net::UnixStream, ops: &Arc<Ops>) -> std::io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut line = String::new();
    let mut limited = tokio::io::BufReader::new(from.take(LONGEST));
    tokio::time::timeout(PATIENCE, limited.read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => ops.answer(request).await,
        Err(why) => Answer::one(Err(Error::asked(format!("the request cannot be read: {why}"))
            .remedy("use the command of the same version as the server"))),
    };
    match answer {
        Answer::One(response) => send(&mut to, &response).await,
        Answer::Run(session, mut progress) => {
            let mut heard = send(&mut to, &Response::Started(session)).await;
            // The session goes on whether or not somebody listens.
            while let Some(step) = progress.recv().await {
                if heard.is_ok() {
                    heard = send(&mut to, &Response::Progress(step)).await;
                }
            }
            heard
        }
    }
}

async fn send(to: &mut tokio::net::unix::OwnedWriteHalf, response: &Response) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    to.write_all(&line).await
}

/// The answers to one request; the blocking end, for commands.
pub struct Answers(BufReader<UnixStream>);

impl Answers {
    /// Asks the server of a data folder.
    ///
    /// # Errors
    /// When no server runs on it.
    pub fn ask(folder: &Folder, request: &Request) -> Result<Answers, Error> {
        let gone = |why: std::io::Error| not_running(folder, &why);
        let mut stream = UnixStream::connect(folder.socket()).map_err(gone)?;
        let mut line = serde_json::to_vec(request)
            .map_err(|why| Error::machine(format!("the request cannot be written: {why}")))?;
        line.push(b'\n');
        stream.write_all(&line).map_err(gone)?;
        Ok(Answers(BufReader::new(stream)))
    }

    /// The next answer; none when the server has said all.
    ///
    /// # Errors
    /// What the server answers as an error, or that it stopped.
    pub fn next_answer(&mut self) -> Result<Option<Response>, Error> {
        let stopped = |why: &dyn core::fmt::Display| {
            Error::session(format!("the server stopped answering: {why}"))
                .remedy("see its log; what it had synced is kept")
        };
        let mut line = String::new();
        let read = self.0.by_ref().take(8 * LONGEST).read_line(&mut line).map_err(|why| stopped(&why))?;
        if read == 0 {
            return Ok(None);
        }
        match serde_json::from_str(&line) {
            Ok(Response::Failed(error)) => Err(error),
            Ok(response) => Ok(Some(response)),
            Err(why) => Err(stopped(&why)),
        }
    }
}

/// Asks for something that has one answer.
///
/// # Errors
/// When no server runs, or what it answers as an error.
pub fn ask(folder: &Folder, request: &Request) -> Result<Response, Error> {
    Answers::ask(folder, request)?
        .next_answer()?
        .ok_or_else(|| Error::machine("the server ended without an answer").remedy("see its log"))
}

fn not_running(folder: &Folder, why: &std::io::Error) -> Error {
    let data = folder.path().display();
    let report = |what: String| crate::error::Report { what, ..crate::error::Report::default() };
    if !folder.database().exists() {
        return Error::asked("there is no data folder here")
            .place(data.to_string())
            .remedy("run `samensom init`, or name the folder with --data");
    }
    Error::NotRunning(report(format!("the server of this data folder does not run ({why})")))
        .place(folder.socket().display().to_string())
        .remedy(format!("start it: samensom --data {data} serve"))
}

#[cfg(test)]
mod tests;
