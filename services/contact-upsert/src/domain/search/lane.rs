//! The ways in which a search goes, one after the other, and where a page of it ended.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;
use weir_ids::{AccountId, ContactId, TimedKey};
use weir_values::trimmed_invisible;

use super::{EMAIL, EXTERNAL, FIRST, LAST, NAME, PHONE, SearchTexts, cut, fold, number};
use crate::domain::key::{ANONYMOUS_ID, USER_ID, normalise};
use crate::domain::{StoredProfile, read_registers};

/// Fields that are found by their folded forms, whether they tell contacts apart or not.
const FOLDED: [&str; 6] = [FIRST, LAST, NAME, EMAIL, PHONE, EXTERNAL];

/// Greater than every text that begins with what stands before it: no character comes later.
const LAST_CHARACTER: char = '\u{10ffff}';
/// Nobody has a longer id, and few a longer address.
const MAX_QUERY: usize = 255;

/// What somebody searches by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Name,
    Email,
    Phone,
    External,
    User,
    Unique,
    Anonymous,
}

/// One index, in one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Forward,
    Backward,
    Name,
    Email,
    Phone,
    External,
    /// Identifiers of this kind.
    Identifiers(Key, String),
}

impl Lane {
    /// What it is searched by.
    pub fn key(&self) -> Key {
        match self {
            Self::Forward | Self::Backward | Self::Name => Key::Name,
            Self::Email => Key::Email,
            Self::Phone => Key::Phone,
            Self::External => Key::External,
            Self::Identifiers(key, _) => *key,
        }
    }

    /// A name that lasts, for tokens.
    fn name(&self) -> &str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Name => "name",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::External => "external",
            Self::Identifiers(_, kind) => kind,
        }
    }
}

/// The lanes of an account whose identifiers are of these kinds, in their order; those alone
/// that are asked for, where any are.
pub fn lanes(kinds: Vec<String>, asked: &[Key]) -> Vec<Lane> {
    let of_kind = |kind: String| {
        let key = match kind.as_str() {
            USER_ID => Key::User,
            ANONYMOUS_ID => Key::Anonymous,
            _ => Key::Unique,
        };
        Lane::Identifiers(key, kind)
    };
    // What is found folded is not looked for twice.
    let kinds = kinds.into_iter();
    let kinds = kinds.filter(|kind| !FOLDED.contains(&kind.as_str()));
    let kinds = kinds.map(of_kind);
    let columns = [
        Lane::Forward,
        Lane::Backward,
        Lane::Name,
        Lane::Email,
        Lane::Phone,
        Lane::External,
    ];
    let mut lanes: Vec<Lane> = columns.into_iter().chain(kinds).collect();
    lanes.retain(|lane| asked.is_empty() || asked.contains(&lane.key()));
    lanes.sort_by_key(|lane| (lane.key(), lane.clone()));
    lanes
}

/// What a contact's text has to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    folded: String,
    number: Option<String>,
}

impl Query {
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let text = trimmed_invisible(text);
        let folded = fold(text);
        if folded.is_empty() || text.contains('\0') {
            return Err("must not be empty, or hold NUL");
        }
        if text.chars().count() > MAX_QUERY {
            return Err("must be at most 255 characters");
        }
        Ok(Self {
            number: number(text).map(|number| cut(&number).to_owned()),
            text: text.to_owned(),
            folded,
        })
    }

    /// Stands for the search for this in an account, by these keys.
    pub fn mark(&self, account: AccountId, keys: &[Key]) -> Uuid {
        let mut keys: Vec<u8> = keys.iter().map(|key| *key as u8).collect();
        keys.sort_unstable();
        keys.dedup();
        let parts = [account.0.as_bytes(), self.text.as_bytes(), &keys];
        TimedKey::new(0, &parts).0
    }

    /// The beginning in this lane; none where nothing there can begin so. `is_caseless` of a
    /// unique identifier that is compared without regard to case.
    pub fn in_lane(&self, lane: &Lane, is_caseless: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
        match lane {
            Lane::Phone => self.number.as_deref().map(Cow::Borrowed),
            Lane::Identifiers(_, kind) if kind.starts_with("phn:") => {
                self.number.as_deref().map(Cow::Borrowed)
            }
            Lane::Identifiers(_, kind) => {
                let text = Cow::Borrowed(self.text.as_str());
                Some(normalise(text, is_caseless(kind)))
            }
            _ => Some(Cow::Borrowed(&self.folded)),
        }
    }
}

/// The least text that comes behind all that begin so.
pub fn behind(beginning: &str) -> String {
    format!("{beginning}{LAST_CHARACTER}")
}

/// Where a page ended: behind this contact, found by this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of which search ([`Query::mark`]): in another it is no place.
    pub search: Uuid,
    /// By its name.
    pub lane: String,
    pub contact: ContactId,
    pub value: String,
}

impl Place {
    /// Behind an entry of a lane.
    pub fn of(search: Uuid, lane: &Lane, contact: ContactId, value: &str) -> Self {
        Self {
            search,
            lane: lane.name().to_owned(),
            contact,
            value: value.to_owned(),
        }
    }

    /// Whether it is in this lane.
    pub fn is_in(&self, lane: &Lane) -> bool {
        self.lane == lane.name()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            search,
            lane,
            contact,
            value,
        } = self;
        write!(f, "{search} {lane} {contact} {value}")
    }
}

/// A text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.splitn(4, ' ');
        let mut next = || parts.next().ok_or(NoPlace);
        let id = |text| Uuid::try_parse(text).map_err(|_| NoPlace);
        Ok(Self {
            search: id(next()?)?,
            lane: next()?.to_owned(),
            contact: ContactId(id(next()?)?),
            value: next()?.to_owned(),
        })
    }
}

impl Lane {
    /// Whether an entry of this lane is the first by which a search comes to its contact: the
    /// others are not shown, so that a contact is shown once. `before` are the lanes before this
    /// one.
    pub fn shows(
        &self,
        value: &str,
        contact: &StoredProfile,
        query: &Query,
        before: &[Self],
        is_caseless: impl Fn(&str) -> bool,
    ) -> bool {
        let begins = |lane: &Self, text: &str| {
            let beginning = query.in_lane(lane, &is_caseless);
            beginning.is_some_and(|beginning| text.starts_with(&*beginning))
        };
        let is_in = |lane: &Self| {
            let texts = lane.texts_of(contact, &is_caseless);
            texts.iter().any(|text| begins(lane, text))
        };
        if before.iter().any(is_in) {
            return false;
        }
        // Of several ids that begin so the least.
        let same = self.texts_of(contact, &is_caseless);
        let mut same = same.iter().filter(|text| begins(self, text));
        same.all(|other| other.as_str() >= value)
    }

    /// What a contact has in this lane. Of ids those that are shown of it.
    fn texts_of(&self, contact: &StoredProfile, is_caseless: impl Fn(&str) -> bool) -> Vec<String> {
        match self {
            Self::Identifiers(Key::User, _) => return contact.user_ids.clone(),
            Self::Identifiers(Key::Anonymous, _) => return contact.anonymous_ids.clone(),
            _ => {}
        }
        let registers = read_registers(&contact.fields, &contact.registers).unwrap_or_default();
        let value = |field: &str| {
            let register = registers.iter().find(|register| register.field == field)?;
            register.value
        };
        let text = match self {
            Self::Identifiers(_, kind) => {
                let json = value(kind);
                let key =
                    json.and_then(|json| crate::domain::Key::unique(kind, json, is_caseless(kind)));
                key.map(|key| key.value.into_owned())
            }
            column => SearchTexts::of(value).column(column),
        };
        text.into_iter().collect()
    }
}

impl SearchTexts {
    /// The text of a column; none of a lane that is none.
    fn column(self, lane: &Lane) -> Option<String> {
        match lane {
            Lane::Forward => self.forward,
            Lane::Backward => self.backward,
            Lane::Name => self.name,
            Lane::Email => self.email,
            Lane::Phone => self.phone,
            Lane::External => self.external,
            Lane::Identifiers(..) => None,
        }
    }
}
