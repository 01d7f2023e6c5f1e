//! The contract, spoken: the service, and what it tells its peers. prost and tonic stop here.

mod convert;
mod identity;
mod people;
mod profile;
mod search;
mod status;
mod transfer;

use std::sync::Arc;

use prost::Message as _;
use tonic::{Request, Response, Status};
use weir_changes::Log;
use weir_erasure::Erasure;
use weir_ledger::Ledger;
use weir_proto::contact::v1::contact_service_server::{ContactService, ContactServiceServer};
use weir_proto::contact::v1::people_service_server::PeopleServiceServer;
use weir_proto::contact::v1::search_service_server::SearchServiceServer;
use weir_proto::contact::v1::transfer_service_server::TransferServiceServer;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, ChangeUniqueIdentifiersResponse, GetContactRequest,
    GetContactResponse, GetUniqueIdentifiersRequest, GetUniqueIdentifiersResponse,
    ListContactsRequest, ListContactsResponse, UpsertContactsRequest, UpsertContactsResponse,
};
use weir_rpc::wire::id;
use weir_rpc::{Deadline, MAX_MESSAGE, MAX_PAGE_BYTES, Page, Server, Unary, page_size, page_start};

use crate::app::{App, Exports, Imports, profile_of};
use convert::{batch_of, identifiers_of, results_of, versioned_of};
use people::People;
use profile::{contact_of, key_of};

/// Serves `app`; healthy while the database answers.
pub fn server(app: App, bulk: Bulk, ledger: Ledger, erasure: Erasure, changes: Log) -> Server {
    let contacts = Arc::new(Contacts { app: app.clone() });
    let service = ContactServiceServer::from_arc(Arc::clone(&contacts))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let service = Unary::new(
        service,
        &contacts,
        "UpsertContacts",
        |contacts, request| async move { contacts.upsert_contacts(request).await },
    );
    let people = PeopleServiceServer::new(People(contacts))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    Server::new("weir.contact.v1.ContactService")
        .service(service)
        .service(people)
        .service(SearchServiceServer::new(search::Searches {
            app: app.clone(),
        }))
        .service(
            TransferServiceServer::new(transfer::Transfers { bulk })
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .service(identity::server(app.clone()))
        .service(ledger.service())
        .service(erasure.service())
        .service(changes.service())
        .needs("PostgreSQL", move || {
            let app = app.clone();
            async move { app.is_healthy().await }
        })
}

/// Contacts in bulk, out and in.
#[derive(Clone)]
pub struct Bulk {
    pub exports: Exports,
    pub imports: Imports,
}

struct Contacts {
    app: App,
}

#[tonic::async_trait]
impl ContactService for Contacts {
    async fn upsert_contacts(
        &self,
        request: Request<UpsertContactsRequest>,
    ) -> Result<Response<UpsertContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let batch = batch_of(request.into_inner())?;
        let answer = self.app.upsert(batch, deadline).await?;
        Ok(Response::new(UpsertContactsResponse {
            results: results_of(answer.outcomes),
            units: answer.units,
        }))
    }

    async fn get_contact(
        &self,
        request: Request<GetContactRequest>,
    ) -> Result<Response<GetContactResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let key = key_of(request.key)?;
        let stored = self.app.contact(account, &key, deadline).await;
        let stored = stored?;
        let mut sources = None;
        if request.show_provenance {
            sources = Some(self.app.sources(account).await?);
        }
        Ok(Response::new(GetContactResponse {
            contact: Some(contact_of(&profile_of(&stored), sources.as_deref())),
        }))
    }

    async fn list_contacts(
        &self,
        request: Request<ListContactsRequest>,
    ) -> Result<Response<ListContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        // One more than fits says that there are more; also behind one that is too large for
        // a page, and comes alone.
        let take = |stored: &_| {
            let contact = contact_of(&profile_of(stored), None);
            bytes += contact.encoded_len();
            found.push((stored.id, Some(contact)));
            bytes <= MAX_PAGE_BYTES || found.len() == 1
        };
        let read = self.app.contacts(account, after, size + 1, deadline, take);
        read.await?;
        let page = Page::of(found, size, |contact| contact);
        Ok(Response::new(ListContactsResponse {
            next_page_token: page.next_token(),
            contacts: page.items,
        }))
    }

    async fn get_unique_identifiers(
        &self,
        request: Request<GetUniqueIdentifiersRequest>,
    ) -> Result<Response<GetUniqueIdentifiersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let account = id("account_id", request.into_inner().account_id)?;
        let found = self.app.unique_identifiers(account, deadline).await;
        let found = found?;
        Ok(Response::new(GetUniqueIdentifiersResponse {
            identifiers: found.map(versioned_of),
        }))
    }

    async fn change_unique_identifiers(
        &self,
        request: Request<ChangeUniqueIdentifiersRequest>,
    ) -> Result<Response<ChangeUniqueIdentifiersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let wanted = identifiers_of(request)?;
        let changed = self
            .app
            .change_unique_identifiers(account, wanted, deadline);
        let changed = changed.await?;
        Ok(Response::new(ChangeUniqueIdentifiersResponse {
            identifiers: Some(versioned_of(changed)),
        }))
    }
}
