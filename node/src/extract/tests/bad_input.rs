//! Every way in which a configuration, a header, a row or a unit is refused.

use super::*;

/// (what, by what it is replaced, what the error says) each.
fn refuse_configs(cases: &[(&str, &str, &[&str])]) {
    for (from, to, wanted) in cases {
        assert!(CONFIG.contains(from), "{from}");
        let error = toml::from_str::<ExtractConfig>(&CONFIG.replacen(from, to, 1)).unwrap_err().to_string();
        for part in *wanted {
            assert!(error.contains(part), "{from} -> {to}\n{error}\nwanted {part}");
        }
    }
}

#[test]
fn config_errors_point_at_the_line_and_the_nearest_key() {
    refuse_configs(&[
        ("separator", "seperator", &["line 5", "unknown key `seperator`", "did you mean `separator`?"]),
        ("dataset = \"stock\"", "dataset = \"stok\"", &["line 2", "did you mean `stock`?"]),
        ("dataset = \"stock\"", "dataset = \"order\"", &["line 2", "did you mean `orders`?"]),
        ("dataset = \"stock\"\n", "", &["no key `dataset`"]),
        (
            "encoding = \"utf-8\"",
            "encoding = \"utf8\"",
            &["line 4", "unknown encoding", "did you mean `utf-8`?"],
        ),
        ("encoding = \"utf-8\"", "encoding = \"latin-1\"", &["line 4", "utf-16be, windows-1252"]),
        ("encoding = \"utf-8\"\n", "", &["no key `encoding`", "never guessed"]),
        ("separator = \";\"\n", "", &["no key `separator`"]),
        ("decimal = \",\"\n", "", &["no key `decimal`"]),
        ("separator = \";\"", "separator = \"|\"", &["line 5", "expected `,`, `;` or `tab`"]),
        ("decimal = \",\"", "decimal = \"'\"", &["line 6", "expected `,` or `.`"]),
        ("%d-%m-%Y", "%d-%m-%y", &["line 7", "with the whole year"]),
        ("%d-%m-%Y", "%m-%Y", &["line 7", "does not name one day"]),
        ("%d-%m-%Y", "%d-%m-%Q", &["line 7"]),
        ("unit = \"piece\"", "unit = \"pieces\"", &["line 8", "did you mean `piece`?"]),
        ("as_of = \"Peildatum\"", "as_of = \"Peildatum\"\n[x]", &["unknown key `x`"]),
        ("unit = \"piece\"", "unit = \"piece\"\nunit_column = \"E\"", &["exactly one of `unit`"]),
        ("unit = \"piece\"\n", "", &["exactly one of `unit`"]),
        ("unit = \"piece\"", "unit = \"piece\"\nhospital = \"ods\"", &["line 9", "demo's file alone"]),
        ("unit = \"piece\"", "unit = \"piece\"\nsplit = 9", &["line 9", "demo's file alone"]),
        ("unit = \"piece\"", "unit = \"piece\"\nmax_rejected = -1", &["line 9"]),
    ]);
}

const UNITS_NUMBERS_CODES_VALUES: &[(&str, &str, &[&str])] = &[
    (
        "unit = \"piece\"",
        "unit_table = \"units.csv\"",
        &["expected `level` (for every row) or `level_column`"],
    ),
    (
        "unit = \"piece\"",
        "unit_table = \"u\"\nlevel = \"pack\"\nlevel_column = \"N\"",
        &["expected one of `level`"],
    ),
    (
        "unit = \"piece\"",
        "unit_table = \"u\"\nlevel = \"box\"",
        &["line 9", "unknown level `box`; expected one of pack"],
    ),
    ("unit = \"piece\"", "unit = \"piece\"\nlevel = \"pack\"", &["belong to a `unit_table`"]),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nunit_table = \"u\"\nlevel = \"pack\"",
        &["exactly one of `unit`"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nmax_age = \"36\"",
        &["line 9", "expected such as 90m, 36h or 45d"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nmax_age = \"0h\"",
        &["line 9", "expected such as 90m, 36h or 45d"],
    ),
    ("unit = \"piece\"", "unit = \"piece\"\nthousands = \"_\"", &["line 9", "expected `.`, `,`, ` ` or `'`"]),
    ("unit = \"piece\"", "unit = \"piece\"\nthousands = \",\"", &["expected two marks"]),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\ncode_kind = \"ZI\"",
        &["line 9", "unknown kind of code", "did you mean `zi`?"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nunique = [\"code\", \"owner\"]",
        &["`unique` names `owner`, which"],
    ),
    ("unit = \"piece\"", "unit = \"piece\"\nunique = [\"cod\"]", &["did you mean `code`?"]),
    ("unit = \"piece\"", "unit = \"piece\"\nunique = [\"code\", \"code\"]", &["`unique` names `code` twice"]),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nobjection = { column = \"B\", yes = [], no = [] }",
        &["at least one text in `yes`"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nobjection = { column = \"B\", yes = [\"J\"], no = [\"J\"] }",
        &["`J` stands in `yes` and in `no`"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nobjection = { column = \"B\", yes = [\"J \"], no = [] }",
        &["`J ` has space at an end"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nobjection = { colum = \"B\", yes = [\"J\"], no = [] }",
        &["line 9", "unknown field `colum`"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nvalues.kind.regulier = \"regulr\"",
        &["line 9", "did you mean `regular`?"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nvalues.kinds.regulier = \"regular\"",
        &["line 9", "unknown field `kinds`"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"piece\"\nvalues.unit.stuks = \"piece\"",
        &["words for a column that is not read; declare `unit_column`"],
    ),
    ("unit = \"piece\"", "unit = \"piece\"\nvalues.level.doos = \"pack\"", &["declare `unit_table`"]),
];

#[test]
fn config_errors_of_units_numbers_codes_and_values() {
    refuse_configs(UNITS_NUMBERS_CODES_VALUES);
}

#[test]
fn columns_that_may_not_or_must_be_mapped_are_named() {
    refuse_configs(&[
        ("quantity = \"Voorraad\"", "quantty = \"Voorraad\"", &["line 11", "did you mean `quantity`?"]),
        ("quantity = \"Voorraad\"\n", "", &["has no `quantity`"]),
        ("quantity = \"Voorraad\"", "quantity = \"\"", &["line 11", "an empty column name"]),
        ("kind = \"Soort\"", "period = \"Soort\"", &["`period` is no column of data set stock"]),
        ("kind = \"Soort\"", "unit = \"Soort\"", &["line 12", "`unit_column"]),
        ("kind = \"Soort\"", "price = \"Prijs\"", &["line 12", "looks like a price"]),
        ("kind = \"Soort\"", "patient = \"P\"", &["line 12", "looks like a patient's column"]),
        ("\"Plaats\"", "\"Inkoopprijs (EUR)\"", &["line 14", "looks like a price"]),
        ("\"Plaats\"", "\"Patiëntnummer\"", &["line 14", "looks like a patient's column"]),
        ("\"Plaats\"", "\"Waarde in euro\"", &["line 14", "looks like a price"]),
        ("\"Plaats\"", "\"person_id\"", &["line 14", "looks like a patient's column"]),
        ("\"Plaats\"", "\"BSN\"", &["line 14", "looks like a patient's column"]),
    ]);
}

/// The sample explains every key, and what stands there as an example can be used.
#[test]
fn the_shipped_sample_shows_every_key() {
    let sample = include_str!("../../../../deploy/config/node.toml");
    let of_extract = sample.split_once("[[extract]]").unwrap().1;
    for key in crate::extract::config::KEYS {
        let shown =
            [format!("\n{key} = "), format!("\n# {key} = "), format!("[extract.{key}"), format!("`{key}`")];
        assert!(shown.iter().any(|shown| of_extract.contains(shown)), "the sample does not show `{key}`");
    }
    // That of a database has its own test.
    let of_extract = of_extract.split_once("\n# In place of a file").unwrap().0;
    let examples: Vec<&str> = of_extract.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let is_one = |line: &&str| {
        let key = line.split_once(" = ").map(|(key, _)| key);
        key.is_some_and(|key| !key.contains(' ')) || line.starts_with(['[', '"'])
    };
    let (examples, words): (Vec<&str>, Vec<&str>) =
        examples.into_iter().filter(is_one).partition(|line| !line.starts_with(['[', '"']));
    assert_eq!((examples.len(), words.len()), (6, 3), "{examples:?} {words:?}");
    let text = of_extract
        .replace("unit = \"piece\"", &examples.join("\n"))
        .replace("quantity = ", "kind = \"Soort\"\nlocation = \"Plaats\"\nquantity = ")
        .replace("[extract.", "[");
    let all = config(&format!("{text}\n{}", words.join("\n").replace("[extract.", "[")));
    assert_eq!((all.thousands, all.max_age), (Some('.'), Some(std::time::Duration::from_secs(36 * 3_600))));
    assert_eq!(all.unique.len(), 2);
    assert!(all.objection.is_some() && matches!(all.unit, crate::extract::UnitSource::Table { .. }));
}

/// Its example of an extract from a database, in lines that are set in.
#[test]
fn the_shipped_sample_of_a_database_can_be_used() {
    #[derive(serde::Deserialize)]
    struct File {
        extract: Vec<ExtractConfig>,
    }
    let sample = include_str!("../../../../deploy/config/node.toml");
    let lines = sample.lines().filter_map(|line| line.strip_prefix("#   "));
    let lines: Vec<&str> = lines.skip_while(|line| *line != "[[extract]]").collect();
    let file: File = toml::from_str(&lines.join("\n")).unwrap();
    let [extract] = file.extract.as_slice() else { panic!("one example") };
    let database = extract.database.as_ref().unwrap();
    assert_eq!((extract.file.as_path(), database.max_rows), (std::path::Path::new("stock.sql"), 50_000_000));
    // What stands there as the default is the default.
    let short: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.starts_with("timeout") && !line.starts_with("max_rows"))
        .collect();
    let file: File = toml::from_str(&short.join("\n")).unwrap();
    assert_eq!(file.extract[0].database.as_ref(), Some(database));
}

const OF_DATABASE: &str = r#"
dataset = "stock"
select = "v.sql"
database = "d.toml"
unit = "piece"
[columns]
code = "c"
quantity = "q"
"#;

#[test]
fn a_select_and_a_file_exclude_each_other() {
    assert!(config(OF_DATABASE).database.is_some());
    for (from, to, wanted) in [
        ("database = \"d.toml\"\n", "", "`select` needs `database`"),
        ("select = \"v.sql\"\n", "", "`database` needs `select`"),
        (
            "select = \"v.sql\"\ndatabase = \"d.toml\"",
            "file = \"f\"\ntimeout = \"5m\"",
            "belong to a `select`",
        ),
        ("unit =", "file = \"f\"\nunit =", "`file` and `select` are declared"),
        ("unit =", "encoding = \"utf-8\"\nunit =", "`encoding` and `select` are declared"),
        ("unit =", "separator = \";\"\nunit =", "`separator` and `select`"),
        ("unit =", "decimal = \",\"\nunit =", "`decimal` and `select`"),
        ("unit =", "thousands = \".\"\nunit =", "`thousands` and `select`"),
        ("unit =", "date = \"%Y-%m-%d\"\nunit =", "`date` and `select`"),
        ("unit =", "open_end = true\nunit =", "`open_end` and `select`"),
        ("select = \"v.sql\"\ndatabase = \"d.toml\"", "file = \"f\"\nlarge = true", "belong to a `select`"),
        (
            "unit = \"piece\"",
            "large = true\nunit_table = \"u.csv\"\nlevel = \"base\"",
            "`unit_table` and `large = true` are",
        ),
        ("unit =", "large = true\nunique = [\"code\"]\nunit =", "`unique` and `large = true` are declared"),
        (
            "unit =",
            "large = true\nmax_rejected = 1\nunit =",
            "`max_rejected` and `large = true` are declared",
        ),
        ("unit =", "timeout = \"0s\"\nunit =", "expected from 1s to 24h"),
        ("unit =", "timeout = \"25h\"\nunit =", "expected from 1s to 24h"),
        ("unit =", "timeout = \"5\"\nunit =", "expected from 1s to 24h"),
        ("unit =", "max_rows = 0\nunit =", "expected at least 1"),
        ("unit =", "max_row = 1\nunit =", "did you mean `max_rows`?"),
    ] {
        assert!(OF_DATABASE.contains(from), "{from}");
        let error =
            toml::from_str::<ExtractConfig>(&OF_DATABASE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{to}\n{error}");
    }
}

#[test]
fn columns_that_only_sound_like_a_price_are_read() {
    for name in ["Kostenplaats", "Neurologie", "Leverancier", "Kleur"] {
        assert!(toml::from_str::<ExtractConfig>(&CONFIG.replace("Plaats", name)).is_ok(), "{name}");
    }
}

#[test]
fn an_array_of_tables_in_a_larger_file_is_read() {
    #[derive(serde::Deserialize)]
    struct File {
        extract: Vec<ExtractConfig>,
    }
    let text = format!("[[extract]]{}", CONFIG.replace("[columns]", "[extract.columns]"));
    let file: File = toml::from_str(&text).unwrap();
    assert_eq!(file.extract, [config(CONFIG)]);
}

#[test]
fn bad_cells_are_rejected_with_row_column_value_reason_and_remedy() {
    let good = "midazolam;1;ccv;;;01-11-2026;1";
    for (row, column, value, reason) in [
        ("midazolam;;ccv;;;01-11-2026;1", "Voorraad", "", "the quantity is empty"),
        ("midazolam;veel;ccv;;;01-11-2026;1", "Voorraad", "veel", "not a number"),
        (
            "midazolam;1.234,56;ccv;;;01-11-2026;1",
            "Voorraad",
            "1.234,56",
            "`.` between thousands where none is declared",
        ),
        ("midazolam;1.5;ccv;;;01-11-2026;1", "Voorraad", "1.5", "`.` where the declared decimal mark is `,`"),
        ("midazolam;1e3;ccv;;;01-11-2026;1", "Voorraad", "1e3", "a number with an exponent"),
        ("midazolam;0,0000001;ccv;;;01-11-2026;1", "Voorraad", "0,0000001", "more than 6 decimals"),
        (";1;ccv;;;01-11-2026;1", "Artikel", "", "the code is empty"),
        ("midazolam;1;;;;01-11-2026;1", "Soort", "", "the kind is empty"),
        ("midazolam;1;cvv;;;01-11-2026;1", "Soort", "cvv", "unknown kind"),
        ("midazolam;1;ccv;2026-12-31;;01-11-2026;1", "Houdbaar", "2026-12-31", "not a day"),
        ("midazolam;1;ccv;;;;1", "Peildatum", "", "the date is empty"),
        ("midazolam;1;ccv;;;01-11-2026", "(whole row)", "midazolam", "6 cells where the header has 7"),
        ("midazolam;1;ccv;;a;b;01-11-2026;1", "(whole row)", "midazolam", "8 cells where the header has 7"),
        ("midazolam;1;ccv;;\"a\nb\";01-11-2026;1", "(whole row)", "midazolam", "a line break inside a cell"),
    ] {
        let folder = Folder::stock(&[good, row, good]);
        let error = folder.freeze().unwrap_err();
        assert_eq!(error.code(), "refused", "{row}");
        let text = error.to_string();
        let rejected = 1 + row.matches('\n').count();
        let balance =
            format!("total {} = used 2 + rejected {rejected} + objected 0; expected at most 0", rejected + 2);
        assert!(text.contains(&balance), "{row}: {text}");
        let line = format!("stock.csv, row 3, column `{column}`, value `{value}`: {reason}");
        assert!(text.contains(&line), "{text}\nwanted {line}");
        assert!(!folder.path().exists() && !folder.dir.path().join("slot.sqlite.part").exists());
        assert!(!format!("{error:?}").contains("midazolam"), "Debug shows no row");
    }
}

#[test]
fn an_open_quote_does_not_swallow_rows_in_silence() {
    // The cell after the quote is not mapped, so nothing else would notice that rows are gone.
    for tail in ["", "\n"] {
        let open_end = CONFIG.replace("unit = ", "open_end = true\nunit = ");
        let csv = format!(
            "{HEADER}\nmidazolam;1;ccv;;;01-11-2026;1\nmidazolam;2;ccv;;;01-11-2026;\"8\nmidazolam;4;ccv;;;01-11-2026;1{tail}"
        );
        let folder = Folder::of(&open_end, &csv);
        let error = text(folder.freeze());
        assert!(error.contains("row 3") && error.contains("a line break inside a cell"), "{error}");
        assert!(error.contains("rows total 3 = used 1 + rejected 2 "), "the rows behind the quote: {error}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_shown_and_rejected() {
    let folder = Folder::stock(&[]);
    let mut csv = format!("{HEADER}\n").into_bytes();
    csv.extend(b"morf\xefne;1;ccv;;;01-11-2026;1\n");
    std::fs::write(folder.dir.path().join("stock.csv"), csv).unwrap();
    let error = text(folder.freeze());
    assert!(
        error.contains(
            "row 2, column `Artikel`, value `morf\u{fffd}ne`: a character that utf-8 does not have"
        ),
        "{error}"
    );
}

#[test]
fn rows_are_lines_also_with_bare_carriage_returns() {
    let csv = format!("{HEADER}\rmidazolam;1;ccv;;;01-11-2026;1\rmidazolam;x;ccv;;;01-11-2026;1\r");
    let error = text(Folder::of(CONFIG, &csv).freeze());
    assert!(error.contains("total 2 = used 1 + rejected 1 + objected 0"), "{error}");
    assert!(error.contains("row 3, column `Voorraad`, value `x`"), "{error}");
}

#[test]
fn a_declared_number_of_rejected_rows_is_allowed_and_counted() {
    let csv = format!("{HEADER}\nmidazolam;1;ccv;;;01-11-2026;1\nmidazolam;x;ccv;;;01-11-2026;1\n");
    let allowed = CONFIG.replace("unit = ", "max_rejected = 1\nunit = ");
    let frozen = Folder::of(&allowed, &csv).freeze().unwrap();
    let accounting = &frozen.accounting[0];
    assert_eq!((accounting.total(), accounting.used, accounting.rejected), (2, 1, 1));
}

#[test]
fn the_header_is_matched_exactly() {
    for (header, wanted) in [
        ("artikel;Voorraad;Soort;Houdbaar;Plaats;Peildatum", "no column `Artikel` (nearest is `artikel`)"),
        ("Artikel,Voorraad,Soort,Houdbaar,Plaats,Peildatum", "or the separator if all stand in one name"),
        ("Artikel;Voorraad;Soort;Houdbaar;Plaats", "no column `Peildatum`; found `Artikel`, `Voorraad`"),
        ("Artikel;Artikel;Voorraad;Soort;Houdbaar;Plaats;Peildatum", "column `Artikel` is there 2 times"),
        ("", "no header"),
    ] {
        let error = Folder::of(CONFIG, &format!("{header}\n")).freeze().unwrap_err();
        assert_eq!(error.code(), if header.is_empty() { "refused" } else { "cannot" });
        let error = error.to_string();
        assert!(error.contains(wanted) && error.contains("stock.csv, row 1"), "{header}: {error}");
    }
}

#[test]
fn units_of_a_column_are_known_and_one() {
    let config = CONFIG.replace("unit = \"piece\"", "unit_column = \"Prijs\"");
    assert!(toml::from_str::<ExtractConfig>(&config).unwrap_err().to_string().contains("looks like a price"));
    let config = CONFIG.replace("unit = \"piece\"", "unit_column = \"Eenheid\"");
    let file = |first: &str, second: &str| {
        let header = HEADER.replace("Prijs", "Eenheid");
        let row = "midazolam;1;ccv;;;01-11-2026";
        Folder::of(&config, &format!("{header}\n{row};{first}\n{row};{first}\n{row};{second}\n"))
    };
    assert_eq!(file("ml", "ml").freeze().unwrap().accounting[0].units[0].rows, 3);
    let error = file("ml", "vial").freeze().unwrap_err();
    assert_eq!(error.code(), "refused");
    let error = error.to_string();
    assert!(
        error.contains("several units in one file: `ml` first in row 2, `vial` first in row 4"),
        "{error}"
    );
    let error = text(file("ml", "mL").freeze());
    assert!(error.contains("row 4, column `Eenheid`, value `mL`: unknown unit"), "{error}");
    assert!(error.contains("did you mean `ml`?"), "{error}");
}

/// A unit table is kept in memory, so that its size is bounded.
#[test]
fn units_of_too_many_rows_are_refused() {
    let config = CONFIG.replace("unit = \"piece\"", "unit_table = \"units.csv\"\nlevel = \"base\"");
    let folder = Folder::of(&config, &format!("{HEADER}\nc7;1;ccv;;;01-11-2026;1\n"));
    let table = |rows: u32| {
        let rows: String = (0..rows).map(|row| format!("c{row};base;ml;1\n")).collect();
        std::fs::write(folder.dir.path().join("units.csv"), format!("code;level;unit;factor\n{rows}"))
            .unwrap();
    };
    table(250_001);
    let error = text(folder.freeze());
    assert!(
        error.contains("units.csv, row 250002, column `code`, value `c250000`: more than 250000 rows"),
        "{error}"
    );
    table(250_000);
    assert_eq!(folder.freeze().unwrap().accounting[0].used, 1);
}

#[test]
fn use_is_per_month() {
    let config = "dataset = \"use\"\nfile = \"use.csv\"\nencoding = \"utf-8\"\nseparator = \",\"\ndecimal = \".\"\n\
                  unit = \"tablet\"\n[columns]\ncode = \"c\"\nperiod = \"m\"\nquantity = \"q\"\n";
    let good = Folder::of(config, "c,m,q\na,2019-01-01,5\n");
    assert_eq!(good.freeze().unwrap().accounting[0].newest.unwrap().to_string(), "2019-01-01");
    let error = text(Folder::of(config, "c,m,q\na,2019-01-02,5\n").freeze());
    assert!(error.contains("row 2, column `m`, value `2019-01-02`: not the first day of a month"), "{error}");
}

#[test]
fn files_and_data_sets_that_are_not_there_are_named() {
    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1"]);
    std::fs::remove_file(folder.dir.path().join("stock.csv")).unwrap();
    let error = folder.freeze().unwrap_err();
    assert_eq!(error.code(), "cannot");
    assert!(error.to_string().contains("stock.csv: opening the extract"), "{error}");
    assert!(text(freeze(&[], folder.dir.path(), &folder.path(), NOW)).contains("none is declared"));
    let twice = vec![config(CONFIG), config(CONFIG)];
    assert!(text(freeze(&twice, folder.dir.path(), &folder.path(), NOW)).contains("stock: declared twice"));

    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1"]);
    let of_use = Query::from_toml(
        "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"use\" }\n\
         [[measure]]\nname = \"n\"\nrows = true\n",
        &mut |_| Err(String::new()),
    );
    let error = folder.evaluate(&of_use.unwrap()).unwrap_err();
    assert_eq!(error.code(), "cannot");
    assert!(error.to_string().contains("holds no data set use"), "{error}");
}

#[test]
fn the_report_accounts_for_every_row() {
    let mut rows = vec!["midazolam;1;ccv;31-12-2027;;01-11-2026;1", "propofol;1;ccv;;;01-11-2026;1"];
    rows.extend(vec!["midazolam;x;ccv;;;05-11-2026;1"; 30]);
    let folder = Folder::stock(&rows);
    let report = folder.report();
    assert!(!report.complete);
    let text = report.to_string();
    for part in [
        "rows: total 32 = used 2 + rejected 30 + objected 0",
        "unit: piece, 2 rows, first in row 2",
        "reference date: 2026-11-01",
        "row 23, column `Voorraad`, value `x`: not a number",
        "FAIL: incomplete: 30 rows rejected, at most 0 allowed",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(text.matches("rejected: ").count(), 20);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["accounting"]["units"][0]["unit"], "piece");
    assert_eq!(json["accounting"]["newest"], "2026-11-01");
    assert_eq!(json["accounting"]["first_rejected"][0]["row"], 4);
    assert!(!folder.path().exists(), "a check stores nothing");

    let good = Folder::stock(&rows[..2]).report();
    assert!(good.complete && good.to_string().ends_with("ok"), "{good}");
    std::fs::remove_file(folder.dir.path().join("stock.csv")).unwrap();
    let gone = folder.report();
    assert!(gone.accounting.is_none() && gone.to_string().contains("FAIL: "), "{gone}");
    assert!(
        data_check(&folder.configs, folder.dir.path(), Some(samensom_protocol::query::Dataset::Use), NOW)
            .is_empty()
    );
}

/// Only a text without a value may stand in the agent's log.
#[test]
fn repro_a_row_that_cannot_be_read_back_is_not_logged() {
    let store =
        |source| crate::extract::ExtractError::Store { path: "x.db".into(), doing: "reading", source };
    let value = store(rusqlite::Error::IntegralValueOutOfRange(0, 412_000));
    assert!(value.to_string().contains("412000") && !value.is_of_the_disk(), "{value}");
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    let full = store(rusqlite::Error::SqliteFailure(full, None));
    assert!(full.is_of_the_disk(), "{full}");
}
