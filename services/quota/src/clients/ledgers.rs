//! The ledgers of what was stored: each holds units of one kind.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;
use weir_ids::{AccountId, BatchId};
use weir_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, FenceUsageRequest, FenceUsageResponse, GrantUnitsRequest,
    GrantUnitsResponse, Grantor as WireGrantor, ListWindowsRequest, WindowUnits,
};
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use super::{Error, failure};
use crate::domain::{Grantor, Standing, Step, UnitKind, Units, Window, Wish, is_reached, step};

/// A ledger takes no epoch that is further above its own than this.
const STEP: i64 = 1_000_000;

/// All of them; they are always asked together, and all answer, or it is an error.
#[derive(Clone)]
pub struct Ledgers(Vec<Ledger>);

#[derive(Clone)]
struct Ledger {
    /// For the log and errors.
    service: &'static str,
    kind: UnitKind,
    client: LedgerServiceClient<Channel>,
    health: HealthClient<Channel>,
}

/// What the ledgers say of an account, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands(Vec<(Standing, Option<Hold>)>);

/// A replica of quota told a ledger that it misses Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub by: Uuid,
    /// How long that counts.
    pub left: Duration,
}

impl Stands {
    /// What is to be done next.
    pub fn step(&self, wish: Wish) -> Step {
        step(&self.standings(), wish).expect("there are ledgers")
    }

    /// Whether all stand where they were raised to.
    pub fn are_at(&self, raised: Standing) -> bool {
        is_reached(&self.standings(), raised)
    }

    /// Who holds on to the ledgers for longest.
    pub fn hold(&self) -> Option<Hold> {
        longest(self.0.iter().map(|(_, hold)| *hold))
    }

    fn standings(&self) -> Vec<Standing> {
        self.0.iter().map(|(standing, _)| *standing).collect()
    }
}

fn longest(holds: impl Iterator<Item = Option<Hold>>) -> Option<Hold> {
    holds.flatten().max_by_key(|hold| hold.left)
}

/// What the ledgers are asked to grant.
#[derive(Debug, Clone, Copy)]
pub struct LedgerAsk<'a> {
    pub account: AccountId,
    pub epoch: i64,
    pub window: Window,
    /// None: nothing.
    pub batch: Option<BatchId>,
    pub units: Units,
    pub limits: Units,
    pub lease: Duration,
    pub settled: &'a [BatchId],
    /// The replica that asks, where it misses Redis.
    pub missing: Option<Uuid>,
}

/// What they granted.
#[derive(Debug, Clone, Copy, Default)]
pub struct LedgerGrant {
    pub granted: Units,
    pub used: Units,
    pub reserved: Units,
    pub settled: usize,
    pub hold: Option<Hold>,
}

/// What the ledgers hold, by window.
pub type Sums = BTreeMap<Window, Units>;

impl Ledgers {
    /// Connects on first use. A list of services, the kind of units that each charges, and its
    /// address.
    ///
    /// # Errors
    /// Where an address is not one.
    pub fn connect(
        services: &[(&'static str, UnitKind, Peer, &str)],
    ) -> Result<Self, NotAnAddress> {
        let ledger = |&(service, kind, peer, url): &(_, _, Peer, &str)| {
            let channel = peer.connect(url)?;
            let client = LedgerServiceClient::new(channel.clone());
            Ok(Ledger {
                health: HealthClient::new(channel),
                service,
                kind,
                client: client.max_decoding_message_size(weir_rpc::MAX_MESSAGE),
            })
        };
        let ledgers: Result<_, _> = services.iter().map(ledger).collect();
        Ok(Self(ledgers?))
    }

    /// The epochs that stand.
    ///
    /// # Errors
    /// Where a ledger is away.
    pub async fn stands(
        &self,
        account: AccountId,
        from: Window,
        deadline: Deadline,
    ) -> Result<Stands, Error> {
        let asked = self.0.iter().map(|ledger| async move {
            let nothing = Standing {
                epoch: 0,
                grantor: Grantor::Redis,
            };
            let fenced = ledger.fence(account, nothing, from, deadline).await?;
            ledger.stands(&fenced)
        });
        let stands: Result<_, Error> = join_all(asked).await.into_iter().collect();
        Ok(Stands(stands?))
    }

    /// Raises the account's epoch in all ledgers, and reads what each has stored since `from`.
    ///
    /// # Errors
    /// Where a ledger is away, or so far behind the others that the time was over before it had
    /// caught up.
    pub async fn raise(
        &self,
        account: AccountId,
        stands: &Stands,
        to: Standing,
        from: Window,
        deadline: Deadline,
    ) -> Result<(Stands, Sums), Error> {
        let raised = self.0.iter().zip(&stands.0).map(|(ledger, (stands, _))| {
            climb(stands.epoch, to.epoch, deadline, move |epoch| {
                ledger.fence(account, Standing { epoch, ..to }, from, deadline)
            })
        });
        let raised: Result<Vec<FenceUsageResponse>, Error> =
            join_all(raised).await.into_iter().collect();
        let (mut stands, mut sums) = (Vec::new(), Sums::new());
        for (ledger, raised) in self.0.iter().zip(raised?) {
            stands.push(ledger.stands(&raised)?);
            ledger.add(&mut sums, raised.sums)?;
        }
        Ok((Stands(stands), sums))
    }

    /// Has each ledger settle batches, and grant units of its kind. `Err` of the epoch that one of
    /// them says stands: the ledgers do not grant under that of the call.
    ///
    /// # Errors
    /// Where a ledger is away.
    pub async fn grant(
        &self,
        ask: &LedgerAsk<'_>,
        deadline: Deadline,
    ) -> Result<Result<LedgerGrant, i64>, Error> {
        let asked = self.0.iter().map(|ledger| ledger.grant(ask, deadline));
        let mut all = LedgerGrant::default();
        let mut moved = None;
        for (ledger, answer) in self.0.iter().zip(join_all(asked).await) {
            let answer = answer?;
            let (stands, hold) = ledger.stands_of(
                answer.epoch,
                answer.granted_by(),
                &answer.held_by,
                answer.held_ms,
            )?;
            let wanted = Standing {
                epoch: ask.epoch,
                grantor: Grantor::Ledgers,
            };
            if stands != wanted {
                moved = moved.max(Some(stands.epoch));
                continue;
            }
            *all.granted.of_mut(ledger.kind) = ledger.amount(answer.granted)?;
            *all.used.of_mut(ledger.kind) = ledger.amount(answer.used)?;
            *all.reserved.of_mut(ledger.kind) = ledger.amount(answer.reserved)?;
            let settled = usize::try_from(answer.settled).unwrap_or_default();
            all.settled = all.settled.max(settled);
            all.hold = longest([all.hold, hold].into_iter());
        }
        Ok(moved.map_or(Ok(all), Err))
    }

    /// Whether all of them serve.
    pub async fn are_healthy(&self, deadline: Deadline) -> bool {
        let asked = self.0.iter().map(|ledger| ledger.is_healthy(deadline));
        join_all(asked).await.into_iter().all(|healthy| healthy)
    }

    /// What was charged since a window, as far as it is stored.
    ///
    /// # Errors
    /// Where a ledger is away.
    pub async fn windows(
        &self,
        account: AccountId,
        from: Window,
        deadline: Deadline,
    ) -> Result<Sums, Error> {
        let asked = self.0.iter();
        let asked = asked.map(|ledger| ledger.windows(account, from, deadline));
        let mut sums = Sums::new();
        for (ledger, windows) in self.0.iter().zip(join_all(asked).await) {
            ledger.add(&mut sums, windows?)?;
        }
        Ok(sums)
    }

    /// Closes batches in all ledgers, and answers what each of them stored, in order.
    ///
    /// # Errors
    /// Where one of them is away.
    pub async fn close(
        &self,
        account: AccountId,
        batches: &[(BatchId, Window)],
        deadline: Deadline,
    ) -> Result<Vec<Units>, Error> {
        let closed = self.0.iter();
        let closed = closed.map(|ledger| ledger.close(account, batches, deadline));
        let closed: Result<Vec<Vec<i64>>, Error> = join_all(closed).await.into_iter().collect();
        let mut stored = vec![Units::default(); batches.len()];
        for (ledger, closed) in self.0.iter().zip(closed?) {
            for (stored, units) in stored.iter_mut().zip(closed) {
                *stored.of_mut(ledger.kind) += units;
            }
        }
        Ok(stored)
    }
}

impl Ledger {
    async fn fence(
        &self,
        account: AccountId,
        raised: Standing,
        from: Window,
        deadline: Deadline,
    ) -> Result<FenceUsageResponse, Error> {
        let granted_by = match raised.grantor {
            Grantor::Redis => WireGrantor::Redis,
            Grantor::Ledgers => WireGrantor::Ledgers,
        };
        let request = deadline.request(FenceUsageRequest {
            account_id: account.to_string(),
            epoch: raised.epoch,
            from_window: from.to_string(),
            granted_by: granted_by.into(),
        });
        let request = request.map_err(|status| failure(self.service, &status))?;
        let fenced = self.client.clone().fence_usage(request).await;
        let fenced = fenced.map_err(|status| failure(self.service, &status))?;
        Ok(fenced.into_inner())
    }

    fn stands(&self, fenced: &FenceUsageResponse) -> Result<(Standing, Option<Hold>), Error> {
        let by = fenced.granted_by();
        self.stands_of(fenced.epoch, by, &fenced.held_by, fenced.held_ms)
    }

    fn stands_of(
        &self,
        epoch: i64,
        granted_by: WireGrantor,
        held_by: &str,
        held_ms: i64,
    ) -> Result<(Standing, Option<Hold>), Error> {
        let grantor = match granted_by {
            WireGrantor::Ledgers => Grantor::Ledgers,
            // What a ledger of an earlier version says.
            WireGrantor::Redis | WireGrantor::Unspecified => Grantor::Redis,
        };
        let epoch = self.amount(epoch)?;
        let left = Duration::from_millis(held_ms.max(0).unsigned_abs());
        let hold = Uuid::try_parse(held_by).ok().map(|by| Hold { by, left });
        let hold = hold.filter(|hold| !hold.left.is_zero());
        Ok((Standing { epoch, grantor }, hold))
    }

    async fn grant(
        &self,
        ask: &LedgerAsk<'_>,
        deadline: Deadline,
    ) -> Result<GrantUnitsResponse, Error> {
        let text = |id: Option<String>| id.unwrap_or_default();
        let request = deadline.request(GrantUnitsRequest {
            account_id: ask.account.to_string(),
            epoch: ask.epoch,
            window: ask.window.to_string(),
            batch_id: text(ask.batch.map(|batch| batch.to_string())),
            units: self.kind.of(ask.units),
            limit: self.kind.of(ask.limits),
            lease_ms: i64::try_from(ask.lease.as_millis()).unwrap_or(i64::MAX),
            settled_batch_ids: ask.settled.iter().map(ToString::to_string).collect(),
            missing_replica: text(ask.missing.map(|replica| replica.to_string())),
        });
        let request = request.map_err(|status| failure(self.service, &status))?;
        let granted = self.client.clone().grant_units(request).await;
        let granted = granted.map_err(|status| failure(self.service, &status))?;
        Ok(granted.into_inner())
    }

    async fn is_healthy(&self, deadline: Deadline) -> bool {
        let Ok(request) = deadline.request(HealthCheckRequest::default()) else {
            return false;
        };
        let mut client = self.health.clone();
        let asked = tokio::time::timeout(deadline.remaining(), client.check(request)).await;
        let answer = asked.ok().and_then(Result::ok);
        answer.is_some_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
    }

    async fn close(
        &self,
        account: AccountId,
        batches: &[(BatchId, Window)],
        deadline: Deadline,
    ) -> Result<Vec<i64>, Error> {
        let keys = batches.iter().map(|(batch, window)| BatchKey {
            batch_id: batch.to_string(),
            window: window.to_string(),
        });
        let request = deadline.request(CloseBatchesRequest {
            account_id: account.to_string(),
            batches: keys.collect(),
        });
        let request = request.map_err(|status| failure(self.service, &status))?;
        let closed = self.client.clone().close_batches(request).await;
        let closed = closed.map_err(|status| failure(self.service, &status))?;
        let units = closed.into_inner().units;
        if units.len() != batches.len() {
            return Err(Error::Unreadable(self.service));
        }
        units.into_iter().map(|units| self.amount(units)).collect()
    }

    async fn windows(
        &self,
        account: AccountId,
        from: Window,
        deadline: Deadline,
    ) -> Result<Vec<WindowUnits>, Error> {
        let request = deadline.request(ListWindowsRequest {
            account_id: account.to_string(),
            from_window: from.to_string(),
        });
        let request = request.map_err(|status| failure(self.service, &status))?;
        let listed = self.client.clone().list_windows(request).await;
        let listed = listed.map_err(|status| failure(self.service, &status))?;
        Ok(listed.into_inner().windows)
    }

    fn add(&self, sums: &mut Sums, windows: Vec<WindowUnits>) -> Result<(), Error> {
        for sum in windows {
            let window = sum.window.parse();
            let window = window.map_err(|_| Error::Unreadable(self.service))?;
            let units = sums.entry(window).or_default();
            *units.of_mut(self.kind) += self.amount(sum.units)?;
        }
        Ok(())
    }

    /// Units, or an epoch: as large as scripts can count.
    fn amount(&self, number: i64) -> Result<i64, Error> {
        if (0..=crate::domain::limit::MAX_UNITS).contains(&number) {
            Ok(number)
        } else {
            Err(Error::Unreadable(self.service))
        }
    }
}

/// Raises an epoch in steps that a ledger takes; answers what it said to the last. Each step
/// lasts: where the time is over first, the next call begins where this one ended.
async fn climb<T, F>(
    stands: i64,
    epoch: i64,
    deadline: Deadline,
    fence: impl Fn(i64) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut reached = stands;
    while epoch - reached > STEP {
        reached += STEP;
        let fenced = fence(reached).await;
        if deadline.passed() {
            tracing::warn!(reached, epoch, "the epochs of the ledgers are far apart");
            return Err(Error::LedgersApart);
        }
        fenced?;
    }
    fence(epoch).await
}
