//! Does a plan, step by step, over gRPC; each step is idempotent.
//!
//! **Invariant:** nothing is overwritten that was changed since the plan was made: mappings are
//! saved over the version that the plan saw.

use std::collections::HashMap;

use anyhow::anyhow;
use tonic::{Code, Response, Status};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::curation_service_client::CurationServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use weir_configuration::plan::Plan;
use weir_configuration::plan::planner::{Action, Step};

use crate::address::Addresses;
use crate::call::describe_status;
use crate::failure::Failure;

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
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

/// Does all steps; `say` is given a line for each.
///
/// # Errors
/// A service is away, or refuses something; what came before stays applied.
pub async fn execute(
    addresses: &Addresses,
    plan: &Plan,
    say: impl Fn(&str),
) -> Result<Applied, Failure> {
    let channel = addresses.connect(Service::Mapping).await?;
    let audiences = addresses.connect(Service::Audience).await?;
    let mut executor = Executor {
        mapping: MappingServiceClient::new(channel.clone()),
        configuration: ConfigurationServiceClient::new(channel),
        audience: AudienceServiceClient::new(audiences.clone()),
        curation: CurationServiceClient::new(audiences),
        known: Known::of(plan),
    };
    for step in &plan.steps {
        let secret = executor.step(step).await?;
        let indent = if step.source.is_some() { "  " } else { "" };
        say(&format!(
            "  {:<10} {indent}{}",
            step.change.word(),
            step.what
        ));
        if let Some(secret) = secret {
            say(&format!(
                "               {secret}  (shown this once: for Segment's destination, or as an SDK's write key)"
            ));
        }
    }
    Ok(executor.known.applied(plan))
}

/// Ids and versions, as they are by now.
#[derive(Default)]
struct Known {
    accounts: HashMap<String, String>,
    /// By account and name.
    sources: HashMap<(String, String), KnownSource>,
    audiences: HashMap<(String, String), String>,
}

#[derive(Default, Clone)]
struct KnownSource {
    source_id: String,
    /// Of its mappings; none where it is not known any more.
    version: Option<i64>,
    key: Option<String>,
}

impl Known {
    fn of(plan: &Plan) -> Self {
        let mut known = Self::default();
        for (name, actual) in &plan.standing.accounts {
            known
                .accounts
                .insert(name.clone(), actual.account.account_id.clone());
            for source in &actual.sources {
                let source = &source.source;
                let entry = KnownSource {
                    source_id: source.source_id.clone(),
                    version: Some(source.mapping_version),
                    key: None,
                };
                known
                    .sources
                    .insert((name.clone(), source.name.clone()), entry);
            }
            for audience in &actual.audiences {
                let key = (name.clone(), audience.name.clone());
                known.audiences.insert(key, audience.audience_id.clone());
            }
        }
        known
    }

    fn applied(mut self, plan: &Plan) -> Applied {
        let accounts = plan.wanted.iter().map(|wanted| {
            let name = wanted.put.name.clone();
            let sources = wanted.sources.iter().map(|source| {
                let key = (name.clone(), source.put.name.clone());
                let found = self.sources.remove(&key).unwrap_or_default();
                AppliedSource {
                    source_id: found.source_id,
                    kind: source.put.kind(),
                    key: found.key.or_else(|| source.key.clone()),
                }
            });
            let sources = sources.collect();
            let audiences = wanted.audiences.iter().map(|audience| {
                let key = (name.clone(), audience.name.clone());
                let id = self.audiences.remove(&key).unwrap_or_default();
                (audience.name.clone(), id)
            });
            AppliedAccount {
                account_id: self.accounts.get(&name).cloned().unwrap_or_default(),
                sources,
                audiences: audiences.collect(),
                name,
            }
        });
        Applied {
            accounts: accounts.collect(),
        }
    }
}

struct Executor {
    mapping: MappingServiceClient<Channel>,
    configuration: ConfigurationServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
    curation: CurationServiceClient<Channel>,
    known: Known,
}

impl Executor {
    /// Does one; the key that it made, where it made one.
    async fn step(&mut self, step: &Step) -> Result<Option<String>, Failure> {
        let account_id = self.known.accounts.get(&step.account);
        let account_id = account_id.cloned().unwrap_or_default();
        let place = (
            step.account.clone(),
            step.source.clone().unwrap_or_default(),
        );
        let source = self.known.sources.get(&place).cloned().unwrap_or_default();
        match &step.action {
            Action::PutAccount(put) => {
                // Of one that is there: then its own team may do it.
                let put = mapping::PutAccountRequest {
                    account_id,
                    ..put.clone()
                };
                let answer = accept(self.mapping.put_account(put).await, step)?;
                let id = answer.account.unwrap_or_default().account_id;
                self.known.accounts.insert(step.account.clone(), id);
            }
            Action::CreateField { name, value_type } => {
                let request = mapping::CreateFieldRequest {
                    account_id,
                    name: name.clone(),
                    r#type: *value_type,
                    request_id: String::new(),
                };
                accept(self.mapping.create_field(request).await, step)?;
            }
            Action::DeleteField { field_id } => {
                let request = mapping::DeleteFieldRequest {
                    account_id,
                    field_id: field_id.clone(),
                    request_id: String::new(),
                };
                accept(self.configuration.delete_field(request).await, step)?;
            }
            Action::CreateAudience { name } => {
                self.create_audience(step, account_id, name).await?;
            }
            Action::DeleteAudience { name } => {
                self.delete_audience(step, account_id, name).await?;
            }
            Action::RenameSource { from } => {
                let before = (step.account.clone(), from.clone());
                let source = self.known.sources.remove(&before).unwrap_or_default();
                let request = mapping::RenameSourceRequest {
                    account_id,
                    source_id: source.source_id.clone(),
                    name: place.1.clone(),
                };
                accept(self.configuration.rename_source(request).await, step)?;
                self.known.sources.insert(place, source);
            }
            Action::DeleteSource => {
                let request = mapping::DeleteSourceRequest {
                    account_id,
                    source_id: source.source_id,
                };
                accept(self.configuration.delete_source(request).await, step)?;
                self.known.sources.remove(&place);
            }
            _ => return self.of_source(step, account_id, place, source).await,
        }
        Ok(None)
    }

    async fn create_audience(
        &mut self,
        step: &Step,
        account_id: String,
        name: &str,
    ) -> Result<(), Failure> {
        let request = audience::CreateAudienceRequest {
            account_id,
            name: name.to_owned(),
            origin: audience::Origin::SegmentActions.into(),
            request_id: String::new(),
        };
        let answer = accept(self.audience.create_audience(request).await, step)?;
        let id = answer.audience.unwrap_or_default().audience_id;
        let key = (step.account.clone(), name.to_owned());
        self.known.audiences.insert(key, id);
        Ok(())
    }

    async fn delete_audience(
        &mut self,
        step: &Step,
        account_id: String,
        name: &str,
    ) -> Result<(), Failure> {
        let key = (step.account.clone(), name.to_owned());
        let audience_id = self.known.audiences.remove(&key).unwrap_or_default();
        let request = audience::DeleteAudienceRequest {
            account_id,
            audience_id,
            // It stays where events came since the plan was made.
            refuse_events: false,
            request_id: String::new(),
        };
        accept(self.curation.delete_audience(request).await, step)?;
        Ok(())
    }

    /// What is done with a source that stays, or is made.
    async fn of_source(
        &mut self,
        step: &Step,
        account_id: String,
        place: (String, String),
        mut source: KnownSource,
    ) -> Result<Option<String>, Failure> {
        let source_id = source.source_id.clone();
        let mut secret = None;
        match &step.action {
            Action::PutSource(put) => {
                let request = mapping::PutSourceRequest {
                    account_id,
                    ..put.clone()
                };
                let answer = accept(self.mapping.put_source(request).await, step)?;
                let put = answer.source.unwrap_or_default();
                source.source_id = put.source_id;
                source.version = Some(put.mapping_version);
            }
            Action::CreateKey { key } => {
                let request = mapping::CreateKeyRequest {
                    account_id,
                    source_id,
                    key: key.clone().unwrap_or_default(),
                    ..Default::default()
                };
                let answer = accept(self.mapping.create_key(request).await, step)?;
                secret = Some(answer.secret).filter(|secret| !secret.is_empty());
                source.key = secret.clone().or_else(|| key.clone());
            }
            Action::PutContactMapping(put) => {
                let request = mapping::PutContactMappingRequest {
                    account_id,
                    source_id,
                    expected_version: source.version,
                    ..put.clone()
                };
                let answer = accept(self.mapping.put_contact_mapping(request).await, step)?;
                source.version = Some(answer.mapping_version);
            }
            Action::PutActivity(put) => {
                let request = mapping::PutActivityMappingRequest {
                    account_id,
                    source_id,
                    expected_version: source.version,
                    ..put.clone()
                };
                let answer = accept(self.mapping.put_activity_mapping(request).await, step)?;
                source.version = Some(answer.mapping_version);
            }
            Action::UnmapActivity { event_name } => {
                let request = mapping::DeleteActivityMappingRequest {
                    account_id,
                    source_id,
                    event_name: event_name.clone(),
                    request_id: String::new(),
                };
                accept(self.mapping.delete_activity_mapping(request).await, step)?;
                // It does not tell the version that this made.
                source.version = None;
            }
            _ => {}
        }
        self.known.sources.insert(place, source);
        Ok(secret)
    }
}

/// What a service refuses is named with its line in the file.
fn accept<T>(answer: Result<Response<T>, Status>, step: &Step) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| {
        let again = if status.code() == Code::Aborted {
            "; somebody changed it meanwhile: look at the plan again"
        } else {
            ""
        };
        anyhow!(
            "{} (line {}) was refused: {}{again}",
            step.what,
            step.line,
            describe_status(&status)
        )
        .into()
    })
}
