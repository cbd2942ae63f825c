//! Files that change while they are read: read again, at most three times, and then refused.

use super::*;
use crate::extract::snapshot::unchanged;
use crate::extract::source::{NormalRow, read};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn folder() -> Folder {
    Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1", "propofol;2;ccv;;;01-11-2026;1"])
}

type Change = (&'static str, fn(&Path));

/// Every way in which a file becomes another one.
const CHANGES: [Change; 5] = [
    ("grows", |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"morfine;3;ccv;;;01-11-2026;1\n").unwrap();
    }),
    ("is cut off", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(80).unwrap()),
    ("is written over", |path| {
        // The same size; only the time of the change tells.
        let later = SystemTime::now() + Duration::from_secs(1);
        OpenOptions::new().write(true).open(path).unwrap().set_modified(later).unwrap();
    }),
    ("is replaced", |path| {
        let (other, times) =
            (path.with_extension("new"), std::fs::metadata(path).unwrap().modified().unwrap());
        std::fs::copy(path, &other).unwrap();
        File::open(&other).unwrap().set_modified(times).unwrap();
        std::fs::rename(other, path).unwrap();
    }),
    ("is removed", |path| std::fs::remove_file(path).unwrap()),
];

/// What came of it, how many readings were begun, and the rows of the last.
type Outcome = (Result<Accounting, ExtractError>, u32, usize);

/// Reads as a freeze does, and changes the file at the first row of the first readings.
fn read_while(folder: &Folder, change: fn(&Path), readings: u32) -> Outcome {
    let path = folder.dir.path().join("stock.csv");
    let (mut begun, mut rows) = (0, Vec::new());
    let result = unchanged(|| {
        begun += 1;
        rows.clear();
        read(&folder.configs[0], folder.dir.path(), folder.dir.path(), &mut |row: NormalRow| {
            if rows.is_empty() && begun <= readings {
                change(&path);
            }
            rows.push(row);
            Ok(())
        })
    });
    (result, begun, rows.len())
}

#[test]
fn a_file_that_changes_once_is_read_again() {
    for (how, change) in &CHANGES[..4] {
        let folder = folder();
        let (result, begun, rows) = read_while(&folder, *change, 1);
        let seen = result.map(|seen| seen.used);
        match *how {
            // What is left of it ends in the middle of a row.
            "is cut off" => assert!(text(seen).contains("perhaps cut off"), "{how}"),
            "grows" => assert_eq!((seen.unwrap(), rows), (3, 3), "{how}"),
            _ => assert_eq!((seen.unwrap(), rows), (2, 2), "{how}"),
        }
        assert_eq!(begun, 2, "{how}");
    }
}

#[test]
fn a_file_that_keeps_changing_is_refused() {
    for (how, change) in [CHANGES[0], CHANGES[3]] {
        let folder = folder();
        let (result, begun, _) = read_while(&folder, change, 3);
        let error = result.unwrap_err();
        assert_eq!((error.code(), begun), ("cannot", 3), "{how}");
        let error = error.to_string();
        assert!(
            error.contains("stock.csv: changed while it was read, three times; expected a file at rest"),
            "{error}"
        );
    }
    let folder = folder();
    let (result, begun, _) = read_while(&folder, CHANGES[0].1, 2);
    assert_eq!((result.unwrap().used, begun), (4, 3), "the third reading met it at rest");
    let (result, begun, _) = read_while(&folder, CHANGES[4].1, 3);
    assert_eq!(begun, 2);
    assert!(text(result).contains("opening the extract"));
}

/// The real freeze against a real writer: whatever it meets, it takes whole states alone.
#[test]
fn a_freeze_beside_a_writer_takes_one_state_or_none() {
    let whole = |state: usize| {
        let row = format!("a;{state};ccv;;;01-11-2026;1\n");
        format!("{HEADER}\n{}", row.repeat(2_000))
    };
    let folder = Folder::of(CONFIG, &whole(0));
    let (path, stop) = (folder.dir.path().join("stock.csv"), std::sync::atomic::AtomicBool::new(false));
    let order = std::sync::atomic::Ordering::SeqCst;
    let (mut taken, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for state in (1..=9).cycle() {
                if stop.load(order) {
                    return;
                }
                // In place, in pieces: the worst way to write an extract.
                let text = whole(state);
                let mut file = File::create(&path).unwrap();
                for piece in text.as_bytes().chunks(20_000) {
                    file.write_all(piece).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
                drop(file);
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        for _ in 0..40 {
            match folder.freeze() {
                Ok(frozen) => {
                    taken += 1;
                    assert_eq!(frozen.accounting[0].used, 2_000);
                    let body = query(&format!(
                        "[[dimension]]\ncolumn = \"code\"\ncodes = [\"a\"]\n{}",
                        sum(0, "[0, 99999]")
                    ));
                    let figure = evaluate(&body, &frozen).unwrap()[0];
                    assert!(figure % 2_000 == 0 && figure <= 18_000, "two states in one: {figure}");
                    std::fs::remove_file(folder.path()).unwrap();
                }
                Err(_) => refused += 1,
            }
        }
        stop.store(true, order);
    });
    println!("beside a writer: {taken} freezes took one whole state, {refused} were refused");
    assert_eq!(folder.freeze().unwrap().accounting[0].used, 2_000, "at rest it is taken");
}
