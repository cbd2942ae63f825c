//! A small log with every byte changed, and with its records taken out, moved, cut and added.

use super::*;
use crate::roster::tests::identity;

const BODIES: [&str; 5] = [
    r#"{"event":"started"}"#,
    r#"{"event":"offered","session":"ab"}"#,
    r#"{"event":"answered","rows":3}"#,
    r#"{"event":"spent"}"#,
    r#"{"event":"verified"}"#,
];

fn log(key: u16) -> Vec<String> {
    let identity = identity(key);
    let mut head = Head::of(&identity.public());
    let write = |(place, body): (u64, &&str)| {
        let (line, after) = line(&head, Time(1_000 + place), body, &identity).unwrap();
        head = after;
        line
    };
    (0..).zip(&BODIES).map(write).collect()
}

fn read<'a>(mut reader: Reader, lines: impl Iterator<Item = &'a [u8]>) -> Result<Head, Broken> {
    for line in lines {
        reader.take(line)?;
    }
    reader.finish()
}

/// As a program reads it: quickly, and where a signature is wrong again, with every one.
fn verified(bytes: &[u8]) -> Result<Head, Broken> {
    let key = identity(1).public();
    let lines = || bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
    match read(Reader::new(key), lines()) {
        Err(broken) if broken.what == UNSIGNED => read(Reader::new(key).thorough(), lines()),
        done => done,
    }
}

fn broken(lines: &[&str]) -> (u64, &'static str) {
    let Broken { number, what } = verified(lines.concat().as_bytes()).unwrap_err();
    (number, what)
}

#[test]
fn a_log_is_read_as_it_was_written() {
    let lines = log(1);
    let key = identity(1).public();
    let mut reader = Reader::new(key);
    for (place, line) in lines.iter().enumerate() {
        let record = reader.take(line.trim_end().as_bytes()).unwrap();
        assert_eq!((record.number, record.body), (u64::try_from(place).unwrap() + 1, BODIES[place]));
        assert_eq!(record.at, Time(999 + record.number));
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert_eq!(reader.finish().unwrap(), verified(lines.concat().as_bytes()).unwrap());
    assert_eq!(Reader::new(key).finish().unwrap(), Head::of(&key), "an empty log");
    assert_ne!(Head::of(&key), Head::of(&identity(2).public()));
    for body in ["", "[]", "{\n}", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST))] {
        assert!(line(&Head::of(&key), Time(0), body, &identity(1)).is_err(), "{body:.9}");
    }
}

/// Every bit of every byte: the record that holds it is named, or where it parts two records the first.
#[test]
fn a_changed_byte_names_its_record() {
    let whole = log(1).concat();
    let mut changed = 0;
    for place in 0..whole.len() {
        let number = 1 + u64::try_from(whole[..place].matches('\n').count()).unwrap();
        for bit in 0..8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            match verified(&bytes) {
                Err(broken) => assert_eq!(broken.number, number, "byte {place}, bit {bit}: {broken}"),
                Ok(head) => panic!("byte {place}, bit {bit} may be anything: {head:?}"),
            }
            changed += 1;
        }
    }
    println!("{changed} changes of one bit in {} bytes: each names its record", whole.len());
}

#[test]
fn records_taken_out_moved_or_added_are_named() {
    let lines = log(1);
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|place| lines[place].as_str());
    assert_eq!(broken(&[a, b, d, e]), (3, MISSING));
    assert_eq!(broken(&[b, c, d, e]), (1, MISSING));
    assert_eq!(broken(&[a, c, b, d, e]), (2, MISSING));
    assert_eq!(broken(&[a, b, b, c, d, e]), (3, MISSING));
    assert_eq!(broken(&[a, b, "\n", c]), (3, CHANGED));
    assert_eq!(broken(&[a, b, &c[..c.len() / 2], d]).0, 3, "torn, and written on");
    let foreign = log(2);
    assert_eq!(broken(&[&foreign[0]]).0, 1, "another key's log");
    assert_eq!(broken(&[a, &foreign[1]]).0, 2);
    // Added to the end by somebody who has not the key, two records with a chain that holds.
    let head = verified([a, b].concat().as_bytes()).unwrap();
    let (third, after) = line(&head, Time(9), BODIES[2], &identity(2)).unwrap();
    let (fourth, _) = line(&after, Time(9), BODIES[3], &identity(2)).unwrap();
    assert_eq!(broken(&[a, b, &third]), (3, UNSIGNED));
    assert_eq!(broken(&[a, b, &third, &fourth]), (3, UNSIGNED), "the first of them is named");
}

/// Cut at its end a log is whole for itself; what the other side kept says otherwise.
#[test]
fn what_the_other_side_kept_finds_what_the_key_signed_anew() {
    let lines = log(1);
    let head = |count: usize| verified(lines[..count].concat().as_bytes()).unwrap();
    let against = |kept: &[Head], lines: &[String]| {
        let mut all = Kept::default();
        kept.iter().try_for_each(|head| all.add(*head))?;
        let mut reader = Reader::new(identity(1).public());
        all.pass(&reader.head())?;
        for line in lines {
            reader.take(line.trim_end().as_bytes())?;
            all.pass(&reader.head())?;
        }
        all.finish(&reader.finish()?)
    };
    assert_eq!(against(&[head(2), head(5), head(5)], &lines), Ok(2));
    let at = |result: Result<u64, Broken>| result.unwrap_err().number;
    assert_eq!(at(against(&[head(2), head(5)], &lines[..3])), 4, "cut");
    assert_eq!(at(against(&[head(2)], &[])), 1, "all of it");
    // Whoever has the key writes record 2 anew, and all after it.
    let mut anew = vec![lines[0].clone()];
    let mut end = head(1);
    for body in ["{}", BODIES[2], BODIES[3], BODIES[4]] {
        let (line, after) = line(&end, Time(1), body, &identity(1)).unwrap();
        (end, anew) = (after, [anew, vec![line]].concat());
    }
    assert!(verified(anew.concat().as_bytes()).is_ok(), "by itself it is whole");
    assert_eq!(at(against(&[head(1), head(3)], &anew)), 3);
    assert_eq!(at(against(&[head(3), Head { number: 3, ..end }], &lines)), 3, "two of one number");
}

#[test]
fn a_head_is_signed_by_who_keeps_the_log() {
    let key = identity(1).public();
    let signed = SignedHead::new(&identity(1), Head::of(&key)).unwrap();
    assert!(signed.is_of(&key) && !signed.is_of(&identity(2).public()));
    let other = SignedHead { head: Head { number: 1, ..signed.head }, ..signed };
    assert!(!other.is_of(&key));
}

/// R37: a million records within ten seconds, one core. `--nocapture` prints the time.
#[test]
fn a_million_records_are_verified_in_time() {
    // Signed as seldom as the quick reading looks: every line is of its true length.
    let identity = identity(1);
    let body = format!("{{\"event\":\"offered\",\"why\":\"{}\"}}", "x".repeat(400));
    let (first, _) = line(&Head::of(&identity.public()), Time(1), &body, &identity).unwrap();
    let tail = first.trim_end().get(first.len() - 1 - TAIL..).unwrap().to_owned();
    let mut head = Head::of(&identity.public());
    let mut reader = Reader::new(identity.public());
    let mut spent = core::time::Duration::ZERO;
    for number in 1..=1_000_000u64 {
        let text = if number < 1_000_000 {
            format!("{}1,\"record\":{body}{tail}", head.opening())
        } else {
            line(&head, Time(1), &body, &identity).unwrap().0.trim_end().to_owned()
        };
        head = head.after(text.as_bytes());
        let begun = std::time::Instant::now();
        reader.take(text.as_bytes()).unwrap();
        spent += begun.elapsed();
    }
    assert_eq!(reader.finish().unwrap(), head);
    println!("1,000,000 records verified in {:.2} s", spent.as_secs_f64());
    assert!(spent.as_secs() < 10, "{spent:?}");
}
