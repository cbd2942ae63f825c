//! The bound on memory, held around whatever takes received bytes in.
//!
//! Of what a peer can send, all that is allocated counts, freed or not. Of TOML, which only the operator's own
//! files hold, what is held at once: its parser keeps and drops many small pieces.

use allocation_counter::measure;
use std::cell::{Cell, RefCell};
use std::path::Path;

/// Bytes that may be allocated whatever was received.
const BASE: u64 = 64 * 1024;
/// Bytes that may be allocated for each byte received.
const EACH: u64 = 16;

/// Targets that read TOML.
const TOML: [&str; 6] = ["query_text", "token", "node_config", "coordinator_config", "rules", "person"];

thread_local! {
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
    static INPUT: RefCell<String> = const { RefCell::new(String::new()) };
    /// Allocated, received: where most of the bound was used.
    static MOST: Cell<(u64, u64)> = const { Cell::new((0, 1)) };
}

fn bound(received: u64) -> u64 {
    EACH * received + BASE
}

/// Which target is run, and which input a broken bound is blamed on.
pub fn now_at(target: &str, input: &Path) {
    AT_ONCE.set(TOML.contains(&target));
    INPUT.set(input.display().to_string());
}

/// What came nearest to the bound since this was last asked.
pub fn most() -> String {
    let (allocated, received) = MOST.replace((0, 1));
    format!("{allocated} bytes for {received} received, of {} allowed", bound(received))
}

/// Runs the work and holds its allocations against the bound.
pub fn hold(received: usize, work: &mut dyn FnMut()) {
    let received = u64::try_from(received).unwrap();
    let seen = measure(work);
    let used = if AT_ONCE.get() { seen.bytes_max } else { seen.bytes_total };
    let (allocated, of) = MOST.get();
    // used / bound(received) > allocated / bound(of)
    if u128::from(used) * u128::from(bound(of)) > u128::from(allocated) * u128::from(bound(received)) {
        MOST.set((used, received));
    }
    let input = INPUT.with_borrow(String::clone);
    assert!(
        used <= bound(received),
        "{used} bytes allocated for {received} received, at most {}: {input}",
        bound(received)
    );
}

#[test]
fn a_length_that_was_only_claimed_breaks_the_bound() {
    let trusting = |bytes: &[u8]| Vec::<u8>::with_capacity(usize::from(bytes[0]) << 16);
    hold(1, &mut || drop(trusting(&[1])));
    let broken = std::panic::catch_unwind(|| hold(1, &mut || drop(trusting(&[2]))));
    assert!(broken.is_err(), "128 KiB for one byte were not seen");
}
