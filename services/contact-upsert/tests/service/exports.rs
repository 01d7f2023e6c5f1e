//! Contacts in bulk: out as files (semantics 3.12).

use std::time::Duration;

use tonic::Code;
use uuid::Uuid;
use weir_proto::contact::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_servers::TestServers;
use weir_testkit::Recorder;

use crate::harness::*;

impl Service {
    fn export(&self, format: ExportFormat, columns: &[&str]) -> ExportContactsRequest {
        ExportContactsRequest {
            account_id: self.account.to_string(),
            format: format.into(),
            columns: columns.iter().map(ToString::to_string).collect(),
        }
    }

    pub async fn exported(&self, format: ExportFormat, columns: &[&str]) -> (String, i64) {
        let request = self.export(format, columns);
        let answer = self.transfers.clone().export_contacts(request).await;
        let mut pieces = answer.unwrap().into_inner();
        let (mut file, mut contacts) = (Vec::new(), 0);
        while let Some(piece) = pieces.message().await.unwrap() {
            assert!(piece.data.len() <= 1024 * 1024);
            file.extend_from_slice(&piece.data);
            contacts = piece.contacts;
        }
        (String::from_utf8(file).unwrap(), contacts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_every_live_contact_once_as_of_one_moment() {
    let service = Service::start().await;
    let person = |n: i64| {
        let fields = format!(r#"{{"str::first":"P{n}","str::email":"p{n}@x.org"}}"#);
        identify(n, (&format!("u{n}"), &format!("a{n}")), &fields)
    };
    for batch in 0..9 {
        let events = (0..500).map(|n| person(batch * 500 + n)).collect();
        service.upsert(events).await;
    }
    // A visitor who became somebody is nobody any more.
    service
        .upsert(vec![identify(
            9_000,
            ("-", "visitor"),
            r#"{"str::last":"V"}"#,
        )])
        .await;
    service
        .upsert(vec![identify(9_001, ("u0", "visitor"), "")])
        .await;
    let columns = ["user_id", "str::first", "anonymous_ids", "str::last"];
    let (csv, contacts) = service.exported(ExportFormat::Csv, &columns).await;
    assert_eq!(contacts, 4_500);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4_501);
    assert_eq!(lines[0], "user_id,str::first,anonymous_ids,str::last");
    // By age; the one that was linked last comes first.
    assert_eq!(lines[1], r#"u0,P0,"[""visitor"",""a0""]",V"#);
    assert_eq!(lines[4_500], r#"u4499,P4499,"[""a4499""]","#);

    let (lines, contacts) = service.exported(ExportFormat::JsonLines, &columns).await;
    assert_eq!((lines.lines().count(), contacts), (4_500, 4_500));
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let expected = serde_json::json!({
        "user_id": "u0", "str::first": "P0", "anonymous_ids": ["visitor", "a0"], "str::last": "V",
    });
    assert_eq!(first, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_of_any_size_are_written_whole() {
    let service = Service::start().await;
    let object = format!(r#"{{"k":"{}"}}"#, "x".repeat(14_990));
    let fields: Vec<String> = (0..50)
        .map(|n| format!(r#""obj:cm:o{n:02}":{object}"#))
        .collect();
    let fields = format!("{{{}}}", fields.join(","));
    let events = (0..30)
        .map(|n| identify(n, (&format!("u{n}"), "-"), &fields))
        .collect();
    service.upsert(events).await;
    let columns: Vec<String> = (0..50).map(|n| format!("obj:cm:o{n:02}")).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    // 22 MB: more than is read at once.
    let (lines, contacts) = service.exported(ExportFormat::JsonLines, &columns).await;
    assert_eq!(contacts, 30);
    for line in lines.lines() {
        assert_eq!(line, fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_the_moment_when_it_began() {
    let service = Service::start().await;
    let events = |from: i64| {
        (from..from + 900)
            .map(|n| identify(n, (&format!("u{n}"), "-"), ""))
            .collect()
    };
    for from in 0..20 {
        service.upsert(events(from * 900)).await;
    }
    let columns = ["contact_id", "user_id", "create_time", "update_time"];
    let request = service.export(ExportFormat::Csv, &columns);
    let mut pieces = service
        .transfers
        .clone()
        .export_contacts(request)
        .await
        .unwrap()
        .into_inner();
    let mut rows = 0;
    let mut count = |data: &[u8]| rows += data.iter().filter(|byte| **byte == b'\n').count();
    count(&pieces.message().await.unwrap().unwrap().data);
    // It reads on as it is taken; these come too late, whatever was taken.
    let later: Vec<ContactEvent> = events(100_000);
    service.upsert(later).await;
    while let Some(piece) = pieces.message().await.unwrap() {
        count(&piece.data);
    }
    assert_eq!(rows, 18_001);
}

/// More than 8 MiB: a page ends before all rows that were asked for have arrived.
#[tokio::test(flavor = "multi_thread")]
async fn large_contacts_are_exported_over_several_pages() {
    let service = Service::start().await;
    let fields = format!(r#"{{"str::first":"{}"}}"#, "x".repeat(14_000));
    for from in (0..1_000).step_by(250) {
        let events = (from..from + 250).map(|n| identify(n, (&format!("u{n}"), "-"), &fields));
        service.upsert(events.collect()).await;
    }
    let whole = service.exported(ExportFormat::Csv, &["user_id", "str::first"]);
    let whole = tokio::time::timeout(Duration::from_secs(90), whole).await;
    let (file, contacts) = whole.expect("an export that ends");
    assert_eq!((file.lines().count(), contacts), (1_001, 1_000));
}

/// Contacts of 3 MB, which PostgreSQL keeps in 35 kB each, and some that it can't make smaller;
/// between ones that weigh nothing, by which pages grow. A page of 2,000 of them would take longer
/// than a statement may.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_what_is_written_however_much_contacts_weigh() {
    let database = TestServers::shared().await.fresh_database().await;
    let recorder = Recorder::to(&database.url_for("contact")).await;
    let recorded = database.clone().by_way("contact", &recorder.url);
    let service = Service::start_in(recorded, NOBODY, NOBODY).await;
    for from in (0..3_000).step_by(500) {
        let events = (from..from + 500).map(|n| identify(n, (&format!("u{n}"), "-"), ""));
        service.upsert(events.collect()).await;
    }
    let behind = service.database.behind("contact");
    let behind = weir_servers::postgres::connect(&behind).await.unwrap();
    for (from, count, value) in [
        (0, 20, "repeat('x', 14900)"),
        (2_500, 30, "repeat('x', 14900)"),
        (
            2_900,
            3,
            "(SELECT string_agg(md5(n || '-' || m), '') FROM generate_series(1, 466) m)",
        ),
    ] {
        let widen = format!(
            "UPDATE contacts SET fields = (SELECT json_object_agg('str:cm:f' || n, {value})
                 FROM generate_series(1, 200) n)
             WHERE account_id = $1 AND contact_id IN (SELECT contact_id FROM contacts
                 WHERE account_id = $1 ORDER BY contact_id OFFSET {from} LIMIT {count})"
        );
        behind.execute(&widen, &[&service.account]).await.unwrap();
    }
    let columns: Vec<String> = (1..=200).map(|n| format!("str:cm:f{n}")).collect();
    let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    columns.push("user_id");
    let before = recorder.answered();
    let (file, contacts) = service.exported(ExportFormat::JsonLines, &columns).await;
    let read = recorder.answered() - before;
    let mut users: Vec<&str> = file
        .lines()
        .map(|line| line.rsplit('"').nth(1).unwrap())
        .collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!((contacts, users.len()), (3_000, 3_000));
    let wide = file.lines().filter(|line| line.len() > 2_980_000).count();
    assert_eq!(wide, 53);
    // Twice there is a page whose rows weigh more than those before.
    let written = file.len() as u64;
    assert!(read < written * 2, "{read} of {written} bytes");

    // Who asks for no value has none read.
    let before = recorder.answered();
    let (_, contacts) = service
        .exported(ExportFormat::Csv, &["contact_id", "user_id"])
        .await;
    let read = recorder.answered() - before;
    assert!(contacts == 3_000 && read < 1_000_000, "{read} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_exported_is_refused_and_so_is_a_third_one() {
    let service = Service::start().await;
    service.upsert(vec![identify(1, ("u1", "-"), "")]).await;
    let columns = ["email", "str::first", "str::first", "nothing"];
    let request = service.export(ExportFormat::Csv, &columns);
    let refused = service
        .transfers
        .clone()
        .export_contacts(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap();
    let named = details
        .field_violations
        .iter()
        .map(|one| one.field.as_str());
    assert_eq!(
        named.collect::<Vec<_>>(),
        ["columns[0]", "columns[2]", "columns[3]"]
    );
    for request in [
        service.export(ExportFormat::Csv, &[]),
        service.export(ExportFormat::Unspecified, &["user_id"]),
        service.export(ExportFormat::Csv, &["str::a"; 301]),
    ] {
        let refused = service.transfers.clone().export_contacts(request).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let mut unknown = service.export(ExportFormat::Csv, &["user_id"]);
    let nobody = Uuid::now_v7();
    service.others.set_account(nobody, false);
    unknown.account_id = nobody.to_string();
    let refused = service
        .transfers
        .clone()
        .export_contacts(unknown)
        .await
        .unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::AccountUnknown));

    // An account without contacts has a file, too.
    let mut empty = service.replica().await;
    empty.account = Uuid::now_v7();
    let (csv, contacts) = empty.exported(ExportFormat::Csv, &["user_id"]).await;
    assert_eq!((csv.as_str(), contacts), ("user_id\n", 0));
}
