//! What the rest of the edge says to the services, and hears from them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use bytestring::ByteString;
use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1 as settings;

use super::{Cause, Failure};
use crate::domain::envelope::{Envelope, Form, Kind, MembershipUpdateMode, Nobody, Refusal};
use crate::domain::log::Origin;
use crate::domain::stages::{ContactSaid, IgnoredValue, MappedActivity, Meter};

/// Why a key opens no door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefused {
    /// Nobody has it, or it was revoked.
    Unknown,
    /// It is past its end.
    Expired,
}

/// Whose key a request carries.
#[derive(Debug, Default)]
pub struct Caller {
    pub account_id: String,
    pub source_id: String,
    pub source_kind: SourceKind,
    /// Nothing of the source is taken for now (semantics 8.4).
    pub is_paused: bool,
    /// Pages of which origins may send with the key (semantics 8.3).
    pub allowed_origins: Vec<String>,
    /// Which ids mean nobody to the account (semantics 3.1).
    pub nobody: Nobody,
    /// Of what `nobody` was made of.
    pub blocked_values_version: i64,
    /// Mapping told of another version, or of no such source: the key is to be asked for anew.
    pub(crate) overtaken: AtomicBool,
}

impl Caller {
    /// What its events look like.
    pub fn form(&self) -> Form {
        match self.source_kind {
            SourceKind::Actions => Form::Actions,
            SourceKind::Classic => Form::Classic,
        }
    }

    /// Takes note of the version of blocked values that a batch was mapped under.
    pub fn hear(&self, blocked_values_version: i64) {
        // A replica that is behind may tell of an older one.
        if blocked_values_version > self.blocked_values_version {
            self.overtaken.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note where mapping has no such source any more.
    pub fn hear_failure(&self, failure: &Failure) {
        if failure.cause == Cause::Gone {
            self.overtaken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether what is known of the account is past.
    pub fn is_overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceKind {
    #[default]
    Actions,
    Classic,
}

pub struct Audience {
    pub id: String,
    pub name: String,
}

/// Why there is no audience.
pub enum AudienceRefused {
    /// Blank or too long.
    Name,
    Unknown,
    OtherOrigin,
    Failed(Failure),
}

/// What mapping says of the account's contacts; handed on to contact-upsert unread.
#[derive(Debug, Clone, Default)]
pub struct ContactSettings(pub(super) mapping::ContactSettings);

/// What mapping says of the account's plan; handed on to quota unread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entitlement(pub(super) settings::Entitlement);

impl ContactSettings {
    /// Of the unique identifiers.
    pub fn identifiers_version(&self) -> i64 {
        self.0.identifiers_version
    }
}

/// `remove` updates of people who are not known yet, by contact of the plan (semantics 4.7).
const KEPT_REMOVES: i64 = 10;

impl Entitlement {
    /// What the limit of profile events is the product of (semantics 6.1).
    pub fn profile_factors(&self) -> (i64, i64, Option<i64>) {
        (self.0.profile_factor, self.0.contacts, None)
    }

    /// What the limit of activity events is the product of.
    pub fn activity_factors(&self) -> (i64, i64, Option<i64>) {
        let activities = Some(self.0.mapped_activities);
        (self.0.activity_factor, self.0.contacts, activities)
    }

    pub(super) fn kept_removes(&self) -> i64 {
        self.0.contacts.saturating_mul(KEPT_REMOVES)
    }
}

/// What is the same for all events on their way to mapping.
pub struct MapRequest<'a> {
    /// What the events came in, in their order.
    pub requests: &'a [RequestToMap<'a>],
    pub kind: Kind,
    pub body: Bytes,
    /// Of the unique identifiers that contact-upsert refused.
    pub refused_identifiers_version: Option<i64>,
    /// They left their samples when they came.
    pub replayed: bool,
}

/// A request on its way to mapping, and how many of the events are its.
pub struct RequestToMap<'a> {
    pub origin: &'a Origin,
    pub events: u32,
}

/// An event on its way to mapping; a refused one for its sample alone. With its index in the
/// request and its span in the body.
pub enum EventToMap<'a> {
    Good(u32, Range<usize>, &'a Envelope),
    Refused(u32, Range<usize>, &'a Refusal),
}

/// What a batch asks quota for.
pub struct Ask<'a> {
    pub batch_id: &'a str,
    /// Units.
    pub profile: i64,
    pub activity: i64,
    pub entitlement: Entitlement,
    /// The epoch that a ledger said stands; 0 where none did.
    pub ledger_epoch: i64,
}

/// What is left of an account's units in the present window.
#[derive(Debug, Clone, Copy)]
pub struct WindowUsage {
    pub profile: Meter,
    pub activity: Meter,
    /// Unix time in microseconds.
    pub window_end: i64,
}

/// Units that a batch may use.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub batch_id: String,
    pub window: String,
    pub epoch: i64,
    pub profile: Meter,
    pub activity: Meter,
    /// Unix time in microseconds.
    pub window_end: i64,
}

/// What a batch stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub batch_id: String,
    pub window: String,
    pub epoch: i64,
    /// Units.
    pub profile: i64,
    pub activity: i64,
}

impl Settlement {
    /// `profile` and `activity` units, of what was reserved.
    pub fn of(reservation: &Reservation, profile: i64, activity: i64) -> Self {
        Self {
            batch_id: reservation.batch_id.clone(),
            window: reservation.window.clone(),
            epoch: reservation.epoch,
            profile,
            activity,
        }
    }
}

/// An event on its way to contact-upsert.
pub struct ContactToUpsert<'a> {
    pub envelope: &'a Envelope,
    pub mode: UpsertMode,
    pub fields_json: &'a str,
    /// See the contract.
    pub no_values: bool,
    /// See the contract.
    pub never_creates: bool,
    pub funded: bool,
    /// See the contract.
    pub correction: bool,
}

/// See the contract of contact-upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpsertMode {
    Identify,
    Track,
    Find,
}

pub struct UpsertedContact {
    pub said: ContactSaid,
    /// Empty where there is none.
    pub contact_id: ByteString,
    /// Of an undated event that was stored before: when it was first received, as Unix time in
    /// microseconds.
    pub first_time: Option<i64>,
    pub ignored: Vec<IgnoredValue>,
}

/// A track on its way to activity.
pub struct ActivityToRecord<'a> {
    pub envelope: &'a Envelope,
    pub activity: &'a MappedActivity,
    /// The envelope's, or that of the event's first try.
    pub micros: i64,
    /// Of its request, in Unix time and microseconds.
    pub arrival: i64,
    /// Empty for a plain track.
    pub contact_id: &'a str,
    pub funded: bool,
    /// See the contract.
    pub correction: bool,
    pub contact_deferred: bool,
}

/// A membership update on its way to audience.
pub struct UpdateToApply<'a> {
    pub envelope: &'a Envelope,
    /// The envelope's, or that of the event's first try.
    pub micros: i64,
    pub mode: MembershipUpdateMode,
    pub audience_id: &'a str,
    pub contact_id: &'a str,
}
