//! Which audiences can be touched, asked before anything is stored and remembered a while.

use std::collections::HashMap;
use std::time::Duration;

use bytestring::ByteString;
use moka::future::Cache;
use weir_ids::AudienceId;
use weir_reasons::Reason;

use super::App;
use super::batch::{Batch, Content, Event};
use crate::clients::Failure;
use crate::domain::envelope::{Envelope, MembershipUpdate, Refusal, SHOWN};
use crate::domain::stages::AudienceSaid;
use crate::domain::text::cut;

/// One that was deleted is taken for usable for so long at most, and only until the first update
/// of it is refused: events that come meanwhile are stored, but for their update.
const REMEMBERED: Duration = Duration::from_secs(5);
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

    /// Has it asked for again.
    pub async fn forget(&self, account_id: &str, audience_id: &str) {
        let key = (account_id.to_owned(), audience_id.to_owned());
        self.0.invalidate(&key).await;
    }
}

impl App {
    /// Says of each membership update whether its audience can be touched. Where nobody could be
    /// asked, those events fail and the others go on, but a request fails where it has no others;
    /// it is an error where one request alone may be at fault.
    pub(super) async fn check_audiences(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.is_checked = true;
        let mut checks: HashMap<ByteString, AudienceSaid> = HashMap::new();
        for event in &batch.events {
            if let Some((_, update)) = update_of(event) {
                checks
                    .entry(update.audience_id.clone())
                    .or_insert(AudienceSaid::Failed);
            }
        }
        if checks.is_empty() {
            return Ok(());
        }
        if let Err(failure) = self.ask(batch, &mut checks).await {
            if batch.is_content(&failure) {
                return Err(failure);
            }
            for (request, events) in batch.by_request() {
                if !events.iter().any(|event| goes_on(event, &checks)) {
                    request.stop(failure);
                }
            }
        }
        for event in &mut batch.events {
            let Some((envelope, update)) = update_of(event) else {
                continue;
            };
            let said = checks[&update.audience_id];
            let refusal = refusal(envelope, update, said);
            event.progress.audience = Some(said);
            if let Some(refusal) = refusal {
                event.content = Content::Refused(refusal);
            }
        }
        Ok(())
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

/// An echo is refused for what is wrong with it, as well (semantics 1.5).
fn update_of(event: &Event) -> Option<(&Envelope, &MembershipUpdate)> {
    match &event.content {
        Content::Good(envelope) | Content::Echo(envelope) => {
            Some((envelope, envelope.update.as_ref()?))
        }
        Content::Refused(_) => None,
    }
}

/// Whether it has an outcome without an audience that nobody could be asked about.
fn goes_on(event: &Event, checks: &HashMap<ByteString, AudienceSaid>) -> bool {
    match &event.content {
        Content::Good(envelope) => {
            let update = envelope.update.as_ref();
            update.is_none_or(|update| checks[&update.audience_id] != AudienceSaid::Failed)
        }
        Content::Echo(_) => true,
        Content::Refused(_) => false,
    }
}

fn refusal(envelope: &Envelope, update: &MembershipUpdate, said: AudienceSaid) -> Option<Refusal> {
    let code = match said {
        AudienceSaid::Unknown => Reason::AudienceUnknown,
        AudienceSaid::OtherOrigin => Reason::AudienceOtherOrigin,
        AudienceSaid::Usable | AudienceSaid::Failed => return None,
    };
    Some(Refusal {
        code,
        path: "audience.id",
        reason: "no audience that Segment (Actions) may change".into(),
        value: cut(&update.audience_id, SHOWN),
        message_id: envelope.message_id.to_string(),
        event_name: envelope.event_name.to_string(),
    })
}
