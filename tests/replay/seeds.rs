//! The seeds of the corpus are those that the generator makes now.

use super::{files, fuzz};
use samensom_tests::fuzzed::seeds;
use std::collections::BTreeSet;
use std::fs;

const ANEW: &str = "SAMENSOM_WRITE=1 cargo test -p samensom-tests --test replay seeds";

/// A message that changed changes its seeds: they are written anew by one command.
#[test]
fn seeds_of_the_corpus_are_those_of_today() {
    let write = std::env::var_os("SAMENSOM_WRITE").is_some();
    for (target, of) in seeds::all() {
        let folder = fuzz().join("corpus").join(target);
        let mut names = BTreeSet::new();
        if write {
            fs::create_dir_all(&folder).unwrap();
        }
        for (name, bytes) in of {
            let path = folder.join(format!("seed-{name}"));
            if write {
                fs::write(&path, &bytes).unwrap();
            }
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == bytes, "{} is not what it would be today: {ANEW}", path.display());
            names.insert(path);
        }
        let is_seed = |path: &std::path::PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"))
        };
        for old in files(&folder).into_iter().filter(is_seed).filter(|path| !names.contains(path)) {
            if write {
                fs::remove_file(&old).unwrap();
            } else {
                panic!("{} is a seed that is not made any more: {ANEW}", old.display());
            }
        }
    }
}
