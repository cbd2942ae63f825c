//! What the language accepts, refuses and means.

use super::*;

mod checked;
mod expressions;
mod measures;

const CCV: &str = r#"
[query]
id = "ccv-voorraad"
version = 3
title = { nl = "Landelijke CCV-voorraad", en = "National CCV stock" }
purpose = "stock"
dataset = "stock"

[population]
where = "kind in ('regular', 'ccv') and (expiry > '2026-01-01' or not expiry <= '2026-01-01')"

[[dimension]]
column = "code"
codes = ["midazolam", "propofol", "morfine"]
[[dimension]]
column = "location"
codes = ["apotheek", "ok"]

[[measure]]
name = "stock_regular"
sum = "quantity"
where = "kind = 'regular'"
unit = "piece"
scale = 3
range = [-100000, 1000000]
[[measure]]
name = "stock_ccv"
sum = "quantity"
where = "kind = 'ccv'"
unit = "piece"
scale = 0
range = [-5, 10]
[[measure]]
name = "lines"
rows = true
[[measure]]
name = "holders"
hospitals = "sum(quantity) > 0"

[[derive]]
name = "ccv_share"
ratio = ["stock_ccv", "stock_regular + stock_ccv"]
scale = 3

[floors]
hospitals = 5
"#;

/// The table of figures that all opened.
fn all_of(query: &Query, opened: &[i128]) -> Vec<Row> {
    table(query, opened, &Shown::All)
}

/// The table where the figures open whose bits are set, with 6 hospitals behind each.
fn opened_of(query: &Query, opened: &[i128], bits: &[u8]) -> Vec<Row> {
    let counting = Counting::of(query, false).unwrap();
    let open = Open::from_bytes(&counting, bits).unwrap();
    let totals = vec![6; usize::try_from(counting.cells()).unwrap()];
    table(query, opened, &Shown::Counted { counting: &counting, open: &open, totals: &totals })
}

fn no_files(path: &str) -> Result<String, String> {
    Err(format!("no file {path}"))
}

fn read(text: &str) -> Result<Query, QueryError> {
    Query::from_toml(text, &mut no_files)
}

fn bytes(text: &str) -> Vec<u8> {
    read(text).unwrap().canonical().unwrap()
}

/// The query above with one place replaced.
fn with(from: &str, to: &str) -> String {
    assert!(CCV.contains(from), "{from} is not in the text");
    CCV.replacen(from, to, 1)
}

#[test]
fn layout_comments_key_order_and_quoting_do_not_change_the_identity() {
    let same = r#"
        # the same query, written by somebody else
        floors = { hospitals = 5 }
        population.where = '''  kind   IN ('regular','ccv')
            AND ((expiry>'2026-01-01') or not expiry <= '2026-01-01')'''
        query.dataset = 'stock'
        query.purpose = 'stock'
        query.title = { en = "National CCV stock", nl = "Landelijke CCV-voorraad" }
        query.version = 0x3
        query.id = """ccv-voorraad"""
        [[measure]]
        range = [-100_000, 1_000_000]
        scale = 3
        unit = 'piece'
        where = "kind='regular'"
        sum = 'quantity'
        name = 'stock_regular'
        [[measure]]
        unit = 'piece'
        name = 'stock_ccv'
        sum = 'quantity'
        where = "(kind = 'ccv')"
        scale = 0
        range = [-5, 10]
        [[measure]]
        name = 'lines'
        max = 1000000
        rows = true
        [[measure]]
        name = 'holders'
        unit = 'piece'
        hospitals = "sum( quantity )>0.00"
        [[derive]]
        scale = 3
        ratio = [ ' stock_ccv ', 'stock_regular+stock_ccv' ]
        name = 'ccv_share'
        [[dimension]]
        codes = "codelists/ccv.csv"
        column = 'code'
        [[dimension]]
        codes = ['apotheek', 'ok']
        column = 'location'
    "#;
    let mut asked = Vec::new();
    let other = Query::from_toml(same, &mut |path| {
        asked.push(path.to_owned());
        Ok("\u{feff}code;naam\r\n\"midazolam\";\"a; b\"\r\npropofol;x\r\n\r\nmorfine\r\n".to_owned())
    });
    assert_eq!(other.unwrap().canonical().unwrap(), bytes(CCV));
    assert_eq!(asked, ["codelists/ccv.csv"]);
}

#[test]
fn another_meaning_has_another_identity() {
    let changes = [
        ("version = 3", "version = 4"),
        ("National CCV", "A CCV"),
        ("purpose = \"stock\"", "purpose = \"crisis\""),
        ("> '2026-01-01'", ">= '2026-01-01'"),
        ("or not expiry", "or expiry"),
        ("\"midazolam\", \"propofol\"", "\"propofol\", \"midazolam\""),
        ("hospitals = 5", "hospitals = 6"),
        ("rows = true", "rows = true\nmax = 999999"),
        ("scale = 0", "scale = 1"),
        ("-100000", "-100001"),
        ("\"stock_ccv\", \"stock", "\"stock_regular\", \"stock"),
        ("kind = 'ccv'", "kind <> 'ccv'"),
    ];
    let mut seen = vec![bytes(CCV)];
    for (from, to) in changes {
        let changed = bytes(&with(from, to));
        assert!(!seen.contains(&changed), "{from} -> {to}");
        seen.push(changed);
    }
}

fn change(query: &mut Query, at: usize, with: impl Fn(&mut Measure)) {
    let mut measures: Vec<Measure> = query.measures.iter().cloned().collect();
    with(&mut measures[at]);
    query.measures = List::new(measures).unwrap();
}

#[test]
fn canonical_form_reads_back_and_is_checked_again() {
    let query = read(CCV).unwrap();
    assert_eq!(Query::from_canonical(&query.canonical().unwrap()).unwrap(), query);
    let nested = [&query.canonical().unwrap()[..], &[7]].concat();
    assert_eq!(crate::codec::decode::<(Query, u8)>(&nested).unwrap(), (query.clone(), 7));

    let lie = |change: &dyn Fn(&mut Query)| {
        let mut query = query.clone();
        change(&mut query);
        let bytes = crate::codec::encode(&query).unwrap();
        let nested = [&bytes[..], &[7]].concat();
        assert!(crate::codec::decode::<(Query, u8)>(&nested).is_err(), "inside another message");
        Query::from_canonical(&bytes).unwrap_err().to_string()
    };
    let twice = lie(&|query| query.dimensions = List::new(vec![query.dimensions[0].clone(); 2]).unwrap());
    assert!(twice.contains("dimension 2.column: a second dimension over `code`"), "{twice}");
    let foreign = lie(&|query| query.dataset = Dataset::Use);
    assert!(foreign.contains("population.where: unknown column of data set use `kind`"), "{foreign}");
    let floor = lie(&|query| query.measures = List::new(vec![query.measures[0].clone()]).unwrap());
    assert!(floor.contains("derive 1.ratio"), "{floor}");
    let language = lie(&|query| query.language = 1);
    assert!(language.contains("query language 1"), "{language}");
    let gauge = lie(&|query| change(query, 0, |measure| measure.gauge = Gauge::PLAIN));
    assert!(gauge.contains("measure 1.unit: another unit than that of its value"), "{gauge}");
    let sums = lie(&|query| {
        change(query, 0, |measure| {
            if let MeasureKind::Sum { limits, .. } = &mut measure.kind {
                limits.max = 2;
            }
        });
    });
    assert!(sums.contains("measure 1.max: several sums"), "{sums}");

    let good = query.canonical().unwrap();
    for end in 0..good.len() {
        assert_eq!(Query::from_canonical(&good[..end]).unwrap_err().code, Code::Malformed, "cut at {end}");
    }
    // No flipped byte panics, and what is still a query has another canonical form.
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        if let Ok(other) = Query::from_canonical(&flipped) {
            assert_ne!(other, query, "byte {at}");
            assert_eq!(other.canonical().unwrap(), flipped);
        }
    }
}

/// One change to the good text, and what must stand in the refusal.
const REFUSALS: &[(&str, &str, &[&str])] = &[
    (
        "version = 3",
        "verzion = 3",
        &["line 4, query.verzion: unknown key `verzion`", "did you mean `version`?"],
    ),
    ("version = 3\n", "", &["line 2, query.version: `version` is missing"]),
    ("version = 3", "version = -3", &["line 4, query.version: -3 is out of limits"]),
    ("version = 3", "version = \"3\"", &["line 4", "version of type string", "a whole number"]),
    ("id = \"ccv-voorraad\"", "id = \"CCV voorraad\"", &["line 3, query.id", "a-z, 0-9"]),
    (
        "purpose = \"stock\"",
        "purpose = \"stok\"",
        &["line 6, query.purpose", "`stok`", "did you mean `stock`?"],
    ),
    ("dataset = \"stock\"", "dataset = \"order\"", &["line 7", "did you mean `orders`?"]),
    ("dataset = \"stock\"", "dataset = \"stocks\"", &["line 7", "did you mean `stock`?"]),
    (
        "dataset = \"stock\"",
        "dataset = \"stock\"\nmax_age = \"36 uur\"",
        &["line 8, query.max_age", "is no length of time; expected such as 90m, 36h or 45d"],
    ),
    (
        "[population]",
        "[[parameter]]\nname = \"horizon\"\n[population]",
        &["line 9, parameter 1.type: `type` is missing"],
    ),
    ("[population]", "[populatie]", &["line 9, populatie: unknown key", "did you mean `population`?"]),
    (
        "kind in",
        "kindd in",
        &["line 10, population.where: unknown column of data set stock `kindd`", "did you mean `kind`?"],
    ),
    ("('regular', 'ccv')", "('regular', 'cvv')", &["line 10", "unknown kind `cvv`", "did you mean `ccv`?"]),
    ("> '2026-01-01'", "> '2026-02-30'", &["line 10", "`2026-02-30` is not a date"]),
    ("> '2026-01-01'", "> 5", &["line 10", "a date is compared with a number"]),
    ("> '2026-01-01'", "is nul", &["line 10", "`nul` at letter", "expected `null`"]),
    ("> '2026-01-01'", "+ 3 > '2026-01-01'", &["line 10", "arithmetic with a date and a number", "in days"]),
    ("> '2026-01-01'", "- as_of > '2026-01-01'", &["line 10", "days is compared with text"]),
    ("> '2026-01-01'", "- as_of > quantity", &["line 10", "days is compared with quantity"]),
    ("> '2026-01-01'", "> as_of + as_of", &["line 10", "arithmetic with a date and a date"]),
    (
        "where = \"kind in",
        "where = \"quantity + quantity * quantity > 1 and kind in",
        &["quantity and quantity^2 are added or subtracted"],
    ),
    (
        "where = \"kind in",
        "where = \"quantity / (expiry - as_of) > quantity and kind in",
        &["quantity x days^-1 is compared with quantity"],
    ),
    (
        "where = \"kind in",
        "where = \"quantity * quantity * quantity * quantity > 1 and kind in",
        &["power above 3"],
    ),
    ("where = \"kind in", "where = \"quantity / 0.0 > 1 and kind in", &["a division by 0"]),
    ("where = \"kind in", "where = \"code / 2 > 1 and kind in", &["arithmetic with text and a number"]),
    ("where = \"kind in", "where = \"(quantity) and kind in", &["`and` at letter 12; expected one of ="]),
    ("where = \"kind in", "where = \"quantity + (kind = 'ccv') > 1 and kind in", &["not one condition"]),
    ("where = \"kind in", "where = \"quantity in (quantity) and kind in", &["a column in the list"]),
    (
        "where = \"kind in",
        "where = \"code like '%a' and kind in",
        &["the pattern '%a' at letter 11", "'N05%'"],
    ),
    ("where = \"kind in", "where = \"code like 'a' and kind in", &["the pattern 'a'"]),
    ("where = \"kind in", "where = \"quantity like 'a%' and kind in", &["quantity before `like`"]),
    ("where = \"kind in", "where = \"2 is null and kind in", &["a literal is judged"]),
    ("> '2026-01-01'", "== '2026-01-01'", &["`==` at letter 40", "write a single ="]),
    ("> '2026-01-01'", "like '2026%'", &["a date before `like`"]),
    ("> '2026-01-01'", "between '2027-01-01' and '2026-01-01'", &["higher end first"]),
    ("> '2026-01-01' or", "> '2026-01-01' of", &["`of` at letter", "expected `)`"]),
    ("where = \"kind in", "where = \"location > 'a' and kind in", &["texts have no order"]),
    (
        "where = \"kind in",
        "where = \"sum(quantity) > 0 and kind in",
        &["an aggregate where one row is judged"],
    ),
    ("where = \"kind in", "where = \"1 = 1 and kind in", &["two literals are compared"]),
    (
        "where = \"kind in",
        "where = \"quantity = 1.234.5 and kind in",
        &["`1.234.5` at letter 12 is not a number"],
    ),
    ("where = \"kind in", "where = \"quantity = 0.0000001 and kind in", &["too large or too fine"]),
    ("where = \"kind in", "where = \"median(quantity) = 1 and kind in", &["unknown function `median`"]),
    ("where = \"kind in", "where = \"code = 'a and kind in", &["is not closed"]),
    ("column = \"code\"", "column = \"cod\"", &["line 13, dimension 1.column", "did you mean `code`?"]),
    ("column = \"code\"", "column = \"quantity\"", &["line 13, dimension 1.column: `quantity` is a number"]),
    ("column = \"code\"", "column = \"unit\"", &["line 13, dimension 1.column: `unit` cannot make cells"]),
    ("column = \"code\"", "column = \"expiry\"", &["line 14, dimension 1.codes: `midazolam` is not a date"]),
    (
        "column = \"location\"",
        "column = \"code\"",
        &["line 16, dimension 2.column: a second dimension over `code`"],
    ),
    (
        "column = \"location\"",
        "column = \"location\"\ngroup = \"purchasing_group\"",
        &[
            "line 15, dimension 2: `column` of the rows and `group` of the hospitals",
            "two dimensions for both",
        ],
    ),
    (
        "column = \"location\"",
        "column = \"purchasing_group\"",
        &["line 16, dimension 2.column: unknown column"],
    ),
    ("\"morfine\"", "\"propofol\"", &["line 14, dimension 1.codes: code `propofol` stands there twice"]),
    ("\"morfine\"", "\" morfine\"", &["line 14", "has space at an end"]),
    ("codes = [\"apotheek\", \"ok\"]", "codes = []", &["line 17, dimension 2.codes: no codes"]),
    (
        "codes = [\"apotheek\", \"ok\"]",
        "codes = \"x.csv\"",
        &["line 17", "`x.csv` cannot be read: no file x.csv"],
    ),
    ("sum = \"quantity\"", "sum = \"expiry\"", &["line 21, measure 1.sum: this is not one number"]),
    (
        "sum = \"quantity\"",
        "histogram = \"sum(quantity)\"",
        &["line 24, measure 1.scale: `scale` does not belong to a `histogram` measure"],
    ),
    (
        "sum = \"quantity\"",
        "sum = \"quantity\"\nrows = true",
        &["line 19, measure 1: several kinds", "exactly one of"],
    ),
    (
        "unit = \"piece\"",
        "unit = \"pieces\"",
        &["line 23, measure 1.unit: unknown unit `pieces`", "did you mean `piece`?"],
    ),
    (
        "unit = \"piece\"\n",
        "",
        &["line 21, measure 1.sum: the measure speaks of a quantity", "a key `unit`, one of"],
    ),
    ("scale = 3", "scale = 7", &["line 24, measure 1.scale: scale 7", "0 to 6"]),
    ("scale = 3", "scale = 300", &["line 24, measure 1.scale: 300 is out of limits"]),
    ("range = [-100000, 1000000]", "range = [1, 5]", &["line 25, measure 1.range", "contributes 0"]),
    ("range = [-100000, 1000000]", "range = [0.5, 1]", &["line 25", "a whole number"]),
    ("range = [-100000, 1000000]", "range = [0, 9223372036854775807]", &["line 25", "does not fit 64 bits"]),
    (
        "rows = true",
        "rows = true\nscale = 2",
        &["line 36, measure 3.scale: `scale` does not belong to a `rows` measure"],
    ),
    ("rows = true", "rows = true\nmax = 0", &["line 36, measure 3.max: max = 0"]),
    ("rows = true", "rows = false", &["rows = false; expected true"]),
    ("name = \"lines\"", "name = \"stock_ccv\"", &["line 34, measure 3.name: a second `stock_ccv`"]),
    ("name = \"ccv_share\"", "name = \"lines\"", &["line 41, derive 1.name: a second `lines`"]),
    ("name = \"lines\"", "name = \"value\"", &["a word of the output"]),
    ("sum(quantity) > 0", "quantity > 0", &["line 38, measure 4.hospitals: column `quantity` stands alone"]),
    ("sum(quantity) > 0", "sum(expiry) > 0", &["line 38", "sum(expiry) adds a date"]),
    (
        "sum(quantity) > 0",
        "count(*) > 0\"\nunit = \"piece",
        &["line 39, measure 4.unit", "does not speak of a quantity"],
    ),
    (
        "\"stock_ccv\", \"stock_regular + stock_ccv\"",
        "\"stock_cvv\", \"stock_ccv\"",
        &["line 42, derive 1.ratio: unknown measure `stock_cvv`", "did you mean `stock_ccv`?"],
    ),
    (
        "\"stock_regular + stock_ccv\"",
        "\"stock_regular - stock_ccv\"",
        &["`-` in a ratio; expected names of measures joined by +"],
    ),
    ("\"stock_regular + stock_ccv\"", "\"stock_regular + lines\"", &["line 42", "piece and rows are added"]),
    ("\"stock_regular + stock_ccv\"", "\"stock_ccv + stock_ccv\"", &["added to itself"]),
    (
        "hospitals = 5",
        "hospitals = 5\npatients = 10",
        &["line 47, floors.patients: a floor of patients, and data set stock has none"],
    ),
    ("hospitals = 5", "hospitals = 5\ndominance = 0", &["line 47, floors.dominance: a share of 0"]),
    ("hospitals = 5", "hospitals = 5\ndominance = 101", &["line 47, floors.dominance: a share of 101"]),
    ("hospitals = 5", "hospitals = 0", &["line 46, floors.hospitals: a floor of 0"]),
    ("[floors]", "[floors", &["line 45"]),
];

/// Without the column, which has a test of its own.
fn said(error: QueryError) -> String {
    QueryError { column: None, ..error }.to_string()
}

#[test]
fn refusals_point_at_the_column_of_what_is_wrong() {
    for (from, to, there) in [
        ("version = 3", "verzion = 3", "verzion"),
        ("version = 3", "version = -3", "-3"),
        ("purpose = \"stock\"", "purpose = \"stok\"", "\"stok\""),
        ("[population]", "[populatie]", "populatie"),
        ("kind in", "kindd in", "kindd in"),
        ("('regular', 'ccv') and", "('regular', 'ccv') en", "en (expiry"),
        ("> '2026-01-01' or", "== '2026-01-01' or", "== '2026-01-01'"),
        ("> '2026-01-01' or", "> '2026-01-01' of", "of not"),
        ("sum(quantity) > 0", "sum(quantityy) > 0", "quantityy"),
        ("sum(quantity) > 0", "som(quantity) > 0", "som(quantity)"),
        ("sum(quantity) > 0", "sum(quantity) >", "\""),
        ("where = \"kind = 'ccv'\"", "where = \"\"\"\n  kind = \n  'ccv' + ('x\"\"\"", "'x"),
        ("where = \"kind = 'ccv'\"", "where = \"\\u006bind = 'ccv' xor\"", "xor"),
        ("title = { nl", "title = { nl = 1, nl", "nl = \"Landelijke"),
        ("column = \"location\"", "column = \"locatie\"", "\"locatie\""),
        ("scale = 3\nrange", "scale = 300\nrange", "300"),
    ] {
        let text = with(from, to);
        let error = read(&text).expect_err(&format!("{from} -> {to} was accepted"));
        let (line, column) = (error.line.unwrap() as usize, error.column.expect(to) as usize);
        let line = text.lines().nth(line - 1).unwrap();
        let at: String = line.chars().skip(column - 1).collect();
        assert!(at.starts_with(there), "{from} -> {to}\n  says   {error}\n  there  {at}");
        assert!(error.to_string().contains(&format!(", column {column}, ")), "{error}");
    }
}

#[test]
fn refusals_say_where_what_and_what_to_do() {
    for (from, to, wanted) in REFUSALS {
        let text = with(from, to);
        let error = said(read(&text).expect_err(&format!("{from} -> {to} was accepted")));
        for part in *wanted {
            assert!(error.contains(part), "{from} -> {to}\n  says   {error}\n  wanted {part}");
        }
    }
}

#[test]
fn a_count_of_hospitals_takes_the_unit_of_the_sums_or_asks_for_it() {
    let query = read(CCV).unwrap();
    assert_eq!(query.measures()[3].unit(), Some(Unit::Piece));
    let mixed = with("unit = \"piece\"", "unit = \"ml\"")
        .replace("ratio = [\"stock_ccv\", \"stock_regular + ", "ratio = [\"stock_ccv\", \"");
    let error = said(read(&mixed).unwrap_err());
    assert!(error.starts_with("line 38, measure 4.hospitals: the measure speaks of a quantity"), "{error}");
    assert!(read(&mixed.replace("sum(quantity) > 0", "count(*) > 0")).is_ok());
}

#[test]
fn layout_and_bounds_are_those_of_the_text() {
    let layout = read(CCV).unwrap().layout();
    assert_eq!(layout.cells(), 3 * 2 * 4);
    assert_eq!(layout.cell(&[0, 0], 0), Some(0));
    assert_eq!(layout.cell(&[0, 1], 0), Some(4), "the last dimension is the faster one");
    assert_eq!(layout.cell(&[2, 1], 3), Some(23));
    for cell in 0..layout.cells() {
        let (dims, measure) = layout.place(cell).unwrap();
        assert_eq!(layout.cell(&dims, measure), Some(cell));
    }
    assert_eq!(layout.place(24), None);
    for outside in
        [layout.cell(&[3, 0], 0), layout.cell(&[0, 2], 0), layout.cell(&[0], 0), layout.cell(&[0, 0], 4)]
    {
        assert_eq!(outside, None);
    }
    assert_eq!(layout.bounds(0), (-100_000_000, 1_000_000_000));
    assert_eq!(layout.bounds(1), (-5, 10));
    assert_eq!(layout.bounds(2), (0, 1_000_000));
    assert_eq!(layout.bounds(7), (0, 1));
    assert_eq!(layout.bounds(24), (0, 0));
    assert_eq!(layout.widest(), 1_100_000_000);
}

#[test]
fn cells_are_capped() {
    let codes: Vec<String> = (0..9_000).map(|code| format!("\"{code}\"")).collect();
    let many = with("[\"midazolam\", \"propofol\", \"morfine\"]", &format!("[{}]", codes.join(",")));
    assert_eq!(read(&many).unwrap().layout().cells(), 72_000);
    let more = many.replace("[\"apotheek\", \"ok\"]", &format!("[{}]", codes[..300].join(",")));
    let error = read(&more).unwrap_err();
    assert_eq!(
        (error.code, error.to_string().contains("10800000 cells: code 9000 x location 300 x 4 figures; expected at most 2000000; ask for less of `code`")),
        (Code::Limit, true),
        "{error}"
    );
    let codes: Vec<String> = (0..20_001).map(|code| format!("\"{code}\"")).collect();
    let error = read(&with("[\"apotheek\", \"ok\"]", &format!("[{}]", codes.join(",")))).unwrap_err();
    let error = said(error);
    assert!(error.contains("line 17, dimension 2.codes: 20001 codes"), "{error}");
}

/// Opened cells: a closed one, ordinary, no use, and a half to round, twice.
#[test]
fn table_hides_what_stayed_closed_and_rounds_half_to_even() {
    let query = read(CCV).unwrap();
    #[rustfmt::skip]
    let opened: Vec<i128> = vec![
        1_000,       7, 3, 4,
        160_396_050, 1, 9, 5,
        0,           0, 2, 6,
        1_999_000,   1, 1, 69,
        15_000,      1, 1, 69,
        -500,        0, 1, 69,
    ];
    let rows = opened_of(&query, &opened, &[0xf0, 0xff, 0xff]);
    assert_eq!(rows.len(), 6 * 5);
    assert!(rows.iter().all(|row| row.hospitals == Some(6)));
    assert!(
        all_of(&query, &opened).iter().all(|row| row.hospitals.is_none() && row.value != Value::Suppressed)
    );
    let shown: Vec<Vec<String>> =
        rows.chunks(5).map(|cell| cell.iter().map(|row| row.value.to_string()).collect()).collect();
    assert_eq!(shown[0], ["suppressed"; 5]);
    assert_eq!(shown[1], ["160396.05", "1", "9", "5", "0"]);
    assert_eq!(shown[2], ["0", "0", "2", "6", "no use"]);
    assert_eq!(shown[3], ["1999", "1", "1", "69", "0"], "0.0005 rounds to the even 0");
    assert_eq!(shown[4], ["15", "1", "1", "69", "0.062"], "0.0625 rounds to the even 0.062");
    assert_eq!(shown[5], ["-0.5", "0", "1", "69", "0"]);
    let label = |column: &str, code: &str| (column.to_owned(), code.to_owned());
    assert_eq!(rows[5].labels, [label("code", "midazolam"), label("location", "ok")]);
    let names: Vec<(&str, &str)> =
        rows[..5].iter().map(|row| (row.measure.as_str(), row.unit.as_str())).collect();
    assert_eq!(
        names,
        [
            ("stock_regular", "piece"),
            ("stock_ccv", "piece"),
            ("lines", "rows"),
            ("holders", "hospitals"),
            ("ccv_share", "1")
        ]
    );
    assert!(all_of(&query, &opened[1..]).is_empty(), "one value per cell or no table at all");
}

#[test]
fn figures_at_the_bounds_of_everything_are_still_exact() {
    let wide =
        with("scale = 3\nrange = [-100000, 1000000]", "scale = 6\nrange = [-9000000000000, 9000000000000]");
    let query = read(&wide.replace("scale = 3", "scale = 6")).unwrap();
    let most = 9_000_000_000_000_000_000_i128 * 65_535;
    let cell = [most, 3, 1, 69];
    let rows = all_of(&query, &cell.repeat(6));
    assert_eq!(rows[0].value.to_string(), "589815000000000000");
    assert_eq!(rows[4].value.to_string(), "0");
    let reversed =
        wide.replace("\"stock_ccv\", \"stock_regular + stock_ccv\"", "\"stock_regular\", \"stock_ccv\"");
    let rows = all_of(&read(&reversed).unwrap(), &cell.repeat(6));
    assert_eq!(rows[4].value.to_string(), "196605000000000000");
}

#[test]
fn dutch_text_says_what_is_computed_what_leaves_and_the_floor() {
    let text = read(CCV).unwrap().describe(Language::Dutch);
    for part in [
        "Landelijke CCV-voorraad (ccv-voorraad versie 3, doel: voorraad)",
        "Het extract `stock` (voorraad op een peildatum): product (`code`), hoeveelheid (`quantity`), eenheid (`unit`)",
        "Alleen regels waarvoor geldt: (soort voorraad een van 'regular', 'ccv' en (houdbaarheidsdatum groter dan 2026-01-01 of niet (houdbaarheidsdatum hoogstens 2026-01-01))).",
        "Per product: 3 waarden (midazolam, propofol, morfine); andere waarden tellen niet mee.",
        "`stock_ccv`: de som van hoeveelheid [piece], op 0 decimalen; buiten -5 tot 10 weigert de node, alleen over regels waarvoor geldt: soort voorraad is 'ccv'",
        "`holders`: 1 als voor dit ziekenhuis geldt: de som van hoeveelheid groter dan 0 [piece]; anders 0",
        "`ccv_share`: (stock_ccv) gedeeld door (stock_regular + stock_ccv), op 3 decimalen.",
        "24 getallen",
        "minder dan 5 ziekenhuizen",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn code_lists_that_cannot_be_read_name_the_line() {
    let listed = with("codes = [\"apotheek\", \"ok\"]", "codes = \"lists/x.csv\"");
    for (file, wanted) in [
        ("", "no codes"),
        ("apotheek\nok\n", "line 1 of the code list begins with `apotheek`"),
        ("code\n\"a\nb\"\n", "line 2 of the code list cannot be read"),
        ("code\ra\rb\r", "line 1 of the code list cannot be read"),
        ("code,name\n,x\n", "is empty"),
    ] {
        let error = said(Query::from_toml(&listed, &mut |_| Ok(file.to_owned())).unwrap_err());
        assert!(
            error.starts_with("line 17, dimension 2.codes: ") && error.contains(wanted),
            "{file:?}: {error}"
        );
    }
}
