//! Units: charged once, in the transaction that stores, and never after a close or a fence.

use uuid::Uuid;
use weir_proto::ledger::v1::FenceUsageRequest;
use weir_reasons::Reason;

use crate::harness::*;

#[tokio::test]
async fn a_closed_batch_can_t_be_stored_any_more() {
    let weir = start().await;
    let request = weir.request(vec![of_user("lana", "m")]);
    let batch: Uuid = request.batch_id.parse().unwrap();
    assert_eq!(weir.close(&[batch]).await, [0]);
    let error = weir.send(request).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted);
    assert_eq!(weir_rpc::reason_of(&error), Some(Reason::BatchClosed));
    assert_eq!((weir.usage().await, weir.backlog().await), (0, 0));
    // Its events come again in another batch.
    assert_eq!(weir.record(vec![of_user("lana", "m")]).await, [Backlogged]);
}

#[tokio::test]
async fn closing_a_stored_batch_answers_what_it_was_charged() {
    let weir = start().await;
    let request = weir.request(vec![of_user("lana", "m1"), of_user("lana", "m2")]);
    let batch: Uuid = request.batch_id.parse().unwrap();
    weir.send(request).await.unwrap();
    let unknown = new_batch_id();
    assert_eq!(weir.close(&[unknown, batch, unknown]).await, [0, 2, 0]);
    assert_eq!(weir.close(&[batch]).await, [2]);
    assert_eq!(weir.usage().await, 2);
    assert!(weir.close(&[]).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_a_past_epoch_can_t_be_stored() {
    let weir = start().await;
    weir.record(vec![of_user("lana", "m1")]).await;
    let fenced = weir.fence(7).await;
    assert_eq!(fenced.epoch, 7);
    assert_eq!(fenced.sums.len(), 1);
    assert_eq!(
        (fenced.sums[0].window.clone(), fenced.sums[0].units),
        (window(), 1)
    );
    assert_eq!(weir.fence(3).await.epoch, 7, "it never goes back");

    let mut request = weir.request(vec![of_user("lana", "m2")]);
    request.epoch = 6;
    let error = weir.send(request.clone()).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted);
    assert_eq!(weir_rpc::reason_of(&error), Some(Reason::EpochPast));
    assert_eq!(weir_rpc::told(&error, "epoch").as_deref(), Some("7"));
    request.epoch = 7;
    assert_eq!(weir.send(request).await.unwrap().0, [Backlogged]);
    assert_eq!(weir.usage().await, 2);
}

#[tokio::test]
async fn an_account_that_nobody_has_seen_can_be_fenced_and_closed() {
    let weir = start().await;
    let fenced = weir.fence(9).await;
    assert_eq!((fenced.epoch, fenced.sums), (9, Vec::new()));
    let other = weir.other_account();
    assert_eq!(other.close(&[new_batch_id()]).await, [0]);
    assert_eq!(other.fence(0).await.sums, []);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_after_its_commit_is_not_charged_again() {
    let weir = start().await;
    let request = weir.request(vec![of_user("lana", "m1"), of_user("lana", "m2")]);
    weir.send(request.clone()).await.unwrap();
    let (statuses, units) = weir.send(request).await.unwrap();
    assert_eq!((statuses, units), (vec![Repeated, Repeated], 0));
    assert_eq!(weir.usage().await, 2);
}

#[tokio::test]
async fn an_epoch_that_no_rebuild_can_have_come_to_shuts_nobody_out() {
    let weir = start().await;
    weir.fence(40).await;
    for (epoch, reason) in [
        (1_000_041, Reason::EpochImplausible),
        (i64::MAX, Reason::EpochImplausible),
        (-1, Reason::FieldInvalid),
        (i64::MIN, Reason::FieldInvalid),
    ] {
        let request = FenceUsageRequest {
            account_id: weir.account.to_string(),
            epoch,
            from_window: window(),
            ..FenceUsageRequest::default()
        };
        let error = weir.ledger.clone().fence_usage(request).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        assert_eq!(weir_rpc::reason_of(&error), Some(reason));
    }
    assert_eq!(weir.fence(0).await.epoch, 40);
    assert_eq!(weir.fence(1_000_040).await.epoch, 1_000_040);
}
