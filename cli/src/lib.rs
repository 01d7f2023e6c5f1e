//! The front door of Weir: the commands behind `./weir`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use or wrong input, 3 `plan` found changes,
//! 141 nobody reads an export any more.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod accounts;
mod address;
mod apply;
mod arguments;
mod bench;
mod call;
mod certs;
mod check;
mod console;
mod containers;
mod doctor;
mod down;
mod failure;
mod folder;
mod health;
mod http;
mod logs;
mod mail;
mod output;
mod paused;
mod plan;
mod restart;
mod roles;
mod send;
mod status;
mod suite;
mod table;
mod token;
mod transfer;
mod up;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Cli, Command, ExportWhat, ImportWhat};
use failure::Failure;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(anyhow::Error::from(error)).report(),
    };
    let done = runtime.block_on(Box::pin(run(cli.command)));
    // Reading standard input may be stuck in a thread of its own.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(options) => up::run(options).await?,
        Command::Down(options) => down::run(&options).await?,
        Command::Restart(options) => restart::run(&options).await?,
        Command::Status(options) => return status::run(&options).await,
        Command::Health(options) => return health::run(&options).await,
        Command::Roles(options) => roles::run(&options).await?,
        Command::InitCompose => return Err(containers::init()),
        Command::Console(options) => console::run(&options).await?,
        Command::Logs(options) => logs::run(&options).await?,
        Command::Doctor(options) => return doctor::run(&options).await,
        Command::Apply(options) => plan::apply(&options).await?,
        Command::Plan(options) => return plan::plan(&options).await,
        Command::ExportConfig(options) => plan::export(&options).await?,
        Command::Schema => output::say!("{}", weir_configuration::file::json_schema().trim_end()),
        Command::Send(options) => return send::run(&options).await,
        Command::Mail(command) => return mail::run(&command).await,
        Command::Token(command) => return token::run(&command).await,
        Command::Certs(options) => certs::run(&options)?,
        Command::Call(options) => return call::run(&options).await,
        Command::Export(options) => match &options.what {
            ExportWhat::Contacts(options) => transfer::contacts::run(options).await?,
            ExportWhat::Members(options) => transfer::members::run(options).await?,
            ExportWhat::Activities(options) => transfer::activities::run(options).await?,
            ExportWhat::Person(options) => transfer::person::run(options).await?,
        },
        Command::Import(options) => match &options.what {
            ImportWhat::Contacts(options) => return transfer::import::run(options).await,
        },
        Command::Test(options) => return suite::run(&options).await,
        Command::Check => return check::run().await,
        Command::Bench(options) => return Err(bench::run(&options)),
    }
    Ok(ExitCode::SUCCESS)
}
