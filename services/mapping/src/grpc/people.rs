//! Deletion of people, on the wire.

use std::sync::Arc;

use tonic::Request;
use tonic::Response;
use weir_json::Person;
use weir_proto::mapping::v1::people_service_server::PeopleService;
use weir_proto::mapping::v1::{ErasePersonRequest, ErasePersonResponse};
use weir_proto::settings::v1::ErasedRows;
use weir_rpc::wire::time;
use weir_rpc::{Deadline, invalid};

use super::{Answer, Service, account_id};

/// In one call.
const MAX_IDENTIFIERS: usize = 10_000;

/// The service beside the one for configuration.
pub(super) struct People(pub Arc<Service>);

#[tonic::async_trait]
impl PeopleService for People {
    async fn erase_person(
        &self,
        request: Request<ErasePersonRequest>,
    ) -> Answer<ErasePersonResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        if request.identifiers.len() > MAX_IDENTIFIERS {
            return Err(invalid("identifiers", "at most 10,000"));
        }
        let delete_time = time("delete_time", request.delete_time)?;
        let person = Arc::new(Person::of(request.identifiers));
        let work = move |app: crate::app::App| {
            let person = Arc::clone(&person);
            async move { app.erase_person(account, person, delete_time).await }
        };
        let erased = self.0.run(deadline, work).await?;
        let rows = [
            ("samples", erased.samples),
            ("log_entries", erased.log_entries),
            ("kept_events", erased.kept_events),
        ];
        let rows = rows.map(|(what, count)| ErasedRows {
            what: what.to_owned(),
            count,
        });
        Ok(Response::new(ErasePersonResponse { rows: rows.into() }))
    }
}
