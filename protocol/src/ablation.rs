//! Checks switched off and bugs planted on purpose, so that a test can show that it would find them.
//!
//! Compiled only under `--cfg samensom_ablation`, never with optimised programs: a release build with it
//! does not compile. Without it [`ablated!`] is the word `false`. Which are on is kept by thread.

/// True where one of the named checks is switched off, or one of the named bugs planted.
macro_rules! ablated {
    ($($name:literal),+) => {{
        #[cfg(samensom_ablation)]
        let on = [$($name),+].into_iter().any(crate::ablation::is_on);
        #[cfg(not(samensom_ablation))]
        let on = false;
        on
    }};
}
pub(crate) use ablated;

/// True where the whole check of this id is switched off.
macro_rules! unchecked {
    ($check:expr) => {{
        #[cfg(samensom_ablation)]
        let off = crate::ablation::is_off($check);
        #[cfg(not(samensom_ablation))]
        let off = {
            let _: crate::error::Check = $check;
            false
        };
        off
    }};
}
pub(crate) use unchecked;

#[cfg(samensom_ablation)]
pub use named::{BUGS, CATALOGUE, CHECKS, only, without};
#[cfg(samensom_ablation)]
pub(crate) use named::{is_off, is_on};

#[cfg(samensom_ablation)]
mod named {
    use crate::error::Check;
    use std::cell::Cell;

    #[cfg(not(debug_assertions))]
    compile_error!("samensom_ablation switches checks off: it is for tests only, never for a release build");

    /// Checks that an adversary must win against when they are off, and leaks an observer must find.
    pub const CHECKS: &[(&str, &str)] = &[
        ("a16-quorum", "a certificate needs half of its own survivors, not q of the roster"),
        (
            "a19-ready-of-all",
            "GO needs READY of nobody in particular; its backups are off too: A08's least size of U1, and A20",
        ),
        (
            "a20-con-sigs",
            "FREEZE believes survivors without their signed reports; its backups are off too: A08's least size \
             of U1, and A19 takes READY for any START of the attempt",
        ),
        ("a19-alone", "GO needs READY of nobody in particular; A08 and A20 hold, so that no figure leaks"),
        ("a20-alone", "FREEZE believes survivors without their signed reports; A08 and A19 hold"),
        ("a19-a20-alone", "both of these are off, and A08's q holds: 2q > N + X leaves one mask unknown"),
        ("a09-non-zero", "a pair without a channel passes as 0 = 0, and has no mask"),
        (
            "a14-equal-survivors",
            "a bound slot takes other survivors; the same rule on the cohort (A08) is off too",
        ),
        ("a03-bound-and-spent", "the record of an extract is not looked at"),
        ("a03-own-slot", "the header's slot is taken as it is, and an extract frozen anew for it"),
        ("a03-spacing", "two slots' extracts may be frozen seconds apart, on both sides of a boundary"),
        ("a24-quorum", "one VOID undoes an attempt, whatever its number"),
        ("a24-confirmed", "a node voids an attempt that it confirmed"),
        ("leak-r-of-survivors", "shares of r are given for survivors too"),
        ("leak-b-of-dropouts", "shares of b are given for the whole cohort"),
        ("leak-seed-without-sid", "a pair's seed is the same in every attempt"),
        ("leak-no-own-mask", "a report carries no own mask"),
        ("leak-pair-mask-missing", "a report lacks the mask it shares with the last of its cohort"),
    ];

    /// Defences of the attack catalogue that are no check by an id: each attack wins without its own.
    pub const CATALOGUE: &[(&str, &str)] = &[
        ("sid-without-query", "the attempt's id does not cover warrant, slot and pass"),
        ("kdf-without-attempt", "no key of a mask covers attempt or GO"),
        ("relation-off", "shares are taken that do not lie on the dealer's polynomials"),
        ("unusable-stay", "a dealer whose shares nobody can use stays, whoever lists it"),
        ("leaf-off", "a revealed share is not compared with its dealer's commitment"),
        ("history-off", "who was left out in the slots before does not count"),
        ("list-off", "seeds in a recovery list are not compared with their commitments"),
        ("range-off", "a figure is contributed whatever its range"),
        ("type-off", "a signature counts for every type of message"),
        ("classic-only", "a channel key is what a later computer makes of X25519 alone"),
        ("narrow-secrets", "secrets and coefficients are drawn from 256 values"),
        ("length-of-figures", "a hospital that has nothing sends nothing"),
        ("droppers-stay", "who vanished before contribution is invited again"),
        ("caps-off", "a list may be longer than its type says"),
        ("answers-kept", "a node keeps its shares after the result"),
        ("echo-of-one", "one peer's word is enough to find a ledger rolled back"),
        ("q-of-started", "q is half of those started, not counted against the roster"),
        ("second-freeze", "a node that confirmed one set of survivors takes up another"),
        ("one-roster-off", "the roster may change inside a slot"),
        ("overlap-off", "two predicates over patients may differ by one patient"),
        ("rate-off", "a family of queries is answered as often as it is asked"),
        ("tree-off", "a nation and classes of its hospitals are judged apart"),
        ("floorless-off", "figures under no floor may stand beside any that are counted"),
        ("series-off", "a warrant that keeps its hospitals is answered whoever is invited"),
        ("series-of-classes", "a hospital may come to another class between two sums of a time that is over"),
        ("series-by-warrant", "what was asked under another warrant of a time that is over binds nobody"),
        ("total-uncommitted", "a total counts whatever was committed to"),
        ("one-blinding", "all blocks of a contribution are committed to under one blinding"),
        ("range-without-attempt", "a proof of ranges does not cover the attempt"),
        ("range-without-node", "a proof of ranges does not cover whose it is"),
        ("bare-blindings", "a report's blindings carry no masks"),
        ("roster-unsigned", "a roster counts without signatures of the signers before it"),
    ];

    /// Bugs that the simulator must find.
    pub const BUGS: &[(&str, &str)] = &[
        ("a12-off", "FREEZE may name fewer than q survivors"),
        ("a12-strict", "FREEZE needs more than q survivors: > for >="),
        ("a16-strict", "a certificate needs more than q signatures: > for >="),
        ("added-twice", "the coordinator adds a report's block twice"),
        ("bound-off", "a header without survivors is good for an extract that has some"),
        ("certificate-off", "a certificate's signatures are not checked"),
        ("confirmed-not-kept", "CONFIRM leaves without its record"),
        ("deadline-kept", "a node's deadline passes and nothing is wiped"),
        ("dropouts-masked", "the dropouts' masks stay in the total"),
        ("echo-off", "a ledger that was rolled back is not found out"),
        ("frozen-forgotten", "a slot's freeze is not remembered"),
        ("known-overwritten", "a later session overwrites survivors that were known"),
        ("lost-report", "a lost link takes a checked report with it"),
        ("mask-sign", "both ends of a pair add their mask"),
        ("no-modulo", "the total is not reduced modulo 2^w"),
        ("position-off", "a share is taken for the next holder's"),
        ("repeat-refused", "a repeated request is refused, not answered again"),
        ("resume-reports", "a restart forgets spooled reports"),
        ("resume-start", "a restart forgets START and makes another"),
        ("seen-forgotten", "what peers' ledgers were is not remembered"),
        ("sent-late", "the coordinator records a message after it sent it"),
        ("shares-less", "one share less opens a secret"),
        ("slot-off", "a header's slot need not be the node's own"),
        ("spent-forgotten", "SPENT does not count"),
        ("spent-not-kept", "a report leaves without its record"),
        ("void-not-kept", "VOID leaves without its record"),
        ("voids-short", "VOIDS of q - 1 are enough"),
    ];

    thread_local! {
        static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
        static OFF: Cell<Option<Check>> = const { Cell::new(None) };
    }

    /// Switches the whole check of this id off in this thread, wherever it is made, or none.
    pub fn without(check: Option<Check>) {
        OFF.set(check);
    }

    pub(crate) fn is_off(check: Check) -> bool {
        OFF.get() == Some(check)
    }

    /// Switches exactly this one on in this thread, or none.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn only(name: Option<&str>) {
        let known = |name| {
            CHECKS
                .iter()
                .chain(CATALOGUE)
                .chain(BUGS)
                .find(|(known, _)| *known == name)
                .map(|(known, _)| *known)
        };
        #[expect(clippy::expect_used, reason = "a test that names what does not exist must not pass")]
        ON.set(name.map(|name| known(name).expect("a listed name")));
    }

    pub(crate) fn is_on(name: &str) -> bool {
        ON.get() == Some(name)
    }
}
