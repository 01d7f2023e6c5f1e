//! Values of events and keys are in no log and no metric, at no level.

use serde_json::{Value, json};
use weir_stack::{Service, StackOptions};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, eventually, journey_alone_with};

const CANARY: &str = "canary7f3a";

fn batch(events: fn(&str, usize) -> Value) -> Vec<Value> {
    (0..100).map(|n| events(CANARY, n)).collect()
}

fn person(canary: &str, n: usize) -> Value {
    let traits = json!({
        "firstName": canary, "email": format!("{canary}-{n}@example.org"),
        "birthday": canary, "phone": canary,
    });
    let ids =
        json!({"anonymous_id": format!("{canary}-a-{n}"), "message_id": format!("{canary}-{n}")});
    with(identify(&format!("{canary}-{n}"), traits), ids)
}

fn deed(canary: &str, n: usize) -> Value {
    let changes = match n % 4 {
        0 => json!({"timestamp": canary}),
        1 => json!({"event": canary}),
        2 => json!({"traits": {"firstName": canary, "email": format!("{canary}-x@example.org")}}),
        _ => json!({"properties": {"action": canary, "count": canary}}),
    };
    with(track(&format!("{canary}-{n}")), changes)
}

#[test]
fn values_and_keys_are_in_no_log_and_no_metric() {
    let options = StackOptions {
        log: Some("trace".to_owned()),
        ..StackOptions::temporary()
    };
    journey_alone_with(options, async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let (people, deeds) = (batch(person), batch(deed));
        // All at once, so that batches meet in the database and collide there.
        tokio::join!(
            account.identify(&people),
            account.identify(&people),
            account.identify(&people),
            account.track(&deeds),
            account.track(&deeds),
            account.track(&deeds),
        );
        // A dependency that dies under a batch makes services say what failed.
        weir.stack.kill9("postgres").await.unwrap();
        account.identify(&people).await;
        account.track(&deeds).await;
        weir.stack.wait_ready("postgres").await.unwrap();
        eventually("values are where they belong", async || {
            let log = account.log().await;
            log.iter()
                .any(|line| line.value.contains(CANARY))
                .then_some(())
        })
        .await;

        let mut looked_at = 0;
        for name in weir.stack.names() {
            let text = std::fs::read_to_string(weir.stack.log(name)).unwrap();
            looked_at += text.len();
            for secret in [CANARY, account.key.as_str()] {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "in the log of {name}");
            }
        }
        for service in Service::ALL {
            let text = weir.metrics(service).await;
            looked_at += text.len();
            assert!(
                !text.contains(CANARY) && !text.contains(&account.account_id),
                "{service:?}"
            );
        }
        assert!(
            looked_at > 5_000,
            "logs and metrics hold {looked_at} bytes only"
        );
    });
}
