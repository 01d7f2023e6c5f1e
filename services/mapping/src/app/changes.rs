//! The record of changes, of all services (semantics 9.5).

use uuid::Uuid;
use weir_changes::{Part, merged};
use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::record::{Entry, Filter, NO_ACCOUNT};
use crate::store;

impl App {
    /// Newest first, before `before`: up to `size` of each service's, as far as all of them go; with
    /// `in_part` of those that answer, and which do not.
    pub async fn list_changes(
        &self,
        account_id: AccountId,
        filter: &Filter,
        (before, size): (Option<Uuid>, usize),
        in_part: bool,
        deadline: Deadline,
    ) -> Result<(Part<Entry>, Vec<&'static str>), Error> {
        let own = {
            let client = self.scoped(account_id).await?;
            let known = account_id == NO_ACCOUNT
                || store::read_version(&client, account_id).await?.is_some();
            if !known {
                return Err(Error::NotFound("account"));
            }
            let limit = weir_rpc::page_limit(size);
            store::list_changes(&client, account_id, filter, before, limit).await?
        };
        let mut parts = vec![Part::of_rows(own, size)];
        // What is of no account is mapping's alone.
        if account_id == NO_ACCOUNT {
            return Ok((merged(parts), Vec::new()));
        }
        let page = (filter, before, size);
        let others = self.record.read(account_id, page, in_part, deadline);
        let (others, missing) = others.await?;
        parts.extend(others);
        Ok((merged(parts), missing))
    }
}
