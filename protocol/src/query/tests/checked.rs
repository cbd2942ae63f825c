//! `checked = true`: what it makes of a query, and how much of it may be asked.

use super::*;
use crate::query::Counting;

const ONE: &str = r#"
[query]
id = "q"
version = 1
title = { nl = "Voorbeeld", en = "Sample" }
purpose = "stock"
dataset = "stock"
[[measure]]
name = "stock"
sum = "quantity"
unit = "piece"
scale = 0
range = [-100, 1000]
[[measure]]
name = "lines"
rows = true
max = 9
"#;

fn checked(measure: &str) -> Query {
    read(
        &ONE.replace("[[parameter]]\nname = \"products\"\ntype = \"codes\"\n", "")
            .replace(&format!("name = \"{measure}\"\n"), &format!("name = \"{measure}\"\nchecked = true\n")),
    )
    .unwrap()
}

#[test]
fn a_checked_measure_is_another_query_and_says_so() {
    let (plain, of_stock) = (checked("none"), checked("stock"));
    assert_ne!(plain.canonical().unwrap(), of_stock.canonical().unwrap(), "it is approved as it is");
    assert_eq!(Query::from_canonical(&of_stock.canonical().unwrap()).unwrap(), of_stock);
    for (language, says) in [(Language::Dutch, "`stock`: de som"), (Language::English, "`stock`: the sum")] {
        let text = of_stock.describe(language);
        let line = text.lines().find(|line| line.contains(says)).unwrap().to_owned();
        assert!(
            line.contains("bewijs dat het binnen") || line.contains("proof that it lies within"),
            "{line}"
        );
        assert!(!plain.describe(language).contains("proof that") && !text.contains("`lines`: bewijs"));
    }
}

/// Its cells are proven up to the width of their range, the others are not; in a count pass every lane is 0 or 1.
#[test]
fn the_cells_of_a_checked_measure_are_blocks_of_their_own() {
    let query = checked("stock");
    let blocks = query.blocks();
    let caps: Vec<(u32, u64)> = blocks.checked().map(|one| (one.cell, one.cap)).collect();
    assert_eq!(caps, [(0, 1100)], "the range is counted from its least");
    assert_eq!((blocks.plain_blocks(), blocks.len()), (1, 2));
    let counting = Counting::of(&query.resolved().unwrap(), false).unwrap();
    let lanes = query.count_blocks(u32::try_from(counting.lanes().len()).unwrap());
    assert!(lanes.checked().all(|one| one.cap == 1) && lanes.checked_cells() == counting.lanes().len());
    let plain = checked("none");
    assert!(!plain.blocks().proves() && !plain.count_blocks(2).proves());
}

#[test]
fn more_proofs_than_a_hospital_makes_in_time_are_refused() {
    let codes = |count: u32| (0..count).map(|code| format!("\"{code:05}\"")).collect::<Vec<_>>().join(", ");
    let asked = |count: u32, range: &str| {
        let text = ONE.replace("range = [-100, 1000]", &format!("range = {range}\nchecked = true"));
        read(&format!("{text}[[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n", codes(count)))
    };
    assert!(asked(4_000, "[-100, 1000]").is_ok());
    let error = asked(4_100, "[-100, 1000]").unwrap_err();
    assert_eq!(error.code, Code::Limit);
    let text = error.to_string();
    assert!(text.contains("4100 cells with") && text.contains("leave `checked` out"), "{text}");
    assert!(asked(16_384, "[0, 1]").is_ok());
    assert!(asked(16_385, "[0, 1]").is_err());
}
