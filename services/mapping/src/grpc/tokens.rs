//! `weir.access.v1.TokenService`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_access::{Accounts, Caller, LiveToken, Rehashed, Role, Use};
use weir_changes::author;
use weir_proto::access::v1 as pb;
use weir_proto::access::v1::token_service_server::{TokenService, TokenServiceServer};
use weir_proto::access::v1::*;
use weir_rpc::wire::{NOT_A_TIME, id, read_time, request_id, time, timestamp};
use weir_rpc::{Deadline, MAX_MESSAGE, Page, invalid, page_limit, page_size, page_start};

use super::{Answer, Service, convert};
use crate::app::{Error, Listing};
use crate::domain::access::{Person as DomainPerson, Token as DomainToken, Wish, Within};
use crate::domain::invalid::read_name;

/// As the contract says.
const MAX_USES: usize = 10_000;

pub(super) fn server(service: &Arc<Service>) -> TokenServiceServer<impl TokenService> {
    TokenServiceServer::new(Tokens(Arc::clone(service)))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

struct Tokens(Arc<Service>);

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Answer<CreateTokenResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.access.v1.TokenService/CreateToken");
        let caller = request.extensions().get::<Arc<Caller>>().cloned();
        let caller = caller.unwrap_or_else(|| Arc::new(Caller::anybody()));
        let request = request.into_inner();
        let request_id = request_id(&request.request_id)?;
        // Whoever has some accounts alone is given theirs where none are said.
        let is_both = request.all_accounts && !request.account_ids.is_empty();
        if is_both && caller.accounts == Accounts::All {
            return Err(invalid("account_ids", "must be empty beside all_accounts"));
        }
        let wish = read_wish(&request, self.0.app.now())?;
        let (token, secret) = self
            .0
            .run_by(author, deadline, move |app| {
                let (caller, wish) = (caller.clone(), wish.clone());
                async move { app.create_token(&caller, &wish, request_id).await }
            })
            .await?;
        Ok(Response::new(CreateTokenResponse {
            token: Some(shown(token)),
            secret,
        }))
    }

    async fn list_tokens(&self, request: Request<ListTokensRequest>) -> Answer<ListTokensResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let accounts = within(&request.account_ids)?;
        let size = page_size(request.page_size)?;
        let after: Option<Uuid> = page_start(&request.page_token)?;
        let only_good = request.only_good;
        let found = self
            .0
            .run(deadline, move |app| {
                let accounts = accounts.clone();
                async move {
                    app.list_tokens(&accounts, only_good, after, page_limit(size))
                        .await
                }
            })
            .await?;
        let page = Page::of(found, size, shown);
        Ok(Response::new(ListTokensResponse {
            next_page_token: page.next_token(),
            tokens: page.items,
        }))
    }

    async fn list_people(&self, request: Request<ListPeopleRequest>) -> Answer<ListPeopleResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let accounts = within(&request.account_ids)?;
        let size = page_size(request.page_size)?;
        let after: Option<String> = page_start(&request.page_token)?;
        let after = after.unwrap_or_default();
        let name = match &*request.name {
            "" => None,
            name => Some(read_name(name).map_err(Error::from)?),
        };
        let found = self
            .0
            .run(deadline, move |app| {
                let (accounts, name, after) = (accounts.clone(), name.clone(), after.clone());
                async move {
                    app.list_people(&accounts, (name.as_deref(), &after), page_limit(size))
                        .await
                }
            })
            .await?;
        let page = Page::of(found, size, person);
        Ok(Response::new(ListPeopleResponse {
            next_page_token: page.next_token(),
            people: page.items,
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Answer<RevokeTokenResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.access.v1.TokenService/RevokeToken");
        let request = request.into_inner();
        let token: Uuid = id("token_id", &request.token_id)?;
        let accounts = within(&request.account_ids)?;
        let token = self
            .0
            .run_by(author, deadline, move |app| {
                let accounts = accounts.clone();
                async move { app.revoke_token(&accounts, token).await }
            })
            .await?;
        Ok(Response::new(RevokeTokenResponse {
            token: Some(shown(token)),
        }))
    }

    async fn revoke_tokens_by_name(
        &self,
        request: Request<RevokeTokensByNameRequest>,
    ) -> Answer<RevokeTokensByNameResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.access.v1.TokenService/RevokeTokensByName");
        let request = request.into_inner();
        let name = read_name(&request.name).map_err(Error::from)?;
        let accounts = within(&request.account_ids)?;
        let revoked = self
            .0
            .run_by(author, deadline, move |app| {
                let (accounts, name) = (accounts.clone(), name.clone());
                async move { app.revoke_tokens_by_name(&accounts, &name).await }
            })
            .await?;
        Ok(Response::new(RevokeTokensByNameResponse {
            revoked_count: i32::try_from(revoked).unwrap_or(i32::MAX),
        }))
    }

    async fn list_live_tokens(
        &self,
        request: Request<ListLiveTokensRequest>,
    ) -> Answer<ListLiveTokensResponse> {
        let deadline = Deadline::of(&request);
        let known = request.into_inner().known_version;
        let found = self
            .0
            .run(
                deadline,
                move |app| async move { app.live_tokens(known).await },
            )
            .await?;
        let mut keys = self.0.app.token_keys().into_iter();
        let (first, older) = (keys.next().unwrap_or_default(), keys);
        let answer = match found {
            None => ListLiveTokensResponse {
                version: known,
                unchanged: true,
                ..Default::default()
            },
            Some(Listing { version, tokens }) => ListLiveTokensResponse {
                version,
                unchanged: false,
                hash_key: first.into(),
                tokens: tokens.into_iter().map(live).collect(),
                older_hash_keys: older.map(Into::into).collect(),
            },
        };
        Ok(Response::new(answer))
    }

    async fn note_token_uses(
        &self,
        request: Request<NoteTokenUsesRequest>,
    ) -> Answer<NoteTokenUsesResponse> {
        let deadline = Deadline::of(&request);
        let uses = request.into_inner().uses;
        if uses.len() > MAX_USES {
            return Err(invalid("uses", "at most 10,000"));
        }
        let read = |one: &TokenUse| -> Result<Use, Status> {
            let rehashed = match (&*one.hash, &*one.hash_key_name) {
                ([], []) => None,
                (hash, key) => Some(Rehashed {
                    hash: hash
                        .try_into()
                        .map_err(|_| invalid("uses.hash", "32 bytes"))?,
                    key: key
                        .try_into()
                        .map_err(|_| invalid("uses.hash_key_name", "8 bytes"))?,
                }),
            };
            Ok(Use {
                token: id("uses.token_id", &one.token_id)?,
                time: time("uses.use_time", one.use_time)?,
                rehashed,
            })
        };
        let uses: Vec<_> = uses.iter().map(read).collect::<Result<_, _>>()?;
        self.0
            .run(deadline, move |app| {
                let uses = uses.clone();
                async move { app.note_token_uses(&uses).await }
            })
            .await?;
        Ok(Response::new(NoteTokenUsesResponse {}))
    }
}

fn read_wish(request: &CreateTokenRequest, now: DateTime<Utc>) -> Result<Wish, Status> {
    let role = match request.role() {
        pb::Role::Read => Some(Role::Read),
        pb::Role::Write => Some(Role::Write),
        pb::Role::Admin => Some(Role::Admin),
        pb::Role::Unspecified | pb::Role::Service => None,
    };
    let accounts = match request.all_accounts {
        true => None,
        false => Some(convert::read_accounts("account_ids", &request.account_ids)?),
    };
    let end = match request.expire_time {
        None => None,
        Some(end) => Some(read_time(end).ok_or_else(|| invalid("expire_time", NOT_A_TIME))?),
    };
    let wish = Wish::read(&request.name, role, accounts, end, now);
    Ok(wish.map_err(Error::Invalid)?)
}

/// Whose tokens are meant; of none said, all.
fn within(ids: &[String]) -> Result<Within, Status> {
    Ok(match ids {
        [] => None,
        ids => Some(convert::read_accounts("account_ids", ids)?),
    })
}

fn shown(token: DomainToken) -> Token {
    let (all_accounts, account_ids) = accounts_of(&token.accounts);
    Token {
        token_id: token.token_id.to_string(),
        name: token.name,
        role: role_of(token.role).into(),
        all_accounts,
        account_ids,
        hint: token.hint,
        create_time: Some(timestamp(token.create_time)),
        expire_time: token.expire_time.map(timestamp),
        last_use_time: token.last_use_time.map(timestamp),
        revoke_time: token.revoke_time.map(timestamp),
        created_by: token.created_by,
        revoked_by: token.revoked_by,
    }
}

fn person(person: DomainPerson) -> Person {
    let (all_accounts, account_ids) = accounts_of(&person.accounts);
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    Person {
        name: person.name,
        role: person.role.map_or(pb::Role::Unspecified, role_of).into(),
        all_accounts,
        account_ids,
        account_count: count(person.account_count),
        good_token_count: count(person.good_token_count),
        first_create_time: Some(timestamp(person.first_create_time)),
        last_create_time: Some(timestamp(person.last_create_time)),
        last_use_time: person.last_use_time.map(timestamp),
    }
}

fn live(token: LiveToken) -> pb::LiveToken {
    let (all_accounts, account_ids) = accounts_of(&token.accounts);
    pb::LiveToken {
        token_id: token.id.to_string(),
        hash: token.hash.to_vec().into(),
        name: token.name.to_string(),
        role: role_of(token.role).into(),
        all_accounts,
        account_ids,
        expire_time: token.expire_time.map(timestamp),
    }
}

fn accounts_of(accounts: &Accounts) -> (bool, Vec<String>) {
    match accounts {
        Accounts::All => (true, Vec::new()),
        Accounts::Only(some) => (false, some.iter().map(ToString::to_string).collect()),
    }
}

fn role_of(role: Role) -> pb::Role {
    match role {
        Role::Read => pb::Role::Read,
        Role::Write => pb::Role::Write,
        Role::Admin => pb::Role::Admin,
    }
}
