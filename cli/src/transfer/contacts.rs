//! `export contacts`: all contacts of an account as a file.

use weir_proto::contact::v1::transfer_service_client::TransferServiceClient;
use weir_proto::contact::v1::{ExportContactsRequest, ExportFormat};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::Service;

use super::meter::{Meter, grouped};
use super::output::Output;
use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{ExportContactsOptions, Format};
use crate::failure::Failure;

/// What stands in front of and behind the fields, where nobody says which are wanted.
const BEFORE: [&str; 3] = ["contact_id", "user_id", "anonymous_id"];
const BEHIND: [&str; 2] = ["create_time", "update_time"];

pub async fn run(options: &ExportContactsOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let mut file = Output::new(options.output.as_deref())?;
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let columns = match options.fields.is_empty() {
        false => options.fields.clone(),
        true => {
            let fields = accounts::fields(&mut mapping, &account_id).await?;
            let around = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            let before: Vec<String> = around(&BEFORE);
            [before, fields, around(&BEHIND)].concat()
        }
    };
    let format = match options.format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    let channel = addresses.connect(Service::ContactUpsert).await?;
    let mut client = TransferServiceClient::new(channel);
    let request = ExportContactsRequest {
        account_id,
        format: format.into(),
        columns,
    };
    let answer = client.export_contacts(request).await;
    let mut pieces = answer
        .map_err(|status| accounts::failed(&status))?
        .into_inner();
    let mut meter = Meter::new(0);
    let (mut contacts, mut bytes) = (0, 0_u64);
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
        contacts = u64::try_from(piece.contacts).unwrap_or(0);
        meter.at(contacts, |rate| {
            format!("{} contacts, {rate:.0} a second", grouped(contacts))
        });
    }
    meter.close();
    let place = file.finish()?;
    eprintln!(
        "{} contacts, {} bytes, {:.0} contacts a second{place}",
        grouped(contacts),
        grouped(bytes),
        meter.rate(contacts),
    );
    Ok(())
}
