//! `up`: everything, on this machine.

mod demo;
mod detach;

use std::convert::Infallible;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_stack::{
    CLASSIC, CONSOLE, Engines, Instance, PortPlan, Report, Reporter, Service, Stack, StackFile,
    StackOptions, USUAL, holder, until_ended,
};

use crate::address::{self, Addresses};
use crate::apply;
use crate::arguments::UpOptions;
use crate::console;
use crate::failure::Failure;
use crate::folder::hint;
use crate::mail;
use crate::output::say;
use crate::plan;

pub async fn run(options: UpOptions) -> Result<(), Failure> {
    let folder = std::path::absolute(&options.data.folder)
        .with_context(|| format!("{} is no folder", options.data.folder.display()))?;
    if options.detach {
        return detach::run(&options, &folder).await;
    }
    if let Some(pid) = holder(&folder) {
        return Err(anyhow!(
            "Weir is running on {} already (process {pid}); `{}` stops it",
            folder.display(),
            hint("down", &folder)
        )
        .into());
    }
    let mut stop = Stop::listen()?;
    let restart = signal(SignalKind::user_defined1()).map_err(anyhow::Error::from)?;
    let begun = Instant::now();
    let starting = Box::pin(start(&options, &folder, begun));
    let started = tokio::select! {
        started = starting => started,
        () = stop.asked() => {
            say!("stopping before everything was started …");
            // Whatever was started is on its way down; somebody else's stack is not ours.
            if holder(&folder).is_none() {
                until_ended(&folder).await?;
            }
            return Err(anyhow!("stopped before everything was started").into());
        }
    };
    let stack = started?;
    tokio::select! {
        () = stop.asked() => {}
        never = restarts(&stack, restart) => match never {},
    }
    say!("stopping … (Ctrl-C again: at once)");
    let stopping = Instant::now();
    tokio::select! {
        () = stack.stop() => {
            say!("stopped in {}; the data are kept.", seconds(stopping.elapsed()));
        }
        () = stop.asked() => {
            drop(stack);
            until_ended(&folder).await?;
        }
    }
    Ok(())
}

/// Restarts the services whenever `restart` asks for it, and tells it in `stack.json`.
async fn restarts(stack: &Stack, mut asked: Signal) -> Infallible {
    loop {
        if asked.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        // Whoever asks from here on is not served by this one.
        let begun = note(stack.folder(), |file| file.restarts_begun += 1);
        let failure = stack.restart_services().await.err();
        let failure = failure.map_or_else(String::new, |error| format!("{error:#}"));
        let done = note(stack.folder(), |file| {
            file.restarts = file.restarts_begun;
            file.restart_failure = failure.clone();
        });
        let file = begun.and(done);
        for error in [file.err().map(|error| format!("{error:#}")), Some(failure)] {
            if let Some(error) = error.filter(|error| !error.is_empty()) {
                say!("{error}");
            }
        }
    }
}

fn note(folder: &Path, what: impl FnOnce(&mut StackFile)) -> anyhow::Result<()> {
    let mut file = StackFile::read(folder)?.context("stack.json is gone")?;
    what(&mut file);
    file.write(folder)
}

/// Ctrl-C, `down`, or the end of the terminal.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started us wants us to outlive the terminal (`nohup`).
    hangup: Option<Signal>,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match outlives_terminal() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// What the kernel says of this process.
fn own_status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// Whether whoever started us wants us to outlive the terminal (`nohup`).
pub fn outlives_terminal() -> bool {
    ignores_hangup(&own_status())
}

/// Whether SIGHUP is ignored: the first of the signals that are.
fn ignores_hangup(status: &str) -> bool {
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 == 1)
}

/// Starts everything, shows what it does, and writes `stack.json` when it is done.
async fn start(options: &UpOptions, folder: &Path, begun: Instant) -> Result<Stack, Failure> {
    let (file, text) = apply::demo()?;
    let configuration = apply::read(&file, &text)?;
    let engines = engines(options)?;
    if engines.postgres.is_none() || engines.redis.is_none() {
        weir_stack::ensure_installed(|what| say!("{what} …"))?;
    }
    let stack = Stack::start(StackOptions {
        ports: options.ports.map_or(PortPlan::Usual, PortPlan::Base),
        replicas: NonZeroU16::new(options.replicas).unwrap_or(NonZeroU16::MIN),
        engines,
        tls: options.tls,
        reporter: reporter(begun, folder.to_owned()),
        ..StackOptions::new(folder)
    })
    .await?;
    match Box::pin(show(&stack, &file, &configuration)).await {
        Ok(account) => {
            let mut file = stack.file();
            file.account_id = account.account_id;
            file.source_id = account.source_id;
            file.api_key = account.key;
            endpoints(&stack, &file, options.ports.is_none());
            if let Some(channel) = address::mapping(&file).await
                && let Ok(lines) = mail::status(channel).await
            {
                say!("  mail            {}", lines.join("\n                "));
            }
            hints(&stack, &file).await;
            file.write(folder)?;
            let stops = if options.in_background {
                ""
            } else {
                " Ctrl-C stops it."
            };
            say!("\nWeir is up after {}.{stops}", seconds(begun.elapsed()));
            Ok(stack)
        }
        Err(failure) => {
            stack.stop().await;
            Err(failure)
        }
    }
}

/// Those that somebody else runs. An empty variable names none.
fn engines(options: &UpOptions) -> Result<Engines, Failure> {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
    let engines = Engines {
        postgres: given(&options.postgres),
        redis: given(&options.redis),
        role_passwords: options.passwords.by_schema(),
    };
    let are_addresses = engines.check();
    are_addresses.map_err(|error| Failure::Input(format!("{error:#}")))?;
    Ok(engines)
}

/// Applies the configuration, sends the samples, and prints how they ended.
async fn show(
    stack: &Stack,
    file: &str,
    configuration: &weir_configuration::file::model::Configuration,
) -> Result<demo::DemoAccount, Failure> {
    say!("\napplying {file}");
    let addresses = Addresses::from_map(stack.file().grpc, stack.token(), stack.reach().clone())?;
    let applied = plan::apply_quietly(&addresses, configuration, |line| say!("{line}")).await?;
    let accounts = demo::Accounts::find(&applied);
    say!("\nsending samples to {}", stack.edge_url());
    let client = crate::http::client(stack.reach());
    let shown = demo::run(&client, &stack.edge_url(), &accounts).await?;
    say!("{}", shown.trim_end());
    Ok(accounts.main)
}

fn endpoints(stack: &Stack, file: &StackFile, usual: bool) {
    say!("\nwhere everything listens");
    let elsewhere = |url: &str, place: usize| match USUAL[place] {
        Some(wanted) if usual && port(url) != wanted.to_string() => {
            format!(" instead of {wanted}, which is taken")
        }
        _ => String::new(),
    };
    say!("  {:<15} {}{}", "edge", file.edge, elsewhere(&file.edge, 0));
    let moved = elsewhere(&file.classic, CLASSIC);
    say!(
        "  {:<15} {} (SDKs of classic sources){moved}",
        "",
        file.classic
    );
    let moved = elsewhere(&file.console, CONSOLE);
    say!("  {:<15} {} (pages){moved}", "console", file.console);
    let services = Service::ALL.into_iter().map(Service::name);
    for (place, name) in services.enumerate() {
        if let Some(url) = file.grpc.get(name) {
            let moved = elsewhere(url, place + 1);
            say!("  {name:<15} {url} (gRPC){moved}");
        }
    }
    let first = |name: &String| Service::named(name).is_some();
    for (name, listens) in file.processes.iter().filter(|(name, _)| !first(name)) {
        let what = match Instance::named(name).map(|one| one.service) {
            Some(Service::Edge) => "on the same socket",
            _ => "(gRPC)",
        };
        say!("  {name:<16} {} {what}", listens.address);
    }
    say!(
        "  PostgreSQL      {}, Redis {}",
        place(&file.postgres),
        place(&file.redis)
    );
    say!(
        "  logs            {} ({})",
        stack.folder().join("log").display(),
        hint("logs", stack.folder())
    );
    say!(
        "  for scripts     {} (with keys and passwords)",
        StackFile::path(stack.folder()).display()
    );
}

async fn hints(stack: &Stack, file: &StackFile) {
    say!("\ntry");
    match console::link(&file.console, &file.token, stack.reach()).await {
        Ok(link) => say!(
            "  {link}\n    signs you in to the console, once and within 15 minutes; `{}` prints \
             another one",
            hint("console", stack.folder())
        ),
        Err(error) => say!("  {} (no sign-in link: {error:#})", file.console),
    }
    say!("  {}", demo::curl(file));
    say!(
        "  {} contact/GetContact '{{\"account_id\": \"{}\", \"user_id\": \"{}\"}}'",
        hint("call", stack.folder()),
        file.account_id,
        demo::LANA,
    );
}

/// Of a connection URL.
fn port(url: &str) -> &str {
    let behind = url.rsplit(':').next().unwrap_or_default();
    behind.split('/').next().unwrap_or_default()
}

/// Of a connection URL, without whose it is.
fn place(url: &str) -> &str {
    let url = url.split('?').next().unwrap_or_default();
    let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
    place.split_once("://").map_or(place, |(_, place)| place)
}

/// Prints steps, and crashes as they happen.
fn reporter(begun: Instant, folder: PathBuf) -> Reporter {
    Arc::new(move |report| match report {
        Report::Begins(what) => say!("[{:>7}] {what} …", seconds(begun.elapsed())),
        Report::Done(what, _) => say!("[{:>7}] {what}", seconds(begun.elapsed())),
        Report::Crashed(name, code, log) => {
            let path = folder.join("log").join(format!("{name}.log"));
            say!(
                "[{:>7}] {name} CRASHED (exit {code}) and is started again; {} ends with\n{}",
                seconds(begun.elapsed()),
                path.display(),
                log.trim_end(),
            );
        }
        Report::Restarted(name) => {
            say!("[{:>7}] {name} was started again", seconds(begun.elapsed()))
        }
    })
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_terminal_stops_whoever_does_not_ignore_it() {
        assert!(ignores_hangup("SigBlk:\t0000\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\nSigCgt:\t01\n"));
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn the_port_of_a_connection_url_is_found() {
        assert_eq!(port("postgres://weir:secret@127.0.0.1:15432/weir"), "15432");
        assert_eq!(port("redis://weir:secret@127.0.0.1:1/0"), "1");
    }

    #[test]
    fn the_place_of_an_engine_is_told_without_a_password() {
        let url = "postgres://boss:sec@ret@a:1,b:2/data?sslmode=require&password=secret";
        assert_eq!(place(url), "a:1,b:2/data");
        assert_eq!(place("redis+cluster://u:secret@h:1,i:2"), "h:1,i:2");
        assert_eq!(place("redis://h:1/0"), "h:1/0");
    }
}
