//! The kinds of product code and what each must look like.
//!
//! Owns lengths and check digits. It knows no product: a code that is well made may still stand for nothing.
//! The code lists of the G-Standaard are licensed and not shipped.

use super::cell::{BadCell, bad, has_exponent};

/// What the codes of an extract are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodeKind {
    /// The hospital's own: any text.
    #[default]
    Own,
    /// ZI number of the G-Standaard: a pack.
    Zi,
    /// HPK of the G-Standaard: a trade product.
    Hpk,
    /// PRK of the G-Standaard: a product to prescribe.
    Prk,
    /// GPK of the G-Standaard: a generic product.
    Gpk,
    /// GTIN, formerly EAN.
    Gtin,
    /// ATC, level 5.
    Atc,
    /// SNOMED CT.
    Snomed,
}

impl CodeKind {
    const ALL: [CodeKind; 8] = [
        CodeKind::Own,
        CodeKind::Zi,
        CodeKind::Hpk,
        CodeKind::Prk,
        CodeKind::Gpk,
        CodeKind::Gtin,
        CodeKind::Atc,
        CodeKind::Snomed,
    ];

    /// The word for it in node.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CodeKind::Own => "own",
            CodeKind::Zi => "zi",
            CodeKind::Hpk => "hpk",
            CodeKind::Prk => "prk",
            CodeKind::Gpk => "gpk",
            CodeKind::Gtin => "gtin",
            CodeKind::Atc => "atc",
            CodeKind::Snomed => "snomed",
        }
    }

    /// The kind of this name.
    ///
    /// # Errors
    /// The names there are, and the nearest.
    pub(super) fn parse(name: &str) -> Result<CodeKind, String> {
        let found = CodeKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| super::config::unknown("kind of code", name, &CodeKind::ALL.map(CodeKind::name)))
    }

    /// Refuses a code that this kind cannot have.
    pub(super) fn accept(self, code: &str) -> Result<(), BadCell> {
        if is_a_rounded_number(code) {
            return bad(
                "a spreadsheet has turned the code into a number and cut off its digits",
                "format the column as text where the file is made, and export the codes again",
            );
        }
        match self {
            CodeKind::Own => Ok(()),
            CodeKind::Zi | CodeKind::Hpk | CodeKind::Prk | CodeKind::Gpk => self.of_the_g_standaard(code),
            CodeKind::Gtin => self.lengths_and(code, &[8, 12, 13, 14], gtin),
            CodeKind::Snomed => {
                self.lengths_and(code, &[6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18], |digits| {
                    digits.first() != Some(&0) && verhoeff(digits)
                })
            }
            CodeKind::Atc if is_atc(code) => Ok(()),
            CodeKind::Atc => bad(
                "not an ATC code of level 5",
                "expected such as B01AC06: a letter, two digits, two letters, two digits, in capitals",
            ),
        }
    }

    fn of_the_g_standaard(self, code: &str) -> Result<(), BadCell> {
        // Local numbers, which a hospital gives out itself and without a check digit.
        let local = ["9", "129"].iter().any(|start| code.starts_with(start));
        self.lengths_and(code, &[8], |digits| self == CodeKind::Zi && local || eleven(digits))
    }

    fn lengths_and(
        self,
        code: &str,
        lengths: &[usize],
        holds: impl Fn(&[u32]) -> bool,
    ) -> Result<(), BadCell> {
        let kind = self.name();
        let digits: Option<Vec<u32>> = code.chars().map(|c| c.to_digit(10)).collect();
        let Some(digits) = digits.filter(|digits| !digits.is_empty()) else {
            return bad(format!("a code of kind {kind} has digits only"), "correct the code, or code_kind");
        };
        let (shortest, longest) = (lengths.first().copied(), lengths.last().copied());
        let expected = match (shortest, longest) {
            (Some(shortest), Some(longest)) if shortest != longest => format!("{shortest} to {longest}"),
            (shortest, _) => shortest.unwrap_or_default().to_string(),
        };
        if !lengths.contains(&digits.len()) {
            let found = digits.len();
            if longest.is_some_and(|longest| found < longest) {
                return bad(
                    format!("{found} digits where {kind} has {expected}: leading zeros are lost"),
                    "format the column as text where the file is made, and export the codes again",
                );
            }
            return bad(
                format!("{found} digits where {kind} has {expected}"),
                "correct the code, or code_kind",
            );
        }
        if holds(&digits) {
            return Ok(());
        }
        bad(
            format!("the check digit of {kind} is wrong"),
            "correct the code: a digit is wrong, or it is of another kind",
        )
    }
}

/// `8,71E+12`: what a spreadsheet makes of a long code.
fn is_a_rounded_number(code: &str) -> bool {
    let exponent = code.split_once(['e', 'E']).map(|(_, exponent)| exponent);
    // Without its sign it may be a hospital's own code, such as 12E4.
    has_exponent(code) && exponent.is_some_and(|exponent| exponent.starts_with(['+', '-']))
}

/// Weights 8 to 2 and 1 for the check digit; the sum is a multiple of 11.
fn eleven(digits: &[u32]) -> bool {
    let sum: u32 = digits.iter().rev().zip(1..).map(|(digit, weight)| digit * weight).sum();
    sum.is_multiple_of(11)
}

/// Weights 3 and 1 in turn from behind, the check digit's being 1; the sum is a multiple of 10.
fn gtin(digits: &[u32]) -> bool {
    let sum: u32 =
        digits.iter().rev().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    sum.is_multiple_of(10)
}

fn is_atc(code: &str) -> bool {
    let form =
        |(byte, kind): (u8, u8)| if kind == b'A' { byte.is_ascii_uppercase() } else { byte.is_ascii_digit() };
    code.len() == 7 && code.bytes().zip(*b"A00AA00").all(form)
}

/// Verhoeff's check over the dihedral group of ten elements, built from its definition.
fn verhoeff(digits: &[u32]) -> bool {
    const SHUFFLE: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let shuffled = |digit: u32, times: usize| {
        (0..times % 8)
            .fold(digit, |digit, _| SHUFFLE.get(usize::try_from(digit).unwrap_or(0)).copied().unwrap_or(0))
    };
    // Elements 0 to 4 are the turns of a pentagon, 5 to 9 its reflections.
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| product(sum, shuffled(*digit, place))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> CodeKind {
        CodeKind::parse(name).unwrap()
    }

    #[test]
    fn well_made_codes_are_taken() {
        for (name, codes) in [
            ("own", &["12E4", "abc", "A1", "1e5"][..]),
            // Both published HPK examples.
            ("hpk", &["01613081", "01112058"]),
            ("prk", &["01613081"]),
            ("gpk", &["01112058"]),
            ("zi", &["01613081", "90000000", "99999999", "12900000", "12999999"]),
            ("gtin", &["4006381333931", "96385074", "036000291452", "04006381333931"]),
            ("atc", &["B01AC06", "L01BA01"]),
            ("snomed", &["16101911000001101", "326874007", "326875008", "39657711000001106", "138875005"]),
        ] {
            for code in codes {
                assert_eq!(kind(name).accept(code), Ok(()), "{name} {code}");
            }
        }
    }

    #[test]
    fn every_changed_digit_is_seen() {
        for (name, code) in [
            ("hpk", "01613081"),
            ("zi", "01112058"),
            ("gtin", "4006381333931"),
            ("snomed", "16101911000001101"),
        ] {
            for place in 0..code.len() {
                let mut seen = 0;
                for digit in b'0'..=b'9' {
                    let mut changed = code.as_bytes().to_vec();
                    changed[place] = digit;
                    let changed = String::from_utf8(changed).unwrap();
                    let local = name == "zi" && changed.starts_with('9');
                    if changed != code && !local {
                        assert!(kind(name).accept(&changed).is_err(), "{name} {changed}");
                        seen += 1;
                    }
                }
                assert!(seen >= 8);
            }
        }
        // Neighbours that changed places, which Verhoeff's check always sees.
        assert!(kind("snomed").accept("326874070").is_err());
    }
}
