//! Reads what stands from the services.

use std::collections::BTreeMap;

use bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::{Code, Status};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::contact::v1::ListContactsRequest;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;

use super::planner::Standing;
use super::state::{Actual, ActualSource, GivenKey};
use crate::file::model::{Account, Configuration};

const PAGE: i32 = 1_000;
/// The id of a source that is not made yet: no source has it.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// What calls go to: a channel, or one that shows whose calls they are.
pub trait Peer:
    GrpcService<
        Body,
        ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        Error: Into<StdError>,
    > + Clone
{
}

impl<T> Peer for T where
    T: GrpcService<
            Body,
            ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError> + Send>
                              + Send
                              + 'static,
            Error: Into<StdError>,
        > + Clone
{
}

/// Whether an account has any.
///
/// # Errors
/// Of the call.
pub async fn has_contacts<C: Peer>(contact: C, account_id: &str) -> Result<bool, Status> {
    let request = ListContactsRequest {
        account_id: account_id.to_owned(),
        page_size: 1,
        ..Default::default()
    };
    // A contact may be larger than the usual limit.
    let mut client = ContactServiceClient::new(contact).max_decoding_message_size(usize::MAX);
    let listed = client.list_contacts(request).await?;
    Ok(!listed.into_inner().contacts.is_empty())
}

impl Standing {
    /// Accounts of which a plan must know whether they have contacts.
    pub fn with_open_questions(
        &mut self,
        configuration: &Configuration,
    ) -> impl Iterator<Item = &mut Actual> {
        let accounts = self.accounts.iter_mut();
        let asked = accounts.filter(|(name, _)| {
            let mut wanted = configuration.accounts.iter();
            wanted.any(|wanted| wanted.put.name == **name && wanted.says_how_to_identify())
        });
        asked.map(|(_, actual)| actual)
    }
}

/// Reads, and changes nothing.
pub struct Reader<C> {
    mapping: MappingServiceClient<C>,
    configuration: ConfigurationServiceClient<C>,
    audience: AudienceServiceClient<C>,
}

/// All pages of a list.
macro_rules! all {
    ($client:expr, $method:ident, $request:expr, $items:ident) => {{
        let mut request = $request;
        request.page_size = PAGE;
        let mut all = Vec::new();
        loop {
            let answer = $client.$method(request.clone()).await?;
            let mut answer = answer.into_inner();
            all.append(&mut answer.$items);
            if answer.next_page_token.is_empty() {
                break all;
            }
            request.page_token = answer.next_page_token;
        }
    }};
}

impl<C: Peer> Reader<C> {
    pub fn new(mapping: C, audience: C) -> Self {
        Self {
            mapping: MappingServiceClient::new(mapping.clone()),
            configuration: ConfigurationServiceClient::new(mapping),
            audience: AudienceServiceClient::new(audience),
        }
    }

    /// What stands of what a configuration names.
    ///
    /// # Errors
    /// Of a call.
    pub async fn standing(&mut self, configuration: &Configuration) -> Result<Standing, Status> {
        let mut standing = Standing::default();
        for wanted in &configuration.accounts {
            let name = &wanted.put.name;
            let actual = self.named(name).await?;
            let keys = self.keys(wanted, actual.as_ref()).await?;
            standing.keys.extend(keys);
            if let Some(actual) = actual {
                standing.accounts.insert(name.clone(), actual);
            }
        }
        Ok(standing)
    }

    /// All that belongs to the account of this name.
    ///
    /// # Errors
    /// Of a call.
    pub async fn named(&mut self, name: &str) -> Result<Option<Actual>, Status> {
        match self.account(name).await? {
            Some(account) => Ok(Some(self.rest(account).await?)),
            None => Ok(None),
        }
    }

    /// Of every account, in the order of their names.
    ///
    /// # Errors
    /// Of a call.
    pub async fn all(&mut self) -> Result<Vec<Actual>, Status> {
        let mut accounts = Vec::new();
        for account in self.accounts().await? {
            accounts.push(self.rest(account).await?);
        }
        accounts.sort_by(|one, other| one.account.name.cmp(&other.account.name));
        Ok(accounts)
    }

    async fn account(&mut self, name: &str) -> Result<Option<mapping::Account>, Status> {
        let request = mapping::GetAccountRequest {
            name: name.to_owned(),
            ..Default::default()
        };
        match self.mapping.get_account(request).await {
            Ok(answer) => Ok(answer.into_inner().account),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            // Whose token is for some accounts alone may ask for none by its name, but sees a list
            // of them. One that is not there can't be made by it either.
            Err(status) if status.code() == Code::PermissionDenied => {
                let mut own = self.accounts().await?.into_iter();
                let found = own.find(|account| account.name == name);
                found.map(Some).ok_or_else(|| forbidden(name, &status))
            }
            Err(status) => Err(status),
        }
    }

    async fn accounts(&mut self) -> Result<Vec<mapping::Account>, Status> {
        let request = mapping::ListAccountsRequest::default();
        Ok(all!(self.mapping, list_accounts, request, accounts))
    }

    async fn rest(&mut self, account: mapping::Account) -> Result<Actual, Status> {
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

    async fn source(&mut self, source: mapping::Source) -> Result<ActualSource, Status> {
        let (account_id, source_id) = (source.account_id.clone(), source.source_id.clone());
        let request = mapping::GetContactMappingRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
        };
        let answer = self.mapping.get_contact_mapping(request).await;
        let contact_mapping = answer?.into_inner().mappings;
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
    ) -> Result<BTreeMap<String, GivenKey>, Status> {
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
            // Of a new source of an account that is there: whoever may touch that one may ask.
            let source_id = match (known, actual) {
                (Some(known), _) => known.source.source_id.clone(),
                (None, Some(_)) => NOBODY.to_owned(),
                (None, None) => String::new(),
            };
            let account_id = actual.map(|actual| actual.account.account_id.clone());
            let request = mapping::FindKeyRequest {
                account_id: account_id.unwrap_or_default(),
                source_id,
                key: key.clone(),
            };
            let state = match self.configuration.find_key(request).await {
                Ok(answer) => match answer.into_inner().key {
                    Some(key) if is_valid(&key) => GivenKey::Valid,
                    Some(_) => GivenKey::Ended,
                    None => GivenKey::New,
                },
                Err(status) if status.code() == Code::AlreadyExists => GivenKey::Taken,
                Err(status) => return Err(status),
            };
            found.insert(key.clone(), state);
        }
        Ok(found)
    }
}

/// With the reason that the service gave.
fn forbidden(name: &str, status: &Status) -> Status {
    let message = format!("this token may not touch the account {name:?}, nor make it");
    let details = Bytes::copy_from_slice(status.details());
    Status::with_details(status.code(), message, details)
}

/// By the clock of this machine: it is shown, and the service decides.
fn is_valid(key: &mapping::Key) -> bool {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let past = key.expire_time.is_some_and(|end| end.seconds <= now);
    key.revoke_time.is_none() && !past
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_that_is_refused_is_named_with_the_reason_of_the_service() {
        let details = Bytes::from_static(b"why");
        let status = Status::with_details(Code::PermissionDenied, "no", details);
        let told = forbidden("bank", &status);
        assert_eq!((told.code(), told.details()), (status.code(), &b"why"[..]));
        assert!(told.message().contains("\"bank\""), "{told}");
    }
}
