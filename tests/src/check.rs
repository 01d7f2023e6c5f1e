//! What must hold of what is stored, whatever happened before; asked once all is quiet.

use crate::running::Weir;

/// What is asked, and a query that finds what breaks it, as text.
const CHECKS: &[(&str, &str)] = &[
    (
        "an identifier points to a live contact (semantics 3.8)",
        "SELECT i.account_id || ' ' || i.kind FROM contact.identifiers i
         LEFT JOIN contact.contacts c USING (account_id, contact_id)
         WHERE c.contact_id IS NULL OR c.redirect_to IS NOT NULL",
    ),
    (
        "the value of a unique identifier has its row, which points to its contact (semantics 3.2, 3.8)",
        "SELECT c.contact_id || ' ' || u.field FROM contact.contacts c
         JOIN mapping.accounts a USING (account_id)
         CROSS JOIN LATERAL unnest(a.unique_identifiers) AS u(field)
         WHERE c.redirect_to IS NULL AND c.fields ->> u.field IS NOT NULL
           AND NOT EXISTS (
             SELECT FROM contact.identifiers i
             WHERE i.account_id = c.account_id AND i.kind = u.field
               AND i.contact_id = c.contact_id
               AND i.value IN (c.fields ->> u.field, lower((c.fields ->> u.field) COLLATE \"C\")))",
    ),
    (
        "a unique identifier's row stands for a current value",
        "SELECT i.contact_id || ' ' || i.kind FROM contact.identifiers i
         JOIN contact.contacts c USING (account_id, contact_id)
         WHERE i.kind NOT IN ('u', 'a')
           AND i.value NOT IN (c.fields ->> i.kind, lower((c.fields ->> i.kind) COLLATE \"C\"))
            OR (i.kind NOT IN ('u', 'a') AND c.fields ->> i.kind IS NULL)",
    ),
    (
        "redirects lead to live contacts, and in no circle (semantics 3.6)",
        "WITH RECURSIVE way AS (
             SELECT account_id, contact_id, redirect_to, 1 AS steps FROM contact.contacts
             WHERE redirect_to IS NOT NULL
           UNION ALL
             SELECT way.account_id, way.contact_id, c.redirect_to, way.steps + 1 FROM way
             JOIN contact.contacts c
               ON c.account_id = way.account_id AND c.contact_id = way.redirect_to
             WHERE c.redirect_to IS NOT NULL AND way.steps < 200)
         SELECT contact_id::text FROM way WHERE steps >= 200
         UNION ALL
         SELECT r.contact_id::text FROM contact.contacts r
         LEFT JOIN contact.contacts c ON c.account_id = r.account_id AND c.contact_id = r.redirect_to
         WHERE r.redirect_to IS NOT NULL AND c.contact_id IS NULL",
    ),
    (
        "who has a user id is marked so",
        "SELECT c.contact_id::text FROM contact.contacts c
         WHERE c.redirect_to IS NULL AND c.has_user_id <> EXISTS (
             SELECT FROM contact.identifiers i WHERE i.account_id = c.account_id
               AND i.contact_id = c.contact_id AND i.kind = 'u')",
    ),
    (
        "activity knows whose the ids are",
        "SELECT i.account_id || ' ' || i.kind FROM contact.identifiers i
         LEFT JOIN activity.identities p USING (account_id, kind, value)
         LEFT JOIN contact.contacts c
           ON c.account_id = p.account_id AND c.contact_id = p.contact_id
         WHERE i.kind IN ('u', 'a')
           AND (p.contact_id IS NULL
             OR coalesce(c.redirect_to, c.contact_id) IS DISTINCT FROM i.contact_id
                AND NOT EXISTS (SELECT FROM activity.contact_joins j
                    WHERE j.account_id = p.account_id AND j.contact_id = p.contact_id))",
    ),
    (
        "no track is stranded in the backlog (semantics 4.10)",
        "SELECT b.account_id || ' ' || b.kind FROM activity.backlog b
         JOIN contact.identifiers i USING (account_id, kind, value)",
    ),
];

impl Weir {
    /// Whatever breaks what must hold. To be asked when the outbox is empty.
    pub async fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (promise, query) in CHECKS {
            let limited = format!("SELECT * FROM ({query}) AS found LIMIT 5");
            for row in self.query(&limited).await {
                faults.push(format!("{promise}: {row}"));
            }
        }
        faults
    }

    /// Waits until everything was relayed, then panics with whatever breaks what must hold.
    pub async fn assert_sound(&self) {
        crate::eventually("links are relayed", async || {
            let waiting = self.query("SELECT 'row' FROM contact.outbox LIMIT 1");
            waiting.await.is_empty().then_some(())
        })
        .await;
        let faults = self.faults().await;
        assert!(faults.is_empty(), "{faults:#?}");
        let deadlocks = "SELECT datname::text FROM pg_stat_database WHERE deadlocks > 0";
        let deadlocks = self.query(deadlocks).await;
        assert!(deadlocks.is_empty(), "deadlocks in {deadlocks:?}");
    }
}
