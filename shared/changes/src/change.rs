//! A change, without where it is kept: what differs between what was and what is.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a thing is, as everybody may see it who may see the thing.
pub type Shown = Map<String, Value>;

/// Of one change, in bytes of JSON: values behind it are left out, and told by their length.
/// Mappings are what gets so long, by many rows, and what they were stands among their versions.
const MAX_VALUES: usize = 64 * 1024;

/// Of pairs. Null is not there.
pub fn shown<const N: usize>(pairs: [(&str, Value); N]) -> Shown {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

macro_rules! things {
    ($($(#[$doc:meta])* $name:ident $code:literal,)*) => {
        /// What was changed; the codes are stored, and are those of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Thing {
            $($(#[$doc])* $name,)*
        }

        impl Thing {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub const fn code(self) -> i16 {
                match self { $(Self::$name => $code),* }
            }

            /// None for one that this version does not know.
            pub fn of(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

things! {
    Account 1,
    Source 2,
    /// An API key of a source.
    Key 3,
    Field 4,
    ContactMapping 5,
    ActivityMapping 6,
    Alert 7,
    TestMail 8,
    Replay 9,
    Token 10,
    Merge 11,
    Contact 12,
    Import 13,
    Reindex 14,
    Audience 15,
    /// A sync of audiences that was asked for.
    Sync 16,
}

/// Who it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// By its id and its name as it was then.
    Token(Uuid, String),
    Person(String),
    /// One of our own processes.
    Service(String),
    /// Access is open.
    Anybody,
}

/// Who changes something, through which call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub actor: Actor,
    /// `weir.mapping.v1.MappingService/PutAccount`.
    pub method: &'static str,
    /// By which the same call is known again ([`crate::done_before`]), where it has one.
    pub request_id: Option<Uuid>,
}

impl Author {
    /// One of our own processes, by itself.
    pub fn service(name: &str, method: &'static str) -> Self {
        Self {
            actor: Actor::Service(name.to_owned()),
            method,
            request_id: None,
        }
    }

    /// By a request that is known again.
    #[must_use]
    pub fn request(mut self, request_id: Option<Uuid>) -> Self {
        self.request_id = request_id;
        self
    }

    /// The actor's name; empty for anybody.
    pub fn name(&self) -> &str {
        match &self.actor {
            Actor::Token(_, name) | Actor::Person(name) | Actor::Service(name) => name,
            Actor::Anybody => "",
        }
    }
}

/// A part of a thing that differs; null where it was not there, or is not any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub before: Value,
    pub after: Value,
}

/// What a call changed of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub thing: Thing,
    pub thing_id: String,
    pub fields: Vec<Field>,
}

impl Change {
    /// From one to the other: what they have in common is left out.
    pub fn between(thing: Thing, id: impl ToString, before: &Shown, after: &Shown) -> Self {
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let value = |of: &Shown, name: &String| of.get(name).cloned().unwrap_or_default();
        let fields = names.into_iter().map(|name| Field {
            name: name.clone(),
            before: value(before, name),
            after: value(after, name),
        });
        let differ = fields.filter(|field| field.before != field.after);
        let mut room = MAX_VALUES;
        Self {
            thing,
            thing_id: id.to_string(),
            fields: differ.map(|field| bounded(field, &mut room)).collect(),
        }
    }

    /// Whether it is what a request did that comes again: it would change nothing but what others
    /// changed since, and that to what the request made of it.
    pub fn repeats(&self, done: &[Field]) -> bool {
        let is_done = |field: &Field| {
            done.iter()
                .any(|then| then.name == field.name && then.after == field.after)
        };
        self.fields.iter().all(is_done)
    }

    /// It was not there before.
    pub fn made(thing: Thing, id: impl ToString, after: &Shown) -> Self {
        Self::between(thing, id, &Shown::new(), after)
    }

    /// It is not there any more.
    pub fn gone(thing: Thing, id: impl ToString, before: &Shown) -> Self {
        Self::between(thing, id, before, &Shown::new())
    }

    /// A secret of it is another one now: that is all that is said.
    #[must_use]
    pub fn with_new_secret(mut self, name: &str) -> Self {
        self.fields.push(Field {
            name: name.to_owned(),
            before: Value::Null,
            after: Value::from("(another one)"),
        });
        self
    }

    /// Where it was: what does not differ, and is told all the same.
    #[must_use]
    pub fn within(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let field = Field {
            name: name.to_owned(),
            before: value.clone(),
            after: value,
        };
        self.fields.insert(0, field);
        self
    }
}

fn bounded(mut field: Field, room: &mut usize) -> Field {
    for value in [&mut field.before, &mut field.after] {
        let bytes = value.to_string().len();
        match room.checked_sub(bytes) {
            Some(left) => *room = left,
            None => *value = Value::from(format!("({bytes} bytes)")),
        }
    }
    field
}

/// A change as it was recorded.
#[derive(Debug, Clone)]
pub struct Entry {
    pub change_id: Uuid,
    pub time: DateTime<Utc>,
    pub actor: Actor,
    pub method: String,
    pub thing: Thing,
    pub thing_id: String,
    pub fields: Vec<Field>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_proto::access::v1::ChangedThing;

    use super::*;

    fn map(value: Value) -> Shown {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_request_that_comes_again_asks_for_what_it_made() {
        let change = |before: Value, after: Value| {
            Change::between(Thing::Source, "1", &map(before), &map(after))
        };
        let done = change(json!({"merge": "overwrite"}), json!({"merge": "append"}));
        let again = |now: Value, wanted: Value| change(now, wanted).repeats(&done.fields);
        let wanted = json!({"merge": "append"});
        assert!(again(wanted.clone(), wanted.clone()));
        assert!(
            again(json!({"merge": "ignore"}), wanted),
            "changed by others since"
        );
        assert!(!again(
            json!({"merge": "append"}),
            json!({"merge": "ignore"})
        ));
        let more = json!({"merge": "append", "existing_only": true});
        assert!(!again(json!({"merge": "append"}), more));
    }

    #[test]
    fn what_is_the_same_is_left_out_and_the_rest_stands_by_name() {
        let before = map(json!({"name": "A", "slots": 2, "webhook_url": "https://a"}));
        let after = map(json!({"name": "A", "slots": 3, "address": "b@example.org"}));
        let change = Change::between(Thing::Account, "1", &before, &after);
        let told = change.fields.iter();
        let told: Vec<_> = told
            .map(|field| json!([field.name, field.before, field.after]))
            .collect();
        let expected = json!([
            ["address", null, "b@example.org"],
            ["slots", 2, 3],
            ["webhook_url", "https://a", null],
        ]);
        assert_eq!(json!(told), expected);
        assert_eq!(
            Change::between(Thing::Account, 1, &before, &before).fields,
            []
        );
    }

    #[test]
    fn null_is_not_there_and_what_is_too_long_is_a_length() {
        assert!(shown([("end", Value::Null)]).is_empty());
        let long = Value::from("x".repeat(MAX_VALUES));
        let change = Change::gone(Thing::ContactMapping, "1", &shown([("rows", long)]));
        assert_eq!(change.fields[0].before, "(65538 bytes)");
        // Many that are none by themselves come to no more.
        let half = || Value::from("x".repeat(MAX_VALUES / 2));
        let rows = shown([("a", half()), ("b", half()), ("c", Value::from(1))]);
        let change = Change::gone(Thing::ContactMapping, "1", &rows);
        let told: Vec<_> = change.fields.iter().map(|one| one.before.clone()).collect();
        assert_eq!(told, [half(), Value::from("(32770 bytes)"), Value::from(1)]);
    }

    #[test]
    fn things_have_the_numbers_of_the_wire() {
        for thing in Thing::ALL {
            let wire = ChangedThing::try_from(i32::from(thing.code())).unwrap();
            let name = wire.as_str_name().replace("CHANGED_THING_", "");
            let ours = format!("{thing:?}").to_uppercase();
            assert_eq!(name.replace('_', ""), ours);
            assert_eq!(Thing::of(thing.code()), Some(*thing));
        }
        let last = i32::from(Thing::ALL.last().unwrap().code());
        assert!(
            ChangedThing::try_from(last + 1).is_err(),
            "one of the wire is missing"
        );
    }
}
