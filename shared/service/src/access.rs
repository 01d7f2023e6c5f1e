//! Who may call a service, and as whom it calls others (semantics 9.1-9.3), as it is configured.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use weir_rpc::{Access, Secret};

use crate::Clock;
use crate::secret::{Hidden, hidden, path, read_secret};

/// Whether whoever calls is asked who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Everybody shows a token.
    Token,
    /// Nobody is asked.
    Open,
}

/// As whom a process calls others. Flatten it into the configuration of one whose own callers are
/// asked for something else. An empty token or file counts as none, as compose files write it.
#[derive(Debug, Clone, clap::Args)]
pub struct CallerOptions {
    /// `token`: whoever calls a service shows one. `open`: nobody is asked; refused on an address
    /// that others than this machine can reach.
    #[arg(long, env = "WEIR_ACCESS", value_enum, default_value = "token")]
    pub access: Mode,
    /// What services show each other, the same for all of them: at least 32 characters. A second
    /// one, behind a comma, is taken as well, so that one can take the place of the other.
    #[arg(long, env = "WEIR_SERVICE_TOKEN", hide_env_values = true, value_parser = hidden)]
    pub service_token: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_SERVICE_TOKEN_FILE", value_parser = path)]
    pub service_token_file: Option<PathBuf>,
}

/// Who may call, too; flatten it into a service's configuration.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessOptions {
    /// As whom it calls others.
    #[command(flatten)]
    pub caller: CallerOptions,
    /// The token of an administrator, by which the first others are made: `weir_` and at least 32
    /// characters. Without one, who has no token gets none.
    #[arg(long, env = "WEIR_ADMIN_TOKEN", hide_env_values = true, value_parser = hidden)]
    pub admin_token: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_ADMIN_TOKEN_FILE", value_parser = path)]
    pub admin_token_file: Option<PathBuf>,
}

impl CallerOptions {
    /// From now on this process calls others as a service. Answers all that services may show.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn enter(&self) -> anyhow::Result<Vec<Secret>> {
        let (mine, file) = (&self.service_token, &self.service_token_file);
        let services = read_secret("WEIR_SERVICE_TOKEN", mine.as_ref(), file.as_deref())?;
        let services = services.as_deref().unwrap_or_default().split(',');
        let services = services
            .map(str::trim)
            .filter(|token| !token.is_empty())
            .map(|token| Secret::new(token).map_err(|why| anyhow!("WEIR_SERVICE_TOKEN {why}")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        match services.first() {
            Some(mine) => weir_rpc::call_as(mine),
            None if self.access == Mode::Open => {}
            None => bail!(
                "WEIR_SERVICE_TOKEN is missing: the secret that all services of this Weir show each \
                 other (or WEIR_SERVICE_TOKEN_FILE; for a trial on one machine WEIR_ACCESS=open)"
            ),
        }
        Ok(services)
    }
}

impl AccessOptions {
    /// What a service that listens on `address` asks its callers for. From now on this process
    /// calls others as a service.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn enter(&self, address: SocketAddr, clock: &Clock) -> anyhow::Result<Access> {
        let services = self.caller.enter()?;
        let (theirs, file) = (&self.admin_token, &self.admin_token_file);
        let administrator = read_secret("WEIR_ADMIN_TOKEN", theirs.as_ref(), file.as_deref())?;
        let administrator = administrator
            .map(|token| Secret::administrator(&token))
            .transpose()
            .map_err(|why| anyhow!("WEIR_ADMIN_TOKEN {why}"))?;
        if self.caller.access == Mode::Open {
            if !address.ip().is_loopback() {
                bail!(
                    "WEIR_ACCESS=open lets everybody in who reaches WEIR_LISTEN, and {address} is \
                     no loopback address: use WEIR_ACCESS=token, or listen on 127.0.0.1"
                );
            }
            tracing::warn!("access is open: whoever reaches this address may do everything");
            return Ok(Access::open());
        }
        let clock = clock.clone();
        Ok(Access::by_token(services, administrator, move || {
            clock.now()
        }))
    }
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
            .enter(address.parse().unwrap(), &Clock::system());
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
    fn who_asks_nobody_takes_no_token_of_an_administrator() {
        #[derive(Parser)]
        struct Edge {
            #[command(flatten)]
            caller: CallerOptions,
        }
        let parse = |arguments: &[&str]| {
            let all = ["weir"].iter().chain(arguments);
            Edge::try_parse_from(all).map(|edge| edge.caller.enter())
        };
        assert!(parse(&["--service-token", SERVICE]).unwrap().is_ok());
        assert!(parse(&["--access", "open"]).unwrap().is_ok());
        assert!(parse(&[]).unwrap().is_err());
        let both = ["--service-token", SERVICE, "--admin-token", ADMIN];
        assert!(parse(&both).is_err());
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
