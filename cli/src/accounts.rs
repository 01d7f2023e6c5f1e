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
/// Names in a message.
const SHOWN: i32 = 20;

/// What a call came to, in words.
pub fn failed(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::NotFound => Failure::Input(describe_status(status)),
        _ => anyhow!(describe_status(status)).into(),
    }
}

/// The id of the account of that name or id.
pub async fn account(
    mapping: &mut MappingServiceClient<Channel>,
    named: &str,
) -> Result<String, Failure> {
    let by_name = mapping::GetAccountRequest {
        name: named.to_owned(),
        ..Default::default()
    };
    let mut found = mapping.get_account(by_name).await;
    if found.is_err() && is_id(named) {
        let by_id = mapping::GetAccountRequest {
            account_id: named.to_owned(),
            ..Default::default()
        };
        found = mapping.get_account(by_id).await;
    }
    match found {
        Ok(answer) => Ok(answer.into_inner().account.unwrap_or_default().account_id),
        Err(status) if status.code() == Code::NotFound => Err(unknown(mapping, named).await),
        // A token of some accounts alone may ask for none by its name, but sees a list of its own.
        Err(status) if status.code() == Code::PermissionDenied => {
            let own = of_caller(mapping).await?;
            match own.iter().find(|one| is(one, named)) {
                Some(account) => Ok(account.account_id.clone()),
                None => Err(Failure::Input(forbidden(own, named))),
            }
        }
        Err(status) => Err(failed(&status)),
    }
}

fn is(account: &mapping::Account, named: &str) -> bool {
    account.name == named || account.account_id.eq_ignore_ascii_case(named)
}

/// Those that the caller may touch.
async fn of_caller(
    mapping: &mut MappingServiceClient<Channel>,
) -> Result<Vec<mapping::Account>, Failure> {
    let (mut accounts, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = mapping::ListAccountsRequest {
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = mapping.list_accounts(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        accounts.extend(page.accounts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(accounts);
        }
    }
}

fn forbidden(own: Vec<mapping::Account>, named: &str) -> String {
    let names = names_of(own.into_iter().map(|one| one.name));
    format!("this token may not touch the account {named:?}, if there is one; its own {names}")
}

/// There is no such account; which there are, as far as the caller may know.
pub async fn unknown(mapping: &mut MappingServiceClient<Channel>, named: &str) -> Failure {
    let request = mapping::ListAccountsRequest {
        page_size: SHOWN + 1,
        ..Default::default()
    };
    let listed = mapping.list_accounts(request).await;
    let there = listed.map_or_else(
        |_| "`./weir call mapping/ListAccounts` shows those that there are".to_owned(),
        |listed| {
            let accounts = listed.into_inner().accounts;
            format!(
                "there {}",
                names_of(accounts.into_iter().map(|one| one.name))
            )
        },
    );
    Failure::Input(format!("there is no account {named:?}; {there}"))
}

/// `are a, b`, `is a`, `is none`, or the first of many.
pub fn names_of(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    let more = names.len() > SHOWN as usize;
    names.truncate(SHOWN as usize);
    match names.as_slice() {
        [] => "is none".to_owned(),
        [only] => format!("is {only}"),
        some if more => format!("are {}, and more", some.join(", ")),
        some => format!("are {}", some.join(", ")),
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
        "the account has no source {named:?}; there {}",
        names_of(names.into_iter())
    )))
}

/// The rows of a source's contact mapping.
pub async fn contact_mapping(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    source_id: &str,
) -> Result<Vec<mapping::FieldMapping>, Failure> {
    let request = mapping::GetContactMappingRequest {
        account_id: account_id.to_owned(),
        source_id: source_id.to_owned(),
    };
    let found = mapping.get_contact_mapping(request).await;
    Ok(found
        .map_err(|status| failed(&status))?
        .into_inner()
        .mappings)
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
            ..Default::default()
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

/// The attributes that the account's sources give an event, each once; none where no source maps
/// it.
pub async fn attributes(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    event: &str,
) -> Result<Option<Vec<String>>, Failure> {
    let (mut attributes, mut page_token) = (None::<Vec<String>>, String::new());
    loop {
        let request = mapping::ListSourcesRequest {
            account_id: account_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = mapping.list_sources(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        for source in page.sources {
            if let Some(of_source) = of_source(mapping, account_id, source.source_id, event).await?
            {
                attributes.get_or_insert_default().extend(of_source);
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut seen = HashSet::new();
    if let Some(attributes) = &mut attributes {
        attributes.retain(|name| seen.insert(name.clone()));
    }
    Ok(attributes)
}

async fn of_source(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    source_id: String,
    event: &str,
) -> Result<Option<Vec<String>>, Failure> {
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
            return Ok(Some(attributes.map(|one| one.attribute).collect()));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(None);
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
    fn a_message_names_what_there_is() {
        let said = |count: usize| names_of((0..count).map(|n| format!("a{n}")));
        assert_eq!(
            [said(0), said(1), said(2)],
            ["is none", "is a0", "are a0, a1"]
        );
        assert!(said(20).ends_with(", a19") && said(21).ends_with(", a19, and more"));
    }

    #[test]
    fn an_account_that_a_token_may_not_touch_is_named_with_those_that_it_may() {
        let account = |name: &str, account_id: &str| mapping::Account {
            name: name.to_owned(),
            account_id: account_id.to_owned(),
            ..Default::default()
        };
        let own = vec![account("shop", "0a"), account("club", "0b")];
        assert!(is(&own[0], "shop") && is(&own[0], "0A") && !is(&own[0], "club"));
        assert_eq!(
            forbidden(own, "bank"),
            "this token may not touch the account \"bank\", if there is one; its own are shop, club"
        );
    }

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
