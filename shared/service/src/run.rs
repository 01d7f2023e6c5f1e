//! The process of a service: configuration, telemetry, a listener, a signal to end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use weir_telemetry::Options;

use crate::{Clock, Serving, Shutdown};

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
    let serve = move |listener| serve(config, Clock::system(), listener, signalled());
    within_runtime(name, listen, telemetry, Box::new(serve))
}

/// Of no service's own type: compiled here, once for all of their binaries.
fn within_runtime(
    name: &'static str,
    listen: SocketAddr,
    telemetry: Options,
    serve: Box<dyn FnOnce(TcpListener) -> Serving>,
) -> anyhow::Result<()> {
    let given = given().context("LISTEN_FDS")?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime can't be started")?;
    runtime.block_on(within_process(name, listen, given, telemetry, serve))
}

async fn within_process(
    name: &'static str,
    listen: SocketAddr,
    given: Option<std::net::TcpListener>,
    telemetry: Options,
    serve: Box<dyn FnOnce(TcpListener) -> Serving>,
) -> anyhow::Result<()> {
    let telemetry = weir_telemetry::start(name, &telemetry).await?;
    let listener = match given {
        Some(given) => TcpListener::from_std(given).context("LISTEN_FDS")?,
        None => TcpListener::bind(listen)
            .await
            .with_context(|| format!("WEIR_LISTEN: can't listen on {listen}"))?,
    };
    tracing::info!(address = %listener.local_addr()?, "listening");
    let served = serve(listener).await;
    telemetry.shutdown().await;
    served
}

/// A socket that whoever started us listens on already (`LISTEN_FDS`), instead of `WEIR_LISTEN`:
/// it outlives this process, and others may share it.
fn given() -> std::io::Result<Option<std::net::TcpListener>> {
    let given = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    if let Some(given) = &given {
        given.set_nonblocking(true)?;
    }
    Ok(given)
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
}
