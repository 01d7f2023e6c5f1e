//! `up`: everything, on this machine.

mod demo;
mod detach;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_stack::{
    PortPlan, Report, Reporter, Service, Stack, StackFile, StackOptions, until_ended,
};

use crate::address::Addresses;
use crate::apply;
use crate::arguments::UpOptions;
use crate::failure::Failure;

pub async fn run(options: UpOptions) -> Result<(), Failure> {
    let folder = std::path::absolute(&options.data.folder)
        .with_context(|| format!("{} is no folder", options.data.folder.display()))?;
    if options.detach {
        return detach::run(&options, &folder).await;
    }
    let mut stop = Stop::listen()?;
    let begun = Instant::now();
    let starting = Box::pin(start(&options, &folder, begun));
    let started = tokio::select! {
        started = starting => started,
        () = stop.asked() => {
            println!("stopping before everything was started …");
            until_ended(&folder).await?;
            return Ok(());
        }
    };
    let stack = match started {
        Ok(stack) => stack,
        Err(failure) => {
            // Whatever was started is on its way down; nothing stays behind.
            until_ended(&folder).await?;
            return Err(failure);
        }
    };
    stop.asked().await;
    println!("stopping … (Ctrl-C again: at once)");
    let stopping = Instant::now();
    tokio::select! {
        () = stack.stop() => {
            println!("stopped in {}; the data are kept.", seconds(stopping.elapsed()));
        }
        () = stop.asked() => {
            drop(stack);
            until_ended(&folder).await?;
        }
    }
    Ok(())
}

/// Ctrl-C, or `down`.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Starts everything, shows what it does, and writes `stack.json` when it is done.
async fn start(options: &UpOptions, folder: &Path, begun: Instant) -> Result<Stack, Failure> {
    let (file, text) = apply::demo()?;
    let configuration = apply::read(&file, &text)?;
    weir_stack::ensure_installed(|what| println!("{what} …"))?;
    let stack = Stack::start(StackOptions {
        ports: options.ports.map_or(PortPlan::Free, PortPlan::Base),
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
            endpoints(&stack, &file);
            file.write(folder)?;
            println!(
                "\nWeir is up after {}. Ctrl-C stops it.",
                seconds(begun.elapsed())
            );
            Ok(stack)
        }
        Err(failure) => {
            stack.stop().await;
            Err(failure)
        }
    }
}

/// Applies the configuration, sends the samples, and prints how they ended.
async fn show(
    stack: &Stack,
    file: &str,
    configuration: &apply::model::Configuration,
) -> Result<demo::DemoAccount, Failure> {
    println!("\napplying {file}");
    let addresses = Addresses::from_map(stack.file().grpc);
    let applied = apply::send::send(&addresses, configuration, |line| println!("{line}")).await?;
    let accounts = demo::Accounts::find(&applied);
    println!("\nsending samples to {}", stack.edge_url());
    print!("{}", demo::run(&stack.edge_url(), &accounts).await?);
    Ok(accounts.main)
}

fn endpoints(stack: &Stack, file: &StackFile) {
    println!("\nwhere everything listens");
    println!("  edge            {}", file.edge);
    for service in Service::ALL {
        if let Some(url) = file.grpc.get(service.name()) {
            println!("  {:<15} {url} (gRPC)", service.name());
        }
    }
    println!(
        "  PostgreSQL      127.0.0.1:{}, Redis 127.0.0.1:{}",
        port(&file.postgres),
        port(&file.redis)
    );
    println!(
        "  logs            {} (./weir logs)",
        stack.folder().join("log").display()
    );
    println!(
        "  for scripts     {} (with keys and passwords)",
        StackFile::path(stack.folder()).display()
    );
    println!("\ntry");
    println!(
        "  curl {}/v1/me -H 'authorization: Bearer {}'",
        file.edge, file.api_key
    );
    println!(
        "  ./weir call contact/GetContact '{{\"account_id\": \"{}\", \"user_id\": \"lana.romeijn.myonlinestore-studio\"}}'",
        file.account_id
    );
}

/// Of a connection URL.
fn port(url: &str) -> &str {
    let behind = url.rsplit(':').next().unwrap_or_default();
    behind.split('/').next().unwrap_or_default()
}

/// Prints steps, and crashes as they happen.
fn reporter(begun: Instant, folder: PathBuf) -> Reporter {
    Arc::new(move |report| match report {
        Report::Begins(what) => println!("[{:>7}] {what} …", seconds(begun.elapsed())),
        Report::Done(what, _) => println!("[{:>7}] {what}", seconds(begun.elapsed())),
        Report::Crashed(name, code, log) => {
            let path = folder.join("log").join(format!("{name}.log"));
            println!(
                "[{:>7}] {name} CRASHED (exit {code}) and is started again; {} ends with\n{}",
                seconds(begun.elapsed()),
                path.display(),
                log.trim_end(),
            );
        }
        Report::Restarted(name) => {
            println!("[{:>7}] {name} was started again", seconds(begun.elapsed()))
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
    fn the_port_of_a_connection_url_is_found() {
        assert_eq!(port("postgres://weir:secret@127.0.0.1:15432/weir"), "15432");
        assert_eq!(port("redis://weir:secret@127.0.0.1:1/0"), "1");
    }
}
