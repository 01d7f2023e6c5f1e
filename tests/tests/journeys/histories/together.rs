//! The same events on both replicas at once, with merges and splits by hand in between: what no
//! order may change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use uuid::Uuid;
use weir_proto::contact::v1 as contact;
use weir_tests::model::{DAY, Event, Id, Rules, Said, Strategy};
use weir_tests::{Account, Weir, eventually, journey_alone_with, reason_of};

use super::driving::send;
use super::making::{Maker, Step};
use super::{SEED, seeing, two};

const SENDERS: u64 = 4;
const BATCHES: usize = 12;
/// Activities of one day are fewer than what a contact gets of its backlog.
const DAYS: i64 = 40;
/// In `./weir test`, and under `./weir test long`.
const ROUNDS: u64 = 2;
const LONG_ROUNDS: u64 = 60;

/// What was sent, with what each was answered at best.
type Answered = Vec<(Event, u16)>;

struct Together {
    account: Account,
    base: i64,
    /// Splits happen, or else batches come twice: a repeat that comes after a split is judged by
    /// whoever has its identifiers then.
    splits: bool,
    over: AtomicBool,
    /// Identifies that said nothing new and were taken as repeats when they came again, free of
    /// charge (semantics 1.4).
    nothing_new_at_first: AtomicI64,
}

impl Together {
    async fn begin(weir: &'static Weir, round: u64) -> Self {
        let rules = Rules {
            strategy: Strategy::Overwrite,
            next_if_empty: round % 4 > 1,
            keep_user_ids_apart: round % 3 == 1,
        };
        Self {
            account: seeing::account(weir, rules).await,
            base: chrono::Utc::now().timestamp() - 2 * 3_600,
            splits: round % 2 == 1,
            over: AtomicBool::new(false),
            nothing_new_at_first: AtomicI64::new(0),
        }
    }

    async fn send(&self, seed: u64) -> Answered {
        let mut maker = Maker::new(seed);
        let mut answered = Vec::new();
        for at in 0..BATCHES {
            let track = (at % 3 > 0).then_some(true);
            let Step::Batch(events) = maker.batch(track, at % 3 == 2) else {
                unreachable!("it is a batch");
            };
            let events: Vec<Event> = events.into_iter().map(|one| fit(one, seed)).collect();
            let copies = if self.splits { 1 } else { maker.number(1..3) };
            let answers = (0..copies).map(|_| send(&self.account, self.base, &events));
            let answers = futures_util::future::join_all(answers).await;
            for (at, event) in events.into_iter().enumerate() {
                let statuses = answers.iter().map(|statuses| statuses[at]);
                let (best, worst) = (statuses.clone().min().unwrap(), statuses.max().unwrap());
                if event.track.is_none() && (best, worst) == (200, 422) {
                    self.nothing_new_at_first.fetch_add(1, Ordering::Relaxed);
                }
                assert!(is_possible(&event, best), "{best} of {event:?}");
                answered.push((event, best));
            }
        }
        answered
    }

    /// Somebody who merges and splits all the while; answers how often.
    async fn tidy(&self, seed: u64) -> (usize, usize) {
        let mut maker = Maker::new(seed);
        let (mut merged, mut split) = (0, 0);
        let mut turn = 0;
        while !self.over.load(Ordering::Relaxed) {
            let ids = seeing::ids(&self.account).await.living;
            if ids.len() < 2 {
                continue;
            }
            turn += 1;
            let mut people = self.account.weir.people_at(turn);
            let [one, other] = [0, 1].map(|_| ids[maker.number(0..ids.len())].clone());
            let request = contact::MergeContactsRequest {
                account_id: self.account.account_id.clone(),
                request_id: Uuid::now_v7().to_string(),
                contact_id: one,
                other_contact_id: other,
                allow_two_user_ids: maker.number(0..2) == 0,
            };
            let done = people.merge_contacts(request).await;
            if let Err(status) = &done {
                let reason = reason_of(status).unwrap_or_default();
                let expected = ["CONTACTS_ALREADY_ONE", "BOTH_HAVE_USER_IDS"];
                assert!(expected.contains(&&*reason), "{status:?}");
            }
            merged += usize::from(done.is_ok());
            if let Ok(merge) = done
                && self.splits
            {
                let request = contact::SplitContactRequest {
                    account_id: self.account.account_id.clone(),
                    merge_id: merge.into_inner().merge_id,
                };
                let done = people.split_contact(request).await;
                if let Err(status) = &done {
                    let reason = reason_of(status);
                    assert_eq!(reason.as_deref(), Some("MERGE_IN_THE_WAY"), "{status:?}");
                }
                split += usize::from(done.is_ok());
            }
        }
        (merged, split)
    }

    /// All that must be so, in whatever order events came.
    async fn check(&self, answered: &Answered) {
        let contacts = self.account.contacts().await;
        let mut ids = BTreeSet::new();
        for contact in &contacts {
            for id in seeing::ids_of(contact) {
                assert!(ids.insert(id.clone()), "{id:?} is of two contacts");
            }
        }
        for (event, status) in answered {
            let linked = event.track.is_none() && *status == 200;
            for id in event.user.iter().filter(|_| linked) {
                assert!(ids.contains(&Id::User(id.clone())), "{id} is nobody");
            }
        }
        self.check_fields(&contacts, answered).await;
        self.check_deeds(&contacts, answered).await;
        let stored = |wanted: &dyn Fn(&Event) -> bool, statuses: &[u16]| {
            let found = answered.iter();
            let found = found.filter(|(event, status)| statuses.contains(status) && wanted(event));
            i64::try_from(found.count()).unwrap()
        };
        let of_contacts = |event: &Event| event.track.is_none() || has_value(event);
        let units = (
            stored(&of_contacts, &[200]),
            stored(&|event| event.track == Some(true), &[200, 206]),
        );
        let free = self.nothing_new_at_first.load(Ordering::Relaxed);
        let charged = self.account.usage().await;
        assert!(
            (units.0 - free..=units.0).contains(&charged.0) && charged.1 == units.1,
            "{charged:?} are charged of {units:?}, {free} of them free perhaps"
        );
    }

    /// Semantics 3.7: of whoever was not split, the newest word on each name stands.
    async fn check_fields(&self, contacts: &[contact::Contact], answered: &Answered) {
        for contact in contacts {
            let request = contact::ListMergesRequest {
                account_id: self.account.account_id.clone(),
                contact_id: contact.contact_id.clone(),
                page_size: 1_000,
                ..Default::default()
            };
            let merges = self.account.weir.people().list_merges(request).await;
            let mut merges = merges.unwrap().into_inner().merges.into_iter();
            if merges.any(|merge| merge.split_time.is_some()) {
                continue;
            }
            for field in ["str::first", "str::last"] {
                let words = answered.iter().filter(|(event, status)| {
                    let is_own = |user: &String| contact.user_ids.contains(user);
                    let is_taken = event.track != Some(false) && matches!(status, 200 | 422);
                    event.user.as_ref().is_some_and(is_own) && is_taken
                });
                let words = words.filter_map(|(event, _)| match event.traits.get(field)? {
                    Said::Value(value) => Some((event.second, &event.message, Some(value))),
                    Said::Null => Some((event.second, &event.message, None)),
                    Said::Nonsense => None,
                });
                let newest = words.max().and_then(|(_, _, value)| value.cloned());
                let mut fields = contact.fields.iter();
                let is = fields.find(|one| one.field_id == field);
                let is = is.map(|one| match one.value.clone().unwrap().kind.unwrap() {
                    contact::value::Kind::Text(text) => text,
                    other => panic!("{other:?}"),
                });
                assert_eq!(is, newest, "{field} of {contact:?}");
            }
        }
    }

    /// Each track is there once, or waits.
    async fn check_deeds(&self, contacts: &[contact::Contact], answered: &Answered) {
        let mut done: BTreeMap<String, usize> = BTreeMap::new();
        for contact in contacts {
            for deed in self.account.activities(&contact.contact_id, 1_000).await {
                *done.entry(deed.message_id).or_default() += 1;
            }
        }
        assert!(done.values().all(|times| *times == 1), "{done:?}");
        let tracks = answered
            .iter()
            .filter(|(event, status)| event.track == Some(true) && matches!(status, 200 | 206));
        let expected = i64::try_from(tracks.count()).unwrap();
        let waiting = self.account.backlog().await;
        let done = i64::try_from(done.len()).unwrap();
        assert_eq!(done + waiting, expected, "{done} done, {waiting} waiting");
    }
}

fn has_value(event: &Event) -> bool {
    event
        .traits
        .values()
        .any(|said| matches!(said, Said::Value(_)))
}

/// Whoever has no user id says nothing of names: whose name it was would be a matter of order.
/// So would be what becomes of nulls alone, where somebody may be unknown yet.
fn fit(mut event: Event, seed: u64) -> Event {
    event.message = format!("{}-{seed}", event.message);
    if event.user.is_none() {
        event
            .traits
            .retain(|field, _| !["str::first", "str::last"].contains(field));
    }
    let nonsense = event.traits.values().any(|said| *said == Said::Nonsense);
    if !has_value(&event) && (event.track.is_some() || nonsense) {
        event.traits.retain(|_, said| *said == Said::Nonsense);
    }
    if event.second < DAY {
        event.second -= i64::try_from(event.message.len()).unwrap() % 7;
        event.second -= DAY * (event.message.bytes().map(i64::from).sum::<i64>() % DAYS);
    }
    event
}

fn is_possible(event: &Event, status: u16) -> bool {
    let no_id = event.user.is_none() && event.visitor.is_none();
    let nonsense = event.traits.values().any(|said| *said == Said::Nonsense);
    let plain_nonsense = nonsense && !has_value(event);
    match (event.track, status) {
        _ if no_id || event.second > DAY => status == 400,
        (None, _) => matches!(status, 200 | 422),
        (Some(false), _) => status == 422,
        (Some(true), _) => status == if plain_nonsense { 206 } else { 200 },
    }
}

#[test]
fn whatever_happens_at_once_leaves_what_no_order_may_change() {
    journey_alone_with(two(), async |weir| {
        let long = std::env::var_os("WEIR_TEST_LONG").is_some();
        let rounds = if long { LONG_ROUNDS } else { ROUNDS };
        for round in 0..rounds {
            let seed = SEED + 1_000 * (round + 1);
            let together = Together::begin(weir, round).await;
            let senders = (0..SENDERS).map(|sender| together.send(seed + sender));
            let sending = async {
                let answered = futures_util::future::join_all(senders).await;
                together.over.store(true, Ordering::Relaxed);
                answered.concat()
            };
            let (answered, (merged, split)) = tokio::join!(sending, together.tidy(seed + SENDERS));
            eventually("all is told", async || {
                seeing::is_told(&together.account).await
            })
            .await;
            assert!(
                merged > 0 && (split > 0) == together.splits,
                "round {round}"
            );
            together.check(&answered).await;
            weir.assert_sound().await;
        }
    });
}
