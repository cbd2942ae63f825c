//! A line of `check`: how it ends, what was tried, what to do, who can do it.
//!
//! Owns the shape of the report, as text and as JSON. It must not look at anything itself.

use serde::Serialize;
use std::fmt;

pub(super) const YOU: &str = "you";
pub(super) const NETWORK: &str = "hospital network team";
pub(super) const LCG: &str = "LCG";

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Right.
    Ok,
    /// Works, but somebody should look.
    Warn,
    /// This hospital cannot take part.
    Fail,
}

/// One line. The JSON form has these names and is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it ends.
    pub level: Level,
    /// What it is about.
    pub area: &'static str,
    /// What was tried and found.
    pub found: String,
    /// What to do.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
    /// Who can do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<&'static str>,
}

/// All lines, in order.
#[derive(Debug, Default, Serialize)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, area: &'static str, found: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, area, found: found.into(), todo: None, who: None });
    }
    pub(super) fn not(
        &mut self,
        level: Level,
        area: &'static str,
        found: String,
        todo: &str,
        who: &'static str,
    ) {
        self.0.push(Finding { level, area, found, todo: Some(todo.to_owned()), who: Some(who) });
    }
    /// Takes an error's own text apart: what happened, then what to do.
    pub(super) fn fail(&mut self, area: &'static str, error: &dyn fmt::Display, who: &'static str) {
        let text = error.to_string();
        let (found, todo) = text.split_once("\n  do: ").unwrap_or((&text, "see above"));
        let one_line = |text: &str| text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ");
        self.not(Level::Fail, area, one_line(found), &one_line(todo), who);
    }
    /// True if nothing failed.
    #[must_use]
    pub fn good(&self) -> bool {
        self.0.iter().all(|finding| finding.level != Level::Fail)
    }
    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { level, area, found, todo, who } in &self.0 {
            let level = match level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            writeln!(f, "{level:<4}  {area:<8}  {found}")?;
            if let Some(todo) = todo {
                writeln!(f, "      do:  {todo}")?;
            }
            if let Some(who) = who {
                writeln!(f, "      who: {who}")?;
            }
        }
        let count = |level| self.0.iter().filter(|finding| finding.level == level).count();
        write!(f, "{} ok, {} warn, {} FAIL", count(Level::Ok), count(Level::Warn), count(Level::Fail))
    }
}
