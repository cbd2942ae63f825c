//! What is summed, rounded, counted and hashed.

use super::*;
use samensom_protocol::query::{Column, Date, Decimal, Operand, Scalar, Shown, table};

#[test]
fn figures_follow_the_layout_in_base_units() {
    let folder = Folder::stock(&[
        "midazolam;10,5;regular;31-12-2026;apotheek;01-11-2026;1",
        "midazolam;-2,25;ccv;;ok;01-11-2026;1",
        "propofol;0,001;ccv;31-12-2026;ok;01-11-2026;1",
        "morfine;7;ccv;31-12-2026;ok;01-11-2026;1",
    ]);
    let body = format!(
        "{PER_CODE}{}{}",
        sum(3, "[-10, 100]"),
        r#"
        [[measure]]
        name = "ccv"
        sum = "quantity"
        where = "kind = 'ccv'"
        unit = "piece"
        scale = 2
        range = [-10, 100]
        [[measure]]
        name = "lines"
        rows = true
        [[measure]]
        name = "fresh_lines"
        rows = true
        where = "expiry > '2026-06-01'"
        [[measure]]
        name = "holders"
        hospitals = "sum(quantity) >= 0.002"
        [[measure]]
        name = "none"
        hospitals = "count(*) < 2 or max(quantity) < 0"
        where = "kind = 'regular'"
        [[measure]]
        name = "two_lines"
        hospitals = "count(*) >= 2 and count(*) < 2.5"
        "#
    );
    let query = query(&body);
    let figures = folder.evaluate(&query).unwrap();
    #[rustfmt::skip]
    assert_eq!(figures, [
        8_250, -225, 2, 1, 1, 1, 1,
        1,     0,    1, 1, 0, 1, 0, // propofol has no regular rows: the count is 0
    ]);
    let opened: Vec<i128> = figures.into_iter().map(i128::from).collect();
    assert_eq!(table(&query, &opened, &Shown::All)[1].value.to_string(), "-2.25");
}

#[test]
fn a_hospital_without_rows_contributes_every_cell() {
    let folder = Folder::stock(&["morfine;7;ccv;;;01-11-2026;1"]);
    let without_dimension =
        format!("{}[[measure]]\nname = \"empty\"\nhospitals = \"count(*) = 0\"", sum(0, "[0, 9]"));
    let frozen = folder.freeze().unwrap();
    let per_code = query(&format!("{PER_CODE}{without_dimension}"));
    assert_eq!(evaluate(&per_code, &frozen).unwrap(), [0, 1, 0, 1]);
    assert_eq!(evaluate(&query(&without_dimension), &frozen).unwrap(), [7, 0]);
    let nothing = query(&format!("population.where = \"code = 'x'\"\n{without_dimension}"));
    assert_eq!(evaluate(&nothing, &frozen).unwrap(), [0, 1]);
}

#[test]
fn a_cell_is_rounded_once_and_half_to_even() {
    // Each row alone would round to 0; their exact sum is 1.5 and 2.5 thousandths.
    for (rows, expected) in [(3, 2), (5, 2), (7, 4), (1, 0)] {
        let row = "midazolam;0,0005;ccv;;;01-11-2026;1";
        let folder = Folder::stock(&vec![row; rows]);
        let body = format!("{PER_CODE}{}", sum(3, "[0, 9]"));
        assert_eq!(folder.evaluate(&query(&body)).unwrap(), [expected, 0], "{rows} rows");
        let returns = Folder::stock(&vec!["midazolam;-0,0005;ccv;;;01-11-2026;1"; rows]);
        let body = format!("{PER_CODE}{}", sum(3, "[-9, 9]"));
        assert_eq!(returns.evaluate(&query(&body)).unwrap(), [-expected, 0], "{rows} returns");
    }
}

#[test]
fn a_cell_outside_its_range_is_named_and_never_clipped() {
    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1", "propofol;10,5;ccv;;;01-11-2026;1"]);
    let frozen = folder.freeze().unwrap();
    let body = |range| query(&format!("{PER_CODE}{}", sum(1, range)));
    assert_eq!(evaluate(&body("[0, 11]"), &frozen).unwrap(), [10, 105]);
    let error = evaluate(&body("[0, 10]"), &frozen).unwrap_err();
    assert_eq!(error.code(), "refused");
    let error = error.to_string();
    for part in [
        "cell code=propofol, measure stock",
        "10.5 piece",
        "range 0 to 10",
        "rows total 2 = used 2 + rejected 0 + objected 0",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let rows = query(&format!("{PER_CODE}[[measure]]\nname = \"lines\"\nrows = true\nmax = 1\n"));
    assert_eq!(evaluate(&rows, &frozen).unwrap(), [1, 1]);
}

#[test]
fn a_sum_beyond_64_bits_is_refused() {
    let folder = Folder::stock(&["midazolam;999999999999;ccv;;;01-11-2026;1"; 10]);
    let body = query(&format!("{PER_CODE}{}", sum(0, "[0, 9000000000000000000]")));
    let error = folder.evaluate(&body).unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(error.to_string().contains("measure `stock`: the sum is too large"), "{error}");
}

#[test]
fn units_are_refused_and_never_added() {
    let in_ml = CONFIG.replace("\"piece\"", "\"ml\"");
    let csv = format!("{HEADER}\nmorfine;1;ccv;;;01-11-2026;1\nmidazolam;1;ccv;;;01-11-2026;1\n");
    let folder = Folder::of(&in_ml, &csv);
    let frozen = folder.freeze().unwrap();
    let body = format!("{PER_CODE}{}", sum(0, "[0, 9]"));
    let error = evaluate(&query(&body), &frozen).unwrap_err();
    assert_eq!(error.code(), "refused");
    let error = error.to_string();
    assert!(error.contains("stock.csv, row 3: unit `ml` where measure `stock` adds `piece`"), "{error}");
    // Rows that are in no cell or not in the population are not added, so their unit does not matter.
    let elsewhere = query(&format!("population.where = \"code <> 'midazolam'\"\n{body}"));
    assert_eq!(evaluate(&elsewhere, &frozen).unwrap(), [0, 0]);
    // Counting rows looks at no quantity; judging a sum does.
    let rows = format!("{PER_CODE}[[measure]]\nname = \"lines\"\nrows = true\n");
    assert_eq!(evaluate(&query(&rows), &frozen).unwrap(), [1, 0]);
    let holders =
        format!("{rows}[[measure]]\nname = \"h\"\nhospitals = \"sum(quantity) > 0\"\nunit = \"piece\"\n");
    assert!(text(evaluate(&query(&holders), &frozen)).contains("measure `h` adds `piece`"));
}

#[test]
fn values_are_bound_and_never_part_of_a_statement() {
    let evil = "x') OR 1=1 --";
    let row = format!("{evil};5;ccv;;a''b;01-11-2026;1");
    let folder = Folder::stock(&[&row, "midazolam;3;ccv;;;01-11-2026;1"]);
    let frozen = folder.freeze().unwrap();
    let of_code = |code: &str| {
        let measure = sum(0, "[0, 9]");
        query(&format!("population.where = \"code = '{}'\"\n{measure}", code.replace('\'', "''")))
    };
    assert_eq!(evaluate(&of_code(evil), &frozen).unwrap(), [5]);
    assert_eq!(evaluate(&of_code("x"), &frozen).unwrap(), [0]);
    let place = query(&format!("population.where = \"location = 'a''''b'\"\n{}", sum(0, "[0, 9]")));
    assert_eq!(evaluate(&place, &frozen).unwrap(), [5]);
}

/// The same conditions over the same rows by the database and by the protocol's own evaluator.
#[test]
fn the_database_and_the_evaluator_agree_on_absent_values() {
    let kinds = ["regular", "ccv", "import"];
    let dates = ["", "31-12-2026", "01-01-2027", "15-06-2026"];
    let places = ["", "ok", "apotheek"];
    let mut rows = Vec::new();
    let mut state = 7_u64;
    let mut pick = |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % count
    };
    for row in 0..200 {
        let quantity = pick(7);
        rows.push((row, quantity, kinds[pick(3)], dates[pick(4)], places[pick(3)]));
    }
    let lines: Vec<String> = rows
        .iter()
        .map(|(row, quantity, kind, date, place)| {
            format!("r{row};{quantity},5;{kind};{date};{place};01-11-2026;1")
        })
        .collect();
    let folder = Folder::stock(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let frozen = folder.freeze().unwrap();
    for condition in [
        "expiry > '2026-07-01'",
        "not expiry > '2026-07-01'",
        "expiry > as_of or location = 'ok'",
        "not (expiry > as_of and location = 'ok')",
        "location not in ('ok', 'elders')",
        "location in ('ok') or not location in ('ok')",
        "expiry not between '2026-06-15' and '2026-12-31'",
        "quantity between 1.5 and 4.50 and kind <> 'ccv' or expiry <= '2026-06-15'",
        "not (kind = 'ccv' or quantity > 3) and not location = 'apotheek'",
        "expiry is null or location is not null and quantity > 4",
        "code like 'r1%' and not location like 'apo%'",
        "expiry - as_of > 30",
        "not (quantity / (expiry - as_of) < 0.05)",
        "quantity * 2 - 3 > quantity and kind <> 'ccv'",
        "(quantity - 2.5) / (quantity - 2.5) = 1",
    ] {
        let query = query(&format!(
            "population.where = \"{condition}\"\n[[measure]]\nname = \"lines\"\nrows = true\n"
        ));
        let date = |text: &str| {
            let parts: Vec<&str> = text.split('-').collect();
            Date::parse(&format!("{}-{}-{}", parts[2], parts[1], parts[0])).map(Scalar::Date)
        };
        let some = |text: &str| (!text.is_empty()).then(|| Scalar::Text(text.to_owned()));
        let expected = rows.iter().filter(|(row, quantity, kind, expiry, place)| {
            query.population().holds(&mut |operand| match operand {
                Operand::Column(Column::Code) => some(&format!("r{row}")),
                Operand::Column(Column::Quantity) => {
                    Decimal::parse(&format!("{quantity}.5")).map(Scalar::Number)
                }
                Operand::Column(Column::Kind) => some(kind),
                Operand::Column(Column::Expiry) if expiry.is_empty() => None,
                Operand::Column(Column::Expiry) => date(expiry),
                Operand::Column(Column::Location) => some(place),
                Operand::Column(Column::AsOf) => date("01-11-2026"),
                other => panic!("{other:?}"),
            }) == Ok(Some(true))
        });
        let expected = i64::try_from(expected.count()).unwrap();
        assert!(expected > 0 && expected < 200, "{condition} says nothing: {expected}");
        assert_eq!(evaluate(&query, &frozen).unwrap(), [expected], "{condition}");
    }
}

#[test]
fn the_hash_is_of_the_normalised_rows_alone() {
    let rows =
        ["midazolam;10,50;regular;31-12-2026;apotheek;01-11-2026;1", "propofol;-3;regular;;;01-11-2026;2"];
    let hash = |folder: &Folder| folder.freeze().unwrap().content;
    let first = hash(&Folder::stock(&rows));
    // Computed by other code from the layout that the store describes.
    assert_eq!(first.to_hex(), "d82b257c5bf2da82f489e01c117d2c849236d3f180e5cd3c4bad96712eb9c158");
    assert_eq!(hash(&Folder::stock(&[rows[1], rows[0]])), first, "the order of the file");
    let other_dialect = Folder::of(
        &CONFIG
            .replace("\"stock.csv\"", "\"voorraad.txt\"")
            .replace("\";\"", "\"tab\"")
            .replace("decimal = \",\"", "decimal = \".\"")
            .replace("\"%d-%m-%Y\"", "\"%Y%m%d\"")
            .replace("unit = \"piece\"", "unit_column = \"eenheid\"\nmax_rejected = 5")
            .replace("kind = \"Soort\"\n", "")
            .replace("\"Artikel\"", "\"Kode \""),
        "\u{feff}Voorraad\teenheid\tKode \tHoudbaar\tPlaats\tPeildatum\r\n\
         -3.000\tpiece\t propofol\t\t\t20261101\r\n\"10.5\"\tpiece\tmidazolam\t20261231\tapotheek\t20261101\r\n",
    );
    assert_eq!(hash(&other_dialect), first, "mapping, dialect and defaults");
    for changed in [
        "midazolam;10,500001;regular;31-12-2026;apotheek;01-11-2026;1",
        "midazolam;10,5;ccv;31-12-2026;apotheek;01-11-2026;1",
        "midazolam;10,5;regular;30-12-2026;apotheek;01-11-2026;1",
        "midazolam;10,5;regular;;apotheek;01-11-2026;1",
        "midazolam;10,5;regular;31-12-2026;;01-11-2026;1",
        "midazolam;10,5;regular;31-12-2026;apotheek;02-11-2026;1",
        "midazola;10,5;regular;31-12-2026;mapotheek;01-11-2026;1",
    ] {
        // A stock has one reference date.
        let day = changed.split(';').nth(5).unwrap();
        let other = rows[1].replace("01-11-2026", day);
        assert_ne!(hash(&Folder::stock(&[changed, &other])), first, "{changed}");
    }
    assert_ne!(hash(&Folder::stock(&[rows[0], rows[1], rows[1]])), first, "a row twice");
    assert_ne!(hash(&Folder::stock(&rows[..1])), first, "a row less");
    let may_be_empty = CONFIG.replace("unit = ", "may_be_empty = true\nunit = ");
    let empty = hash(&Folder::of(&may_be_empty, &format!("{HEADER}\n")));
    assert_ne!(empty, first);
}

#[test]
fn a_frozen_extract_no_longer_changes() {
    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1"]);
    let body = query(&format!("{PER_CODE}{}", sum(0, "[0, 9]")));
    let frozen = folder.freeze().unwrap();
    std::fs::write(
        folder.dir.path().join("stock.csv"),
        format!("{HEADER}\nmidazolam;2;ccv;;;01-11-2026;1\n"),
    )
    .unwrap();
    let again = Frozen::open(&folder.path()).unwrap();
    assert_eq!((again.hash, &again.accounting), (frozen.hash, &frozen.accounting));
    assert_eq!(evaluate(&body, &again).unwrap(), [1, 0]);
    assert!(text(folder.freeze()).contains("this slot has its frozen extract"));
    assert_eq!(std::fs::read_dir(folder.dir.path()).unwrap().count(), 2, "the file and the snapshot");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let meddler = rusqlite::Connection::open(folder.path()).unwrap();
    meddler.execute("UPDATE stock_row SET quantity = quantity + 1", []).unwrap();
    drop(meddler);
    assert!(text(Frozen::open(&folder.path())).contains("not the extract that was frozen"));
    std::fs::write(folder.path(), "not a database").unwrap();
    assert!(text(Frozen::open(&folder.path())).contains("reading the snapshot"));
}

#[test]
fn an_unfinished_snapshot_is_replaced() {
    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1"]);
    std::fs::write(folder.dir.path().join("slot.sqlite.part"), "half").unwrap();
    assert_eq!(folder.freeze().unwrap().accounting[0].used, 1);
    assert!(!folder.dir.path().join("slot.sqlite.part").exists());
}
