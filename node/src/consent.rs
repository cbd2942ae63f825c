//! The hospital's own rules: what its agent takes part in, and why not.
//!
//! Owns the decision, made before any figure is computed. The reason stays here; the coordinator is told
//! one code for every refusal. It must not know sessions, data or the network.

use crate::config::Policy;
use samensom_protocol::query::Purpose;
use samensom_protocol::warrant::Warrant;
use serde::Deserialize;

/// What is done with a query of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Take part when the warrant is approved as the roster demands.
    Auto,
    /// Never take part.
    #[default]
    Refuse,
}

/// Why this hospital does not take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its rules refuse the purpose.
    #[error("policy.purposes does not say `{} = \"auto\"`", .0.name())]
    Purpose(Purpose),
    /// Too few hospitals may stand behind a figure.
    #[error("a figure of {floor} hospitals may be shown; policy.floor_hospitals asks for {own}")]
    Floor {
        /// Under this warrant.
        floor: u16,
        /// Here.
        own: u16,
    },
}

/// Whether this hospital takes part. `floor` is the fewest hospitals behind a shown figure, the members'
/// own floors included.
///
/// # Errors
/// The first rule of the hospital that does not allow it.
pub fn decide(policy: &Policy, warrant: &Warrant, floor: u16) -> Result<(), Why> {
    rules(policy, warrant.query().purpose(), floor)
}

fn rules(policy: &Policy, purpose: Purpose, floor: u16) -> Result<(), Why> {
    match policy.purposes.of(purpose) {
        Consent::Refuse => Err(Why::Purpose(purpose)),
        Consent::Auto if floor < policy.floor_hospitals => {
            Err(Why::Floor { floor, own: policy.floor_hospitals })
        }
        Consent::Auto => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purposes;

    #[test]
    fn what_is_not_allowed_is_refused() {
        for purpose in Purpose::ALL {
            assert_eq!(rules(&Policy::default(), purpose, 1_000), Err(Why::Purpose(purpose)));
        }
        let purposes = Purposes { stock: Consent::Auto, crisis: Consent::Refuse, ..Purposes::default() };
        let policy = Policy { purposes, floor_hospitals: 10 };
        assert_eq!(rules(&policy, Purpose::Stock, 10), Ok(()));
        assert_eq!(rules(&policy, Purpose::Stock, 9), Err(Why::Floor { floor: 9, own: 10 }));
        assert_eq!(rules(&policy, Purpose::Crisis, 10), Err(Why::Purpose(Purpose::Crisis)));
        assert_eq!(rules(&policy, Purpose::Research, 10), Err(Why::Purpose(Purpose::Research)));
        let open = Policy { purposes, floor_hospitals: 0 };
        assert_eq!(rules(&open, Purpose::Stock, 0), Ok(()));
        let text = Why::Floor { floor: 9, own: 10 }.to_string();
        assert!(text.contains('9') && text.contains("policy.floor_hospitals"), "{text}");
    }
}
