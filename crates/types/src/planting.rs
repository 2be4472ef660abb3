//! Planted bugs: small faults at known places, with which the checkers are checked.
//!
//! A build has none of them: [`planted!`](crate::planted) is its last argument then. Only a build
//! with `--cfg onrush_planted` (a flag of the compiler, which no dependency and no feature can set)
//! has them, one at a time, named by the environment variable `ONRUSH_PLANTED`; and such a build
//! cannot be one for release: without debug assertions it does not compile. `docs/simulation.md`
//! lists them with what finds each.

#[cfg(all(onrush_planted, not(debug_assertions)))]
compile_error!("planted bugs are for `cargo xtask prove-checkers`; a release never has them");

/// Return the right value, `planted!("name", wrong, right)`; the wrong one only in a build for
/// checking the checkers, and there only while the bug of that name is switched on.
#[macro_export]
macro_rules! planted {
    ($name:literal, $wrong:expr, $right:expr) => {{
        #[cfg(onrush_planted)]
        let value = if $crate::planting::is_on($name) { $wrong } else { $right };
        #[cfg(not(onrush_planted))]
        let value = $right;
        value
    }};
}

/// Tell whether the bug of this name is switched on. Asked once for each process.
#[cfg(onrush_planted)]
pub fn is_on(name: &str) -> bool {
    static ON: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var("ONRUSH_PLANTED").ok()).as_deref() == Some(name)
}
