//! Units that the ledger grants itself, while Redis is away (semantics 6.6a).

use std::collections::BTreeSet;

use uuid::Uuid;
use weir_proto::ledger::v1::{
    FenceUsageRequest, FenceUsageResponse, GrantUnitsRequest, GrantUnitsResponse, Grantor,
};
use weir_reasons::Reason;

use crate::harness::*;

impl Weir {
    pub async fn turn(&self, epoch: i64, grantor: Grantor) -> FenceUsageResponse {
        let request = FenceUsageRequest {
            account_id: self.account.to_string(),
            epoch,
            from_window: window(),
            granted_by: grantor.into(),
        };
        let response = self.ledger.clone().fence_usage(request).await;
        response.unwrap().into_inner()
    }

    pub fn asks(&self, epoch: i64, batch: Uuid, units: i64, limit: i64) -> GrantUnitsRequest {
        GrantUnitsRequest {
            account_id: self.account.to_string(),
            epoch,
            window: window(),
            batch_id: batch.to_string(),
            units,
            limit,
            lease_ms: 60_000,
            ..GrantUnitsRequest::default()
        }
    }

    pub async fn grant(&self, request: GrantUnitsRequest) -> GrantUnitsResponse {
        let response = self.ledger.clone().grant_units(request).await;
        response.unwrap().into_inner()
    }

    /// Stores so many events of a granted batch: how many were charged, if any could be.
    async fn store(&self, epoch: i64, batch: Uuid, events: usize) -> Option<i64> {
        let events = (0..events).map(|n| of_user("lana", &format!("{batch}-{n}")));
        let mut request = self.request(events.collect());
        (request.epoch, request.batch_id) = (epoch, batch.to_string());
        self.send(request).await.ok().map(|(_, units)| units)
    }
}

/// Granted, used and reserved.
fn units(answer: &GrantUnitsResponse) -> (i64, i64, i64) {
    (answer.granted, answer.used, answer.reserved)
}

#[tokio::test]
async fn what_is_free_is_granted_once_and_what_was_not_stored_is_free_again() {
    let weir = start().await;
    weir.record(vec![of_user("lana", "m1"), of_user("lana", "m2")])
        .await;
    let fenced = weir.turn(5, Grantor::Ledgers).await;
    assert_eq!((fenced.epoch, fenced.granted_by()), (5, Grantor::Ledgers));
    let batches: Vec<Uuid> = (0..4).map(|_| new_batch_id()).collect();
    let first = weir.grant(weir.asks(5, batches[0], 6, 10)).await;
    assert_eq!(units(&first), (6, 2, 6));
    // The same call again, whatever is wanted now.
    let again = weir.grant(weir.asks(5, batches[0], 9, 10)).await;
    assert_eq!(units(&again), (6, 2, 6));
    let second = weir.grant(weir.asks(5, batches[1], 6, 10)).await;
    assert_eq!(units(&second), (2, 2, 8));
    assert_eq!(weir.store(5, batches[0], 4).await, Some(4));

    let mut settling = weir.asks(5, batches[2], 6, 10);
    settling.settled_batch_ids = vec![batches[0].to_string(), batches[1].to_string()];
    let third = weir.grant(settling.clone()).await;
    assert_eq!(units(&third), (4, 6, 4));
    assert_eq!(third.settled, 2);
    // A batch that was settled is closed, and gets nothing.
    assert_eq!(weir.store(5, batches[1], 1).await, None);
    for batch in &batches[..2] {
        let late = weir.grant(weir.asks(5, *batch, 1, 100)).await;
        assert_eq!(units(&late), (0, 6, 4));
    }
    // Without a batch nothing is granted. A plan that was lowered leaves nothing.
    let mut look = weir.asks(5, batches[3], 6, 10);
    look.batch_id = String::new();
    assert_eq!(units(&weir.grant(look).await), (0, 6, 4));
    let lowered = weir.grant(weir.asks(5, batches[3], 6, 3)).await;
    assert_eq!(units(&lowered), (0, 6, 4));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_closed_by_the_next_batch() {
    let weir = start().await;
    weir.turn(1, Grantor::Ledgers).await;
    let (stored, lost, next) = (new_batch_id(), new_batch_id(), new_batch_id());
    for (batch, wanted) in [(stored, 4), (lost, 5)] {
        let mut ask = weir.asks(1, batch, wanted, 10);
        ask.lease_ms = 30_000;
        if batch == lost {
            ask.lease_ms = 0;
        }
        assert_eq!(weir.grant(ask).await.granted, wanted);
    }
    assert_eq!(weir.store(1, stored, 3).await, Some(3));
    let granted = weir.grant(weir.asks(1, next, 10, 10)).await;
    assert_eq!(units(&granted), (6, 0, 10));
    assert_eq!(weir.store(1, lost, 1).await, None);
    assert_eq!(weir.usage().await, 3);
}

#[tokio::test]
async fn where_redis_grants_or_another_epoch_stands_nothing_is_done_and_it_is_told() {
    let weir = start().await;
    let batch = new_batch_id();
    let stands = |answer: &GrantUnitsResponse| (answer.epoch, answer.granted_by());
    let nobody = weir.grant(weir.asks(0, batch, 1, 10)).await;
    assert_eq!(stands(&nobody), (0, Grantor::Redis));
    weir.turn(3, Grantor::Ledgers).await;
    // Of an epoch it never changes who grants.
    assert_eq!(
        weir.turn(3, Grantor::Redis).await.granted_by(),
        Grantor::Ledgers
    );
    for epoch in [2, 4] {
        let other = weir.grant(weir.asks(epoch, batch, 1, 10)).await;
        assert_eq!((stands(&other), other.granted), ((3, Grantor::Ledgers), 0));
    }
    let mut asked = weir.asks(3, batch, 4, 10);
    let replica = Uuid::now_v7().to_string();
    asked.missing_replica.clone_from(&replica);
    let granted = weir.grant(asked).await;
    assert_eq!((granted.granted, &granted.held_by), (4, &replica));
    assert!((20_000..=30_000).contains(&granted.held_ms));
    let fenced = weir.fence(0).await;
    assert_eq!(
        (fenced.granted_by(), fenced.held_by),
        (Grantor::Ledgers, replica)
    );

    let back = weir.turn(4, Grantor::Redis).await;
    assert_eq!((back.granted_by(), back.held_ms), (Grantor::Redis, 0));
    let late = weir.grant(weir.asks(3, batch, 1, 10)).await;
    assert_eq!((stands(&late), late.granted), ((4, Grantor::Redis), 0));
    assert_eq!(weir.store(3, batch, 1).await, None);
    let sql = weir.sql().await;
    for table in ["usage_grants", "usage_leases"] {
        let count = format!("SELECT count(*) FROM activity.{table}");
        let left: i64 = sql.query_one(&count, &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn a_window_begins_with_what_is_charged_in_it() {
    let weir = start().await;
    weir.record(vec![of_user("lana", "m1")]).await;
    weir.turn(1, Grantor::Ledgers).await;
    let mut tomorrow = weir.asks(1, new_batch_id(), 10, 10);
    let next = noon().date_naive().succ_opt().unwrap();
    tomorrow.window = next.to_string();
    assert_eq!(units(&weir.grant(tomorrow.clone()).await), (10, 0, 10));
    let today = weir.grant(weir.asks(1, new_batch_id(), 10, 10)).await;
    assert_eq!(units(&today), (9, 1, 9));
    // A batch is of one window.
    let batch: Uuid = tomorrow.batch_id.parse().unwrap();
    assert_eq!(
        units(&weir.grant(weir.asks(1, batch, 1, 100)).await),
        (0, 1, 9)
    );
    tomorrow.batch_id = new_batch_id().to_string();
    assert_eq!(units(&weir.grant(tomorrow).await), (0, 0, 10));
}

/// Semantics 6.5: by two replicas, with batches that are settled, that die, and epochs that are
/// raised in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_never_get_more_than_the_limit() {
    const LIMIT: i64 = 300;
    let weir = start().await;
    let other = instance(weir.database.clone(), weir.account).await;
    weir.turn(1, Grantor::Ledgers).await;
    let tasks = (0..8).map(|task| {
        let weir = if task % 2 == 0 { &weir } else { &other };
        let weir = weir.clone();
        tokio::spawn(async move {
            let (mut epoch, mut settled) = (1, Vec::new());
            for round in 0.. {
                let batch = new_batch_id();
                let mut ask = weir.asks(epoch, batch, 7, LIMIT);
                // Some are never settled.
                ask.lease_ms = 1_500;
                ask.settled_batch_ids = std::mem::take(&mut settled);
                let granted = weir.grant(ask).await;
                if granted.epoch != epoch {
                    epoch = granted.epoch;
                    continue;
                }
                if granted.used == LIMIT {
                    return;
                }
                assert!(granted.used + granted.reserved <= LIMIT);
                if task == 0 && round == 5 {
                    // All of this epoch is past.
                    weir.turn(epoch + 1, Grantor::Ledgers).await;
                    continue;
                }
                if granted.granted > 1 && (round + task) % 5 == 0 {
                    continue;
                }
                let some = usize::try_from(granted.granted.min(1 + round % 7)).unwrap();
                if some > 0 {
                    weir.store(epoch, batch, some).await;
                    settled.push(batch.to_string());
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(weir.usage().await, LIMIT);
}

#[tokio::test]
async fn what_can_not_be_asked_is_refused() {
    let weir = start().await;
    let good = weir.asks(0, new_batch_id(), 1, 1);
    let bad: [fn(&mut GrantUnitsRequest); 8] = [
        |ask| ask.account_id = "a".into(),
        |ask| ask.window = "today".into(),
        |ask| ask.batch_id = "a".into(),
        |ask| ask.units = 1_001,
        |ask| ask.limit = -1,
        |ask| ask.lease_ms = 3_600_001,
        |ask| ask.missing_replica = "a".into(),
        |ask| ask.settled_batch_ids = vec![new_batch_id().to_string(); 101],
    ];
    let mut said = BTreeSet::new();
    for spoil in bad {
        let mut ask = good.clone();
        spoil(&mut ask);
        let refused = weir.ledger.clone().grant_units(ask).await.unwrap_err();
        assert_eq!(weir_rpc::reason_of(&refused), Some(Reason::FieldInvalid));
        said.insert(refused.message().to_owned());
    }
    assert_eq!(said.len(), 8, "{said:?}");
}
