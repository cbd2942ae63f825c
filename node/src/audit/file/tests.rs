//! The file after a kill at every byte, with two programs that write, and after what must not happen to it.

use super::*;
use crate::tls::tests::identity;
use std::fs::{read as bytes_of, write};

const KEY: u8 = 7;

fn cut(bytes: u64) -> String {
    format!("{{\"event\":\"cut\",\"bytes\":{bytes}}}")
}

fn open(folder: &Path) -> Result<LogFile, LogError> {
    LogFile::open(folder, identity(KEY).public(), &mut |_| {})
}

fn add(log: &mut LogFile, body: &str) -> Result<(), LogError> {
    log.append(Time(5), &[body.to_owned()], &identity(KEY), &cut)
}

fn bodies(folder: &Path) -> Result<Vec<String>, LogError> {
    let mut all = Vec::new();
    let mut show = |record: &Record<'_>| all.push(record.body.to_owned());
    read(folder, identity(KEY).public(), &mut Kept::default(), &mut show)?;
    Ok(all)
}

const THREE: [&str; 3] = ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"];

fn three(folder: &Path) -> LogFile {
    let mut log = open(folder).unwrap();
    THREE.iter().for_each(|body| add(&mut log, body).unwrap());
    log
}

/// Killed while it writes the third record, at every byte of it.
#[test]
fn a_record_that_was_being_written_is_cut_and_that_is_said() {
    let made = tempfile::tempdir().unwrap();
    drop(three(made.path()));
    let whole = bytes_of(made.path().join(LOG)).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] == b'\n').collect();
    let mut tried = 0;
    for end in ends[1] + 1..whole.len() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join(LOG), &whole[..end]).unwrap();
        // The head of this machine is that of the second record: it is kept after the record is synced.
        let mut log = open(folder.path()).unwrap();
        assert_eq!(log.head().number, 2, "{end}");
        assert_eq!(bodies(folder.path()).unwrap(), &THREE[..2]);
        add(&mut log, THREE[2]).unwrap();
        let torn = u64::try_from(end - ends[1] - 1).unwrap();
        let said: Vec<String> = if torn > 0 { vec![cut(torn)] } else { Vec::new() };
        let expected =
            [vec![THREE[0].to_owned(), THREE[1].to_owned()], said, vec![THREE[2].to_owned()]].concat();
        assert_eq!(bodies(folder.path()).unwrap(), expected, "{end}");
        tried += 1;
    }
    println!("killed at {tried} places of a record");
}

#[test]
fn several_programs_write_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(folder.path()).unwrap(), open(folder.path()).unwrap());
    for body in 0..10 {
        let log = if body % 3 == 0 { &mut one } else { &mut two };
        add(log, &format!("{{\"a\":{body}}}")).unwrap();
    }
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = folder.path().to_owned();
            std::thread::spawn(move || (0..10).for_each(|_| add(&mut open(&path).unwrap(), "{}").unwrap()))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(bodies(folder.path()).unwrap().len(), 50);
}

#[test]
fn a_log_that_lost_its_end_is_found_out_by_the_head_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = three(folder.path());
    let path = folder.path().join(LOG);
    let whole = bytes_of(&path).unwrap();
    let second = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0;
    write(&path, &whole[..=second]).unwrap();
    let at = |error: LogError| match error {
        LogError::Broken { broken, .. } => broken.number,
        other => panic!("{other}"),
    };
    assert_eq!(at(bodies(folder.path()).unwrap_err()), 3);
    assert_eq!(at(open(folder.path()).unwrap_err()), 3);
    assert_eq!(at(add(&mut log, "{}").unwrap_err()), 3, "also under a program that has it open");
    assert!(matches!(add(&mut log, "{}"), Err(LogError::Unknown)), "which then writes no more");
    // A head that cannot be read says nothing.
    for text in ["", "{}"] {
        write(folder.path().join(HEAD), text).unwrap();
        assert_eq!(bodies(folder.path()).unwrap().len(), 2);
    }
}

#[test]
fn a_changed_byte_is_named_and_stops_the_writing() {
    let folder = tempfile::tempdir().unwrap();
    drop(three(folder.path()));
    let path = folder.path().join(LOG);
    let whole = bytes_of(&path).unwrap();
    for (place, number) in [(10, 1), (whole.len() / 2, 2), (whole.len() - 2, 3)] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        write(&path, &changed).unwrap();
        let text = open(folder.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("record {number}: it was changed")), "{text}");
    }
    // A line of a gigabyte takes no memory: it ends the reading.
    write(&path, [&whole[..], &vec![b'x'; 3 * LONGEST]].concat()).unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("record 4: it was changed"));
}

/// A full disk: /dev/full takes nothing.
#[test]
fn what_cannot_be_written_is_an_error_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    log.file = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let error = add(&mut log, "{}").unwrap_err().to_string();
    assert!(error.contains("writing the audit log failed") && error.contains("was not done"), "{error}");
    assert!(matches!(add(&mut log, "{}"), Err(LogError::Unknown)));
}
