//! Values that are ignored, as the edge is told of them (semantics 7.3a).

use weir_proto::mapping::v1::*;
use weir_reasons::{About, Reason, Reason::*};

use crate::call;
use crate::harness::*;

/// Path, field and format of each pair of a mapping with a field of every type.
type Pairs = Vec<(String, String, &'static str)>;

async fn map_one_field_a_type(client: &Client, tenant: &Tenant) -> Pairs {
    let mut pairs = vec![
        ("email".to_owned(), "str::email".to_owned(), ""),
        ("city".to_owned(), "geo::city".to_owned(), ""),
    ];
    for (name, value_type, format) in [
        ("text", ValueType::Text, ""),
        ("mobile", ValueType::Phone, ""),
        ("link", ValueType::Link, ""),
        ("integer", ValueType::Integer, ""),
        ("decimal", ValueType::Decimal, ""),
        ("boolean", ValueType::Boolean, ""),
        ("date", ValueType::Date, "Unix seconds"),
        ("time", ValueType::Time, ""),
        ("list", ValueType::MultiSelect, ""),
        ("object", ValueType::Object, ""),
    ] {
        let field = CreateFieldRequest {
            account_id: tenant.account_id.clone(),
            name: format!("Some {name}"),
            r#type: value_type.into(),
            request_id: String::new(),
        };
        let field = call!(client, create_field, field).unwrap().field.unwrap();
        pairs.push((name.to_owned(), field.field_id, format));
    }
    let mapping: Vec<_> = pairs
        .iter()
        .map(|(path, field, format)| (path.as_str(), field.as_str(), *format))
        .collect();
    call!(
        client,
        put_contact_mapping,
        tenant.contact_mapping(&mapping)
    )
    .unwrap();
    pairs
}

/// Semantics 1.6: every reason for which a value can be ignored is reached here, or given by a
/// later stage, whose own tests reach it; and what is ignored is told to the edge as it is logged.
#[tokio::test]
async fn every_reason_that_a_value_can_be_ignored_for_is_reached_and_told_to_who_counts() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let pairs = map_one_field_a_type(&client, &tenant).await;
    let long = format!("\"{}\"", "x".repeat(501));
    let cases = [
        (TextInvalid, "text", "[1]"),
        (TooLong, "text", long.as_str()),
        (NotStorable, "text", r#""a\u0000b""#),
        (EmailInvalid, "email", r#""nobody""#),
        (InvisibleCharacters, "email", r#""a\u200bb@c.example""#),
        (ValueBlocked, "email", r#""N/A""#),
        (PhoneInvalid, "mobile", r#""12""#),
        (LinkInvalid, "link", r#""c.example""#),
        (IntegerInvalid, "integer", "3.5"),
        (DecimalInvalid, "decimal", "3.1415"),
        (BooleanInvalid, "boolean", r#""yes""#),
        (DateFormatMismatch, "date", r#""28-07-1980""#),
        (DateOutOfRange, "date", "999999999999999"),
        (TimeFormatMismatch, "time", r#""noon""#),
        (ListInvalid, "list", "[null]"),
        (ObjectInvalid, "object", "5"),
        (PlaceInvalid, "city", "[1]"),
    ];
    let events = cases.iter().map(|(_, name, value)| {
        let raw = format!(r#"{{"traits":{{"{name}":{value}}}}}"#);
        event(EventKind::Identify, &raw)
    });
    let answer = tenant.map(&client, events.collect()).await;
    let log = tenant.log(&client, cases.len()).await;
    for ((reason, name, value), result) in cases.iter().zip(&answer.results) {
        let [ignored] = &result.ignored[..] else {
            panic!("{name} {value}: {result:?}");
        };
        let kind = &answer.ignored_kinds[ignored.kind as usize];
        let field = pairs.iter().find(|(path, ..)| path == name).unwrap();
        let seen = (&*kind.code, &kind.subject, ignored.count);
        assert_eq!(seen, (reason.code(), &field.1, 1), "{name} {value}");
        assert!(
            log.iter()
                .any(|line| line.code == kind.code && line.field_id == kind.subject),
            "{reason} is not in the log"
        );
    }
    let elsewhere = [AnonymousIdUnusable, IdentifierTaken, Stale, BacklogDayCap];
    let of_values = Reason::ALL
        .iter()
        .filter(|reason| reason.about() == About::Value);
    let missing: Vec<_> = of_values
        .filter(|reason| !elsewhere.contains(reason))
        .filter(|reason| !cases.iter().any(|(reached, ..)| reached == *reason))
        .collect();
    assert!(missing.is_empty(), "no way is known to {missing:?}");
}

#[tokio::test]
async fn all_ignored_values_are_told_however_few_lines_the_log_keeps() {
    let (_service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    tenant.map_contact(&client).await;
    let raw = r#"{"traits":{"email":"none","birthday":"soon","firstName":"L"}}"#;
    let events = (0..900).map(|_| event(EventKind::Identify, raw));
    let answer = tenant.map(&client, events.collect()).await;
    let sum: u32 = answer
        .results
        .iter()
        .flat_map(|result| &result.ignored)
        .map(|ignored| ignored.count)
        .sum();
    assert_eq!((sum, answer.ignored_kinds.len()), (1_800, 2));
}
