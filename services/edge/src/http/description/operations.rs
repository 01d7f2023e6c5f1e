//! What each route takes and answers.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use super::refusals::{self, Refusal};
use super::{KEY, classic, events, outcomes, samples};
use crate::app::MAX_EVENTS;
use crate::domain::envelope::Kind;
use crate::http::answer::{Audience, Me};
use crate::http::routes::Route;

/// What belongs together, and what it is about.
pub const TAGS: [(&str, &str); 4] = [
    ("events", "What people did, and what is known of them."),
    ("audiences", "Lists of people that Segment keeps."),
    classic::TAG,
    ("service", "For those who run it, and programs."),
];

const KEYED: [Refusal; 5] = [
    refusals::UNAUTHORIZED,
    refusals::FORBIDDEN,
    refusals::METHOD_NOT_ALLOWED,
    refusals::INTERNAL,
    refusals::UNAVAILABLE,
];
const OF_BODIES: [Refusal; 4] = [
    refusals::BAD_REQUEST,
    refusals::REQUEST_TIMEOUT,
    refusals::CONTENT_TOO_LARGE,
    refusals::UNSUPPORTED_MEDIA_TYPE,
];

/// What is at a path.
pub fn of(route: Route, path: &str) -> Operation {
    let operation = match route {
        Route::Me => keyed("events", "me", "Whether the API key is good").response(
            "200",
            json_of(Ref::from_schema_name(Me::name()), "It is.", None),
        ),
        Route::Batch(kind) => batch(kind),
        Route::Classic(endpoint) => classic::of(endpoint, path),
        Route::CreateAudience => create_audience(),
        Route::GetAudience => get_audience(),
        Route::Health => open("health", "Whether the process runs")
            .response("200", json_of(status("ok"), "It does.", None)),
        Route::Ready => refused(
            open("ready", "Whether all services can be reached")
                .response("200", json_of(status("ready"), "They can.", None)),
            &[refusals::UNAVAILABLE],
        ),
        Route::Description => open("description", "This document")
            .response("200", json_of(document(), "An OpenAPI document.", None)),
    };
    operation.build()
}

fn batch(kind: Kind) -> OperationBuilder {
    let (tag, id, summary, about) = match kind {
        Kind::Identify => (
            "events",
            "identify",
            "Upsert contact profiles",
            "What is known of people. It finds the contact, or makes one, and keeps the traits \
             that the source maps.",
        ),
        Kind::Track => (
            "events",
            "track",
            "Track activities",
            "What people did. With traits, or an audience to be added to, it is kept of the \
             contact as well.",
        ),
        Kind::Member => (
            "audiences",
            "putMembers",
            "Add people to audiences, or remove them",
            "Makes contacts of people who are not known, as an identify does.",
        ),
    };
    let event = || Ref::from_schema_name(events::name(kind));
    let array = ArrayBuilder::new()
        .items(event())
        .max_items(Some(MAX_EVENTS));
    let schema = OneOfBuilder::new().item(array).item(event());
    let examples = samples::of(kind).into_iter().map(|(name, summary, value)| {
        let example = ExampleBuilder::new().summary(summary).value(Some(value));
        (name, example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples);
    let body = RequestBodyBuilder::new()
        .description(Some(
            "At most 1,000 events and 16 MiB once inflated, plain or with \
             `Content-Encoding: gzip`. A single object is a batch of one.",
        ))
        .required(Some(Required::True))
        .content("application/json", content.build());
    refused(keyed(tag, id, summary), &OF_BODIES)
        .description(Some(about))
        .request_body(Some(body.build()))
        .response("207", Ref::from_response_name(outcomes::ANSWER))
}

fn create_audience() -> OperationBuilder {
    let name = text("By this exact name, without the white space around it.")
        .min_length(Some(1))
        .max_length(Some(150));
    let summary = "Get an audience by its name, or create it";
    refused(keyed("audiences", "createAudience", summary), &OF_BODIES)
        .request_body(Some(body("name", name, json!({"name": "Newsletter"}))))
        .response("200", an_audience())
        .response("409", Ref::from_response_name(refusals::CONFLICT.name))
}

fn get_audience() -> OperationBuilder {
    let id = text("As it was answered when the audience was created.");
    let id = body(
        "id",
        id,
        json!({"id": "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00"}),
    );
    let operation = keyed("audiences", "getAudience", "Get an audience by its id");
    refused(operation, &OF_BODIES)
        .request_body(Some(id))
        .response("200", an_audience())
        .response("404", Ref::from_response_name(refusals::NOT_FOUND.name))
        .response("409", Ref::from_response_name(refusals::CONFLICT.name))
}

fn an_audience() -> Response {
    let example = json!({"id": "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00", "name": "Newsletter"});
    let schema = Ref::from_schema_name(Audience::name());
    json_of(schema, "The audience.", Some(example))
}

/// An operation that anybody may ask for.
fn open(id: &str, summary: &str) -> OperationBuilder {
    let nothing = [] as [SecurityRequirement; 0];
    let operation = operation("service", id, summary).securities(Some(nothing));
    refused(operation, &[refusals::METHOD_NOT_ALLOWED])
}

/// An operation that takes a key.
fn keyed(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    let key = SecurityRequirement::new(KEY, [] as [&str; 0]);
    refused(operation(tag, id, summary).security(key), &KEYED)
}

pub fn operation(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .tag(tag)
        .operation_id(Some(id))
        .summary(Some(summary))
}

pub fn refused(operation: OperationBuilder, refusals: &[Refusal]) -> OperationBuilder {
    refusals.iter().fold(operation, |operation, refusal| {
        let response = Ref::from_response_name(refusal.name);
        operation.response(refusal.status.to_string(), response)
    })
}

/// A body of one member.
fn body(name: &str, member: ObjectBuilder, example: Value) -> RequestBody {
    let schema = ObjectBuilder::new().property(name, member).required(name);
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .example(Some(example));
    RequestBodyBuilder::new()
        .description(Some("At most 64 KiB once inflated, plain or gzip."))
        .required(Some(Required::True))
        .content("application/json", content.build())
        .build()
}

pub fn json_of(schema: impl Into<RefOr<Schema>>, about: &str, example: Option<Value>) -> Response {
    let content = ContentBuilder::new().schema(Some(schema)).example(example);
    ResponseBuilder::new()
        .description(about)
        .content("application/json", content.build())
        .build()
}

pub fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
}

fn status(word: &str) -> ObjectBuilder {
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([word]));
    ObjectBuilder::new()
        .property("status", word)
        .required("status")
}

fn document() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("openapi", text("The version of the specification."))
        .property("info", ObjectBuilder::new())
        .property("paths", ObjectBuilder::new())
        .required("openapi")
        .required("info")
        .required("paths")
}
