//! Texts that only this console, and its replicas, can write and read.

use anyhow::anyhow;
use data_encoding::BASE64URL_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// What a sealed text is for: one for another purpose does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Who is signed in.
    Session,
    /// A link that signs in.
    Link,
    /// What an issuer was asked.
    Single,
    /// A form that is carried on.
    Form,
}

impl Purpose {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Session => b"session",
            Self::Link => b"link",
            Self::Single => b"single",
            Self::Form => b"form",
        }
    }
}

/// Seals by the first of its secrets, and opens by any.
pub struct Seal {
    secrets: Vec<Secret>,
    random: SystemRandom,
}

/// What follows from a secret.
pub struct Secret {
    key: LessSafeKey,
    derived: hmac::Key,
}

impl Seal {
    /// By secrets; without one it is made here.
    ///
    /// # Errors
    /// The machine has no random bytes.
    pub fn of(secrets: &[impl AsRef<[u8]>]) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let mut made = [0; 32];
        let no_random = |_| anyhow!("the machine has no random bytes");
        random.fill(&mut made).map_err(no_random)?;
        let given = secrets.iter().map(AsRef::as_ref);
        let made = secrets.is_empty().then_some(&made[..]);
        let secrets = given.chain(made).map(|secret| {
            let derived = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let key = hmac::sign(&derived, b"what the console seals with");
            let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).map_err(no_random)?;
            let key = LessSafeKey::new(key);
            Ok(Secret { key, derived })
        });
        Ok(Self {
            secrets: secrets.collect::<anyhow::Result<_>>()?,
            random,
        })
    }

    /// What seals.
    pub fn first(&self) -> &Secret {
        &self.secrets[0]
    }

    /// For an address or a cookie.
    ///
    /// # Panics
    /// The machine has no random bytes any more.
    pub fn seal(&self, purpose: Purpose, text: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .expect("a machine that had random bytes has more");
        let mut sealed = text.to_vec();
        self.first()
            .key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.bytes()),
                &mut sealed,
            )
            .expect("cookies are far shorter than what a key may seal");
        BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat())
    }

    /// What [`Self::seal`] was given; none where it was not made here, or for something else.
    pub fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        Some(self.open_by(purpose, sealed)?.0)
    }

    /// As well, with the secret that sealed it.
    pub fn open_by(&self, purpose: Purpose, sealed: &str) -> Option<(Vec<u8>, &Secret)> {
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        self.secrets.iter().find_map(|secret| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = sealed.to_vec();
            let purpose = Aad::from(purpose.bytes());
            let opened = secret.key.open_in_place(nonce, purpose, &mut text).ok()?;
            Some((opened.to_vec(), secret))
        })
    }

    /// A text that nobody can guess.
    ///
    /// # Panics
    /// The machine has no random bytes any more.
    pub fn random(&self) -> String {
        let mut bytes = [0; 32];
        self.random
            .fill(&mut bytes)
            .expect("a machine that had random bytes has more");
        BASE64URL_NOPAD.encode(&bytes)
    }
}

impl Secret {
    /// A text that follows from these, and that nobody else can tell.
    pub fn derive(&self, what: &str, of: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.derived);
        for part in std::iter::once(&what).chain(of) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        BASE64URL_NOPAD.encode(context.sign().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [&str; 1] = ["what the console of a test seals with"];

    #[test]
    fn what_was_sealed_opens_for_its_purpose_alone() {
        let seal = Seal::of(&SECRET).unwrap();
        let sealed = seal.seal(Purpose::Session, b"weir_token");
        assert!(!sealed.contains("token"));
        assert_eq!(seal.open(Purpose::Session, &sealed).unwrap(), b"weir_token");
        assert_eq!(seal.open(Purpose::Link, &sealed), None);
        let replica = Seal::of(&SECRET).unwrap();
        assert!(replica.open(Purpose::Session, &sealed).is_some());
        let other = Seal::of(&[""; 0]).unwrap();
        assert_eq!(other.open(Purpose::Session, &sealed), None);
    }

    #[test]
    fn while_a_secret_takes_the_place_of_another_both_open_and_what_follows_stays() {
        let [old, new] = [SECRET[0], "what it will seal with from now on"];
        let before = Seal::of(&[old]).unwrap();
        let sealed = before.seal(Purpose::Session, b"weir_token");
        let steps = [vec![old, new], vec![new, old]];
        for secrets in &steps {
            let seal = Seal::of(secrets).unwrap();
            let (text, secret) = seal.open_by(Purpose::Session, &sealed).unwrap();
            assert_eq!(text, b"weir_token");
            // A form that was made before is taken, by whichever replica.
            let form = before.first().derive("form", &[&sealed]);
            assert_eq!(secret.derive("form", &[&sealed]), form);
        }
        let mixed = Seal::of(&steps[1]).unwrap().seal(Purpose::Session, b"");
        let other = Seal::of(&steps[0]).unwrap();
        assert!(other.open(Purpose::Session, &mixed).is_some());
        assert!(before.open(Purpose::Session, &mixed).is_none());
        assert!(
            Seal::of(&[new])
                .unwrap()
                .open(Purpose::Session, &sealed)
                .is_none()
        );
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let seal = Seal::of(&SECRET).unwrap();
        let sealed = seal.seal(Purpose::Link, b"a text");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal.open(Purpose::Link, &changed), None, "{at}");
        }
        for text in ["", "A", "not base64 at all", &sealed[..10]] {
            assert_eq!(seal.open(Purpose::Link, text), None);
        }
    }

    #[test]
    fn what_is_derived_tells_its_parts_apart() {
        let seal = Seal::of(&SECRET).unwrap();
        let seal = seal.first();
        let one = seal.derive("key", &["a", "bc"]);
        assert_eq!(one, seal.derive("key", &["a", "bc"]));
        assert_ne!(one, seal.derive("key", &["ab", "c"]));
        assert_ne!(one, seal.derive("csrf", &["a", "bc"]));
        assert_eq!(one.len(), 43);
    }
}
