//! The hospital's own rules: what its agent takes part in, what its people are asked first, and why not.
//!
//! Owns the decision, made before any figure is computed: the rule that applies, and what the people decided where
//! it asks them (`desk.rs` keeps that). The reason stays here; the coordinator is told one code for every
//! refusal. It must not know sessions, data or the network.

use crate::config::Policy;
use crate::desk::Outcome;
use samensom_protocol::crypto::transcript::{Label, Transcript};
use samensom_protocol::ids::QueryHash;
use samensom_protocol::query::{Purpose, Query};
use samensom_protocol::warrant::WarrantBody;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is done with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Take part when the warrant is approved as the roster demands.
    Auto,
    /// The same, once people of this hospital have approved this very warrant.
    Ask,
    /// Never take part.
    #[default]
    Refuse,
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Consent::Auto => "auto",
            Consent::Ask => "ask",
            Consent::Refuse => "refuse",
        })
    }
}

/// The rule for one query; it goes before that of its purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct QueryRule {
    /// The query's id.
    pub id: String,
    /// Of this version alone.
    pub version: Option<u32>,
    /// Of exactly this content.
    pub hash: Option<QueryHash>,
    /// What is done with it.
    pub rule: Consent,
    /// How many people must approve it.
    pub persons: Option<Persons>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    id: String,
    version: Option<u32>,
    hash: Option<QueryHash>,
    rule: Consent,
    persons: Option<Persons>,
}

impl TryFrom<Keys> for QueryRule {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<QueryRule, &'static str> {
        let Keys { id, version, hash, rule, persons } = keys;
        // Whoever asks chooses the id: by it alone nothing is let through.
        if rule == Consent::Auto && hash.is_none() {
            return Err("`auto` for one query needs its `hash`, which `samensom-node queries show` prints");
        }
        Ok(QueryRule { id, version, hash, rule, persons })
    }
}

/// How many people must approve what is asked: 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Persons(u8);

impl Default for Persons {
    fn default() -> Self {
        Persons(1)
    }
}

impl TryFrom<u8> for Persons {
    type Error = &'static str;

    fn try_from(persons: u8) -> Result<Persons, &'static str> {
        if matches!(persons, 1 | 2) { Ok(Persons(persons)) } else { Err("one person or two can approve") }
    }
}

impl From<Persons> for u8 {
    fn from(persons: Persons) -> u8 {
        persons.0
    }
}

/// The rule that applies to a warrant, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What is done.
    pub consent: Consent,
    /// How many people must approve it where they are asked.
    pub persons: u8,
    /// The line of the configuration, in its own words.
    pub by: String,
}

/// Why this hospital does not take part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its rules refuse the query.
    #[error("{0}")]
    Rule(String),
    /// One of its people refused this warrant.
    #[error("{0} refused this query here")]
    Person(String),
    /// Its people were asked and have not decided.
    #[error("{by}, and {given} of {persons} have approved this query here")]
    Undecided {
        /// The rule.
        by: String,
        /// Approvals so far.
        given: usize,
        /// Needed.
        persons: u8,
    },
    /// Too few hospitals may stand behind a figure.
    #[error("a figure of {floor} hospitals may be shown; policy.floor_hospitals asks for {own}")]
    Floor {
        /// Under this warrant.
        floor: u16,
        /// Here.
        own: u16,
    },
}

/// A query as rules name it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Why it is asked.
    pub purpose: Purpose,
    /// Its id.
    pub id: &'a str,
    /// Its version.
    pub version: u32,
    /// Hash of its canonical form.
    pub hash: QueryHash,
}

impl<'a> Named<'a> {
    /// The query of a warrant.
    #[must_use]
    pub fn of(query: &'a Query, body: &WarrantBody) -> Named<'a> {
        let hash = QueryHash(Transcript::new(Label::Query).bytes(&body.query).finish());
        Named { purpose: query.purpose(), id: query.id(), version: query.version(), hash }
    }
}

/// The rule for a query: the first `[[policy.query]]` that names it, or that of its purpose.
#[must_use]
pub fn rule(policy: &Policy, query: &Named) -> Rule {
    let names = |rule: &&QueryRule| {
        rule.id == query.id
            && rule.version.is_none_or(|version| version == query.version)
            && rule.hash.is_none_or(|hash| hash == query.hash)
    };
    let usual = policy.persons.unwrap_or_default().0;
    match policy.query.iter().find(names) {
        Some(rule) => Rule {
            consent: rule.rule,
            persons: rule.persons.map_or(usual, u8::from),
            by: format!("policy.query for `{}` says `rule = \"{}\"`", rule.id, rule.rule),
        },
        None => {
            let consent = policy.purposes.of(query.purpose);
            let by = format!("policy.purposes says `{} = \"{consent}\"`", query.purpose.name());
            Rule { consent, persons: usual, by }
        }
    }
}

/// Whether this hospital takes part. `floor` is the fewest hospitals behind a shown figure, the members' own floors
/// included; `decided` is what its people made of this warrant.
///
/// # Errors
/// The first rule of the hospital, or the person, that does not allow it.
pub fn decide(rule: &Rule, policy: &Policy, floor: u16, decided: &Outcome) -> Result<(), Why> {
    if rule.consent == Consent::Refuse {
        return Err(Why::Rule(rule.by.clone()));
    }
    if floor < policy.floor_hospitals {
        return Err(Why::Floor { floor, own: policy.floor_hospitals });
    }
    match decided {
        Outcome::Refused(person) => Err(Why::Person(person.clone())),
        Outcome::Approved(by) if rule.consent == Consent::Ask && by.len() < usize::from(rule.persons) => {
            Err(Why::Undecided { by: rule.by.clone(), given: by.len(), persons: rule.persons })
        }
        Outcome::Approved(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purposes;

    fn approved(by: &[&str]) -> Outcome {
        Outcome::Approved(by.iter().map(|name| (*name).to_owned()).collect())
    }

    fn query(purpose: Purpose, id: &str) -> Named<'_> {
        Named { purpose, id, version: 2, hash: QueryHash([7; 32]) }
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        let nobody = approved(&[]);
        let refused = |policy: &Policy, purpose: Purpose, floor: u16, decided: &Outcome| {
            decide(&rule(policy, &query(purpose, "q")), policy, floor, decided).err()
        };
        for purpose in Purpose::ALL {
            let why = refused(&Policy::default(), purpose, 1_000, &approved(&["a", "b"])).unwrap();
            assert!(matches!(&why, Why::Rule(by) if by.contains(purpose.name())), "{why}");
        }
        let purposes = Purposes { stock: Consent::Auto, crisis: Consent::Ask, ..Purposes::default() };
        let policy = Policy { purposes, floor_hospitals: 10, ..Policy::default() };
        assert_eq!(refused(&policy, Purpose::Stock, 10, &nobody), None);
        let low = Why::Floor { floor: 9, own: 10 };
        assert_eq!(refused(&policy, Purpose::Stock, 9, &nobody), Some(low.clone()));
        assert_eq!(
            refused(&policy, Purpose::Crisis, 9, &approved(&["a"])),
            Some(low.clone()),
            "people cannot"
        );
        assert!(low.to_string().contains('9') && low.to_string().contains("policy.floor_hospitals"));
        let asked = refused(&policy, Purpose::Crisis, 10, &nobody).unwrap();
        assert_eq!(
            asked.to_string(),
            "policy.purposes says `crisis = \"ask\"`, and 0 of 1 have approved this query here"
        );
        assert_eq!(refused(&policy, Purpose::Crisis, 10, &approved(&["a"])), None);
        let person = Outcome::Refused("A. Bos".to_owned());
        for purpose in [Purpose::Stock, Purpose::Crisis] {
            assert_eq!(refused(&policy, purpose, 10, &person), Some(Why::Person("A. Bos".to_owned())));
        }
        let two = Policy { persons: Some(Persons(2)), ..policy };
        let one = refused(&two, Purpose::Crisis, 10, &approved(&["a"])).unwrap();
        assert!(matches!(one, Why::Undecided { given: 1, persons: 2, .. }), "{one}");
        assert_eq!(refused(&two, Purpose::Crisis, 10, &approved(&["a", "b"])), None);
    }

    #[test]
    fn the_rule_of_a_query_goes_before_that_of_its_purpose() {
        let rule = |id: &str, version, hash, rule| QueryRule {
            id: id.to_owned(),
            version,
            hash,
            rule,
            persons: Some(Persons(2)),
        };
        let purposes = Purposes { stock: Consent::Ask, ..Purposes::default() };
        let rules = vec![
            rule("a", Some(3), None, Consent::Refuse),
            rule("a", None, Some(QueryHash([7; 32])), Consent::Auto),
            rule("b", None, Some(QueryHash([8; 32])), Consent::Auto),
            rule("c", None, None, Consent::Refuse),
        ];
        let policy = Policy { purposes, query: rules, ..Policy::default() };
        let of = |id: &str| {
            let Rule { consent, persons, .. } = super::rule(&policy, &query(Purpose::Stock, id));
            (consent, persons)
        };
        assert_eq!(of("a"), (Consent::Auto, 2), "another version, this content");
        assert_eq!(of("b"), (Consent::Ask, 1), "another content under the same id");
        assert_eq!(of("c"), (Consent::Refuse, 2));
        assert_eq!(of("d"), (Consent::Ask, 1));
    }
}
