//! `down`: stops what `up` started.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use weir_servers::child;
use weir_stack::{holder, until_ended};

use crate::arguments::DataOptions;
use crate::failure::Failure;
use crate::folder::hint;
use crate::output::say;

/// Longer than all stages of a stop in a row may take.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

pub async fn run(options: &DataOptions) -> Result<(), Failure> {
    let folder = std::path::absolute(&options.folder).map_err(anyhow::Error::from)?;
    let Some(pid) = holder(&folder) else {
        say!("Weir is not running on {}.", folder.display());
        return Ok(());
    };
    let started = Instant::now();
    say!("stopping Weir (process {pid}) …");
    child::signal("TERM", pid);
    while holder(&folder) == Some(pid) && child::is_alive(pid) {
        if started.elapsed() > PATIENCE {
            return Err(anyhow!(
                "process {pid} does not end; its log: {}",
                hint("logs up", &folder)
            )
            .into());
        }
        tokio::time::sleep(POLL).await;
    }
    until_ended(&folder).await?;
    say!(
        "stopped in {:.1} s; the data are kept.",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
