//! A contact-upsert that keeps unique identifiers and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use weir_proto::access::v1::change_log_service_server::{ChangeLogService, ChangeLogServiceServer};
use weir_proto::access::v1::{ReadChangesRequest, ReadChangesResponse};
use weir_proto::contact::v1::contact_service_server::{ContactService, ContactServiceServer};
use weir_proto::contact::v1::*;
use weir_proto::erasure::v1::erasure_service_server::{ErasureService, ErasureServiceServer};
use weir_proto::erasure::v1::{EraseAccountRequest, EraseAccountResponse};
use weir_reasons::Reason;

/// What it keeps, shared with the test.
#[derive(Clone, Default)]
pub struct Contacts(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    identifiers: HashMap<String, VersionedIdentifiers>,
    with_contacts: HashSet<String>,
    is_away: bool,
    loses_answers: bool,
    calls: usize,
    /// Rows of accounts that are still to be erased.
    held: HashMap<String, i64>,
}

impl Contacts {
    /// Serves until the test ends; answers where.
    pub async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = weir_rpc::Server::new("weir.contact.v1.ContactService")
            .access(weir_testkit::access())
            .service(ContactServiceServer::new(self.clone()))
            .service(ErasureServiceServer::new(self.clone()))
            .service(ChangeLogServiceServer::new(self.clone()))
            .access(weir_testkit::access());
        tokio::spawn(server.serve(listener, std::future::pending()));
        format!("http://{address}")
    }

    /// From now on the account has a contact.
    pub fn store_contact(&self, account_id: &str) {
        let mut kept = self.0.lock().unwrap();
        kept.with_contacts.insert(account_id.to_owned());
    }

    /// It keeps so many rows of an account, which it erases in pieces of 5,000.
    pub fn holds(&self, account_id: &str, rows: i64) {
        let mut kept = self.0.lock().unwrap();
        kept.held.insert(account_id.to_owned(), rows);
    }

    /// Answers nothing but UNAVAILABLE.
    pub fn set_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    /// Does what it is asked, and its answer is lost: as where mapping crashes in between.
    pub fn lose_answers(&self, loses_answers: bool) {
        self.0.lock().unwrap().loses_answers = loses_answers;
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    fn asked(&self) -> Result<std::sync::MutexGuard<'_, Kept>, Status> {
        let mut kept = self.0.lock().unwrap();
        kept.calls += 1;
        if kept.is_away {
            return Err(weir_rpc::unavailable("the database"));
        }
        Ok(kept)
    }
}

#[tonic::async_trait]
impl ContactService for Contacts {
    async fn get_unique_identifiers(
        &self,
        request: Request<GetUniqueIdentifiersRequest>,
    ) -> Result<Response<GetUniqueIdentifiersResponse>, Status> {
        let kept = self.asked()?;
        let identifiers = kept.identifiers.get(&request.into_inner().account_id);
        Ok(Response::new(GetUniqueIdentifiersResponse {
            identifiers: identifiers.cloned(),
        }))
    }

    async fn change_unique_identifiers(
        &self,
        request: Request<ChangeUniqueIdentifiersRequest>,
    ) -> Result<Response<ChangeUniqueIdentifiersResponse>, Status> {
        let request = request.into_inner();
        let mut kept = self.asked()?;
        let before = kept.identifiers.get(&request.account_id).cloned();
        let version = before.as_ref().map_or(0, |before| before.version);
        let mut identifiers = VersionedIdentifiers {
            unique_identifiers: request.unique_identifiers,
            key_strategy: request.key_strategy,
            version,
            ..Default::default()
        };
        if before.as_ref() != Some(&identifiers) {
            if kept.with_contacts.contains(&request.account_id) {
                return Err(weir_rpc::refused(
                    Code::FailedPrecondition,
                    Reason::ContactsExist,
                    "a contact is stored",
                ));
            }
            identifiers.version += 1;
            kept.identifiers
                .insert(request.account_id, identifiers.clone());
        }
        if kept.loses_answers {
            return Err(weir_rpc::late());
        }
        Ok(Response::new(ChangeUniqueIdentifiersResponse {
            identifiers: Some(identifiers),
        }))
    }

    async fn upsert_contacts(
        &self,
        _: Request<UpsertContactsRequest>,
    ) -> Result<Response<UpsertContactsResponse>, Status> {
        Err(nobody_asks())
    }

    async fn get_contact(
        &self,
        _: Request<GetContactRequest>,
    ) -> Result<Response<GetContactResponse>, Status> {
        Err(nobody_asks())
    }

    async fn list_contacts(
        &self,
        _: Request<ListContactsRequest>,
    ) -> Result<Response<ListContactsResponse>, Status> {
        Err(nobody_asks())
    }
}

#[tonic::async_trait]
impl ErasureService for Contacts {
    async fn erase_account(
        &self,
        request: Request<EraseAccountRequest>,
    ) -> Result<Response<EraseAccountResponse>, Status> {
        let mut kept = self.asked()?;
        let account = request.into_inner().account_id;
        let held = kept.held.entry(account).or_default();
        let erased = (*held).min(5_000);
        *held -= erased;
        Ok(Response::new(EraseAccountResponse {
            erased,
            more: *held > 0,
        }))
    }
}

#[tonic::async_trait]
impl ChangeLogService for Contacts {
    async fn read_changes(
        &self,
        _: Request<ReadChangesRequest>,
    ) -> Result<Response<ReadChangesResponse>, Status> {
        if self.0.lock().unwrap().is_away {
            return Err(weir_rpc::unavailable("the database"));
        }
        Ok(Response::new(ReadChangesResponse::default()))
    }
}

fn nobody_asks() -> Status {
    Status::unimplemented("mapping never asks this")
}
