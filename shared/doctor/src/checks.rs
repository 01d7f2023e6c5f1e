//! What must hold of what is stored, each as a query that finds what breaks it.
//!
//! Contacts are asked for by account and id, and so joined: one look at each table. A contact
//! of all zeros is nobody.

use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::{Check, Fault, SHOWN, grants};

/// Rows of an account that mapping does not know, and has not under deletion either. Looked up
/// once: a distributed engine joins no table of one node with those of all.
macro_rules! of_accounts_that_are_no_more {
    ($schema:literal) => {
        concat!(
            "WITH known AS MATERIALIZED (
                SELECT account_id FROM mapping.accounts
                UNION
                SELECT account_id FROM mapping.account_deletions WHERE finish_time IS NULL
            )
            SELECT o.account_id, '",
            $schema,
            "' AS found FROM ",
            $schema,
            ".accounts o
            WHERE NOT EXISTS (SELECT FROM known k WHERE k.account_id = o.account_id)"
        )
    };
}

/// In the order in which they are made: a service's own tables first.
pub const CHECKS: &[Check] = &[
    Check {
        promise: "an identifier points to one living contact (semantics 3.8)",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT i.account_id, i.kind || ' of ' || i.contact_id
                    || CASE WHEN c.contact_id IS NULL THEN ', who is not there'
                       ELSE ', who was merged' END AS found
            FROM contact.identifiers i LEFT JOIN contact.contacts c USING (account_id, contact_id)
            WHERE c.redirect_to IS NOT NULL OR c.contact_id IS NULL AND NOT (i.kind IN ('u', 'a')
                AND i.contact_id = '00000000-0000-0000-0000-000000000000')",
    },
    Check {
        promise: "a merge key is the present value of its contact (semantics 3.2)",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT i.account_id, i.kind || ' of ' || i.contact_id AS found
            FROM contact.identifiers i JOIN contact.contacts c USING (account_id, contact_id)
            WHERE i.kind NOT IN ('u', 'a') AND c.redirect_to IS NULL
              AND coalesce(i.value NOT IN (c.fields->>i.kind,
                  lower((c.fields->>i.kind) COLLATE \"C\")), true)",
    },
    Check {
        promise: "each value of a merge key leads to the contact that has it (semantics 3.2, 3.8)",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT c.account_id, f.field || ' of ' || c.contact_id AS found
            FROM (SELECT account_id, unnest(unique_identifiers) AS field FROM contact.accounts
                  UNION SELECT account_id, kind FROM contact.identifiers
                  WHERE kind NOT IN ('u', 'a')) f
            JOIN contact.contacts c USING (account_id)
            JOIN contact.accounts a USING (account_id)
            WHERE a.next_unique_identifiers IS NULL AND c.redirect_to IS NULL
              AND json_typeof(c.fields->f.field) = 'string'
              AND NOT EXISTS (SELECT FROM contact.identifiers i
                  WHERE i.account_id = c.account_id AND i.kind = f.field
                    AND i.value IN (c.fields->>f.field,
                        lower((c.fields->>f.field) COLLATE \"C\"))
                    AND i.contact_id = c.contact_id)",
    },
    Check {
        promise: "removes of people who are not known are under identifiers of nobody",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT r.account_id, r.kind || ' of ' || coalesce(i.contact_id::text, 'no row') AS found
            FROM contact.kept_removes r
            LEFT JOIN contact.identifiers i USING (account_id, kind, value)
            WHERE i.contact_id IS DISTINCT FROM '00000000-0000-0000-0000-000000000000'",
    },
    Check {
        promise: "redirects lead to older contacts that live, so never in a circle (semantics 3.6)",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT c.account_id, c.contact_id || ' to ' || c.redirect_to AS found
            FROM contact.contacts c LEFT JOIN contact.contacts t
              ON t.account_id = c.account_id AND t.contact_id = c.redirect_to
            WHERE c.redirect_to IS NOT NULL
              AND (t.contact_id IS NULL OR c.redirect_to >= c.contact_id)",
    },
    Check {
        promise: "who has a user id is marked so",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT c.account_id, c.contact_id::text AS found FROM contact.contacts c
            WHERE c.redirect_to IS NULL AND c.has_user_id <> EXISTS (
                SELECT FROM contact.identifiers i WHERE i.account_id = c.account_id
                  AND i.contact_id = c.contact_id AND i.kind = 'u')",
    },
    Check {
        promise: "activity knows whose the ids are",
        schemas: &["contact", "activity"],
        is_relayed: true,
        query: "SELECT i.account_id, i.kind || ' of ' || i.contact_id AS found
            FROM contact.identifiers i
            LEFT JOIN activity.identifiers p USING (account_id, kind, value)
            LEFT JOIN contact.contacts c
              ON c.account_id = p.account_id AND c.contact_id = p.contact_id
            WHERE i.kind IN ('u', 'a')
              AND i.contact_id <> '00000000-0000-0000-0000-000000000000'
              AND (p.contact_id IS NULL
                OR coalesce(c.redirect_to, c.contact_id) IS DISTINCT FROM i.contact_id
                   AND NOT EXISTS (SELECT FROM activity.contact_merges j
                       WHERE j.account_id = p.account_id AND j.contact_id = p.contact_id))",
    },
    Check {
        promise: "no track is stranded in the backlog (semantics 4.10)",
        schemas: &["contact", "activity"],
        is_relayed: true,
        query: "SELECT b.account_id, b.kind || ' of ' || i.contact_id AS found
            FROM activity.backlog b
            JOIN contact.identifiers i USING (account_id, kind, value)
            WHERE i.contact_id <> '00000000-0000-0000-0000-000000000000'",
    },
    Check {
        promise: "who waits in the backlog is known to wait (semantics 4.8)",
        schemas: &["activity"],
        is_relayed: false,
        query: "SELECT DISTINCT b.account_id, b.kind || CASE WHEN i.kind IS NULL
                    THEN ' without a row' ELSE ' that waits for nothing' END AS found
            FROM activity.backlog b
            LEFT JOIN activity.identifiers i USING (account_id, kind, value)
            WHERE b.expire_day >= current_date
              AND (i.kind IS NULL OR i.contact_id IS NULL AND NOT i.waiting)",
    },
    Check {
        // What has expired may be dropped; younger days are all there.
        promise: "activities are counted as they are stored (semantics 4.12)",
        schemas: &["activity"],
        is_relayed: false,
        query: "SELECT account_id, 'activity ' || activity_id || ' on ' || day || ': '
                    || coalesce(s.stored, 0) || ' and not ' || coalesce(c.stored, 0) AS found
            FROM (SELECT account_id, activity_id, (event_time AT TIME ZONE 'UTC')::date AS day,
                      count(*) AS stored
                  FROM activity.activities WHERE contact_id IS NOT NULL GROUP BY 1, 2, 3) s
            FULL JOIN (SELECT account_id, activity_id, day, sum(stored) AS stored
                  FROM activity.activity_counts GROUP BY 1, 2, 3 HAVING sum(stored) <> 0) c
            USING (account_id, activity_id, day)
            WHERE coalesce(s.stored, 0) > coalesce(c.stored, 0)
              OR day >= current_date - 28 AND s.stored IS DISTINCT FROM c.stored",
    },
    Check {
        promise: "who was merged is known to activity",
        schemas: &["contact", "activity"],
        is_relayed: true,
        query: "SELECT c.account_id, c.contact_id || ' into ' || c.redirect_to AS found
            FROM contact.contacts c
            LEFT JOIN activity.contact_merges m USING (account_id, contact_id)
            WHERE c.redirect_to IS NOT NULL AND m.survivor_id IS NULL",
    },
    Check {
        promise: "merges lead nobody in a circle, in activity",
        schemas: &["activity"],
        is_relayed: false,
        query: "SELECT m.account_id, m.contact_id || ' to ' || m.survivor_id AS found
            FROM activity.contact_merges m WHERE m.survivor_id >= m.contact_id",
    },
    Check {
        promise: "a membership is of an audience that is there (semantics 5.1)",
        schemas: &["audience"],
        is_relayed: false,
        query: "SELECT m.account_id, m.contact_id || ' in ' || m.audience_id AS found
            FROM audience.memberships m
            LEFT JOIN audience.audiences a USING (account_id, audience_id)
            WHERE a.audience_id IS NULL",
    },
    Check {
        promise: "the memberships of who was merged are the survivor's (semantics 5.5)",
        schemas: &["audience"],
        is_relayed: false,
        query: "SELECT m.account_id, m.contact_id || ', now ' || j.survivor_id AS found
            FROM audience.memberships m
            JOIN audience.contact_merges j USING (account_id, contact_id)
            WHERE j.survivor_id <> j.contact_id",
    },
    Check {
        // The first day of the calendar has the sums of all others.
        promise: "members are counted as they are (semantics 5.6)",
        schemas: &["audience"],
        is_relayed: false,
        query: "SELECT a.account_id, coalesce(m.members, 0) || ' and not '
                    || coalesce(d.counted, 0) || ' in ' || a.audience_id AS found
            FROM audience.audiences a
            LEFT JOIN (SELECT account_id, audience_id, count(*) AS members
                FROM audience.memberships WHERE member GROUP BY 1, 2) m
              USING (account_id, audience_id)
            LEFT JOIN (SELECT account_id, audience_id, sum(joined - gone + moved) AS counted
                FROM audience.audience_days WHERE day = '0001-01-01' GROUP BY 1, 2) d
              USING (account_id, audience_id)
            WHERE coalesce(m.members, 0) <> coalesce(d.counted, 0)",
    },
    Check {
        promise: "a membership that is held back waits for the daily sync (semantics 5.3)",
        schemas: &["audience"],
        is_relayed: false,
        query: "SELECT m.account_id, m.contact_id || ' in ' || m.audience_id AS found
            FROM audience.memberships m
            LEFT JOIN audience.waiting w USING (account_id, audience_id, contact_id)
            LEFT JOIN audience.sync_work s USING (account_id)
            WHERE m.member <> m.asked_member
              AND (w.contact_id IS NULL OR s.account_id IS NULL)",
    },
    Check {
        promise: "members are contacts that live",
        schemas: &["contact", "audience"],
        is_relayed: true,
        query: "SELECT m.account_id, m.contact_id || ' in ' || m.audience_id AS found
            FROM audience.memberships m
            LEFT JOIN contact.contacts c USING (account_id, contact_id)
            WHERE m.member AND (c.contact_id IS NULL OR c.redirect_to IS NOT NULL)",
    },
    Check {
        promise: "no batch was charged less than nothing",
        schemas: &["contact"],
        is_relayed: false,
        query: "SELECT account_id, 'profile units of ' || window_day AS found
            FROM contact.usage WHERE units < 0",
    },
    Check {
        promise: "no batch was charged less than nothing, in activity",
        schemas: &["activity"],
        is_relayed: false,
        query: "SELECT account_id, 'activity units of ' || window_day AS found
            FROM activity.usage WHERE units < 0",
    },
    grants::PROFILE,
    grants::ACTIVITY,
    Check {
        promise: "nothing is kept of accounts that are no more (contacts)",
        schemas: &["mapping", "contact"],
        is_relayed: false,
        query: of_accounts_that_are_no_more!("contact"),
    },
    Check {
        promise: "nothing is kept of accounts that are no more (activities)",
        schemas: &["mapping", "activity"],
        is_relayed: false,
        query: of_accounts_that_are_no_more!("activity"),
    },
    Check {
        promise: "no more activities are mapped than the plan has slots (semantics 4.2)",
        schemas: &["mapping"],
        is_relayed: false,
        query: "SELECT a.account_id,
                count(DISTINCT m.activity_id) || ' of ' || a.activity_slots AS found
            FROM mapping.accounts a JOIN mapping.activity_mappings m USING (account_id)
            WHERE a.delete_time IS NULL
            GROUP BY a.account_id, a.activity_slots
            HAVING count(DISTINCT m.activity_id) > a.activity_slots",
    },
];

/// Accounts for which links or deletions are still to be told to other services.
const WAITING: &str = "SELECT account_id FROM contact.outbox
    UNION SELECT account_id FROM contact.erasures WHERE next_time IS NOT NULL";

/// How many of these there are.
pub(crate) async fn waiting(
    moment: &Transaction<'_>,
    account: Option<Uuid>,
) -> anyhow::Result<i64> {
    let sql =
        format!("SELECT count(*) FROM ({WAITING}) w WHERE $1::uuid IS NULL OR w.account_id = $1");
    Ok(moment.query_one(&sql, &[&account]).await?.get(0))
}

/// Makes one check.
pub(crate) async fn ask(
    moment: &Transaction<'_>,
    check: &Check,
    has_outbox: bool,
    account: Option<Uuid>,
) -> anyhow::Result<Vec<Fault>> {
    let Check { query, .. } = check;
    let told = if check.is_relayed && has_outbox {
        format!("AND f.account_id NOT IN ({WAITING})")
    } else {
        String::new()
    };
    // Said only where it is so: then PostgreSQL looks at this account's rows alone.
    let rows = match account {
        Some(account) => {
            let sql =
                format!("SELECT f.* FROM ({query}) f WHERE f.account_id = $1 {told} LIMIT {SHOWN}");
            moment.query(&sql, &[&account]).await?
        }
        None => {
            let sql = format!("SELECT f.* FROM ({query}) f WHERE true {told} LIMIT {SHOWN}");
            moment.query(&sql, &[]).await?
        }
    };
    let fault = |row: &tokio_postgres::Row| Fault {
        promise: check.promise,
        account: Some(row.get("account_id")),
        found: row.get("found"),
    };
    Ok(rows.iter().map(fault).collect())
}
