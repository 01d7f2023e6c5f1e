//! The statements of the baseline: the fewest and plainest that write the rows.

/// One statement of the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    Contacts,
    Identifiers,
    Outbox,
    ChangedContacts,
    MovedRegisters,
    Receipts,
    ProfileUsage,
    Activities,
    WaitingIdentifiers,
    Backlog,
    ActivityUsage,
    Memberships,
    LinkedIdentifiers,
    SentOutbox,
}

impl Write {
    pub const ALL: [Self; 14] = [
        Self::Contacts,
        Self::Identifiers,
        Self::Outbox,
        Self::ChangedContacts,
        Self::MovedRegisters,
        Self::Receipts,
        Self::ProfileUsage,
        Self::Activities,
        Self::WaitingIdentifiers,
        Self::Backlog,
        Self::ActivityUsage,
        Self::Memberships,
        Self::LinkedIdentifiers,
        Self::SentOutbox,
    ];

    /// Its text.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Contacts => CONTACTS,
            Self::Identifiers => IDENTIFIERS,
            Self::Outbox => OUTBOX,
            Self::ChangedContacts => CHANGED_CONTACTS,
            Self::MovedRegisters => MOVED_REGISTERS,
            Self::Receipts => RECEIPTS,
            Self::ProfileUsage => PROFILE_USAGE,
            Self::Activities => ACTIVITIES,
            Self::WaitingIdentifiers => WAITING_IDENTIFIERS,
            Self::Backlog => BACKLOG,
            Self::ActivityUsage => ACTIVITY_USAGE,
            Self::Memberships => MEMBERSHIPS,
            Self::LinkedIdentifiers => LINKED_IDENTIFIERS,
            Self::SentOutbox => SENT_OUTBOX,
        }
    }
}

const CONTACTS: &str =
    "INSERT INTO raw_contact.contacts (account_id, contact_id, has_user_id, fields,
         registers, redirect_to, version, create_time, update_time)
     SELECT $1, u.contact_id, true, u.fields::json, u.registers::json, NULL, 1, $5, $5
     FROM unnest($2::uuid[], $3::text[], $4::text[])
         AS u(contact_id, fields, registers)";

const IDENTIFIERS: &str =
    "INSERT INTO raw_contact.identifiers (account_id, kind, value, contact_id,
         version, link_time, event_time, message_id)
     SELECT $1, u.kind, u.value, u.contact_id, 1, $7, u.event_time, u.message_id
     FROM unnest($2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[])
         AS u(kind, value, contact_id, event_time, message_id)
     ON CONFLICT DO NOTHING";

const OUTBOX: &str = "INSERT INTO raw_contact.outbox (account_id, outbox_id, payload)
     VALUES ($1, $2, $3)";

const CHANGED_CONTACTS: &str = "UPDATE raw_contact.contacts c
     SET fields = u.fields::json, registers = u.registers::json,
         version = c.version + 1, update_time = $5
     FROM unnest($2::text[], $3::text[], $4::text[]) AS u(user_id, fields, registers)
     JOIN raw_contact.identifiers i
         ON i.account_id = $1 AND i.kind = 'u' AND i.value = u.user_id
     WHERE c.account_id = $1 AND c.contact_id = i.contact_id";

const MOVED_REGISTERS: &str = "UPDATE raw_contact.contacts c
     SET registers = u.registers::json, version = c.version + 1
     FROM unnest($2::text[], $3::text[]) AS u(user_id, registers)
     JOIN raw_contact.identifiers i
         ON i.account_id = $1 AND i.kind = 'u' AND i.value = u.user_id
     WHERE c.account_id = $1 AND c.contact_id = i.contact_id";

const RECEIPTS: &str = "INSERT INTO raw_contact.receipts (account_id, event_key, contact_id,
         is_stored, receive_time)
     SELECT $1, u.event_key, u.contact_id, true, $4
     FROM unnest($2::uuid[], $3::uuid[]) AS u(event_key, contact_id)
     ON CONFLICT DO NOTHING";

const PROFILE_USAGE: &str =
    "INSERT INTO raw_contact.usage (account_id, window_day, batch_id, units)
     VALUES ($1, $2, $3, $4)";

const ACTIVITIES: &str =
    "INSERT INTO raw_activity.activities (account_id, expire_day, activity_key,
         contact_id, activity_id, event_name, event_time, message_id, attributes,
         receive_time)
     SELECT $1, u.expire_day, u.activity_key, u.contact_id, $2, $3, u.event_time,
         u.message_id, u.attributes::json, $10
     FROM unnest($4::date[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::text[],
         $9::text[])
         AS u(expire_day, activity_key, contact_id, event_time, message_id, attributes)
     ON CONFLICT DO NOTHING";

const WAITING_IDENTIFIERS: &str =
    "INSERT INTO raw_activity.identifiers (account_id, kind, value, contact_id,
         version, link_time, waiting)
     SELECT $1, 'u', u.value, NULL, -1, NULL, true FROM unnest($2::text[]) AS u(value)
     ON CONFLICT DO NOTHING";

const BACKLOG: &str = "INSERT INTO raw_activity.backlog (account_id, expire_day, kind, value,
         activity_key, activity_id, event_name, event_time, message_id, attributes,
         receive_time, deferred)
     SELECT $1, u.expire_day, 'u', u.value, u.activity_key, $2, $3, u.event_time,
         u.message_id, u.attributes::json, $10, false
     FROM unnest($4::date[], $5::uuid[], $6::text[], $7::timestamptz[], $8::text[],
         $9::text[])
         AS u(expire_day, activity_key, value, event_time, message_id, attributes)
     ON CONFLICT DO NOTHING";

const ACTIVITY_USAGE: &str =
    "INSERT INTO raw_activity.usage (account_id, window_day, batch_id, units)
     VALUES ($1, $2, $3, $4)";

/// With what is told of whoever was none before, and the counts of the day and in all, in rows of
/// each connection's own.
const MEMBERSHIPS: &str = "WITH asked AS MATERIALIZED (
         SELECT * FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $7::uuid[])
             AS u(contact_id, update_time, message_id, change_id)
     ), written AS (
         INSERT INTO raw_audience.memberships AS m (account_id, audience_id, contact_id,
             member, asked_member, member_since_time, update_time, update_message_id)
         SELECT $1, $2, contact_id, true, true, $6, update_time, message_id FROM asked
         ON CONFLICT (account_id, contact_id, audience_id) DO UPDATE
         SET update_time = excluded.update_time, update_message_id = excluded.update_message_id
         RETURNING contact_id, xmax = 0 AS is_new
     ), told AS (
         INSERT INTO raw_audience.membership_history (account_id, contact_id, change_id,
             audience_id, kind, cause, change_time, update_time, message_id)
         SELECT $1, contact_id, a.change_id, $2, 1, 1, $6, a.update_time, a.message_id
         FROM written JOIN asked a USING (contact_id) WHERE is_new
         RETURNING 1
     )
     INSERT INTO raw_audience.audience_days AS d (account_id, audience_id, day, slot, joined,
         gone, moved, held_back, updates)
     SELECT $1, $2, day, (pg_backend_pid() % 8)::smallint, (SELECT count(*) FROM told), 0, 0, 0, $8
     FROM unnest(ARRAY['0001-01-01'::date, ($6::timestamptz AT TIME ZONE 'UTC')::date]) AS day
     ON CONFLICT (account_id, audience_id, day, slot) DO UPDATE
     SET joined = d.joined + excluded.joined, updates = d.updates + excluded.updates";

const LINKED_IDENTIFIERS: &str =
    "INSERT INTO raw_activity.identifiers AS i (account_id, kind, value, contact_id,
         version, link_time, waiting)
     SELECT $1, u.kind, u.value, u.contact_id, 1, $5, false
     FROM unnest($2::text[], $3::text[], $4::uuid[]) AS u(kind, value, contact_id)
     ON CONFLICT (account_id, kind, value) DO UPDATE
     SET contact_id = excluded.contact_id, version = excluded.version,
         link_time = excluded.link_time
     WHERE i.version < excluded.version";

const SENT_OUTBOX: &str = "DELETE FROM raw_contact.outbox WHERE account_id = $1 AND outbox_id = $2";
