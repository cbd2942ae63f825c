//! Position and course in plain numbers, added by hand from a few rows each.

use super::*;
use samensom_protocol::query::{Column, Dataset};

const STOCK: &str = "as_of = \"d\"\ncode = \"c\"\nquantity = \"q\"\nkind = \"k\"";
const USE: &str = "period = \"d\"\ncode = \"c\"\nquantity = \"q\"";
const ORDERS: &str = "ordered = \"d\"\ncode = \"c\"\nquantity = \"q\"\neta = \"e\"\ndelivered = \"l\"\ndelivered_quantity = \"n\"";
const GIVEN: &str = "person = \"p\"\ncode = \"c\"\nat = \"d\"\nquantity = \"q\"\nroute = \"r\"\nward = \"w\"\nstay = \"s\"\nage = \"a\"";
const STAYS: &str = "person = \"p\"\nstay = \"s\"\nfrom = \"f\"\nto = \"t\"";
const RESULTS: &str = "person = \"p\"\ncode = \"c\"\nat = \"d\"\nvalue = \"q\"";

fn extract(dataset: &str, columns: &str, unit: &str) -> ExtractConfig {
    config(&format!(
        "dataset = \"{dataset}\"\nfile = \"{dataset}.csv\"\nencoding = \"utf-8\"\nseparator = \",\"\ndecimal = \".\"\n\
         may_be_empty = true\n{unit}\n[columns]\n{columns}\n"
    ))
}

/// Goods of these rows; a unit stands in the last column of each.
fn goods(stock: &str, used: &str, orders: &str) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let table = "unit_table = \"units.csv\"\nlevel = \"base\"";
    let write = |name: &str, header: &str, rows: &str| {
        std::fs::write(dir.path().join(name), format!("{header}\n{rows}")).unwrap();
    };
    write("stock.csv", "d,c,q,k", stock);
    write("use.csv", "d,c,q", used);
    write("orders.csv", "d,c,q,e,l,n", orders);
    // The same product is counted in pieces here and in ml there: never one row.
    write("units.csv", "code,level,unit,factor", "a,base,piece,1\nb,base,ml,1\n");
    let configs = vec![
        extract("stock", STOCK, table),
        extract("use", USE, table),
        extract("orders", ORDERS, "unit = \"piece\""),
    ];
    Folder { dir, configs }
}

/// Rows of a derived data set in whole numbers, what is 0 left out: `code unit stock=4 due_1=2`.
fn plain(frozen: &Frozen, dataset: Dataset) -> Vec<String> {
    let connection = rusqlite::Connection::open(frozen.path()).unwrap();
    let columns: Vec<String> = dataset.columns().iter().map(|one| format!("\"{}\"", one.name())).collect();
    let sql = format!("SELECT {} FROM {} ORDER BY seq", columns.join(", "), dataset.name());
    let mut statement = connection.prepare(&sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let mut shown = Vec::new();
        for (place, column) in dataset.columns().iter().enumerate() {
            match row.get_ref(place).unwrap() {
                rusqlite::types::ValueRef::Null => {}
                rusqlite::types::ValueRef::Integer(0) if *column != Column::SwitchedOnDay => {}
                rusqlite::types::ValueRef::Integer(number) => {
                    assert_eq!(number % 100_000, 0, "tenths at most stand in these tests");
                    let sign = if number < 0 { "-" } else { "" };
                    let (whole, tenth) = (number.abs() / 1_000_000, number.abs() / 100_000 % 10);
                    let tenth = if tenth == 0 { String::new() } else { format!(".{tenth}") };
                    shown.push(format!("{}={sign}{whole}{tenth}", column.name()));
                }
                other => shown.push(other.as_str().unwrap().to_owned()),
            }
        }
        all.push(shown.join(" "));
    }
    all
}

/// The rows of a derived data set, which are read back as they were written.
fn made(folder: &Folder, dataset: Dataset) -> Vec<String> {
    let frozen = folder.freeze().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash);
    if frozen.accounting_of(dataset).is_none() {
        return Vec::new();
    }
    let rows = plain(&frozen, dataset);
    assert_eq!(frozen.accounting_of(dataset).map_or(0, |one| one.used), rows.len() as u64);
    rows
}

#[test]
fn a_position_is_the_stock_the_use_and_the_orders_of_a_product() {
    let stock = "2026-11-15,a,4.5,regular\n2026-11-15,a,2,regular\n2026-11-15,a,8,ccv\n2026-11-15,a,16,study\n\
                 2026-11-15,b,32,own\n";
    // The reference date lies in November: 3 months are August to October, 12 begin with November of last year.
    let used = "2026-11-01,a,1000\n2026-10-01,a,1\n2026-08-01,a,2\n2026-07-01,a,4\n2025-11-01,a,8\n2025-10-01,a,2000\n\
                2026-10-01,b,-0.5\n";
    let folder = goods(stock, used, "");
    assert_eq!(
        made(&folder, Dataset::Position),
        ["a piece stock=6.5 ccv_stock=8 use_3m=3 use_12m=15", "b ml use_3m=-0.5 use_12m=-0.5"]
    );
}

#[test]
fn orders_that_did_not_come_are_due_in_their_week() {
    let line = |eta: &str, quantity: &str| format!("2026-11-01,a,{quantity},{eta},,\n");
    let orders = [
        line("2026-10-01", "1"),                                     // overdue
        line("2026-11-15", "2"),                                     // the reference date itself: week 0
        line("2026-11-21", "4"),                                     // day 6: week 0
        line("2026-11-22", "8"),                                     // day 7: week 1
        line("2026-11-28", "16"),                                    // day 13: week 1
        line("2027-02-07", "32"),                                    // day 84: week 12
        line("2027-02-13", "64"),                                    // day 90: week 12
        line("2027-02-14", "128"),                                   // day 91: later
        line("", "256"),                                             // nobody knows
        "2026-11-16,a,5000,2026-11-20,,\n".to_owned(),               // ordered after the reference date
        "2026-11-01,a,5000,2026-11-20,2026-11-15,5000\n".to_owned(), // delivered on it
        "2026-11-01,a,512,2026-12-06,2026-11-16,512\n".to_owned(),   // delivered after it: day 21, week 3
        "2026-11-01,a,1024,2026-12-13,,24\n".to_owned(),             // 24 have come already: day 28, week 4
        "2026-11-01,a,1,2026-12-13,,3\n".to_owned(), // more came than was ordered: nothing due
        "2026-11-01,a,-1,2026-12-20,,\n".to_owned(), // a correction: day 35, week 5
    ];
    let folder = goods("2026-11-15,b,1,regular\n", "", &orders.concat());
    assert_eq!(
        made(&folder, Dataset::Position),
        [
            "a piece due_0=7 due_1=24 due_3=512 due_4=1000 due_5=-1 due_12=96 due_later=128 due_unknown=256",
            "b ml stock=1"
        ]
    );
}

#[test]
fn two_units_of_a_product_are_two_rows() {
    let stock = "2026-11-15,b,3,regular\n";
    let folder = goods(stock, "2026-10-01,b,5\n", "2026-11-01,b,7,,,\n");
    // Stock and use are in ml by their table, the orders in pieces.
    assert_eq!(
        made(&folder, Dataset::Position),
        ["b ml stock=3 use_3m=5 use_12m=5", "b piece due_unknown=7"]
    );
    let frozen = Frozen::open(&folder.path()).unwrap();
    let units: Vec<&str> = frozen.units_of(Dataset::Position).map(|seen| seen.unit.name()).collect();
    assert_eq!(units, ["ml", "piece"]);
}

#[test]
fn without_its_sources_there_is_no_position_and_the_text_says_why() {
    let made = |folder: &Folder| made(folder, Dataset::Position).len();
    let stock = "2026-11-15,a,1,regular\n";
    assert_eq!(made(&goods(stock, "", "")), 1);
    assert_eq!(
        made(&goods("", "2026-10-01,a,1\n", "2026-11-01,a,7,,,\n")),
        0,
        "no row of stock, no reference date"
    );
    for without in 0..3 {
        let mut folder = goods(stock, "2026-10-01,a,1\n", "2026-11-01,a,7,,,\n");
        folder.configs.remove(without);
        assert_eq!(made(&folder), 0, "without source {without}");
    }
    let mut undated = goods(stock, "", "");
    undated.configs[0] = extract("stock", &STOCK.replace("as_of = \"d\"\n", ""), "unit = \"piece\"");
    assert_eq!(made(&undated), 0, "no reference date");
    let query = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"position\" }\n\
                 [[measure]]\nname = \"n\"\nrows = true\n";
    let query = Query::from_toml(query, &mut |_| Err(String::new())).unwrap();
    let frozen = Frozen::open(&undated.path()).unwrap();
    let told = text(evaluate(&query, &frozen));
    assert_eq!(
        told,
        "the frozen extract holds no data set position, which the agent makes; expected an [[extract]] of stock, use and \
         orders each, and as_of in a row of stock"
    );
    let whole = goods(stock, "", "");
    assert_eq!(whole.evaluate(&query).unwrap(), [1]);
}

#[test]
fn a_sum_that_leaves_64_bits_is_refused_by_name() {
    let row = "2026-11-15,a,999999999999,regular\n";
    let told = text(goods(&row.repeat(10), "", "").freeze());
    assert!(told.starts_with("measure `position`: the sum is too large for any figure"), "{told}");
    assert!(goods(&row.repeat(9), "", "").freeze().is_ok());
}

/// Care of these rows; admissions and results only where some are given.
fn care(given: &str, stays: &str, results: &str) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let mut configs = Vec::new();
    for (dataset, header, columns, unit, rows) in [
        ("administration", "p,c,d,q,r,w,s,a", GIVEN, "unit = \"mg\"", given),
        ("admission", "p,s,f,t", STAYS, "", stays),
        ("result", "p,c,d,q", RESULTS, "unit = \"mmol\"", results),
    ] {
        if dataset == "administration" || !rows.is_empty() {
            std::fs::write(dir.path().join(format!("{dataset}.csv")), format!("{header}\n{rows}")).unwrap();
            configs.push(extract(dataset, columns, unit));
        }
    }
    Folder { dir, configs }
}

fn courses(given: &[&str], stays: &str, results: &str) -> Vec<String> {
    let rows: String = given.iter().map(|row| format!("{row}\n")).collect();
    made(&care(&rows, stays, results), Dataset::Course)
}

#[test]
fn a_gap_of_more_than_three_days_ends_a_course() {
    // Days 1, 2 and 5 belong together; day 9 is 4 days on. The last record of p1 is that of drug y, on day 20.
    let given = [
        "p1,x,2026-11-05,1,,,,",
        "p1,x,2026-11-01,1,,,,",
        "p1,x,2026-11-02,1,,,,",
        "p1,x,2026-11-09,1,,,,",
        "p1,x,2026-11-15,1,,,,",
        "p1,y,2026-11-20,1,,,,",
    ];
    assert_eq!(
        courses(&given, "", ""),
        ["p1 x 2026-11-01 days=5 event=1 event_day=8", "p1 y 2026-11-20 days=1"]
    );
    // 3 days on is the same course; its end is what was seen of the patient, a result.
    let given = ["p1,x,2026-11-01,1,,,,", "p1,x,2026-11-04,1,,,,"];
    assert_eq!(
        courses(&given, "", "p1,k,2026-11-11,1\np2,k,2026-12-31,1\n"),
        ["p1 x 2026-11-01 days=4 event_day=10"]
    );
    // More than 3 days from the first, and nothing behind the last: no event.
    let steady = ["p1,x,2026-11-01,1,,,,", "p1,x,2026-11-03,1,,,,", "p1,x,2026-11-05,1,,,,"];
    assert_eq!(courses(&steady, "", ""), ["p1 x 2026-11-01 days=5 event_day=4"]);
    // So may a discharge be, and twice on a day is once.
    let twice = ["p1,x,2026-11-01,1,,,,", "p1,x,2026-11-01,2,,,,"];
    assert_eq!(courses(&twice, "p1,O1,2026-10-01,2026-11-03\n", ""), ["p1 x 2026-11-01 days=1 event_day=2"]);
}

#[test]
fn a_course_is_of_one_stay_and_comes_again_in_any() {
    let given = [
        "p1,x,2026-11-01,1,,,O1,",
        "p1,x,2026-11-03,1,,,O1,", // the course of O1: 3 days
        "p1,x,2026-11-06,1,,,O2,", // 3 days after: no event for O1 yet; the course of O2
        "p1,x,2026-11-10,1,,,O3,", // more than 3 days after O1 and after O2
        "p1,x,2026-11-30,1,,,,",   // without a stay
        "p2,x,2026-11-10,1,,,O1,", // another patient, whose stay has the same number
    ];
    let stays = "p1,O1,2026-10-31,2026-11-05\np1,O2,2026-11-06,\np1,O2,2026-11-05,2026-11-06\np1,O3,2026-11-09,2026-11-09\np1,O3,2026-11-10,2026-11-12\n\
                 p2,O1,2026-11-10,2026-11-09\n";
    assert_eq!(
        courses(&given, stays, ""),
        [
            "p1 x 2026-11-30 days=1",
            "p1 x O1 2026-11-01 days=3 bed_days=6 event=1 event_day=9",
            "p1 x O2 2026-11-06 days=1 event=1 event_day=4",
            "p1 x O3 2026-11-10 days=1 bed_days=4 event=1 event_day=20",
            "p2 x O1 2026-11-10 days=1",
        ]
    );
}

#[test]
fn a_switch_is_the_first_oral_day_of_a_course_that_began_otherwise() {
    for (given, wanted) in [
        (
            vec!["1,1,iv,IC,,70", "2,1,iv,C2,,71", "3,1,oral,C2,,71", "4,1,oral,C2,,71"],
            "days=4 switched_on_day=2 iv IC age=70 event_day=3",
        ),
        (vec!["1,1,oral,C2,,70", "2,1,iv,C2,,70"], "days=2 oral C2 age=70 event_day=1"),
        (vec!["1,1,oral,C2,,70", "1,1,iv,B1,,"], "days=1 switched_on_day=0 iv B1 age=70"),
        (vec!["1,1,,C2,,70", "2,1,oral,C2,,70"], "days=2 C2 age=70 event_day=1"),
        (vec!["1,1,iv,,,", "6,1,oral,,,"], "days=1 iv event=1 event_day=5"),
        (vec!["1,1,oral,,,", "1,1,iv,,,", "1,1,im,,,"], "days=1 switched_on_day=0 im"),
        (vec!["1,1,oral,,,", "1,1,rectal,,,"], "days=1 switched_on_day=0 rectal"),
    ] {
        let rows: Vec<String> = given.iter().map(|row| format!("p1,x,2026-11-0{row}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(courses(&rows, "", ""), [format!("p1 x 2026-11-01 {wanted}")], "{given:?}");
    }
}

#[test]
fn an_indication_is_known_by_what_was_given_beside() {
    let course = |beside: &str| {
        let given = ["p1,A02BC01,2026-11-02,1,,,,", "p1,A02BC01,2026-11-05,1,,,,"];
        let all: Vec<&str> =
            given.into_iter().chain(beside.split(' ').filter(|row| !row.is_empty())).collect();
        let found = courses(&all, "", "").into_iter().find(|row| row.starts_with("p1 A02BC01 ")).unwrap();
        found.split(' ').find(|word| ["M01A", "B01", "H02AB"].contains(word)).map(str::to_owned)
    };
    for (beside, wanted) in [
        ("", None),
        ("p1,M01AE01,2026-11-05,1,,,,", Some("M01A")),
        ("p1,H02AB06,2026-11-02,1,,,,", Some("H02AB")),
        ("p1,H02AB06,2026-11-02,1,,,, p1,B01AC06,2026-11-03,1,,,, p1,B01AB05,2026-11-04,1,,,,", Some("B01")),
        ("p1,B01AC06,2026-11-03,1,,,, p1,M01AB05,2026-11-04,1,,,,", Some("M01A")),
        ("p1,B01AC06,2026-11-01,1,,,, p1,M01AB05,2026-11-06,1,,,,", None), // before and after
        ("p2,B01AC06,2026-11-03,1,,,,", None),                             // another patient
        ("p1,M01BA01,2026-11-03,1,,,, p1,H02BX01,2026-11-03,1,,,,", None), // other groups
    ] {
        assert_eq!(course(beside).as_deref(), wanted, "{beside}");
    }
    // A drug is not its own indication.
    assert_eq!(courses(&["p1,B01AC06,2026-11-01,1,,,,"], "", ""), ["p1 B01AC06 2026-11-01 days=1"]);
}

#[test]
fn courses_need_administrations_alone_and_follow_no_order() {
    let given = "p1,x,2026-11-01,1,,,,\np2,y,1969-12-28,1,,,,\np2,y,1970-01-05,1,,,,\n";
    let turned: String = given.lines().rev().map(|line| format!("{line}\n")).collect();
    let folders = [given, &turned].map(|rows| care(rows, "", ""));
    // Days before 1970 are days like others.
    let wanted = ["p1 x 2026-11-01 days=1", "p2 y 1969-12-28 days=1 event=1 event_day=8"];
    folders.iter().for_each(|folder| assert_eq!(made(folder, Dataset::Course), wanted));
    let [frozen, other] = folders.each_ref().map(|folder| Frozen::open(&folder.path()).unwrap());
    assert_eq!(frozen.hash, other.hash);
    let names: Vec<&str> = frozen.accounting.iter().map(|one| one.dataset.name()).collect();
    assert_eq!(names, ["administration", "course"]);
    let accounting = frozen.accounting_of(Dataset::Course).unwrap();
    assert_eq!((accounting.used, accounting.rejected, accounting.units.len()), (2, 0, 0));
    assert_eq!(accounting.newest.unwrap().to_string(), "2026-11-01");
    let mut without = care("", "p1,O1,2026-11-01,\n", "");
    without.configs.remove(0);
    assert!(without.freeze().unwrap().accounting_of(Dataset::Course).is_none());
    assert_eq!(made(&care("", "", ""), Dataset::Course), [""; 0]);
}
