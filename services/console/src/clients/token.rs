//! Tokens, and who has them.

use weir_proto::access::v1 as access;

use super::convert::{stamp, time};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::model::{NewToken, Page, Person, Token};

/// Tokens of a page.
const TOKENS: i32 = 200;
/// People of a page.
const PEOPLE: i32 = 50;

impl Calls {
    /// All that may be seen, oldest first; those that ended as well, or only good ones.
    pub async fn tokens(&self, only_good: bool, page_token: &str) -> Answer<Page<Token>> {
        let request = access::ListTokensRequest {
            page_size: TOKENS,
            page_token: page_token.to_owned(),
            account_ids: Vec::new(),
            only_good,
        };
        let answer = call!("mapping", self.token, list_tokens, request)?;
        Ok(Page {
            items: answer.tokens.into_iter().map(token).collect(),
            next: answer.next_page_token,
        })
    }

    /// Who has tokens that may be seen, by name.
    pub async fn people(&self, page_token: &str) -> Answer<Page<Person>> {
        self.people_of("", page_token).await
    }

    /// All that somebody has; none where they have nothing.
    pub async fn person(&self, name: &str) -> Answer<Option<Person>> {
        if name.is_empty() {
            return Ok(None);
        }
        let page = self.people_of(name, "").await?;
        Ok(page.items.into_iter().next())
    }

    async fn people_of(&self, name: &str, page_token: &str) -> Answer<Page<Person>> {
        let request = access::ListPeopleRequest {
            page_size: PEOPLE,
            page_token: page_token.to_owned(),
            account_ids: Vec::new(),
            name: name.to_owned(),
        };
        let answer = call!("mapping", self.token, list_people, request)?;
        Ok(Page {
            items: answer.people.into_iter().map(person).collect(),
            next: answer.next_page_token,
        })
    }

    /// Its secret; empty where the same wish made it before.
    pub async fn create_token(&self, new: &NewToken) -> Answer<String> {
        let request = access::CreateTokenRequest {
            name: new.name.clone(),
            role: match &*new.role {
                "admin" => access::Role::Admin,
                "write" => access::Role::Write,
                "read" => access::Role::Read,
                // Refused there: nobody gets a role that they did not ask for.
                _ => access::Role::Unspecified,
            }
            .into(),
            all_accounts: new.all_accounts,
            account_ids: new.accounts.clone(),
            expire_time: new.end.map(stamp),
            request_id: new.wish.clone(),
        };
        let answer = call!("mapping", self.token, create_token, request)?;
        Ok(answer.secret)
    }

    pub async fn revoke_token(&self, id: &str) -> Answer<()> {
        let request = access::RevokeTokenRequest {
            token_id: id.to_owned(),
            account_ids: Vec::new(),
        };
        call!("mapping", self.token, revoke_token, request)?;
        Ok(())
    }

    /// All that somebody has; answers how many tokens ended.
    pub async fn end_access(&self, name: &str) -> Answer<i32> {
        let request = access::RevokeTokensByNameRequest {
            name: name.to_owned(),
            account_ids: Vec::new(),
        };
        let answer = call!("mapping", self.token, revoke_tokens_by_name, request)?;
        Ok(answer.revoked_count)
    }
}

fn role(role: access::Role) -> &'static str {
    match role {
        access::Role::Admin => "admin",
        access::Role::Write => "write",
        _ => "read",
    }
}

fn token(token: access::Token) -> Token {
    Token {
        role: role(token.role()),
        id: token.token_id,
        name: token.name,
        all_accounts: token.all_accounts,
        accounts: token.account_ids,
        hint: token.hint,
        created: time(token.create_time),
        created_by: token.created_by,
        expires: time(token.expire_time),
        last_used: time(token.last_use_time),
        revoked: time(token.revoke_time),
    }
}

fn person(person: access::Person) -> Person {
    Person {
        role: match person.role() {
            access::Role::Unspecified => None,
            known => Some(role(known)),
        },
        name: person.name,
        all_accounts: person.all_accounts,
        accounts: person.account_ids,
        account_count: person.account_count.into(),
        good: person.good_token_count.into(),
        last_made: time(person.last_create_time),
        last_used: time(person.last_use_time),
    }
}
