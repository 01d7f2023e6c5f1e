//! `status`: what runs, and whether it is healthy.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use weir_stack::{Instance, Service, StackFile, holder, until_ready};

use crate::address;
use crate::arguments::DataOptions;
use crate::failure::Failure;
use crate::folder::hint;
use crate::mail;
use crate::output::say;
use crate::paused;
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
    let known = file.processes.iter();
    let known = known.filter_map(|(name, listens)| Some((Instance::named(name)?, listens)));
    let known: BTreeMap<_, _> = known.collect();
    for (instance, listens) in known {
        let ready = until_ready(instance.service, listens);
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        let healthy = matches!(ready, Ok(Ok(())));
        well &= healthy;
        let state = if healthy { "healthy" } else { "NOT HEALTHY" };
        rows.push(vec![
            instance.name(),
            state.to_owned(),
            listens.address.clone(),
        ]);
    }
    say!(
        "{}",
        table::render(&["service", "state", "address"], &rows).trim_end()
    );
    if !file.console.is_empty() {
        let hint = hint("console", &folder);
        say!("\n  console: {} (`{hint}` signs you in)", file.console);
    }
    let mapping = file.grpc.get(Service::Mapping.name());
    let mapping = mapping.map_or("", String::as_str);
    if let Some(channel) = address::mapping(mapping, &file.token).await {
        if let Some(lines) = mail::status(channel.clone()).await {
            say!("\n  mail: {}", lines.join("\n  "));
        }
        for line in paused::status(channel).await.unwrap_or_default() {
            say!("\n  {line}");
        }
    }
    Ok(ExitCode::from(u8::from(!well)))
}
