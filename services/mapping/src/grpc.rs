//! The gRPC service: from messages to the application and back. Decides nothing.

mod convert;
mod events;
mod help;
mod mappings;
mod page;
mod status;
mod token;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_ids::{AccountId, SourceId};
use weir_proto::mapping::v1::mapping_service_server::{MappingService, MappingServiceServer};
use weir_proto::mapping::v1::*;
use weir_rpc::{Deadline, MAX_MESSAGE, Unary, page_size};

use crate::app::{App, Error};
use crate::domain::field::Field as DomainField;
use convert::{change, id};
use page::Page;
use status::status;

/// The generated server around [`App`].
pub fn server(app: App) -> Unary<MappingServiceServer<Service>> {
    let service = Arc::new(Service { app });
    let server = MappingServiceServer::from_arc(Arc::clone(&service))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    Unary::new(
        server,
        &service,
        "MapEvents",
        |service, request| async move { service.map_events(request).await },
    )
}

/// Implements the contract.
pub struct Service {
    app: App,
}

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// Database work in a task of its own, tried again where it lost against another.
    async fn run<T, F, Fut>(&self, deadline: Deadline, work: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Fn(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.app.run(deadline, work).await.map_err(status)
    }
}

/// How many rows to ask for: one more than the page, which tells whether more follow.
fn limit(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}

fn account_id(text: &str) -> Result<AccountId, Status> {
    id(text, "account_id")
}

fn owner(account: &str, source: &str) -> Result<(AccountId, SourceId), Status> {
    Ok((account_id(account)?, id(source, "source_id")?))
}

#[tonic::async_trait]
impl MappingService for Service {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Answer<AuthenticateResponse> {
        let deadline = Deadline::of(&request);
        let key = request.into_inner().key;
        let found = self
            .run(deadline, move |app| {
                let key = key.clone();
                async move { app.authenticate(&key).await }
            })
            .await?;
        Ok(Response::new(AuthenticateResponse {
            account_id: found.account_id.to_string(),
            source_id: found.source_id.to_string(),
            source_kind: convert::source_kind(found.source_kind).into(),
        }))
    }

    async fn map_events(&self, request: Request<MapEventsRequest>) -> Answer<MapEventsResponse> {
        let deadline = Deadline::of(&request);
        events::map_events(&self.app, deadline, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn append_log(&self, request: Request<AppendLogRequest>) -> Answer<AppendLogResponse> {
        help::append_log(self, request).await
    }

    async fn put_account(&self, request: Request<PutAccountRequest>) -> Answer<PutAccountResponse> {
        let deadline = Deadline::of(&request);
        let wanted = convert::read_account_change(request.into_inner())?;
        let (account, changed) = self
            .run(deadline, move |app| {
                let wanted = wanted.clone();
                async move { app.put_account(&wanted, deadline).await }
            })
            .await?;
        Ok(Response::new(PutAccountResponse {
            account: Some(convert::account(account)),
            change: change(changed).into(),
        }))
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Answer<GetAccountResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = match request.account_id.as_str() {
            "" if request.name.is_empty() => {
                return Err(weir_rpc::invalid("account_id", "give it, or the name"));
            }
            "" => None,
            text => Some(account_id(text)?),
        };
        let account = self
            .run(deadline, move |app| {
                let name = request.name.clone();
                async move { app.get_account(account, &name).await }
            })
            .await?;
        Ok(Response::new(GetAccountResponse {
            account: Some(convert::account(account)),
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Answer<ListAccountsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let after = token::read_id(&request.page_token)?.map(AccountId);
        let found = self
            .run(deadline, move |app| async move {
                app.list_accounts(after, limit(size)).await
            })
            .await?;
        let page = Page::of(found, size, convert::account);
        Ok(Response::new(ListAccountsResponse {
            accounts: page.items,
            next_page_token: token::of_id(page.next.map(|account| account.0)),
        }))
    }

    async fn put_source(&self, request: Request<PutSourceRequest>) -> Answer<PutSourceResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let wanted = convert::read_source_change(request)?;
        let (source, changed) = self
            .run(deadline, move |app| {
                let wanted = wanted.clone();
                async move { app.put_source(account, &wanted).await }
            })
            .await?;
        Ok(Response::new(PutSourceResponse {
            source: Some(convert::source(source)),
            change: change(changed).into(),
        }))
    }

    async fn get_source(&self, request: Request<GetSourceRequest>) -> Answer<GetSourceResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let found = self
            .run(deadline, move |app| async move {
                app.get_source(account, source).await
            })
            .await?;
        Ok(Response::new(GetSourceResponse {
            source: Some(convert::source(found)),
        }))
    }

    async fn list_sources(
        &self,
        request: Request<ListSourcesRequest>,
    ) -> Answer<ListSourcesResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let size = page_size(request.page_size)?;
        let after = token::read_id(&request.page_token)?.map(SourceId);
        let found = self
            .run(deadline, move |app| async move {
                app.list_sources(account, after, limit(size)).await
            })
            .await?;
        let page = Page::of(found, size, convert::source);
        Ok(Response::new(ListSourcesResponse {
            sources: page.items,
            next_page_token: token::of_id(page.next.map(|source| source.0)),
        }))
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Answer<CreateKeyResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let (key, secret, changed) = self
            .run(deadline, move |app| {
                let (given, region) = (request.key.clone(), request.region.clone());
                async move { app.create_key(account, source, &given, &region).await }
            })
            .await?;
        Ok(Response::new(CreateKeyResponse {
            key: Some(convert::key(key)),
            secret,
            change: change(changed).into(),
        }))
    }

    async fn list_keys(&self, request: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let size = page_size(request.page_size)?;
        let after = token::read_id(&request.page_token)?;
        let found = self
            .run(deadline, move |app| async move {
                app.list_keys(account, source, after, limit(size)).await
            })
            .await?;
        let page = Page::of(found, size, convert::key);
        Ok(Response::new(ListKeysResponse {
            keys: page.items,
            next_page_token: token::of_id(page.next),
        }))
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Answer<RevokeKeyResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let key = convert::uuid(&request.key_id, "key_id")?;
        self.run(deadline, move |app| async move {
            app.revoke_key(account, key).await
        })
        .await?;
        Ok(Response::new(RevokeKeyResponse {}))
    }

    async fn create_field(
        &self,
        request: Request<CreateFieldRequest>,
    ) -> Answer<CreateFieldResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let value_type = convert::read_value_type(request.r#type, "type")?;
        let field =
            DomainField::custom(&request.name, value_type).map_err(|error| status(error.into()))?;
        let (field, changed) = self
            .run(deadline, move |app| {
                let field = field.clone();
                async move { app.create_field(account, field).await }
            })
            .await?;
        Ok(Response::new(CreateFieldResponse {
            field: Some(convert::field(field)),
            change: change(changed).into(),
        }))
    }

    async fn list_fields(&self, request: Request<ListFieldsRequest>) -> Answer<ListFieldsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let size = page_size(request.page_size)?;
        let after = token::read_text(&request.page_token)?.unwrap_or_default();
        let fields = self
            .run(deadline, move |app| async move {
                app.list_fields(account).await
            })
            .await?;
        let key = |field: &DomainField| field.sort_key();
        let page = Page::of(token::rest(fields, &after, key), size, convert::field);
        Ok(Response::new(ListFieldsResponse {
            fields: page.items,
            next_page_token: token::of_text(page.next),
        }))
    }

    async fn put_contact_mapping(
        &self,
        request: Request<PutContactMappingRequest>,
    ) -> Answer<PutContactMappingResponse> {
        mappings::put_contact_mapping(self, request).await
    }

    async fn get_contact_mapping(
        &self,
        request: Request<GetContactMappingRequest>,
    ) -> Answer<GetContactMappingResponse> {
        mappings::get_contact_mapping(self, request).await
    }

    async fn put_activity_mapping(
        &self,
        request: Request<PutActivityMappingRequest>,
    ) -> Answer<PutActivityMappingResponse> {
        mappings::put_activity_mapping(self, request).await
    }

    async fn delete_activity_mapping(
        &self,
        request: Request<DeleteActivityMappingRequest>,
    ) -> Answer<DeleteActivityMappingResponse> {
        mappings::delete_activity_mapping(self, request).await
    }

    async fn list_activity_mappings(
        &self,
        request: Request<ListActivityMappingsRequest>,
    ) -> Answer<ListActivityMappingsResponse> {
        mappings::list_activity_mappings(self, request).await
    }

    async fn list_samples(
        &self,
        request: Request<ListSamplesRequest>,
    ) -> Answer<ListSamplesResponse> {
        help::list_samples(self, request).await
    }

    async fn list_event_names(
        &self,
        request: Request<ListEventNamesRequest>,
    ) -> Answer<ListEventNamesResponse> {
        help::list_event_names(self, request).await
    }

    async fn list_log(&self, request: Request<ListLogRequest>) -> Answer<ListLogResponse> {
        help::list_log(self, request).await
    }
}
