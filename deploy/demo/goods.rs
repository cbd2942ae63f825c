//! The invented use and orders of a hospital, which go with its stock.
//!
//! Owns their headers and dialect. They end before the first reference date of a stock, so that they are the same in
//! every slot.

use super::{MEDICINES, below, date, random, stream};

const USE_HEADER: &str = "Maand;ZI-nummer;Verbruik";
const ORDERS_HEADER: &str = "Besteld;ZI-nummer;Aantal;Verwacht;Geleverd;Aantal geleverd;Leverancier";
const SUPPLIERS: [&str; 5] = ["Fabrikant", "Generiek A", "Generiek B", "Import", "Bereider"];

/// The `[[extract]]` of `use.csv`, without its file.
pub(super) const USE: &str = r#"dataset = "use"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit = "piece"

[columns]
period = "Maand"
code = "ZI-nummer"
quantity = "Verbruik"
"#;

/// The `[[extract]]` of `orders.csv`, without its file.
pub(super) const ORDERS: &str = r#"dataset = "orders"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit = "piece"

[columns]
ordered = "Besteld"
code = "ZI-nummer"
quantity = "Aantal"
eta = "Verwacht"
delivered = "Geleverd"
delivered_quantity = "Aantal geleverd"
supplier = "Leverancier"

[values.supplier]
"Fabrikant" = "originator"
"Generiek A" = "generic-a"
"Generiek B" = "generic-b"
"Import" = "import"
"Bereider" = "compounding"
"#;

/// Use of 14 months up to October 2026. Some months of a medicine have no row, some more returns than issues.
pub(super) fn used(seed: u64, hospital: usize) -> String {
    let mut random = stream(seed, hospital, 2);
    let size = size(seed, hospital);
    let mut lines = vec![USE_HEADER.to_owned()];
    for (code, _, usual) in MEDICINES {
        for month in 0..14 {
            let (year, month) = (2025 + (8 + month) / 12, (8 + month) % 12 + 1);
            let amount = usual * size * (70 + below(&mut random, 61)) / 60_000;
            let (sign, tenths) = (below(&mut random, 50) == 0, below(&mut random, 4) == 0);
            if below(&mut random, 12) > 0 {
                let (sign, tenths) = (if sign { "-" } else { "" }, if tenths { 5 } else { 0 });
                lines.push(format!("01-{month:02}-{year};{code};{sign}{amount},{tenths}"));
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Orders of September and October 2026: two of three have come, some of them late or in part, and of some of the
/// others nobody knows when they will.
pub(super) fn orders(seed: u64, hospital: usize) -> String {
    let mut random = stream(seed, hospital, 3);
    let size = size(seed, hospital);
    let mut lines = vec![ORDERS_HEADER.to_owned()];
    for (code, _, usual) in MEDICINES {
        for _ in 0..below(&mut random, 5) {
            let ordered = below(&mut random, 60);
            let amount = 10 + usual * size * (10 + below(&mut random, 40)) / 10_000;
            let expected = ordered + 2 + below(&mut random, 120);
            let (late, part) = (below(&mut random, 4) * below(&mut random, 6), below(&mut random, 5) == 0);
            let came = below(&mut random, 3) > 0 && expected + late < 61;
            let known = came || below(&mut random, 4) > 0;
            let supplier = SUPPLIERS.get(below(&mut random, 5) as usize).unwrap_or(&"Import");
            let eta = if known { date(92 + expected) } else { String::new() };
            let delivered = if came { date(92 + expected + late) } else { String::new() };
            let quantity = match (came, part) {
                (true, true) => (amount / 2).to_string(),
                (true, false) => amount.to_string(),
                (false, true) => (amount / 4).to_string(),
                (false, false) => String::new(),
            };
            let ordered = date(92 + ordered);
            lines.push(format!("{ordered};{code};{amount};{eta};{delivered};{quantity};{supplier}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// That of the hospital's stock.
fn size(seed: u64, hospital: usize) -> u32 {
    25 + below(&mut random(seed, hospital, None), 176)
}
