//! What stands in the account's row: the epoch of its units, and what tells its contacts apart.

use tonic::Code;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, FenceUsageRequest, GetUniqueIdentifiersRequest, KeyStrategy,
    VersionedIdentifiers,
};
use weir_reasons::Reason;
use weir_rpc::{reason_of, told};

use crate::support::*;

const LANA: &str = r#"{"str::first":"Lana"}"#;

impl Service {
    async fn fence(&self, epoch: i64) -> Result<i64, tonic::Status> {
        let request = FenceUsageRequest {
            account_id: self.account.to_string(),
            epoch,
            from_window: WINDOW.to_owned(),
        };
        let answer = self.client.clone().fence_usage(request).await?;
        Ok(answer.into_inner().epoch)
    }

    async fn change(
        &self,
        fields: &[&str],
        strategy: KeyStrategy,
    ) -> Result<VersionedIdentifiers, tonic::Status> {
        let request = ChangeUniqueIdentifiersRequest {
            account_id: self.account.to_string(),
            unique_identifiers: fields.iter().map(|field| (*field).to_owned()).collect(),
            key_strategy: strategy.into(),
        };
        let answer = self
            .client
            .clone()
            .change_unique_identifiers(request)
            .await?;
        Ok(answer.into_inner().identifiers.unwrap())
    }

    async fn stands(&self) -> Option<VersionedIdentifiers> {
        let request = GetUniqueIdentifiersRequest {
            account_id: self.account.to_string(),
        };
        let answer = self.client.clone().get_unique_identifiers(request).await;
        answer.unwrap().into_inner().identifiers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_epoch_is_told_the_one_that_stands_and_an_absurd_one_is_refused() {
    let service = Service::start().await;
    assert_eq!(service.fence(1_000_000).await.unwrap(), 1_000_000);
    let batch = service.batch(vec![identify(0, ("u1", "-"), LANA)]);
    let past = service.send(batch).await.unwrap_err();
    assert_eq!(past.code(), Code::Aborted);
    assert_eq!(reason_of(&past), Some(Reason::EpochPast));
    assert_eq!(told(&past, "epoch").as_deref(), Some("1000000"));

    for absurd in [2_000_001, i64::MAX] {
        let refused = service.fence(absurd).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&refused), Some(Reason::EpochImplausible));
    }
    assert_eq!(service.fence(i64::MIN).await.unwrap(), 1_000_000);
    assert_eq!(service.fence(2_000_000).await.unwrap(), 2_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_identifiers_change_until_the_first_contact_and_each_change_has_a_version() {
    let service = Service::start().await;
    assert_eq!(service.stands().await, None);
    let phone = || ["phn::phone", "str::email"];
    let changed = service.change(&phone(), KeyStrategy::Any).await.unwrap();
    assert_eq!(changed.version, 1);
    let again = service.change(&phone(), KeyStrategy::Any).await.unwrap();
    assert_eq!(again, changed);
    assert_eq!(service.stands().await, Some(changed));
    let other = service.change(&phone(), KeyStrategy::NextIfEmpty).await;
    assert_eq!(other.unwrap().version, 2);
    let none = service.change(&[], KeyStrategy::Any).await.unwrap();
    assert_eq!((none.version, none.unique_identifiers.len()), (3, 0));

    // An event that stores no contact changes nothing about it.
    let mut batch = service.batch(vec![find(0, ("u1", "-"))]);
    batch.identifiers_version = 3;
    service.send(batch).await.unwrap();
    let email = service
        .change(&["str::email"], KeyStrategy::Any)
        .await
        .unwrap();
    assert_eq!(email.version, 4);

    let mut batch = service.batch(vec![identify(1, ("u1", "-"), LANA)]);
    for other in [0, 3, 5] {
        batch.identifiers_version = other;
        let error = service.send(batch.clone()).await.unwrap_err();
        assert_eq!(error.code(), Code::Aborted);
        assert_eq!(reason_of(&error), Some(Reason::IdentifiersChanged));
    }
    batch.identifiers_version = 4;
    assert_eq!(statuses(&service.send(batch).await.unwrap()), [Stored]);

    let late = service.change(&[], KeyStrategy::Any).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    assert_eq!(reason_of(&late), Some(Reason::ContactsExist));
    // What stands already is no change.
    let same = service.change(&["str::email"], KeyStrategy::Any).await;
    assert_eq!(same.unwrap(), email);

    for wrong in [
        &["email"][..],
        &["str::email"; 2],
        &["str::a", "str::b", "str::c"],
    ] {
        let error = service.change(wrong, KeyStrategy::Any).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_and_the_first_contact_never_both_happen_under_one_version() {
    let mut one = Service::start().await;
    let mut other = one.replica().await;
    for round in 0..20 {
        let account = uuid::Uuid::now_v7();
        (one.account, other.account) = (account, account);
        let batch = one.batch(vec![identify(round, ("u1", "-"), LANA)]);
        let (stored, changed) = tokio::join!(
            one.send(batch),
            other.change(&["phn::phone"], KeyStrategy::Any)
        );
        match (&stored, &changed) {
            (Ok(_), Err(error)) => assert_eq!(reason_of(error), Some(Reason::ContactsExist)),
            (Err(error), Ok(_)) => assert_eq!(reason_of(error), Some(Reason::IdentifiersChanged)),
            both => panic!("{both:?}"),
        }
    }
}
