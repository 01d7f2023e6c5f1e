//! Who is who.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_visitor_becomes_a_known_person() {
    let service = Service::start().await;
    let visitor = service.upsert(vec![identify(0, ("-", "a1"), "")]).await;
    let known = service
        .upsert(vec![identify(1, ("u1", "a1"), r#"{"str::first":"Lana"}"#)])
        .await;
    assert_eq!(known.results[0].contact_id, visitor.results[0].contact_id);
    let contact = service.user("u1").await;
    assert_eq!(
        (contact.user_ids, contact.anonymous_ids),
        (vec!["u1".into()], vec!["a1".into()])
    );
}
