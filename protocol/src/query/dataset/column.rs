//! The columns of the canonical data sets: names, types, what their numbers count, closed values.
//!
//! Owns what one column is, whatever data set it stands in. Which data set has which is the parent's.

use super::super::error::{Code, QueryError};
use serde::{Deserialize, Serialize};

/// A column of a canonical data set. Encoded by its place: new ones come at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Column {
    /// Reference date of a stock.
    AsOf,
    /// First day of the month of use.
    Period,
    /// Code of a product, drug or test.
    Code,
    /// Amount, in the row's unit.
    Quantity,
    /// Unit of the amounts.
    Unit,
    /// Kind of stock: regular, ccv, import, own, study.
    Kind,
    /// Expiry date.
    Expiry,
    /// Where it lies.
    Location,
    /// Whose it is.
    Owner,
    /// Day of the order.
    Ordered,
    /// Day on which the supplier expects to deliver.
    Eta,
    /// Day of the delivery.
    Delivered,
    /// Amount delivered, in the row's unit.
    DeliveredQuantity,
    /// Class of the supplier.
    Supplier,
    /// Number of a patient at this hospital.
    Person,
    /// Day of an administration or a result.
    At,
    /// Route of administration; `oral` is the one that is known by name.
    Route,
    /// Ward.
    Ward,
    /// Number of a stay at this hospital.
    Stay,
    /// Age in whole years on that day.
    Age,
    /// Day of admission.
    From,
    /// Day of discharge.
    To,
    /// Specialty.
    Specialty,
    /// Result, in the row's unit.
    Value,
    /// Regular stock, in the row's unit.
    Stock,
    /// Crisis stock, in the row's unit.
    CcvStock,
    /// Use in the last 3 whole months.
    Use3m,
    /// Use in the last 12 whole months.
    Use12m,
    /// Ordered and expected in week 0, or overdue.
    Due0,
    /// Ordered and expected in week 1.
    Due1,
    /// Ordered and expected in week 2.
    Due2,
    /// Ordered and expected in week 3.
    Due3,
    /// Ordered and expected in week 4.
    Due4,
    /// Ordered and expected in week 5.
    Due5,
    /// Ordered and expected in week 6.
    Due6,
    /// Ordered and expected in week 7.
    Due7,
    /// Ordered and expected in week 8.
    Due8,
    /// Ordered and expected in week 9.
    Due9,
    /// Ordered and expected in week 10.
    Due10,
    /// Ordered and expected in week 11.
    Due11,
    /// Ordered and expected in week 12.
    Due12,
    /// Ordered and expected after week 12.
    DueLater,
    /// Ordered, and nobody knows when it comes.
    DueUnknown,
    /// First day of a course.
    Start,
    /// Days of a course.
    Days,
    /// Day of a course, from 0, on which it went on by mouth.
    SwitchedOnDay,
    /// Class of the indication.
    Indication,
    /// Days of the stay in a bed.
    BedDays,
    /// 1 where the drug was given again after the course, else 0.
    Event,
    /// Days from the start to the event, or to the end of what was seen.
    EventDay,
    /// Of the hospital, from the roster: its purchasing group.
    PurchasingGroup,
    /// Of the hospital, from the roster: its kind.
    HospitalKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text, compared as it stands.
    Text,
    /// A day.
    Date,
    /// An exact decimal.
    Number,
}

/// What the numbers of a column count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// The row's unit.
    Unit,
    /// Days.
    Days,
    /// Years.
    Years,
    /// Nothing but itself.
    Plain,
}

/// The kinds of stock.
pub const KINDS: [&str; 5] = ["regular", "ccv", "import", "own", "study"];

impl Column {
    /// Properties that the roster gives a hospital. No data set has such a column: a query makes cells of them and
    /// asks nothing else.
    pub const OF_HOSPITALS: [Column; 2] = [Column::PurchasingGroup, Column::HospitalKind];

    /// Whether it is a property of the hospital in the roster, not of a row.
    #[must_use]
    pub fn is_of_hospitals(self) -> bool {
        Column::OF_HOSPITALS.contains(&self)
    }

    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::AsOf => "as_of",
            Column::Period => "period",
            Column::Code => "code",
            Column::Quantity => "quantity",
            Column::Unit => "unit",
            Column::Kind => "kind",
            Column::Expiry => "expiry",
            Column::Location => "location",
            Column::Owner => "owner",
            Column::Ordered => "ordered",
            Column::Eta => "eta",
            Column::Delivered => "delivered",
            Column::DeliveredQuantity => "delivered_quantity",
            Column::Supplier => "supplier",
            Column::Person => "person",
            Column::At => "at",
            Column::Route => "route",
            Column::Ward => "ward",
            Column::Stay => "stay",
            Column::Age => "age",
            Column::From => "from",
            Column::To => "to",
            Column::Specialty => "specialty",
            Column::Value => "value",
            Column::Stock => "stock",
            Column::CcvStock => "ccv_stock",
            Column::Use3m => "use_3m",
            Column::Use12m => "use_12m",
            _ => self.later_name(),
        }
    }

    /// The text form of those that are made, not read; a function may not be longer.
    fn later_name(self) -> &'static str {
        match self {
            Column::Due0 => "due_0",
            Column::Due1 => "due_1",
            Column::Due2 => "due_2",
            Column::Due3 => "due_3",
            Column::Due4 => "due_4",
            Column::Due5 => "due_5",
            Column::Due6 => "due_6",
            Column::Due7 => "due_7",
            Column::Due8 => "due_8",
            Column::Due9 => "due_9",
            Column::Due10 => "due_10",
            Column::Due11 => "due_11",
            Column::Due12 => "due_12",
            Column::DueLater => "due_later",
            Column::DueUnknown => "due_unknown",
            Column::Start => "start",
            Column::Days => "days",
            Column::SwitchedOnDay => "switched_on_day",
            Column::Indication => "indication",
            Column::BedDays => "bed_days",
            Column::Event => "event",
            Column::PurchasingGroup => "purchasing_group",
            Column::HospitalKind => "hospital_kind",
            _ => "event_day",
        }
    }

    /// What it holds.
    #[must_use]
    pub fn column_type(self) -> ColumnType {
        use Column::*;
        match self {
            AsOf | Period | Expiry | Ordered | Eta | Delivered | At | From | To | Start => ColumnType::Date,
            Code | Unit | Kind | Location | Owner | Supplier | Person | Route | Ward | Stay | Specialty
            | Indication | PurchasingGroup | HospitalKind => ColumnType::Text,
            _ => ColumnType::Number,
        }
    }

    /// What its numbers count; none where it holds no numbers.
    #[must_use]
    pub fn counts(self) -> Option<Counts> {
        match (self.column_type(), self) {
            (ColumnType::Text | ColumnType::Date, _) => None,
            (_, Column::Age) => Some(Counts::Years),
            (_, Column::Days | Column::SwitchedOnDay | Column::BedDays | Column::EventDay) => {
                Some(Counts::Days)
            }
            (_, Column::Event) => Some(Counts::Plain),
            _ => Some(Counts::Unit),
        }
    }

    /// The only values it can have; `None` when any text will do.
    #[must_use]
    pub fn closed_values(self) -> Option<&'static [&'static str]> {
        const UNITS: [&str; 9] = ["piece", "tablet", "vial", "ml", "mg", "g", "IU", "mmol", "DDD"];
        match self {
            Column::Kind => Some(&KINDS),
            Column::Unit => Some(&UNITS),
            _ => None,
        }
    }

    /// Whether a value stands for one patient: counted, and never asked for, grouped by or shown.
    #[must_use]
    pub fn names_a_patient(self) -> bool {
        matches!(self, Column::Person | Column::Stay)
    }

    /// Refuses a text that this column can never hold, or that a query must not compare it with.
    pub(in crate::query) fn accept_text(self, value: &str) -> Result<(), QueryError> {
        if self.names_a_patient() {
            let problem = format!("`{}` names one patient, whom no query asks for", self.name());
            return Err(QueryError::new(Code::Type, problem, "another column"));
        }
        let Some(values) = self.closed_values().filter(|values| !values.contains(&value)) else {
            return Ok(());
        };
        Err(QueryError::unknown(self.name(), value, values.iter().copied()))
    }
}

impl ColumnType {
    /// The word for it in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Date => "a date",
            ColumnType::Number => "a number",
        }
    }
}
