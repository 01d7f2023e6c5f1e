//! What must hold of what is stored, whatever happened before; asked once all is quiet.

use crate::running::Weir;

/// What is asked, and a query that finds what breaks it, as text.
const CHECKS: &[(&str, &str)] = &[
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
         LEFT JOIN activity.identifiers p USING (account_id, kind, value)
         LEFT JOIN contact.contacts c
           ON c.account_id = p.account_id AND c.contact_id = p.contact_id
         WHERE i.kind IN ('u', 'a')
           AND i.contact_id <> '00000000-0000-0000-0000-000000000000'
           AND (p.contact_id IS NULL
             OR coalesce(c.redirect_to, c.contact_id) IS DISTINCT FROM i.contact_id
                AND NOT EXISTS (SELECT FROM activity.contact_merges j
                    WHERE j.account_id = p.account_id AND j.contact_id = p.contact_id))",
    ),
    (
        "no track is stranded in the backlog (semantics 4.10)",
        "SELECT b.account_id || ' ' || b.kind FROM activity.backlog b
         JOIN contact.identifiers i USING (account_id, kind, value)
         WHERE i.contact_id <> '00000000-0000-0000-0000-000000000000'",
    ),
    (
        "activities are counted as they are stored (semantics 4.12)",
        "SELECT account_id || ' ' || activity_id || ' ' || day FROM (
             SELECT account_id, activity_id, (event_time AT TIME ZONE 'UTC')::date AS day,
                 count(*) AS stored
             FROM activity.activities WHERE contact_id IS NOT NULL GROUP BY 1, 2, 3) AS stored
         FULL JOIN (
             SELECT account_id, activity_id, day, sum(stored) AS stored
             FROM activity.activity_counts GROUP BY 1, 2, 3 HAVING sum(stored) <> 0) AS counted
         USING (account_id, activity_id, day)
         WHERE stored.stored IS DISTINCT FROM counted.stored",
    ),
];

impl Weir {
    /// Whatever breaks what must hold. To be asked when the outbox is empty.
    pub async fn faults(&self) -> Vec<String> {
        let mut faults = weir_testkit::check_identifiers(self.stack.postgres_url()).await;
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
            waiting.await.is_empty()
        })
        .await;
        let faults = self.faults().await;
        assert!(faults.is_empty(), "{faults:#?}");
        let deadlocks = "SELECT datname::text FROM pg_stat_database WHERE deadlocks > 0";
        let deadlocks = self.query(deadlocks).await;
        assert!(deadlocks.is_empty(), "deadlocks in {deadlocks:?}");
    }
}
