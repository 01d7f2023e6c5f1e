//! Configuration as code, both ways: what a file would change (`plan`), the change itself
//! (`apply`), and the file that says what stands (`export-config`).
//!
//! What is read, compared and shown is `weir_configuration`; `execute` does it step by step.

mod execute;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use tonic::Status;
use weir_configuration::file::model::Configuration;
use weir_configuration::plan::{self, Change, Plan, Reader, render};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{ApplyOptions, ExportConfigOptions, PlanOptions};
use crate::call::describe_status;
use crate::failure::Failure;
use crate::output::say;

pub use execute::{Applied, AppliedAccount};

/// `plan` found something to change.
const CHANGES: u8 = 3;

/// `./weir plan FILE`
pub async fn plan(options: &PlanOptions) -> Result<ExitCode, Failure> {
    let configuration = crate::apply::load(&options.file)?;
    let addresses = Addresses::read(&options.addresses)?;
    let plan = prepare(&addresses, &configuration, options.prune).await?;
    if options.json {
        say!("{}", render::json(&plan));
    } else if plan.faults.is_empty() {
        say!("{}", render::text(&plan));
    } else {
        // Steps would be taken for what will be done; what is left over may be what is in the way.
        for line in render::left_over(&plan) {
            say!("{line}");
        }
    }
    refuse_faults(&plan, &options.file.display().to_string())?;
    Ok(if plan.steps.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHANGES)
    })
}

/// `./weir apply FILE`
pub async fn apply(options: &ApplyOptions) -> Result<(), Failure> {
    let configuration = crate::apply::load(&options.file)?;
    let addresses = Addresses::read(&options.addresses)?;
    let plan = prepare(&addresses, &configuration, options.prune).await?;
    refuse_faults(&plan, &options.file.display().to_string())?;
    let removed = plan.count(Change::Removed);
    if removed > 0 {
        say!("{}", render::text(&plan));
        if !options.yes {
            confirm(removed)?;
        }
    }
    execute::execute(&addresses, &plan, |line| say!("{line}")).await?;
    say!("{}", render::summary(&plan));
    for line in render::left_over(&plan) {
        say!("{line}");
    }
    Ok(())
}

/// What `up` does with the demo configuration.
pub async fn apply_quietly(
    addresses: &Addresses,
    configuration: &Configuration,
    say: impl Fn(&str),
) -> Result<Applied, Failure> {
    let plan = prepare(addresses, configuration, false).await?;
    refuse_faults(&plan, "weir.yaml")?;
    let applied = execute::execute(addresses, &plan, &say).await?;
    say(&format!("  {}", render::summary(&plan)));
    Ok(applied)
}

/// `./weir export-config`
pub async fn export(options: &ExportConfigOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let mut reader = reader(&addresses).await?;
    let accounts = match options.account.as_deref() {
        None => reader.all().await.map_err(failed)?,
        Some(name) => match reader.named(name).await.map_err(failed)? {
            Some(account) => vec![account],
            None => {
                let mapping = addresses.connect(Service::Mapping).await?;
                return Err(accounts::unknown(&mut MappingServiceClient::new(mapping), name).await);
            }
        },
    };
    let text = plan::yaml(&accounts).map_err(|error| anyhow!(error))?;
    say!("{}", text.trim_end());
    Ok(())
}

async fn reader(addresses: &Addresses) -> Result<Reader<Channel>, Failure> {
    let mapping = addresses.connect(Service::Mapping).await?;
    let audience = addresses.connect(Service::Audience).await?;
    Ok(Reader::new(mapping, audience))
}

async fn prepare(
    addresses: &Addresses,
    configuration: &Configuration,
    prune: bool,
) -> Result<Plan, Failure> {
    let standing = reader(addresses).await?.standing(configuration).await;
    let mut standing = standing.map_err(failed)?;
    // Where nobody asks for it, contact-upsert need not be known.
    for account in standing.with_open_questions(configuration) {
        let channel = addresses.connect(Service::ContactUpsert).await?;
        let found = plan::has_contacts(channel, &account.account.account_id).await;
        account.has_contacts = found.map_err(failed)?;
    }
    Ok(plan::plan(configuration, standing, prune))
}

fn failed(status: Status) -> Failure {
    anyhow!("{}", describe_status(&status)).into()
}

/// What can't be applied is not begun.
fn refuse_faults(plan: &Plan, file: &str) -> Result<(), Failure> {
    match plan::faults(plan, file) {
        faults if faults.is_empty() => Ok(()),
        faults => Err(Failure::Input(faults)),
    }
}

/// Nobody removes without having been asked.
fn confirm(removed: usize) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Input(format!(
            "nothing was applied: {removed} would be removed; say --yes where nobody can be asked"
        )));
    }
    eprint!("Apply this, and remove {removed}? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::Input("nothing was applied".to_owned()))
}
