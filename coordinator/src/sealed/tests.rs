//! Sealed key files: what opens them, what does not, and what is never told.

use super::*;
use crate::folder::{new_identity, write_key};
use crate::passphrase::Phrases;
use tempfile::TempDir;

/// Made by another program (Python's `cryptography`), from the description of the form alone. Never edited:
/// files of this form must open for ever.
const FROZEN: &str = r#"# A key of Samensom, sealed by a pass phrase. Keep the two apart.
form = "samensom sealed key 1"
public = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
memory_kib = 19456
passes = 2
lanes = 1
salt = "000102030405060708090a0b0c0d0e0f"
sealed = "e64d612fe81d2d5431aef5ab949358cf3497ee42176a80e2329b024bd1f576a1e1510248c8151735e0748b38814bb53b"
check = "1e205b382fd5d3c2"
"#;
const PHRASE: &str = "paard batterij nietje goed";

struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(TempDir::new().unwrap())
    }
    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        let _ = std::fs::remove_file(&path);
        write_new(&path, 0o600, text.as_bytes()).unwrap();
        path
    }
    fn phrase(&self, text: &str) -> Phrase {
        let file = self.file("phrase", text);
        Phrases { file: Some(file), may_ask: false }.choose().unwrap()
    }
    fn open(&self, text: &str, phrase: &str) -> Result<Identity, Error> {
        let path = self.file("a.key", text);
        read_person_key(&path, || Ok(self.phrase(phrase)))
    }
}

#[test]
fn a_file_of_another_program_opens() {
    let desk = Desk::new();
    let identity = desk.open(FROZEN, PHRASE).unwrap();
    assert_eq!(identity.seed().expose(), &[7; 32]);
}

#[test]
fn what_was_sealed_opens_by_its_phrase_and_each_file_is_another() {
    let desk = Desk::new();
    let identity = new_identity().unwrap();
    let (one, two) = (desk.0.path().join("one.key"), desk.0.path().join("two.key"));
    for path in [&one, &two] {
        write_sealed(path, &identity, &desk.phrase(PHRASE)).unwrap();
        let read = read_person_key(path, || Ok(desk.phrase(PHRASE))).unwrap();
        assert_eq!(read.public(), identity.public());
    }
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_ne!(text(&one), text(&two), "a salt of its own");
    assert!(!text(&one).contains(&to_hex(identity.seed().expose())));
    assert!(text(&one).contains("memory_kib = 65536\npasses = 3\nlanes = 1\n"), "{}", text(&one));
    assert!(write_sealed(&one, &identity, &desk.phrase(PHRASE)).is_err(), "never overwritten");
}

#[test]
fn another_phrase_does_not_open_it_and_nothing_secret_is_told() {
    let desk = Desk::new();
    for wrong in ["paard batterij nietje goeD", "paard batterij nietje goed ", "iets heel anders dan dat"] {
        let error = desk.open(FROZEN, wrong).unwrap_err();
        assert_eq!(error.exit_code(), 8);
        let told = format!("{error} {error:?}");
        assert!(told.contains("the pass phrase does not open this key"), "{told}");
        assert!(
            !told.contains(wrong.trim()) && !told.contains("e64d612f") && !told.contains("0707"),
            "{told}"
        );
    }
}

/// Any byte changed, any end cut off, anything added: said to be damaged, and no pass phrase is asked for.
#[test]
fn a_changed_byte_and_a_cut_file_are_damage_not_a_wrong_phrase() {
    let desk = Desk::new();
    let never = || -> Result<Phrase, Error> { panic!("asked for a pass phrase") };
    let mut told = 0;
    let mut refuse = |text: &str| {
        let error = read_person_key(&desk.file("a.key", text), never).unwrap_err().to_string();
        assert!(error.contains("damaged") || error.contains("not a key"), "{error}\n{text}");
        assert!(!error.contains("e64d612f"), "{error}");
        told += usize::from(error.contains("damaged"));
    };
    for place in 0..FROZEN.len() {
        let mut bytes = FROZEN.as_bytes().to_vec();
        bytes[place] ^= 1;
        refuse(&String::from_utf8(bytes).unwrap());
        refuse(&FROZEN[..place]);
    }
    refuse(&format!("{FROZEN}\n"));
    refuse(&FROZEN.replace('\n', "\r\n"));
    assert!(
        told >= 2 * FROZEN.len(),
        "nearly all are known as sealed keys: {told} of {}",
        2 * FROZEN.len() + 2
    );
}

/// The checksum is no protection: who makes it fit again still does not get past the seal, since every
/// parameter goes into the key.
#[test]
fn a_parameter_changed_with_its_checksum_does_not_open() {
    let desk = Desk::new();
    let mended = |from: &str, to: &str| {
        let text = FROZEN.replacen(from, to, 1);
        assert_ne!(text, FROZEN);
        let body = text.rsplit_once(CHECK).unwrap().0;
        format!("{body}{CHECK}{}\"\n", check(body))
    };
    for (from, to) in [
        ("passes = 2", "passes = 3"),
        ("lanes = 1", "lanes = 2"),
        ("memory_kib = 19456", "memory_kib = 19457"),
        ("0001020304", "0101020304"),
        ("e64d612f", "e74d612f"),
        ("ea4a6c63", "eb4a6c63"),
    ] {
        let error = desk.open(&mended(from, to), PHRASE).unwrap_err().to_string();
        assert!(error.contains("does not open this key"), "{from}: {error}");
    }
    for (from, to) in [
        ("memory_kib = 19456", "memory_kib = 64"),
        ("memory_kib = 19456", "memory_kib = 4294967295"),
        ("passes = 2", "passes = 1"),
        ("passes = 2", "passes = 4000000000"),
        ("lanes = 1", "lanes = 0"),
        ("sealed key 1\"", "sealed key 2\""),
        ("salt = \"0001", "salt = \"xx01"),
    ] {
        let error = desk.open(&mended(from, to), PHRASE).unwrap_err().to_string();
        assert!(error.contains("a form that this program does not know"), "{to}: {error}");
    }
}

#[test]
fn plain_files_of_before_are_still_read_and_only_by_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let (identity, path) = (new_identity().unwrap(), desk.0.path().join("old.key"));
    write_key(&path, &identity).unwrap();
    let never = || -> Result<Phrase, Error> { panic!("asked for a pass phrase") };
    assert_eq!(read_person_key(&path, never).unwrap().public(), identity.public());
    for path in [&path, &desk.file("sealed.key", FROZEN)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_person_key(path, never).unwrap_err().to_string().contains("chmod 600"));
    }
}
