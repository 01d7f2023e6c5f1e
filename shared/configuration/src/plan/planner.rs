//! What a file would change, and in which order: pure.
//!
//! **Invariant:** no step fails for the want of another one: what takes room away comes before
//! what needs it (activities are unmapped before others are mapped, the plan grows before it is
//! used), and what is named is made before what names it (fields before mappings and unique
//! identifiers), and removed after it. What can't be done at all is a fault, and then nothing
//! is done (`tests` plays plans against the services' rules).

mod account;
mod details;
mod faults;
mod removal;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use weir_proto::mapping::v1 as mapping;

use super::state::{Actual, GivenKey};
use crate::file::model::{Account, Configuration};

/// What stands of what a file names.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// By name.
    pub accounts: BTreeMap<String, Actual>,
    /// Of keys that the file gives.
    pub keys: BTreeMap<String, GivenKey>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Updated,
    Removed,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}

/// Something that a step changes, as it is and as it will be; empty: not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub what: String,
    pub before: String,
    pub after: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The account's name.
    pub account: String,
    /// The source's, where it is one's.
    pub source: Option<String>,
    /// `activity Sign-in`
    pub what: String,
    pub change: Change,
    pub details: Vec<Detail>,
    /// Where the file asks for it; that of the account for what it no longer names.
    pub line: u64,
    pub action: Action,
}

/// The call. Accounts and sources are known by their names: their ids may not be there yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    PutAccount(mapping::PutAccountRequest),
    CreateField { name: String, value_type: i32 },
    DeleteField { field_id: String },
    PutSource(mapping::PutSourceRequest),
    RenameSource { from: String },
    DeleteSource,
    CreateKey { key: Option<String> },
    PutContactMapping(mapping::PutContactMappingRequest),
    PutActivity(mapping::PutActivityMappingRequest),
    UnmapActivity { event_name: String },
    CreateAudience { name: String },
    DeleteAudience { name: String },
}

/// Something that can't be done, and where it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: u64,
    pub message: String,
}

/// Something that the file no longer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub account: String,
    pub what: String,
    /// Whether `--prune` removes it.
    pub prunable: bool,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub faults: Vec<Fault>,
    pub left_over: Vec<Left>,
    /// How many things are as the file has them.
    pub unchanged: usize,
    /// What stands now, and the file: for who does it, and for who tells what came of it.
    pub standing: Standing,
    pub wanted: Vec<Account>,
}

impl Plan {
    /// How many steps do this.
    pub fn count(&self, change: Change) -> usize {
        let steps = self.steps.iter();
        steps.filter(|step| step.change == change).count()
    }
}

/// Compares a file with what stands.
pub fn plan(configuration: &Configuration, standing: Standing, prune: bool) -> Plan {
    let mut plan = Plan {
        wanted: configuration.accounts.clone(),
        ..Plan::default()
    };
    for wanted in &configuration.accounts {
        let actual = standing.accounts.get(&wanted.put.name);
        let draft = Draft {
            wanted,
            actual,
            keys: &standing.keys,
            prune,
            gone: BTreeSet::new(),
            plan: &mut plan,
        };
        draft.account();
    }
    plan.faults.sort_by_key(|fault| fault.line);
    plan.standing = standing;
    plan
}

/// The plan of one account, as it is made.
struct Draft<'a> {
    wanted: &'a Account,
    actual: Option<&'a Actual>,
    keys: &'a BTreeMap<String, GivenKey>,
    prune: bool,
    /// Fields that were removed early.
    gone: BTreeSet<String>,
    plan: &'a mut Plan,
}

impl Draft<'_> {
    /// The order that the invariant speaks of.
    fn account(mut self) {
        self.check();
        self.remove_sources();
        self.unmap_activities();
        self.rename_sources();
        self.remove_fields_that_nothing_uses();
        self.settings();
        self.fields();
        self.identifiers();
        self.sources();
        self.audiences();
        self.remove_fields();
    }

    fn step(&mut self, what: impl Into<String>, change: Change, action: Action) -> &mut Step {
        self.plan.steps.push(Step {
            account: self.wanted.put.name.clone(),
            source: None,
            what: what.into(),
            change,
            details: Vec::new(),
            line: self.wanted.line,
            action,
        });
        let last = self.plan.steps.last_mut();
        last.expect("it was just pushed")
    }

    fn fault(&mut self, line: u64, message: impl Into<String>) {
        self.plan.faults.push(Fault {
            line,
            message: message.into(),
        });
    }

    fn left(&mut self, what: String, prunable: bool) {
        self.plan.left_over.push(Left {
            account: self.wanted.put.name.clone(),
            what,
            prunable,
        });
    }
}

#[cfg(test)]
mod tests;
