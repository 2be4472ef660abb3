//! Names that come from an operator's files: nodes, SKUs, orders, channels, groups.

use crate::limits::LABEL_BYTES_MAX;
use std::fmt;
use std::sync::Arc;

/// 1 to [`LABEL_BYTES_MAX`] bytes of UTF-8 without control characters or surrounding blanks.
///
/// Wider than [`onrush_types::Name`], since stores carry the names their owners gave them. Cloning
/// copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

impl Label {
    /// Check `text` and keep it.
    ///
    /// # Errors
    /// When it is empty, too long, has a control character, or starts or ends with a blank.
    pub fn new(text: &str) -> Result<Label, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > LABEL_BYTES_MAX {
            return Err(LabelError::TooLong { bytes: text.len() });
        }
        if text.trim() != text {
            return Err(LabelError::Blank);
        }
        match text.chars().find(|c| c.is_control()) {
            Some(character) => Err(LabelError::Control { character }),
            None => Ok(Label(text.into())),
        }
    }

    /// Return the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelError {
    /// No characters.
    Empty,
    /// More than [`LABEL_BYTES_MAX`].
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// A blank at the start or end.
    Blank,
    /// A character that cannot be printed.
    Control {
        /// The first one.
        character: char,
    },
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelError::Empty => f.write_str("the name is empty"),
            LabelError::TooLong { bytes } => {
                write!(f, "a name has at most {LABEL_BYTES_MAX} bytes, this one has {bytes}")
            }
            LabelError::Blank => f.write_str("a name does not start or end with a blank"),
            LabelError::Control { character } => {
                write!(f, "a name does not contain {character:?}")
            }
        }
    }
}

impl std::error::Error for LabelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_stores_are_called_and_refuses_what_breaks_a_line() {
        assert!(Label::new("艳粉店").is_ok());
        assert!(Label::new("7-eleven #12").is_ok());
        assert_eq!(Label::new(""), Err(LabelError::Empty));
        assert_eq!(Label::new(" a"), Err(LabelError::Blank));
        assert_eq!(Label::new("a\u{7}b"), Err(LabelError::Control { character: '\u{7}' }));
        assert!(Label::new(&"x".repeat(LABEL_BYTES_MAX + 1)).is_err());
    }
}
