//! The record on the wire: who calls, and the part that mapping reads.

use std::sync::Arc;

use prost_types::Timestamp;
use serde_json::Value;
use tonic::{Request, Response, Status};
use weir_access::{Caller, Who};
use weir_postgres::{Failure, Pool, Tx};
use weir_proto::access::v1 as wire;
use weir_proto::access::v1::change_log_service_server::{ChangeLogService, ChangeLogServiceServer};
use weir_proto::access::v1::{ReadChangesRequest, ReadChangesResponse};
use weir_rpc::wire::{id, read_id, read_time, time, timestamp};
use weir_rpc::{Page, invalid, page_limit};
use weir_service::Fault;

use crate::change::{Actor, Author, Entry, Field, Thing};
use crate::store::{Filter, list};

const MAX_LIMIT: i32 = 1_000;
/// Which of our processes it was, credentials do not tell.
const OURS: &str = "weir";

/// The record of a service, as mapping reads it.
#[derive(Clone)]
pub struct Log {
    pool: Pool,
}

impl Log {
    /// Over the pool of the service's schema.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// To be added to the service's server.
    pub fn service(self) -> ChangeLogServiceServer<impl ChangeLogService> {
        ChangeLogServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl ChangeLogService for Log {
    async fn read_changes(
        &self,
        request: Request<ReadChangesRequest>,
    ) -> Result<Response<ReadChangesResponse>, Status> {
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let filter = filter_of(&request.things, request.start_time, request.end_time)?;
        let before = match request.before_change_id.as_str() {
            "" => None,
            text => Some(id("before_change_id", text)?),
        };
        if !(1..=MAX_LIMIT).contains(&request.limit) {
            return Err(invalid("limit", "must be from 1 to 1,000"));
        }
        let size = usize::try_from(request.limit).unwrap_or_default();
        let pool = self.pool.clone();
        let reading = async move {
            let mut client = pool.get().await.map_err(Failure::from)?;
            let tx = Tx::begin(&mut client, account);
            Ok::<_, Failed>(list(&tx, account, &filter, before, page_limit(size)).await?)
        };
        let found = weir_service::detached(reading).await?;
        let page = Page::of(found, size, change_of);
        let next = page.next.map(|id| id.to_string());
        Ok(Response::new(ReadChangesResponse {
            changes: page.items,
            next_change_id: next.unwrap_or_default(),
        }))
    }
}

/// Whoever calls, as the layer before the handlers has found, and which method.
pub fn author<T>(request: &Request<T>, method: &'static str) -> Author {
    let who = request.extensions().get::<Arc<Caller>>();
    let actor = match who.map(|caller| &caller.who) {
        Some(Who::Token { id, name }) => Actor::Token(*id, name.to_string()),
        Some(Who::Person { name }) => Actor::Person(name.to_string()),
        Some(Who::Service) => Actor::Service(OURS.to_owned()),
        Some(Who::Anybody) | None => Actor::Anybody,
    };
    Author {
        actor,
        method,
        request_id: None,
    }
}

/// Which changes a request asks for.
///
/// # Errors
/// INVALID_ARGUMENT names the field that can't be read.
pub fn filter_of(
    things: &[i32],
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Filter, Status> {
    let thing = |code: &i32| {
        let known = i16::try_from(*code).ok().and_then(Thing::of);
        known.ok_or_else(|| invalid("things", "must be things that can be changed"))
    };
    let things: Vec<Thing> = things.iter().map(thing).collect::<Result<_, _>>()?;
    let from = from.map(|from| time("start_time", Some(from)));
    let until = until.map(|until| time("end_time", Some(until)));
    Ok(Filter {
        things: (!things.is_empty()).then_some(things),
        from: from.transpose()?,
        until: until.transpose()?,
    })
}

/// As it is answered.
pub fn change_of(entry: Entry) -> wire::Change {
    wire::Change {
        change_id: entry.change_id.to_string(),
        change_time: Some(timestamp(entry.time)),
        actor: Some(actor_of(entry.actor)),
        method: entry.method,
        thing: i32::from(entry.thing.code()),
        thing_id: entry.thing_id,
        fields: entry.fields.into_iter().map(field_of).collect(),
    }
}

/// As it was answered; None where it can't be read.
pub fn entry_of(change: wire::Change) -> Option<Entry> {
    let actor = change.actor?;
    let name = actor.name.clone();
    let actor = match actor.kind() {
        wire::ActorKind::Token => Actor::Token(read_id(&actor.id)?, name),
        wire::ActorKind::Person => Actor::Person(name),
        wire::ActorKind::Service => Actor::Service(name),
        wire::ActorKind::Anybody => Actor::Anybody,
        wire::ActorKind::Unspecified => return None,
    };
    let json = |text: Option<String>| match text {
        Some(text) => serde_json::from_str(&text).ok(),
        None => Some(Value::Null),
    };
    let field = |field: wire::ChangedField| {
        Some(Field {
            name: field.field,
            before: json(field.before_json)?,
            after: json(field.after_json)?,
        })
    };
    Some(Entry {
        change_id: read_id(&change.change_id)?,
        time: change.change_time.and_then(read_time)?,
        actor,
        method: change.method,
        thing: i16::try_from(change.thing).ok().and_then(Thing::of)?,
        thing_id: change.thing_id,
        fields: change
            .fields
            .into_iter()
            .map(field)
            .collect::<Option<_>>()?,
    })
}

fn actor_of(actor: Actor) -> wire::Actor {
    use wire::ActorKind;
    let (kind, id, name) = match actor {
        Actor::Token(id, name) => (ActorKind::Token, id.to_string(), name),
        Actor::Person(name) => (ActorKind::Person, String::new(), name),
        Actor::Service(name) => (ActorKind::Service, String::new(), name),
        Actor::Anybody => (ActorKind::Anybody, String::new(), String::new()),
    };
    wire::Actor {
        kind: kind.into(),
        id,
        name,
    }
}

fn field_of(field: Field) -> wire::ChangedField {
    let json = |value: Value| (!value.is_null()).then(|| value.to_string());
    wire::ChangedField {
        field: field.name,
        before_json: json(field.before),
        after_json: json(field.after),
    }
}

/// PostgreSQL did not answer.
struct Failed(Failure);

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl Fault for Failed {
    fn is_conflict(&self) -> bool {
        matches!(self.0, Failure::Conflict)
    }

    fn late() -> Self {
        Self(Failure::Unavailable)
    }

    fn internal() -> Self {
        Self(Failure::Internal)
    }
}

impl From<Failed> for Status {
    fn from(Failed(failure): Failed) -> Self {
        match failure {
            Failure::Conflict | Failure::Unavailable => weir_rpc::unavailable("the database"),
            Failure::Refused | Failure::Internal => weir_rpc::internal(),
        }
    }
}
