//! Red controls of the promises: with a bug planted, a session that breaks one is seen.

use samensom_protocol::ablation::only;
use samensom_tests::fuzzed::acts::session;

/// A planted bug or leak, and what happens to the frames.
const PLANTED: &[(&str, &[u8])] = &[
    ("leak-r-of-survivors", &[0, 16, 4, 0]),
    ("leak-b-of-dropouts", &[0, 16, 4, 0]),
    ("spent-not-kept", &[]),
];

#[test]
fn a_planted_bug_breaks_a_promise() {
    for (name, script) in PLANTED {
        drop(session(script));
        only(Some(name));
        let seen = std::panic::catch_unwind(|| drop(session(script)));
        only(None);
        assert!(seen.is_err(), "{name}: nothing was seen");
    }
}
