//! Heads that go on, and every way in which one does not.

use super::*;
use crate::roster::tests::identity;

fn entries(count: u32) -> Vec<Entry> {
    (0..count).map(|epoch| Entry::Roster { epoch, roster: RosterHash([9; 32]) }).collect()
}

fn tree(entries: &[Entry]) -> Tree {
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(entry.leaf().unwrap()));
    tree
}

fn signed(tree: &Tree, size: usize) -> SignedTreeHead {
    SignedTreeHead::new(&identity(7), head_of(tree, size).unwrap()).unwrap()
}

#[test]
fn a_head_that_goes_on_is_believed() {
    let (tree, key) = (tree(&entries(9)), identity(7).public());
    for old in 0..=9 {
        for new in old..=9 {
            let proof = proof_of(tree.consistency(old, new)).unwrap();
            let kept = head_of(&tree, old).unwrap();
            assert_eq!(check_extends(&key, &kept, &signed(&tree, new), &proof), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn a_head_that_does_not_go_on_is_refused_by_name() {
    let all = entries(9);
    let mut others = all.clone();
    others[2] = Entry::Warrant { warrant: WarrantHash([1; 32]) };
    let (ours, theirs, key) = (tree(&all), tree(&others), identity(7).public());
    let (kept, none) = (head_of(&ours, 6).unwrap(), Proof::default());
    let proof = |tree: &Tree, old, new| proof_of(tree.consistency(old, new)).unwrap();
    let check = |shown: &SignedTreeHead, proof: &Proof| check_extends(&key, &kept, shown, proof);

    assert_eq!(check(&signed(&theirs, 6), &none), Err(Inconsistent::TwoStories { size: 6 }));
    assert_eq!(check(&signed(&ours, 5), &none), Err(Inconsistent::Shrunken { kept: 6, shown: 5 }));
    let unproven = Err(Inconsistent::Unproven { kept: 6, shown: 9 });
    assert_eq!(check(&signed(&theirs, 9), &proof(&theirs, 6, 9)), unproven, "another past");
    assert_eq!(check(&signed(&ours, 9), &none), unproven, "no proof");
    assert_eq!(check(&signed(&ours, 9), &proof(&ours, 5, 9)), unproven, "the proof of another head");
    let mut forged = signed(&ours, 9);
    forged.head.root = TreeRoot([0; 32]);
    assert_eq!(check(&forged, &proof(&ours, 6, 9)), Err(Inconsistent::Unsigned));
    assert!(!Inconsistent::Unsigned.is_evidence() && Inconsistent::TwoStories { size: 6 }.is_evidence());
    // A head of another purpose is no head of this log.
    let raw = encode(&head_of(&ours, 9).unwrap()).unwrap();
    let other = SignedTreeHead {
        head: head_of(&ours, 9).unwrap(),
        signature: identity(7).sign(Signed::LogHead, &raw),
    };
    assert_eq!(check(&other, &proof(&ours, 6, 9)), Err(Inconsistent::Unsigned));
}

#[test]
fn an_entry_is_in_the_log_at_its_place_alone() {
    let all = entries(7);
    let tree = tree(&all);
    let head = head_of(&tree, 7).unwrap();
    for (place, entry) in all.iter().enumerate() {
        let proof = proof_of(tree.inclusion(place, 7)).unwrap();
        for index in 0..7 {
            assert_eq!(is_in(entry, index, &head, &proof), index == u64::try_from(place).unwrap());
        }
        assert!(!is_in(&Entry::Roster { epoch: 99, roster: RosterHash([9; 32]) }, 0, &head, &proof));
    }
}

#[test]
fn entries_of_different_kinds_have_different_leaves() {
    let (session, attempt) = (SessionId([1; 32]), AttemptId([1; 32]));
    let all = [
        Entry::Roster { epoch: 1, roster: RosterHash([1; 32]) },
        Entry::Warrant { warrant: WarrantHash([1; 32]) },
        Entry::Ended { session, attempt: None, ending: Ending::Sum },
        Entry::Ended { session, attempt: None, ending: Ending::NoSum },
        Entry::Ended { session, attempt: Some(attempt), ending: Ending::Sum },
        Entry::Refusals { attempt, hospitals: 1 },
        Entry::Bundle { attempt, result: ResultHash([1; 32]), bundle: bundle_hash(b"a") },
        Entry::Bundle { attempt, result: ResultHash([1; 32]), bundle: bundle_hash(b"b") },
    ];
    let leaves: std::collections::BTreeSet<[u8; 32]> = all.iter().map(|one| one.leaf().unwrap()).collect();
    assert_eq!(leaves.len(), all.len());
    for entry in all {
        assert_eq!(crate::codec::decode::<Entry>(&entry.to_bytes().unwrap()), Ok(entry));
    }
}
