//! The fuzzer's corpus on stable Rust: nothing panics, every promise holds, and memory stays in bounds.
//!
//! `bytes allocated <= 16 x received + 64 KiB` is held for every input of the corpus, and in sessions for
//! every single frame that a machine is given. Seeds are compared with what the generator makes now.

#[cfg(samensom_ablation)]
mod controls;
mod memory;
mod random;
mod seeds;

use samensom_tests::fuzzed::{TARGETS, measure_with};
use std::fs;
use std::path::{Path, PathBuf};

/// Most bytes of the whole corpus.
const CORPUS: u64 = 1_500_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_is_taken_within_its_memory() {
    measure_with(memory::hold);
    for (name, run) in TARGETS {
        let inputs = files(&fuzz().join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in &inputs {
            memory::now_at(name, input);
            run(&fs::read(input).unwrap());
        }
        println!("{name}: {} inputs; at most {}", inputs.len(), memory::most());
    }
}

#[test]
fn every_target_has_its_corpus_and_its_wrapper() {
    let folders: Vec<String> = files(&fuzz().join("corpus"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(folders.iter().any(|folder| folder == name), "{name} has no corpus");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} stands not in the manifest");
        let wrapper = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(wrapper.contains(&format!("\"{name}\"")), "{name}'s wrapper runs something else");
    }
    if cfg!(feature = "programs") {
        assert_eq!(folders.len(), TARGETS.len(), "a corpus without a target: {folders:?}");
    }
    let size: u64 = folders
        .iter()
        .flat_map(|folder| files(&fuzz().join("corpus").join(folder)))
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    println!("the corpus has {size} bytes");
    assert!(size <= CORPUS, "the corpus has {size} bytes, at most {CORPUS}");
}
