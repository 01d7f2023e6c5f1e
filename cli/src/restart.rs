//! `restart`: asks the process that runs the stack to restart its services, and waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use weir_servers::child;
use weir_stack::{StackFile, holder};

use crate::arguments::DataOptions;
use crate::failure::Failure;
use crate::folder::hint;
use crate::output::say;

/// What asks for it.
pub const SIGNAL: &str = "USR1";
/// Longer than it takes to stop and start every process in turn.
const PATIENCE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(100);

pub async fn run(options: &DataOptions) -> Result<(), Failure> {
    let folder = std::path::absolute(&options.folder).map_err(anyhow::Error::from)?;
    let (Some(pid), Some(before)) = (holder(&folder), StackFile::read(&folder)?) else {
        return Err(anyhow!("Weir is not running on {}", folder.display()).into());
    };
    let started = Instant::now();
    if before.restarts_begun > before.restarts {
        say!("others are restarting them; this begins when they are done …");
    }
    say!("restarting the services, one after another …");
    child::signal(SIGNAL, pid);
    let after = until_restarted(&folder, pid, next(&before)).await?;
    if !after.restart_failure.is_empty() {
        return Err(anyhow!("{}", after.restart_failure).into());
    }
    say!("restarted in {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

/// The first one that begins from now on: one that is under way has passed some of them already.
fn next(before: &StackFile) -> u32 {
    before.restarts_begun.max(before.restarts) + 1
}

/// Waits until as many were done.
async fn until_restarted(folder: &Path, pid: u32, restarts: u32) -> Result<StackFile, Failure> {
    let started = Instant::now();
    while holder(folder) == Some(pid) && started.elapsed() < PATIENCE {
        if let Some(file) = StackFile::read(folder)?
            && file.restarts >= restarts
        {
            return Ok(file);
        }
        tokio::time::sleep(POLL).await;
    }
    let log = hint("logs up", folder);
    Err(anyhow!("process {pid} did not restart them; its log: {log}").into())
}
