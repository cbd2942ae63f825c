//! Checks switched off and bugs planted on purpose, so that a test can show that it would find them.
//!
//! Compiled only under `--cfg samensom_ablation`, never with optimised programs: a release build with it
//! does not compile. Without it [`ablated!`] is the word `false`. Which are on is kept by thread.

/// True where the named check is switched off, or the named bug planted.
macro_rules! ablated {
    ($name:literal) => {{
        #[cfg(samensom_ablation)]
        let on = crate::ablation::is_on($name);
        #[cfg(not(samensom_ablation))]
        let on = false;
        on
    }};
}
pub(crate) use ablated;

#[cfg(samensom_ablation)]
pub(crate) use named::is_on;
#[cfg(samensom_ablation)]
pub use named::{ALL, only};

#[cfg(samensom_ablation)]
mod named {
    use std::cell::Cell;

    #[cfg(not(debug_assertions))]
    compile_error!("samensom_ablation switches checks off: it is for tests only, never for a release build");

    /// Every name and what it does, for tests and their report.
    pub const ALL: &[(&str, &str)] =
        &[("a16-quorum", "a certificate needs half of its own survivors, not q of the roster")];

    thread_local! {
        static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Switches exactly this one on in this thread, or none.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn only(name: Option<&str>) {
        let known = |name| ALL.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
        #[expect(clippy::expect_used, reason = "a test that names what does not exist must not pass")]
        ON.set(name.map(|name| known(name).expect("a name in ALL")));
    }

    pub(crate) fn is_on(name: &str) -> bool {
        ON.get() == Some(name)
    }
}
