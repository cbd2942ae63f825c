//! The canonical data sets: which there are, and the columns of each.
//!
//! Owns what a query may name. It must not know files or databases; the node maps a hospital's own
//! columns onto these, and makes the derived data sets of the others.

mod column;

pub use column::{Column, ColumnType, Counts, KINDS};

use super::error::QueryError;
use serde::{Deserialize, Serialize};

/// A canonical data set. Encoded by its place: new ones come at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dataset {
    /// What lies on the shelf at one moment.
    Stock,
    /// Issues minus returns per month.
    Use,
    /// Order lines and their deliveries.
    Orders,
    /// Medication that was given, from the patient's record.
    Administration,
    /// Stays in the hospital.
    Admission,
    /// Laboratory results.
    Result,
    /// Derived: one row per product and unit, with its stock, use and orders.
    Position,
    /// Derived: one row per patient, drug and stay.
    Course,
}

impl Dataset {
    /// Every data set.
    pub const ALL: [Dataset; 8] = [
        Dataset::Stock,
        Dataset::Use,
        Dataset::Orders,
        Dataset::Administration,
        Dataset::Admission,
        Dataset::Result,
        Dataset::Position,
        Dataset::Course,
    ];

    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Stock => "stock",
            Dataset::Use => "use",
            Dataset::Orders => "orders",
            Dataset::Administration => "administration",
            Dataset::Admission => "admission",
            Dataset::Result => "result",
            Dataset::Position => "position",
            Dataset::Course => "course",
        }
    }

    /// The data set with this name.
    ///
    /// # Errors
    /// `Unknown` with the nearest name.
    pub fn parse(name: &str) -> Result<Dataset, QueryError> {
        let found = Dataset::ALL.into_iter().find(|dataset| dataset.name() == name);
        found.ok_or_else(|| QueryError::unknown("data set", name, Dataset::ALL.map(Dataset::name)))
    }

    /// The data sets of which the node makes this one; none for a data set that is read from a file.
    #[must_use]
    pub fn made_of(self) -> &'static [Dataset] {
        match self {
            Dataset::Position => &[Dataset::Stock, Dataset::Use, Dataset::Orders],
            Dataset::Course => &[Dataset::Administration, Dataset::Admission, Dataset::Result],
            _ => &[],
        }
    }

    /// Whether its rows are about patients: they then have a `person`.
    #[must_use]
    pub fn has_patients(self) -> bool {
        self.columns().contains(&Column::Person)
    }

    /// The first column that its `unit` speaks of; none where it has no unit.
    #[must_use]
    pub fn quantity(self) -> Option<Column> {
        match self {
            Dataset::Stock | Dataset::Use | Dataset::Orders | Dataset::Administration => {
                Some(Column::Quantity)
            }
            Dataset::Result => Some(Column::Value),
            Dataset::Position => Some(Column::Stock),
            Dataset::Admission | Dataset::Course => None,
        }
    }

    /// The column of a row's reference day or month; none where the rows have none.
    #[must_use]
    pub fn day(self) -> Option<Column> {
        match self {
            Dataset::Stock => Some(Column::AsOf),
            Dataset::Use => Some(Column::Period),
            Dataset::Orders => Some(Column::Ordered),
            Dataset::Administration | Dataset::Result => Some(Column::At),
            Dataset::Admission => Some(Column::From),
            Dataset::Position => None,
            Dataset::Course => Some(Column::Start),
        }
    }

    /// Whether a row may lack a value in this column.
    #[must_use]
    pub fn may_be_absent(self, column: Column) -> bool {
        match column {
            Column::Stay => self != Dataset::Admission,
            Column::AsOf | Column::Expiry | Column::Location | Column::Owner => true,
            Column::Eta | Column::Delivered | Column::DeliveredQuantity | Column::Supplier => true,
            Column::Route | Column::Ward | Column::Age | Column::To | Column::Specialty => true,
            Column::SwitchedOnDay | Column::Indication | Column::BedDays | Column::EventDay => true,
            _ => false,
        }
    }

    /// Its columns, in the order of the documentation.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        use Column::*;
        match self {
            Dataset::Stock => &[AsOf, Code, Quantity, Unit, Kind, Expiry, Location, Owner],
            Dataset::Use => &[Period, Code, Quantity, Unit],
            Dataset::Orders => &[Ordered, Code, Quantity, Unit, Eta, Delivered, DeliveredQuantity, Supplier],
            Dataset::Administration => &[Person, Code, At, Quantity, Unit, Route, Ward, Stay, Age],
            Dataset::Admission => &[Person, Stay, From, To, Specialty, Ward, Age],
            Dataset::Result => &[Person, Code, At, Value, Unit],
            Dataset::Position => &[
                Code, Unit, Stock, CcvStock, Use3m, Use12m, Due0, Due1, Due2, Due3, Due4, Due5, Due6, Due7,
                Due8, Due9, Due10, Due11, Due12, DueLater, DueUnknown,
            ],
            Dataset::Course => &[
                Person,
                Code,
                Stay,
                Start,
                Days,
                SwitchedOnDay,
                Route,
                Ward,
                Age,
                Indication,
                BedDays,
                Event,
                EventDay,
            ],
        }
    }

    /// Its column of this name.
    ///
    /// # Errors
    /// `Unknown` with the nearest name.
    pub fn column(self, name: &str) -> Result<Column, QueryError> {
        self.columns().iter().copied().find(|column| column.name() == name).ok_or_else(|| {
            let what = format!("column of data set {}", self.name());
            QueryError::unknown(&what, name, self.columns().iter().map(|column| column.name()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Unit;
    use std::collections::BTreeSet;

    #[test]
    fn encodings_stay_what_they_were() {
        // A later data set or column at another place would change the hash of every query.
        let place = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().unwrap());
        for (number, dataset) in (0..).zip(Dataset::ALL) {
            assert_eq!(place(crate::codec::encode(&dataset).unwrap()), number);
        }
        for (column, number) in [
            (Column::AsOf, 0),
            (Column::Owner, 8),
            (Column::Ordered, 9),
            (Column::Person, 14),
            (Column::Due0, 28),
            (Column::Due12, 40),
            (Column::EventDay, 49),
            (Column::PurchasingGroup, 50),
            (Column::HospitalKind, 51),
        ] {
            assert_eq!(place(crate::codec::encode(&column).unwrap()), number, "{}", column.name());
        }
    }

    #[test]
    fn every_data_set_is_whole() {
        let mut names = BTreeSet::new();
        for dataset in Dataset::ALL {
            assert_eq!(Dataset::parse(dataset.name()), Ok(dataset));
            let columns = dataset.columns();
            assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), columns.len());
            for column in columns {
                assert_eq!(dataset.column(column.name()), Ok(*column));
                names.insert((column.name(), *column));
                assert_eq!(column.counts().is_some(), column.column_type() == ColumnType::Number);
            }
            assert_eq!(dataset.quantity().is_some(), columns.contains(&Column::Unit));
            assert!(dataset.quantity().is_none_or(|column| column.counts() == Some(Counts::Unit)));
            assert!(dataset.day().is_none_or(|column| column.column_type() == ColumnType::Date));
            assert!(dataset.quantity().into_iter().chain(dataset.day()).all(|one| columns.contains(&one)));
            assert_eq!(dataset.has_patients(), columns.contains(&Column::Person));
            assert!(dataset.made_of().iter().all(|source| source.made_of().is_empty()));
        }
        // No column has two names, and no name two columns.
        let both: (BTreeSet<_>, BTreeSet<_>) = names.iter().copied().unzip();
        assert_eq!((both.0.len(), both.1.len()), (names.len(), names.len()));
        assert_eq!(names.len(), 50);
        assert_eq!(Column::Unit.closed_values().unwrap(), Unit::ALL.map(Unit::name));
    }

    #[test]
    fn no_query_asks_for_one_patient() {
        let head = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"quality\", \
                    dataset = \"administration\" }\n";
        let read = |body: &str| {
            let counts = "[[measure]]\nname = \"n\"\npatients = true\n[[measure]]\nname = \"h\"\nhospitals = \"count(*) > 0\"\n";
            let text = format!("{head}floors = {{ hospitals = 1, patients = 10 }}\n{body}{counts}");
            crate::query::Query::from_toml(&text, &mut |_| Err(String::new()))
        };
        let population = |condition: &str| read(&format!("population.where = \"{condition}\"\n"));
        assert!(population("ward = 'IC'").is_ok());
        for column in ["person", "stay"] {
            let asked = |condition: &str| {
                let text = format!("ward = 'IC' and {column} {condition}");
                population(&text).unwrap_err().to_string()
            };
            for condition in ["= 'P1'", "<> 'P1'", "in ('P1', 'P2')", "not in ('P1')"] {
                let told = asked(condition);
                assert!(told.contains("names one patient"), "{condition}: {told}");
            }
            for condition in ["< 'P1'", "between 'P1' and 'P2'"] {
                assert!(asked(condition).contains("texts have no order"), "{condition}");
            }
            let dimension = format!("[[dimension]]\ncolumn = \"{column}\"\ncodes = [\"P1\"]\n");
            let told = read(&dimension).unwrap_err().to_string();
            assert!(told.contains("names one patient"), "{told}");
            for aggregate in ["min", "max"] {
                let condition = format!("{aggregate}({column}) = 'P1'");
                let measure = format!("[[measure]]\nname = \"m\"\nhospitals = \"{condition}\"\n");
                assert!(read(&measure).is_err(), "{condition}");
            }
        }
    }

    #[test]
    fn a_person_is_never_named_in_a_query() {
        for column in [Column::Person, Column::Stay] {
            let told = column.accept_text("1234567").unwrap_err().to_string();
            assert!(told.contains("names one patient") && !told.contains("1234567"), "{told}");
        }
        assert!(Column::Ward.accept_text("IC").is_ok());
    }
}
