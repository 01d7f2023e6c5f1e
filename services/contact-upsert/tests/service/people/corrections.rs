//! Events that were stored are taken anew, whatever became of their contacts (semantics 7.5a).

use super::*;

const BIRTHDAY: &str = r#"{"dtz::b":"1980-07-28"}"#;

/// The event as it is read now.
fn corrected(event: &ContactEvent, fields: &str) -> ContactEvent {
    ContactEvent {
        fields_json: fields.to_owned().into(),
        correction: true,
        funded: false,
        ..event.clone()
    }
}

impl Service {
    async fn correct(&self, event: &ContactEvent, fields: &str) -> UpsertContactsResponse {
        let units = self.units().await;
        let answer = self.upsert(vec![corrected(event, fields)]).await;
        assert_eq!((answer.units, self.units().await), (0, units));
        answer
    }

    /// By user id: field ids and values.
    async fn fields_of(&self, id: &str) -> Vec<(String, String)> {
        fields(&self.user(id).await)
    }

    /// Every contact's row, with how often it was written.
    async fn contact_rows(&self) -> Vec<String> {
        let rows = "SELECT row_to_json(t)::text FROM contacts AS t ORDER BY contact_id";
        let rows = self.sql().await.query(rows, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn birthday() -> (String, String) {
    ("dtz::b".to_owned(), "1980-07-28".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_takes_what_its_events_say_now_once_and_free_of_charge() {
    let service = Service::start().await;
    let first = identify(1, ("u1", "a1"), r#"{"str::first":"Lana"}"#);
    let track = track(2, ("u1", "-"), r#"{"str::last":"Romijn"}"#);
    let later = identify(3, ("u1", "-"), r#"{"geo::city":"Perth"}"#);
    service
        .upsert(vec![first.clone(), track.clone(), later])
        .await;
    let fields = r#"{"dtz::b":"1980-07-28","geo::city":"Sydney","str::first":"Lena"}"#;
    let answer = service.correct(&first, fields).await;
    assert_eq!(statuses(&answer), [Repeated]);
    let value = |field: &str, value: &str| (field.to_owned(), value.to_owned());
    let expected = [
        birthday(),
        value("geo::city", "Perth"),
        value("str::first", "Lena"),
        value("str::last", "Romijn"),
    ];
    assert_eq!(service.fields_of("u1").await, expected);
    let answer = service
        .correct(&track, r#"{"str::first":"Lou","str::last":"R."}"#)
        .await;
    assert_eq!(statuses(&answer), [Repeated]);
    let written = service.contact_rows().await;
    // Again, on another replica, and both at once.
    let replica = service.replica().await;
    let first = corrected(&first, fields);
    let track = corrected(&track, r#"{"str::first":"Lou","str::last":"R."}"#);
    let (one, other) = tokio::join!(
        service.upsert(vec![track.clone(), first.clone()]),
        replica.upsert(vec![first.clone(), track]),
    );
    assert_eq!(statuses(&one), [Repeated; 2]);
    assert_eq!(statuses(&other), [Repeated; 2]);
    assert_eq!(service.contact_rows().await, written, "not even written");
    let names: Vec<_> = service.fields_of("u1").await.split_off(2);
    assert_eq!(names[0].1, "Lou", "of two events the later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_follows_merges_and_splits_and_makes_nobody() {
    let service = Service::start().await;
    let of_one = track(1, ("u1", "-"), r#"{"str::first":"One"}"#);
    let of_two = track(2, ("u2", "-"), r#"{"str::first":"Two"}"#);
    let answer = service.upsert(vec![of_one, of_two.clone()]).await;
    let (one, two) = (contact_id(&answer, 0), contact_id(&answer, 1));
    let merge = service.join(&one, &two, true).await.unwrap();
    let answer = service.correct(&of_two, BIRTHDAY).await;
    assert_eq!(contact_id(&answer, 0), one, "where its contact went");
    assert!(service.fields_of("u1").await.contains(&birthday()));
    // An event of the time in between stays with the survivor.
    let between = track(3, ("u2", "-"), r#"{"str::last":"X"}"#);
    service.upsert(vec![between.clone()]).await;
    service.split(&merge).await.unwrap();
    let answer = service.correct(&between, r#"{"geo::city":"Perth"}"#).await;
    assert_eq!(contact_id(&answer, 0), one);
    let answer = service.correct(&of_two, r#"{"geo::region":"WA"}"#).await;
    assert_eq!(contact_id(&answer, 0), two, "which is back");
    let region = ("geo::region".to_owned(), "WA".to_owned());
    assert!(service.fields_of("u2").await.contains(&region));
    assert!(!service.fields_of("u1").await.contains(&region));
    // Nobody was ever made by it.
    let unknown = track(4, ("u4", "a4"), "");
    let answer = service.correct(&unknown, BIRTHDAY).await;
    assert_eq!(statuses(&answer), [UpsertStatus::NotFound]);
    assert!(service.find(user("u4")).await.is_err());
    assert!(service.find(visitor("a4")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_of_a_person_who_was_deleted() {
    let service = Service::start().await;
    let ahead = chrono::Utc::now().timestamp() - FIRST_SECOND + 3_600;
    let past = track(1, ("gone-u", "-"), r#"{"str::first":"Gone"}"#);
    let future = track(ahead, ("gone-u", "-"), r#"{"str::last":"Gone"}"#);
    service.upsert(vec![past.clone(), future.clone()]).await;
    let key = delete_contact_request::Key::UserId("gone-u".into());
    service.delete(Uuid::now_v7(), key).await.unwrap();
    let answer = service.correct(&past, BIRTHDAY).await;
    assert_eq!(statuses(&answer), [UpsertStatus::Deleted]);
    // One that says that it happens later is known by its receipt.
    let answer = service.correct(&future, BIRTHDAY).await;
    assert_eq!(statuses(&answer), [UpsertStatus::NotFound]);
    assert!(service.find(user("gone-u")).await.is_err());
    assert_eq!(service.contact_rows().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_mended_merges_or_is_told_to_be_taken() {
    let service = Service::start().await;
    let event = identify(3, ("u3", "-"), r#"{"str::first":"Three"}"#);
    let before = vec![
        identify(1, ("-", "a1"), r#"{"str::email":"a@x.org"}"#),
        identify(2, ("u2", "-"), r#"{"str::email":"b@x.org"}"#),
        event.clone(),
    ];
    service.upsert(before).await;
    let answer = service.correct(&event, r#"{"str::email":"b@x.org"}"#).await;
    let ignored = &answer.results[0].ignored_fields;
    assert_eq!(&*ignored[0].code, "IDENTIFIER_TAKEN");
    service.correct(&event, r#"{"str::email":"a@x.org"}"#).await;
    let merged = service.id(visitor("a1")).await;
    assert_eq!(service.id(user("u3")).await, merged);
    assert_eq!(service.merges(&merged).await.len(), 1);
    let written = service.contact_rows().await;
    service.correct(&event, r#"{"str::email":"a@x.org"}"#).await;
    assert_eq!(service.contact_rows().await, written);
}
