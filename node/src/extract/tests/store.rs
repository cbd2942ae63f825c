//! Snapshots: what they are told apart by, when one takes the place of another, what a damaged one says.

use super::*;
use crate::extract::snapshot::unchanged;
use std::os::unix::fs::FileExt;

const ROWS: [&str; 3] = [
    "midazolam;10,50;regular;31-12-2026;apotheek;01-11-2026;1",
    "propofol;-3;regular;;;01-11-2026;2",
    "midazolam;2;ccv;;ok;01-11-2026;2",
];

fn figures(frozen: &Frozen) -> Vec<i64> {
    let body = format!("{PER_CODE}{}[[measure]]\nname = \"lines\"\nrows = true\n", sum(6, "[-90, 90]"));
    evaluate(&query(&body), frozen).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_id_is_of_the_content_and_of_what_was_declared() {
    let folders = [Folder::stock(&ROWS), Folder::stock(&[ROWS[2], ROWS[1], ROWS[0]])];
    let [first, turned] = [0, 1].map(|at| folders[at].freeze().unwrap());
    assert_eq!((turned.hash, turned.content), (first.hash, first.content), "the order of the file");
    let moved = CONFIG.replace("stock.csv", "voorraad/nu.csv").replace("unit =", "max_rejected = 4\nunit =");
    let elsewhere = Folder { dir: tempfile::tempdir().unwrap(), configs: vec![config(&moved)] };
    std::fs::create_dir(elsewhere.dir.path().join("voorraad")).unwrap();
    let text = format!("{HEADER}\n{}\n", ROWS.join("\n"));
    std::fs::write(elsewhere.dir.path().join("voorraad/nu.csv"), &text).unwrap();
    assert_eq!(elsewhere.freeze().unwrap().hash, first.hash, "where the file lies");
    let points = CONFIG.replace("decimal = \",\"", "decimal = \".\"").replace("%d-%m-%Y", "%Y/%m/%d");
    let rows = [
        "midazolam;10.5;regular;2026/12/31;apotheek;2026/11/01;1",
        "midazolam;2.0;ccv;;ok;2026/11/01;",
        "propofol;-3.00;regular;;;2026/11/01;",
    ];
    let other_folder = Folder::of(&points, &format!("{HEADER}\r\n{}\r\n", rows.join("\r\n")));
    let other = other_folder.freeze().unwrap();
    assert_eq!(other.content, first.content, "the dialect");
    assert_ne!(other.hash, first.hash, "another description is another extract");
    for frozen in [&first, &turned, &other] {
        assert_eq!(figures(frozen), [12_500_000, 2, -3_000_000, 1]);
        assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash);
    }
}

#[test]
fn the_last_good_snapshot_stays_until_a_new_one_is_whole() {
    let folder = Folder::stock(&ROWS);
    let state = folder.dir.path().join("state");
    let snapshots = Snapshots::of_state(&state);
    let of_slot = |snapshots: &Snapshots, slot| {
        snapshots.of_slot(
            &Reader::Here,
            &folder.configs,
            folder.dir.path(),
            ("goods", slot),
            NOW,
            &Stop::default(),
        )
    };
    let names = || {
        let entries = std::fs::read_dir(state.join("frozen")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let seventh = of_slot(&snapshots, 7).unwrap();
    let write = |text: &str| std::fs::write(folder.dir.path().join("stock.csv"), text).unwrap();
    write(&format!("{HEADER}\nmidazolam;veel;ccv;;;01-11-2026;1\n"));
    for _ in 0..2 {
        let error = text(of_slot(&snapshots, 8));
        assert!(error.contains("incomplete"), "{error}");
        assert_eq!(names(), ["goods-7.db"], "the last good one stays, and nothing of the bad one");
        assert_eq!(snapshots.last_good("goods", 8), Some(state.join("frozen/goods-7.db")));
    }
    // The slot that has one goes on with it, in this process and in the next.
    assert_eq!(of_slot(&snapshots, 7).unwrap().hash, seventh.hash);
    assert_eq!(of_slot(&Snapshots::of_state(&state), 7).unwrap().hash, seventh.hash);
    write(&format!("{HEADER}\nmidazolam;4;ccv;;;01-11-2026;1\n"));
    std::fs::write(state.join("frozen/care-3.db"), "another lock's").unwrap();
    std::fs::create_dir(state.join("frozen/goods-5.db.part")).unwrap();
    std::fs::write(state.join("frozen/goods-5.db.part/run-0"), "of an agent that was killed").unwrap();
    let eighth = of_slot(&snapshots, 8).unwrap();
    assert_ne!(eighth.hash, seventh.hash);
    assert_eq!(names(), ["care-3.db", "goods-8.db"]);
    assert_eq!(snapshots.last_good("goods", 8), None);
}

#[test]
fn a_byte_that_is_turned_is_found_or_changes_no_figure() {
    let folder = Folder::stock(&ROWS);
    let state = folder.dir.path().join("state");
    let snapshots = Snapshots::of_state(&state);
    let of_slot = |snapshots: &Snapshots| {
        snapshots.of_slot(
            &Reader::Here,
            &folder.configs,
            folder.dir.path(),
            ("goods", 1),
            NOW,
            &Stop::default(),
        )
    };
    let frozen = of_slot(&snapshots).unwrap();
    let (whole, true_figures) = (std::fs::read(frozen.path()).unwrap(), figures(&frozen));
    let file = std::fs::OpenOptions::new().write(true).open(frozen.path()).unwrap();
    let rows = whole.windows(8).position(|bytes| bytes == b"apotheek").unwrap();
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    // Every byte about the rows, some of all others.
    let turned: Vec<usize> = used.into_iter().filter(|at| at % 7 == 0 || at.abs_diff(rows) < 200).collect();
    let mut found = 0;
    for at in turned.iter().copied() {
        file.write_all_at(&[whole[at] ^ 1], u64::try_from(at).unwrap()).unwrap();
        match Frozen::open(frozen.path()) {
            Err(error) => {
                found += 1;
                // The same process looks again, for the file has another time.
                assert!(of_slot(&snapshots).is_err(), "byte {at}: {error}");
            }
            Ok(open) => {
                assert_eq!((open.hash, open.content), (frozen.hash, frozen.content), "byte {at}");
                assert_eq!(figures(&open), true_figures, "byte {at}");
            }
        }
        file.write_all_at(&whole[at..=at], u64::try_from(at).unwrap()).unwrap();
    }
    assert!(found * 2 > turned.len(), "{found} of {} found", turned.len());
    assert_eq!(figures(&of_slot(&snapshots).unwrap()), true_figures);
}

/// A reader that was taken over could leave a database that does something when it is read.
#[test]
fn a_snapshot_with_other_tables_is_refused() {
    let folder = Folder::stock(&ROWS);
    let frozen = folder.freeze().unwrap();
    for more in [
        "CREATE TABLE more (x)",
        "CREATE INDEX i ON stock_row (unit)",
        "CREATE TRIGGER t AFTER INSERT ON stock_row BEGIN SELECT 1; END",
        "DROP VIEW stock; CREATE VIEW stock AS SELECT 1 AS code",
    ] {
        let copy = folder.dir.path().join("copy.sqlite");
        std::fs::copy(frozen.path(), &copy).unwrap();
        rusqlite::Connection::open(&copy).unwrap().execute_batch(more).unwrap();
        assert!(text(Frozen::open_unread(&copy)).contains("not the extract that was frozen"), "{more}");
    }
}

const UNIQUE: &str = "unique = [\"code\", \"location\"]\nunit = \"piece\"";

#[test]
fn rows_that_share_a_unique_key_are_all_rejected() {
    let rows = [
        "midazolam;1;ccv;;ok;01-11-2026;1", // row 2: the same code and place as rows 4 and 7
        "midazolam;2;ccv;;apotheek;01-11-2026;1", // row 3
        "midazolam;4;ccv;;ok;01-11-2026;1", // row 4
        "propofol;8;ccv;;;01-11-2026;1",    // row 5: without a place, as row 6
        "propofol;8;ccv;;;01-11-2026;1",    // row 6: twice the same row
        "midazolam;1;ccv;;ok;01-11-2026;1", // row 7: the same as row 2
        "propofol;16;ccv;;ok;01-11-2026;1", // row 8
        "morfine;x;ccv;;ok;01-11-2026;1",   // row 9: not a number
    ];
    let strict = CONFIG.replace("unit = \"piece\"", UNIQUE);
    let csv = format!("{HEADER}\n{}\n", rows.join("\n"));
    let refused = text(Folder::of(&strict.replace("unit =", "max_rejected = 5\nunit ="), &csv).freeze());
    for part in [
        "rows total 8 = used 2 + rejected 6 + objected 0; expected at most 5",
        "row 2, column `Artikel, Plaats`, value `midazolam, ok`: the same as in row 7",
        "row 6, column `Artikel, Plaats`, value `propofol, (nothing)`: the same as in row 5",
        "row 9, column `Voorraad`",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    let folder = Folder::of(&strict.replace("unit =", "max_rejected = 6\nunit ="), &csv);
    let report = folder.report();
    assert!(report.complete, "{report}");
    let frozen = folder.freeze().unwrap();
    assert_eq!(Some(&frozen.accounting[0]), report.accounting.as_ref(), "check and freeze say the same");
    let accounting = &frozen.accounting[0];
    assert_eq!((accounting.total(), accounting.used, accounting.rejected), (8, 2, 6));
    assert_eq!(accounting.newest.unwrap().to_string(), "2026-11-01");
    assert_eq!((accounting.units[0].rows, accounting.units[0].first_row), (2, 3));
    let numbers: Vec<u64> = accounting.first_rejected.iter().map(|rejected| rejected.row).collect();
    assert_eq!(numbers, [2, 4, 5, 6, 7, 9]);
    assert_eq!(figures(&frozen), [2_000_000, 1, 16_000_000, 1]);
    assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash);
    // The content is that of the rows that are left.
    let left = Folder::stock(&[rows[1], rows[6]]).freeze().unwrap();
    assert_eq!(left.content, frozen.content);
}

#[test]
fn a_unique_key_may_leave_out_the_code_or_all_else() {
    let rows = [
        "a;1;ccv;;ok;01-11-2026;1",
        "b;1;ccv;;ok;01-11-2026;1",
        "b;1;ccv;;ic;01-11-2026;1",
        "c;1;ccv;;og;01-11-2026;1",
    ];
    for (key, kept) in [("location", vec!["b", "c"]), ("code", vec!["a", "c"]), ("kind", vec![])] {
        let text = CONFIG.replace(
            "unit = \"piece\"",
            &format!("unique = [\"{key}\"]\nmax_rejected = 4\nunit = \"piece\""),
        );
        let folder = Folder::of(&text, &format!("{HEADER}\n{}\n", rows.join("\n")));
        let frozen = folder.freeze().unwrap();
        let connection = rusqlite::Connection::open(frozen.path()).unwrap();
        let mut codes = connection.prepare("SELECT code FROM stock ORDER BY seq").unwrap();
        let codes: Vec<String> = codes.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(codes, kept, "{key}");
        assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash, "{key}");
    }
}

/// A check that has to store rows leaves none, and removes what a killed one left.
#[test]
fn a_check_leaves_no_rows_behind() {
    let folder = Folder::of(&CONFIG.replace("unit = \"piece\"", UNIQUE), &format!("{HEADER}\n{}\n", ROWS[0]));
    let scratch = tempfile::tempdir().unwrap();
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    std::fs::create_dir(scratch.path().join(format!("samensom-check-{}-x", gone.id()))).unwrap();
    std::fs::create_dir(scratch.path().join(format!("samensom-check-{}-x", std::process::id()))).unwrap();
    let checked =
        data_check_by(&Reader::Here, &folder.configs, folder.dir.path(), (scratch.path(), NOW), None)
            .unwrap();
    assert!(checked.0[0].complete);
    let left: Vec<_> =
        std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [format!("samensom-check-{}-x", std::process::id()).as_str()]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_three_times() {
    for (changes, expected) in [(0, Ok(1)), (1, Ok(2)), (2, Ok(3)), (3, Err(3)), (9, Err(3))] {
        let mut readings = 0;
        let done = unchanged(|| {
            readings += 1;
            if readings > changes { Ok(()) } else { Err(ExtractError::Changed { path: "stock.csv".into() }) }
        });
        assert_eq!(done.map(|()| readings).map_err(|_| readings), expected, "{changes} changes");
    }
    let mut readings = 0;
    let done: Result<(), _> = unchanged(|| {
        readings += 1;
        Err(ExtractError::NoExtract { dataset: "stock" })
    });
    assert_eq!((done.is_err(), readings), (true, 1), "nothing else is tried again");
}

#[test]
fn two_data_sets_are_one_snapshot() {
    let folder = Folder::stock(&ROWS);
    let uses = "dataset = \"use\"\nfile = \"use.csv\"\nencoding = \"utf-8\"\nseparator = \",\"\ndecimal = \".\"\nunit = \"ml\"\n\
                [columns]\ncode = \"c\"\nperiod = \"p\"\nquantity = \"q\"\n";
    std::fs::write(folder.dir.path().join("use.csv"), "c,p,q\nx,2026-10-01,1.5\nx,2026-09-01,-1\n").unwrap();
    let both = [config(uses), folder.configs[0].clone()];
    let turned = [both[1].clone(), both[0].clone()];
    let frozen = freeze(&both, folder.dir.path(), &folder.dir.path().join("a.sqlite"), NOW).unwrap();
    let again = freeze(&turned, folder.dir.path(), &folder.dir.path().join("b.sqlite"), NOW).unwrap();
    assert_eq!((again.hash, &again.accounting), (frozen.hash, &frozen.accounting));
    assert_ne!(folder.freeze().unwrap().hash, frozen.hash);
    assert_eq!(frozen.accounting.iter().map(|one| one.used).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(figures(&frozen), [12_500_000, 2, -3_000_000, 1]);
    // A data set that is accounted for has its tables: its identity alone would still be right.
    let connection = rusqlite::Connection::open(frozen.path()).unwrap();
    connection.execute_batch("DROP VIEW use; DROP TABLE use_row; DROP TABLE use_code").unwrap();
    let damaged = text(Frozen::open_unread(frozen.path()));
    assert!(damaged.contains("not the extract that was frozen"), "{damaged}");
}
