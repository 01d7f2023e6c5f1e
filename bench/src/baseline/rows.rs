//! Batches as rows: the transactions in which the baseline writes what the system would.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::statements::Write;
use crate::random::hash;
use crate::setup::{Account, RETENTION_DAYS};
use crate::workload::client_form::{EVENT_NAME, write_attributes};
use crate::workload::person::{Person, TRACK_FIELDS};
use crate::workload::{Batch, Effect, Event};

/// A known contact gets other values.
const CHANGED: [Effect; 3] = [
    Effect::ChangedContact,
    Effect::ContestedContact,
    Effect::ContactActivity,
];

/// The parameters of a statement.
pub type Parameters = Vec<Box<dyn ToSql + Send + Sync>>;

/// What one transaction writes.
pub type Transaction = Vec<(Write, Parameters)>;

/// The transactions of a batch, one per owner of tables: they need not live in one database.
pub struct Job {
    pub events: u64,
    pub transactions: Vec<Transaction>,
}

/// Makes the rows of batches.
pub struct Renderer<'a> {
    pub seed: u64,
    pub accounts: &'a [Account],
    pub receive_time: DateTime<Utc>,
}

impl Renderer<'_> {
    /// The transactions of a batch; none where it stores nothing.
    pub fn job(&self, batch: &Batch) -> Job {
        let account = &self.accounts[batch.account];
        let outbox_id = Uuid::now_v7();
        let batch_id = Uuid::now_v7();
        let transactions = [
            self.contact(account, batch, batch_id, outbox_id),
            self.activity(account, batch, batch_id),
            self.audience(account, batch),
            self.relay(account, batch, outbox_id),
        ];
        Job {
            events: batch.events.len() as u64,
            transactions: transactions
                .into_iter()
                .filter(|transaction| !transaction.is_empty())
                .collect(),
        }
    }

    fn contact(
        &self,
        account: &Account,
        batch: &Batch,
        batch_id: Uuid,
        outbox_id: Uuid,
    ) -> Transaction {
        let new = having(batch, &[Effect::NewContact]);
        let changed = having(batch, &CHANGED);
        let unchanged = having(batch, &[Effect::UnchangedContact]);
        let asked = having(batch, &[Effect::ContactActivity]);
        let id = account.account_id;
        let mut writes = Transaction::new();
        if !new.is_empty() {
            writes.push((
                Write::Contacts,
                vec![
                    Box::new(id),
                    column(&new, |event| self.contact_id(event)),
                    column(&new, |event| self.fields(event)),
                    column(&new, |event| self.registers(event)),
                    Box::new(self.receive_time),
                ],
            ));
            writes.push(self.identifiers(id, &new));
            writes.push((
                Write::Outbox,
                vec![
                    Box::new(id),
                    Box::new(outbox_id),
                    Box::new(self.outbox_payload(&new)),
                ],
            ));
        }
        if !changed.is_empty() {
            writes.push((
                Write::ChangedContacts,
                vec![
                    Box::new(id),
                    column(&changed, |event| self.person(event).user_id()),
                    column(&changed, |event| self.fields(event)),
                    column(&changed, |event| self.registers(event)),
                    Box::new(self.receive_time),
                ],
            ));
        }
        if !unchanged.is_empty() {
            writes.push((
                Write::MovedRegisters,
                vec![
                    Box::new(id),
                    column(&unchanged, |event| self.person(event).user_id()),
                    column(&unchanged, |event| self.registers(event)),
                ],
            ));
        }
        if !asked.is_empty() {
            writes.push((
                Write::Receipts,
                vec![
                    Box::new(id),
                    column(&asked, |event| self.event_key(event)),
                    column(&asked, |event| self.contact_id(event)),
                    Box::new(self.receive_time),
                ],
            ));
        }
        self.usage(
            Write::ProfileUsage,
            id,
            batch_id,
            new.len() + changed.len(),
            &mut writes,
        );
        writes
    }

    /// User id, anonymous id and e-mail of each, in the order of the index.
    fn identifiers(&self, id: Uuid, new: &[&Event]) -> (Write, Parameters) {
        let mut identifiers = Vec::with_capacity(new.len() * 3);
        for event in new {
            let person = self.person(event);
            identifiers.push(("u", person.user_id(), *event));
            identifiers.push(("a", person.anonymous_id(), *event));
            identifiers.push(("str::email", person.email(), *event));
        }
        identifiers.sort_unstable_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let events: Vec<&Event> = identifiers.iter().map(|identifier| identifier.2).collect();
        let (kinds, values): (Vec<&str>, Vec<String>) = identifiers
            .into_iter()
            .map(|(kind, value, _)| (kind, value))
            .unzip();
        (
            Write::Identifiers,
            vec![
                Box::new(id),
                Box::new(kinds),
                Box::new(values),
                column(&events, |event| self.contact_id(event)),
                column(&events, event_time),
                column(&events, |event| event.message_id(self.seed)),
                Box::new(self.receive_time),
            ],
        )
    }

    fn activity(&self, account: &Account, batch: &Batch, batch_id: Uuid) -> Transaction {
        let known = having(batch, &[Effect::Activity, Effect::ContactActivity]);
        let unknown = having(batch, &[Effect::Backlog]);
        let id = account.account_id;
        let mut writes = Transaction::new();
        if !known.is_empty() {
            let contacts = column(&known, |event| self.contact_id(event));
            writes.push((Write::Activities, self.tracks(account, &known, contacts)));
        }
        if !unknown.is_empty() {
            let people: BTreeSet<String> = unknown
                .iter()
                .map(|event| self.person(event).user_id())
                .collect();
            let people: Vec<String> = people.into_iter().collect();
            writes.push((
                Write::WaitingIdentifiers,
                vec![Box::new(id), Box::new(people)],
            ));
            let values = column(&unknown, |event| self.person(event).user_id());
            writes.push((Write::Backlog, self.tracks(account, &unknown, values)));
        }
        let units = known.len() + unknown.len();
        self.usage(Write::ActivityUsage, id, batch_id, units, &mut writes);
        writes
    }

    /// The parameters that activities and backlog have alike; `whose` is the one that differs.
    fn tracks(
        &self,
        account: &Account,
        events: &[&Event],
        whose: Box<dyn ToSql + Send + Sync>,
    ) -> Parameters {
        vec![
            Box::new(account.account_id),
            Box::new(account.activity_id),
            Box::new(EVENT_NAME),
            column(events, expire_day),
            column(events, |event| self.event_key(event)),
            whose,
            column(events, event_time),
            column(events, |event| event.message_id(self.seed)),
            column(events, |event| {
                let mut json = String::new();
                write_attributes(self.seed, event, &mut json);
                json
            }),
            Box::new(self.receive_time),
        ]
    }

    fn audience(&self, account: &Account, batch: &Batch) -> Transaction {
        let asked = having(batch, &[Effect::ContactActivity]);
        if asked.is_empty() {
            return Transaction::new();
        }
        let updates = i64::try_from(asked.len()).expect("a batch has at most a thousand events");
        vec![(
            Write::Memberships,
            vec![
                Box::new(account.account_id),
                Box::new(account.audience_id),
                column(&asked, |event| self.contact_id(event)),
                column(&asked, event_time),
                column(&asked, |event| event.message_id(self.seed)),
                Box::new(self.receive_time),
                column(&asked, |event| self.event_key(event)),
                Box::new(updates),
            ],
        )]
    }

    /// What the outbox leads to: the projection of the links, and the end of its row.
    fn relay(&self, account: &Account, batch: &Batch, outbox_id: Uuid) -> Transaction {
        let new = having(batch, &[Effect::NewContact]);
        if new.is_empty() {
            return Transaction::new();
        }
        let mut links = Vec::with_capacity(new.len() * 2);
        for event in new {
            let person = self.person(event);
            links.push(("u", person.user_id(), self.contact_id(event)));
            links.push(("a", person.anonymous_id(), self.contact_id(event)));
        }
        links.sort_unstable();
        let kinds: Vec<&str> = links.iter().map(|link| link.0).collect();
        let contacts: Vec<Uuid> = links.iter().map(|link| link.2).collect();
        let values: Vec<String> = links.into_iter().map(|link| link.1).collect();
        vec![
            (
                Write::LinkedIdentifiers,
                vec![
                    Box::new(account.account_id),
                    Box::new(kinds),
                    Box::new(values),
                    Box::new(contacts),
                    Box::new(self.receive_time),
                ],
            ),
            (
                Write::SentOutbox,
                vec![Box::new(account.account_id), Box::new(outbox_id)],
            ),
        ]
    }

    fn usage(&self, write: Write, id: Uuid, batch: Uuid, units: usize, writes: &mut Transaction) {
        if units > 0 {
            let units = i32::try_from(units).expect("a batch has at most a thousand events");
            let day = self.receive_time.date_naive();
            let parameters: Parameters = vec![
                Box::new(id),
                Box::new(day),
                Box::new(batch),
                Box::new(units),
            ];
            writes.push((write, parameters));
        }
    }

    fn person(&self, event: &Event) -> Person {
        Person::new(self.seed, event.person, event.revision)
    }

    /// Follows from the person, and grows with the person's number as UUIDs of version 7 do.
    fn contact_id(&self, event: &Event) -> Uuid {
        timed_id(
            1_700_000_000_000 + event.person,
            hash(self.seed, event.person),
        )
    }

    fn event_key(&self, event: &Event) -> Uuid {
        timed_id(event.millis.unsigned_abs(), hash(self.seed, event.serial))
    }

    fn fields(&self, event: &Event) -> String {
        let mut json = String::new();
        self.person(event).write_fields(&mut json);
        json
    }

    /// One stamp for all fields, or one more for those that a track's traits left alone; with the
    /// source's place, and what was replaced.
    fn registers(&self, event: &Event) -> String {
        let micros = event.millis * 1_000;
        let message_id = event.message_id(self.seed);
        let stamp = format!(r#"[{micros},"{message_id}",null,1]"#);
        let stamps = match event.effect {
            Effect::ContactActivity => {
                // An older event wrote the rest.
                let fields = TRACK_FIELDS.join(r#"",""#);
                format!(r#"[{stamp},[{micros},"{message_id}",["{fields}"],1]]"#)
            }
            _ => format!("[{stamp}]"),
        };
        let mut was = String::new();
        self.person(event).write_replaced(&mut was);
        match was.is_empty() {
            true => stamps,
            false => format!(r#"[{{"was":{was}}},{stamps}]"#),
        }
    }

    fn outbox_payload(&self, new: &[&Event]) -> String {
        let micros = self.receive_time.timestamp_micros();
        let links: Vec<String> = new
            .iter()
            .flat_map(|event| {
                let (person, contact_id) = (self.person(event), self.contact_id(event));
                [("u", person.user_id()), ("a", person.anonymous_id())].map(|(kind, value)| {
                    format!(r#"["{kind}","{value}","{contact_id}",1,{micros}]"#)
                })
            })
            .collect();
        format!(r#"{{"links":[{}]}}"#, links.join(","))
    }
}

fn having<'a>(batch: &'a Batch, effects: &[Effect]) -> Vec<&'a Event> {
    batch
        .events
        .iter()
        .filter(|event| effects.contains(&event.effect))
        .collect()
}

fn column<T>(events: &[&Event], value: impl Fn(&Event) -> T) -> Box<dyn ToSql + Send + Sync>
where
    Vec<T>: ToSql + Send + Sync + 'static,
{
    Box::new(events.iter().map(|event| value(event)).collect::<Vec<T>>())
}

fn event_time(event: &Event) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(event.millis).expect("the workload's clock is in the calendar")
}

fn expire_day(event: &Event) -> NaiveDate {
    event_time(event).date_naive() + Days::new(RETENTION_DAYS.into())
}

/// 48 bits of milliseconds, then randomness: an index on it grows at one end.
fn timed_id(millis: u64, bits: u64) -> Uuid {
    Uuid::from_u64_pair(millis << 16 | bits >> 48, hash(bits, millis))
}
