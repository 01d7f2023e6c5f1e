//! `status`: what runs, and whether it is healthy.

use std::process::ExitCode;
use std::time::Duration;

use weir_stack::{Service, StackFile, holder, until_ready};

use crate::arguments::DataOptions;
use crate::failure::Failure;
use crate::output::say;
use crate::table;

/// Who does not say that it is ready in this time is not well.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn run(options: &DataOptions) -> Result<ExitCode, Failure> {
    let folder = std::path::absolute(&options.folder).map_err(anyhow::Error::from)?;
    let file = StackFile::read(&folder)?;
    let (Some(pid), Some(file)) = (holder(&folder), file) else {
        say!("Weir is not running on {}.", folder.display());
        return Ok(ExitCode::from(1));
    };
    say!("Weir runs on {} (process {pid}).", folder.display());
    let mut well = true;
    let mut rows = Vec::new();
    for service in Service::ALL {
        let name = service.name();
        let url = file.grpc.get(name).unwrap_or(&file.edge);
        let ready = tokio::time::timeout(PATIENCE, until_ready(service, url)).await;
        let healthy = matches!(ready, Ok(Ok(())));
        well &= healthy;
        let state = if healthy { "healthy" } else { "NOT HEALTHY" };
        rows.push(vec![name.to_owned(), state.to_owned(), url.clone()]);
    }
    say!(
        "{}",
        table::render(&["service", "state", "address"], &rows).trim_end()
    );
    Ok(ExitCode::from(u8::from(!well)))
}
