//! What is served for classic sources.

use serde_json::{Value, json};
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type as Kind};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, Required, Response, ResponseBuilder};

use super::operations::{json_of, operation, refused, text};
use super::refusals::{self, Refusal};
use super::{WRITE_KEY, samples};
use crate::domain::classic::{Call, MAX_EVENTS, Type};
use crate::http::classic::Endpoint;

pub const TAG: (&str, &str) = (
    "classic",
    "What Segment's own SDKs send. All of it is below `/v1` of the classic port as well, and each \
     path whose name begins like it has a letter too (`b`, `i`, `t`, `p`, `s`, `g`, `a`). Pages of \
     browsers may send where the source lists their origin (`allowed_origins`): preflights \
     (OPTIONS) are 204 and ask for no key, and answers say `Access-Control-Allow-Origin` where \
     `Origin` was sent.",
);

const EVENT: &str = "ClassicEvent";

const OF_CALLS: [Refusal; 8] = [
    refusals::CLASSIC_BAD_REQUEST,
    refusals::CLASSIC_UNAUTHORIZED,
    refusals::CLASSIC_FORBIDDEN,
    refusals::METHOD_NOT_ALLOWED,
    refusals::REQUEST_TIMEOUT,
    refusals::CLASSIC_UNSUPPORTED_ENCODING,
    refusals::INTERNAL,
    refusals::CLASSIC_UNAVAILABLE,
];

pub fn schemas() -> [(&'static str, Schema); 1] {
    [(EVENT, event().into())]
}

/// What is at a path of [`Endpoint::DESCRIBED`].
pub fn of(endpoint: Endpoint, path: &str) -> OperationBuilder {
    match endpoint {
        Endpoint::Call(call) => of_call(call, path),
        Endpoint::Metrics => {
            let summary = "What an SDK tells of itself: accepted, and not looked at";
            let nobody = [] as [SecurityRequirement; 0];
            let operation = operation(TAG.0, "classicMetrics", summary).securities(Some(nobody));
            refused(operation, &[refusals::METHOD_NOT_ALLOWED]).response("200", success())
        }
        Endpoint::Settings => settings(),
    }
}

fn of_call(call: Call, path: &str) -> OperationBuilder {
    let summary = match call {
        Call::Batch => "Events of any types",
        Call::One(Type::Identify) => "Upsert a contact profile",
        Call::One(Type::Track) => "Track an activity",
        Call::One(Type::Alias) => "Accepted, counted and not stored; links nothing",
        Call::One(_) => "Accepted, counted and not stored",
    };
    let content = ContentBuilder::new()
        .schema(Some(body(call)))
        .example(Some(example(call)));
    let body = RequestBodyBuilder::new()
        .description(Some(
            "JSON whatever the content type says, plain or gzip: at most 500 KB once inflated, \
             2,500 events, and 32 KB each.",
        ))
        .required(Some(Required::True))
        .content("application/json", content.build());
    let name = path.rsplit('/').next().unwrap_or_default();
    let (first, rest) = name.split_at(1);
    let id = format!("classic{}{rest}", first.to_uppercase());
    let operation = operation(TAG.0, &id, summary)
        .security(SecurityRequirement::new(WRITE_KEY, [] as [&str; 0]))
        // Or none at all: the key may stand in the body.
        .security(SecurityRequirement::default())
        .request_body(Some(body.build()))
        .response("200", success());
    let limited: &[Refusal] = match call {
        Call::Batch | Call::One(Type::Identify | Type::Track) => &[refusals::TOO_MANY_REQUESTS],
        Call::One(_) => &[],
    };
    refused(refused(operation, &OF_CALLS), limited)
}

fn body(call: Call) -> utoipa::openapi::RefOr<Schema> {
    match call {
        Call::One(_) => Ref::from_schema_name(EVENT).into(),
        Call::Batch => {
            let events = ArrayBuilder::new()
                .items(Ref::from_schema_name(EVENT))
                .max_items(Some(MAX_EVENTS));
            ObjectBuilder::new()
                .property("batch", events)
                .property("writeKey", write_key())
                .required("batch")
                .into()
        }
    }
}

fn write_key() -> ObjectBuilder {
    text("The key, where no header has it.")
}

fn event() -> ObjectBuilder {
    let object = |about: &str| ObjectBuilder::new().description(Some(about));
    let context = object("Where the event was made.")
        .property("traits", object("Where the event has none at its top."));
    object("An event, as Segment's SDKs send it. What is wrong with one costs that one alone.")
        .property(
            "type",
            text("What it is, in a batch: `identify`, `track` …"),
        )
        .property("userId", text("Who it is, for good."))
        .property("anonymousId", text("Who it is until that is known."))
        .property(
            "messageId",
            text("Tells repeats: without it a retry is another event."),
        )
        .property("event", text("The name of the activity, of a track."))
        .property(
            "timestamp",
            text("When it happened; else `originalTimestamp`, else now."),
        )
        .property(
            "originalTimestamp",
            text("When it happened, by the device's clock."),
        )
        .property("traits", object("What is known of the person."))
        .property("properties", object("What the activity is about."))
        .property("context", context)
        .property("writeKey", write_key())
}

fn example(call: Call) -> Value {
    let plain = |name: &str| json!({"type": name, "userId": "u-1", "messageId": "m-1"});
    match call {
        Call::Batch => json!({"batch": [samples::identify(), samples::track()]}),
        Call::One(Type::Identify) => samples::identify(),
        Call::One(Type::Track) => samples::track(),
        Call::One(other) => plain(other.name()),
    }
}

fn success() -> Response {
    let word = ObjectBuilder::new()
        .schema_type(Kind::Boolean)
        .enum_values(Some([true]));
    let schema = ObjectBuilder::new()
        .property("success", word)
        .required("success");
    let about = "All is stored, or such that another try would not mend it; what was refused \
                 stands in the source's log.";
    json_of(schema, about, None)
}

fn settings() -> OperationBuilder {
    let key = ParameterBuilder::new()
        .name("key")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The write key."))
        .schema(Some(ObjectBuilder::new().schema_type(Kind::String)));
    let text = ObjectBuilder::new().schema_type(Kind::String);
    let cache = HeaderBuilder::new()
        .schema(Some(text))
        .description(Some("For how long it counts: by the host that was asked."));
    let schema = ObjectBuilder::new()
        .property("integrations", ObjectBuilder::new())
        .required("integrations");
    let content = ContentBuilder::new().schema(Some(schema));
    let response = ResponseBuilder::new()
        .description("That it is to send to where it got this.")
        .content("application/json", content.build())
        .header("Cache-Control", cache.build());
    let summary = "What `@segment/analytics-next` asks for first";
    let nobody = [] as [SecurityRequirement; 0];
    let operation = operation(TAG.0, "classicSettings", summary)
        .securities(Some(nobody))
        .parameter(key)
        .response("200", response.build());
    refused(
        operation,
        &[
            refusals::CLASSIC_FORBIDDEN,
            refusals::CLASSIC_NOT_FOUND,
            refusals::METHOD_NOT_ALLOWED,
            refusals::INTERNAL,
            refusals::UNAVAILABLE,
        ],
    )
}
