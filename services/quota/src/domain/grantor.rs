//! Who grants an account's units, Redis or the ledgers, and how that changes (semantics 6.6a).
//!
//! Each ledger has an epoch and who grants under it; both are raised together. Between the two
//! somebody may die, or meet another who raises: whoever finds the ledgers apart brings them
//! together, and nobody grants before they are. So these rules:
//!
//! - under an epoch a ledger never changes who grants;
//! - a state of Redis has an epoch of its own, that both ledgers took for Redis from the one who
//!   builds it;
//! - a batch is granted units by the ledgers where both say that they grant under one epoch.

/// Who grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grantor {
    Redis,
    Ledgers,
}

/// What a ledger says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    pub epoch: i64,
    pub grantor: Grantor,
}

/// What the one who asks is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It misses Redis.
    Ledgers,
    /// It sees Redis, whose state counts for nothing.
    Rebuild,
    /// It has seen Redis for long enough to have it grant again.
    Return,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The ledgers grant under this epoch.
    Follow(i64),
    /// Both ledgers are to be raised to this.
    Raise(Standing),
}

/// The next step of who found the ledgers so. `None` of no ledgers.
pub fn step(found: &[Standing], wish: Wish) -> Option<Step> {
    let highest = found.iter().map(|one| one.epoch).max()?;
    let is_highest = |one: &&Standing| one.epoch == highest;
    let mut leading = found.iter().filter(is_highest);
    let by_ledgers = leading.all(|one| one.grantor == Grantor::Ledgers);
    let is_agreed = found.iter().all(|one| one.epoch == highest);
    let next = |grantor| {
        Some(Step::Raise(Standing {
            epoch: highest + 1,
            grantor,
        }))
    };
    match (wish, by_ledgers) {
        (Wish::Return, _) | (Wish::Rebuild, false) => next(Grantor::Redis),
        (Wish::Ledgers, false) => next(Grantor::Ledgers),
        (Wish::Ledgers | Wish::Rebuild, true) if is_agreed => Some(Step::Follow(highest)),
        // What another one began is brought to its end.
        (Wish::Ledgers | Wish::Rebuild, true) => Some(Step::Raise(Standing {
            epoch: highest,
            grantor: Grantor::Ledgers,
        })),
    }
}

/// Whether all ledgers stand where they were raised to.
pub fn is_reached(found: &[Standing], raised: Standing) -> bool {
    !found.is_empty() && found.iter().all(|one| *one == raised)
}

#[cfg(test)]
mod tests;
