//! Values of events, keys, tokens and passwords are in no log, no metric, no trace and no
//! `stack.json`, at no level, whatever fails.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_servers::secrets::Secrets;
use weir_stack::{Service, StackOptions};
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone_with};

use crate::collector::collect;

const CANARY: &str = "canary7f3a";
/// One that is a number that is taken, as it is sent and as it is stored.
const PHONE: &str = "491570156";
/// Of a mail server, a webhook and a key, none of which is there.
const PASSWORD: &str = "canary-password-5b1d";
const QUERY: &str = "canary-query-90ce";
const WEBHOOK: &str = "whsec_Y2FuYXJ5LW9mLWEtd2ViaG9vay1zZWNyZXQtMDAwMQ==";
const NO_KEY: &str = "pau-canary-of-a-key-that-nobody-has-0001";
const NO_TOKEN: &str = "weir_canary-of-a-token-that-nobody-has-0123456789abc";

fn batch(events: fn(&str, usize) -> Value) -> Vec<Value> {
    (0..100).map(|n| events(CANARY, n)).collect()
}

fn person(canary: &str, n: usize) -> Value {
    let traits = json!({
        "firstName": canary, "email": format!("{canary}-{n}@example.org"), "birthday": canary,
        "phone": if n.is_multiple_of(2) { canary.to_owned() } else { format!("+61 {PHONE}") },
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

/// All at once, so that batches meet in the database and collide there.
async fn send(account: &Account) {
    let (people, deeds) = (batch(person), batch(deed));
    tokio::join!(
        account.identify(&people),
        account.identify(&people),
        account.identify(&people),
        account.track(&deeds),
        account.track(&deeds),
        account.track(&deeds),
    );
}

/// Bodies that are none, keys and tokens that are none, and questions about people.
async fn ask_wrongly(weir: &Weir, account: &Account, away: &str) {
    let broken = [
        format!("[{{\"user_id\": \"{CANARY}\""),
        format!("{{\"traits\": {{\"email\": \"{CANARY}@\u{0}\"}}}}"),
        format!("[{{\"user_id\": \"{}\"}}]", CANARY.repeat(8_000)),
    ];
    for path in ["/v1/identify", "/v1/track", &format!("/v1/{CANARY}")] {
        for body in &broken {
            account.post(path, body.clone()).await;
        }
        weir.send("POST", path, Some(NO_KEY), "[]".into()).await;
    }
    let there = Service::ALL.into_iter().filter(|one| one.name() != away);
    for service in there {
        let url = format!("{}/{CANARY}?q={CANARY}", weir.stack.url(service));
        let bearer = format!("Bearer {NO_TOKEN}");
        let headers = [
            ("authorization", &*bearer),
            ("cookie", "weir_session=canary7f3a"),
            ("content-type", "application/json"),
        ];
        weir.post_with(&url, &headers, format!("{{\"name\": \"{CANARY}\"}}"))
            .await;
    }
    let sign_in = format!("{}/sign-in", weir.stack.console_url());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for body in [
        format!("token={NO_TOKEN}"),
        format!("name={CANARY}&password={PASSWORD}"),
    ] {
        weir.post_with(&sign_in, &form, body).await;
    }
    let of = |key| contact::GetContactRequest {
        account_id: account.account_id.clone(),
        key: Some(key),
        ..Default::default()
    };
    use contact::get_contact_request::Key;
    for key in [
        Key::UserId(format!("{CANARY}-nobody")),
        Key::AnonymousId(CANARY.to_owned()),
        Key::ContactId(CANARY.to_owned()),
        Key::Field(contact::FieldKey {
            field_id: "str::email".to_owned(),
            value: format!("{CANARY}-1@example.org"),
        }),
    ] {
        let _ = weir.contact().get_contact(of(key)).await;
    }
    let search = contact::SearchContactsRequest {
        account_id: account.account_id.clone(),
        query: CANARY.to_owned(),
        ..Default::default()
    };
    let _ = weir.search().search_contacts(search).await;
}

/// A mail and a call that go nowhere.
async fn tell_nobody(weir: &Weir, account: &Account) {
    let put = mapping::PutAccountRequest {
        name: account.name.clone(),
        notification_address: Some(format!("{CANARY}-owner@example.org")),
        webhook_url: Some(format!("http://127.0.0.1:9/{CANARY}?token={QUERY}")),
        webhook_secret: Some(WEBHOOK.to_owned()),
        ..Default::default()
    };
    weir.mapping().put_account(put).await.unwrap();
    let test = mapping::SendTestMailRequest {
        account_id: account.account_id.clone(),
        ..Default::default()
    };
    weir.alerts().send_test_mail(test).await.unwrap();
}

/// What must stand nowhere, and what it is.
fn secrets(weir: &Weir, account: &Account) -> Vec<(&'static str, String)> {
    let ours = Secrets::keep(weir.stack.folder()).unwrap();
    let mut secrets = private();
    secrets.extend([
        ("the source's key", account.key.clone()),
        ("the administrator's token", ours.administrator),
        ("the service token", ours.between_services),
        ("what keys are hashed with", ours.key_secret),
        ("what the console seals with", ours.console),
        ("the password of Redis", ours.redis),
        ("the superuser's password", ours.superuser),
    ]);
    let roles = ours.roles.into_values();
    secrets.extend(roles.map(|password| ("a role's password", password)));
    secrets
}

/// Of people, and of others.
fn private() -> Vec<(&'static str, String)> {
    [
        ("a value of an event", CANARY),
        ("a phone number", PHONE),
        ("a password", PASSWORD),
        ("the query of a URL", QUERY),
        ("a webhook's secret", &WEBHOOK["whsec_".len()..]),
        ("a key", NO_KEY),
        ("a token", NO_TOKEN),
    ]
    .map(|(what, text)| (what, text.to_owned()))
    .to_vec()
}

/// How much was looked at.
fn assert_none(place: &str, text: &str, secrets: &[(&'static str, String)]) -> usize {
    for (what, secret) in secrets {
        let found = text.lines().find(|line| line.contains(secret));
        let found = found.map(|line| line.chars().take(2_000).collect::<String>());
        assert_eq!(found, None, "{what} in {place}");
    }
    text.len()
}

fn logs(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder.join("log")).unwrap();
    let read = entries.map(|entry| {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        (path.display().to_string(), text)
    });
    read.collect()
}

#[test]
fn values_keys_and_passwords_are_in_no_log_no_metric_and_no_trace() {
    let traces = Arc::new(Mutex::new(String::new()));
    let taking = Arc::clone(&traces);
    let endpoint = collect(move |spans| {
        let mut traces = taking.lock().unwrap();
        *traces += &format!("{spans:?}\n");
    });
    let options = StackOptions {
        log: Some("trace".to_owned()),
        ..StackOptions::temporary()
    };
    let options = options
        .env("RUST_LOG", "trace")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env(
            "WEIR_SMTP_URL",
            &format!("smtp://{CANARY}:{PASSWORD}@127.0.0.1:9"),
        );
    journey_alone_with(options, async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        tell_nobody(weir, &account).await;
        send(&account).await;
        ask_wrongly(weir, &account, "").await;
        // A dependency that dies under a batch makes services say what failed.
        for dependency in ["postgres", "redis", "mapping", "contact-upsert", "activity"] {
            weir.stack.kill9_and_hold(dependency).await.unwrap();
            send(&account).await;
            ask_wrongly(weir, &account, dependency).await;
            weir.stack.start_process(dependency).await.unwrap();
        }
        // Once more, since what it counts mapping counts from its start.
        tell_nobody(weir, &account).await;
        eventually("values are where they belong", async || {
            let log = account.log().await;
            log.iter()
                .any(|line| line.value.contains(CANARY))
                .then_some(())
        })
        .await;
        eventually("news was tried to be told, and traces came", async || {
            let mapping = weir.metrics(Service::Mapping).await;
            let told = mapping.contains("mapping_deliveries_total");
            let traces = traces.lock().unwrap();
            let exported = ["weir-edge", "weir-contact-upsert", "PostgreSQL", "Redis"];
            (told && exported.iter().all(|name| traces.contains(name))).then_some(())
        })
        .await;

        let secrets = secrets(weir, &account);
        let mut looked_at = 0;
        for (place, text) in logs(weir.stack.folder()) {
            looked_at += assert_none(&place, &text, &secrets);
        }
        assert!(looked_at > 50_000, "logs hold {looked_at} bytes only");
        for service in Service::ALL {
            let text = weir.metrics(service).await;
            let place = format!("the metrics of {}", service.name());
            assert!(
                assert_none(&place, &text, &secrets) > 1_000,
                "{place}: {text}"
            );
            assert!(!text.contains(&account.account_id), "{place}");
        }
        let traces = traces.lock().unwrap();
        assert!(assert_none("traces", &traces, &secrets) > 50_000);
        // It has keys and passwords, for scripts, and nobody else can read it.
        let file = serde_json::to_string(&weir.stack.file()).unwrap();
        assert_none("stack.json", &file, &private());
    });
}
