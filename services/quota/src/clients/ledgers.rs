//! The ledgers of what was stored: each holds units of one kind.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use weir_ids::{AccountId, BatchId};
use weir_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, FenceUsageRequest, FenceUsageResponse, ListWindowsRequest,
    WindowUnits,
};
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use super::{Error, failure};
use crate::domain::{UnitKind, Units, Window};

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
}

/// The epochs of the ledgers, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands(Vec<i64>);

impl Stands {
    pub fn highest(&self) -> i64 {
        self.0.iter().copied().max().unwrap_or_default()
    }
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
            let client = LedgerServiceClient::new(peer.connect(url)?);
            Ok(Ledger {
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
            let fenced = ledger.fence(account, 0, from, deadline).await?;
            ledger.amount(fenced.epoch)
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
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<(Stands, Sums), Error> {
        let raised = self.0.iter().zip(&stands.0).map(|(ledger, stands)| {
            climb(*stands, epoch, deadline, move |epoch| {
                ledger.fence(account, epoch, from, deadline)
            })
        });
        let raised: Result<Vec<FenceUsageResponse>, Error> =
            join_all(raised).await.into_iter().collect();
        let (mut stands, mut sums) = (Vec::new(), Sums::new());
        for (ledger, raised) in self.0.iter().zip(raised?) {
            stands.push(ledger.amount(raised.epoch)?);
            ledger.add(&mut sums, raised.sums)?;
        }
        Ok((Stands(stands), sums))
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
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<FenceUsageResponse, Error> {
        let request = deadline.request(FenceUsageRequest {
            account_id: account.to_string(),
            epoch,
            from_window: from.to_string(),
        });
        let request = request.map_err(|status| failure(self.service, &status))?;
        let fenced = self.client.clone().fence_usage(request).await;
        let fenced = fenced.map_err(|status| failure(self.service, &status))?;
        Ok(fenced.into_inner())
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
