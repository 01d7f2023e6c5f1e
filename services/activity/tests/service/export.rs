//! Activities as a file (semantics 4.14).

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;
use weir_proto::activity::v1::*;
use weir_servers::TestServers;
use weir_testkit::Recorder;

use crate::harness::*;
use crate::history::{event, history};

fn asked(weir: &Weir, columns: &[&str]) -> ExportActivitiesRequest {
    ExportActivitiesRequest {
        account_id: weir.account.to_string(),
        format: ExportFormat::Csv.into(),
        columns: columns.iter().map(ToString::to_string).collect(),
        ..ExportActivitiesRequest::default()
    }
}

/// The whole file, and how many activities it says it has.
async fn exported(
    weir: &Weir,
    request: ExportActivitiesRequest,
) -> Result<(String, i64), tonic::Status> {
    let mut pieces = history(weir).export_activities(request).await?.into_inner();
    let (mut file, mut activities) = (Vec::new(), 0);
    while let Some(piece) = pieces.message().await? {
        assert!(piece.data.len() <= 1024 * 1024);
        file.extend(piece.data);
        activities = piece.activities;
    }
    Ok((String::from_utf8(file).unwrap(), activities))
}

#[tokio::test]
async fn a_file_has_what_was_asked_for_oldest_first() {
    let weir = start().await;
    let [ann, bob] = [Uuid::now_v7(), Uuid::now_v7()];
    let attributes = r#"{"plan": "pro, \"x\"", "cart": {"a": [1, 2.50]}, "n": 3}"#;
    let with = |name: &str, hours: i64, one: ActivityEvent| ActivityEvent {
        attributes_json: attributes.into(),
        ..event(name, noon() - TimeDelta::hours(hours), one)
    };
    weir.record(vec![
        with("Login", 1, of_contact(ann, "m3")),
        with("Bought", 2, of_contact(bob, "m2")),
        with("Login", 3, of_contact(bob, "m1")),
        with("Login", 4, of_user("waits", "m0")),
    ])
    .await;
    weir.change(Vec::new(), &[(bob, ann)]).await;
    weir.other_account()
        .record(vec![of_contact(ann, "other")])
        .await;

    let columns = [
        "message_id",
        "event_name",
        "contact_id",
        "attributes.plan",
        "attributes.cart",
    ];
    let (file, activities) = exported(&weir, asked(&weir, &columns)).await.unwrap();
    let cells = r#""pro, ""x""","{""a"": [1, 2.50]}""#;
    assert_eq!(
        file,
        format!(
            "message_id,event_name,contact_id,attributes.plan,attributes.cart\n\
             m1,Login,{ann},{cells}\nm2,Bought,{ann},{cells}\nm3,Login,{ann},{cells}\n"
        )
    );
    assert_eq!(activities, 3);

    let lines = ExportActivitiesRequest {
        format: ExportFormat::JsonLines.into(),
        event_name: "Login".to_owned(),
        from_time: stamp(noon() - TimeDelta::hours(2)),
        to_time: stamp(noon()),
        ..asked(&weir, &["message_id", "attributes", "attributes.no"])
    };
    let (file, _) = exported(&weir, lines).await.unwrap();
    assert_eq!(
        file,
        format!("{{\"message_id\":\"m3\",\"attributes\":{attributes}}}\n")
    );

    let unknown = ExportActivitiesRequest {
        event_name: "Log".to_owned(),
        ..asked(&weir, &["message_id"])
    };
    assert_eq!(
        exported(&weir, unknown).await.unwrap(),
        ("message_id\n".to_owned(), 0)
    );
}

#[tokio::test]
async fn a_file_of_many_pages_is_of_one_moment() {
    let weir = start().await;
    let contact = Uuid::now_v7();
    let batch = |batch: i64| {
        let events = (0..1_000).map(move |n| {
            let name = if n % 2 == 0 { "Login" } else { "Bought" };
            let time = noon() - TimeDelta::days(n % 3) + TimeDelta::milliseconds(batch + 1);
            event(
                name,
                time,
                of_contact(contact, &format!("{batch:02}-{n:03}")),
            )
        });
        events.collect::<Vec<_>>()
    };
    for n in 0..9 {
        weir.record(batch(n)).await;
    }
    let request = ExportActivitiesRequest {
        event_name: "Login".to_owned(),
        ..asked(&weir, &["event_time", "message_id"])
    };
    let mut pieces = history(&weir)
        .export_activities(request)
        .await
        .unwrap()
        .into_inner();
    // Its first piece has been there: what comes now is of a later moment.
    let first = pieces.message().await.unwrap().unwrap();
    weir.record(batch(9)).await;
    let (mut file, mut activities) = (first.data.to_vec(), first.activities);
    while let Some(piece) = pieces.message().await.unwrap() {
        file.extend(piece.data);
        activities = piece.activities;
    }
    let file = String::from_utf8(file).unwrap();
    let rows: Vec<&str> = file.lines().skip(1).collect();
    let mut messages: Vec<_> = rows
        .iter()
        .map(|row| row.split(',').nth(1).unwrap())
        .collect();
    assert!(rows.is_sorted_by_key(|row| row.split(',').next().unwrap()));
    messages.sort_unstable();
    messages.dedup();
    let count = i64::try_from(rows.len()).unwrap();
    assert!(activities == count && messages.len() == rows.len());
    // All of before, and all or nothing of what came meanwhile.
    assert!(count == 4_500 || count == 5_000, "{count}");
}

/// More than 8 MiB: a page ends before all rows that were asked for have arrived.
#[tokio::test]
async fn large_activities_are_exported_over_several_pages() {
    let weir = start().await;
    let contact = Uuid::now_v7();
    let attributes = format!(r#"{{"note": "{}"}}"#, "x".repeat(14_000));
    for batch in 0..4 {
        let events = (0..250).map(|n| ActivityEvent {
            attributes_json: attributes.clone().into(),
            ..of_contact(contact, &format!("{batch}-{n}"))
        });
        weir.record(events.collect()).await;
    }
    let whole = exported(&weir, asked(&weir, &["message_id", "attributes.note"]));
    let whole = tokio::time::timeout(Duration::from_secs(90), whole).await;
    let (file, activities) = whole.expect("an export that ends").unwrap();
    assert_eq!((file.lines().count(), activities), (1_001, 1_000));
}

/// Activities of 300 kB, which PostgreSQL keeps in four, between ones that weigh nothing.
#[tokio::test]
async fn what_is_read_is_what_is_written_however_much_activities_weigh() {
    let database = TestServers::shared().await.fresh_database().await;
    let recorder = Recorder::to(&database.url_for("activity")).await;
    let recorded = database.clone().by_way("activity", &recorder.url);
    let weir = instance(recorded, Uuid::now_v7()).await;
    let contact = Uuid::now_v7();
    for batch in 0..6 {
        let events = (0..500).map(|n| ActivityEvent {
            event_time: stamp(noon() + TimeDelta::milliseconds(batch * 500 + n)),
            ..of_contact(contact, &format!("{batch}-{n}"))
        });
        weir.record(events.collect()).await;
    }
    let behind = weir.database.behind("activity");
    let behind = weir_servers::postgres::connect(&behind).await.unwrap();
    let widen = "UPDATE activities SET attributes = json_build_object('note', repeat('x', 300000))
         WHERE account_id = $1 AND activity_key IN (SELECT activity_key FROM activities
             WHERE account_id = $1 ORDER BY activity_key OFFSET 2500 LIMIT 300)";
    behind.execute(widen, &[&weir.account]).await.unwrap();
    let before = recorder.answered();
    let whole = exported(&weir, asked(&weir, &["message_id", "attributes.note"]));
    let (file, activities) = whole.await.unwrap();
    let (read, written) = (recorder.answered() - before, file.len() as u64);
    let mut messages: Vec<&str> = file
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    messages.sort_unstable();
    messages.dedup();
    assert_eq!((activities, messages.len()), (3_000, 3_001));
    let wide = file.lines().filter(|line| line.len() > 300_000).count();
    assert_eq!(wide, 300);
    assert!(read < written * 3, "{read} of {written} bytes");

    // Who asks for no attribute has none read.
    let before = recorder.answered();
    let (_, activities) = exported(&weir, asked(&weir, &["message_id"]))
        .await
        .unwrap();
    let read = recorder.answered() - before;
    assert!(activities == 3_000 && read < 2_000_000, "{read} bytes");
}

#[tokio::test]
async fn what_can_t_be_exported_is_refused() {
    let weir = start().await;
    weir.record(vec![of_contact(Uuid::now_v7(), "m1")]).await;
    let refused = async |request| exported(&weir, request).await.unwrap_err();
    let columns = ["message_id", "mesage", "attributes.", "message_id"];
    let error = refused(asked(&weir, &columns)).await;
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    let message = error.message();
    assert!(
        message.starts_with("columns[1]: ") && message.ends_with("(and 2 more)"),
        "{error}"
    );
    let error = refused(asked(&weir, &[])).await;
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    let no_format = ExportActivitiesRequest {
        format: 0,
        ..asked(&weir, &["message_id"])
    };
    assert!(refused(no_format).await.message().contains("format"));
    let nobodys = weir.other_account();
    weir.others.set_account(nobodys.account, false);
    let error = refused(asked(&nobodys, &["message_id"])).await;
    assert_eq!(error.code(), tonic::Code::NotFound);
}
