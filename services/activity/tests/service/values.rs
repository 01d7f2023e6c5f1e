//! Values come back as they went, and one that can't be stored costs no neighbour.

use uuid::Uuid;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::{ActivityEvent, ListActivitiesRequest};

use crate::harness::*;

fn with(attributes: &str, event: ActivityEvent) -> ActivityEvent {
    ActivityEvent {
        attributes_json: attributes.to_owned().into(),
        ..event
    }
}

/// What PostgreSQL refuses only when it comes to store it.
fn broken(event: ActivityEvent) -> ActivityEvent {
    with(r#"{"a": "#, event)
}

#[tokio::test]
async fn whatever_json_allows_comes_back_letter_by_letter() {
    let weir = start().await;
    let (lana, oleg) = (Uuid::now_v7(), Uuid::now_v7());
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let values = [
        r#"{"cart":{"a":1e-16384}}"#.to_owned(),
        r#"{"a":0e-99999,"b":1e400,"c":-0.0,"a":1}"#.to_owned(),
        format!(r#"{{"digits":{}}}"#, "9".repeat(2_000)),
        format!(r#"{{"list":[{}]}}"#, ["1e-16383"; 1_600].join(",")),
        r#"{ "white" :  "space",	"nul":"\u0000","half":"\ud83d" }"#.to_owned(),
        r#"{"é":"\u00e9","😀":1.50}"#.to_owned(),
    ];
    for user in ["lana", "oleg"] {
        let events = values.iter().enumerate();
        let events = events.map(|(n, value)| with(value, of_user(user, &format!("m{n}"))));
        let statuses = weir.record(events.collect()).await;
        let expected = if user == "lana" { Stored } else { Backlogged };
        assert_eq!(statuses, [expected; 6]);
    }
    assert_eq!(weir.link(vec![user_link("oleg", oleg, 1)]).await, (6, 0));
    for contact in [lana, oleg] {
        let mut listed = weir.list(contact).await;
        listed.sort_by(|a, b| a.message_id.cmp(&b.message_id));
        let read: Vec<_> = listed.into_iter().map(|one| one.attributes_json).collect();
        assert_eq!(read, values);
    }
}

#[tokio::test]
async fn what_can_t_be_stored_is_answered_so_alone() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    let mut nul = of_user("lana", "m1");
    nul.event_name = "a\0b".into();
    let mut long_ago = of_user("lana", "m2");
    long_ago.event_time = Some(prost_types::Timestamp {
        seconds: -70_000_000_000,
        nanos: 0,
    });
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let statuses = weir
        .record(vec![
            of_user("lana", "m0"),
            nul,
            long_ago,
            broken(of_user("lana", "m3")),
            broken(of_user("nobody yet", "m4")),
            of_user("nobody yet", "m5"),
            with(&deep, of_user("lana", "m6")),
            of_user("lana", "m7"),
        ])
        .await;
    assert_eq!(
        statuses,
        [
            Stored, Unstorable, Unstorable, Unstorable, Unstorable, Backlogged, Unstorable, Stored
        ]
    );
    assert_eq!(weir.messages(lana).await, ["m0", "m7"]);
    assert_eq!((weir.usage().await, weir.backlog().await), (3, 1));
    // Mended, it is stored; the others are repeats.
    let again = vec![of_user("lana", "m0"), of_user("lana", "m3")];
    assert_eq!(weir.record(again).await, [Repeated, Stored]);
}

#[tokio::test]
async fn sixteen_of_five_hundred_are_found_wherever_they_are() {
    let weir = start().await;
    let is_bad = |n: usize| n % 31 == 4 && n < 16 * 31;
    let events: Vec<_> = (0..500)
        .map(|n| {
            let event = of_user(&format!("u{}", n % 7), &format!("m{n}"));
            if is_bad(n) { broken(event) } else { event }
        })
        .collect();
    let statuses = weir.record(events.clone()).await;
    for (n, status) in statuses.into_iter().enumerate() {
        let expected = if is_bad(n) { Unstorable } else { Backlogged };
        assert_eq!(status, expected, "{n}");
    }
    assert_eq!((weir.usage().await, weir.backlog().await), (484, 484));

    // A batch of nothing else is a fault of another kind: nothing of it is stored.
    let other = weir.other_account();
    let events = events.into_iter().map(broken).collect();
    let error = other.send(other.request(events)).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Internal);
    assert_eq!((other.usage().await, other.backlog().await), (0, 0));
}

#[tokio::test]
async fn a_page_is_never_larger_than_a_client_takes() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(45_000));
    for batch in 0..8 {
        let events = (0..100)
            .map(|n| {
                with(
                    &large,
                    of_contact(lana, &format!("m{:03}", batch * 100 + n)),
                )
            })
            .collect();
        weir.record(events).await;
    }
    // As gRPC clients come: 4 MiB a message.
    let channel = weir_rpc::connect(&weir.url).unwrap();
    let mut client = ActivityServiceClient::new(channel);
    let (mut messages, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = ListActivitiesRequest {
            account_id: weir.account.to_string(),
            contact_id: lana.to_string(),
            page_size: 1_000,
            page_token: token,
        };
        let page = client.list_activities(request).await.unwrap().into_inner();
        assert!(
            page.activities
                .iter()
                .all(|one| one.attributes_json == large)
        );
        messages.extend(page.activities.into_iter().map(|one| one.message_id));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    messages.sort();
    let all: Vec<_> = (0..800).map(|n| format!("m{n:03}")).collect();
    assert_eq!(messages, all);
    assert!((12..=16).contains(&pages), "{pages}");
}

#[tokio::test]
async fn a_row_that_can_t_be_read_is_left_out_and_ends_no_list() {
    let weir = start().await;
    let lana = Uuid::now_v7();
    let events = (0..12).map(|n| of_contact(lana, &format!("m{n:02}")));
    weir.record(events.collect()).await;
    let sql = weir.sql().await;
    for (message, change) in [
        ("m01", "event_time = 'infinity'"),
        ("m02", "event_time = '-infinity'"),
        ("m03", "event_time = '0044-03-15 BC'"),
        ("m04", "event_time = '10000-01-01'"),
        ("m05", "receive_time = 'infinity'"),
        ("m06", "attributes = NULL"),
        ("m07", "event_name = NULL"),
        ("m08", "activity_id = NULL"),
        ("m09", "message_id = NULL"),
    ] {
        let change = format!("UPDATE activity.activities SET {change} WHERE message_id = $1");
        assert_eq!(
            sql.execute(&change, &[&message]).await.unwrap(),
            1,
            "{change}"
        );
    }
    let readable = ["m00", "m10", "m11"];
    assert_eq!(weir.messages(lana).await, readable);
    // In pages of one, some of which are empty, too.
    let (mut messages, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = weir.page(lana, 1, &token).await;
        messages.extend(page.activities.into_iter().map(|one| one.message_id));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    messages.sort();
    assert_eq!(
        (messages, pages),
        (readable.map(str::to_owned).to_vec(), 12)
    );
}
