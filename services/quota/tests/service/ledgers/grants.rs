//! What a ledger grants itself, by the rules that the stores grant by, and its health.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use weir_proto::ledger::v1::{GrantUnitsRequest, GrantUnitsResponse, Grantor};

use super::Ledger;

/// Of an account for which the ledger grants, under its present epoch.
#[derive(Default)]
pub(super) struct Grants {
    /// By batch: its window, units, and the end of its lease.
    leases: BTreeMap<String, (String, i64, Instant)>,
    /// Which replica misses Redis, and until when that counts.
    hold: Option<(String, Instant)>,
}

/// As the stores have it.
const HOLD: Duration = Duration::from_secs(30);

impl Ledger {
    /// Whether it grants for an account itself, and who misses Redis for how long.
    pub fn granted_by(&self, account: &str) -> (Grantor, String, i64) {
        let rows = self.rows.lock().unwrap();
        let Some(grants) = rows.grants.get(account) else {
            return (Grantor::Redis, String::new(), 0);
        };
        let hold = grants.hold.clone().map(|(by, end)| {
            let left = end.saturating_duration_since(Instant::now());
            (by, i64::try_from(left.as_millis()).unwrap())
        });
        let (by, left) = hold.unwrap_or_default();
        (Grantor::Ledgers, by, left)
    }

    pub(super) fn grant(&self, request: &GrantUnitsRequest) -> GrantUnitsResponse {
        let (account, window) = (&request.account_id, &request.window);
        let mut rows = self.rows.lock().unwrap();
        let rows = &mut *rows;
        let mut answer = GrantUnitsResponse {
            epoch: rows.epochs.get(account).copied().unwrap_or(0),
            ..GrantUnitsResponse::default()
        };
        let Some(grants) = rows.grants.get_mut(account) else {
            return answer;
        };
        if answer.epoch != request.epoch {
            return answer;
        }
        let now = Instant::now();
        let is_settled = |batch: &String| request.settled_batch_ids.contains(batch);
        grants.leases.retain(|batch, (window, _, end)| {
            let is_over = is_settled(batch) || *end <= now;
            if is_over {
                let key = (account.clone(), window.clone(), batch.clone());
                rows.units.entry(key).or_insert(0);
                answer.settled += i64::from(is_settled(batch));
            }
            !is_over
        });
        for ((of, day, batch), units) in &rows.units {
            let is_open = grants.leases.contains_key(batch);
            if of == account && day == window && !is_open {
                answer.used += units;
            }
        }
        let leases = grants.leases.values();
        let of_window = leases.filter(|(day, ..)| day == window);
        answer.reserved = of_window.map(|(_, units, _)| units).sum();
        let batch = &request.batch_id;
        let key = (account.clone(), window.clone(), batch.clone());
        if let Some((_, units, _)) = grants.leases.get(batch) {
            answer.granted = *units;
        } else if !batch.is_empty() && !rows.units.contains_key(&key) {
            let free = request.limit - answer.used - answer.reserved;
            answer.granted = request.units.min(free).max(0);
            answer.reserved += answer.granted;
            let end = now + Duration::from_millis(request.lease_ms.unsigned_abs());
            let lease = (window.clone(), answer.granted, end);
            grants.leases.insert(batch.clone(), lease);
        }
        if !request.missing_replica.is_empty() {
            grants.hold = Some((request.missing_replica.clone(), now + HOLD));
        }
        answer
    }

    /// Its health, as whoever probes it sees it.
    pub(super) fn health(&self) -> HealthServer<impl Health> {
        HealthServer::new(Probe(self.away.clone()))
    }
}

struct Probe(Arc<AtomicBool>);

#[tonic::async_trait]
impl Health for Probe {
    type WatchStream = futures_util::stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let status = match self.0.load(Ordering::SeqCst) {
            true => ServingStatus::NotServing,
            false => ServingStatus::Serving,
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody watches"))
    }
}
