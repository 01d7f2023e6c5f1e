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
fn faults(id: &str) -> [(&'static str, String); 5] {
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
                "counters are those of the ledgers",
                format!("INSERT INTO contact.usage SELECT '{id}', (now() AT TIME ZONE 'UTC')::date,
                    gen_random_uuid(), 7"),
            ),
        ]
}

fn mended(id: &str) -> [String; 5] {
    [
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
