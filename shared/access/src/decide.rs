//! What a call needs, and whether its caller has it.

use crate::{Accounts, Caller, Role};

/// What an RPC needs of its caller; declared beside it in its proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be one of our own services: it is part of the pipeline.
    Services,
    /// At least this role, in the accounts that it touches.
    Caller {
        /// The least one.
        role: Role,
        /// What it touches.
        on: On,
    },
}

/// What a call touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The account that a field of the request names.
    Account {
        /// The field's number, behind those of the messages around it.
        field: &'static [u32],
        /// The least role where it names none: then all accounts may be touched.
        without: Role,
    },
    /// The accounts that a repeated field of the request names. Where it names none it is all
    /// that its caller may touch, which the layer writes there.
    Accounts {
        /// The field's number.
        field: u32,
    },
    /// All accounts, or what belongs to none.
    All,
}

/// Why a call is refused. None of these tells what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It brought no credentials.
    Missing,
    /// It brought some that are none of ours, or not any more.
    Unknown,
    /// Its token is past its end.
    Expired,
    /// Nobody can say now which tokens are good: the list is too old.
    Unsure,
    /// Only services may call this.
    ServicesOnly,
    /// This role would be needed.
    RoleTooLow(Role),
    /// It names an account that its caller may not touch, or none although its caller may not
    /// touch all.
    AccountForbidden,
}

/// What the head of a call says: whether it may be made. Where that takes the accounts that it
/// names, which ones count, for [`decide`].
///
/// # Errors
/// It may not.
pub fn foresee(need: Need, caller: &Caller) -> Result<Option<On>, Refused> {
    if caller.is_inside() {
        return Ok(None);
    }
    let Need::Caller { role, on } = need else {
        return Err(Refused::ServicesOnly);
    };
    if caller.role < role {
        return Err(Refused::RoleTooLow(role));
    }
    match (&caller.accounts, on) {
        (Accounts::All, On::Account { without, .. }) if caller.role < without => Ok(Some(on)),
        (Accounts::All, _) => Ok(None),
        (Accounts::Only(_), On::All) => Err(Refused::AccountForbidden),
        // There is nothing that could be written there, and nothing written means all.
        (Accounts::Only(accounts), _) if accounts.is_empty() => Err(Refused::AccountForbidden),
        (Accounts::Only(_), _) => Ok(Some(on)),
    }
}

/// Whether a call that names these `accounts` may be made, once [`foresee`] left that open. A text
/// that is no id names an account that is nobody's.
///
/// # Errors
/// It may not.
pub fn decide(on: On, caller: &Caller, accounts: &[&str]) -> Result<(), Refused> {
    let is_theirs = |account: &&str| match &caller.accounts {
        Accounts::All => true,
        only => account.parse().is_ok_and(|account| only.contain(account)),
    };
    let names_all = accounts.is_empty();
    match (on, &caller.accounts) {
        (On::Account { without, .. }, Accounts::All) if names_all && caller.role < without => {
            Err(Refused::RoleTooLow(without))
        }
        (On::Account { .. } | On::All, Accounts::Only(_)) if names_all => {
            Err(Refused::AccountForbidden)
        }
        // Of a list that names none the layer writes those there that its caller may touch.
        _ if accounts.iter().all(is_theirs) => Ok(()),
        _ => Err(Refused::AccountForbidden),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;
    use weir_ids::AccountId;

    use super::*;
    use crate::Who;

    /// As the layer asks, first of the head and then of the message.
    fn may(need: Need, caller: &Caller, accounts: &[&str]) -> Result<(), Refused> {
        match foresee(need, caller)? {
            None => Ok(()),
            Some(on) => decide(on, caller, accounts),
        }
    }

    fn account(number: u8) -> AccountId {
        AccountId(Uuid::from_u128(u128::from(number)))
    }

    fn roles() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL.to_vec())
    }

    fn needs() -> impl Strategy<Value = Need> {
        let on = prop_oneof![
            roles().prop_map(|without| On::Account {
                field: &[1],
                without
            }),
            Just(On::Accounts { field: 3 }),
            Just(On::All),
        ];
        prop_oneof![
            1 => Just(Need::Services),
            9 => (roles(), on).prop_map(|(role, on)| Need::Caller { role, on }),
        ]
    }

    /// Whoever is not one of ours.
    fn outsiders() -> impl Strategy<Value = Caller> {
        let accounts = prop_oneof![
            Just(Accounts::All),
            prop::collection::vec(0..6_u8, 0..4)
                .prop_map(|some| Accounts::only(some.into_iter().map(account))),
        ];
        (roles(), accounts, any::<bool>()).prop_map(|(role, accounts, is_person)| {
            let name = "somebody".into();
            let who = match is_person {
                true => Who::Person { name },
                false => Who::Token {
                    id: Uuid::nil(),
                    name,
                },
            };
            Caller {
                who,
                role,
                accounts,
            }
        })
    }

    fn asked() -> impl Strategy<Value = Vec<String>> {
        let text = prop_oneof![
            4 => (0..8_u8).prop_map(|number| account(number).to_string()),
            1 => Just("no id".to_owned()),
            1 => Just(String::new()),
        ];
        prop::collection::vec(text, 0..3)
    }

    proptest! {
        // Semantics 9.2.
        #[test]
        fn what_is_allowed_is_within_the_role_and_the_accounts(
            need in needs(), caller in outsiders(), asked in asked(),
        ) {
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            if may(need, &caller, &asked).is_ok() {
                let Need::Caller { role, on } = need else {
                    return Err(TestCaseError::fail("what is for services alone"));
                };
                prop_assert!(caller.role >= role);
                let is_theirs = |text: &&str| {
                    text.parse().is_ok_and(|account| caller.accounts.contain(account))
                };
                let everywhere = caller.accounts == Accounts::All;
                prop_assert!(everywhere || asked.iter().all(is_theirs));
                match on {
                    On::All => prop_assert!(everywhere),
                    On::Account { without, .. } if asked.is_empty() => {
                        prop_assert!(everywhere && caller.role >= without);
                    }
                    On::Accounts { .. } => {
                        prop_assert_ne!(&caller.accounts, &Accounts::only([]));
                    }
                    On::Account { .. } => {}
                }
            }
        }

        #[test]
        fn who_has_all_that_is_needed_may(
            need in needs(), caller in outsiders(), asked in asked(),
        ) {
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            let all = Caller { role: Role::Admin, accounts: Accounts::All, ..caller };
            prop_assert_eq!(may(need, &all, &asked).is_ok(), need != Need::Services);
            prop_assert_eq!(may(need, &Caller::service(), &asked), Ok(()));
            prop_assert_eq!(may(need, &Caller::anybody(), &asked), Ok(()));
        }

        #[test]
        fn more_role_and_more_accounts_never_forbid(
            need in needs(), caller in outsiders(), asked in asked(), role in roles(),
        ) {
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            if may(need, &caller, &asked).is_ok() {
                let role = role.max(caller.role);
                let more = Caller { role, ..caller.clone() };
                prop_assert_eq!(may(need, &more, &asked), Ok(()));
            }
        }

        #[test]
        fn an_account_of_others_and_none_at_all_are_refused_alike(
            caller in outsiders(), role in roles(), number in any::<u128>(),
        ) {
            let need = Need::Caller { role, on: On::Account { field: &[1], without: role } };
            let unknown = Uuid::from_u128(number | 1 << 100).to_string();
            let foreign = account(7).to_string();
            let refused = may(need, &caller, &[&unknown]);
            prop_assert_eq!(may(need, &caller, &[&foreign]), refused);
            prop_assert_eq!(may(need, &caller, &["no id"]), refused);
        }
    }

    #[test]
    fn without_an_account_another_role_may_be_needed() {
        let on = On::Account {
            field: &[1],
            without: Role::Admin,
        };
        let need = Need::Caller {
            role: Role::Write,
            on,
        };
        let writer = Caller {
            role: Role::Write,
            ..Caller::administrator()
        };
        let refused = Err(Refused::RoleTooLow(Role::Admin));
        assert_eq!(may(need, &writer, &[]), refused);
        assert_eq!(may(need, &writer, &["any"]), Ok(()));
        assert_eq!(may(need, &Caller::administrator(), &[]), Ok(()));
    }
}
