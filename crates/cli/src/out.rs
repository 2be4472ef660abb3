//! Saying things: results to stdout, as text or as JSON; the rest to stderr.

use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not do its work. Exit code 1.
    Failed(String),
    /// What was asked makes no sense. Exit code 2.
    Usage(String),
    /// A check did not hold; what was found has been said. Exit code 3.
    NotHeld(String),
    /// Nobody reads our output any more, as in `onrush export | head`.
    NoReader,
}

impl Failure {
    /// Fail with an error's text.
    pub(crate) fn of(error: impl fmt::Display) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// Where a command says things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) json: bool,
    pub(crate) colour: bool,
    /// Progress may be shown on the terminal.
    pub(crate) progress: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Out {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Out {
            json,
            colour: !plain && !json && io::stdout().is_terminal(),
            progress: !json && io::stderr().is_terminal(),
        }
    }

    /// Say a result: `text` for people, `value` with `--json`.
    pub(crate) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            let mut json = serde_json::to_vec(value).map_err(Failure::of)?;
            json.push(b'\n');
            self.raw(&json)
        } else {
            self.raw(text().as_bytes())
        }
    }

    /// Write bytes to stdout.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::NoReader,
            _ => Failure::Failed(format!("cannot write to stdout: {error}")),
        })
    }

    /// Say something beside the result.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Say why it did not end well, and return the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        let (code, text) = match failure {
            Failure::Failed(text) => (1, text),
            Failure::Usage(text) => (2, text),
            Failure::NotHeld(text) => (3, text),
            Failure::NoReader => return ExitCode::SUCCESS,
        };
        self.note(format_args!("error: {text}"));
        ExitCode::from(code)
    }
}
