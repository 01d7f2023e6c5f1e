//! What stands in the account's row: the epoch of its units, and what tells its contacts apart.

use tonic::Code;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, GetUniqueIdentifiersRequest, VersionedIdentifiers,
};
use weir_proto::ledger::v1::{BatchKey, CloseBatchesRequest, FenceUsageRequest};
use weir_proto::settings::v1::KeyStrategy;
use weir_reasons::Reason;
use weir_rpc::{reason_of, told};

use crate::harness::*;

const LANA: &str = r#"{"str::first":"Lana"}"#;

impl Service {
    pub async fn fence(&self, epoch: i64) -> Result<i64, tonic::Status> {
        let request = FenceUsageRequest {
            account_id: self.account.to_string(),
            epoch,
            from_window: WINDOW.to_owned(),
            ..FenceUsageRequest::default()
        };
        let answer = self.ledger.clone().fence_usage(request).await?;
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

    pub async fn stands(&self) -> Result<Option<VersionedIdentifiers>, tonic::Status> {
        let request = GetUniqueIdentifiersRequest {
            account_id: self.account.to_string(),
        };
        let answer = self.client.clone().get_unique_identifiers(request).await?;
        Ok(answer.into_inner().identifiers)
    }

    pub async fn close(&self) -> Result<Vec<i64>, tonic::Status> {
        let batch = BatchKey {
            batch_id: uuid::Uuid::now_v7().to_string(),
            window: WINDOW.to_owned(),
        };
        let request = CloseBatchesRequest {
            account_id: self.account.to_string(),
            batches: vec![batch],
        };
        let answer = self.ledger.clone().close_batches(request).await?;
        Ok(answer.into_inner().units)
    }

    /// What each call answers that would write for an account, or say that nothing stands.
    async fn refusals(&self) -> [Option<tonic::Status>; 5] {
        let batch = self.batch(vec![identify(0, ("u1", "-"), LANA)]);
        [
            self.stands().await.err(),
            self.change(&["phn::phone"], KeyStrategy::Any).await.err(),
            self.close().await.err(),
            self.fence(1).await.err(),
            self.send(batch).await.err(),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_does_not_exist_is_refused_and_leaves_nothing() {
    let service = Service::start().await;
    let others = &service.others;
    let anchors = "SELECT count(*) FROM accounts WHERE account_id = $1";
    others.set_account(service.account, false);
    for refused in service.refusals().await {
        let refused = refused.unwrap();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        assert_eq!(reason_of(&refused), Some(Reason::AccountUnknown));
    }
    others.set_away(true);
    for refused in service.refusals().await {
        assert_eq!(refused.unwrap().code(), Code::Unavailable);
    }
    assert_eq!(service.count(anchors).await, 0);

    // Once it is made, it is there, and known here from then on.
    others.set_away(false);
    others.set_account(service.account, true);
    assert_eq!(service.stands().await.unwrap(), None);
    assert_eq!(service.count(anchors).await, 0);
    assert_eq!(service.close().await.unwrap(), [0]);
    others.set_account(service.account, false);
    others.set_away(true);
    let [.., changed, closed, fenced, stored] = service.refusals().await;
    assert!(changed.is_none() && closed.is_none() && fenced.is_none());
    // Known, but of the epoch before.
    assert_eq!(reason_of(&stored.unwrap()), Some(Reason::EpochPast));
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
    let negative = service.fence(-1).await.unwrap_err();
    assert_eq!(reason_of(&negative), Some(Reason::FieldInvalid));
    assert_eq!(service.fence(2_000_000).await.unwrap(), 2_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_identifiers_change_until_the_first_contact_and_each_change_has_a_version() {
    let mut service = Service::start().await;
    assert_eq!(service.stands().await.unwrap(), None);
    let phone = || ["phn::phone", "str::email"];
    let changed = service.change(&phone(), KeyStrategy::Any).await.unwrap();
    assert_eq!(changed.version, 1);
    let again = service.change(&phone(), KeyStrategy::Any).await.unwrap();
    assert_eq!(again, changed);
    assert_eq!(service.stands().await.unwrap(), Some(changed));
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
        &["str::ei", "str::email", "phn::phone"],
        &["int:cm:x"],
        &["txt:cm:x"],
        &["geo::city"],
        &["dtz::b"],
        &["str::email", "obj:cm:x"],
        // Of no account.
        &["str::nobody"],
        &["phn::email"],
        &["str:cm:"],
        &[""],
    ] {
        let error = service.change(wrong, KeyStrategy::Any).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{wrong:?}");
        assert!(error.message().contains("unique_identifiers"), "{error}");
        // Nor are events stored under them; more than two may be under way in a reindex.
        if wrong.len() > 2 {
            continue;
        }
        let mut batch = service.batch(vec![identify(2, ("u2", "-"), LANA)]);
        batch.unique_identifiers = wrong.iter().map(|field| (*field).to_owned()).collect();
        let error = service.send(batch).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{wrong:?}");
    }
    service.account = uuid::Uuid::now_v7();
    for right in [&["phn:cm:mobile", "str:cm:x"][..], &["str::ei"], &[]] {
        service.change(right, KeyStrategy::Any).await.unwrap();
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
