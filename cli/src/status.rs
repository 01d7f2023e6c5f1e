//! `status`: what runs, whether it is healthy, where mail goes, and which sources are paused.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use tonic::Status;
use weir_stack::{Instance, Listens, Service, StackFile, holder};

use crate::address::{self, Addresses};
use crate::arguments::AddressOptions;
use crate::call::describe_status;
use crate::failure::Failure;
use crate::folder::hint;
use crate::health;
use crate::mail;
use crate::output::say;
use crate::paused;
use crate::table;

/// What mapping does not tell in this time is not known.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn run(options: &AddressOptions) -> Result<ExitCode, Failure> {
    if options.addresses.is_empty() && address::of_environment().is_empty() {
        return of_stack(options).await;
    }
    let addresses = Addresses::read(options)?;
    let asked = health::known(&addresses, None);
    let asked = asked
        .into_iter()
        .map(|(service, url)| (service.name().to_owned(), health::at((service, url))));
    let (well, mapping) = show(&addresses, asked.collect()).await;
    tell(&addresses, mapping).await;
    Ok(ExitCode::from(u8::from(!well)))
}

async fn of_stack(options: &AddressOptions) -> Result<ExitCode, Failure> {
    let folder = std::path::absolute(&options.data.folder).map_err(anyhow::Error::from)?;
    let file = StackFile::read(&folder)?;
    let (Some(pid), Some(file)) = (holder(&folder), file) else {
        say!(
            "Weir is not running on {}. Of one that runs elsewhere --address tells, or \
             WEIR_MAPPING_URL and so on.",
            folder.display()
        );
        return Ok(ExitCode::from(1));
    };
    say!("Weir runs on {} (process {pid}).", folder.display());
    let addresses = Addresses::read(options)?;
    let known = file.processes.iter();
    let known = known.filter_map(|(name, listens)| Some((Instance::named(name)?, listens)));
    let known: BTreeMap<_, _> = known.collect();
    let asked = known
        .into_iter()
        .map(|(instance, listens)| (instance.name(), (instance.service, listens.clone())));
    let (well, mapping) = show(&addresses, asked.collect()).await;
    if !file.console.is_empty() {
        let hint = hint("console", &folder);
        say!("\n  console: {} (`{hint}` signs you in)", file.console);
    }
    tell(&addresses, mapping).await;
    Ok(ExitCode::from(u8::from(!well)))
}

/// The table; whether all are well, and the replica of mapping that can be asked.
async fn show(
    addresses: &Addresses,
    processes: Vec<(String, (Service, Listens))>,
) -> (bool, Option<String>) {
    let (names, asked): (Vec<_>, Vec<_>) = processes.into_iter().unzip();
    let answers = health::ask(&asked, addresses.reach()).await;
    let mut mapping = None;
    let mut rows = Vec::new();
    for ((name, (service, listens)), healthy) in names.into_iter().zip(asked).zip(&answers) {
        let state = health::state(*healthy).to_owned();
        rows.push(vec![name, state, listens.address.clone()]);
        if service == Service::Mapping && *healthy && mapping.is_none() {
            mapping = Some(listens.address);
        }
    }
    let columns = ["service", "state", "address"];
    say!("{}", table::render(&columns, &rows).trim_end());
    (!answers.contains(&false), mapping)
}

/// What mapping knows beside; where it can't be asked, that it is not known.
async fn tell(addresses: &Addresses, mapping: Option<String>) {
    let channel = mapping.and_then(|url| addresses.channel(&url).ok());
    let Some(channel) = channel else {
        say!("\n  mail and paused sources are not known: no mapping is healthy");
        return;
    };
    let (mail, paused) = tokio::join!(
        told(mail::status(channel.clone())),
        told(paused::status(channel))
    );
    match mail {
        Ok(lines) => say!("\n  mail: {}", lines.join("\n  ")),
        Err(why) => say!("\n  mail is not known: {why}"),
    }
    match paused {
        Ok(lines) => lines.iter().for_each(|line| say!("\n  {line}")),
        Err(why) => say!("\n  paused sources are not known: {why}"),
    }
}

async fn told(
    answer: impl Future<Output = Result<Vec<String>, Status>>,
) -> Result<Vec<String>, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|status| describe_status(&status)),
        Err(_) => Err("mapping does not answer".to_owned()),
    }
}
