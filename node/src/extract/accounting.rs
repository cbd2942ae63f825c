//! Row accounting: every row of a file is used, rejected or objected to, and each is counted once.
//!
//! The total is not kept but is the sum of the three, so that it cannot be another number. For the
//! hospital's own eyes; nothing of it leaves.

use samensom_protocol::query::{Dataset, Date, Unit};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most rejected rows that are kept to be shown.
pub(super) const SHOWN: usize = 20;
/// Most reference dates that are kept: one more than may be.
const DATES: usize = 2;

/// Counts of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Plain", try_from = "Plain")]
pub struct Accounting {
    /// The data set.
    pub dataset: Dataset,
    /// The file.
    pub file: String,
    /// Rows that count.
    pub used: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Rows of people who object.
    pub objected: u64,
    /// The units found, in the order of their first rows.
    pub units: Vec<UnitSeen>,
    /// The newest date of the data: the reference date of a stock, the last month of use.
    pub newest: Option<Date>,
    /// The reference dates of a stock in the order of their first rows, at most 2.
    pub dates: Vec<DateSeen>,
    /// The first rejected rows, at most 20.
    pub first_rejected: Vec<Rejected>,
}

/// A unit and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitSeen {
    /// The unit.
    #[serde(with = "unit_name")]
    pub unit: Unit,
    /// Used rows with it.
    pub rows: u64,
    /// The first of them.
    pub first_row: u64,
}

/// A reference date and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateSeen {
    /// The date.
    #[serde(with = "date_text")]
    pub date: Date,
    /// The first used row with it.
    pub first_row: u64,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// Line in the file, the header being 1.
    pub row: u64,
    /// The file's column.
    pub column: String,
    /// What stands there, shortened.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Accounting {
    /// Of a file of which no row was read yet.
    pub(super) fn new(dataset: Dataset, file: String) -> Accounting {
        Accounting {
            dataset,
            file,
            used: 0,
            rejected: 0,
            objected: 0,
            units: Vec::new(),
            newest: None,
            dates: Vec::new(),
            first_rejected: Vec::new(),
        }
    }

    /// Rows below the header.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.used.saturating_add(self.rejected).saturating_add(self.objected)
    }

    /// Counts a row that is used.
    pub(super) fn count_used(&mut self, row: u64, unit: Option<Unit>, day: Option<Date>) {
        self.used += 1;
        self.newest = self.newest.max(day);
        if let Some(unit) = unit {
            match self.units.iter_mut().find(|seen| seen.unit == unit) {
                Some(seen) => seen.rows += 1,
                None => self.units.push(UnitSeen { unit, rows: 1, first_row: row }),
            }
        }
        if let Some(date) = day.filter(|_| self.dataset == Dataset::Stock && self.dates.len() < DATES)
            && self.dates.iter().all(|seen| seen.date != date)
        {
            self.dates.push(DateSeen { date, first_row: row });
        }
    }

    /// Counts rows that hang together and cannot be used.
    pub(super) fn count_rejected(&mut self, rows: u64, why: impl FnOnce() -> Rejected) {
        self.rejected += rows;
        if self.first_rejected.len() < SHOWN {
            self.first_rejected.push(why());
        }
    }

    /// Counts a row of somebody who objects.
    pub(super) fn count_objected(&mut self) {
        self.objected += 1;
    }
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Accounting { file, used, rejected, objected, .. } = self;
        write!(
            f,
            "{file}: rows total {} = used {used} + rejected {rejected} + objected {objected}",
            self.total()
        )
    }
}

/// The form in JSON, with the total.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    #[serde(with = "dataset_name")]
    dataset: Dataset,
    file: String,
    total: u64,
    used: u64,
    rejected: u64,
    objected: u64,
    units: Vec<UnitSeen>,
    #[serde(with = "optional_date")]
    newest: Option<Date>,
    dates: Vec<DateSeen>,
    first_rejected: Vec<Rejected>,
}

impl From<Accounting> for Plain {
    fn from(from: Accounting) -> Plain {
        let total = from.total();
        let Accounting { dataset, file, used, rejected, objected, units, newest, dates, first_rejected } =
            from;
        Plain { dataset, file, total, used, rejected, objected, units, newest, dates, first_rejected }
    }
}

impl TryFrom<Plain> for Accounting {
    type Error = &'static str;
    fn try_from(from: Plain) -> Result<Accounting, &'static str> {
        let Plain { dataset, file, total, used, rejected, objected, units, newest, dates, first_rejected } =
            from;
        let all =
            Accounting { dataset, file, used, rejected, objected, units, newest, dates, first_rejected };
        if all.total() == total { Ok(all) } else { Err("total is not used + rejected + objected") }
    }
}

mod dataset_name {
    use samensom_protocol::query::Dataset;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(dataset: &Dataset, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(dataset.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Dataset, D::Error> {
        Dataset::parse(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

mod unit_name {
    use samensom_protocol::query::Unit;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(unit: &Unit, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(unit.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Unit, D::Error> {
        Unit::parse(&String::deserialize(d)?).ok_or_else(|| D::Error::custom("an unknown unit"))
    }
}

mod date_text {
    use samensom_protocol::query::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(date: &Date, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
        Date::parse(&String::deserialize(d)?).ok_or_else(|| D::Error::custom("not a day as YYYY-MM-DD"))
    }
}

mod optional_date {
    use samensom_protocol::query::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(date: &Option<Date>, s: S) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => s.collect_str(date),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        let day =
            |text: String| Date::parse(&text).ok_or_else(|| D::Error::custom("not a day as YYYY-MM-DD"));
        text.map(day).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounting_that_does_not_balance_is_not_read() {
        let day = Date::parse("2026-11-01").unwrap();
        let mut all = Accounting::new(Dataset::Stock, "stock.csv".to_owned());
        all.count_used(2, Some(Unit::Ml), Some(day));
        all.count_objected();
        let why = || Rejected {
            row: 4,
            column: "c".to_owned(),
            value: "v".to_owned(),
            reason: "r".to_owned(),
            remedy: "do".to_owned(),
        };
        all.count_rejected(3, why);
        assert_eq!(all.total(), 5);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Accounting>(&text).unwrap(), all);
        for (from, to) in [
            ("\"total\":5", "\"total\":4"),
            ("\"rejected\":3", "\"rejected\":2"),
            ("\"objected\":1", "\"objected\":0"),
        ] {
            assert!(text.contains(from), "{text}");
            let error = serde_json::from_str::<Accounting>(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains("total is not used + rejected + objected"), "{error}");
        }
    }
}
