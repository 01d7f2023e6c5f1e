//! Reads what stands from the services.

use std::collections::BTreeMap;

use anyhow::anyhow;
use tonic::{Code, Status};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::contact::v1::ListContactsRequest;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::planner::Standing;
use super::state::{Actual, ActualSource, GivenKey};
use crate::accounts;
use crate::address::Addresses;
use crate::apply::model::{Account, Configuration};
use crate::call::describe_status;
use crate::failure::Failure;

const PAGE: i32 = 1_000;

/// Those of a configuration that are there, and what else a plan must know.
pub async fn load(
    addresses: &Addresses,
    configuration: &Configuration,
) -> Result<Standing, Failure> {
    let mut reader = Reader::connect(addresses).await?;
    let mut standing = Standing::default();
    for wanted in &configuration.accounts {
        let name = &wanted.put.name;
        let actual = match reader.account(name).await? {
            Some(account) => Some(reader.rest(account).await?),
            None => None,
        };
        let keys = reader.keys(wanted, actual.as_ref()).await?;
        standing.keys.extend(keys);
        if let Some(mut actual) = actual {
            if wanted.says_how_to_identify() {
                actual.has_contacts = has_contacts(addresses, &actual).await?;
            }
            standing.accounts.insert(name.clone(), actual);
        }
    }
    Ok(standing)
}

/// One account, or all, in the order of their names.
pub async fn export(addresses: &Addresses, name: Option<&str>) -> Result<Vec<Actual>, Failure> {
    let mut reader = Reader::connect(addresses).await?;
    let found = match name {
        Some(name) => {
            let Some(account) = reader.account(name).await? else {
                return Err(accounts::unknown(&mut reader.mapping, name).await);
            };
            vec![account]
        }
        None => reader.accounts().await?,
    };
    let mut accounts = Vec::with_capacity(found.len());
    for account in found {
        accounts.push(reader.rest(account).await?);
    }
    accounts.sort_by(|one, other| one.account.name.cmp(&other.account.name));
    Ok(accounts)
}

async fn has_contacts(addresses: &Addresses, actual: &Actual) -> Result<bool, Failure> {
    let channel = addresses.connect(Service::ContactUpsert).await?;
    let request = ListContactsRequest {
        account_id: actual.account.account_id.clone(),
        page_size: 1,
        ..Default::default()
    };
    // A contact may be larger than the usual limit.
    let mut client = ContactServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let listed = client.list_contacts(request).await.map_err(failed)?;
    Ok(!listed.into_inner().contacts.is_empty())
}

struct Reader {
    mapping: MappingServiceClient<Channel>,
    configuration: ConfigurationServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
}

/// All pages of a list.
macro_rules! all {
    ($client:expr, $method:ident, $request:expr, $items:ident) => {{
        let mut request = $request;
        request.page_size = PAGE;
        let mut all = Vec::new();
        loop {
            let answer = $client.$method(request.clone()).await.map_err(failed)?;
            let mut answer = answer.into_inner();
            all.append(&mut answer.$items);
            if answer.next_page_token.is_empty() {
                break all;
            }
            request.page_token = answer.next_page_token;
        }
    }};
}

impl Reader {
    async fn connect(addresses: &Addresses) -> Result<Self, Failure> {
        let mapping = addresses.connect(Service::Mapping).await?;
        Ok(Self {
            mapping: MappingServiceClient::new(mapping.clone()),
            configuration: ConfigurationServiceClient::new(mapping),
            audience: AudienceServiceClient::new(addresses.connect(Service::Audience).await?),
        })
    }

    async fn account(&mut self, name: &str) -> Result<Option<mapping::Account>, Failure> {
        let request = mapping::GetAccountRequest {
            name: name.to_owned(),
            ..Default::default()
        };
        match self.mapping.get_account(request).await {
            Ok(answer) => Ok(answer.into_inner().account),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(failed(status)),
        }
    }

    async fn accounts(&mut self) -> Result<Vec<mapping::Account>, Failure> {
        let request = mapping::ListAccountsRequest::default();
        Ok(all!(self.mapping, list_accounts, request, accounts))
    }

    async fn rest(&mut self, account: mapping::Account) -> Result<Actual, Failure> {
        let account_id = account.account_id.clone();
        let request = mapping::ListFieldsRequest {
            account_id: account_id.clone(),
            ..Default::default()
        };
        let mut fields = all!(self.mapping, list_fields, request, fields);
        fields.retain(|field| field.custom);
        let request = mapping::ListSourcesRequest {
            account_id: account_id.clone(),
            ..Default::default()
        };
        let mut sources = Vec::new();
        for source in all!(self.mapping, list_sources, request, sources) {
            sources.push(self.source(source).await?);
        }
        let request = audience::ListAudiencesRequest {
            account_id,
            ..Default::default()
        };
        let mut audiences = all!(self.audience, list_audiences, request, audiences);
        audiences.retain(|found| found.origin() == audience::Origin::SegmentActions);
        Ok(Actual {
            account,
            fields,
            sources,
            audiences,
            has_contacts: false,
        })
    }

    async fn source(&mut self, source: mapping::Source) -> Result<ActualSource, Failure> {
        let (account_id, source_id) = (source.account_id.clone(), source.source_id.clone());
        let request = mapping::GetContactMappingRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
        };
        let answer = self.mapping.get_contact_mapping(request).await;
        let contact_mapping = answer.map_err(failed)?.into_inner().mappings;
        let request = mapping::ListActivityMappingsRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
            ..Default::default()
        };
        let activities = all!(self.mapping, list_activity_mappings, request, activities);
        let request = mapping::ListKeysRequest {
            account_id,
            source_id,
            ..Default::default()
        };
        let keys = all!(self.mapping, list_keys, request, keys);
        Ok(ActualSource {
            source,
            valid_keys: keys.iter().filter(|key| is_valid(key)).count(),
            contact_mapping,
            activities,
        })
    }

    /// What stands of the keys that the file gives, by the key.
    async fn keys(
        &mut self,
        wanted: &Account,
        actual: Option<&Actual>,
    ) -> Result<BTreeMap<String, GivenKey>, Failure> {
        let mut found = BTreeMap::new();
        for source in &wanted.sources {
            let Some(key) = &source.key else {
                continue;
            };
            let known = actual.and_then(|actual| {
                let renamed = source.renamed_from.as_deref();
                let renamed = renamed.and_then(|before| actual.source(before));
                actual.source(&source.put.name).or(renamed)
            });
            let of = known.map(|known| known.source.clone()).unwrap_or_default();
            let request = mapping::FindKeyRequest {
                account_id: of.account_id,
                source_id: of.source_id,
                key: key.clone(),
            };
            let state = match self.configuration.find_key(request).await {
                Ok(answer) => match answer.into_inner().key {
                    Some(key) if is_valid(&key) => GivenKey::Valid,
                    Some(_) => GivenKey::Ended,
                    None => GivenKey::New,
                },
                Err(status) if status.code() == Code::AlreadyExists => GivenKey::Taken,
                Err(status) => return Err(failed(status)),
            };
            found.insert(key.clone(), state);
        }
        Ok(found)
    }
}

/// By the clock of this machine: it is shown, and the service decides.
fn is_valid(key: &mapping::Key) -> bool {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let past = key.expire_time.is_some_and(|end| end.seconds <= now);
    key.revoke_time.is_none() && !past
}

fn failed(status: Status) -> Failure {
    anyhow!("{}", describe_status(&status)).into()
}
