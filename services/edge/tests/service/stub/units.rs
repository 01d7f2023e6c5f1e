//! Quota: units as they are asked for.

use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use weir_proto::quota::v1::quota_service_server::QuotaService;
use weir_proto::quota::v1::{
    GetUsageRequest, GetUsageResponse, ListUsageRequest, ListUsageResponse, Meter, ReserveRequest,
    ReserveResponse, SettleRequest, SettleResponse, Settlement, Usage,
};

use super::{State, Stub};

fn in_an_hour() -> Option<Timestamp> {
    Some(Timestamp {
        seconds: chrono::Utc::now().timestamp() + 3_600,
        nanos: 0,
    })
}

impl State {
    /// What is charged or reserved.
    fn held(&self) -> (i64, i64) {
        let mut held = self.used;
        if self.held_for > 0 {
            held = (
                held.0 + self.held_elsewhere.0,
                held.1 + self.held_elsewhere.1,
            );
        }
        let reserved = self.reservations.values();
        reserved.fold(held, |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn settle(&mut self, settlement: &Settlement) {
        let stored = (settlement.profile_units, settlement.activity_units);
        let granted = self.reservations.remove(&settlement.batch_id).unwrap();
        assert!(
            stored.0 <= granted.0 && stored.1 <= granted.1,
            "{stored:?} of {granted:?}"
        );
        self.used = (self.used.0 + stored.0, self.used.1 + stored.1);
        self.settled.push(stored);
    }
}

#[tonic::async_trait]
impl QuotaService for Stub {
    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        self.answer("reserve", |state| {
            let request = request.into_inner();
            state.reserve_requests.push(request.clone());
            request.settlements.iter().for_each(|one| state.settle(one));
            let held = state.held();
            let profile = request
                .profile_units
                .min((state.profile_limit - held.0).max(0));
            let activity = request
                .activity_units
                .min((state.activity_limit - held.1).max(0));
            state.held_for = state.held_for.saturating_sub(1);
            state
                .reservations
                .insert(request.batch_id, (profile, activity));
            let meter = |granted, limit, held, used| {
                Some(Meter {
                    granted,
                    limit,
                    remaining: limit - held - granted,
                    used,
                })
            };
            let used = state.used;
            Ok(ReserveResponse {
                window: "2025-07-10".into(),
                epoch: 1,
                profile: meter(profile, state.profile_limit, held.0, used.0),
                activity: meter(activity, state.activity_limit, held.1, used.1),
                window_end_time: in_an_hour(),
                lease_expire_time: None,
            })
        })
        .await
    }

    async fn settle(
        &self,
        request: Request<SettleRequest>,
    ) -> Result<Response<SettleResponse>, Status> {
        self.answer("settle", |state| {
            let request = request.into_inner();
            request.settlements.iter().for_each(|one| state.settle(one));
            Ok(SettleResponse {})
        })
        .await
    }

    async fn get_usage(
        &self,
        _: Request<GetUsageRequest>,
    ) -> Result<Response<GetUsageResponse>, Status> {
        self.answer("get_usage", |state| {
            let (held, used) = (state.held(), state.used);
            let usage = |limit, held, used| {
                Some(Usage {
                    used,
                    reserved: held - used,
                    limit,
                    ..Default::default()
                })
            };
            Ok(GetUsageResponse {
                window: "2025-07-10".into(),
                window_end_time: in_an_hour(),
                profile: usage(state.profile_limit, held.0, used.0),
                activity: usage(state.activity_limit, held.1, used.1),
            })
        })
        .await
    }

    async fn list_usage(
        &self,
        _: Request<ListUsageRequest>,
    ) -> Result<Response<ListUsageResponse>, Status> {
        Err(Status::unimplemented("the edge does not ask it"))
    }
}
