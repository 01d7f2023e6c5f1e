//! The rules, one by one, over tables in memory.

use bytestring::ByteString;
use uuid::Uuid;
use weir_ids::{AudienceId, ContactId, TimedKey};

use super::model::{Judged, Tables};
use super::{
    ANONYMOUS_ID, Event, KeyStrategy, MembershipMode, MembershipUpdate, MergeStrategy, Mode,
    Settings, Status, USER_ID, read_registers,
};

mod contradictions;
mod corrections;
mod identity;
mod oracle;
mod reindex;
mod removes;
mod repeats;
mod spellings;
mod undated;
mod units;

const SECOND: i64 = 1_000_000;

fn settings(merge_strategy: MergeStrategy) -> Settings {
    Settings {
        unique_identifiers: vec!["str::email".into(), "phn::phone".into()],
        caseless_identifiers: Vec::new(),
        key_strategy: KeyStrategy::Any,
        merge_strategy,
        existing_only: false,
        keep_user_ids_apart: false,
        transition: None,
    }
}

fn overwrite() -> Settings {
    settings(MergeStrategy::Overwrite)
}

/// Of a user id and an anonymous id, `-` for none.
fn identify(second: i64, (user, anonymous): (&str, &str), fields: &str) -> Event {
    let or_none = |id: &str| ByteString::from(if id == "-" { "" } else { id });
    keyed(Event {
        mode: Mode::Identify,
        user_id: or_none(user),
        anonymous_id: or_none(anonymous),
        fields_json: fields.into(),
        event_micros: second * SECOND,
        message_id: "m".into(),
        update: None,
        undated: false,
        no_values: !fields.contains(":\""),
        never_creates: false,
        funded: true,
        key: Uuid::nil(),
        correction: false,
    })
}

fn track(second: i64, ids: (&str, &str), fields: &str) -> Event {
    keyed(Event {
        mode: Mode::Track,
        ..identify(second, ids, fields)
    })
}

/// Arrived at that second, without a time of its own.
fn undated(second: i64, ids: (&str, &str), fields: &str) -> Event {
    keyed(Event {
        undated: true,
        ..identify(second, ids, fields)
    })
}

const AUDIENCE: AudienceId = AudienceId(Uuid::from_u128(7));

fn removing(event: Event) -> Event {
    let update = Some(MembershipUpdate {
        mode: MembershipMode::Remove,
        audience: AUDIENCE,
    });
    keyed(Event { update, ..event })
}

fn find(second: i64, ids: (&str, &str)) -> Event {
    keyed(Event {
        mode: Mode::Find,
        ..removing(identify(second, ids, ""))
    })
}

fn unfunded(event: Event) -> Event {
    Event {
        funded: false,
        ..event
    }
}

fn keyed(mut event: Event) -> Event {
    let micros = if event.undated { 0 } else { event.event_micros };
    let content = (
        event.mode,
        &event.user_id,
        &event.anonymous_id,
        &event.fields_json,
        event.update,
    );
    event.key = TimedKey::new(micros, &[format!("{content:?}").as_bytes()]).0;
    event
}

impl Tables {
    fn one(&mut self, settings: &Settings, event: Event) -> Judged {
        self.judge(settings, &[event]).remove(0)
    }

    /// Each by itself, under `overwrite`.
    fn all(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Status> {
        let statuses = events.into_iter();
        statuses
            .map(|event| self.one(&overwrite(), event).status)
            .collect()
    }

    fn user(&self, id: &str) -> Option<ContactId> {
        self.of(USER_ID, id)
    }

    fn visitor(&self, id: &str) -> Option<ContactId> {
        self.of(ANONYMOUS_ID, id)
    }

    fn of(&self, kind: &str, value: &str) -> Option<ContactId> {
        let link = self.links.get(&(kind.to_owned(), value.to_owned()))?;
        (link.contact != super::NOBODY).then_some(link.contact)
    }

    fn value(&self, contact: Option<ContactId>, field: &str) -> Option<String> {
        let row = &self.contacts[&contact?];
        let registers = read_registers(&row.fields, &row.registers).unwrap();
        let register = registers.iter().find(|register| register.field == field)?;
        Some(register.value?.trim_matches('"').to_owned())
    }
}
