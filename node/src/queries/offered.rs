//! A query that was offered here: who asks, who approved, which rule applies, what people decided, how it stands.
//!
//! Owns these words, for `queries list|show|approve|refuse`. It must not decide anything itself.

use crate::clock::now;
use crate::config::Config;
use crate::consent::{self, Consent, Named, Why};
use crate::desk::{Decision, Desk, Offered, Outcome};
use crate::error::Error;
use crate::pause;
use crate::session::{Driver, LastSession};
use crate::status::utc;
use samensom_protocol::ids::{QueryHash, WarrantHash};
use samensom_protocol::warrant::Series;
use serde::Serialize;
use std::fmt;

/// One line of the list.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The warrant, by which the query is named here.
    pub warrant: WarrantHash,
    /// Id of the query.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Why it is asked.
    pub purpose: &'static str,
    /// Its Dutch title.
    pub title: String,
    /// When it was offered first, in UTC.
    pub since: String,
    /// How it stands here.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

/// Every query that was offered here, the newest first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Listed(Vec<Line>);

/// How a query that was offered stands.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// The warrant.
    pub warrant: WarrantHash,
    /// Hash of the query alone, for `[[policy.query]]`.
    pub query_hash: QueryHash,
    /// Who asks: person and organisation.
    pub requested_by: [String; 2],
    /// Who approved it: person, role, organisation.
    pub approved_by: Vec<[String; 3]>,
    /// Fewest hospitals behind a figure, before the members' own floors.
    pub floor_hospitals: u16,
    /// Fewest patients behind a figure.
    pub floor_patients: u32,
    /// Largest share of one hospital in a figure, in percent; 0 for any.
    pub floor_dominance: u8,
    /// May run from, in UTC.
    pub valid_from: String,
    /// May run until, in UTC.
    pub valid_until: String,
    /// Most sessions.
    pub sessions: u16,
    /// Least time between two, in seconds.
    pub every_s: u32,
    /// How long a session waits for consent, in seconds.
    pub wait_s: u32,
    /// Who takes part from session to session.
    pub series: Series,
    /// The rule of this hospital that applies.
    pub rule: String,
    /// How many people must approve it here.
    pub persons: u8,
    /// What people of this hospital decided, in order.
    pub decisions: Vec<Shown>,
    /// How it stands here.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

/// A decision for people.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// `approve` or `refuse`.
    pub decision: &'static str,
    /// Who.
    pub person: String,
    /// By which account of this machine.
    pub os_user: String,
    /// When, in UTC.
    pub at: String,
}

/// What a decision came to.
#[derive(Debug, Serialize)]
pub struct Decided {
    /// The warrant.
    pub warrant: WarrantHash,
    /// Id of the query.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// How it stands now.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

/// Every query that was offered here.
///
/// # Errors
/// When the state cannot be read.
pub fn list(config: &Config) -> Result<Listed, Error> {
    let line = |offered: Offered| {
        let (state, why) = stands(config, &offered)?;
        Ok(Line {
            warrant: offered.hash,
            id: offered.query.id().to_owned(),
            version: offered.query.version(),
            purpose: offered.query.purpose().name(),
            title: offered.query.title_nl().to_owned(),
            since: utc(offered.since),
            state,
            why,
        })
    };
    let all = Desk::of_state(&config.state).all()?;
    Ok(Listed(all.into_iter().map(line).collect::<Result<_, Error>>()?))
}

/// Whether a person's word changes anything: no approval goes against a rule that refuses.
pub(super) fn may_decide(config: &Config, offered: &Offered, approve: bool) -> Result<(), Error> {
    let rule = consent::rule(&config.policy, &named(offered));
    match rule.consent {
        Consent::Refuse if approve => Err(Error::Ruled { by: rule.by }),
        _ => Ok(()),
    }
}

fn named(offered: &Offered) -> Named<'_> {
    Named::of(&offered.query, &offered.body)
}

/// A word for the state, and the rule or the people behind it.
fn stands(config: &Config, offered: &Offered) -> Result<(&'static str, String), Error> {
    let at = now();
    if at >= offered.body.valid_until {
        return Ok(("over", format!("it ran until {}", utc(offered.body.valid_until))));
    }
    if pause::read(&config.state).is_some() {
        return Ok(("paused", "this hospital has paused".to_owned()));
    }
    let rule = consent::rule(&config.policy, &named(offered));
    let decided = Desk::of_state(&config.state).outcome(&offered.hash);
    let judged = consent::decide(&rule, &config.policy, offered.body.floor_hospitals, &decided);
    Ok(match judged {
        Ok(()) if rule.consent == Consent::Ask => match decided {
            Outcome::Approved(by) => ("approved", format!("by {}", by.join(" and "))),
            Outcome::Refused(by) => ("refused", by),
        },
        Ok(()) => ("auto", rule.by),
        Err(why @ Why::Undecided { .. }) => {
            let waits = LastSession::read(&config.state).is_some_and(|last| last.state == Driver::WAITING);
            (if waits { Driver::WAITING } else { "undecided" }, why.to_string())
        }
        Err(why) => ("refused", why.to_string()),
    })
}

impl Asked {
    /// Of a query that was offered.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn of(config: &Config, offered: &Offered) -> Result<Asked, Error> {
        let unreadable = |source| Error::Io { doing: "reading the decisions", source };
        let decisions = Desk::of_state(&config.state).decisions(&offered.hash).map_err(unreadable)?;
        let rule = consent::rule(&config.policy, &named(offered));
        let (state, why) = stands(config, offered)?;
        let body = &offered.body;
        Ok(Asked {
            warrant: offered.hash,
            query_hash: named(offered).hash,
            requested_by: [body.requester.person.to_string(), body.requester.organisation.to_string()],
            approved_by: offered.approved_by.clone(),
            floor_hospitals: body.floor_hospitals,
            floor_patients: body.floor_patients,
            floor_dominance: body.floor_dominance,
            valid_from: utc(body.valid_from),
            valid_until: utc(body.valid_until),
            sessions: body.sessions,
            every_s: body.every_s,
            wait_s: body.wait_s,
            series: body.series,
            rule: rule.by,
            persons: rule.persons,
            decisions: decisions.into_iter().map(Shown::from).collect(),
            state,
            why,
        })
    }
}

impl Decided {
    /// After a decision.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn of(config: &Config, offered: &Offered) -> Result<Decided, Error> {
        let (state, why) = stands(config, offered)?;
        let (id, version) = (offered.query.id().to_owned(), offered.query.version());
        Ok(Decided { warrant: offered.hash, id, version, state, why })
    }
}

impl From<Decision> for Shown {
    fn from(decision: Decision) -> Shown {
        let Decision { approve, person, os_user, at } = decision;
        Shown { decision: if approve { "approve" } else { "refuse" }, person, os_user, at: utc(at) }
    }
}

fn short(hash: &WarrantHash) -> String {
    hash.to_hex().chars().take(12).collect()
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, before)) = self.0.split_last() else {
            return write!(f, "no query was offered here yet");
        };
        let mut line = |one: &Line, end: &str| {
            let Line { warrant, id, version, purpose, title, since, state, why } = one;
            writeln!(f, "{}  {id} version {version} ({purpose}): {title}", short(warrant))?;
            write!(f, "              since {since}; {state}: {why}{end}")
        };
        before.iter().try_for_each(|one| line(one, "\n"))?;
        line(last, "")
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} version {}, warrant {}: {}: ",
            self.id,
            self.version,
            short(&self.warrant),
            self.state
        )?;
        write!(f, "{}", self.why)
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [who, of] = &self.requested_by;
        writeln!(f, "warrant      {}", self.warrant)?;
        writeln!(f, "query        {}", self.query_hash)?;
        writeln!(f, "asked by     {who} ({of})")?;
        for [person, role, organisation] in &self.approved_by {
            writeln!(f, "approved by  {person} ({role}, {organisation})")?;
        }
        write!(f, "floors       {} hospitals", self.floor_hospitals)?;
        match self.floor_patients {
            0 => {}
            patients => write!(f, ", {patients} patients")?,
        }
        match self.floor_dominance {
            0 => writeln!(f)?,
            percent => writeln!(f, ", no hospital more than {percent}% of a figure")?,
        }
        writeln!(f, "valid        {} to {}", self.valid_from, self.valid_until)?;
        let every = format!(", {} s apart at least", self.every_s);
        writeln!(
            f,
            "sessions     {} at most{}",
            self.sessions,
            if self.every_s > 0 { every.as_str() } else { "" }
        )?;
        let series = match self.series {
            Series::Free => "whoever is there in each session",
            Series::Equal => "the same in each session; where one of them is away there is none",
        };
        writeln!(f, "hospitals    {series}")?;
        writeln!(f, "consent      a session waits {} s for it", self.wait_s)?;
        writeln!(f, "rule         {}; {} to approve what is asked", self.rule, self.persons)?;
        for Shown { decision, person, os_user, at } in &self.decisions {
            writeln!(f, "decided      {at}  {decision}  {person} ({os_user})")?;
        }
        write!(f, "state        {}: {}", self.state, self.why)
    }
}
