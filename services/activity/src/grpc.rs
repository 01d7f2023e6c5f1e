//! The wire: requests in, answers out. Nothing is decided here.

mod convert;
mod export;
mod history;
mod people;
mod status;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_erasure::Erasure;
use weir_ledger::Ledger;
use weir_proto::activity::v1::activity_service_server::{ActivityService, ActivityServiceServer};
use weir_proto::activity::v1::history_service_server::HistoryServiceServer;
use weir_proto::activity::v1::people_service_server::PeopleServiceServer;
use weir_proto::activity::v1::{
    GetBacklogRequest, GetBacklogResponse, LinkIdentifiersRequest, LinkIdentifiersResponse,
    ListActivitiesRequest, ListActivitiesResponse, RecordActivitiesRequest,
    RecordActivitiesResponse,
};
use weir_rpc::wire::id;
use weir_rpc::{Deadline, MAX_MESSAGE, Server, Unary, page_size};

use crate::app::{App, Exports};
use crate::domain::{Cursor, Question};
use history::{Histories, place, token};
use people::People;

/// Serves `app`; healthy while the database answers.
pub fn server(app: App, exports: Exports, ledger: Ledger, erasure: Erasure) -> Server {
    let activities = Arc::new(Service {
        app: app.clone(),
        exports,
    });
    let service = ActivityServiceServer::from_arc(Arc::clone(&activities))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let service = Unary::new(
        service,
        &activities,
        "RecordActivities",
        |activities, request| async move { activities.record_activities(request).await },
    );
    let service = Unary::new(
        service,
        &activities,
        "LinkIdentifiers",
        |activities, request| async move { activities.link_identifiers(request).await },
    );
    let history = HistoryServiceServer::new(Histories(Arc::clone(&activities)))
        .max_encoding_message_size(MAX_MESSAGE);
    let people =
        PeopleServiceServer::new(People(activities)).max_decoding_message_size(MAX_MESSAGE);
    Server::new("weir.activity.v1.ActivityService")
        .service(service)
        .service(history)
        .service(people)
        .service(ledger.service())
        .service(erasure.service())
        .needs("PostgreSQL", move || {
            let app = app.clone();
            async move { app.is_up().await }
        })
}

struct Service {
    app: App,
    exports: Exports,
}

#[tonic::async_trait]
impl ActivityService for Service {
    async fn record_activities(
        &self,
        request: Request<RecordActivitiesRequest>,
    ) -> Result<Response<RecordActivitiesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let batch = convert::batch(request.into_inner(), self.app.range())?;
        let recorded = self.app.record_activities(batch, deadline).await?;
        Ok(Response::new(convert::recorded(&recorded)))
    }

    async fn link_identifiers(
        &self,
        request: Request<LinkIdentifiersRequest>,
    ) -> Result<Response<LinkIdentifiersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let changes = convert::changes(request.into_inner())?;
        let attached = self.app.link_identifiers(changes, deadline).await?;
        Ok(Response::new(LinkIdentifiersResponse {
            attached: attached.attached,
            discarded: attached.discarded,
        }))
    }

    async fn list_activities(
        &self,
        request: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account_id = id("account_id", &request.account_id)?;
        let contact_id = id("contact_id", &request.contact_id)?;
        let question = Question::of(&[
            b"contact",
            request.account_id.as_bytes(),
            request.contact_id.as_bytes(),
        ]);
        let start = place(question, &request.page_token)?.unwrap_or(Cursor::START);
        let size = page_size(request.page_size)?;
        let (page, left) = self
            .app
            .list_activities(account_id, contact_id, start, size, deadline)
            .await?;
        Ok(Response::new(ListActivitiesResponse {
            next_page_token: token(question, &page),
            activities: page
                .items
                .into_iter()
                .map(|activity| convert::activity(activity, Some(left)))
                .collect(),
        }))
    }

    async fn get_backlog(
        &self,
        request: Request<GetBacklogRequest>,
    ) -> Result<Response<GetBacklogResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account_id = id("account_id", &request.account_id)?;
        let identifiers = convert::identifiers_of(request.user_id, request.anonymous_id)?;
        let waiting = self
            .app
            .get_backlog(account_id, identifiers, deadline)
            .await?;
        Ok(Response::new(GetBacklogResponse { waiting }))
    }
}
