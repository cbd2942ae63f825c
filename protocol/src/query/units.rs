//! The units a quantity can have: a closed list, never converted into each other here.

use serde::{Deserialize, Serialize};

/// Base unit of a quantity after normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// One piece as it is handed out, such as an ampoule.
    Piece,
    /// Tablet.
    Tablet,
    /// Vial.
    Vial,
    /// Millilitre.
    Ml,
    /// Milligram.
    Mg,
    /// Gram.
    G,
    /// International unit.
    Iu,
    /// Millimole.
    Mmol,
    /// Defined daily dose.
    Ddd,
}

impl Unit {
    /// Every unit, in the order of the documentation.
    pub const ALL: [Unit; 9] =
        [Unit::Piece, Unit::Tablet, Unit::Vial, Unit::Ml, Unit::Mg, Unit::G, Unit::Iu, Unit::Mmol, Unit::Ddd];

    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Piece => "piece",
            Unit::Tablet => "tablet",
            Unit::Vial => "vial",
            Unit::Ml => "ml",
            Unit::Mg => "mg",
            Unit::G => "g",
            Unit::Iu => "IU",
            Unit::Mmol => "mmol",
            Unit::Ddd => "DDD",
        }
    }

    /// The unit with exactly this text form.
    #[must_use]
    pub fn parse(name: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.name() == name)
    }
}
