//! `export members`: who belongs to audiences, as a file.

use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::transfer_service_client::TransferServiceClient;
use weir_proto::audience::v1::{ExportFormat, ExportMembersRequest, ListAudiencesRequest};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::meter::{Meter, grouped};
use super::output::Output;
use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{ExportMembersOptions, Format};
use crate::failure::Failure;

const PAGE: i32 = 1_000;

pub async fn run(options: &ExportMembersOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let mut file = Output::new(options.output.as_deref())?;
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let channel = addresses.connect(Service::Audience).await?;
    let audiences = AudienceServiceClient::new(channel.clone());
    let audience_ids = ids_of(audiences, &account_id, &options.audiences).await?;
    let format = match options.format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    let request = ExportMembersRequest {
        account_id,
        format: format.into(),
        audience_ids,
    };
    let answer = TransferServiceClient::new(channel)
        .export_members(request)
        .await;
    let mut pieces = answer
        .map_err(|status| accounts::failed(&status))?
        .into_inner();
    let mut meter = Meter::new(0);
    let (mut members, mut bytes) = (0, 0_u64);
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
        members = u64::try_from(piece.members).unwrap_or(0);
        meter.at(members, |rate| {
            format!("{} members, {rate:.0} a second", grouped(members))
        });
    }
    meter.close();
    let place = file.finish()?;
    eprintln!(
        "{} members, {} bytes, {:.0} members a second{place}",
        grouped(members),
        grouped(bytes),
        meter.rate(members),
    );
    Ok(())
}

/// In the order in which they are named, each once.
async fn ids_of(
    mut client: AudienceServiceClient<Channel>,
    account_id: &str,
    named: &[String],
) -> Result<Vec<String>, Failure> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAudiencesRequest {
            account_id: account_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = client.list_audiences(request).await;
        let page = page
            .map_err(|status| accounts::failed(&status))?
            .into_inner();
        all.extend(page.audiences);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut ids: Vec<String> = Vec::new();
    for name in named {
        // A name may be written like an id: then it is the name.
        let by_name = all.iter().find(|audience| audience.name == *name);
        let found = by_name.or_else(|| {
            all.iter()
                .find(|audience| audience.audience_id.eq_ignore_ascii_case(name))
        });
        let Some(found) = found else {
            return Err(Failure::Input(format!(
                "the account has no audience {name:?}; `./weir call audience/ListAudiences` shows \
                 those that there are"
            )));
        };
        if !ids.contains(&found.audience_id) {
            ids.push(found.audience_id.clone());
        }
    }
    Ok(ids)
}
