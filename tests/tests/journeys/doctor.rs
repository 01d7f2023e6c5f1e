//! `./weir doctor`: what agrees, and what was made to disagree behind the services' back.

use serde_json::json;
use weir_stack::StackOptions;
use weir_tests::events::{identify, track, with};
use weir_tests::front_door::{bare_command, said};
use weir_tests::{Account, Plan, eventually, journey_alone_with};

/// Its exit code, and what it says.
async fn doctor(place: &[&str], more: &[&str]) -> (i32, String) {
    let mut command = bare_command(&[&["doctor"], place, more].concat());
    let done = tokio::task::spawn_blocking(move || command.output());
    let done = done.await.unwrap().unwrap();
    (done.status.code().unwrap(), said(&done))
}

/// Two with the same people; of the first somebody waits in the backlog.
async fn accounts(weir: &'static weir_tests::Weir) -> [Account; 2] {
    let plan = Plan {
        contacts: 1_000,
        activity_slots: 5,
    };
    let accounts = [
        Account::create(weir, plan).await,
        Account::create(weir, plan).await,
    ];
    let people: Vec<_> = (0..20)
        .map(|n| {
            identify(
                &format!("secret-{n}"),
                json!({"email": format!("secret{n}@x.example")}),
            )
        })
        .collect();
    for account in &accounts {
        account.identify(&people).await;
        let tracks: Vec<_> = (0..20).map(|n| track(&format!("secret-{n}"))).collect();
        account.track(&tracks).await;
    }
    let [account, _] = &accounts;
    // One who is not known yet waits in the backlog.
    account.track(&[track("secret-later")]).await;
    let both = with(
        track("secret-1"),
        json!({"traits": {"firstName": "Secret"}}),
    );
    account.track(&[both]).await;
    accounts
}

/// What could only happen by a fault of ours, or by hand: the promise that it breaks, and how.
fn faults(id: &str) -> [(&'static str, String); 6] {
    [
            (
                "points to one living contact",
                format!("UPDATE contact.identifiers SET contact_id = gen_random_uuid()
                    WHERE account_id = '{id}' AND kind = 'u' AND value = 'secret-1'"),
            ),
            (
                "leads to the contact that has it",
                format!("DELETE FROM contact.identifiers
                    WHERE account_id = '{id}' AND kind = 'str::email' AND value = 'secret2@x.example'"),
            ),
            (
                "known to wait",
                format!("UPDATE activity.identifiers SET waiting = false
                    WHERE account_id = '{id}' AND contact_id IS NULL"),
            ),
            (
                "of an audience that is there",
                format!("INSERT INTO audience.memberships SELECT '{id}', gen_random_uuid(), contact_id,
                    true, true, now(), NULL, now(), 'm' FROM contact.contacts
                    WHERE account_id = '{id}' LIMIT 1"),
            ),
            (
                "members are counted as they are",
                format!("WITH a AS (
                        INSERT INTO audience.audiences
                            (account_id, audience_id, name, origin, create_time)
                        VALUES ('{id}', gen_random_uuid(), 'Wrong', 'manual', now()) RETURNING *
                    )
                    INSERT INTO audience.audience_days
                    SELECT account_id, audience_id, '0001-01-01', 0, 3, 1, 0, 0, 0 FROM a"),
            ),
            (
                "counters are those of the ledgers",
                format!("INSERT INTO contact.usage SELECT '{id}', (now() AT TIME ZONE 'UTC')::date,
                    gen_random_uuid(), 7"),
            ),
        ]
}

fn mended(id: &str) -> [String; 7] {
    [
        format!("DELETE FROM audience.audience_days WHERE account_id = '{id}'"),
        format!("DELETE FROM audience.audiences WHERE account_id = '{id}'"),
        format!("DELETE FROM contact.usage WHERE account_id = '{id}' AND units = 7"),
        format!("DELETE FROM audience.memberships WHERE account_id = '{id}'"),
        format!(
            "UPDATE activity.identifiers SET waiting = true
                WHERE account_id = '{id}' AND contact_id IS NULL"
        ),
        format!(
            "INSERT INTO contact.identifiers SELECT account_id, 'str::email',
                    'secret2@x.example', contact_id, 1, now(), now(), 'm', NULL
                FROM contact.identifiers WHERE account_id = '{id}' AND value = 'secret-2'"
        ),
        format!(
            "UPDATE contact.identifiers i SET contact_id = c.contact_id FROM contact.contacts c
                WHERE i.account_id = '{id}' AND i.value = 'secret-1' AND c.account_id = '{id}'
                  AND c.fields->>'str::email' = 'secret1@x.example'"
        ),
    ]
}

/// Semantics 6.5, 3.8, 4.10, 5.5.
#[test]
fn a_doctor_finds_what_does_not_agree_and_names_nobody() {
    journey_alone_with(StackOptions::temporary(), async |weir| {
        let [account, other] = accounts(weir).await;
        let redis = weir.redis_url();
        let place = ["--database", weir.stack.postgres_url(), "--redis", &redis];
        eventually("all agrees", async || doctor(&place, &[]).await.0 == 0).await;
        let (_, said) = doctor(&place, &[]).await;
        for told in [
            "0 faults",
            "semantics 4.10",
            "profile units",
            &account.account_id,
        ] {
            assert!(said.contains(told), "{told}: {said}");
        }
        assert!(!said.contains("not made"), "{said}");

        let id = &account.account_id;
        for (promise, sql) in &faults(id) {
            weir.alter(sql).await;
            let (code, said) = doctor(&place, &[]).await;
            assert_eq!(code, 1, "{promise}: {said}");
            let is_told = said
                .lines()
                .any(|line| line.contains("FAULT") && line.contains(promise));
            assert!(is_told, "{promise}: {said}");
            assert!(!said.to_lowercase().contains("secret"), "{said}");
            // The other account is as it was.
            let (code, said) = doctor(&place, &["--account", &other.name]).await;
            assert_eq!(code, 0, "{said}");
        }
        // What was found before Redis was asked is told all the same.
        let nowhere = [
            "--database",
            weir.stack.postgres_url(),
            "--redis",
            "redis://127.0.0.1:1",
        ];
        let (code, said) = doctor(&nowhere, &[]).await;
        assert_eq!(code, 1, "{said}");
        for told in ["FAULT", "known to wait", "Redis can't be asked"] {
            assert!(said.contains(told), "{told}: {said}");
        }
        // One that sees no rows would find nothing wrong: it is refused.
        weir.alter("CREATE ROLE blind LOGIN PASSWORD 'blind'; GRANT pg_read_all_data TO blind")
            .await;
        let (_, server) = weir.stack.postgres_url().rsplit_once('@').unwrap();
        let blind = format!("postgres://blind:blind@{server}");
        let (code, said) = doctor(&["--database", &blind], &[]).await;
        assert_eq!(code, 1);
        assert!(said.contains("BYPASSRLS"), "{said}");
        for sql in mended(id) {
            weir.alter(&sql).await;
        }
    });
}

/// What is booked, leased and charged does not agree; how, and how it is mended.
fn wrong_grants(id: &str) -> [(&'static str, String, String); 4] {
    let of = format!("WHERE account_id = '{id}'");
    let batch = "'00000000-0000-0000-0000-00000000beef'";
    let lease = |schema: &str, epoch: &str, window: &str| {
        format!(
            "INSERT INTO {schema}.usage_leases SELECT account_id, {batch},
                 (now() AT TIME ZONE 'UTC')::date + {window}, usage_epoch + {epoch}, 3,
                 now() + interval '1 day' FROM {schema}.accounts {of}"
        )
    };
    let no_lease =
        |schema| format!("DELETE FROM {schema}.usage_leases {of} AND batch_id = {batch}");
    let charge = format!(
        "; INSERT INTO activity.usage SELECT '{id}', (now() AT TIME ZONE 'UTC')::date, {batch}, 4"
    );
    let no_charge = format!("; DELETE FROM activity.usage {of} AND batch_id = {batch}");
    [
        (
            "are booked",
            format!("UPDATE contact.usage_grants SET used = used + 1 {of}"),
            format!("UPDATE contact.usage_grants SET used = used - 1 {of}"),
        ),
        (
            "was charged 4 units, and granted 3",
            lease("activity", "0", "0") + &charge,
            no_lease("activity") + &no_charge,
        ),
        (
            "nothing is booked",
            lease("contact", "0", "5"),
            no_lease("contact"),
        ),
        (
            "not there yet",
            lease("activity", "1", "0"),
            no_lease("activity"),
        ),
    ]
}

/// Semantics 6.6a.
#[test]
fn a_doctor_finds_units_that_were_granted_and_do_not_agree() {
    journey_alone_with(StackOptions::temporary(), async |weir| {
        weir.stack.kill9_and_hold("redis").await.unwrap();
        let [account, other] = accounts(weir).await;
        let id = &account.account_id;
        let place = ["--database", weir.stack.postgres_url()];
        eventually("the ledgers grant", async || {
            account.identify(&[identify("one-more", json!({}))]).await;
            let granting = format!(
                "SELECT count(*)::text FROM contact.usage_grants g JOIN contact.accounts a
                     USING (account_id) WHERE account_id = '{id}' AND granted_by = 'ledgers'
                       AND epoch = usage_epoch AND used > 0"
            );
            (weir.query(&granting).await == ["1"]).then_some(())
        })
        .await;
        let (code, said) = doctor(&place, &[]).await;
        assert_eq!(code, 0, "{said}");
        for (told, breaks, mends) in wrong_grants(id) {
            weir.alter(&breaks).await;
            let (code, said) = doctor(&place, &[]).await;
            assert_eq!(code, 1, "{told}: {said}");
            let faults: Vec<&str> = said.lines().filter(|line| line.contains("FAULT")).collect();
            assert_eq!(faults.len(), 1, "{told}: {said}");
            assert!(
                faults[0].contains(told) && faults[0].contains("6.6a"),
                "{said}"
            );
            let (code, said) = doctor(&place, &["--account", &other.name]).await;
            assert_eq!(code, 0, "{said}");
            weir.alter(&mends).await;
        }
        assert_eq!(doctor(&place, &[]).await.0, 0);
        weir.stack.start_process("redis").await.unwrap();
    });
}
