//! How a command fails.

use std::process::ExitCode;

/// Why a command did not do what it should.
#[derive(Debug)]
pub enum Failure {
    /// The user can put it right by asking otherwise: exit code 2.
    Input(String),
    /// Something else: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Says it on standard error.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Input(message) => {
                eprintln!("{}", message.trim_end());
                ExitCode::from(2)
            }
            Self::Failed(error) => {
                eprintln!("weir: {}", format!("{error:#}").trim_end());
                ExitCode::from(1)
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
