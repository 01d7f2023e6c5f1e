//! What ends a command, and with which exit code.

use std::fmt;
use std::process::ExitCode;

/// Wrong use or wrong input: exit code 2. Everything else that fails is 1.
#[derive(Debug)]
pub struct Usage(String);

impl Usage {
    /// `message` says what is wrong and what would be right.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Prints the error in one line, and answers the exit code that says whose it is.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("weir: {error:#}");
    if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
