//! `token`: what programs call with; made, listed and ended (semantics 9.2).

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use weir_proto::access::v1 as access;
use weir_proto::access::v1::token_service_client::TokenServiceClient;
use weir_proto::access::v1::{Role, Token};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use crate::accounts::{account, failed, is_id};
use crate::address::Addresses;
use crate::arguments::{
    AddressOptions, CreateTokenOptions, RevokeTokenOptions, RoleName, TokenCommand,
};
use crate::failure::Failure;
use crate::output::say;
use crate::table::render;

const PAGE: i32 = 1_000;

pub async fn run(command: &TokenCommand) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::Create(options) => create(options).await?,
        TokenCommand::List(options) => {
            let client = &mut client(&options.addresses).await?;
            let tokens = tokens(client, !options.all).await?;
            say!("{}", listed(&tokens, options.all, now()));
        }
        TokenCommand::Revoke(options) => revoke(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn channel(options: &AddressOptions) -> Result<Channel, Failure> {
    Addresses::read(options)?.connect(Service::Mapping).await
}

async fn client(options: &AddressOptions) -> Result<TokenServiceClient<Channel>, Failure> {
    Ok(TokenServiceClient::new(channel(options).await?))
}

async fn create(options: &CreateTokenOptions) -> Result<(), Failure> {
    let channel = channel(&options.addresses).await?;
    let mut mapping = MappingServiceClient::new(channel.clone());
    let mut account_ids = Vec::new();
    for name in &options.accounts {
        account_ids.push(account(&mut mapping, name).await?);
    }
    let end = |lifetime: Duration| Timestamp::from(now() + lifetime);
    let request = access::CreateTokenRequest {
        name: options.name.clone(),
        role: role(options.role).into(),
        all_accounts: account_ids.is_empty(),
        account_ids,
        expire_time: options.expires.map(end),
        request_id: weir_ids::random().to_string(),
    };
    let made = TokenServiceClient::new(channel).create_token(request).await;
    let made = made.map_err(|status| failed(&status))?.into_inner();
    let token = made.token.unwrap_or_default();
    let accounts = match token.all_accounts {
        true => "all accounts".to_owned(),
        false => options.accounts.join(", "),
    };
    let until = token.expire_time.map_or_else(
        || "until it is revoked".to_owned(),
        |end| format!("until {}", time(end)),
    );
    eprintln!(
        "{} ({}): {} of {accounts}, {until}. It is not shown again.",
        token.name,
        token.token_id,
        role_of(&token)
    );
    say!("{}", made.secret);
    Ok(())
}

async fn revoke(options: &RevokeTokenOptions) -> Result<(), Failure> {
    let mut client = client(&options.addresses).await?;
    if options.all {
        return revoke_all(&mut client, &options.named).await;
    }
    let token_id = match is_id(&options.named) {
        true => options.named.clone(),
        false => named(&tokens(&mut client, true).await?, &options.named, now())?,
    };
    let request = access::RevokeTokenRequest {
        token_id,
        account_ids: Vec::new(),
    };
    let revoked = client.revoke_token(request).await;
    let revoked = revoked.map_err(|status| failed(&status))?.into_inner();
    let token = revoked.token.unwrap_or_default();
    say!("{} ({}) is revoked.", token.name, token.token_id);
    Ok(())
}

async fn revoke_all(client: &mut TokenServiceClient<Channel>, name: &str) -> Result<(), Failure> {
    let request = access::RevokeTokensByNameRequest {
        name: name.to_owned(),
        account_ids: Vec::new(),
    };
    let revoked = client.revoke_tokens_by_name(request).await;
    let revoked = revoked.map_err(|status| failed(&status))?.into_inner();
    match revoked.revoked_count {
        0 => return Err(none_good(name)),
        1 => say!("1 token of {name} is revoked."),
        many => say!("{many} tokens of {name} are revoked."),
    }
    Ok(())
}

fn none_good(name: &str) -> Failure {
    Failure::Input(format!(
        "there is no token {name:?} that is good; `./weir token list` shows them"
    ))
}

fn is_past(end: &Timestamp, now: SystemTime) -> bool {
    SystemTime::try_from(*end).is_ok_and(|end| end <= now)
}

/// The id of the token that is good and has the name.
fn named(tokens: &[Token], name: &str, now: SystemTime) -> Result<String, Failure> {
    let all = tokens.iter().filter(|token| token.name == name);
    let is_good = |token: &&Token| {
        let end = token.expire_time.as_ref();
        token.revoke_time.is_none() && !end.is_some_and(|end| is_past(end, now))
    };
    let good: Vec<&Token> = all.filter(is_good).collect();
    match good.as_slice() {
        [only] => Ok(only.token_id.clone()),
        [] => Err(none_good(name)),
        several => {
            let ids: Vec<&str> = several.iter().map(|token| &*token.token_id).collect();
            Err(Failure::Input(format!(
                "several tokens are named {name:?}; say which, or `--all`: {}",
                ids.join(", ")
            )))
        }
    }
}

/// All pages; a service of before answers those that ended as well.
async fn tokens(
    client: &mut TokenServiceClient<Channel>,
    only_good: bool,
) -> Result<Vec<Token>, Failure> {
    let (mut tokens, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = access::ListTokensRequest {
            page_size: PAGE,
            page_token,
            account_ids: Vec::new(),
            only_good,
        };
        let page = client.list_tokens(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        tokens.extend(page.tokens);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(tokens);
        }
    }
}

fn listed(tokens: &[Token], all: bool, now: SystemTime) -> String {
    if tokens.is_empty() {
        let none = match all {
            true => "There are no tokens.",
            false => "There are no tokens that are good; `--all` shows those that ended, too.",
        };
        return none.to_owned();
    }
    let rows: Vec<Vec<String>> = tokens.iter().map(|token| row(token, now)).collect();
    let heading = [
        "name",
        "role",
        "accounts",
        "state",
        "last used",
        "made by",
        "token",
        "id",
    ];
    render(&heading, &rows).trim_end().to_owned()
}

fn row(token: &Token, now: SystemTime) -> Vec<String> {
    let accounts = match (token.all_accounts, token.account_ids.as_slice()) {
        (true, _) => "all".to_owned(),
        (false, []) => "none".to_owned(),
        (false, [only]) => only.clone(),
        (false, several) => format!("{} and {} more", several[0], several.len() - 1),
    };
    let state = match (&token.revoke_time, &token.expire_time) {
        (Some(then), _) => format!("revoked {}", time(*then)),
        (None, Some(end)) if is_past(end, now) => format!("ended {}", time(*end)),
        (None, Some(end)) => format!("good until {}", time(*end)),
        (None, None) => "good".to_owned(),
    };
    vec![
        token.name.clone(),
        role_of(token).to_owned(),
        accounts,
        state,
        token.last_use_time.map_or_else(|| "never".to_owned(), time),
        token.created_by.clone(),
        token.hint.clone(),
        token.token_id.clone(),
    ]
}

/// To the minute.
fn time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.get(..16) {
        Some(minute) => format!("{}Z", minute.replace('T', " ")),
        None => text,
    }
}

fn role(role: RoleName) -> Role {
    match role {
        RoleName::Read => Role::Read,
        RoleName::Write => Role::Write,
        RoleName::Admin => Role::Admin,
    }
}

fn role_of(token: &Token) -> &'static str {
    match token.role() {
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "admin",
        Role::Unspecified | Role::Service => "?",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is a person's program: it lives in the machine's time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, id: &str) -> Token {
        Token {
            token_id: id.to_owned(),
            name: name.to_owned(),
            role: Role::Read.into(),
            account_ids: vec!["one".to_owned(), "two".to_owned()],
            hint: "weir_abcd…wxyz".to_owned(),
            ..Default::default()
        }
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn a_name_is_enough_where_one_good_token_has_it() {
        let mut revoked = token("reports", "1");
        revoked.revoke_time = at(1);
        let ended = Token {
            expire_time: at(60),
            ..token("reports", "5")
        };
        let tokens = [
            revoked,
            ended,
            token("reports", "2"),
            token("b", "3"),
            token("b", "4"),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(named(&tokens, "reports", now).unwrap(), "2");
        for (name, said) in [("c", "no token"), ("b", "say which, or `--all`: 3, 4")] {
            let Err(Failure::Input(message)) = named(&tokens, name, now) else {
                panic!("{name}")
            };
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn a_list_says_what_each_is_good_for_and_until_when() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let ended = Token {
            expire_time: at(60),
            ..token("ended", "1")
        };
        let good = Token {
            all_accounts: true,
            expire_time: at(172_800),
            last_use_time: at(3_600),
            created_by: "administrator".to_owned(),
            ..token("good", "2")
        };
        let text = listed(&[ended, good], true, now);
        for said in [
            "ended  read  one and 1 more  ended 1970-01-01 00:01Z",
            "good   read  all             good until 1970-01-03 00:00Z  1970-01-01 01:00Z  \
             administrator  weir_abcd…wxyz  2",
        ] {
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(listed(&[], true, now), "There are no tokens.");
        assert!(listed(&[], false, now).contains("`--all` shows those that ended"));
    }
}
