//! What names a person goes out of the rings: by its value, so that what is written meanwhile
//! stays, and the same may be done again.

use std::collections::{HashMap, HashSet};

use redis::Pipeline;
use weir_ids::{AccountId, SourceId};
use weir_json::Person;

use super::stored::{StoredEntry, StoredSample};
use super::{Keys, Rings, RingsAway};
use crate::domain::sample::ListKey;

/// Entries that are taken out in one round trip.
const AT_ONCE: usize = 200;

impl Rings {
    /// Takes samples and lines out that name a person and are not younger than `micros`, and lines
    /// about any of these `messages`, which are his; answers how many of either.
    pub async fn erase_person(
        &self,
        account: AccountId,
        source: SourceId,
        person: &Person,
        messages: &HashSet<String>,
        micros: i64,
    ) -> Result<(i64, i64), RingsAway> {
        let keys = Keys { account, source };
        let names = self.names(account, source).await?;
        let tracks = names.into_iter().map(|seen| ListKey::Tracks(seen.name));
        let mut samples = 0;
        for list in std::iter::once(ListKey::Identifies).chain(tracks) {
            let key = keys.samples(&list);
            let names_him = |json: &[u8]| {
                let sample: Option<StoredSample> = serde_json::from_slice(json).ok();
                sample.is_some_and(|sample| sample.is_by(micros) && person.is_in(sample.raw()))
            };
            samples += self.take_out(&key, names_him).await?;
        }
        let names_him = |json: &[u8]| {
            let entry: Option<StoredEntry> = serde_json::from_slice(json).ok();
            entry.is_some_and(|entry| entry.is_by(micros) && person.is_named(entry.value()))
        };
        let is_his = |json: &[u8]| {
            let entry: Option<StoredEntry> = serde_json::from_slice(json).ok();
            names_him(json)
                || entry.is_some_and(|entry| {
                    entry.is_by(micros) && messages.contains(entry.message_id())
                })
        };
        let lines = self.take_out(&keys.log(), is_his).await?;
        let folded = self.take_folded_out(&keys, names_him).await?;
        Ok((samples, lines + folded))
    }

    async fn take_out(
        &self,
        list: &str,
        names_him: impl Fn(&[u8]) -> bool,
    ) -> Result<i64, RingsAway> {
        let mut asked = redis::pipe();
        asked.lrange(list, 0, -1);
        let (stored,): (Vec<Vec<u8>>,) = self.link.ask(&asked).await?;
        let found: Vec<&Vec<u8>> = stored.iter().filter(|json| names_him(json)).collect();
        for some in found.chunks(AT_ONCE) {
            let mut taken: Pipeline = redis::pipe();
            for json in some {
                taken.lrem(list, 0, json.as_slice());
            }
            let _: Vec<i64> = self.link.ask(&taken).await?;
        }
        Ok(i64::try_from(found.len()).unwrap_or(i64::MAX))
    }

    /// Lines that stand for many go with their numbers.
    async fn take_folded_out(
        &self,
        keys: &Keys,
        names_him: impl Fn(&[u8]) -> bool,
    ) -> Result<i64, RingsAway> {
        let mut asked = redis::pipe();
        asked.hgetall(keys.folded());
        let (folded,): (HashMap<Vec<u8>, Vec<u8>>,) = self.link.ask(&asked).await?;
        let found = folded.iter().filter(|(_, json)| names_him(json));
        let found: Vec<&Vec<u8>> = found.map(|(key, _)| key).collect();
        for some in found.chunks(AT_ONCE) {
            let mut taken: Pipeline = redis::pipe();
            for key in some {
                taken.hdel(keys.folded(), key.as_slice());
                taken.hdel(keys.counts(), key.as_slice());
                taken.zrem(keys.of("folded:order"), key.as_slice());
            }
            let _: Vec<i64> = self.link.ask(&taken).await?;
        }
        Ok(i64::try_from(found.len()).unwrap_or(i64::MAX))
    }
}
