//! How many contacts have a value of a field.

use tonic::Code;
use uuid::Uuid;
use weir_proto::contact::v1::{CountFieldValuesRequest, CountFieldValuesResponse};
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::harness::*;

impl Service {
    pub async fn values_of(&self, field: &str) -> Result<CountFieldValuesResponse, tonic::Status> {
        let request = CountFieldValuesRequest {
            account_id: self.account.to_string(),
            field_id: field.to_owned(),
        };
        let answer = self.searches.clone().count_field_values(request).await?;
        Ok(answer.into_inner())
    }

    /// Contacts with a value, of so many, where that was all.
    async fn counted(&self, field: &str) -> (i64, i64) {
        let found = self.values_of(field).await.unwrap();
        assert!(found.complete);
        (found.contacts, found.seen_contacts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_with_a_value_are_counted_and_those_merged_away_or_cleared_are_not() {
    let service = Service::start().await;
    let first = r#"{"str::first":"Lana","str:cm:shoe":"38"}"#;
    service
        .upsert(vec![
            identify(1, ("u1", "-"), first),
            identify(2, ("u2", "-"), r#"{"str:cm:shoe":"41"}"#),
            identify(3, ("u3", "-"), r#"{"str::first":"Ann"}"#),
        ])
        .await;
    assert_eq!(service.counted("str:cm:shoe").await, (2, 3));
    assert_eq!(service.counted("str::first").await, (2, 3));
    assert_eq!(service.counted("str::last").await, (0, 3));
    // What is no text is a value as well; what is none is not.
    let sql = service.sql().await;
    let cleared = r#"UPDATE contacts SET fields = '{"int:cm:n":0,"str:cm:shoe":null}'
                     WHERE account_id = $1 AND fields->>'str:cm:shoe' = '41'"#;
    assert_eq!(sql.execute(cleared, &[&service.account]).await.unwrap(), 1);
    assert_eq!(service.counted("int:cm:n").await, (1, 3));
    assert_eq!(service.counted("str:cm:shoe").await, (1, 3));
    let merged = "UPDATE contacts SET redirect_to = contact_id
                  WHERE account_id = $1 AND fields->>'str:cm:shoe' = '38'";
    assert_eq!(sql.execute(merged, &[&service.account]).await.unwrap(), 1);
    assert_eq!(service.counted("str:cm:shoe").await, (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_account_is_counted_in_pieces_and_says_how_far_that_came() {
    let service = Service::start().await;
    service.upsert(vec![identify(1, ("u1", "-"), "")]).await;
    let sql = service.sql().await;
    let many = r#"INSERT INTO contacts
                  SELECT $1, md5('c' || n)::uuid, true, '{"str::first":"Lana"}', '[]', NULL, 1,
                         now(), now()
                  FROM generate_series(1, 2999) AS n"#;
    sql.execute(many, &[&service.account]).await.unwrap();
    let found = service.values_of("str::first").await.unwrap();
    assert_eq!(found.contacts, found.seen_contacts - 1, "one has no name");
    match found.complete {
        true => assert_eq!(found.seen_contacts, 3_000),
        // A machine that is slow comes to some of them.
        false => assert!((1_000..3_000).contains(&found.seen_contacts), "{found:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_field_and_whose_account_is_none_is_refused() {
    let mut service = Service::start().await;
    for wrong in ["", "shoe", "a\0b"] {
        let refused = service.values_of(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
        assert!(refused.message().contains("field_id"), "{refused}");
    }
    service.account = Uuid::now_v7();
    service.others.set_account(service.account, false);
    let refused = service.values_of("str::first").await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::AccountUnknown));
}
