//! The rules of the founding roster, as a TOML file: purposes, locks, limits.
//!
//! Owns the file's keys and what they become in a roster. The roster itself checks that they fit together.

use crate::clock::span_ms;
use crate::error::Error;
use crate::toml_file;
use samensom_protocol::codec::{Bytes, List, Text};
use samensom_protocol::ids::RosterHash;
use samensom_protocol::query::{Purpose, nearest};
use samensom_protocol::roster::{Limits, Lock, PurposeRule, RosterBody, Signer};
use serde::{Deserialize, Serialize};

/// The rules that are shipped.
pub const DEFAULT: &str = include_str!("../../deploy/config/rules.toml");
/// Data sets of the language that this version cannot read yet, but that rules may name.
const DATASETS: [&str; 8] =
    ["stock", "use", "orders", "position", "administration", "admission", "result", "course"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    honest_min: u16,
    #[serde(default)]
    purpose: Vec<PurposeKeys>,
    #[serde(default)]
    lock: Vec<LockKeys>,
    #[serde(default)]
    limits: LimitKeys,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PurposeKeys {
    name: String,
    roles: Vec<String>,
    #[serde(default)]
    floor_hospitals: u16,
    #[serde(default)]
    colluding_holders: bool,
    #[serde(default)]
    floor_dominance: u8,
    family_sessions: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockKeys {
    name: String,
    datasets: Vec<String>,
    spacing: String,
    #[serde(default)]
    floor_hospitals: u16,
    #[serde(default)]
    floor_patients: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitKeys {
    deposit: Option<String>,
    ready: Option<String>,
    contribute: Option<String>,
    contribute_per_mb: Option<String>,
    confirm: Option<String>,
    reveal: Option<String>,
}

/// Rules that were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    purposes: List<PurposeRule, 8>,
    locks: List<Lock, 8>,
    limits: Limits,
    honest_min: u16,
}

impl Rules {
    /// Reads the text of the rules file `file`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line or key.
    pub fn parse(file: &str, text: &str) -> Result<Rules, Error> {
        let found: File = toml_file::parse(file, text)?;
        let purposes = found.purpose.into_iter().enumerate();
        let purposes = purposes.map(|(i, keys)| purpose(keys).map_err(|why| at(why, file, "purpose", i)));
        let locks = found.lock.into_iter().enumerate();
        let locks = locks.map(|(i, keys)| lock(keys).map_err(|why| at(why, file, "lock", i)));
        let too_many =
            |_| Error::config("too many purposes or locks").place(file).expected("at most 8 of each");
        let (purposes, locks) =
            (purposes.collect::<Result<Vec<_>, _>>()?, locks.collect::<Result<Vec<_>, _>>()?);
        if purposes.is_empty() || locks.is_empty() {
            return Err(Error::config("nothing could ever be asked")
                .place(file)
                .expected("at least one [[purpose]] and one [[lock]]"));
        }
        Ok(Rules {
            purposes: List::new(purposes).map_err(too_many)?,
            locks: List::new(locks).map_err(too_many)?,
            limits: limits(&found.limits).map_err(|why| why.place(format!("{file}, [limits]")))?,
            honest_min: found.honest_min,
        })
    }

    /// The same roster under these rules; the policy document stays.
    #[must_use]
    pub fn over(self, body: RosterBody) -> RosterBody {
        let Rules { purposes, locks, limits, honest_min } = self;
        RosterBody { rules: purposes, locks, limits, honest_min, ..body }
    }

    /// The first roster: these rules, these signers, nobody else yet.
    ///
    /// # Errors
    /// When there are too many signers.
    pub fn founding(self, mut signers: Vec<Signer>, threshold: u16) -> Result<RosterBody, Error> {
        signers.sort_by_key(|signer| signer.key);
        let signers =
            List::new(signers).map_err(|_| Error::asked("too many signers").expected("at most 32"))?;
        Ok(RosterBody {
            epoch: 0,
            previous: RosterHash([0; 32]),
            members: List::default(),
            approvers: List::default(),
            signers,
            threshold,
            rules: self.purposes,
            locks: self.locks,
            limits: self.limits,
            honest_min: self.honest_min,
            policy: Bytes([0; 32]),
        })
    }
}

fn at(why: Error, file: &str, table: &str, index: usize) -> Error {
    why.place(format!("{file}, {table} {}", index + 1))
}

fn text<const MAX: usize>(what: &str, value: &str) -> Result<Text<MAX>, Error> {
    if value.trim().is_empty() {
        return Err(Error::config(format!("{what} is empty")));
    }
    Text::new(value).map_err(|_| {
        Error::config(format!("{what} `{value}` is too long")).expected(format!("at most {MAX} bytes"))
    })
}

fn known(what: &str, name: &str, known: &[&str]) -> Result<(), Error> {
    if known.contains(&name) {
        return Ok(());
    }
    let error =
        Error::config(format!("unknown {what} `{name}`")).expected(format!("one of {}", known.join(", ")));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean `{near}`?")),
        None => error,
    })
}

fn purpose(keys: PurposeKeys) -> Result<PurposeRule, Error> {
    known("purpose", &keys.name, &Purpose::ALL.map(Purpose::name))?;
    let roles = keys.roles.iter().map(|role| text("a role", role)).collect::<Result<Vec<_>, _>>()?;
    if roles.is_empty() {
        return Err(Error::config("no role has to approve").expected("one role at least in `roles`"));
    }
    if keys.floor_dominance > 100 {
        let problem = format!("floor_dominance = {}", keys.floor_dominance);
        return Err(Error::config(problem).expected("a share in percent, 1 to 100; 0 for any"));
    }
    Ok(PurposeRule {
        purpose: text("the name", &keys.name)?,
        roles: List::new(roles).map_err(|_| Error::config("too many roles").expected("at most 8"))?,
        floor_hospitals: keys.floor_hospitals,
        colluding_holders: keys.colluding_holders,
        floor_dominance: keys.floor_dominance,
        family_sessions: keys.family_sessions,
    })
}

fn lock(keys: LockKeys) -> Result<Lock, Error> {
    for name in &keys.datasets {
        known("data set", name, &DATASETS)?;
    }
    let datasets =
        keys.datasets.iter().map(|name| text("a data set", name)).collect::<Result<Vec<_>, _>>()?;
    let seconds = span_ms(&keys.spacing).ok().filter(|ms| ms % 1000 == 0).map(|ms| ms / 1000);
    let spacing_s = seconds.and_then(|s| u32::try_from(s).ok()).filter(|s| *s >= 10).ok_or_else(|| {
        Error::config(format!("spacing = \"{}\"", keys.spacing)).expected("10s at least, such as 20h")
    })?;
    Ok(Lock {
        name: text("the name", &keys.name)?,
        datasets: List::new(datasets)
            .map_err(|_| Error::config("too many data sets").expected("at most 16"))?,
        spacing_s,
        floor_hospitals: keys.floor_hospitals,
        floor_patients: keys.floor_patients,
    })
}

fn limits(keys: &LimitKeys) -> Result<Limits, Error> {
    let default = Limits::default();
    let or = |key: &str, given: &Option<String>, default: u32| match given {
        None => Ok(default),
        Some(text) => {
            let ms = span_ms(text).ok().filter(|ms| *ms <= 3_600_000).and_then(|ms| u32::try_from(ms).ok());
            ms.ok_or_else(|| Error::config(format!("{key} = \"{text}\"")).expected("1ms to 1h, such as 10s"))
        }
    };
    Ok(Limits {
        deposit_ms: or("deposit", &keys.deposit, default.deposit_ms)?,
        ready_ms: or("ready", &keys.ready, default.ready_ms)?,
        contribute_ms: or("contribute", &keys.contribute, default.contribute_ms)?,
        contribute_ms_per_mb: or("contribute_per_mb", &keys.contribute_per_mb, default.contribute_ms_per_mb)?,
        confirm_ms: or("confirm", &keys.confirm, default.confirm_ms)?,
        reveal_ms: or("reveal", &keys.reveal, default.reveal_ms)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::founding_body;
    use samensom_protocol::query::Dataset;
    use samensom_protocol::roster::Roster;

    #[test]
    fn the_shipped_rules_make_a_founding_roster() {
        let rules = Rules::parse("rules.toml", DEFAULT).unwrap();
        assert_eq!(rules.limits, Limits::default());
        let signers = founding_body().signers.into_vec();
        let signed = rules.founding(signers, 2).unwrap().to_signed(vec![]).unwrap();
        let roster = Roster::founding(&signed).unwrap();
        for purpose in Purpose::ALL {
            let rule = roster.rule(purpose.name()).unwrap();
            assert!(rule.roles.len() >= 2 && rule.floor_hospitals >= 3 && rule.family_sessions >= 9);
        }
        for dataset in DATASETS {
            assert_eq!(roster.lock_of(dataset).unwrap().spacing_s, 72_000);
        }
        assert_eq!(&*roster.lock_of("use").unwrap().name, "goods");
        assert_eq!(&*roster.lock_of("course").unwrap().name, "care");
        for dataset in Dataset::ALL {
            assert!(DATASETS.contains(&dataset.name()), "{}", dataset.name());
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (from, to, told) in [
            ("honest_min", "honest_mim", "did you mean `honest_min`?"),
            ("honest_min = 0", "honest_mim = 0", "rules.toml, line 6"),
            ("name = \"stock\"", "name = \"stok\"", "rules.toml, purpose 1"),
            ("name = \"stock\"", "name = \"stok\"", "did you mean `stock`?"),
            ("\"use\"", "\"usage\"", "rules.toml, lock 1"),
            ("spacing = \"20h\"", "spacing = \"5s\"", "10s at least"),
            ("deposit = \"10s\"", "deposit = \"10\"", "[limits]"),
            ("deposit = \"10s\"", "deposit = 10", "invalid type"),
            ("roles = [\"duty-pharmacist\", \"pharmacist\"]", "roles = []", "no role has to approve"),
            ("floor_hospitals = 3", "floor_hospitals = -3", "line 17"),
            ("floor_hospitals = 3", "floor_dominance = 101", "a share in percent"),
        ] {
            let text = DEFAULT.replacen(from, to, 1);
            assert_ne!(text, DEFAULT, "{from}");
            let error = Rules::parse("rules.toml", &text).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
        assert!(Rules::parse("rules.toml", "").unwrap_err().to_string().contains("nothing could ever"));
    }
}
