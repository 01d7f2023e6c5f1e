//! Mapping: all that it sees is mapped, by what stands in the traits.

use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::mapping_service_server::MappingService;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::Entitlement;

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

#[tonic::async_trait]
impl MappingService for Stub {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.answer("authenticate", |state| {
            let key = request.get_ref().key.as_str();
            let Some(account) = state.accounts.get(key) else {
                return Err(Status::unauthenticated("no such key"));
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
            let results = request.events.iter().map(|event| {
                let outcome = if event.event_name == "Unmapped" {
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
                            attributes_json: match &*long {
                                "" => "{}".into(),
                                long => format!(r#"{{"a":"{long}"}}"#).into(),
                            },
                            retention_days: 90,
                            earlier_retention_days: vec![],
                        }),
                        traits: traits(event).into(),
                    })
                };
                MappedEvent {
                    outcome: Some(outcome),
                }
            });
            let results = results.collect();
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

    unused! {
        put_account(PutAccountRequest) -> PutAccountResponse;
        get_account(GetAccountRequest) -> GetAccountResponse;
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
