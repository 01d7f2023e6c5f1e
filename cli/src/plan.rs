//! Configuration as code, both ways: what a file would change (`plan`), the change itself
//! (`apply`), and the file that says what stands (`export-config`).
//!
//! `state` is what stands, `load` reads it from the services, `planner` compares it with a
//! checked file (pure), `render` shows the plan, `execute` does it step by step, `export` writes
//! a file.

mod execute;
mod export;
mod load;
mod planner;
mod render;
mod state;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::address::Addresses;
use crate::apply::model::Configuration;
use crate::arguments::{ApplyOptions, ExportConfigOptions, PlanOptions};
use crate::failure::Failure;
use crate::output::say;

pub use execute::{Applied, AppliedAccount};
use planner::{Change, Plan};

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
    let accounts = load::export(&addresses, options.account.as_deref()).await?;
    let text = export::yaml(&accounts)?;
    say!("{}", text.trim_end());
    Ok(())
}

async fn prepare(
    addresses: &Addresses,
    configuration: &Configuration,
    prune: bool,
) -> Result<Plan, Failure> {
    let actual = load::load(addresses, configuration).await?;
    Ok(planner::plan(configuration, actual, prune))
}

/// What can't be applied is not begun.
fn refuse_faults(plan: &Plan, file: &str) -> Result<(), Failure> {
    if plan.faults.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = plan
        .faults
        .iter()
        .map(|fault| format!("{file}:{}: {}", fault.line, fault.message))
        .collect();
    Err(Failure::Input(lines.join("\n")))
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
