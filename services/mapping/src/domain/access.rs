//! Tokens of internal teams: what a wish for one must be, and who may have it (semantics 9.2).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_access::{Accounts, Caller, Role};
use weir_ids::AccountId;

use super::invalid::{Invalid, read_name};

/// A team that has more has all: the list of live tokens travels to every service.
pub const MAX_ACCOUNTS: usize = 64;
/// Of somebody's accounts, as many are listed: what one token may touch.
pub const LISTED_ACCOUNTS: usize = MAX_ACCOUNTS;
/// How long a token is listed after its end, as its changes are.
pub const LISTED: TimeDelta = TimeDelta::days(90);
/// Of a token's text, behind what all begin with; the rest has 200 bits and more.
const HINT: usize = 4;

/// Whose tokens are meant: those that are good for some of these and for none besides; None are
/// all of them.
pub type Within = Option<Vec<AccountId>>;

/// A token as people see it afterwards.
#[derive(Debug, Clone)]
pub struct Token {
    pub token_id: Uuid,
    pub name: String,
    pub role: Role,
    pub accounts: Accounts,
    pub hint: String,
    pub create_time: DateTime<Utc>,
    /// It is good before this moment only.
    pub expire_time: Option<DateTime<Utc>>,
    pub last_use_time: Option<DateTime<Utc>>,
    pub revoke_time: Option<DateTime<Utc>>,
    pub created_by: String,
    pub revoked_by: String,
}

impl Token {
    /// The same, ended.
    pub fn revoked(&self, now: DateTime<Utc>, by: &str) -> Self {
        Self {
            revoke_time: Some(now),
            revoked_by: by.to_owned(),
            ..self.clone()
        }
    }
}

/// All tokens of one name.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: String,
    /// The highest of those that are good; None where none is.
    pub role: Option<Role>,
    /// What those may touch together: the first [`LISTED_ACCOUNTS`] of `account_count`.
    pub accounts: Accounts,
    pub account_count: i64,
    pub good_token_count: i64,
    pub first_create_time: DateTime<Utc>,
    pub last_create_time: DateTime<Utc>,
    pub last_use_time: Option<DateTime<Utc>>,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub name: String,
    pub role: Role,
    pub accounts: Accounts,
    pub expire_time: Option<DateTime<Utc>>,
}

impl Wish {
    /// Reads one; `accounts` of None are all.
    ///
    /// # Errors
    /// Names all that is wrong.
    pub fn read(
        name: &str,
        role: Option<Role>,
        accounts: Option<Vec<AccountId>>,
        expire_time: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let name = read_name(name).map_err(|invalid| wrong.push(invalid));
        if role.is_none() {
            wrong.push(Invalid::new("role", "must be READ, WRITE or ADMIN"));
        }
        let accounts = accounts.map_or(Accounts::All, Accounts::only);
        if let Accounts::Only(some) = &accounts
            && !(1..=MAX_ACCOUNTS).contains(&some.len())
        {
            let expected = format!("must be 1 to {MAX_ACCOUNTS}, or all_accounts");
            wrong.push(Invalid::new("account_ids", expected));
        }
        if expire_time.is_some_and(|end| end <= now) {
            wrong.push(Invalid::new("expire_time", "must lie ahead"));
        }
        match (name, role, wrong.is_empty()) {
            (Ok(name), Some(role), true) => Ok(Self {
                name,
                role,
                accounts,
                expire_time,
            }),
            _ => Err(wrong),
        }
    }

    /// Whether whoever asks may do all that the token may.
    pub fn is_within(&self, caller: &Caller) -> bool {
        let accounts = match (&caller.accounts, &self.accounts) {
            (Accounts::All, _) => true,
            (Accounts::Only(_), Accounts::All) => false,
            (own, Accounts::Only(wanted)) => wanted.iter().all(|one| own.contain(*one)),
        };
        accounts && self.role <= caller.role
    }

    /// Whether a token is what this asks for.
    pub fn is(&self, token: &Token) -> bool {
        (&self.name, self.role, &self.accounts, self.expire_time)
            == (&token.name, token.role, &token.accounts, token.expire_time)
    }

    /// The token that it becomes.
    pub fn granted(self, token_id: Uuid, text: &str, now: DateTime<Utc>, by: &str) -> Token {
        Token {
            token_id,
            name: self.name,
            role: self.role,
            accounts: self.accounts,
            hint: hint(text),
            create_time: now,
            expire_time: self.expire_time,
            last_use_time: None,
            revoke_time: None,
            created_by: by.to_owned(),
            revoked_by: String::new(),
        }
    }
}

/// The first and last characters of a token's text.
fn hint(text: &str) -> String {
    let shown = weir_access::PREFIX.len() + HINT;
    let (Some(first), Some(last)) = (text.get(..shown), text.get(text.len() - HINT..)) else {
        return String::new();
    };
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_access::Who;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_752_214_140, 0).unwrap()
    }

    fn ids(numbers: &[u8]) -> Vec<AccountId> {
        let id = |number: &u8| AccountId(Uuid::from_u128(u128::from(*number)));
        numbers.iter().map(id).collect()
    }

    fn caller(role: Role, accounts: Accounts) -> Caller {
        Caller {
            who: Who::Person { name: "me".into() },
            role,
            accounts,
        }
    }

    fn accounts() -> impl Strategy<Value = Accounts> {
        prop_oneof![
            Just(Accounts::All),
            prop::collection::vec(0..5_u8, 1..4).prop_map(|some| Accounts::only(ids(&some))),
        ]
    }

    fn roles() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL.to_vec())
    }

    proptest! {
        // Semantics 9.2.
        #[test]
        fn nobody_makes_a_token_that_may_more_than_they(
            mine in accounts(), my_role in roles(), its in accounts(), its_role in roles(),
        ) {
            let wish = Wish { name: "A".into(), role: its_role, accounts: its, expire_time: None };
            if wish.is_within(&caller(my_role, mine.clone())) {
                prop_assert!(its_role <= my_role);
                for account in ids(&[0, 1, 2, 3, 4, 9]) {
                    prop_assert!(!wish.accounts.contain(account) || mine.contain(account));
                }
                prop_assert!(wish.accounts != Accounts::All || mine == Accounts::All);
            }
            let same = Wish { role: my_role, accounts: mine.clone(), ..wish };
            prop_assert!(same.is_within(&caller(my_role, mine)));
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_wish_is_said_at_once() {
        let wrong = Wish::read(" ", None, Some(Vec::new()), Some(now()), now()).unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["name", "role", "account_ids", "expire_time"]);
        let many: Vec<u8> = (0..=64).collect();
        assert!(Wish::read("A", Some(Role::Read), Some(ids(&many)), None, now()).is_err());
        let twice: Vec<u8> = (0..64).chain(0..64).collect();
        assert!(Wish::read("A", Some(Role::Read), Some(ids(&twice)), None, now()).is_ok());
        assert!(Wish::read("A", Some(Role::Read), None, None, now()).is_ok());
    }

    #[test]
    fn a_token_shows_its_ends_alone() {
        let text = weir_access::token([0xff; 32]);
        let wish = Wish::read("A", Some(Role::Read), None, None, now()).unwrap();
        let token = wish.clone().granted(Uuid::nil(), &text, now(), "me");
        assert_eq!(token.hint, "weir_____…___8");
        assert!(wish.is(&token));
        let other = Wish {
            role: Role::Write,
            ..wish
        };
        assert!(!other.is(&token));
    }
}
