//! A value that PostgreSQL does not take costs its own update alone: the second line behind
//! values that are checked where they come in (semantics 1.2).

use std::ops::Range;
use std::sync::Arc;

use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::culprits;

use super::updates::Ending;
use super::{App, Error};
use crate::domain::{MembershipUpdate, Outcome};

impl App {
    /// Finds the updates that PostgreSQL does not take by attempts that are undone, and applies
    /// the others in one transaction. All of them together were refused.
    pub(super) async fn apply_without_culprits(
        &self,
        account: AccountId,
        updates: &Arc<[MembershipUpdate]>,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        let is_refused = async |part: Range<usize>| {
            let attempt = self.apply_some(account, updates, part, Ending::Undo, deadline);
            match attempt.await {
                Err(Error::Store(Failure::Refused)) => Ok(true),
                attempted => attempted.map(|_| false),
            }
        };
        let all = updates.len();
        let culprits = culprits(all, all, is_refused).await?;
        let good: Vec<usize> = (0..all)
            .filter(|index| culprits.binary_search(index).is_err())
            .collect();
        let mut outcomes = vec![Outcome::Unstorable; all];
        if !good.is_empty() {
            let rest = good.iter().map(|index| updates[*index].clone()).collect();
            let applied = self.apply_some(account, &rest, 0..good.len(), Ending::Commit, deadline);
            for (index, outcome) in good.into_iter().zip(applied.await?) {
                outcomes[index] = outcome;
            }
        }
        Ok(outcomes)
    }
}
