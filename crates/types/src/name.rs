//! Names that operators choose: campaigns, SKUs, nodes, channels.

use crate::limits::NAME_BYTES_MAX;
use std::fmt;
use std::sync::Arc;

/// 1 to [`NAME_BYTES_MAX`] characters of `A–Z a–z 0–9 - _ .`, not starting with a dot.
///
/// Safe in a path, a URL, a log line, a CSV cell and a metric label without escaping. Cloning
/// copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Check `text` and keep it.
    ///
    /// # Errors
    /// When it is empty, too long, starts with a dot or has another character.
    pub fn new(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if text.starts_with('.') {
            return Err(NameError::BadCharacter { character: '.', at: 0 });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match text.char_indices().find(|&(_, c)| !allowed(c)) {
            Some((at, character)) => Err(NameError::BadCharacter { character, at }),
            None => Ok(Name(text.into())),
        }
    }

    /// Return the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// No characters.
    Empty,
    /// More than [`NAME_BYTES_MAX`].
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// A character outside the allowed set.
    BadCharacter {
        /// The first one.
        character: char,
        /// Its byte offset.
        at: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a name has at least one character"),
            NameError::TooLong { bytes } => {
                write!(f, "a name has at most {NAME_BYTES_MAX} characters, this one has {bytes}")
            }
            NameError::BadCharacter { character, at } => write!(
                f,
                "{character:?} at position {at}: a name uses letters, digits, '-', '_' and '.', \
                 and does not start with '.'"
            ),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names_and_names_the_first_bad_character() {
        assert!(Name::new("jacket-black_m.2").is_ok());
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("../x"), Err(NameError::BadCharacter { character: '.', at: 0 }));
        assert_eq!(Name::new("a b"), Err(NameError::BadCharacter { character: ' ', at: 1 }));
        assert_eq!(Name::new("a\n"), Err(NameError::BadCharacter { character: '\n', at: 1 }));
        assert!(Name::new(&"x".repeat(NAME_BYTES_MAX)).is_ok());
        assert!(Name::new(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
    }
}
