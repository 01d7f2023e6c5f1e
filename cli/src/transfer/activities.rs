//! `export activities`: what the contacts of an account did, as a file.

use weir_proto::activity::v1::history_service_client::HistoryServiceClient;
use weir_proto::activity::v1::{ExportActivitiesRequest, ExportFormat};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::Service;

use super::meter::{Meter, grouped};
use super::output::Output;
use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{ExportActivitiesOptions, Format};
use crate::failure::Failure;

/// What stands in front of the attributes, where nobody says which columns are wanted.
const BEFORE: [&str; 5] = [
    "event_time",
    "event_name",
    "contact_id",
    "message_id",
    "receive_time",
];

pub async fn run(options: &ExportActivitiesOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let mut file = Output::new(options.output.as_deref())?;
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let attributes = match &options.event {
        Some(event) => accounts::attributes(&mut mapping, &account_id, event).await?,
        None => None,
    };
    let is_mapped = options.event.is_none() || attributes.is_some();
    let format = match options.format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    let request = ExportActivitiesRequest {
        account_id,
        format: format.into(),
        columns: columns(&options.columns, attributes.unwrap_or_default()),
        event_name: options.event.clone().unwrap_or_default(),
        from_time: options.from,
        to_time: options.to,
    };
    let mut client = HistoryServiceClient::new(addresses.connect(Service::Activity).await?);
    let answer = client.export_activities(request).await;
    let mut pieces = answer
        .map_err(|status| accounts::failed(&status))?
        .into_inner();
    let mut meter = Meter::new(0);
    let (mut activities, mut bytes) = (0, 0_u64);
    loop {
        let piece = match pieces.message().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(status) => {
                meter.close();
                return Err(accounts::failed(&status));
            }
        };
        file.write(&piece.data)?;
        bytes += piece.data.len() as u64;
        activities = u64::try_from(piece.activities).unwrap_or(0);
        meter.at(activities, |rate| {
            format!("{} activities, {rate:.0} a second", grouped(activities))
        });
    }
    meter.close();
    let place = file.finish()?;
    eprintln!(
        "{} activities, {} bytes, {:.0} activities a second{place}",
        grouped(activities),
        grouped(bytes),
        meter.rate(activities),
    );
    if activities == 0 && !is_mapped {
        let event = options.event.as_deref().unwrap_or_default();
        eprintln!("no source maps an activity {event:?}; names count letter by letter");
    }
    Ok(())
}

/// Those that are wanted; else one for each attribute, or one for all where nobody knows them.
fn columns(wanted: &[String], attributes: Vec<String>) -> Vec<String> {
    if !wanted.is_empty() {
        return wanted.to_vec();
    }
    let mut columns: Vec<String> = BEFORE.map(str::to_owned).into();
    if attributes.is_empty() {
        columns.push("attributes".to_owned());
    }
    let attributes = attributes.iter().map(|name| format!("attributes.{name}"));
    columns.extend(attributes);
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_columns_of_their_own_where_they_are_known() {
        let columns = |wanted: &[&str], attributes: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            columns(&owned(wanted), owned(attributes))[..].join(" ")
        };
        assert_eq!(columns(&["event_name"], &["plan"]), "event_name");
        let before = BEFORE.join(" ");
        assert_eq!(columns(&[], &[]), format!("{before} attributes"));
        assert_eq!(
            columns(&[], &["plan", "n"]),
            format!("{before} attributes.plan attributes.n")
        );
    }
}
