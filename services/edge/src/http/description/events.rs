//! What is read: lenient shapes, of which every member but the event's name may be absent.

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::domain::envelope::Kind;

const ID: &str = "Id";
const LOCATION: &str = "Location";
const AUDIENCE_UPDATE: &str = "AudienceUpdate";

/// The component of one event.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Identify => "IdentifyEvent",
        Kind::Track => "TrackEvent",
        Kind::Member => "MemberEntry",
    }
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas: Vec<(&str, Schema)> = [Kind::Identify, Kind::Track, Kind::Member]
        .map(|kind| (name(kind), event(kind).into()))
        .into();
    schemas.extend([
        (ID, id().into()),
        (LOCATION, location().into()),
        (AUDIENCE_UPDATE, audience_update().into()),
    ]);
    schemas
}

fn event(kind: Kind) -> ObjectBuilder {
    let event = ObjectBuilder::new()
        .property("user_id", about(ID, "Who it is, for good."))
        .property("userId", about(ID, "`user_id`, as Segment's documentation spells it."))
        .property("anonymous_id", about(ID, "Who it is until that is known. One of both ids must name somebody."))
        .property("anonymousId", about(ID, "`anonymous_id`, in the other spelling."))
        .property("message_id", about(ID, "Tells repeats: without it a retry is another event."))
        .property("messageId", about(ID, "`message_id`, in the other spelling."))
        .property(
            "type",
            one_of(&[Type::String, Type::Null])
                .description(Some("Ignored: the path says what it is.")),
        )
        .property("ip", one_of(&[Type::String, Type::Null]).description(Some(
            "Where there is no `location` it becomes a place, by a database that is configured. \
             Ignored where it is no address.",
        )))
        .property("location", Ref::from_schema_name(LOCATION))
        .property("traits", members("What is known of the person."))
        .property("audience", Ref::from_schema_name(AUDIENCE_UPDATE));
    match kind {
        Kind::Identify => event
            .description(Some("What is known of a person."))
            .property("timestamp", timestamp()),
        Kind::Track => event
            .description(Some("What a person did, and what may be known of them."))
            .property("timestamp", timestamp())
            .property("event", event_name())
            .property(
                "namespace",
                one_of(&[Type::String, Type::Null]).description(Some(
                    "An event of a namespace of our own is an echo: 200, and ignored.",
                )),
            )
            .property("properties", members("What the activity is about."))
            .required("event"),
        Kind::Member => event
            .description(Some(
                "Somebody who is added to an audience, or removed. It counts as of its arrival.",
            ))
            .required("audience"),
    }
}

fn one_of(types: &[Type]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter(types.iter().cloned()))
}

fn about(component: &str, description: &str) -> RefOr<Schema> {
    let mut reference = Ref::from_schema_name(component);
    reference.description = description.to_owned();
    reference.into()
}

fn id() -> ObjectBuilder {
    one_of(&[Type::String, Type::Number, Type::Boolean, Type::Null])
        .max_length(Some(255))
        .description(Some(
            "White space and invisible characters are cut off at both ends. What means nobody \
             (null, a blank, `undefined`, zeros, an unfilled template) is absent.",
        ))
}

fn event_name() -> ObjectBuilder {
    one_of(&[Type::String, Type::Number, Type::Boolean])
        .min_length(Some(1))
        .max_length(Some(255))
        .description(Some("The name of the activity."))
}

fn timestamp() -> ObjectBuilder {
    one_of(&[Type::String, Type::Number, Type::Null]).description(Some(
        "When it happened, at most 24 hours ahead: ISO 8601 (without a zone: UTC) or Unix time \
         (from 1e11 on milliseconds, else seconds). Absent: the time of arrival.",
    ))
}

fn members(what: &str) -> ObjectBuilder {
    one_of(&[Type::Object, Type::Array, Type::Null]).description(Some(format!(
        "{what} An object; `[]` is read as an empty one, and no other array is."
    )))
}

fn location() -> ObjectBuilder {
    let part = || one_of(&[Type::String, Type::Null]);
    one_of(&[Type::Object, Type::Null])
        .description(Some("Where they are; `{}` where that is not known."))
        .property("country", part())
        .property("state", part())
        .property("city", part())
        .property("post_code", part())
}

fn audience_update() -> ObjectBuilder {
    let mode = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["add", "remove"]));
    one_of(&[Type::Object, Type::Null])
        .description(Some(
            "An audience that the person is added to, or removed from.",
        ))
        .property("mode", mode)
        .property("id", about(ID, "As `/v1/audiences/create` answered it."))
}
