//! What must hold of what is stored, whatever happened before; asked once all is quiet.

use weir_doctor::{Scope, examine};

use crate::running::Weir;

impl Weir {
    /// Whatever breaks what must hold, as `./weir doctor` finds it. To be asked when the outbox is
    /// empty: of accounts for which something is still to be told, less is asked.
    pub async fn faults(&self) -> Vec<String> {
        let scope = Scope {
            account: None,
            redis: Some(self.redis_url()),
        };
        let report = examine(self.stack.postgres_url(), &scope, |_| {})
            .await
            .unwrap();
        assert_eq!(report.skipped, 0);
        report.faults.iter().map(ToString::to_string).collect()
    }

    /// Waits until everything was relayed, then panics with whatever breaks what must hold.
    pub async fn assert_sound(&self) {
        crate::eventually("links are relayed", async || {
            let waiting = self.query("SELECT 'row' FROM contact.outbox LIMIT 1");
            waiting.await.is_empty()
        })
        .await;
        let faults = self.faults().await;
        assert!(faults.is_empty(), "{faults:#?}");
        let deadlocks = "SELECT datname::text FROM pg_stat_database WHERE deadlocks > 0";
        let deadlocks = self.query(deadlocks).await;
        assert!(deadlocks.is_empty(), "deadlocks in {deadlocks:?}");
    }
}
