//! Applies a checked configuration over gRPC, object by object; each step is idempotent.

use anyhow::anyhow;
use tonic::transport::Channel;
use tonic::{Response, Status};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::ChangeKind;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::Service;

use super::model::{Account, Configuration, Source};
use crate::address::Addresses;
use crate::call::describe_status;
use crate::failure::Failure;

/// Keys of a source are listed in one page; nobody has more.
const PAGE: i32 = 1_000;

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// Created, updated, unchanged.
    pub counts: [usize; 3],
    /// In the order of the file.
    pub accounts: Vec<AppliedAccount>,
}

/// An account with the ids it has now.
#[derive(Debug)]
pub struct AppliedAccount {
    pub name: String,
    pub account_id: String,
    pub sources: Vec<AppliedSource>,
    /// Names and ids.
    pub audiences: Vec<(String, String)>,
}

/// A source with its id, and its key where that is known.
#[derive(Debug)]
pub struct AppliedSource {
    pub source_id: String,
    pub kind: mapping::SourceKind,
    pub key: Option<String>,
}

/// Sends everything; `say` is given a line for each object.
///
/// # Errors
/// A service is away, or refuses something; what came before stays applied.
pub async fn send(
    addresses: &Addresses,
    configuration: &Configuration,
    say: impl Fn(&str),
) -> Result<Applied, Failure> {
    let mut sender = Sender {
        mapping: MappingServiceClient::new(addresses.connect(Service::Mapping).await?),
        audience: AudienceServiceClient::new(addresses.connect(Service::Audience).await?),
        applied: Applied::default(),
        say,
    };
    for account in &configuration.accounts {
        let applied = sender.account(account).await?;
        sender.applied.accounts.push(applied);
    }
    Ok(sender.applied)
}

struct Sender<F> {
    mapping: MappingServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
    applied: Applied,
    say: F,
}

impl<F: Fn(&str)> Sender<F> {
    async fn account(&mut self, account: &Account) -> Result<AppliedAccount, Failure> {
        let name = account.put.name.clone();
        let what = format!("account {name}");
        let answer = self.mapping.put_account(account.put.clone()).await;
        let answer = accept(answer, &what, account.line)?;
        self.tell(answer.change(), &what);
        let is_new = answer.change() == ChangeKind::Created;
        let account_id = answer
            .account
            .map(|account| account.account_id)
            .unwrap_or_default();
        for field in &account.fields {
            let what = format!("field {}", field.name);
            let request = mapping::CreateFieldRequest {
                account_id: account_id.clone(),
                name: field.name.clone(),
                r#type: field.value_type.into(),
            };
            let answer = self.mapping.create_field(request).await;
            let answer = accept(answer, &what, field.line)?;
            self.tell(answer.change(), &format!("  {what}"));
        }
        if let Some(identify) = &account.identify {
            let what = format!("unique identifiers of {name}");
            let answer = self.mapping.put_account(identify.clone()).await;
            let answer = accept(answer, &what, account.line)?;
            // Of a new account they belong to what was created above.
            if !is_new {
                self.tell(answer.change(), &format!("  {what}"));
            }
        }
        let mut sources = Vec::new();
        for source in &account.sources {
            sources.push(self.source(&account_id, source).await?);
        }
        let mut audiences = Vec::new();
        for wanted in &account.audiences {
            let what = format!("audience {}", wanted.name);
            let request = audience::CreateAudienceRequest {
                account_id: account_id.clone(),
                name: wanted.name.clone(),
                origin: audience::Origin::SegmentActions.into(),
            };
            let answer = self.audience.create_audience(request).await;
            let answer = accept(answer, &what, wanted.line)?;
            let change = if answer.created {
                ChangeKind::Created
            } else {
                ChangeKind::Unchanged
            };
            self.tell(change, &format!("  {what}"));
            let id = answer.audience.map(|audience| audience.audience_id);
            audiences.push((wanted.name.clone(), id.unwrap_or_default()));
        }
        Ok(AppliedAccount {
            name,
            account_id,
            sources,
            audiences,
        })
    }

    async fn source(
        &mut self,
        account_id: &str,
        source: &Source,
    ) -> Result<AppliedSource, Failure> {
        let what = format!("source {}", source.put.name);
        let request = mapping::PutSourceRequest {
            account_id: account_id.to_owned(),
            ..source.put.clone()
        };
        let answer = accept(self.mapping.put_source(request).await, &what, source.line)?;
        self.tell(answer.change(), &format!("  {what}"));
        let source_id = answer
            .source
            .map(|source| source.source_id)
            .unwrap_or_default();
        let key = self.key(account_id, &source_id, source).await?;
        if let Some((line, put)) = &source.contact_mapping {
            let what = format!("contact mapping of {}", source.put.name);
            let request = mapping::PutContactMappingRequest {
                account_id: account_id.to_owned(),
                source_id: source_id.clone(),
                ..put.clone()
            };
            let answer = self.mapping.put_contact_mapping(request).await;
            let answer = accept(answer, &what, *line)?;
            self.tell(answer.change(), &format!("    {what}"));
        }
        for activity in &source.activities {
            let what = format!("activity {}", activity.put.event_name);
            let request = mapping::PutActivityMappingRequest {
                account_id: account_id.to_owned(),
                source_id: source_id.clone(),
                ..activity.put.clone()
            };
            let answer = self.mapping.put_activity_mapping(request).await;
            let answer = accept(answer, &what, activity.line)?;
            self.tell(answer.change(), &format!("    {what}"));
        }
        Ok(AppliedSource {
            source_id,
            kind: source.put.kind(),
            key,
        })
    }

    /// Adds the given key; without one, makes a key where the source has none that is valid.
    async fn key(
        &mut self,
        account_id: &str,
        source_id: &str,
        source: &Source,
    ) -> Result<Option<String>, Failure> {
        let what = format!("key of {}", source.put.name);
        if source.key.is_none() {
            let request = mapping::ListKeysRequest {
                account_id: account_id.to_owned(),
                source_id: source_id.to_owned(),
                page_size: PAGE,
                page_token: String::new(),
            };
            let listed = accept(self.mapping.list_keys(request).await, &what, source.line)?;
            if listed.keys.iter().any(|key| key.revoke_time.is_none()) {
                self.tell(ChangeKind::Unchanged, &format!("    {what}"));
                return Ok(None);
            }
        }
        let request = mapping::CreateKeyRequest {
            account_id: account_id.to_owned(),
            source_id: source_id.to_owned(),
            key: source.key.clone().unwrap_or_default(),
            region: String::new(),
        };
        let answer = accept(self.mapping.create_key(request).await, &what, source.line)?;
        let change = match answer.change() {
            ChangeKind::Unspecified => ChangeKind::Created,
            change => change,
        };
        self.tell(change, &format!("    {what}"));
        if answer.secret.is_empty() {
            return Ok(source.key.clone());
        }
        (self.say)(&format!(
            "               {}  (shown this once; paste it into Segment)",
            answer.secret
        ));
        Ok(Some(answer.secret))
    }

    fn tell(&mut self, change: ChangeKind, what: &str) {
        let (index, word) = match change {
            ChangeKind::Created => (0, "created"),
            ChangeKind::Updated => (1, "updated"),
            ChangeKind::Unchanged | ChangeKind::Unspecified => (2, "unchanged"),
        };
        self.applied.counts[index] += 1;
        (self.say)(&format!("  {word:<10} {what}"));
    }
}

/// What a service refuses is named with its line in the file.
fn accept<T>(answer: Result<Response<T>, Status>, what: &str, line: u64) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| {
        anyhow!(
            "{what} (line {line}) was refused: {}",
            describe_status(&status)
        )
        .into()
    })
}
