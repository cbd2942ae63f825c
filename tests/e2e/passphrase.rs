//! Pass phrases on a real terminal (`script` of util-linux makes one): asked for, and never shown.

use samensom_tests::harness::samensom;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PHRASE: &str = "paard batterij nietje goed";

/// Runs `samensom` on a terminal of its own, in `folder`; types each answer once its question stands there.
/// All that the terminal showed, and whether the command succeeded.
fn typed(folder: &Path, args: &str, answers: &[(&str, &str)]) -> (String, bool) {
    let line = format!("{} {args}", samensom().display());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder)
        .env_remove("SAMENSOM_DATA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` of util-linux");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (send, shown) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = [0u8; 1024];
        while let Ok(read @ 1..) = screen.read(&mut bytes) {
            let _ = send.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
        }
    });
    let (mut text, begun) = (String::new(), Instant::now());
    for (question, answer) in answers {
        let from = text.len();
        while !text[from..].contains(question) {
            assert!(begun.elapsed() < Duration::from_secs(60), "`{question}` is not asked: {text}");
            text.extend(shown.recv_timeout(Duration::from_millis(100)));
        }
        // The question is written once the terminal is silent: nothing is typed too early.
        writeln!(keyboard, "{answer}").unwrap();
    }
    let status = child.wait().unwrap();
    drop(keyboard);
    reader.join().unwrap();
    text.extend(shown.try_iter());
    (text, status.success())
}

#[test]
fn a_pass_phrase_is_asked_for_and_never_shown() {
    let folder = tempfile::TempDir::new().unwrap();
    let make = "keygen signer --name Vries --organisation nvza --out";
    let twice = [("New pass phrase", PHRASE), ("The same again", PHRASE)];
    let (text, made) = typed(folder.path(), &format!("{make} vries"), &twice);
    assert!(made && text.contains("vries.pub"), "{text}");
    assert!(!text.contains("paard"), "shown: {text}");
    let key = std::fs::read_to_string(folder.path().join("vries.key")).unwrap();
    assert!(key.contains("samensom sealed key 1") && !key.contains("paard"), "{key}");
    for (name, answers, told) in [
        (
            "differ",
            [("New pass phrase", PHRASE), ("The same again", "paard batterij nietje slecht")],
            "differ",
        ),
        ("short", [("New pass phrase", "te kort"), ("The same again", "te kort")], "too short"),
    ] {
        let (text, made) = typed(folder.path(), &format!("{make} {name}"), &answers);
        assert!(
            !made && text.contains(told) && !text.contains("paard") && !text.contains("te kort"),
            "{text}"
        );
        assert!(!folder.path().join(format!("{name}.key")).exists(), "{name}");
    }
}
