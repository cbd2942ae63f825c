//! Pass phrases: chosen or told, on the terminal without being shown, or by a file.
//!
//! Owns how a pass phrase is asked for and what a good one is. It is never printed, never an argument, and
//! wiped when it is no longer needed. It must not know what it opens.

use crate::error::Error;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use samensom_protocol::secret::Secret;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Fewest characters: 12 of a sentence withstand what argon2id lets somebody try.
const SHORTEST: usize = 12;
/// Most bytes.
const LONGEST: usize = 1024;

/// A pass phrase; prints as nothing.
#[derive(Debug)]
pub struct Phrase(Secret<String>);

impl Phrase {
    /// The phrase, for the one computation that needs it.
    pub fn expose(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// Where pass phrases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrases {
    /// A file with the phrase in its first line.
    pub file: Option<PathBuf>,
    /// Whether the terminal may be asked.
    pub may_ask: bool,
}

impl Phrases {
    /// A new one, told twice on a terminal.
    ///
    /// # Errors
    /// When there is none, it is too short, or the two differ.
    pub fn choose(&self) -> Result<Phrase, Error> {
        let phrase = match &self.file {
            Some(path) => of_file(path)?,
            None if self.may_ask => {
                let phrase = ask("New pass phrase for this key (at least 12 characters, not shown)")?;
                if phrase.expose() != ask("The same again")?.expose() {
                    return Err(Error::asked("the two pass phrases differ").remedy("begin again"));
                }
                phrase
            }
            None => {
                return Err(nobody().remedy(
                    "name a file with --passphrase-file, or, for a key that protects nothing, give --unsealed",
                ));
            }
        };
        if phrase.0.expose().chars().count() < SHORTEST {
            return Err(Error::asked("the pass phrase is too short").expected(format!(
                "at least {SHORTEST} characters, such as five words that do not belong together"
            )));
        }
        Ok(phrase)
    }

    /// The one that opens the key of this file.
    ///
    /// # Errors
    /// When there is nobody to tell it.
    pub fn tell(&self, of: &Path) -> Result<Phrase, Error> {
        match &self.file {
            Some(path) => of_file(path),
            None if self.may_ask => ask(&format!("Pass phrase of {} (not shown)", of.display())),
            None => {
                Err(nobody().place(of.display().to_string()).remedy("name a file with --passphrase-file"))
            }
        }
    }
}

fn nobody() -> Error {
    Error::asked("the key needs a pass phrase, and there is no terminal to ask for it")
}

fn of_file(path: &Path) -> Result<Phrase, Error> {
    let fail = |why: std::io::Error| Error::file(path, "read the pass phrase", &why);
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.permissions().mode() & 0o077 != 0 {
        return Err(Error::asked("others than its owner may read the pass phrase")
            .place(path.display().to_string())
            .expected("mode 0600")
            .remedy(format!("chmod 600 {}", path.display())));
    }
    line(file).map_err(fail)?.ok_or_else(|| {
        Error::asked("there is no pass phrase in the file")
            .place(path.display().to_string())
            .expected("one line of text")
    })
}

/// The first line; none when it is empty, too long, or not text. Nothing is left in a buffer.
fn line(mut from: impl Read) -> std::io::Result<Option<Phrase>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let mut byte = Zeroizing::new([0u8; 1]);
    while bytes.len() <= LONGEST && from.read(&mut *byte)? == 1 && *byte != [b'\n'] {
        bytes.extend(*byte);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.is_empty() && text.len() <= LONGEST);
    Ok(text.map(|text| Phrase(Secret::new(text.to_owned()))))
}

/// Asks on the terminal of this process, whatever stdin and stdout are.
fn ask(question: &str) -> Result<Phrase, Error> {
    let fail = |why: std::io::Error| Error::machine(format!("the terminal cannot be asked: {why}"));
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(fail)?;
    let silent = Silent::new(terminal.try_clone().map_err(fail)?).map_err(fail)?;
    write!(terminal, "{question}: ").and_then(|()| terminal.flush()).map_err(fail)?;
    let told = line(&terminal).map_err(fail)?;
    drop(silent);
    writeln!(terminal).map_err(fail)?;
    told.ok_or_else(|| Error::asked("no pass phrase was given"))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> std::io::Result<Silent> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead was shown: it is thrown away.
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::write_new;
    use tempfile::TempDir;

    fn phrases(file: Option<&Path>) -> Phrases {
        Phrases { file: file.map(Path::to_owned), may_ask: false }
    }

    #[test]
    fn a_file_gives_its_first_line_and_nothing_else() {
        let folder = TempDir::new().unwrap();
        for (number, (text, found)) in [
            ("correct horse battery", Some("correct horse battery")),
            ("correct horse battery\n", Some("correct horse battery")),
            ("correct horse battery\r\nsecond", Some("correct horse battery")),
            (" spaces stay  \n", Some(" spaces stay  ")),
            ("\nsecond", None),
            ("", None),
        ]
        .into_iter()
        .enumerate()
        {
            let path = folder.path().join(number.to_string());
            write_new(&path, 0o600, text.as_bytes()).unwrap();
            let told = phrases(Some(&path)).tell(Path::new("a.key"));
            assert_eq!(told.ok().map(|p| p.0.expose().clone()).as_deref(), found, "{text:?}");
        }
        let long = folder.path().join("long");
        write_new(&long, 0o600, "x".repeat(LONGEST + 1).as_bytes()).unwrap();
        assert!(phrases(Some(&long)).tell(Path::new("a.key")).is_err());
    }

    #[test]
    fn short_ones_open_files_and_no_terminal_are_refused_without_the_phrase() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("p");
        write_new(&path, 0o600, "elevenchars\n".as_bytes()).unwrap();
        let short = phrases(Some(&path)).choose().unwrap_err().to_string();
        assert!(short.contains("too short") && !short.contains("elevenchars"), "{short}");
        std::fs::write(&path, "twelve chars\n").unwrap();
        assert!(phrases(Some(&path)).choose().is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = phrases(Some(&path)).choose().unwrap_err().to_string();
        assert!(open.contains("chmod 600") && !open.contains("twelve"), "{open}");
        assert!(phrases(None).choose().unwrap_err().to_string().contains("--unsealed"));
        assert!(phrases(None).tell(Path::new("a.key")).unwrap_err().to_string().contains("a.key"));
        let phrase = line(&b"correct horse"[..]).unwrap().unwrap();
        assert!(!format!("{phrase:?}").contains("correct"));
    }
}
