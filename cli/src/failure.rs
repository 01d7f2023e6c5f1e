//! How a command fails.

use std::process::ExitCode;

/// Why a command did not do what it should.
#[derive(Debug)]
pub enum Failure {
    /// The user can put it right by asking otherwise: exit code 2.
    Input(String),
    /// Something else: exit code 1.
    Failed(anyhow::Error),
    /// Whoever read what is written has gone (`| head`): exit code 141, as of others whom that ends,
    /// and not a word. Under `pipefail` half of an export is none.
    Unread,
}

/// 128 and SIGPIPE.
const UNREAD: u8 = 141;

impl Failure {
    /// Says it on standard error.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Input(message) => {
                eprintln!("{}", message.trim_end());
                ExitCode::from(2)
            }
            Self::Failed(error) => {
                eprintln!("weir: {}", told(&error).trim_end());
                ExitCode::from(1)
            }
            Self::Unread => ExitCode::from(UNREAD),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// The error and its causes, each once: many say themselves what the one behind them says.
pub fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::{Context, anyhow};

    use super::*;

    #[derive(Debug)]
    struct Twice(io::Error);

    impl std::fmt::Display for Twice {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "no connection: {}", self.0)
        }
    }

    impl std::error::Error for Twice {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn each_failure_has_its_exit_code() {
        for (failure, code) in [
            (Failure::Input("wrong".to_owned()), 2),
            (Failure::Failed(anyhow!("away")), 1),
            (Failure::Unread, 141),
        ] {
            assert_eq!(failure.report(), ExitCode::from(code));
        }
    }

    #[test]
    fn what_a_cause_says_is_said_once() {
        let refused = Twice(io::Error::other("refused"));
        let error = Err::<(), _>(refused).context("PostgreSQL");
        let error = error.unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "PostgreSQL: no connection: refused: refused"
        );
        assert_eq!(told(&error), "PostgreSQL: no connection: refused");
        assert_eq!(told(&anyhow!("inner").context("outer")), "outer: inner");
    }
}
