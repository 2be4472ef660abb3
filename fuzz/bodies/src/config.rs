//! Configuration files, from whoever wrote them.

use onrush_gateway::Config;
use onrush_types::Timestamp;

/// Read a configuration file and look for dangers in it. Returns whether it is one.
///
/// # Panics
/// When the same text is read in two ways.
pub fn config(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    match (Config::parse("fuzz.toml", text), Config::parse("fuzz.toml", text)) {
        (Ok(first), Ok(second)) => {
            let same = format!("{first:?}") == format!("{second:?}");
            assert!(same, "one text, two configurations");
            let _ = onrush_gateway::check(&first, Timestamp(1_796_126_400_000));
            true
        }
        (Err(errors), Err(again)) => {
            let errors = errors.to_string();
            assert!(!errors.is_empty(), "a refusal says why");
            assert_eq!(errors, again.to_string());
            false
        }
        _ => panic!("accepted once and refused once"),
    }
}
