//! Merges and splits by hand while whoever does them is killed (semantics 3.8, 3.10): each is
//! done once and whole, or not at all.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tonic::Code;
use uuid::Uuid;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_stack::{Channel, StackOptions};
use weir_tests::events::{ago, identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone_with};

/// Pairs, each of which somebody merges and splits again and again.
const PAIRS: usize = 6;
/// `kill -9`, of either replica in turn.
const KILLS: usize = 6;

struct Hands {
    account: Account,
    over: AtomicBool,
    done: AtomicUsize,
}

/// A person and a visitor.
struct Pair {
    at: usize,
    person: String,
    visitor: String,
    /// As the system answered: the merge's id, and whether it stands.
    merges: Vec<(String, bool)>,
}

impl Pair {
    /// Whether it is one contact in the end.
    fn stays(&self) -> bool {
        self.at.is_multiple_of(2)
    }
}

fn of_visitor(event: Value, at: usize) -> Value {
    let mut event = with(event, json!({"anonymous_id": format!("hand-a{at}")}));
    event.as_object_mut().unwrap().remove("user_id");
    event
}

impl Hands {
    async fn begin(weir: &'static Weir) -> (Self, Vec<Pair>) {
        let account = Account::create(weir, Plan::default()).await;
        let (mut people, mut deeds) = (Vec::new(), Vec::new());
        for at in 0..PAIRS {
            let user = format!("hand-u{at}");
            let visitor = identify("", json!({"firstName": "Visitor", "lastName": "Late"}));
            let person = identify(
                &user,
                json!({"lastName": "Early", "email": format!("{user}@x.org")}),
            );
            people.push(with(person, json!({"timestamp": ago(60)})));
            people.push(of_visitor(visitor, at));
            deeds.push(track(&user));
            deeds.push(of_visitor(track(""), at));
        }
        let made = account.identify(&people).await;
        assert_eq!(made.statuses(), [200; 2 * PAIRS]);
        eventually("activities are of somebody", async || {
            account.backlog().await == 0
        })
        .await;
        assert_eq!(account.track(&deeds).await.statuses(), [200; 2 * PAIRS]);
        let pairs = account.contacts().await;
        let pairs = pairs.chunks(2).enumerate().map(|(at, pair)| Pair {
            at,
            person: pair[0].contact_id.clone(),
            visitor: pair[1].contact_id.clone(),
            merges: Vec::new(),
        });
        let pairs = pairs.collect();
        let hands = Self {
            account,
            over: AtomicBool::new(false),
            done: AtomicUsize::new(0),
        };
        (hands, pairs)
    }

    /// Asks one replica after the other until one answers; nobody may refuse.
    async fn until_answered<T>(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut(PeopleServiceClient<Channel>) -> Result<T, tonic::Status>,
    ) -> T {
        let mut turn = self.done.load(Ordering::Relaxed);
        let answer = eventually(what, async || {
            turn += 1;
            match ask(self.account.weir.people_at(turn)).await {
                Ok(answer) => Some(answer),
                Err(status) => {
                    let refused = [
                        Code::FailedPrecondition,
                        Code::NotFound,
                        Code::InvalidArgument,
                    ];
                    assert!(!refused.contains(&status.code()), "{what}: {status:?}");
                    None
                }
            }
        });
        let answer = answer.await;
        self.done.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn merge_and_split(&self, pair: &mut Pair) {
        loop {
            // Some stay merged in the end.
            let is_last = self.over.load(Ordering::Relaxed);
            if is_last && !pair.stays() {
                return;
            }
            let request = contact::MergeContactsRequest {
                account_id: self.account.account_id.clone(),
                request_id: Uuid::now_v7().to_string(),
                contact_id: pair.visitor.clone(),
                other_contact_id: pair.person.clone(),
                allow_two_user_ids: false,
            };
            let merged = self.until_answered("a merge is answered", async |mut people| {
                people.merge_contacts(request.clone()).await
            });
            let merge_id = merged.await.into_inner().merge_id;
            assert_eq!(merge_id, request.request_id);
            pair.merges.push((merge_id.clone(), is_last));
            if is_last {
                return;
            }
            let request = contact::SplitContactRequest {
                account_id: self.account.account_id.clone(),
                merge_id,
            };
            let split = self.until_answered("a split is answered", async |mut people| {
                people.split_contact(request.clone()).await
            });
            assert_eq!(split.await.into_inner().contact_id, pair.visitor);
        }
    }

    async fn kill(&self) {
        let weir = self.account.weir;
        for at in 0..KILLS {
            let before = self.done.load(Ordering::Relaxed);
            eventually("hands are at work", async || {
                self.done.load(Ordering::Relaxed) > before + PAIRS
            })
            .await;
            let process = ["contact-upsert", "contact-upsert-2"][at % 2];
            weir.kill(process).await;
        }
        self.over.store(true, Ordering::Relaxed);
    }

    /// What is stored is what was answered.
    async fn check(&self, pair: &Pair) {
        let request = contact::ListMergesRequest {
            account_id: self.account.account_id.clone(),
            contact_id: pair.person.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        let found = self.account.weir.people().list_merges(request).await;
        let found = found.unwrap().into_inner().merges.into_iter();
        let found: BTreeSet<(String, bool)> = found
            .map(|merge| (merge.merge_id, merge.split_time.is_none()))
            .collect();
        assert_eq!(found, pair.merges.iter().cloned().collect());

        let stands = pair.stays();
        let contacts = self.account.contacts().await;
        let fields = |id: &str| -> Vec<String> {
            let contact = contacts.iter().find(|one| one.contact_id == id);
            let fields = contact.iter().flat_map(|contact| &contact.fields);
            fields
                .map(|one| match one.value.clone().unwrap().kind.unwrap() {
                    contact::value::Kind::Text(text) => text,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        let email = format!("hand-u{}@x.org", pair.at);
        let (person, visitor): (&[&str], &[&str]) = match stands {
            true => (&[&email, "Visitor", "Late"], &[]),
            false => (&[&email, "Early"], &["Visitor", "Late"]),
        };
        assert_eq!(fields(&pair.person), person, "pair {}", pair.at);
        assert_eq!(fields(&pair.visitor), visitor, "pair {}", pair.at);
        let expected = if stands { [2, 0] } else { [1, 1] };
        eventually("activities are where they belong", async || {
            let own = self.account.activities(&pair.person, 100).await.len();
            let others = match stands {
                true => 0,
                false => self.account.activities(&pair.visitor, 100).await.len(),
            };
            [own, others] == expected
        })
        .await;
    }
}

#[test]
fn merges_and_splits_are_whole_and_done_once_when_whoever_does_them_is_killed() {
    let two = StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap());
    journey_alone_with(two, async |weir| {
        let (hands, mut pairs) = Hands::begin(weir).await;
        let at_work = pairs.iter_mut().map(|pair| hands.merge_and_split(pair));
        tokio::join!(futures_util::future::join_all(at_work), hands.kill());
        let merges: usize = pairs.iter().map(|pair| pair.merges.len()).sum();
        assert!(merges > KILLS, "{merges}");
        weir.assert_sound().await;
        for pair in &pairs {
            hands.check(pair).await;
        }
        // Nobody was charged for it.
        let units = i64::try_from(2 * PAIRS).unwrap();
        assert_eq!(hands.account.usage().await, (units, units));
    });
}
