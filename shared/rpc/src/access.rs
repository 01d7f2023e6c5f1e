//! Who calls: credentials that come with a call, and those that go with one (semantics 9).
//!
//! **Invariant:** no credential is ever shown, not even by `Debug`; two are compared in a time
//! that does not tell how much of them is alike.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;
use tonic::{Code, Status};
use weir_access::{Caller, LiveTokens, PREFIX, Refused};
use weir_reasons::Reason;
use weir_tls::Shown;

use crate::error::{refused, refused_with, unavailable};

/// A shorter one could be guessed.
const MIN_SECRET: usize = 32;

/// What a server asks its callers for. Clones are the same.
#[derive(Clone)]
pub struct Access(Arc<Asked>);

struct Asked {
    is_open: bool,
    /// All that are taken of services.
    services: Vec<Secret>,
    administrator: Option<Secret>,
    live: LiveTokens,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

/// What somebody shows. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// # Errors
    /// Where it could be guessed, or would not go into a header.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() < MIN_SECRET || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "must have at least {MIN_SECRET} visible ASCII characters"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The first token of an administrator, as every token begins.
    ///
    /// # Errors
    /// Where it does not begin so, or could be guessed.
    pub fn administrator(text: &str) -> Result<Self, String> {
        let random = text.strip_prefix(PREFIX);
        let random = random.ok_or_else(|| format!("must begin with {PREFIX}"))?;
        Self::new(random).map_err(|fault| format!("{fault} behind {PREFIX}"))?;
        Ok(Self(text.to_owned()))
    }

    fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }

    fn header(&self) -> HeaderValue {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.0));
        let mut bearer = bearer.expect("visible characters go into a header");
        bearer.set_sensitive(true);
        bearer
    }
}

impl Access {
    /// Nobody is asked: for what only this machine can reach.
    pub fn open() -> Self {
        Self::of(true, Vec::new(), None, || DateTime::UNIX_EPOCH)
    }

    /// Nobody is let in: of a server that was not told.
    pub(crate) fn closed() -> Self {
        Self::of(false, Vec::new(), None, || DateTime::UNIX_EPOCH)
    }

    /// Services show one of `services`, and the administrator `administrator`; all others a token
    /// that is alive by the time that `now` tells.
    pub fn by_token(
        services: Vec<Secret>,
        administrator: Option<Secret>,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        Self::of(false, services, administrator, now)
    }

    fn of(
        is_open: bool,
        services: Vec<Secret>,
        administrator: Option<Secret>,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Asked {
            is_open,
            services,
            administrator,
            live: LiveTokens::new(),
            now: Box::new(now),
        }))
    }

    /// The tokens that are alive; whoever knows them puts them there.
    pub fn live_tokens(&self) -> LiveTokens {
        self.0.live.clone()
    }

    /// Whether anybody is asked.
    pub fn is_open(&self) -> bool {
        self.0.is_open
    }

    /// Who sends these headers, over a connection whose certificate says this.
    pub(crate) fn caller(&self, headers: &HeaderMap, shown: Shown) -> Result<Caller, Refused> {
        // Whatever they show: else who shows a token could do less than who shows none.
        if self.0.is_open {
            return Ok(Caller::anybody());
        }
        self.asked(headers, shown)
    }

    /// Who shows this text, as a call would: for whoever lets people in by what calls show.
    ///
    /// # Errors
    /// As a call would be refused.
    pub fn who_shows(&self, shown: &str) -> Result<Caller, Refused> {
        self.known(shown)
    }

    /// A team's token counts wherever it is shown, and no certificate makes more of one that is
    /// not good. Where a service's token is not known, one of the two has been given up already.
    fn asked(&self, headers: &HeaderMap, certificate: Shown) -> Result<Caller, Refused> {
        let shown = bearer(headers);
        let is_teams = shown.is_ok_and(|shown| shown.starts_with(PREFIX));
        let refused = match shown.and_then(|shown| self.known(shown)) {
            Ok(caller) => return Ok(caller),
            Err(refused) => refused,
        };
        match certificate {
            Shown::Service if !is_teams => Ok(Caller::service()),
            Shown::Stranger if refused == Refused::Missing => Err(Refused::Stranger),
            _ => Err(refused),
        }
    }

    fn known(&self, shown: &str) -> Result<Caller, Refused> {
        let asked = &self.0;
        // All of them are compared, so that the time tells nothing.
        let of_service = |found, secret: &Secret| found | secret.is(shown);
        if asked.services.iter().fold(false, of_service) {
            return Ok(Caller::service());
        }
        if asked
            .administrator
            .as_ref()
            .is_some_and(|secret| secret.is(shown))
        {
            return Ok(Caller::administrator());
        }
        asked.live.find(shown, (asked.now)())
    }
}

/// What stands behind `authorization: Bearer`, where that stands once.
fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let value = all.next().ok_or(Refused::Missing)?;
    if all.next().is_some() {
        return Err(Refused::Unknown);
    }
    let text = value.to_str().map_err(|_| Refused::Unknown)?;
    let (scheme, shown) = text.split_once(' ').ok_or(Refused::Unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Unknown);
    }
    Ok(shown)
}

/// The answer to a call that is refused.
pub(crate) fn status(why: Refused) -> Status {
    let unauthenticated = |reason, message| refused(Code::Unauthenticated, reason, message);
    match why {
        Refused::Missing => unauthenticated(
            Reason::TokenMissing,
            "the call shows no token: send it as `authorization: Bearer …`",
        ),
        Refused::Stranger => unauthenticated(
            Reason::CertificateUnknown,
            "the call shows no token, and its connection a certificate of nobody in \
             WEIR_TLS_SERVICES",
        ),
        Refused::Unknown => unauthenticated(
            Reason::TokenUnknown,
            "the token is not known, or was revoked (it is sent as `authorization: Bearer …`)",
        ),
        Refused::Expired => unauthenticated(Reason::TokenExpired, "the token is past its end"),
        Refused::Unsure => unavailable("the list of tokens"),
        Refused::ServicesOnly => refused(
            Code::PermissionDenied,
            Reason::ServicesOnly,
            "this is for Weir's own services",
        ),
        Refused::RoleTooLow(role) => refused_with(
            Code::PermissionDenied,
            Reason::RoleTooLow,
            format!("this takes the role {role}"),
            "role",
            role,
        ),
        Refused::AccountForbidden => refused(
            Code::PermissionDenied,
            Reason::AccountForbidden,
            "the token is not for all accounts: name one in the request that it is for, or show a \
             token for all",
        ),
    }
}

/// With what this process calls other services.
static OWN: ArcSwapOption<HeaderValue> = ArcSwapOption::const_empty();

/// From now on the calls of this process, by whatever channel, show this, unless they show
/// something of their own.
pub fn call_as(secret: &Secret) {
    OWN.store(Some(Arc::new(secret.header())));
}

/// Adds what this process shows.
pub(crate) fn show(headers: &mut HeaderMap) {
    if let Some(own) = &*OWN.load() {
        headers
            .entry(AUTHORIZATION)
            .or_insert_with(|| HeaderValue::clone(own));
    }
}

#[cfg(test)]
mod tests {
    use weir_access::{Accounts, HashKey, LiveToken, Role, Who, token};

    use super::*;

    const SERVICE: &str = "the secret of the services of a test";
    const SECOND: &str = "another-secret-of-the-services-of-a-test";
    const ADMIN: &str = "weir_of-the-administrator-of-this-very-test";

    fn secret() -> Secret {
        Secret::new(&SERVICE.replace(' ', "-")).unwrap()
    }

    fn access() -> Access {
        let services = vec![secret(), Secret::new(SECOND).unwrap()];
        let administrator = Secret::administrator(ADMIN).unwrap();
        Access::by_token(services, Some(administrator), || DateTime::UNIX_EPOCH)
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| value.parse().unwrap());
        values.map(|value| (AUTHORIZATION, value)).collect()
    }

    fn live(key: &HashKey, text: &str) -> LiveToken {
        LiveToken {
            hash: key.hash(text),
            id: uuid::Uuid::nil(),
            name: "team".into(),
            role: Role::Read,
            accounts: Accounts::All,
            expire_time: None,
        }
    }

    // Semantics 9.2, 9.3.
    #[test]
    fn services_the_administrator_and_live_tokens_are_known() {
        let access = access();
        let known =
            |shown: &str| access.caller(&headers(&[&format!("Bearer {shown}")]), Shown::Nothing);
        let first = SERVICE.replace(' ', "-");
        assert_eq!(known(&first), Ok(Caller::service()));
        // Of two, so that one can take the place of the other.
        assert_eq!(known(SECOND), Ok(Caller::service()));
        assert_eq!(known(ADMIN), Ok(Caller::administrator()));
        let team = token([7; 32]);
        assert_eq!(known(&team), Err(Refused::Unsure));
        let key = HashKey::new(b"key");
        let live = live(&key, &team);
        let tokens = access.live_tokens();
        tokens
            .replace(key, vec![live], DateTime::UNIX_EPOCH)
            .unwrap();
        assert!(matches!(known(&team).unwrap().who, Who::Token { .. }));
        assert_eq!(known(&token([8; 32])), Err(Refused::Unknown));
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        let access = access();
        let shown = format!("Bearer {SECOND}");
        let huge = format!("Bearer weir_{}", "a".repeat(1_000_000));
        for (values, refused) in [
            (vec![], Refused::Missing),
            (vec![""], Refused::Unknown),
            (vec!["Bearer"], Refused::Unknown),
            (vec!["Bearer "], Refused::Unknown),
            (vec![SECOND], Refused::Unknown),
            (vec!["Basic dTpw"], Refused::Unknown),
            (vec![&shown[..shown.len() - 1]], Refused::Unknown),
            (vec![&*shown, &*shown], Refused::Unknown),
            (vec![&*huge], Refused::Unknown),
        ] {
            assert_eq!(
                access.caller(&headers(&values), Shown::Nothing),
                Err(refused)
            );
        }
        let other = headers(&[&shown.replace("Bearer", "bearer")]);
        let any = access.caller(&other, Shown::Nothing);
        assert_eq!(any, Ok(Caller::service()));
    }

    // Semantics 9.3.
    #[test]
    fn a_certificate_counts_where_no_team_shows_a_token() {
        let access = access();
        let admin = format!("Bearer {ADMIN}");
        let gone = format!("Bearer {}", token([7; 32]));
        let unknown = "Bearer a-token-of-services-before";
        let (service, team) = (Ok(Caller::service()), Ok(Caller::administrator()));
        for (shown, values, expected) in [
            (Shown::Service, vec![], service.clone()),
            (Shown::Service, vec![&*admin], team.clone()),
            (Shown::Service, vec![unknown], service),
            (Shown::Service, vec![&*gone], Err(Refused::Unsure)),
            (Shown::Stranger, vec![], Err(Refused::Stranger)),
            (Shown::Stranger, vec![&*admin], team),
            (Shown::Stranger, vec![unknown], Err(Refused::Unknown)),
            (Shown::Nothing, vec![], Err(Refused::Missing)),
        ] {
            let caller = access.caller(&headers(&values), shown);
            assert_eq!(caller, expected, "{shown:?} {values:?}");
        }
    }

    #[test]
    fn where_it_is_open_nobody_is_asked() {
        let open = Access::open();
        let key = HashKey::new(b"key");
        let reader = token([7; 32]);
        let live = live(&key, &reader);
        let tokens = open.live_tokens();
        tokens
            .replace(key, vec![live], DateTime::UNIX_EPOCH)
            .unwrap();
        for values in [
            &[][..],
            &["Bearer nonsense"],
            &[&format!("Bearer {reader}")],
        ] {
            let caller = open.caller(&headers(values), Shown::Nothing);
            assert_eq!(caller, Ok(Caller::anybody()));
        }
        let closed = Access::closed().caller(&headers(&["Bearer "]), Shown::Nothing);
        assert!(closed.is_err());
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_none() {
        assert!(Secret::new("short").is_err());
        assert!(Secret::new(SERVICE).is_err(), "it has spaces");
        assert!(Secret::administrator(SECOND).is_err());
        assert!(Secret::administrator("weir_short").is_err());
        assert_eq!(format!("{:?}", secret()), "Secret");
        assert!(!format!("{:?}", secret().header()).contains("services"));
    }
}
