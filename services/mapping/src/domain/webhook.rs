//! Webhooks: where an account's news is sent besides its notification address, and how a call is
//! signed.
//!
//! The shape is that of Standard Webhooks, whose libraries verify it in most languages.

use std::fmt;

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use super::invalid::Invalid;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const MAX_URL: usize = 2_000;
/// One, and the one whose place it takes.
const MAX_SECRETS: usize = 2;

/// What calls are signed with: by each of them, so that a receiver may take either. Never shown,
/// not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<Vec<u8>>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// `whsec_` and base64; or two of them with a comma in between.
    ///
    /// # Errors
    /// Where it is not that, or of another length.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let bytes = |secret: &str| {
            let text = secret.trim().strip_prefix(PREFIX)?;
            let bytes = BASE64.decode(text.as_bytes()).ok()?;
            SECRET_BYTES.contains(&bytes.len()).then_some(bytes)
        };
        let secrets: Option<Vec<Vec<u8>>> = text.split(',').map(bytes).collect();
        let secrets = secrets.filter(|secrets| secrets.len() <= MAX_SECRETS);
        secrets.map(Self).ok_or_else(|| {
            Invalid::new(
                "webhook_secret",
                "must be whsec_ and the base64 of 24 to 64 random bytes, such as \
                 echo whsec_$(head -c 32 /dev/urandom | base64) makes, or two of them with a comma \
                 in between",
            )
        })
    }

    /// As it is stored.
    pub fn reveal(&self) -> String {
        let secrets = self.0.iter();
        let texts = secrets.map(|secret| format!("{PREFIX}{}", BASE64.encode(secret)));
        texts.collect::<Vec<_>>().join(",")
    }

    /// The value of the header `webhook-signature`.
    pub fn sign(&self, id: Uuid, time: DateTime<Utc>, body: &str) -> String {
        let text = format!("{id}.{}.{body}", time.timestamp());
        let signatures = self.0.iter().map(|secret| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes secrets of any length");
            mac.update(text.as_bytes());
            format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: String,
    pub secret: WebhookSecret,
}

impl Webhook {
    /// What comes of what a request says; `before` stays where it says nothing.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn changed(
        before: Option<&Self>,
        url: Option<&str>,
        secret: Option<&str>,
    ) -> Result<Option<Self>, Invalid> {
        let url = match url.map(str::trim) {
            Some("") => return Ok(None),
            Some(url) => Some(read_url(url)?),
            None => before.map(|webhook| webhook.url.clone()),
        };
        let secret = match secret {
            Some(secret) => Some(WebhookSecret::read(secret)?),
            None => before.map(|webhook| webhook.secret.clone()),
        };
        match (url, secret) {
            (Some(url), Some(secret)) => Ok(Some(Self { url, secret })),
            (Some(_), None) => Err(Invalid::new(
                "webhook_secret",
                "must be given with the first webhook_url: whsec_ and the base64 of 24 to 64 \
                 random bytes",
            )),
            (None, Some(_)) => Err(Invalid::new(
                "webhook_url",
                "must be given where there is a webhook_secret",
            )),
            (None, None) => Ok(None),
        }
    }
}

/// The URL without what may be secret in it: for people to tell it by.
pub fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return String::new();
    };
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.into()
}

fn read_url(text: &str) -> Result<String, Invalid> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && text.len() <= MAX_URL
    });
    url.map(String::from).ok_or_else(|| {
        Invalid::new(
            "webhook_url",
            format!(
                "must be an https or http URL of at most {MAX_URL} bytes, without user and password"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks' own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_call_is_signed_as_standard_webhooks_has_it() {
        let secret = WebhookSecret::read(SECRET).unwrap();
        let time = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signature = secret.sign(Uuid::nil(), time, r#"{"test": 2432232314}"#);
        // By Python's hmac, over "ID.SECONDS.BODY".
        assert_eq!(signature, "v1,Y5/uRWupLQOPxe4D5mBYrd9dRGhY+xtWrnxDwy59WDE=");
        assert_ne!(secret.sign(Uuid::nil(), time, "{}"), signature);
        assert_ne!(
            secret.sign(Uuid::max(), time, r#"{"test": 2432232314}"#),
            signature
        );
    }

    #[test]
    fn with_two_secrets_a_call_has_the_signature_of_each() {
        let new = format!("whsec_{}", BASE64.encode(&[7; 32]));
        let both = WebhookSecret::read(&format!("{new}, {SECRET}")).unwrap();
        assert_eq!(both.reveal(), format!("{new},{SECRET}"));
        let sign = |secret: &WebhookSecret| secret.sign(Uuid::nil(), DateTime::UNIX_EPOCH, "{}");
        let each = [&new, SECRET].map(|secret| sign(&WebhookSecret::read(secret).unwrap()));
        assert_eq!(sign(&both), each.join(" "));
        for wrong in [
            format!("{new},"),
            [SECRET; 3].join(","),
            format!("{new},whsec_"),
        ] {
            assert!(WebhookSecret::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_random_bytes_and_are_not_printed() {
        let secret = WebhookSecret::read(SECRET).unwrap();
        assert_eq!(secret.reveal(), SECRET);
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
        for wrong in ["", "secret", "whsec_", "whsec_c2hvcnQ=", &SECRET[6..]] {
            assert!(WebhookSecret::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_said_of_a_webhook_stays() {
        let url = "https://example.org/hook?token=1";
        let first = Webhook::changed(None, Some(url), Some(SECRET)).unwrap();
        assert_eq!(first.as_ref().unwrap().url, url);
        assert_eq!(
            Webhook::changed(first.as_ref(), None, None),
            Ok(first.clone())
        );
        let moved = Webhook::changed(first.as_ref(), Some("http://10.0.0.1/"), None);
        assert_eq!(
            moved.unwrap().unwrap().secret,
            first.as_ref().unwrap().secret
        );
        assert_eq!(Webhook::changed(first.as_ref(), Some(""), None), Ok(None));
    }

    #[test]
    fn what_can_not_be_called_or_signed_is_refused_by_name() {
        let field = |url, secret| Webhook::changed(None, url, secret).unwrap_err().field;
        for url in [
            "ftp://example.org",
            "example.org",
            "https://a:b@example.org/",
        ] {
            assert_eq!(field(Some(url), Some(SECRET)), "webhook_url", "{url}");
        }
        assert_eq!(field(Some("https://example.org"), None), "webhook_secret");
        assert_eq!(field(None, Some(SECRET)), "webhook_url");
    }

    #[test]
    fn tokens_in_a_url_are_not_shown() {
        assert_eq!(
            shown("https://example.org/a?token=1#x"),
            "https://example.org/a"
        );
    }
}
