//! How a hospital joins: token, key, telephone, roster.
//!
//! Owns the steps from a token file to an accepted roster that lists this hospital's key. Each step is kept
//! as soon as it is done, so that the command may be given up and given again. It must not ask anything
//! when there is nobody to answer, and never shows the token's secret.

use crate::audit::{Audit, Event};
use crate::chain::Chain;
use crate::clock::now;
use crate::config::{Config, ConfigError};
use crate::error::Error;
use crate::hello::{expect, greet, hello, say};
use crate::identity;
use crate::ledger::{Enrolment, Pins};
use crate::link::{Backoff, Link, dial};
use samensom_protocol::admission::{Admission, Token, words};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::NodeId;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is asked whether a roster lists the key.
const POLL: Duration = Duration::from_secs(1);
/// Longest token file.
const MAX_TOKEN: u64 = 64 * 1024;

/// What the operator wants.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The token's file; none to go on with an earlier enrolment.
    pub token_file: Option<PathBuf>,
    /// Whether to wait until a roster lists the key.
    pub wait: bool,
    /// The words of the roster to accept, as LCG read them.
    pub accept: Option<String>,
}

/// The operator's side of the conversation.
pub trait Operator {
    /// Shows a fact.
    fn show(&mut self, fact: &Fact);
    /// Shows how it goes.
    fn progress(&mut self, text: &str);
    /// Asks for a yes; `None` when there is nobody to ask.
    fn confirm(&mut self, question: &str) -> Option<bool>;
}

/// What is told on the way. The JSON form has these names and is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// Whose agent this is, before anything else.
    Here {
        /// Short name of the hospital.
        hospital: String,
        /// Its number in all rosters.
        node: u16,
        /// The words of its key, to be read to LCG.
        key: String,
    },
    /// A roster is followed from now on.
    Accepted {
        /// The words of the roster.
        roster: String,
        /// Its number.
        epoch: u32,
        /// How many hospitals it lists.
        hospitals: u16,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Here { hospital, node, key } => {
                write!(f, "hospital: {hospital} ({})\nkey:      {key}", NodeId(*node))
            }
            Fact::Accepted { roster, epoch, hospitals } => {
                write!(f, "roster:   {roster} (number {epoch}, {hospitals} hospitals), accepted")
            }
        }
    }
}

/// Does what the operator wants.
///
/// # Errors
/// When the token is refused, the coordinator cannot be reached, or the roster's words do not fit.
pub async fn enroll(config: &Config, wish: &Wish, operator: &mut impl Operator) -> Result<(), Error> {
    let pins = Pins::open(&config.state)?;
    let token = wish.token_file.as_deref().map(read_token).transpose()?;
    let (enrolment, known) = enrolment(config, &pins, token.as_ref())?;
    same_name(config, &enrolment.institution)?;
    let identity = Arc::new(identity::load_or_make(&config.state)?);
    let audit = Audit::open(&config.state, &identity)?;
    let mut pins = pins.audited(audit.clone());
    operator.show(&Fact::Here {
        hospital: enrolment.institution.clone(),
        node: enrolment.hospital.0,
        key: words(&identity.public().0),
    });
    let mut chain = Chain::load(&pins, enrolment.founding_roster)?;
    if let (None, Some(given)) = (&token, &wish.accept)
        && !chain.held().is_empty()
        && chain.accept(&mut pins, given).is_ok()
    {
        // Fetched before, by the running agent perhaps, whose link a second one would replace.
        show_accepted(&chain, operator);
        return Ok(());
    }
    let mut link = open(config, &enrolment, &identity).await?;
    if let Some(token) = &token {
        audit.tell(Event::Enrolling {
            hospital: enrolment.institution.clone(),
            node: enrolment.hospital.0,
            coordinator: enrolment.coordinator_key,
            founding_roster: enrolment.founding_roster,
        })?;
        present(&mut link, &chain, token).await?;
        pins.enrol(&enrolment)?;
        operator.progress("the coordinator took the token; its file may be deleted");
    } else if !known {
        return Err(Error::NotEnrolled { state: config.state.display().to_string() });
    }
    greet(&mut link, &mut chain, &mut pins).await?;
    if !wish.wait {
        operator.progress(
            "now: read the key's words to LCG by telephone; then, once a roster lists this hospital,",
        );
        operator
            .progress("run `samensom-node enroll --accept-roster \"WORDS\"` with the words LCG reads to you");
        link.close("done").await;
        return Ok(());
    }
    if token.is_some() || wish.accept.is_none() {
        link =
            wait_until_listed(config, &enrolment, &identity, link, &mut chain, &mut pins, operator).await?;
    }
    link.close("done").await;
    accept(&mut chain, &mut pins, wish.accept.as_deref(), operator)
}

/// What the token pins, or what an earlier one did; and whether there was an earlier one.
fn enrolment(config: &Config, pins: &Pins, token: Option<&Token>) -> Result<(Enrolment, bool), Error> {
    let state = || config.state.display().to_string();
    let have = pins.enrolment()?;
    let Some(token) = token else {
        return have.map(|have| (have, true)).ok_or_else(|| Error::NotEnrolled { state: state() });
    };
    let new = Enrolment {
        coordinator: token.coordinator.to_string(),
        coordinator_key: token.coordinator_key,
        founding_roster: token.founding_roster,
        hospital: token.hospital,
        institution: token.institution.to_string(),
    };
    match have {
        None => Ok((new, false)),
        Some(have) if (Enrolment { coordinator: new.coordinator.clone(), ..have.clone() }) == new => {
            Ok((new, true))
        }
        Some(have) => Err(Error::OtherEnrolment {
            state: state(),
            have: format!("{} ({})", have.institution, have.hospital),
            found: format!("{} ({})", new.institution, new.hospital),
        }),
    }
}

/// Refuses a configuration that names another hospital than the token did.
///
/// # Errors
/// When `node.name` is set and differs.
pub fn same_name(config: &Config, institution: &str) -> Result<(), Error> {
    match (&config.name, &config.file) {
        (Some(name), Some(file)) if name != institution => Err(Error::Config(ConfigError {
            file: file.clone(),
            line: None,
            problem: format!("node.name is `{name}`; the token was for `{institution}`"),
            todo: "correct node.name, or name the state folder of that hospital (node.state)".to_owned(),
        })),
        _ => Ok(()),
    }
}

/// Reads a token. Its text is never shown, for it holds a secret.
fn read_token(path: &Path) -> Result<Token, Error> {
    let wrong = |problem: String, todo: &'static str| Error::Token {
        path: path.display().to_string(),
        problem,
        todo,
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text))
        .map_err(|error| wrong(format!("cannot be read: {error}"), "check the path and the file's rights"))?;
    let token: Token = toml::from_str(&text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1);
        wrong(
            format!("line {line} is not as it stands in a token"),
            "copy the file again, or ask LCG for a new token",
        )
    })?;
    if token.expires <= now() {
        return Err(wrong(
            "this token's time is over".to_owned(),
            "ask LCG for a new token; if its time is not over, set this machine's clock by NTP",
        ));
    }
    Ok(token)
}

async fn open(config: &Config, enrolment: &Enrolment, identity: &Identity) -> Result<Link, Error> {
    let address = config.coordinator.as_ref().unwrap_or(&enrolment.coordinator);
    Ok(dial(address, &enrolment.coordinator_key, identity, config.timing).await?)
}

/// Presents the token over a link to the coordinator whose key the token names.
async fn present(link: &mut Link, chain: &Chain, token: &Token) -> Result<(), Error> {
    say(link, &hello(chain)).await?;
    let welcome = |frame| if matches!(frame, Admission::Welcome { .. }) { Ok(()) } else { Err(frame) };
    expect(link, "a welcome", welcome).await?;
    say(link, &Admission::Enrol { hospital: token.hospital, secret: token.secret }).await?;
    let answer = expect(link, "an answer to the token", |frame| match frame {
        Admission::Enrolled => Ok(Ok(())),
        Admission::EnrolRefused(why) => Ok(Err(Error::EnrolRefused(why))),
        other => Err(other),
    });
    answer.await?
}

/// Waits until the newest roster lists the key, dialling again as often as needed.
async fn wait_until_listed(
    config: &Config,
    enrolment: &Enrolment,
    identity: &Identity,
    mut link: Link,
    chain: &mut Chain,
    pins: &mut Pins,
    operator: &mut impl Operator,
) -> Result<Link, Error> {
    let lists = |chain: &Chain| {
        chain.newest().is_some_and(|roster| roster.member_by_key(&identity.public()).is_some())
    };
    let mut backoff = Backoff::default();
    if !lists(chain) {
        operator.progress("read the key's words to LCG by telephone; waiting for LCG to confirm them ...");
    }
    while !lists(chain) {
        // A welcome that comes by itself ends the wait; what it says is asked anew.
        let idle = async {
            match timeout(POLL, link.recv_admission()).await {
                Ok(Err(error)) => Err(error),
                _ => Ok(()),
            }
        };
        let polled = match idle.await {
            Ok(()) => greet(&mut link, chain, pins).await.map(|_| ()),
            Err(error) => Err(error.into()),
        };
        match polled {
            Ok(()) => {}
            Err(Error::Link(error)) => {
                operator.progress(&format!("{error}; dialling again"));
                sleep(backoff.next(&mut identity::randomness())).await;
                if let Ok(again) = open(config, enrolment, identity).await {
                    link = again;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(link)
}

/// Accepts the newest roster, if its words are those that LCG read.
fn accept(
    chain: &mut Chain,
    pins: &mut Pins,
    given: Option<&str>,
    operator: &mut impl Operator,
) -> Result<(), Error> {
    match (given, chain.why_held()) {
        (Some(given), _) => chain.accept(pins, given)?,
        (None, None) => {}
        (None, Some(Error::Held { epoch, change, words })) => {
            let question = format!(
                "roster {epoch}: {change}\nits words: {words}\nAre these the words that LCG reads to you?"
            );
            match operator.confirm(&question) {
                Some(true) => chain.accept(pins, &words)?,
                _ => return Err(Error::Held { epoch, change, words }),
            }
        }
        (None, Some(other)) => return Err(other),
    }
    show_accepted(chain, operator);
    Ok(())
}

fn show_accepted(chain: &Chain, operator: &mut impl Operator) {
    if let Some(roster) = chain.current() {
        operator.show(&Fact::Accepted {
            roster: words(&roster.hash().0),
            epoch: roster.body().epoch,
            hospitals: roster.size(),
        });
    }
}
