//! What the record of changes says of configuration (semantics 9.5): things as everybody may see
//! them who may see their account. Nothing secret is in here, and no value of a contact.

use serde_json::{Value, json};
use weir_access::Accounts;
use weir_ids::SourceId;

pub use weir_changes::{Author, Change, Entry, Filter, NO_ACCOUNT, Shown, Thing};

use super::access::Token;
use super::account::{AccountSettings, KeyStrategy};
use super::alert::Alert;
use super::field::Field;
use super::key::Key;
use super::replay::{Replay, ReplayState};
use super::source::{MergeStrategy, Source, SourceKind, SourceSettings};

pub fn shown_account(settings: &AccountSettings) -> Shown {
    let plan = &settings.plan;
    let texts = |fields: &[weir_values::FieldId]| -> Vec<String> {
        fields.iter().map(ToString::to_string).collect()
    };
    let blocked = settings.blocked_values.own().iter();
    let blocked: Vec<Value> = blocked
        .map(|one| json!({"kind": one.kind, "pattern": one.pattern}))
        .collect();
    let strategy = match settings.key_strategy {
        KeyStrategy::Any => "any",
        KeyStrategy::NextIfEmpty => "next_if_empty",
    };
    let webhook = settings.webhook.as_ref();
    weir_changes::shown([
        ("name", json!(settings.name)),
        ("plan.included_contacts", json!(plan.included_contacts)),
        ("plan.additional_contacts", json!(plan.additional_contacts)),
        ("plan.activity_slots", json!(plan.activity_slots)),
        ("plan.profile_factor", json!(plan.profile_factor)),
        ("plan.activity_factor", json!(plan.activity_factor)),
        ("notification_address", json!(settings.notification_address)),
        ("webhook_url", json!(webhook.map(|webhook| &webhook.url))),
        (
            "unique_identifiers",
            json!(texts(&settings.unique_identifiers)),
        ),
        ("key_strategy", json!(strategy)),
        ("blocked_values", json!(blocked)),
        (
            "allowed_defaults",
            json!(settings.blocked_values.taken_off()),
        ),
        ("keep_user_ids_apart", json!(settings.keep_user_ids_apart)),
    ])
}

/// Of an account that is deleted: what is kept of it besides is nothing.
pub fn shown_name(settings: &AccountSettings) -> Shown {
    weir_changes::shown([("name", json!(settings.name))])
}

/// What differs between two settings of an account; of the webhook's secret, that it does.
pub fn account_change(
    id: impl ToString,
    before: &AccountSettings,
    after: &AccountSettings,
) -> Change {
    let (old, new) = (shown_account(before), shown_account(after));
    let change = Change::between(Thing::Account, id, &old, &new);
    let secrets = [before, after].map(|settings| {
        let webhook = settings.webhook.as_ref();
        webhook.map(|webhook| &webhook.secret)
    });
    match secrets {
        [Some(before), Some(after)] if before != after => change.with_new_secret("webhook_secret"),
        _ => change,
    }
}

pub fn shown_source(settings: &SourceSettings) -> Shown {
    let kind = match settings.kind {
        SourceKind::SegmentActions => "segment_actions",
        SourceKind::SegmentClassic => "segment_classic",
    };
    let strategy = match settings.merge_strategy {
        MergeStrategy::Overwrite => "overwrite",
        MergeStrategy::Append => "append",
        MergeStrategy::Ignore => "ignore",
    };
    weir_changes::shown([
        ("name", json!(settings.name)),
        ("kind", json!(kind)),
        ("merge_strategy", json!(strategy)),
        ("existing_only", json!(settings.existing_only)),
        ("allowed_origins", json!(settings.allowed_origins)),
    ])
}

pub fn shown_pause(source: &Source) -> Shown {
    weir_changes::shown([("pause_time", json!(source.pause_time))])
}

/// What a source says of a copy: from which other one it has its mappings.
pub fn shown_copy(from: SourceId) -> Shown {
    weir_changes::shown([("mapping_copied_from", json!(from.to_string()))])
}

pub fn shown_key(key: &Key) -> Shown {
    weir_changes::shown([
        ("hint", json!(key.hint)),
        ("expire_time", json!(key.expire_time)),
        ("revoke_time", json!(key.revoke_time)),
    ])
}

pub fn shown_field(field: &Field) -> Shown {
    weir_changes::shown([
        ("name", json!(field.name)),
        ("type", json!(field.value_type.name())),
    ])
}

pub fn shown_alert(alert: &Alert) -> Shown {
    weir_changes::shown([("resolve_time", json!(alert.resolve_time))])
}

/// Of a test: which ways it goes. Nothing where there is none.
pub fn shown_test(settings: &AccountSettings) -> Shown {
    let has_address = !settings.notification_address.is_empty();
    weir_changes::shown([
        ("mail", json!(has_address.then_some(true))),
        ("webhook", json!(settings.webhook.as_ref().map(|_| true))),
    ])
}

pub fn shown_replay(replay: &Replay) -> Shown {
    weir_changes::shown([
        ("source_id", json!(replay.source_id.to_string())),
        ("state", json!(replay_state(replay.state))),
        ("event_count", json!(replay.event_count)),
    ])
}

fn replay_state(state: ReplayState) -> &'static str {
    match state {
        ReplayState::Running => "running",
        ReplayState::Stopped => "stopped",
        ReplayState::Ended => "ended",
    }
}

pub fn shown_token(token: &Token) -> Shown {
    let accounts = match &token.accounts {
        Accounts::All => json!("all"),
        Accounts::Only(some) => {
            let ids = some.iter().map(ToString::to_string);
            json!(ids.collect::<Vec<_>>())
        }
    };
    weir_changes::shown([
        ("name", json!(token.name)),
        ("role", json!(token.role.name())),
        ("accounts", accounts),
        ("hint", json!(token.hint)),
        ("expire_time", json!(token.expire_time)),
        ("revoke_time", json!(token.revoke_time)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::webhook::{Webhook, WebhookSecret};

    fn webhook(byte: &str) -> Option<Webhook> {
        let secret = format!("whsec_{}", byte.repeat(8));
        Some(Webhook {
            url: "https://example.org/hook".to_owned(),
            secret: WebhookSecret::read(&secret).unwrap(),
        })
    }

    // Semantics 9.5.
    #[test]
    fn of_a_secret_it_is_said_that_it_changed_and_nothing_else() {
        let account = |byte| AccountSettings {
            webhook: webhook(byte),
            ..AccountSettings::new("Lana".to_owned())
        };
        let (before, after) = (account("AAAA"), account("BBBB"));
        let change = account_change(1, &before, &after);
        assert_eq!(change.fields.len(), 1);
        assert_eq!(change.fields[0].name, "webhook_secret");
        let told = format!("{change:?}");
        assert!(!told.contains("AAAA") && !told.contains("BBBB"), "{told}");
        assert_eq!(account_change(1, &before, &before).fields, []);
        let told = format!("{:?}", shown_account(&before));
        assert!(!told.contains("AAAA"), "{told}");
    }

    #[test]
    fn a_setting_that_changes_is_said_from_what_to_what() {
        let before = AccountSettings::new("Lana".to_owned());
        let mut after = before.clone();
        after.plan.activity_slots = 3;
        let change = account_change(1, &before, &after);
        let [field] = change.fields.as_slice() else {
            panic!("{change:?}")
        };
        assert_eq!(field.name, "plan.activity_slots");
        assert_eq!((&field.before, &field.after), (&json!(0), &json!(3)));
    }
}
