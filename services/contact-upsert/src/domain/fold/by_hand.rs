//! Two contacts become one because a person says so: by the same merge as in a batch.

use weir_ids::ContactId;

use super::{Care, Snapshot, State, Unusable};
use crate::domain::changes::Changes;
use crate::domain::contact::{Register, StoredContact};
use crate::domain::event::{Facts, KeyId};
use crate::domain::key::{Key, is_unique_key};
use crate::domain::stored::StoredLink;

/// What a merge by hand comes to.
#[derive(Debug, Clone)]
pub struct Joined<'a> {
    pub merged: ContactId,
    pub survivor: ContactId,
    /// By field id: all that either has.
    pub fields: Vec<JoinedField<'a>>,
    /// Unique identifiers by which nobody is found any more: their values lost.
    pub gone: Vec<Key<'a>>,
    /// Which only a person may join (semantics 3.6).
    pub both_have_user_ids: bool,
    /// A split keeps them apart; this merge ends that.
    pub was_barred: bool,
    pub changes: Changes<'a>,
}

/// One field of two contacts, and of the one that they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedField<'a> {
    pub field: &'a str,
    pub survivor: Option<Register<'a>>,
    pub merged: Option<Register<'a>>,
    /// None where both were cleared or empty.
    pub result: Option<&'a str>,
}

/// Merges two contacts that are locked, with all identifiers that they hold, which are the keys
/// of `facts` ([`Facts::of_keys`]). The newer word counts, the older contact stays.
///
/// # Errors
/// Where rows are broken, or one of the contacts is not alive.
pub fn merge_by_hand<'a>(
    facts: &'a Facts<'a>,
    contacts: &[StoredContact<'a>],
    links: Vec<StoredLink<'a>>,
) -> Result<Joined<'a>, Unusable> {
    let mut snapshot = Snapshot::new(facts, Care::Heal);
    let links = links.into_iter().enumerate();
    snapshot.add(
        links.map(|(at, link)| (KeyId(at), link)).collect(),
        contacts,
    )?;
    let [one, other] = snapshot.contacts.as_slice() else {
        return Err(Unusable::Stale);
    };
    let (survivor, merged) = if one.id < other.id {
        (one.clone(), other.clone())
    } else {
        (other.clone(), one.clone())
    };
    let mut state = State::of(facts.settings, facts, snapshot, || {
        unreachable!("a merge makes no contact")
    });
    let stays = state.merge(0, 1, None, &[]);
    let after = state.contacts[stays].clone();
    let changes = state.into_changes();

    let both = survivor.registers.iter().chain(&merged.registers);
    let mut names: Vec<&'a str> = both.map(|register| register.field).collect();
    names.sort_unstable();
    names.dedup();
    let fields = names.into_iter().map(|field| JoinedField {
        field,
        survivor: survivor.register(field).cloned(),
        merged: merged.register(field).cloned(),
        result: after.value(field),
    });
    let gone = changes.links_gone.iter().map(|row| row.key.clone());
    Ok(Joined {
        merged: merged.id,
        survivor: survivor.id,
        fields: fields.collect(),
        gone: gone.filter(|key| is_unique_key(key.kind)).collect(),
        both_have_user_ids: survivor.has_user_id && merged.has_user_id,
        was_barred: survivor.beside.is_barred(&merged.beside),
        changes,
    })
}
