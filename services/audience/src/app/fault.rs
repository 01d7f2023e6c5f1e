//! The second line behind values that are checked where they come in: where PostgreSQL does not
//! take one all the same, the update at fault is found and refused, and the others are applied.

use std::ops::Range;
use std::sync::Arc;

use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::updates::End;
use super::{App, Error};
use crate::domain::{MembershipUpdate, Outcome};

impl App {
    /// Finds the updates at fault by halves, in attempts that are rolled back; then applies the
    /// rest in one transaction.
    pub(super) async fn apply_without_faults(
        &self,
        account: AccountId,
        updates: &Arc<[MembershipUpdate]>,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        let mut good = vec![true; updates.len()];
        let (half, all) = (updates.len().div_ceil(2), updates.len());
        // The whole was refused already.
        let mut suspects: Vec<Range<usize>> = vec![0..half, half..all];
        if all == 1 {
            suspects = Vec::new();
            good[0] = false;
        }
        while let Some(part) = suspects.pop() {
            let attempt = self.apply_some(account, updates, part.clone(), End::RollBack, deadline);
            match attempt.await {
                Ok(_) => {}
                Err(Error::Store(Failure::Refused)) if part.len() == 1 => good[part.start] = false,
                Err(Error::Store(Failure::Refused)) => {
                    let middle = part.start + part.len() / 2;
                    suspects.extend([part.start..middle, middle..part.end]);
                }
                Err(error) => return Err(error),
            }
        }
        tracing::error!(
            updates = good.iter().filter(|good| !**good).count(),
            "the database does not take values of updates"
        );
        let rest: Arc<[MembershipUpdate]> = updates
            .iter()
            .zip(&good)
            .filter(|(_, good)| **good)
            .map(|(update, _)| update.clone())
            .collect();
        let applied = if rest.is_empty() {
            Vec::new()
        } else {
            self.apply_some(account, &rest, 0..rest.len(), End::Commit, deadline)
                .await?
        };
        let mut applied = applied.into_iter();
        let of = |good: &bool| {
            let outcome = good.then(|| applied.next()).flatten();
            outcome.unwrap_or(Outcome::Unstorable)
        };
        Ok(good.iter().map(of).collect())
    }
}
