//! What a batch is answered.

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Header, HeaderBuilder, Ref, Response, ResponseBuilder};
use weir_reasons::{About, Reason};

/// The component that answers every batch.
pub const ANSWER: &str = "Outcomes";

const OUTCOME: &str = "Outcome";
const STATUSES: [u16; 6] = [200, 206, 400, 422, 429, 500];

pub fn schemas() -> [(&'static str, Schema); 2] {
    let list = |about: &str| {
        ArrayBuilder::new()
            .items(Ref::from_schema_name(OUTCOME))
            .description(Some(about))
            .build()
    };
    let outcomes = ObjectBuilder::new()
        .property("results", list("One for each event, in their order."))
        .property(
            "errors",
            list("Those of `results` that are not 200, once more."),
        )
        .required("results")
        .required("errors");
    [(ANSWER, outcomes.into()), (OUTCOME, outcome().into())]
}

fn outcome() -> ObjectBuilder {
    let index = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .description(Some("The place of the event in the request."));
    let status = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some(STATUSES))
        .description(Some(
            "200: processed, or a repeat. 206: the activity is stored, the contact is not. \
             400: invalid data. 422: no mappings configured, or nothing valid or new. \
             429: a limit is reached. 500: an error of ours; send the event again.",
        ));
    let message = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "What is wrong, and what to do. Holds no value of the event. \
             Absent where the status is 200.",
        ));
    ObjectBuilder::new()
        .description(Some("What became of one event."))
        .property("index", index)
        .property("status", status)
        .property("code", code())
        .property("message", message)
        .required("index")
        .required("status")
}

/// An identify may be refused for a value that was ignored, so those are among the codes.
fn code() -> ObjectBuilder {
    let reasons = || {
        let all = Reason::ALL.iter();
        all.filter(|reason| matches!(reason.about(), About::Event | About::Value))
    };
    let meanings: serde_json::Map<String, serde_json::Value> = reasons()
        .map(|reason| {
            let meaning = format!("{} {}", reason.meaning(), reason.cure());
            (reason.code().to_owned(), meaning.into())
        })
        .collect();
    let meanings = ExtensionsBuilder::new().add("x-enumDescriptions", meanings);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(reasons().map(|reason| reason.code())))
        .description(Some("Why. Absent where the status is 200."))
        .extensions(Some(meanings.build()))
}

pub fn answer() -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ANSWER)))
        .example(Some(serde_json::json!({
            "results": [
                {"index": 0, "status": 200},
                {
                    "index": 1,
                    "status": 400,
                    "code": Reason::NoIdentifier.code(),
                    "message": "user_id: neither user_id nor anonymous_id names anyone; \
                                send at least one",
                },
            ],
            "errors": [
                {
                    "index": 1,
                    "status": 400,
                    "code": Reason::NoIdentifier.code(),
                    "message": "user_id: neither user_id nor anonymous_id names anyone; \
                                send at least one",
                },
            ],
        })));
    ResponseBuilder::new()
        .description("One outcome for each event.")
        .content("application/json", content.build())
        .header(
            "RateLimit",
            header(
                "What is left: units that are neither charged nor reserved, and the seconds until \
                 the window ends. Absent where it could not be found out.",
                r#""profile";r=49999;t=3600"#,
            ),
        )
        .header(
            "RateLimit-Policy",
            header(
                "The limits, and the seconds of a window.",
                r#""profile";q=50000;w=86400"#,
            ),
        )
        .header(
            "Retry-After",
            header(
                "Where a limit was reached: seconds until the window ends.",
                "3600",
            ),
        )
        .build()
}

fn header(about: &str, example: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(about))
        .example(Some(example.into()))
        .build()
}
