//! Accounts and sources, by name or by id.

use std::collections::HashSet;

use anyhow::anyhow;
use tonic::{Code, Status};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::Channel;

use crate::call::describe_status;
use crate::failure::Failure;

/// As many as a page has at most.
const PAGE: i32 = 1_000;

/// What a call came to, in words.
pub fn failed(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::NotFound => Failure::Input(describe_status(status)),
        _ => anyhow!(describe_status(status)).into(),
    }
}

/// The id of the account of that id or name.
pub async fn account(
    mapping: &mut MappingServiceClient<Channel>,
    named: &str,
) -> Result<String, Failure> {
    let is_id = is_id(named);
    let request = mapping::GetAccountRequest {
        account_id: if is_id { named } else { "" }.to_owned(),
        name: if is_id { "" } else { named }.to_owned(),
    };
    match mapping.get_account(request).await {
        Ok(answer) => {
            let account = answer.into_inner().account.unwrap_or_default();
            Ok(account.account_id)
        }
        Err(status) if status.code() == Code::NotFound => Err(Failure::Input(format!(
            "there is no account {named:?}; `./weir call mapping/ListAccounts` shows them"
        ))),
        Err(status) => Err(failed(&status)),
    }
}

/// The account's source of that id or name.
pub async fn source(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    named: &str,
) -> Result<mapping::Source, Failure> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = mapping::ListSourcesRequest {
            account_id: account_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = mapping.list_sources(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        for source in page.sources {
            if source.source_id == named || source.name == named {
                return Ok(source);
            }
            names.push(source.name);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Err(Failure::Input(format!(
        "the account has no source {named:?}; it has {}",
        names.join(", ")
    )))
}

/// The ids of all fields of the account, in the order of their names.
pub async fn fields(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
) -> Result<Vec<String>, Failure> {
    let (mut fields, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = mapping::ListFieldsRequest {
            account_id: account_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = mapping.list_fields(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        fields.extend(page.fields.into_iter().map(|field| field.field_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(fields);
        }
    }
}

/// The attributes that the account's sources give an event, each once.
pub async fn attributes(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    event: &str,
) -> Result<Vec<String>, Failure> {
    let (mut attributes, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = mapping::ListSourcesRequest {
            account_id: account_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = mapping.list_sources(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        for source in page.sources {
            attributes.extend(of_source(mapping, account_id, source.source_id, event).await?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut seen = HashSet::new();
    attributes.retain(|name| seen.insert(name.clone()));
    Ok(attributes)
}

async fn of_source(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    source_id: String,
    event: &str,
) -> Result<Vec<String>, Failure> {
    let mut page_token = String::new();
    loop {
        let request = mapping::ListActivityMappingsRequest {
            account_id: account_id.to_owned(),
            source_id: source_id.clone(),
            page_size: PAGE,
            page_token,
        };
        let page = mapping.list_activity_mappings(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        let mut activities = page.activities.into_iter();
        if let Some(found) = activities.find(|activity| activity.event_name == event) {
            let attributes = found.attributes.into_iter();
            return Ok(attributes.map(|one| one.attribute).collect());
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(Vec::new());
        }
    }
}

/// Whether it is written like a UUID.
pub fn is_id(text: &str) -> bool {
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_hexdigit());
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.split('-').all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id("018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00"));
        for name in [
            "demo",
            "",
            "018f3e6a-7c1b-7d2a-9a3e",
            "x18f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }
}
