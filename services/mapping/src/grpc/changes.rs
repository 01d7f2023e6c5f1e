//! `weir.access.v1.ChangeService`: the record of changes, of all services.

use std::sync::Arc;

use tonic::{Request, Response};
use uuid::Uuid;
use weir_changes::{change_of, filter_of};
use weir_proto::access::v1::change_service_server::{ChangeService, ChangeServiceServer};
use weir_proto::access::v1::{ListChangesRequest, ListChangesResponse};
use weir_rpc::{Deadline, Page, page_size, page_start};

use super::{Answer, Service, account_id};
use crate::domain::record::NO_ACCOUNT;

pub(super) fn server(service: &Arc<Service>) -> ChangeServiceServer<impl ChangeService> {
    ChangeServiceServer::new(Changes(Arc::clone(service)))
}

struct Changes(Arc<Service>);

#[tonic::async_trait]
impl ChangeService for Changes {
    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Answer<ListChangesResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = match request.account_id.as_str() {
            "" => NO_ACCOUNT,
            text => account_id(text)?,
        };
        let filter = filter_of(&request.things, request.start_time, request.end_time)?;
        let size = page_size(request.page_size)?;
        let before: Option<Uuid> = page_start(&request.page_token)?;
        let in_part = request.in_part;
        let (found, missing) = self
            .0
            .run(deadline, move |app| {
                let filter = filter.clone();
                async move {
                    let page = (before, size);
                    app.list_changes(account, &filter, page, in_part, deadline)
                        .await
                }
            })
            .await?;
        let items = found.items.into_iter();
        let items = items.map(|(id, entry)| (id, Some(entry)));
        let mut page = Page::of(items, size, change_of);
        // Behind what all services told of there may be more of some.
        page.next = page.next.or(found.next);
        Ok(Response::new(ListChangesResponse {
            next_page_token: page.next_token(),
            changes: page.items,
            missing_services: missing.into_iter().map(str::to_owned).collect(),
        }))
    }
}
