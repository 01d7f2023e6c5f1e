//! The process of a service: configuration, telemetry, a listener, a signal to end.

use std::net::{AddrParseError, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use weir_rpc::CorsOrigins;
use weir_telemetry::Options;

use crate::{Clock, Serving, Shutdown};

/// Who may call from a browser; flatten it into a service's configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Browsers {
    /// Origins of pages that may call from a browser, with commas in between:
    /// `https://weir.example.org,http://localhost:3000`. Without them none may.
    #[arg(long, env = "WEIR_CORS_ORIGINS", default_value = "")]
    pub cors_origins: CorsOrigins,
}

/// Runs a service until SIGTERM or Ctrl-C, or until it fails. `process` says where the service
/// listens, and what is logged.
///
/// # Errors
/// A configuration that can't be used, or what `serve` failed at.
pub fn run<C: clap::Parser + 'static>(
    name: &'static str,
    process: impl FnOnce(&C) -> (SocketAddr, Options),
    serve: fn(C, Clock, TcpListener, Shutdown) -> Serving,
) -> anyhow::Result<()> {
    let config = C::parse();
    let (listen, telemetry) = process(&config);
    let serve = move |listener, _: Option<TcpListener>| {
        serve(config, Clock::system(), listener, signalled())
    };
    let further = ("", Further::OFF);
    within_runtime(name, (listen, further), telemetry, Box::new(serve))
}

/// As [`run`], of a service that listens at a second address as well, where `process` says so.
///
/// # Errors
/// As of [`run`].
pub fn run_with_two<C: clap::Parser + 'static>(
    name: &'static str,
    process: impl FnOnce(&C) -> (SocketAddr, (&'static str, Further), Options),
    serve: fn(C, Clock, TcpListener, Option<TcpListener>, Shutdown) -> Serving,
) -> anyhow::Result<()> {
    let config = C::parse();
    let (listen, further, telemetry) = process(&config);
    let serve = move |first, second| serve(config, Clock::system(), first, second, signalled());
    within_runtime(name, (listen, further), telemetry, Box::new(serve))
}

/// A second address to listen at; `off`: nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Further(pub Option<SocketAddr>);

impl Further {
    const OFF: Self = Self(None);
}

impl FromStr for Further {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text.trim() {
            "off" | "" => Ok(Self::OFF),
            address => address.parse().map(|address| Self(Some(address))),
        }
    }
}

/// Of a worker. What was not optimized takes several times as much of it, and the usual 2 MiB
/// were met; only what is used is memory.
const STACK: usize = 8 * 1024 * 1024;

type Serve = Box<dyn FnOnce(TcpListener, Option<TcpListener>) -> Serving>;

/// Of no service's own type: compiled here, once for all of their binaries.
fn within_runtime(
    name: &'static str,
    listen: (SocketAddr, (&'static str, Further)),
    telemetry: Options,
    serve: Serve,
) -> anyhow::Result<()> {
    open_many_files();
    let given = given().context("LISTEN_FDS")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .context("the runtime can't be started")?;
    runtime.block_on(within_process(name, listen, given, telemetry, serve))
}

async fn within_process(
    name: &'static str,
    (listen, (variable, further)): (SocketAddr, (&'static str, Further)),
    [first, second]: [Option<std::net::TcpListener>; 2],
    telemetry: Options,
    serve: Serve,
) -> anyhow::Result<()> {
    let telemetry = weir_telemetry::start(name, &telemetry).await?;
    let first = listener("WEIR_LISTEN", listen, first).await?;
    let second = match further.0 {
        Some(further) => Some(listener(variable, further, second).await?),
        None => None,
    };
    let served = serve(first, second).await;
    if let Err(error) = &served {
        tracing::error!(error = %format!("{error:#}"), "ended");
    }
    telemetry.shutdown().await;
    if served.is_err() && tracing::enabled!(tracing::Level::ERROR) {
        // It was said, as all else that is logged: whoever reads JSON reads no other last words.
        std::process::exit(1);
    }
    served
}

async fn listener(
    variable: &'static str,
    listen: SocketAddr,
    given: Option<std::net::TcpListener>,
) -> anyhow::Result<TcpListener> {
    let listener = match given {
        Some(given) => TcpListener::from_std(given).context("LISTEN_FDS")?,
        None => TcpListener::bind(listen)
            .await
            .with_context(|| format!("{variable}: can't listen on {listen}"))?,
    };
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// Sockets that whoever started us listens on already (`LISTEN_FDS`), instead of `WEIR_LISTEN`
/// and of what a second address is called: they outlive this process, and others may share them.
fn given() -> std::io::Result<[Option<std::net::TcpListener>; 2]> {
    // It takes the variable away, so that both are looked for here.
    let mut listen_fd = listenfd::ListenFd::from_env();
    let mut given = [None, None];
    for (number, given) in given.iter_mut().enumerate() {
        *given = listen_fd.take_tcp_listener(number)?;
        if let Some(given) = given {
            given.set_nonblocking(true)?;
        }
    }
    Ok(given)
}

/// Sockets are files, of which a shell lets its programs have 1,024: here all that they may ask
/// for. Where it is refused it stays as it is.
fn open_many_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, wanted);
}

fn signalled() -> Shutdown {
    Box::pin(async {
        let terminate = signal(SignalKind::terminate());
        let mut terminate = terminate.expect("the runtime can listen to signals");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping");
    })
}

/// Reads a duration of a configuration.
///
/// # Errors
/// Where it is no number of milliseconds, or none up to a day.
pub fn millis(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(millis @ 1..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err("must be milliseconds, from 1 to 86400000 (a day)".to_owned()),
    }
}

/// Reads a duration that may be none, and says its unit; without one it is milliseconds.
///
/// # Errors
/// Where it is no number of seconds or milliseconds, or more than a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => text
            .strip_suffix('s')
            .map_or((text, 1), |number| (number, 1_000)),
    };
    let number: Option<u64> = number.trim().parse().ok();
    match number.and_then(|number| number.checked_mul(unit)) {
        Some(millis @ 0..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err("must be seconds or milliseconds (5s, 500ms), a day at most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_of_a_day_at_most() {
        assert_eq!(millis("30000"), Ok(Duration::from_secs(30)));
        assert_eq!(millis("86400000"), Ok(Duration::from_secs(86_400)));
        for wrong in ["", "0", "-1", "30s", "86400001", "99999999999999999999"] {
            assert!(millis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_second_address_may_be_none() {
        assert_eq!("off".parse(), Ok(Further(None)));
        let address = "127.0.0.1:8090".parse().unwrap();
        assert_eq!("127.0.0.1:8090".parse(), Ok(Further(Some(address))));
        assert!("8090".parse::<Further>().is_err());
    }

    #[test]
    fn a_process_may_open_as_many_files_as_it_can() {
        open_many_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn durations_may_say_their_unit() {
        for (text, millis) in [("5s", 5_000), ("200ms", 200), ("200", 200), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in [
            "",
            "s",
            "ms",
            "-1s",
            "1.5s",
            "5m",
            "86401s",
            "99999999999999999999s",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
