//! The gRPC service: from messages to the application and back. Decides nothing.

mod alerts;
mod changes;
mod configuration;
mod convert;
mod events;
mod help;
mod log;
mod mappings;
mod people;
mod preview;
mod replay;
mod rows;
mod sources;
mod status;
mod story;
mod token;
mod tokens;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_changes::{Author, author};
use weir_ids::{AccountId, SourceId};
use weir_proto::mapping::v1::alert_service_server::AlertServiceServer;
use weir_proto::mapping::v1::configuration_service_server::ConfigurationServiceServer;
use weir_proto::mapping::v1::log_service_server::LogServiceServer;
use weir_proto::mapping::v1::mapping_service_server::{MappingService, MappingServiceServer};
use weir_proto::mapping::v1::people_service_server::PeopleServiceServer;
use weir_proto::mapping::v1::preview_service_server::PreviewServiceServer;
use weir_proto::mapping::v1::row_service_server::RowServiceServer;
use weir_proto::mapping::v1::story_service_server::StoryServiceServer;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{id, request_id, time};
use weir_rpc::{Deadline, MAX_MESSAGE, Page, Server, Unary, page_limit, page_size, page_start};

use crate::app::{App, Error};
use crate::domain::field::Field as DomainField;
use convert::change;

/// Serves `app`; healthy while what it can't do without is there.
pub fn server(app: App) -> Server {
    let rings = app.clone();
    let service = Arc::new(Service { app: app.clone() });
    let server = MappingServiceServer::from_arc(Arc::clone(&service))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let preview =
        PreviewServiceServer::from_arc(Arc::clone(&service)).max_decoding_message_size(MAX_MESSAGE);
    let server = Unary::new(
        server,
        &service,
        "MapEvents",
        |service, request| async move { service.map_events(request).await },
    );
    let people = PeopleServiceServer::new(people::People(service.clone()))
        .max_decoding_message_size(MAX_MESSAGE);
    let alerts = AlertServiceServer::from_arc(Arc::new(alerts::Alerts { app: app.clone() }))
        .max_decoding_message_size(MAX_MESSAGE);
    let log =
        LogServiceServer::new(log::Log(service.clone())).max_decoding_message_size(MAX_MESSAGE);
    Server::new("weir.mapping.v1.MappingService")
        .service(server)
        .service(preview)
        .service(
            RowServiceServer::new(rows::Rows { app: app.clone() })
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .service(
            ConfigurationServiceServer::from_arc(Arc::clone(&service))
                .max_decoding_message_size(MAX_MESSAGE),
        )
        .service(log)
        .service(tokens::server(&service))
        .service(changes::server(&service))
        .service(people)
        .service(
            StoryServiceServer::new(story::Story(service.clone()))
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .service(alerts)
        .service(replay::server(&service))
        .needs("PostgreSQL", move || {
            let app = app.clone();
            async move { app.is_healthy().await }
        })
        .uses("Redis", move || {
            let app = rings.clone();
            async move { app.has_rings().await }
        })
}

/// Implements the contract.
struct Service {
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
        Ok(self.app.run(deadline, work).await?)
    }

    /// The same for somebody, who stands in the record of what is changed.
    async fn run_by<T, F, Fut>(
        &self,
        author: Author,
        deadline: Deadline,
        work: F,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Fn(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Ok(self.app.by(author).run(deadline, work).await?)
    }
}

fn account_id(text: &str) -> Result<AccountId, Status> {
    id("account_id", text)
}

fn optional_id(field: &str, text: &str) -> Result<Option<uuid::Uuid>, Status> {
    (!text.is_empty()).then(|| id(field, text)).transpose()
}

fn owner(account: &str, source: &str) -> Result<(AccountId, SourceId), Status> {
    Ok((account_id(account)?, id("source_id", source)?))
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
            blocked_values: Some(convert::blocked_values(&found.blocked_values)),
            blocked_values_version: found.blocked_values_version,
            paused: found.is_paused,
            allowed_origins: found.allowed_origins,
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
        let author = author(&request, "weir.mapping.v1.MappingService/PutAccount");
        let request = request.into_inner();
        let author = author.request(request_id(&request.request_id)?);
        let wanted = convert::read_account_change(request)?;
        let (account, changed) = self
            .run_by(author, deadline, move |app| {
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
        let after = page_start(&request.page_token)?;
        let only = convert::read_accounts("only_accounts", &request.only_accounts)?;
        let found = self
            .run(deadline, move |app| {
                let only = only.clone();
                async move { app.list_accounts(&only, after, page_limit(size)).await }
            })
            .await?;
        let page = Page::of(found, size, convert::account);
        Ok(Response::new(ListAccountsResponse {
            next_page_token: page.next_token(),
            accounts: page.items,
        }))
    }

    async fn put_source(&self, request: Request<PutSourceRequest>) -> Answer<PutSourceResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.MappingService/PutSource");
        let request = request.into_inner();
        let author = author.request(request_id(&request.request_id)?);
        let account = account_id(&request.account_id)?;
        let wanted = convert::read_source_change(request)?;
        let (source, changed) = self
            .run_by(author, deadline, move |app| {
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
        let (found, mail) = self
            .run(deadline, move |app| async move {
                let found = app.get_source(account, source).await?;
                Ok((found, app.arrival_mail(account, source).await?))
            })
            .await?;
        Ok(Response::new(GetSourceResponse {
            source: Some(Source {
                arrival_mail: mail.map(alerts::delivery),
                ..convert::source(found)
            }),
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
        let after = page_start(&request.page_token)?;
        let found = self
            .run(deadline, move |app| async move {
                app.list_sources(account, after, page_limit(size)).await
            })
            .await?;
        let page = Page::of(found, size, convert::source);
        Ok(Response::new(ListSourcesResponse {
            next_page_token: page.next_token(),
            sources: page.items,
        }))
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Answer<CreateKeyResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.MappingService/CreateKey");
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let end = request.expire_time;
        let end = end.map(|end| time("expire_time", Some(end))).transpose()?;
        let request_id = request_id(&request.request_id)?;
        let (key, secret, changed) = self
            .run_by(author, deadline, move |app| {
                let (given, region) = (request.key.clone(), request.region.clone());
                async move {
                    app.create_key(account, source, &given, &region, end, request_id)
                        .await
                }
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
        let after = page_start(&request.page_token)?;
        let found = self
            .run(deadline, move |app| async move {
                app.list_keys(account, source, after, page_limit(size))
                    .await
            })
            .await?;
        let page = Page::of(found, size, convert::key);
        Ok(Response::new(ListKeysResponse {
            next_page_token: page.next_token(),
            keys: page.items,
        }))
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Answer<RevokeKeyResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.MappingService/RevokeKey");
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let key = id("key_id", &request.key_id)?;
        self.run_by(author, deadline, move |app| async move {
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
        let author = author(&request, "weir.mapping.v1.MappingService/CreateField");
        let request = request.into_inner();
        let author = author.request(request_id(&request.request_id)?);
        let account = account_id(&request.account_id)?;
        let value_type = convert::read_value_type(request.r#type, "type")?;
        let field = DomainField::custom(&request.name, value_type).map_err(Error::from)?;
        let (field, changed) = self
            .run_by(author, deadline, move |app| {
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
        let after = page_start::<String>(&request.page_token)?.unwrap_or_default();
        let fields = self
            .run(deadline, move |app| {
                let contains = request.contains.clone();
                async move { app.list_fields(account, &contains).await }
            })
            .await?;
        let key = |field: &DomainField| field.sort_key();
        let page = Page::of(token::rest(fields, &after, key), size, convert::field);
        Ok(Response::new(ListFieldsResponse {
            next_page_token: page.next_token(),
            fields: page.items,
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
