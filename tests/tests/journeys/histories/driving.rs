//! A history, lived by an account of the running system and by the model: after each step both
//! must have the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::delete_contact_request::Key;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_stack::Channel;
use weir_tests::model::{Event, Id, KEYS, Model, NotMerged, Said, Sight, Strategy};
use weir_tests::{Account, Weir, eventually};

use super::making::{DELETED, History, Step};
use super::seeing;

/// How long what goes by itself may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What differed, in words, and at which step.
#[derive(Debug)]
pub struct Difference {
    pub step: usize,
    pub what: String,
}

/// An account and its model.
pub struct Life {
    pub account: Account,
    pub model: Model,
    strategy: Strategy,
    /// The second from which the history counts, since 1970.
    pub base: i64,
    /// Whoever is asked next.
    turn: usize,
    /// Answered 200, and a repeat as it stands.
    stored: Vec<Event>,
    /// Stored before somebody was deleted, or split.
    before: Vec<Event>,
    /// Deletions of which activity need not know yet.
    deletions: Vec<String>,
}

/// Lives it all.
pub async fn live(weir: &'static Weir, history: &History) -> Result<(), Difference> {
    let mut life = Life::begin(weir, history).await;
    for (step, what) in history.steps.iter().enumerate() {
        let lived = life.step(what).await;
        lived.map_err(|what| Difference { step, what })?;
    }
    let (charged, expected) = (life.account.usage().await, life.model.units);
    if charged == expected {
        return Ok(());
    }
    let step = history.steps.len();
    let what = format!("charged {charged:?}, and not {expected:?}");
    Err(Difference { step, what })
}

fn unlike<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), String> {
    if is == expected {
        return Ok(());
    }
    Err(format!("{what}: is {is:#?}\nand should be {expected:#?}"))
}

impl Life {
    pub async fn begin(weir: &'static Weir, history: &History) -> Self {
        Self {
            account: seeing::account(weir, history.rules).await,
            model: Model::new(history.rules),
            strategy: history.rules.strategy,
            base: chrono::Utc::now().timestamp() - 2 * 3_600,
            turn: 0,
            stored: Vec::new(),
            before: Vec::new(),
            deletions: Vec::new(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Batch(events) => {
                let clear = events.iter().filter(|event| !self.model.is_unclear(event));
                let clear: Vec<Event> = clear.cloned().collect();
                self.batch(&clear).await?;
            }
            Step::Again(pick) => self.again(*pick).await?,
            Step::Merge {
                pair,
                allows_two_user_ids,
            } => {
                self.merge(*pair, *allows_two_user_ids).await?;
            }
            Step::Split(pick) => self.split(*pick).await?,
            Step::MergeAndSplit(pair) => self.merge_and_split(*pair).await?,
            Step::Delete(pick) => self.delete(*pick).await?,
            Step::DeleteId(id) => self.delete_id(id).await?,
        }
        self.compare().await
    }

    /// What is seen of contacts at once, and of what they did once it was told.
    async fn compare(&self) -> Result<(), String> {
        let expected = self.model.sight();
        let began = Instant::now();
        loop {
            let mut seen = seeing::sight(&self.account, self.base).await;
            let told = seeing::is_told(&self.account).await;
            if told && seen == expected {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return unlike("seen", &seen, &expected);
            }
            without_deeds(&mut seen);
            let mut contacts = expected.clone();
            without_deeds(&mut contacts);
            unlike("contacts", &seen, &contacts)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a batch, and compares what each event is answered.
    pub async fn batch(&mut self, events: &[Event]) -> Result<(), String> {
        if events.is_empty() {
            return Ok(());
        }
        if events[0].track.is_some() {
            self.until_deletions_are_known().await;
        }
        let statuses = send(&self.account, self.base, events).await;
        let expected = self.model.take(events);
        unlike(&format!("answers to {events:#?}"), &statuses, &expected)?;
        let answered = events.iter().zip(statuses);
        let stored = answered.filter(|(_, status)| *status == 200);
        self.stored.extend(stored.map(|(event, _)| event.clone()));
        Ok(())
    }

    /// A repeat is 200 and changes nothing (semantics 1.4); an identify all of whose words were
    /// overtaken may be 422. What is late is refused.
    async fn again(&mut self, pick: usize) -> Result<(), String> {
        let late = self
            .before
            .iter()
            .filter(|event| self.model.is_deleted(event));
        let events: Vec<&Event> = self.stored.iter().chain(late).collect();
        if events.is_empty() {
            return Ok(());
        }
        let event = events[pick % events.len()].clone();
        if self.model.is_deleted(&event) {
            return self.batch(&[event]).await;
        }
        let statuses = send(&self.account, self.base, std::slice::from_ref(&event)).await;
        let may_be_overtaken = event.track.is_none() && self.strategy == Strategy::Overwrite;
        match statuses[..] {
            [200] => Ok(()),
            [422] if may_be_overtaken => Ok(()),
            _ => Err(format!("a repeat is {statuses:?}: {event:#?}")),
        }
    }

    /// The replicas take turns.
    fn client(&mut self) -> PeopleServiceClient<Channel> {
        self.turn += 1;
        self.account.weir.people_at(self.turn)
    }

    async fn merge(&mut self, pair: (usize, usize), allowed: bool) -> Result<Option<Uuid>, String> {
        let living = seeing::ids(&self.account).await.living;
        if living.is_empty() {
            return Ok(None);
        }
        let (one, other) = (pair.0 % living.len(), pair.1 % living.len());
        let id = Uuid::now_v7();
        let request = contact::MergeContactsRequest {
            account_id: self.account.account_id.clone(),
            request_id: id.to_string(),
            contact_id: living[one].clone(),
            other_contact_id: living[other].clone(),
            allow_two_user_ids: allowed,
        };
        let answer = self.client().merge_contacts(request.clone()).await;
        let expected = self.model.merge_by_hand((one, other), allowed);
        let refusal = |status: &Status| {
            if status.code() != Code::FailedPrecondition {
                return None;
            }
            match weir_tests::reason_of(status)?.as_str() {
                "CONTACTS_ALREADY_ONE" => Some(NotMerged::AlreadyOne),
                "BOTH_HAVE_USER_IDS" => Some(NotMerged::BothHaveUserIds),
                _ => None,
            }
        };
        match (&answer, expected) {
            (Err(status), Err(why)) if refusal(status) == Some(why) => return Ok(None),
            (Ok(_), Ok(())) => {}
            _ => {
                return Err(format!(
                    "a merge of {pair:?} is {answer:?}, not {expected:?}"
                ));
            }
        }
        // Whoever asks again is told the same.
        let again = self.client().merge_contacts(request).await;
        let answer = answer.map(tonic::Response::into_inner).unwrap();
        let again = again.map(tonic::Response::into_inner);
        unlike("a merge", &again.map_err(|s| s.to_string()), &Ok(answer))?;
        Ok(Some(id))
    }

    async fn split(&mut self, pick: usize) -> Result<(), String> {
        let standing = self.model.standing();
        if standing.is_empty() {
            return Ok(());
        }
        let pick = pick % standing.len();
        let ids = seeing::ids(&self.account).await;
        let (merged, survivor) = standing[pick];
        let (merged, survivor) = (&ids.all[merged], &ids.all[survivor]);
        let merge = seeing::merge_of(&self.account, merged, survivor).await;
        let merge = merge.ok_or_else(|| format!("{merged} did not go into {survivor}"))?;
        let expected = self.model.split(pick);
        let (account_id, merge_id) = (self.account.account_id.clone(), merge);
        let request = contact::SplitContactRequest {
            account_id,
            merge_id,
        };
        let answer = self.client().split_contact(request.clone()).await;
        let Ok(expected) = expected else {
            let reason = answer.as_ref().err().and_then(weir_tests::reason_of);
            let expected = Some("MERGE_IN_THE_WAY".to_owned());
            return unlike("the reason", &reason, &expected);
        };
        let answer = answer.map_err(|status| format!("a split is {status}"))?;
        let answer = answer.into_inner();
        let left_out = answer.left_out_fields.iter();
        let mut left_out: Vec<(bool, &str)> = left_out
            .map(|one| (one.contact_id == *survivor, one.field_id.as_str()))
            .collect();
        left_out.sort_by_key(|(_, field)| KEYS.iter().position(|key| key == field));
        unlike("what was left out", &left_out, &expected)?;
        let again = self.client().split_contact(request).await;
        let again = again.map(|again| again.into_inner().contact_id);
        unlike("the split", &again.ok().as_ref(), &Some(merged))?;
        self.before.append(&mut self.stored);
        Ok(())
    }

    /// Semantics 3.10, without the model: what was there before is there again.
    async fn merge_and_split(&mut self, pair: (usize, usize)) -> Result<(), String> {
        let before = seeing::sight(&self.account, self.base).await;
        if self.merge(pair, true).await?.is_none() {
            return Ok(());
        }
        if self.turn.is_multiple_of(2) {
            // Others may have heard of the merge, or hear of both at once.
            self.compare().await?;
        }
        self.split(self.model.standing().len() - 1).await?;
        let began = Instant::now();
        loop {
            let after = seeing::sight(&self.account, self.base).await;
            if after == before || began.elapsed() > PATIENCE {
                return unlike("after merge and split", &after, &before);
            }
        }
    }

    async fn delete(&mut self, pick: usize) -> Result<(), String> {
        let living = seeing::ids(&self.account).await.living;
        if living.is_empty() {
            return Ok(());
        }
        let place = pick % living.len();
        let key = Key::ContactId(living[place].clone());
        self.delete_by(key).await?;
        self.model.delete(place, DELETED);
        Ok(())
    }

    async fn delete_id(&mut self, id: &Id) -> Result<(), String> {
        if self.model.is_held(id) {
            return Ok(());
        }
        let key = match id {
            Id::User(user) => Key::UserId(user.clone()),
            Id::Visitor(visitor) => Key::AnonymousId(visitor.clone()),
        };
        self.delete_by(key).await?;
        self.model.delete_id(id.clone(), DELETED);
        Ok(())
    }

    async fn delete_by(&mut self, key: Key) -> Result<(), String> {
        let id = Uuid::now_v7().to_string();
        let request = contact::DeleteContactRequest {
            account_id: self.account.account_id.clone(),
            request_id: id.clone(),
            key: Some(key),
        };
        let deleted = self.client().delete_contact(request).await;
        deleted.map_err(|status| format!("a deletion is {status}"))?;
        self.deletions.push(id);
        self.before.append(&mut self.stored);
        Ok(())
    }

    /// Other services are told within seconds; until then activity takes what came late.
    async fn until_deletions_are_known(&mut self) {
        for deletion in std::mem::take(&mut self.deletions) {
            eventually("activity has heard of a deletion", async || {
                let request = contact::GetDeletionRequest {
                    account_id: self.account.account_id.clone(),
                    deletion_id: deletion.clone(),
                };
                let found = self.account.weir.people().get_deletion(request).await;
                let rows = found.unwrap().into_inner().deletion.unwrap().rows;
                rows.iter().any(|row| row.service == "activity")
            })
            .await;
        }
    }
}

fn without_deeds(sight: &mut Sight) {
    sight.waiting = 0;
    for contact in &mut sight.contacts {
        contact.deeds.clear();
    }
}

/// What each is answered; a batch is of one kind.
pub async fn send(account: &Account, base: i64, events: &[Event]) -> Vec<u16> {
    let path = match events[0].track {
        None => "/v1/identify",
        Some(_) => "/v1/track",
    };
    let bodies: Vec<Value> = events.iter().map(|event| body(event, base)).collect();
    let body = serde_json::to_vec(&bodies).unwrap();
    account.post(path, body).await.statuses()
}

pub fn body(event: &Event, base: i64) -> Value {
    let time = chrono::DateTime::from_timestamp(base + event.second, 0).unwrap();
    let mut body = json!({"message_id": event.message, "timestamp": time.to_rfc3339()});
    let ids = [("user_id", &event.user), ("anonymous_id", &event.visitor)];
    for (name, id) in ids {
        if let Some(id) = id {
            body[name] = json!(id);
        }
    }
    if let Some(is_mapped) = event.track {
        let name = if is_mapped {
            "Sign-in button clicked"
        } else {
            "Never mapped"
        };
        body["event"] = json!(name);
        body["properties"] = json!({"count": 3});
    }
    let paths = BTreeMap::from([
        ("str::email", "email"),
        ("phn::phone", "phone"),
        ("str::first", "firstName"),
        ("str::last", "lastName"),
    ]);
    for (field, said) in &event.traits {
        body["traits"][paths[field]] = match said {
            Said::Value(value) => json!(value),
            Said::Null => Value::Null,
            Said::Nonsense => json!("none of this"),
        };
    }
    body
}
