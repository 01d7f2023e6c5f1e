//! Renaming, removing, versions, rotation: `weir.mapping.v1.ConfigurationService`.

use chrono::TimeDelta;
use tonic::{Request, Status};
use weir_changes::author;
use weir_proto::mapping::v1::configuration_service_server::ConfigurationService;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{request_id, timestamp};
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use super::convert::change;
use super::{Answer, Response, Service, account_id, convert, optional_id, owner, sources};
use crate::app::{Differing, Error, Rotation};
use crate::domain::deletion::{Deletion, Step};
use crate::domain::invalid::read_name;
use crate::domain::key::read_overlap;
use crate::domain::mapping::read_event_name;
use crate::domain::row::{AttributeRow, GivenRow};
use crate::domain::versions::{Content, Version};

#[tonic::async_trait]
impl ConfigurationService for Service {
    async fn rename_source(
        &self,
        request: Request<RenameSourceRequest>,
    ) -> Answer<RenameSourceResponse> {
        let deadline = Deadline::of(&request);
        let author = author(
            &request,
            "weir.mapping.v1.ConfigurationService/RenameSource",
        );
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let name = read_name(&request.name).map_err(Error::from)?;
        let (source, changed) = self
            .run_by(author, deadline, move |app| {
                let name = name.clone();
                async move { app.rename_source(account, source, &name).await }
            })
            .await?;
        Ok(Response::new(RenameSourceResponse {
            source: Some(convert::source(source)),
            change: change(changed).into(),
        }))
    }

    async fn delete_source(
        &self,
        request: Request<DeleteSourceRequest>,
    ) -> Answer<DeleteSourceResponse> {
        let deadline = Deadline::of(&request);
        let author = author(
            &request,
            "weir.mapping.v1.ConfigurationService/DeleteSource",
        );
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let deleted = self
            .run_by(author, deadline, move |app| async move {
                app.delete_source(account, source).await
            })
            .await?;
        Ok(Response::new(DeleteSourceResponse { deleted }))
    }

    async fn pause_source(
        &self,
        request: Request<PauseSourceRequest>,
    ) -> Answer<PauseSourceResponse> {
        sources::pause(self, request).await
    }

    async fn resume_source(
        &self,
        request: Request<ResumeSourceRequest>,
    ) -> Answer<ResumeSourceResponse> {
        sources::resume(self, request).await
    }

    async fn list_paused_sources(
        &self,
        request: Request<ListPausedSourcesRequest>,
    ) -> Answer<ListPausedSourcesResponse> {
        sources::list_paused(self, request).await
    }

    async fn copy_mapping(
        &self,
        request: Request<CopyMappingRequest>,
    ) -> Answer<CopyMappingResponse> {
        sources::copy_mapping(self, request).await
    }

    async fn delete_field(
        &self,
        request: Request<DeleteFieldRequest>,
    ) -> Answer<DeleteFieldResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.ConfigurationService/DeleteField");
        let request = request.into_inner();
        let author = author.request(request_id(&request.request_id)?);
        let account = account_id(&request.account_id)?;
        let field = request.field_id;
        if field.is_empty() || field.contains('\0') {
            return Err(weir_rpc::invalid("field_id", "must be the id of a field"));
        }
        let deleted = self
            .run_by(author, deadline, move |app| {
                let field = field.clone();
                async move { app.delete_field(account, &field).await }
            })
            .await?;
        Ok(Response::new(DeleteFieldResponse { deleted }))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Answer<DeleteAccountResponse> {
        let deadline = Deadline::of(&request);
        let author = author(
            &request,
            "weir.mapping.v1.ConfigurationService/DeleteAccount",
        );
        let request = request.into_inner();
        let author = author.request(request_id(&request.request_id)?);
        let account = account_id(&request.account_id)?;
        let found = self
            .run_by(author, deadline, move |app| {
                let name = request.name.clone();
                async move { app.delete_account(account, &name).await }
            })
            .await?;
        Ok(Response::new(DeleteAccountResponse {
            deletion: Some(deletion(&found)),
        }))
    }

    async fn get_account_deletion(
        &self,
        request: Request<GetAccountDeletionRequest>,
    ) -> Answer<GetAccountDeletionResponse> {
        let deadline = Deadline::of(&request);
        let account = account_id(&request.into_inner().account_id)?;
        let found = self
            .run(deadline, move |app| async move {
                app.get_deletion(account).await
            })
            .await?;
        Ok(Response::new(GetAccountDeletionResponse {
            deletion: Some(deletion(&found)),
        }))
    }

    async fn list_mapping_versions(
        &self,
        request: Request<ListMappingVersionsRequest>,
    ) -> Answer<ListMappingVersionsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let name = subject(&request.event_name)?;
        let size = page_size(request.page_size)?;
        let before = page_start(&request.page_token)?;
        let found = self
            .run(deadline, move |app| {
                let name = name.clone();
                async move {
                    app.list_versions(account, source, &name, before, page_limit(size))
                        .await
                }
            })
            .await?;
        let page = Page::of(found, size, mapping_version);
        Ok(Response::new(ListMappingVersionsResponse {
            next_page_token: page.next_token(),
            versions: page.items,
        }))
    }

    async fn diff_mapping_versions(
        &self,
        request: Request<DiffMappingVersionsRequest>,
    ) -> Answer<DiffMappingVersionsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let name = subject(&request.event_name)?;
        let between = [request.from_version, request.to_version];
        let found = self
            .run(deadline, move |app| {
                let name = name.clone();
                async move { app.diff_versions(account, source, &name, between).await }
            })
            .await?;
        Ok(Response::new(differing(found)))
    }

    async fn restore_mapping_version(
        &self,
        request: Request<RestoreMappingVersionRequest>,
    ) -> Answer<RestoreMappingVersionResponse> {
        let deadline = Deadline::of(&request);
        let author = author(
            &request,
            "weir.mapping.v1.ConfigurationService/RestoreMappingVersion",
        );
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let name = subject(&request.event_name)?;
        let (version, expected) = (request.version, request.expected_version);
        let (mapping_version, changed) = self
            .run_by(author, deadline, move |app| {
                let name = name.clone();
                async move {
                    app.restore_version(account, source, &name, version, expected)
                        .await
                }
            })
            .await?;
        Ok(Response::new(RestoreMappingVersionResponse {
            mapping_version,
            change: change(changed).into(),
        }))
    }

    async fn find_key(&self, request: Request<FindKeyRequest>) -> Answer<FindKeyResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let owner = if request.account_id.is_empty() && request.source_id.is_empty() {
            None
        } else {
            Some(owner(&request.account_id, &request.source_id)?)
        };
        let found = self
            .run(deadline, move |app| {
                let key = request.key.clone();
                async move { app.find_key(owner, &key).await }
            })
            .await?;
        Ok(Response::new(FindKeyResponse {
            key: found.map(convert::key),
        }))
    }

    async fn rotate_key(&self, request: Request<RotateKeyRequest>) -> Answer<RotateKeyResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.ConfigurationService/RotateKey");
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let overlap = request.overlap.map(|overlap| {
            let seconds = TimeDelta::try_seconds(overlap.seconds).unwrap_or(TimeDelta::MAX);
            let nanos = TimeDelta::nanoseconds(overlap.nanos.into());
            seconds.checked_add(&nanos).unwrap_or(TimeDelta::MAX)
        });
        let rotation = Rotation {
            key_id: optional_id("key_id", &request.key_id)?,
            overlap: read_overlap(overlap).map_err(Error::from)?,
            region: request.region,
            request_id: request_id(&request.request_id)?,
        };
        let rotated = self
            .run_by(author, deadline, move |app| {
                let rotation = rotation.clone();
                async move { app.rotate_key(account, source, &rotation).await }
            })
            .await?;
        Ok(Response::new(RotateKeyResponse {
            key: Some(convert::key(rotated.key)),
            secret: rotated.secret,
            expiring: rotated.expiring.into_iter().map(convert::key).collect(),
        }))
    }
}

fn deletion(deletion: &Deletion) -> AccountDeletion {
    let state = match deletion.finish_time {
        Some(_) => DeletionState::Done,
        None if deletion.is_waiting() => DeletionState::Waiting,
        None => DeletionState::Erasing,
    };
    let step = |step: &Step| DeletionStep {
        service: step.keeper.name().to_owned(),
        erased: step.erased,
        done: step.done,
    };
    AccountDeletion {
        account_id: deletion.account_id.to_string(),
        state: state.into(),
        start_time: Some(timestamp(deletion.start_time)),
        finish_time: deletion.finish_time.map(timestamp),
        steps: deletion.steps.iter().map(step).collect(),
    }
}

/// Of an activity, or empty: the contact mapping.
fn subject(event_name: &str) -> Result<String, Status> {
    if event_name.is_empty() {
        return Ok(String::new());
    }
    Ok(read_event_name(event_name).map_err(Error::from)?)
}

fn mapping_version(version: Version) -> MappingVersion {
    let (fields, activity) = match version.content {
        Content::Contact(pairs) => (pairs, None),
        Content::Activity(activity) => (Vec::new(), activity),
    };
    let fields = fields.into_iter().map(convert::unchecked_field_mapping);
    MappingVersion {
        version: version.version,
        save_time: Some(timestamp(version.save_time)),
        fields: fields.collect(),
        activity: activity.map(|activity| {
            let attributes = activity.attributes.into_iter();
            ActivityVersion {
                retention_days: activity.retention_days,
                attributes: attributes.map(convert::attribute_mapping).collect(),
            }
        }),
        restored_version: version.restored_version,
    }
}

fn differing(found: Differing) -> DiffMappingVersionsResponse {
    match found {
        Differing::Contact(difference) => {
            let field = |pair: Option<GivenRow>| pair.map(convert::unchecked_field_mapping);
            let row = |(before, after)| RowDifference {
                field_before: field(before),
                field_after: field(after),
                ..Default::default()
            };
            DiffMappingVersionsResponse {
                rows: difference.rows.into_iter().map(row).collect(),
                retention: None,
                reordered: difference.reordered,
            }
        }
        Differing::Activity(difference, [before_days, after_days]) => {
            let attribute = |pair: Option<AttributeRow>| pair.map(convert::attribute_mapping);
            let row = |(before, after)| RowDifference {
                attribute_before: attribute(before),
                attribute_after: attribute(after),
                ..Default::default()
            };
            DiffMappingVersionsResponse {
                rows: difference.rows.into_iter().map(row).collect(),
                retention: (before_days != after_days).then_some(RetentionDifference {
                    before_days,
                    after_days,
                }),
                reordered: difference.reordered,
            }
        }
    }
}
