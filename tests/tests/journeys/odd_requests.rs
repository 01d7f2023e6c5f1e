//! Whatever stands in a request, it is the caller's to mend: every RPC that a token may call, with
//! each of its members in turn set to what it can't be, or what few think of.

use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage, Value,
};
use weir_stack::Service;
use weir_tests::{Account, Plan, journey};

/// Messages in messages; what lies deeper is of the same kinds.
const DEPTH: usize = 4;

const TEXTS: [&str; 5] = [
    "a\0b",
    "\u{202e}\u{1f600}",
    " ",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "'; DROP TABLE accounts; --",
];

/// What says that it is ours to mend.
const OURS: [&str; 5] = [
    "internal",
    "unknown",
    "data_loss",
    "unavailable",
    "deadline_exceeded",
];

/// Which service takes it, where a token may call it.
fn served_by(method: &MethodDescriptor) -> Option<Service> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let (_, need) = weir_proto::NEEDS.iter().find(|(known, _)| *known == path)?;
    if format!("{need:?}").starts_with("Services") {
        return None;
    }
    Some(match method.parent_service().package_name() {
        "weir.contact.v1" => Service::ContactUpsert,
        "weir.activity.v1" => Service::Activity,
        "weir.audience.v1" => Service::Audience,
        "weir.quota.v1" => Service::Quota,
        _ => Service::Mapping,
    })
}

/// A plausible request.
fn filled(message: &MessageDescriptor, account: &Account, depth: usize) -> DynamicMessage {
    let mut request = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let is_first_choice = field
            .containing_oneof()
            .is_none_or(|choice| choice.fields().next() == Some(field.clone()));
        if depth == 0 || !is_first_choice {
            continue;
        }
        let value = plausible(&field, account, depth);
        request.set_field(&field, value);
    }
    request
}

fn plausible(field: &FieldDescriptor, account: &Account, depth: usize) -> Value {
    if field.is_map() {
        return Value::Map(Default::default());
    }
    let one = match field.kind() {
        Kind::String => Value::String(match field.name() {
            "account_id" | "account_ids" => account.account_id.clone(),
            "source_id" | "source_ids" => account.source_id.clone(),
            "page_token" => String::new(),
            name if name.ends_with("_id") || name.ends_with("_ids") => {
                uuid::Uuid::new_v4().to_string()
            }
            _ => "x".to_owned(),
        }),
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            let mut time = DynamicMessage::new(message);
            time.set_field_by_name("seconds", Value::I64(1_790_000_000));
            Value::Message(time)
        }
        Kind::Message(message) => Value::Message(filled(&message, account, depth - 1)),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Bytes => Value::Bytes(b"{}".as_slice().into()),
        kind => kind.default_value(),
    };
    if field.is_list() {
        Value::List(vec![one])
    } else {
        one
    }
}

/// What else may stand there, with what it is called in the error.
fn odd(field: &FieldDescriptor) -> Vec<Value> {
    let all: Vec<Value> = match field.kind() {
        Kind::String => {
            let long = "x".repeat(70_000);
            let texts = TEXTS.into_iter().chain([&*long, ""]);
            texts.map(|text| Value::String(text.to_owned())).collect()
        }
        Kind::Enum(_) => [-1, 0, 99, i32::MIN].map(Value::EnumNumber).into(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            [-1, 0, i32::MAX, i32::MIN].map(Value::I32).into()
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            [-1, 0, i64::MAX, i64::MIN].map(Value::I64).into()
        }
        Kind::Uint32 | Kind::Fixed32 => [0, u32::MAX].map(Value::U32).into(),
        Kind::Uint64 | Kind::Fixed64 => [0, u64::MAX].map(Value::U64).into(),
        Kind::Bool => [true, false].map(Value::Bool).into(),
        Kind::Bytes => [&b"\0"[..], b"{\"a\":\"\\u0000\"}", b"\xff", b""]
            .map(|bytes| Value::Bytes(bytes.into()))
            .into(),
        _ => Vec::new(),
    };
    if field.is_list() {
        let lists = all.into_iter().map(|one| Value::List(vec![one]));
        return lists.collect();
    }
    all
}

/// Every request that differs from `whole` in one member, and where.
fn with_one_odd(whole: &DynamicMessage, at: &str, found: &mut Vec<(String, DynamicMessage)>) {
    for field in whole.descriptor().fields() {
        let path = format!("{at}{}", field.name());
        if at.is_empty() && field.name() == "account_id" || field.is_map() {
            continue;
        }
        for value in odd(&field) {
            let mut changed = whole.clone();
            changed.set_field(&field, value);
            found.push((path.clone(), changed));
        }
        if !whole.has_field(&field) {
            continue;
        }
        let inner = match whole.get_field(&field).into_owned() {
            Value::Message(inner) => inner,
            Value::List(list) => match list.into_iter().next() {
                Some(Value::Message(inner)) => inner,
                _ => continue,
            },
            _ => continue,
        };
        let mut below = Vec::new();
        with_one_odd(&inner, &format!("{path}."), &mut below);
        for (place, inner) in below {
            let inner = Value::Message(inner);
            let value = if field.is_list() {
                Value::List(vec![inner])
            } else {
                inner
            };
            let mut changed = whole.clone();
            changed.set_field(&field, value);
            found.push((place, changed));
        }
    }
}

/// Whether it is called at the end, since it takes away what others look for.
fn takes_away(method: &MethodDescriptor) -> bool {
    ["Delete", "Revoke"]
        .iter()
        .any(|verb| method.name().starts_with(verb))
}

/// Semantics 1.6.
#[test]
fn no_member_of_a_request_makes_a_service_fail() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let pool = DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
        let services = pool.services();
        let mut methods: Vec<_> = services
            .flat_map(|all| all.methods().collect::<Vec<_>>())
            .collect();
        methods.retain(|method| !method.is_server_streaming() && !method.is_client_streaming());
        methods.sort_by_key(takes_away);
        let bearer = format!("Bearer {}", weir.stack.token());
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/proto"),
        ];
        let mut called = 0;
        let mut failures = Vec::new();
        for method in methods {
            let Some(service) = served_by(&method) else {
                continue;
            };
            let name = method.full_name().to_owned();
            let url = format!(
                "{}/{}/{}",
                weir.stack.url(service),
                method.parent_service().full_name(),
                method.name()
            );
            let whole = filled(&method.input(), &account, DEPTH);
            let mut requests = vec![("".to_owned(), whole.clone())];
            with_one_odd(&whole, "", &mut requests);
            for (place, request) in requests {
                let body = request.encode_to_vec();
                let answer = weir.post_with(&url, &headers, body).await;
                called += 1;
                let code = answer.json["code"].as_str().unwrap_or_default();
                let is_explained = answer.status == 200 || !answer.json["message"].is_null();
                if OURS.contains(&code) || !is_explained {
                    let shown: String = request.to_string().chars().take(300).collect();
                    failures.push(format!("{name} {place}: {} {shown}", answer.json));
                }
            }
        }
        assert!(called > 1_000, "{called}");
        assert_eq!(failures.len(), 0, "of {called}:\n{}", failures.join("\n"));
    });
}
