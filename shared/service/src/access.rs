//! Who may call a service, and as whom it calls others (semantics 9.1-9.3), as it is configured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use weir_rpc::{Access, Secret};

use crate::Clock;

/// Whether whoever calls is asked who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Everybody shows a token.
    Token,
    /// Nobody is asked.
    Open,
}

/// Who may call; flatten it into a service's configuration. An empty variable counts as none, as
/// compose files write it.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessOptions {
    /// `token`: whoever calls shows one. `open`: nobody is asked; refused on an address that others
    /// than this machine can reach.
    #[arg(long, env = "WEIR_ACCESS", value_enum, default_value = "token")]
    pub access: Mode,
    /// What services show each other, the same for all of them: at least 32 characters. A second
    /// one, behind a comma, is taken as well, so that one can take the place of the other.
    #[arg(long, env = "WEIR_SERVICE_TOKEN", hide_env_values = true, value_parser = hidden)]
    pub service_token: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_SERVICE_TOKEN_FILE", value_parser = path)]
    pub service_token_file: Option<PathBuf>,
    /// The token of an administrator, by which the first others are made: `weir_` and at least 32
    /// characters. Without one, who has no token gets none.
    #[arg(long, env = "WEIR_ADMIN_TOKEN", hide_env_values = true, value_parser = hidden)]
    pub admin_token: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_ADMIN_TOKEN_FILE", value_parser = path)]
    pub admin_token_file: Option<PathBuf>,
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

fn hidden(text: &str) -> Result<Hidden, String> {
    Ok(Hidden(text.to_owned()))
}

/// An empty one is none: so an environment says it that always names it.
fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

impl AccessOptions {
    /// What a service that listens on `address` asks its callers for. From now on this process
    /// calls others as a service. Without a token it is one `by_certificate`, or not at all.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn enter(
        &self,
        address: SocketAddr,
        clock: &Clock,
        by_certificate: bool,
    ) -> anyhow::Result<Access> {
        let (mine, file) = (&self.service_token, &self.service_token_file);
        let services = read("WEIR_SERVICE_TOKEN", mine.as_ref(), file.as_deref())?;
        let services = services.as_deref().unwrap_or_default().split(',');
        let services = services
            .map(str::trim)
            .filter(|token| !token.is_empty())
            .map(|token| Secret::new(token).map_err(|why| anyhow!("WEIR_SERVICE_TOKEN {why}")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (theirs, file) = (&self.admin_token, &self.admin_token_file);
        let administrator = read("WEIR_ADMIN_TOKEN", theirs.as_ref(), file.as_deref())?;
        let administrator = administrator
            .map(|token| Secret::administrator(&token))
            .transpose()
            .map_err(|why| anyhow!("WEIR_ADMIN_TOKEN {why}"))?;
        if let Some(mine) = services.first() {
            weir_rpc::call_as(mine);
        }
        if self.access == Mode::Open {
            if !address.ip().is_loopback() {
                bail!(
                    "WEIR_ACCESS=open lets everybody in who reaches WEIR_LISTEN, and {address} is \
                     no loopback address: use WEIR_ACCESS=token, or listen on 127.0.0.1"
                );
            }
            tracing::warn!("access is open: whoever reaches this address may do everything");
            return Ok(Access::open());
        }
        if services.is_empty() && !by_certificate {
            bail!(
                "WEIR_SERVICE_TOKEN is missing: the secret that all services of this Weir show each \
                 other (or WEIR_SERVICE_TOKEN_FILE; certificates, by WEIR_TLS_SERVICES; for a trial on \
                 one machine WEIR_ACCESS=open)"
            );
        }
        let clock = clock.clone();
        Ok(Access::by_token(services, administrator, move || {
            clock.now()
        }))
    }
}

/// What a variable says, or the file that another one names.
fn read(
    variable: &str,
    given: Option<&Hidden>,
    file: Option<&Path>,
) -> anyhow::Result<Option<String>> {
    let file = file.filter(|file| !file.as_os_str().is_empty());
    let given = given.map_or("", |given| given.0.trim());
    let text = match file {
        Some(_) if !given.is_empty() => {
            bail!("{variable} and {variable}_FILE are both set: one of them is to say it")
        }
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{variable}_FILE: can't read {}", file.display()))?,
        None => given.to_owned(),
    };
    let text = text.trim();
    if text.is_empty() && file.is_some() {
        bail!("{variable}_FILE: there is nothing in it");
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Config {
        #[command(flatten)]
        access: AccessOptions,
    }

    const SERVICE: &str = "the-secret-of-the-services-of-a-test";
    const ADMIN: &str = "weir_of-the-administrator-of-this-very-test";

    fn enter(address: &str, arguments: &[&str]) -> Result<Access, String> {
        let all = ["weir"].iter().chain(arguments);
        let config = Config::try_parse_from(all).map_err(|error| error.to_string())?;
        let entered = config
            .access
            .enter(address.parse().unwrap(), &Clock::system(), false);
        entered.map_err(|error| format!("{error:#}"))
    }

    // Semantics 9.1.
    #[test]
    fn open_is_for_this_machine_alone() {
        for address in ["127.0.0.1:7001", "[::1]:7001"] {
            let access = enter(address, &["--access", "open"]).unwrap();
            assert!(access.is_open());
        }
        for address in ["0.0.0.0:7001", "10.0.0.7:7001", "[::]:7001"] {
            let error = enter(address, &["--access", "open"]).err().unwrap();
            assert!(error.contains("no loopback address"), "{error}");
            assert!(!error.contains("  "), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_too_short_is_named() {
        let folder = std::env::temp_dir().join(format!("weir-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (good, empty) = (folder.join("good"), folder.join("empty"));
        std::fs::write(&good, format!("{SERVICE}\n")).unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let (good, empty) = (good.to_str().unwrap(), empty.to_str().unwrap());
        let two = format!("{SERVICE}, {SERVICE}-of-tomorrow");
        let service = ["--service-token", SERVICE];
        for (arguments, fault) in [
            (&[][..], Some("WEIR_SERVICE_TOKEN is missing")),
            (
                &["--service-token", ""],
                Some("WEIR_SERVICE_TOKEN is missing"),
            ),
            (
                &["--service-token", "short"],
                Some("WEIR_SERVICE_TOKEN must have"),
            ),
            (&service, None),
            (&["--service-token", &two], None),
            (&["--service-token-file", good], None),
            (&["--service-token-file", empty], Some("nothing in it")),
            (
                &["--service-token-file", "/nowhere"],
                Some("can't read /nowhere"),
            ),
            (
                &[service[0], SERVICE, "--service-token-file", good],
                Some("both set"),
            ),
            (&[service[0], SERVICE, "--service-token-file", ""], None),
            (&[service[0], SERVICE, "--admin-token", ADMIN], None),
            (
                &[service[0], SERVICE, "--admin-token", SERVICE],
                Some("WEIR_ADMIN_TOKEN must begin"),
            ),
            (&["--access", "closed"], Some("invalid value")),
        ] {
            let entered = enter("127.0.0.1:7001", arguments);
            match fault {
                None => assert!(!entered.unwrap().is_open()),
                Some(fault) => {
                    let error = entered.err().unwrap();
                    assert!(error.contains(fault), "{arguments:?}: {error}");
                }
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn no_secret_is_shown() {
        let all = ["weir", "--service-token", SERVICE, "--admin-token", ADMIN];
        let config = Config::try_parse_from(all).unwrap();
        let shown = format!("{:?}", config.access);
        assert!(
            !shown.contains(SERVICE) && !shown.contains(ADMIN),
            "{shown}"
        );
    }
}
