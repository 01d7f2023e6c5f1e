//! Contact mappings and activities.

use tonic::{Request, Response};
use weir_changes::author;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::request_id;
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use super::convert::change;
use super::{Answer, Service, convert, owner};
use crate::app::Error;
use crate::domain::invalid::{Faults, Invalid};
use crate::domain::mapping::{read_event_name, read_retention};
use crate::domain::row::{AttributeRow, read_attributes};
use crate::domain::versions::Save;

pub async fn put_contact_mapping(
    service: &Service,
    request: Request<PutContactMappingRequest>,
) -> Answer<PutContactMappingResponse> {
    let deadline = Deadline::of(&request);
    let author = author(&request, "weir.mapping.v1.MappingService/PutContactMapping");
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    if request.clear != request.mappings.is_empty() {
        let expected = "at least one, or clear to take the mapping away";
        return Err(weir_rpc::invalid("mappings", expected));
    }
    let save = saving(request.expected_version);
    let rows: Vec<_> = request
        .mappings
        .into_iter()
        .map(convert::given_field)
        .collect();
    let (mapping_version, changed) = service
        .run_by(author, deadline, move |app| {
            let rows = rows.clone();
            async move { app.put_contact_mapping(account, source, &rows, save).await }
        })
        .await?;
    Ok(Response::new(PutContactMappingResponse {
        mapping_version,
        change: change(changed).into(),
    }))
}

fn saving(expected_version: Option<i64>) -> Save {
    Save {
        expected_version,
        restored_version: 0,
    }
}

pub async fn get_contact_mapping(
    service: &Service,
    request: Request<GetContactMappingRequest>,
) -> Answer<GetContactMappingResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let (rows, mapping_version) = service
        .run(deadline, move |app| async move {
            app.get_contact_mapping(account, source).await
        })
        .await?;
    Ok(Response::new(GetContactMappingResponse {
        mappings: rows.iter().map(convert::field_mapping).collect(),
        mapping_version,
    }))
}

pub async fn put_activity_mapping(
    service: &Service,
    request: Request<PutActivityMappingRequest>,
) -> Answer<PutActivityMappingResponse> {
    let deadline = Deadline::of(&request);
    let author = author(
        &request,
        "weir.mapping.v1.MappingService/PutActivityMapping",
    );
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let mut faults = Faults::default();
    let name = faults.take(read_event_name(&request.event_name));
    let retention = request.retention_days.map(read_retention);
    let retention = retention.and_then(|days| faults.take(days));
    let attributes = faults.take(read_given(request.clear_attributes, request.attributes));
    faults.told().map_err(Error::Invalid)?;
    let (name, attributes) = (name.unwrap_or_default(), attributes.flatten());
    let save = saving(request.expected_version);
    let (mapping, mapping_version, changed) = service
        .run_by(author, deadline, move |app| {
            let (name, attributes) = (name.clone(), attributes.clone());
            async move {
                let attributes = attributes.as_deref();
                app.put_activity_mapping(account, source, &name, retention, attributes, save)
                    .await
            }
        })
        .await?;
    Ok(Response::new(PutActivityMappingResponse {
        activity: Some(convert::activity_mapping(mapping)),
        mapping_version,
        change: change(changed).into(),
    }))
}

/// None: those that are saved stay.
pub(super) fn read_given(
    clear: bool,
    given: Vec<AttributeMapping>,
) -> Result<Option<Vec<AttributeRow>>, Vec<Invalid>> {
    if given.is_empty() {
        return Ok(clear.then(Vec::new));
    }
    if clear {
        let expected = "some, or clear_attributes to take them away";
        return Err(vec![Invalid::new("attributes", expected)]);
    }
    let given: Vec<_> = given.into_iter().map(convert::given_attribute).collect();
    let rows: Vec<_> = given.iter().map(|(row, kind)| (row.raw(), *kind)).collect();
    read_attributes(&rows).map(Some)
}

pub async fn delete_activity_mapping(
    service: &Service,
    request: Request<DeleteActivityMappingRequest>,
) -> Answer<DeleteActivityMappingResponse> {
    let deadline = Deadline::of(&request);
    let author = author(
        &request,
        "weir.mapping.v1.MappingService/DeleteActivityMapping",
    );
    let request = request.into_inner();
    let author = author.request(request_id(&request.request_id)?);
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let name = read_event_name(&request.event_name).map_err(Error::from)?;
    service
        .run_by(author, deadline, move |app| {
            let name = name.clone();
            async move {
                app.delete_activity_mapping(account, source, &name, Save::default())
                    .await
            }
        })
        .await?;
    Ok(Response::new(DeleteActivityMappingResponse {}))
}

pub async fn list_activity_mappings(
    service: &Service,
    request: Request<ListActivityMappingsRequest>,
) -> Answer<ListActivityMappingsResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let size = page_size(request.page_size)?;
    let after = page_start::<String>(&request.page_token)?.unwrap_or_default();
    let found = service
        .run(deadline, move |app| {
            let after = after.clone();
            async move {
                app.list_activity_mappings(account, source, &after, page_limit(size))
                    .await
            }
        })
        .await?;
    let page = Page::of(found, size, convert::activity_mapping);
    Ok(Response::new(ListActivityMappingsResponse {
        next_page_token: page.next_token(),
        activities: page.items,
    }))
}
