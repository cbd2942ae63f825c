//! A log that goes on is followed over restarts; one that does not stops this hospital, for good until it decides.

use super::*;
use samensom_protocol::crypto::commit::leaf;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::crypto::tree::Tree;
use samensom_protocol::secret::Secret;
use samensom_protocol::transparency::{head_of, proof_of};

struct Log(Tree, Identity);

impl Log {
    fn new(entries: &[u8]) -> Log {
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf(&[*entry])));
        Log(tree, Identity::from_seed(&Secret::new([5; 32])))
    }

    /// Its answer to a question.
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let Ok(Admission::TreeSince(sizes)) = Admission::from_frame(question) else { panic!("no question") };
        let size = self.0.size();
        let proof = |old: &u64| {
            proof_of(self.0.consistency(usize::try_from(*old).unwrap(), size)).unwrap_or_default()
        };
        let head = SignedTreeHead::new(&self.1, head_of(&self.0, size).unwrap()).unwrap();
        Admission::Tree {
            head: Box::new(head),
            proofs: List::new(sizes.iter().map(proof).collect()).unwrap(),
        }
        .to_frame()
        .unwrap()
    }

    fn tells(&self, watch: &Watch) -> Heard {
        let question = watch.question().unwrap().unwrap();
        watch.heard(&self.1.public(), &self.answer(&question)).unwrap()
    }
}

fn kept(state: &Path) -> u64 {
    KeptHead::open(state).unwrap().read().unwrap().map_or(0, |kept| kept.head.size)
}

#[test]
fn a_log_that_goes_on_is_followed_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    assert_eq!(Log::new(&[1, 2, 3]).tells(&watch), Heard::Noted);
    assert_eq!(Log::new(&[1, 2, 3]).tells(&watch), Heard::Noted, "the same");
    drop(watch);
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    assert_eq!(Log::new(&[1, 2, 3, 4, 5, 6]).tells(&watch), Heard::Noted);
    assert_eq!((kept(dir.path()), pause::read(dir.path())), (6, None));
    assert_eq!(watch.heard(&PublicKey([1; 32]), b"x").unwrap(), Heard::Other);
}

#[test]
fn a_log_that_shrank_or_has_another_past_stops_this_hospital() {
    for (name, other) in [
        ("shorter", &[1u8, 2][..]),
        ("another of this length", &[1, 9, 3]),
        ("longer with another past", &[1, 9, 3, 4]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let watch = Watch::open(dir.path(), Audit::default()).unwrap();
        Log::new(&[1, 2, 3]).tells(&watch);
        assert_eq!(Log::new(other).tells(&watch), Heard::Disputed, "{name}");
        let paused = pause::read(dir.path()).unwrap();
        assert!(paused.why.unwrap().contains("transparency log") && !paused.left, "{name}");
        assert_eq!(kept(dir.path()), 3, "{name}: what was believed stays");
        // The true log does not end it: the operator does.
        assert_eq!(Log::new(&[1, 2, 3, 4]).tells(&watch), Heard::Noted);
        assert!(pause::read(dir.path()).is_some());
        KeptHead::open(dir.path()).unwrap().forget().unwrap();
        assert_eq!(Log::new(other).tells(&watch), Heard::Noted, "{name}: the operator began anew");
    }
}

#[test]
fn a_head_of_another_key_or_unasked_is_no_head() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    let log = Log::new(&[1, 2]);
    let question = watch.question().unwrap().unwrap();
    let frame = log.answer(&question);
    assert_eq!(watch.heard(&PublicKey([1; 32]), &frame).unwrap(), Heard::Noted);
    assert!(watch.is_overdue() && kept(dir.path()) == 0, "another key's");
    assert_eq!(watch.heard(&log.1.public(), &frame).unwrap(), Heard::Noted);
    assert_eq!(kept(dir.path()), 0, "unasked");
}

/// What another hospital keeps, by its envelope.
fn kept_elsewhere(log: &Log, size: usize) -> SignedTreeHead {
    SignedTreeHead::new(&log.1, head_of(&log.0, size).unwrap()).unwrap()
}

#[test]
fn another_hospitals_head_of_this_length_and_another_root_stops_this_one_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    Log::new(&[1, 2, 3]).tells(&watch);
    assert_eq!(watch.told(&[kept_elsewhere(&Log::new(&[1, 2, 3]), 3)]).unwrap(), Heard::Noted, "the same");
    assert_eq!(watch.told(&[kept_elsewhere(&Log::new(&[1, 9, 3]), 3)]).unwrap(), Heard::Disputed);
    assert!(pause::read(dir.path()).unwrap().why.unwrap().contains("two different transparency logs"));
    assert_eq!(kept(dir.path()), 3);
}

#[test]
fn another_hospitals_head_of_another_length_is_held_against_the_log_at_the_next_contact() {
    for (name, other, size, heard) in [
        ("shorter, of this log", &[1u8, 2, 3, 4][..], 2, Heard::Noted),
        ("longer, of this log", &[1, 2, 3, 4], 4, Heard::Noted),
        ("shorter, of another", &[1, 9, 3, 4], 2, Heard::Disputed),
        ("longer, of another", &[1, 9, 3, 4], 4, Heard::Disputed),
        ("longer than the log is", &[1, 2, 3, 4, 5], 5, Heard::Disputed),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let watch = Watch::open(dir.path(), Audit::default()).unwrap();
        Log::new(&[1, 2, 3]).tells(&watch);
        let other = kept_elsewhere(&Log::new(other), size);
        assert_eq!(watch.told(&[other]).unwrap(), Heard::Noted, "{name}");
        assert_eq!(Log::new(&[1, 2, 3, 4]).tells(&watch), heard, "{name}");
        assert_eq!(pause::read(dir.path()).is_some(), heard == Heard::Disputed, "{name}");
        // Once is enough.
        let Ok(Admission::TreeSince(sizes)) = Admission::from_frame(&watch.question().unwrap().unwrap())
        else {
            panic!("no question")
        };
        assert_eq!(sizes.len(), 1 + usize::from(heard == Heard::Disputed), "{name}");
    }
}

/// A hospital that keeps none yet asks about the others' all the same.
#[test]
fn the_first_contact_answers_for_heads_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    assert_eq!(watch.told(&[kept_elsewhere(&Log::new(&[1, 9]), 2)]).unwrap(), Heard::Noted);
    assert_eq!(Log::new(&[1, 2, 3]).tells(&watch), Heard::Disputed);
}

/// Who says nothing shows no second story, but is not summed for either.
#[test]
fn a_coordinator_that_does_not_answer_is_overdue_at_the_next_contact() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Watch::open(dir.path(), Audit::default()).unwrap();
    assert!(watch.question().unwrap().is_some() && !watch.is_overdue());
    assert!(watch.question().unwrap().is_none() && watch.is_overdue());
    watch.linked();
    assert!(watch.is_overdue(), "a new link is no answer");
    Log::new(&[1]).tells(&watch);
    assert!(!watch.is_overdue());
    assert!(!Watch::default().is_overdue() && Watch::default().question().unwrap().is_none());
}
