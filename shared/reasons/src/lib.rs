//! The registry of reasons (semantics 1.6): why an event, a value or a call was not taken.
//!
//! One closed list, from which answers, the source's log, metrics, gRPC errors and
//! `docs/reasons.md` speak alike. A code never changes its meaning; what is new gets a new one.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::fmt;

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// An event's answer.
    Event,
    /// A value (or an identifier) that was ignored while its event went on.
    Value,
    /// A row of an import, which may have an event's reasons as well.
    Row,
    /// A request or a call as a whole.
    Call,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $code:literal $about:ident $retried:literal
        $meaning:literal $cure:literal;)*) => {
        /// A reason. Its code is what travels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* #[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All of them, in the order of the page.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `UPPER_SNAKE`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What a code stands for; none for one that this version does not know.
            pub fn of_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// What it is about.
            pub const fn about(self) -> About {
                match self { $(Self::$name => About::$about),* }
            }

            /// Whether Segment sends the event again by itself.
            pub const fn is_retried(self) -> bool {
                match self { $(Self::$name => $retried),* }
            }

            /// What happened, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }

            /// What to do about it, in a sentence.
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$name => $cure),* }
            }
        }
    };
}

reasons! {
    // ---- events: 400 ----
    NotAnObject "NOT_AN_OBJECT" Event false
        "The event is no JSON object." "Send each event as a JSON object.";
    InvalidJson "INVALID_JSON" Event false
        "The event is no JSON." "Mend what writes the event; the message says at which byte it goes wrong.";
    InvalidUtf8 "INVALID_UTF8" Event false
        "The event holds bytes that are not UTF-8." "Send UTF-8.";
    TooDeep "TOO_DEEP" Event false
        "The event is nested more than 128 levels deep." "Send flatter traits and properties.";
    NoIdentifier "NO_IDENTIFIER" Event false
        "Neither user_id nor anonymous_id names anyone." "Send at least one of both; values such as null, 0 or undefined name nobody.";
    UserIdUnusable "USER_ID_UNUSABLE" Event false
        "The user_id is longer than 255 characters, no text, or holds an invisible character." "Send the id as text of at most 255 characters.";
    EventNameMissing "EVENT_NAME_MISSING" Event false
        "The track has no event name, or a blank one." "Send the name of the event in `event`.";
    EventNameUnusable "EVENT_NAME_UNUSABLE" Event false
        "The event name is longer than 255 characters, no text, or holds what is no character." "Send a name of at most 255 characters.";
    TimestampUnreadable "TIMESTAMP_UNREADABLE" Event false
        "The timestamp can't be read as a time." "Send ISO 8601, such as 2025-07-10T06:09:00Z.";
    TimestampInFuture "TIMESTAMP_IN_FUTURE" Event false
        "The timestamp is more than 24 hours ahead." "Mend the clock of what sends the event.";
    TraitsNotAnObject "TRAITS_NOT_AN_OBJECT" Event false
        "The traits are no JSON object." "Send traits as an object.";
    PropertiesNotAnObject "PROPERTIES_NOT_AN_OBJECT" Event false
        "The properties are no JSON object." "Send properties as an object.";
    AudienceInvalid "AUDIENCE_INVALID" Event false
        "The audience is missing, or is no object of a mode and an id." "Send {\"mode\": \"add\" or \"remove\", \"id\": …}.";
    AudienceModeInvalid "AUDIENCE_MODE_INVALID" Event false
        "The audience's mode is neither add nor remove." "Send add or remove.";
    AudienceUnknown "AUDIENCE_UNKNOWN" Event false
        "The account has no audience of this id." "Associate the audience anew in Segment's mapping.";
    AudienceOtherOrigin "AUDIENCE_OTHER_ORIGIN" Event false
        "The audience was not created by Segment (Actions), and can't be changed from there." "Associate another name in Segment's mapping.";
    EventTypeUnknown "EVENT_TYPE_UNKNOWN" Event false
        "The event's `type` is missing, or none that there is." "Send identify or track; page, screen, group and alias are accepted and not stored.";
    EventTooLarge "EVENT_TOO_LARGE" Event false
        "The event is larger than the 32 KB that a classic Segment source takes." "Send fewer traits or properties; what stands in `context` counts, too.";
    Unstorable "UNSTORABLE" Event false
        "The database does not take a value of the event." "Report it: that no value can do this is a promise of ours.";

    // ---- rows of an import, besides those above ----
    RowColumns "ROW_COLUMNS" Row false
        "The row has more or fewer cells than there are columns." "Mend the row; a value with the separator in it stands between quotes.";
    RowQuotes "ROW_QUOTES" Row false
        "A quote is opened in the row and not closed, or stands where none may be." "Write a quote inside of a value twice, and the value between quotes.";
    RowTooLong "ROW_TOO_LONG" Row false
        "The row is longer than 1 MiB." "Look for a quote that is not closed in the rows before; or send less.";

    ColumnUnknown "COLUMN_UNKNOWN" Row false
        "A member of the row leads to no field of the account; the rest of the row was taken." "Name it by the id of a field, such as str::email, or import it by the mapping of a source.";

    // ---- events: 200, and not stored ----
    TypeNotStored "TYPE_NOT_STORED" Event false
        "A page, screen, group or alias call of a classic source: it is accepted, and not stored." "Nothing needs to be done; what is wanted is sent as identify or track.";

    // ---- events: 422 ----
    NoMapping "NO_MAPPING" Event false
        "No mappings configured: the contact mapping of the source, or this activity's, was never saved." "Map the traits, or add the activity; the event is among the samples.";
    NothingValid "NOTHING_VALID" Event false
        "Each of the event's mapped traits was ignored." "See the log for why; mend the mapping, or what sends the traits.";
    NothingNew "NOTHING_NEW" Event false
        "The event says nothing about the contact that was not known." "Nothing needs to be done.";
    PastRetention "PAST_RETENTION" Event false
        "The timestamp lies before what the activity's retention keeps." "Raise the retention of the activity, if such events are wanted.";
    ExistingOnly "EXISTING_ONLY" Event false
        "There is no such contact, and the source's merge settings make no new ones." "Change the merge settings, if new contacts are wanted.";
    ContactDeleted "CONTACT_DELETED" Event false
        "The contact was deleted after this event happened." "Nothing needs to be done.";

    // ---- tracks: 206 ----
    ContactNothingValid "CONTACT_NOTHING_VALID" Event false
        "The activity is stored; each of the mapped traits was ignored." "See the log for why; mend the mapping, or what sends the traits.";
    ContactLimit "CONTACT_LIMIT" Event false
        "The activity is stored, the contact is not: the limit of contact profile events is reached." "Wait for the next window, or raise the plan.";
    ContactExistingOnly "CONTACT_EXISTING_ONLY" Event false
        "The activity is stored; there is no such contact, and the source's merge settings make no new ones." "Change the merge settings, if new contacts are wanted.";
    ContactDeferred "CONTACT_DEFERRED" Event false
        "The activity is stored; the contact could not be reached, and is made up for by itself." "Nothing needs to be done: within a minute of the service's return the contact has its traits.";

    // ---- events: 429 ----
    ProfileLimit "PROFILE_LIMIT" Event true
        "The limit of contact profile events in 24 hours is reached." "Wait for the next window, or raise the plan.";
    ActivityLimit "ACTIVITY_LIMIT" Event true
        "The limit of activity events in 24 hours is reached." "Wait for the next window, raise the plan, or map more activities.";

    // ---- events: 500 ----
    Internal "INTERNAL" Event true
        "An error of ours; details are in the service's log." "Send it again.";
    UnitsInFlight "UNITS_IN_FLIGHT" Event true
        "The last free units are reserved by batches under way." "Send it again; a moment later they are charged or free.";
    ContactsAway "CONTACTS_AWAY" Event true
        "Contacts could not be reached." "Send it again.";
    ActivitiesAway "ACTIVITIES_AWAY" Event true
        "Activities could not be reached." "Send it again.";
    AudiencesAway "AUDIENCES_AWAY" Event true
        "Audiences could not be reached." "Send it again.";

    // ---- values that are ignored ----
    TextInvalid "TEXT_INVALID" Value false
        "The value is no text, number or boolean." "Map a single value, or another type of field.";
    TooLong "TOO_LONG" Value false
        "The value is longer than its field holds." "Send less, map it to a longer type of field, or let the row truncate it.";
    EmailInvalid "EMAIL_INVALID" Value false
        "The value is no e-mail address." "Mend what sends it.";
    PhoneInvalid "PHONE_INVALID" Value false
        "The value is no phone number with its country code, nor one of the row's country." "Send it as +61 2 9876 5432, or choose the row's phone_country.";
    LinkInvalid "LINK_INVALID" Value false
        "The value is no absolute http or https URL." "Send the whole URL.";
    IntegerInvalid "INTEGER_INVALID" Value false
        "The value is no whole number of 64 bits." "Map it to a decimal field, or mend what sends it.";
    DecimalInvalid "DECIMAL_INVALID" Value false
        "The value is no number of at most three decimals." "Round it before it is sent, or let the row round it.";
    BooleanInvalid "BOOLEAN_INVALID" Value false
        "The value is neither true nor false." "Send true or false, or let the row take words.";
    DateFormatMismatch "DATE_FORMAT_MISMATCH" Value false
        "The value is written in no chosen format." "Choose the format that is sent, or add it as another one.";
    DateOutOfRange "DATE_OUT_OF_RANGE" Value false
        "The date lies outside of the years 1 to 9999." "Mend what sends it.";
    TimeFormatMismatch "TIME_FORMAT_MISMATCH" Value false
        "The value is no time of day in a chosen format." "Choose the format that is sent, or add it as another one.";
    ListInvalid "LIST_INVALID" Value false
        "The value, or an element of it, is no choice." "Send a list of texts.";
    ObjectInvalid "OBJECT_INVALID" Value false
        "The value is no JSON object or array." "Map it to another type of field.";
    PlaceInvalid "PLACE_INVALID" Value false
        "The value names no place." "Send the name of a country, region or city.";
    NotStorable "NOT_STORABLE" Value false
        "The value holds NUL or half of a character." "Mend what sends it.";
    InvisibleCharacters "INVISIBLE_CHARACTERS" Value false
        "The value holds an invisible character inside." "Mend what sends it.";
    ValueBlocked "VALUE_BLOCKED" Value false
        "The value means nobody to the account, and can't tell contacts apart." "Mend what sends it; where it is somebody, take the default off, or the account's own entry (blocked_values).";
    AnonymousIdUnusable "ANONYMOUS_ID_UNUSABLE" Value false
        "The anonymous_id can't be used, and is taken for absent." "Send the id as text of at most 255 characters.";
    IdentifierTaken "IDENTIFIER_TAKEN" Value false
        "The value belongs to another contact that can't be merged." "Find out which of both is right.";
    Stale "STALE" Value false
        "A newer event has set the field." "Nothing needs to be done.";
    BacklogDayCap "BACKLOG_DAY_CAP" Value false
        "More than 50 activities of one day waited for the contact; the newer ones were discarded." "Send an identify before the tracks.";

    // ---- requests and calls ----
    FieldInvalid "FIELD_INVALID" Call false
        "A field of the request is wrong; the violations name it." "Mend the request.";
    MessageInvalid "MESSAGE_INVALID" Call false
        "The message can't be read as what the call takes." "Use the protos of this version.";
    MessageTooLarge "MESSAGE_TOO_LARGE" Call false
        "The message is larger than 32 MiB, or than 16 MiB of JSON." "Send smaller batches.";
    AnswerTooLarge "ANSWER_TOO_LARGE" Call true
        "The answer would be larger than a message may be." "Send fewer events at once.";
    CallUnsupported "CALL_UNSUPPORTED" Call false
        "There is no such call, or it does not take messages in this encoding." "See reflection for what there is; send messages uncompressed.";
    ServiceUnknown "SERVICE_UNKNOWN" Call false
        "The service that was asked about is not served here." "Ask about the service of this address, or about none.";
    PageTokenInvalid "PAGE_TOKEN_INVALID" Call false
        "The page token is none that was answered before." "Begin with the first page.";
    AccountUnknown "ACCOUNT_UNKNOWN" Call false
        "There is no such account." "Check the id.";
    SourceUnknown "SOURCE_UNKNOWN" Call false
        "There is no such data source in the account." "Check the ids.";
    TokenMissing "TOKEN_MISSING" Call false
        "The call shows no token." "Send one as `authorization: Bearer weir_…`; an administrator makes them.";
    TokenUnknown "TOKEN_UNKNOWN" Call false
        "The token is not known, or was revoked." "Have a new one made.";
    CertificateUnknown "CERTIFICATE_UNKNOWN" Call false
        "The call shows no token, and its connection a certificate that is of none of Weir's services." "Show a token, or name the certificate in WEIR_TLS_SERVICES of what is called.";
    TokenExpired "TOKEN_EXPIRED" Call false
        "The token is past its end." "Have a new one made.";
    ServicesOnly "SERVICES_ONLY" Call false
        "The call is for Weir's own services." "See the protos for what is for others.";
    RoleTooLow "ROLE_TOO_LOW" Call false
        "The token's role is too low for the call." "Use a token of the role that is named in the details (role).";
    AccountForbidden "ACCOUNT_FORBIDDEN" Call false
        "The token is not for the account that the request names, or for all where it names none." "Name an account that the token is for, or use another token.";
    KeyUnknown "KEY_UNKNOWN" Call false
        "The key is not known, or was revoked." "Use a key of the data source that is still valid.";
    KeyExpired "KEY_EXPIRED" Call false
        "The key is past its end." "Use the key that was made in its place, or have a new one made.";
    KeyOfOtherKind "KEY_OF_OTHER_KIND" Call false
        "The key is good, and belongs to the other kind of data source." "Send with the key of a classic source to /classic/v1 or to the classic port, with that of Segment (Actions) to /v1.";
    OriginNotAllowed "ORIGIN_NOT_ALLOWED" Call false
        "The request comes from a page whose origin the data source does not list." "Add the origin to the source's allowed_origins.";
    SourcePaused "SOURCE_PAUSED" Call true
        "The data source is paused: nothing of it is taken until it is resumed." "Resume it before Segment gives up, which is four hours after an event's first try.";
    KeyLimit "KEY_LIMIT" Call false
        "The data source has as many valid keys as it may have." "Revoke those that nobody uses.";
    VersionUnknown "VERSION_UNKNOWN" Call false
        "The mapping has no such version that is still kept." "List its versions.";
    NothingMapped "NOTHING_MAPPED" Call false
        "The source maps nothing that could be copied." "Save its contact mapping or an activity first.";
    MappingChanged "MAPPING_CHANGED" Call false
        "The mapping, or what else is set up, was changed by somebody else meanwhile; nothing was saved." "Look at what stands now, and save again.";
    DeletionUnknown "DELETION_UNKNOWN" Call false
        "There is no such deletion, or it was too long ago." "Check the id; deletions of accounts can be looked at for 90 days, those of people for a year, those of audiences for 400 days.";
    AccountLives "ACCOUNT_LIVES" Call false
        "The account is not being deleted: nothing of it is erased." "Delete the account.";
    FieldInUse "FIELD_IN_USE" Call false
        "The field is mapped, or tells contacts apart." "Take it out of the mappings and of the unique identifiers first.";
    ContactUnknown "CONTACT_UNKNOWN" Call false
        "There is no such contact in the account." "Check the ids.";
    MergeUnknown "MERGE_UNKNOWN" Call false
        "There is no such merge in the account." "See ListMerges for what there is.";
    MergeTooOld "MERGE_TOO_OLD" Call false
        "The merge was more than 90 days ago: what a split needs is gone." "Nothing can be done; later events tell the two apart.";
    MergeInTheWay "MERGE_IN_THE_WAY" Call false
        "A later merge has to be undone first." "Undo the one whose id is in the details (merge_id).";
    ContactsAlreadyOne "CONTACTS_ALREADY_ONE" Call false
        "Both are one contact already." "Nothing needs to be done.";
    BothHaveUserIds "BOTH_HAVE_USER_IDS" Call false
        "Both contacts have user ids, which only a person may decide to join." "Say allow_two_user_ids where they are one person.";
    AlertUnknown "ALERT_UNKNOWN" Call false
        "There is no such alert in the account." "Check the ids; alerts are kept for 90 days.";
    NoNotificationAddress "NO_NOTIFICATION_ADDRESS" Call false
        "The account has neither a notification address nor a webhook." "Give it one.";
    TokenNotFound "TOKEN_NOT_FOUND" Call false
        "There is no such token among those that the caller may see." "List the tokens; those that ended are listed for 90 days.";
    TokenLimit "TOKEN_LIMIT" Call false
        "As many tokens are good as there may be." "Revoke those that nobody uses.";
    TokenBeyondCaller "TOKEN_BEYOND_CALLER" Call false
        "The token would be good for more than whoever makes it." "Ask for a lower role or for fewer accounts; or have somebody make it who may.";
    ReplayUnknown "REPLAY_UNKNOWN" Call false
        "There is no such replay in the account." "Check the ids; replays can be looked at for 30 days.";
    ReplayRunning "REPLAY_RUNNING" Call false
        "Another replay of the data source has not ended." "Wait for it, or stop it.";
    NothingToCorrect "NOTHING_TO_CORRECT" Call false
        "The event was stored before, and what is to be corrected is not there: the contact is gone or was never made, or the activity has expired." "Nothing needs to be done: a replay brings nothing back, and makes no contact.";
    NothingToReplay "NOTHING_TO_REPLAY" Call false
        "No kept event meets the filter." "List the kept events with the same filter.";
    KeptEventUnknown "KEPT_EVENT_UNKNOWN" Call false
        "There is no such kept event in the data source, or it is gone." "List the kept events; they are kept for 7 days.";
    RequestIdTaken "REQUEST_ID_TAKEN" Call false
        "Another request was made under this request_id." "Choose a fresh request_id for each wish.";
    AudienceNotFound "AUDIENCE_NOT_FOUND" Call false
        "There is no such audience in the account." "Check the ids.";
    AudienceNameTaken "AUDIENCE_NAME_TAKEN" Call false
        "An audience of this name was made by hand or by another integration." "Choose another name.";
    AudienceInUse "AUDIENCE_IN_USE" Call false
        "Updates came for the audience within the last 7 days: without it the events that bring them would be refused." "Take it out of Segment's mapping first, or say refuse_events.";
    DeletionUnderWay "DELETION_UNDER_WAY" Call true
        "Memberships of the audience are still being deleted." "Ask again in a while; GetAudienceDeletion says how far it is.";
    SyncUnknown "SYNC_UNKNOWN" Call false
        "There is no such sync of the account, or it was too long ago." "Check the id; syncs can be looked at for 90 days.";
    NameTaken "NAME_TAKEN" Call false
        "Something of this name is there already, and differs." "Choose another name.";
    FieldExists "FIELD_EXISTS" Call false
        "The field exists with another type; name and type are fixed once made." "Choose another name.";
    FieldLimit "FIELD_LIMIT" Call false
        "The account has as many custom fields as it may have." "Use one that is there.";
    KeyTaken "KEY_TAKEN" Call false
        "The key belongs to another data source." "Choose another key, or have one made.";
    KeyRevoked "KEY_REVOKED" Call false
        "The key was revoked, and does not come back." "Have a new one made.";
    SecondActionsSource "SECOND_ACTIONS_SOURCE" Call false
        "The account has its Segment (Actions) source already." "Use that one.";
    SlotsUsedUp "SLOTS_USED_UP" Call false
        "All activity slots of the plan are taken." "Each further activity needs one Activities + add-on; or take a mapped one away.";
    SlotsInUse "SLOTS_IN_USE" Call false
        "More activities are mapped than the new plan has slots." "Take mapped activities away first.";
    ContactsExist "CONTACTS_EXIST" Call false
        "Contacts are stored: a plain change of unique identifiers or key strategy does not reach them." "Look at PreviewReindex of weir.contact.v1.IdentityService, then call StartReindex.";
    ReindexUnderWay "REINDEX_UNDER_WAY" Call false
        "Contacts are being reindexed by other unique identifiers." "Wait until GetReindex says that it is done.";
    ReindexUnknown "REINDEX_UNKNOWN" Call false
        "The account's contacts were never reindexed." "Nothing needs to be done.";
    IdentifiersChanged "IDENTIFIERS_CHANGED" Call true
        "The account's unique identifiers changed meanwhile; nothing was stored." "Map the events anew.";
    BatchClosed "BATCH_CLOSED" Call true
        "The batch was closed; nothing was stored." "Reserve units for a new batch.";
    EpochPast "EPOCH_PAST" Call true
        "The batch was admitted under a past epoch; nothing was stored." "Reserve units for a new batch.";
    EpochImplausible "EPOCH_IMPLAUSIBLE" Call false
        "The epoch is further ahead than any rebuild can bring it." "Report it to whoever runs the service.";
    ServiceAway "SERVICE_AWAY" Call true
        "Something that is needed is away." "Try again in a second.";
    TooLate "TOO_LATE" Call true
        "The deadline passed." "Try again, with more time.";
    Overloaded "OVERLOADED" Call true
        "More is under way than there is room for." "Try again in a second.";
    BodyInvalid "BODY_INVALID" Call false
        "The body is neither a JSON array of events nor a JSON object." "Send a JSON array; to a classic source an event, or {\"batch\": [..]}.";
    BodyTooLarge "BODY_TOO_LARGE" Call false
        "The body is larger than 16 MiB, or holds more than 1,000 events; of a classic source 500 KB, or 2,500." "Send smaller batches.";
    BodyTooSlow "BODY_TOO_SLOW" Call true
        "The body did not arrive in time." "Send it again.";
    MediaTypeUnsupported "MEDIA_TYPE_UNSUPPORTED" Call false
        "The body is not application/json, or in an encoding that is not spoken here." "Send application/json, plain or gzip.";
    PathUnknown "PATH_UNKNOWN" Call false
        "There is nothing at this path." "See /openapi.json for what there is.";
    MethodNotAllowed "METHOD_NOT_ALLOWED" Call false
        "The path does not take this method." "See the Allow header.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_upper_snake_unique_and_lead_back() {
        let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        for reason in Reason::ALL {
            assert_eq!(Reason::of_code(reason.code()), Some(*reason));
            let letters = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(reason.code().chars().all(letters), "{reason}");
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert_eq!(Reason::of_code("NO_SUCH_CODE"), None);
    }

    #[test]
    fn each_says_what_happened_and_what_to_do_in_a_sentence() {
        for reason in Reason::ALL {
            for text in [reason.meaning(), reason.cure()] {
                assert!(text.ends_with('.') && text.len() > 10, "{reason}: {text}");
            }
        }
    }
}
