//! What can be written behind `./weir token`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::AddressOptions;

/// What to do about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    Create(CreateTokenOptions),
    List(ListTokensOptions),
    Revoke(RevokeTokenOptions),
}

/// Make a token that a program calls with: `authorization: Bearer weir_…`.
///
/// The token is printed once, alone on standard output (`TOKEN=$(./weir token create …)`), and
/// what it is good for on standard error. It is good within seconds.
#[derive(Debug, Args)]
pub struct CreateTokenOptions {
    /// Whose it is, for people and for the record of changes.
    pub name: String,
    /// What it may do; each may what those before it may.
    #[arg(long, value_enum)]
    pub role: RoleName,
    /// The only account that it may touch, by name or id; may be repeated. Without it: all.
    #[arg(long = "account", value_name = "NAME")]
    pub accounts: Vec<String>,
    /// How long it is good: 12h, 90d, 52w. Without it: until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub expires: Option<Duration>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// See there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Look at everything, people included.
    Read,
    /// Configure, and change contacts.
    Write,
    /// Make and end accounts and tokens as well.
    Admin,
}

/// List tokens that are good.
#[derive(Debug, Args)]
pub struct ListTokensOptions {
    /// Those that ended in the last 90 days as well.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// End a token: it is refused everywhere within seconds.
///
/// With `--all` everything that somebody has ends, as when they leave: each token of that name, and
/// the sessions in the console that came by them. Who signs in there by an issuer may do so again
/// until their groups are taken from them at the issuer.
#[derive(Debug, Args)]
pub struct RevokeTokenOptions {
    /// Its id, or its name where no other token that is good has it.
    #[arg(value_name = "TOKEN")]
    pub named: String,
    /// All tokens of that name that are good.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Longer than anybody plans: ten years.
const LONGEST: u64 = 10 * 366 * 24 * 3_600;

fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a time such as 12h, 90d or 52w, of at most ten years".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 24 * 3_600,
        'w' => 7 * 24 * 3_600,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds);
    let seconds = seconds.filter(|seconds| (1..=LONGEST).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, hours) in [("12h", 12), ("90d", 2_160), ("1w", 168), ("120m", 2)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(hours * 3_600)));
        }
        for text in [
            "",
            "d",
            "90",
            "0d",
            "-1d",
            "1.5d",
            "9999w",
            "5é",
            "99999999999999999999w",
        ] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
