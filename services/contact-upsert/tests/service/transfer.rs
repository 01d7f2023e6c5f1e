//! Contacts in bulk: in from rows (semantics 3.13).

use prost_types::Timestamp;
use tonic::Code;
use uuid::Uuid;
use weir_proto::contact::v1::*;
use weir_proto::settings::v1::MergeStrategy;
use weir_reasons::Reason;

use crate::harness::*;

impl Service {
    pub fn rows(
        &self,
        first_row: i64,
        columns: &[&str],
        rows: &[&[&str]],
    ) -> ImportContactsRequest {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        ImportContactsRequest {
            account_id: self.account.to_string(),
            source_id: String::new(),
            import_id: Uuid::from_u128(7).to_string(),
            first_row,
            as_of_time: Some(Timestamp {
                seconds: FIRST_SECOND,
                nanos: 0,
            }),
            columns: texts(columns),
            rows: rows
                .iter()
                .map(|cells| ImportRow {
                    cells: texts(cells),
                    json: String::new(),
                })
                .collect(),
            merge_strategy: MergeStrategy::Unspecified.into(),
            charge: false,
            dry_run: false,
        }
    }

    async fn import(&self, request: ImportContactsRequest) -> ImportContactsResponse {
        let answer = self.transfers.clone().import_contacts(request).await;
        answer.unwrap().into_inner()
    }
}

fn said(answer: &ImportContactsResponse) -> Vec<(ImportStatus, &str)> {
    let rows = answer.results.iter();
    rows.map(|row| (row.status(), row.code.as_str())).collect()
}

const STORED: (ImportStatus, &str) = (ImportStatus::Stored, "");
const UNCHANGED: (ImportStatus, &str) = (ImportStatus::Unchanged, "");

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_stored_like_identifies_free_of_charge_and_once() {
    let service = Service::start().await;
    let columns = ["user_id", "str::first", "str::email", "timestamp"];
    let rows: [&[&str]; 6] = [
        &["u1", "Lana", "lana@x.org", ""],
        // Somebody who is known by an address alone.
        &["", "Jo", "jo@x.org", ""],
        &["", "Nobody", "", ""],
        &["u3", "Zoe"],
        &["a\u{200b}b", "", "", ""],
        &["u1", "Later", "", "2025-07-10T07:00:00Z"],
    ];
    let request = service.rows(1, &columns, &rows);
    let dry = ImportContactsRequest {
        dry_run: true,
        ..request.clone()
    };
    let refused = |reason: Reason| (ImportStatus::Refused, reason.code());
    let expected = [
        STORED,
        STORED,
        refused(Reason::NoIdentifier),
        refused(Reason::RowColumns),
        refused(Reason::UserIdUnusable),
        STORED,
    ];
    for _ in 0..2 {
        assert_eq!(said(&service.import(dry.clone()).await), expected);
        assert_eq!(
            service
                .count("SELECT count(*) FROM contacts WHERE account_id = $1")
                .await,
            0
        );
    }
    let answer = service.import(request.clone()).await;
    assert_eq!(said(&answer), expected);
    assert_eq!((answer.units, service.units().await), (0, 0));
    let lana = service.user("u1").await;
    assert_eq!(answer.results[0].contact_id, lana.contact_id);
    let named = ("str::first".to_owned(), "Later".to_owned());
    assert!(fields(&lana).contains(&named));
    let jo = get_contact_request::Key::Field(FieldKey {
        field_id: "str::email".into(),
        value: "jo@x.org".into(),
    });
    let jo = service.find(jo).await.unwrap();
    assert_eq!((jo.user_id_count, jo.anonymous_id_count), (0, 0));

    // Sent again, whole or in other pieces, it changes nothing.
    let again = service.import(request).await;
    let unchanged = again
        .results
        .iter()
        .filter(|row| row.status() != ImportStatus::Refused);
    assert!(unchanged.clone().count() == 3);
    assert!(
        unchanged
            .clone()
            .all(|row| row.status() == ImportStatus::Unchanged && row.stored_before)
    );
    let part = service.rows(2, &columns, &rows[1..2]);
    assert_eq!(said(&service.import(part).await), [UNCHANGED]);
    assert_eq!(service.user("u1").await, lana);
    assert_eq!(
        service
            .count("SELECT count(*) FROM contacts WHERE account_id = $1")
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_later_beats_a_row_and_append_fills_what_is_empty() {
    let service = Service::start().await;
    let now = identify(60, ("u1", "-"), r#"{"str::first":"Now"}"#);
    service.upsert(vec![now]).await;
    let columns = ["user_id", "str::first", "str::last"];
    let request = service.rows(1, &columns, &[&["u1", "Then", "Romeijn"]]);
    let answer = service.import(request).await;
    assert_eq!(said(&answer), [STORED]);
    let known = |first: &str, last: &str| {
        let of = |field: &str, text: &str| (field.to_owned(), text.to_owned());
        vec![of("str::first", first), of("str::last", last)]
    };
    assert_eq!(fields(&service.user("u1").await), known("Now", "Romeijn"));
    let mut request = service.rows(2, &columns, &[&["u1", "Again", "Again"]]);
    request.merge_strategy = MergeStrategy::Append.into();
    request.as_of_time.as_mut().unwrap().seconds += 3_600;
    let answer = service.import(request).await;
    assert_eq!(said(&answer), [UNCHANGED]);
    assert!(!answer.results[0].stored_before, "it never was");
    assert_eq!(fields(&service.user("u1").await), known("Now", "Romeijn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_rows_are_taken_and_bad_ones_refused_one_by_one() {
    let service = Service::start().await;
    let mut request = service.rows(1, &[], &[]);
    let rows = [
        r#"{"user_id":"u1","traits":{"str::first":"Lana"}}"#,
        r#"{"user_id":"u1","traits":{"str::first":"#,
        "[1]",
        r#"{"user_id":"u2","timestamp":"soon"}"#,
    ];
    request.rows = rows
        .iter()
        .map(|json| ImportRow {
            cells: Vec::new(),
            json: (*json).to_owned(),
        })
        .collect();
    let refused = |reason: Reason| (ImportStatus::Refused, reason.code());
    let expected = [
        STORED,
        refused(Reason::InvalidJson),
        refused(Reason::NotAnObject),
        refused(Reason::TimestampUnreadable),
    ];
    let answer = service.import(request).await;
    assert_eq!(said(&answer), expected);
    assert!(!answer.results[1].reason.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leads_to_no_field_is_named_by_its_row_and_costs_no_other() {
    let service = Service::start().await;
    let mut request = service.rows(1, &[], &[]);
    let rows = [
        r#"{"user_id":"u1","first":"Lost","str::nothing":"x","str::first":"Lana"}"#,
        r#"{"user_id":"u2","str::first":"Ann"}"#,
    ];
    let row = |json: &&str| ImportRow {
        json: (*json).to_owned(),
        ..Default::default()
    };
    request.rows = rows.iter().map(row).collect();
    let expected = [("first", "Lost"), ("str::nothing", "x")];
    for dry_run in [true, false] {
        request.dry_run = dry_run;
        let answer = service.import(request.clone()).await;
        assert_eq!(said(&answer), [STORED, STORED]);
        let ignored = &answer.results[0].ignored;
        let named: Vec<_> = ignored
            .iter()
            .map(|one| (one.column.as_str(), one.value.as_str()))
            .collect();
        assert_eq!(named, expected);
        let mut codes = ignored.iter().map(|one| one.code.as_str());
        assert!(codes.all(|code| code == Reason::ColumnUnknown.code()));
        assert_eq!(answer.results[1].ignored, []);
    }
    // A column is one of the whole file, so it is refused before anything is stored.
    let columns = service.rows(9, &["user_id", "str::nothing"], &[&["u9", "x"]]);
    let refused = service.transfers.clone().import_contacts(columns).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("str::nothing is no field"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_can_not_be_imported_stores_nothing() {
    let service = Service::start().await;
    let good = || service.rows(1, &["user_id"], &[&["u1"]]);
    let with = |change: fn(&mut ImportContactsRequest)| {
        let mut request = good();
        change(&mut request);
        request
    };
    for (request, field) in [
        (with(|request| request.import_id.clear()), "import_id"),
        (with(|request| request.as_of_time = None), "as_of_time"),
        (
            with(|request| request.as_of_time.as_mut().unwrap().seconds = 99_999_999_999),
            "as_of_time",
        ),
        (with(|request| request.first_row = 0), "first_row"),
        (with(|request| request.first_row = i64::MAX), "first_row"),
        (with(|request| request.account_id.clear()), "account_id"),
        (with(|request| request.source_id = "x".into()), "source_id"),
        (
            with(|request| request.columns.push("email".into())),
            "columns[1]",
        ),
        (
            with(|request| request.rows = vec![ImportRow::default(); 1_001]),
            "rows",
        ),
    ] {
        let refused = service
            .transfers
            .clone()
            .import_contacts(request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        let details = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap();
        assert_eq!(details.field_violations[0].field, field);
    }
    // Nobody serves quota here; a dry run asks what is left.
    for dry_run in [false, true] {
        let mut charged = good();
        (charged.charge, charged.dry_run) = (true, dry_run);
        let away = service.transfers.clone().import_contacts(charged).await;
        assert_eq!(away.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(
        service
            .count("SELECT count(*) FROM contacts WHERE account_id = $1")
            .await,
        0
    );
}
