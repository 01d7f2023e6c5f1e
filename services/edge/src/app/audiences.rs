//! Which audiences can be touched, asked before anything is stored and remembered a while.

use std::collections::HashMap;
use std::time::Duration;

use bytestring::ByteString;
use moka::future::Cache;
use weir_ids::AudienceId;

use super::App;
use super::batch::{Batch, Content};
use crate::clients::Failure;
use crate::domain::envelope::Refusal;
use crate::domain::stages::AudienceSaid;

/// Audiences are never taken from Segment again once it may touch them, so this only bounds
/// how long something that can't happen would go unseen.
const REMEMBERED: Duration = Duration::from_secs(60);
/// About 200 bytes each.
const MOST: u64 = 20_000;

/// Usable audiences, by account and id. What is not usable is asked each time: it may have
/// been created a moment ago.
pub(super) struct AudienceCache(Cache<(String, String), ()>);

impl AudienceCache {
    pub fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(REMEMBERED)
            .build();
        Self(cache)
    }
}

impl App {
    /// Says of each wish whether its audience can be touched. Where nobody could be asked,
    /// those events fail and the others go on, or the batch fails where there are no others.
    pub(super) async fn check_audiences(&self, batch: &mut Batch) -> Result<(), Failure> {
        let mut checks: HashMap<ByteString, AudienceSaid> = HashMap::new();
        for event in &batch.events {
            if let Content::Good(envelope) = &event.content
                && let Some(wish) = &envelope.wish
            {
                checks
                    .entry(wish.audience_id.clone())
                    .or_insert(AudienceSaid::Failed);
            }
        }
        if checks.is_empty() {
            return Ok(());
        }
        let failure = self.ask(batch, &mut checks).await.err();
        let mut others = 0;
        for event in &mut batch.events {
            let Content::Good(envelope) = &event.content else {
                continue;
            };
            let Some(wish) = &envelope.wish else {
                others += 1;
                continue;
            };
            let said = checks[&wish.audience_id];
            event.progress.audience = Some(said);
            others += usize::from(said != AudienceSaid::Failed);
            if let AudienceSaid::Unknown | AudienceSaid::OtherOrigin = said {
                event.content = Content::Refused(Refusal {
                    path: "audience.id",
                    reason: "no audience that Segment (Actions) may change".into(),
                    value: wish.audience_id.to_string(),
                    message_id: envelope.message_id.to_string(),
                    event_name: envelope.event_name.to_string(),
                });
            }
        }
        match failure {
            Some(failure) if others == 0 => Err(failure),
            _ => Ok(()),
        }
    }

    async fn ask(
        &self,
        batch: &Batch,
        checks: &mut HashMap<ByteString, AudienceSaid>,
    ) -> Result<(), Failure> {
        let account_id = &batch.caller.account_id;
        let mut unseen = Vec::new();
        for (id, said) in checks.iter_mut() {
            let key = (account_id.clone(), id.to_string());
            if id.parse::<AudienceId>().is_err() {
                *said = AudienceSaid::Unknown;
            } else if self.audiences.0.get(&key).await.is_some() {
                *said = AudienceSaid::Usable;
            } else {
                unseen.push(id.clone());
            }
        }
        if unseen.is_empty() {
            return Ok(());
        }
        let answers = self
            .clients
            .check_audiences(account_id, &unseen, batch.deadline)
            .await?;
        for (id, said) in unseen.into_iter().zip(answers) {
            if said == AudienceSaid::Usable {
                // With a text of its own: a slice would keep the whole request.
                let key = (account_id.clone(), id.to_string());
                self.audiences.0.insert(key, ()).await;
            }
            checks.insert(id, said);
        }
        Ok(())
    }
}
