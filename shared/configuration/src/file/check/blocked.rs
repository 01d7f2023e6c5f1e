//! Values that mean nobody.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;
use weir_proto::settings::v1 as settings;
use weir_values::{
    BlockedValue, BlockedValues, InvalidBlocked, MAX_BLOCKED, MAX_TAKEN_OFF, ValueType,
};

use super::{Checker, field};
use crate::file::schema::{self, Fault};

impl Checker {
    /// Both lists are replaced together; where the file has but one of them, the other is empty.
    pub(super) fn blocked_values(
        &mut self,
        account: &schema::Account,
        types: &BTreeMap<String, ValueType>,
    ) -> Option<settings::BlockedValues> {
        let (own, allowed) = (&account.blocked_values, &account.allowed_defaults);
        if own.is_none() && allowed.is_none() {
            return None;
        }
        let mut lists = settings::BlockedValues::default();
        for entry in own.iter().flat_map(|list| &list.value) {
            let kind = entry.kind.as_ref();
            let kind = kind.filter(|kind| !["user_id", "anonymous_id"].contains(&&*kind.value));
            if let Some(kind) = kind {
                let Some((id, value_type)) = self.taken(field(kind, types)) else {
                    continue;
                };
                if !value_type.may_be_unique_identifier() {
                    let message = format!(
                        "{id} tells no contacts apart: values are blocked for user_id, \
                         anonymous_id, and fields that are a text, an email or a phone"
                    );
                    self.faults.push(Fault::at(kind, message));
                }
                lists.blocked.push(blocked(&entry.value, id));
            } else {
                let kind = entry.kind.as_ref().map(|kind| kind.value.clone());
                lists
                    .blocked
                    .push(blocked(&entry.value, kind.unwrap_or_default()));
            }
            let alone = BlockedValue {
                kind: String::new(),
                pattern: entry.value.value.clone(),
            };
            self.noted(&entry.value, BlockedValues::new(vec![alone], vec![]));
        }
        for default in allowed.iter().flat_map(|list| &list.value) {
            let alone = vec![default.value.clone()];
            self.noted(default, BlockedValues::new(vec![], alone));
            lists.allowed_defaults.push(default.value.clone());
        }
        if let Some(list) = own.as_ref().filter(|list| list.value.len() > MAX_BLOCKED) {
            let message = format!("at most {MAX_BLOCKED} blocked values");
            self.faults.push(Fault::at(list, message));
        }
        if let Some(list) = allowed
            .as_ref()
            .filter(|list| list.value.len() > MAX_TAKEN_OFF)
        {
            let message = format!("at most {MAX_TAKEN_OFF} allowed defaults");
            self.faults.push(Fault::at(list, message));
        }
        Some(lists)
    }

    fn noted(
        &mut self,
        entry: &Spanned<String>,
        checked: Result<BlockedValues, Vec<InvalidBlocked>>,
    ) {
        for fault in checked.err().into_iter().flatten() {
            self.faults.push(Fault::at(entry, fault.why));
        }
    }
}

fn blocked(pattern: &Spanned<String>, kind: String) -> settings::BlockedValue {
    let pattern = pattern.value.clone();
    settings::BlockedValue { pattern, kind }
}
