//! Mapping: all that it sees is mapped, by what stands in the traits.

use tonic::{Code, Request, Response, Status};
use weir_proto::mapping::v1::mapping_service_server::MappingService;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::Entitlement;
use weir_reasons::Reason;

use super::Stub;

/// Traits with `ignored` in them are worth nothing, those with `cleared` are nulls; with both
/// there is nothing else.
fn traits(event: &Event) -> MappedTraits {
    let Some(span) = &event.traits else {
        return MappedTraits::None;
    };
    let (start, length) = (span.start as usize, span.length as usize);
    let text = String::from_utf8_lossy(&event.raw[start..start + length]);
    if text.contains("ignored") && text.contains("cleared") {
        MappedTraits::ClearsRestIgnored
    } else if text.contains("ignored") {
        MappedTraits::AllIgnored
    } else if text.contains("cleared") {
        MappedTraits::Clears
    } else {
        MappedTraits::Values
    }
}

/// Traits called `ignored` name codes: of the first one value is ignored, of the second two …
fn ignored(event: &Event) -> Vec<IgnoredKind> {
    let Some(span) = &event.traits else {
        return Vec::new();
    };
    let (start, length) = (span.start as usize, span.length as usize);
    let traits = event.raw.slice(start..start + length);
    let traits: serde_json::Value = serde_json::from_slice(&traits).unwrap_or_default();
    let codes = traits["ignored"].as_array().cloned().unwrap_or_default();
    let kind = |code: serde_json::Value| IgnoredKind {
        code: code.as_str().unwrap_or_default().to_owned(),
        subject: "str:cm:field".to_owned(),
    };
    codes.into_iter().map(kind).collect()
}

/// Says of each event what is ignored of it, and answers what these values are.
fn ignore(events: &[Event], results: &mut [MappedEvent]) -> Vec<IgnoredKind> {
    let mut ignored_kinds = Vec::new();
    for (event, result) in events.iter().zip(results) {
        for (number, kind) in ignored(event).into_iter().enumerate() {
            let known = ignored_kinds.iter().position(|one| *one == kind);
            let at = known.unwrap_or_else(|| {
                ignored_kinds.push(kind);
                ignored_kinds.len() - 1
            });
            result.ignored.push(IgnoredValues {
                kind: u32::try_from(at).unwrap(),
                count: u32::try_from(number + 1).unwrap(),
            });
        }
    }
    ignored_kinds
}

#[tonic::async_trait]
impl MappingService for Stub {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.answer("authenticate", |state| {
            let key = request.get_ref().key.as_str();
            if key == "expired-key" {
                let expired = Reason::KeyExpired;
                return Err(weir_rpc::refused(
                    Code::Unauthenticated,
                    expired,
                    "past its end",
                ));
            }
            let Some(account) = state.accounts.get(key) else {
                return Err(weir_rpc::refused(
                    Code::Unauthenticated,
                    Reason::KeyUnknown,
                    "no such key",
                ));
            };
            let kind = match key {
                "classic-key" => SourceKind::SegmentClassic,
                _ => SourceKind::SegmentActions,
            };
            Ok(AuthenticateResponse {
                account_id: (*account).into(),
                source_id: "source".into(),
                source_kind: kind.into(),
                blocked_values: Some(state.blocked_values.0.clone()),
                blocked_values_version: state.blocked_values.1,
                paused: state.is_paused,
                allowed_origins: vec!["https://*.example.com".into()],
            })
        })
        .await
    }

    /// Maps every event; events named `Unmapped` and `Old` are rejected.
    async fn map_events(
        &self,
        request: Request<MapEventsRequest>,
    ) -> Result<Response<MapEventsResponse>, Status> {
        self.answer("map_events", |state| {
            let mut request = request.into_inner();
            state.map_requests.push(MapEventsRequest {
                events: Vec::new(),
                body: Default::default(),
                ..request.clone()
            });
            let size = (request.events.len(), request.body.len());
            state.map_sizes.push(size);
            let long = "x".repeat(state.value_length);
            if request.refused_identifiers_version == Some(state.identifiers_versions.1) {
                state.identifiers_versions.1 = state.identifiers_versions.0;
            }
            for event in &mut request.events {
                let span = event.span.take().expect("the edge sends the body whole");
                let start = span.start as usize;
                event.raw = request.body.slice(start..start + span.length as usize);
            }
            let results = request.events.iter().map(|event| MappedEvent {
                outcome: Some(outcome_of(event, &long)),
                ignored: Vec::new(),
            });
            let mut results: Vec<_> = results.collect();
            let ignored_kinds = ignore(&request.events, &mut results);
            state.mapped.extend(request.events);
            Ok(MapEventsResponse {
                mapping_version: 1,
                contact_settings: Some(ContactSettings {
                    identifiers_version: state.identifiers_versions.1,
                    blocked_values_version: state.blocked_values.1,
                    caseless_identifiers: vec!["str:cm:mail".into()],
                    ..Default::default()
                }),
                entitlement: Some(Entitlement {
                    contacts: state.profile_limit / 10,
                    profile_factor: 10,
                    ..Default::default()
                }),
                results,
                ignored_kinds,
            })
        })
        .await
    }

    async fn append_log(
        &self,
        request: Request<AppendLogRequest>,
    ) -> Result<Response<AppendLogResponse>, Status> {
        self.answer("append_log", |state| {
            let entries = request.into_inner().entries;
            state.log_calls.push(entries.len());
            state.log.extend(entries);
            Ok(AppendLogResponse {})
        })
        .await
    }

    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        self.answer("get_account", |state| {
            let account = Account {
                account_id: request.into_inner().account_id,
                blocked_values: Some(state.blocked_values.0.clone()),
                ..Account::default()
            };
            Ok(GetAccountResponse {
                account: Some(account),
            })
        })
        .await
    }

    unused! {
        put_account(PutAccountRequest) -> PutAccountResponse;
        list_accounts(ListAccountsRequest) -> ListAccountsResponse;
        put_source(PutSourceRequest) -> PutSourceResponse;
        get_source(GetSourceRequest) -> GetSourceResponse;
        list_sources(ListSourcesRequest) -> ListSourcesResponse;
        create_key(CreateKeyRequest) -> CreateKeyResponse;
        list_keys(ListKeysRequest) -> ListKeysResponse;
        revoke_key(RevokeKeyRequest) -> RevokeKeyResponse;
        create_field(CreateFieldRequest) -> CreateFieldResponse;
        list_fields(ListFieldsRequest) -> ListFieldsResponse;
        put_contact_mapping(PutContactMappingRequest) -> PutContactMappingResponse;
        get_contact_mapping(GetContactMappingRequest) -> GetContactMappingResponse;
        put_activity_mapping(PutActivityMappingRequest) -> PutActivityMappingResponse;
        delete_activity_mapping(DeleteActivityMappingRequest) -> DeleteActivityMappingResponse;
        list_activity_mappings(ListActivityMappingsRequest) -> ListActivityMappingsResponse;
        list_samples(ListSamplesRequest) -> ListSamplesResponse;
        list_event_names(ListEventNamesRequest) -> ListEventNamesResponse;
        list_log(ListLogRequest) -> ListLogResponse;
    }
}

/// Events named `Unmapped` and `Old` are rejected.
fn outcome_of(event: &Event, long: &str) -> mapped_event::Outcome {
    if event.event_name == "Unmapped" {
        mapped_event::Outcome::Rejection(Rejection {
            code: "NO_MAPPING".into(),
            message: "No mappings configured".into(),
        })
    } else if event.event_name == "Old" {
        mapped_event::Outcome::Rejection(Rejection {
            code: "PAST_RETENTION".into(),
            message: "older than 90 days".into(),
        })
    } else {
        mapped_event::Outcome::Mapped(Mapped {
            fields_json: match traits(event) {
                MappedTraits::Values => format!(r#"{{"str::first":"x{long}"}}"#).into(),
                MappedTraits::Clears | MappedTraits::ClearsRestIgnored => {
                    r#"{"str::first":null}"#.into()
                }
                _ => Default::default(),
            },
            activity: (!event.event_name.is_empty()).then(|| MappedActivity {
                activity_id: event.event_name.clone(),
                attributes_json: match long {
                    "" => "{}".into(),
                    long => format!(r#"{{"a":"{long}"}}"#).into(),
                },
                retention_days: 90,
                earlier_retention_days: vec![],
            }),
            traits: traits(event).into(),
        })
    }
}
