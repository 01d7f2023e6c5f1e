//! Requests that are wrong as a whole.

use serde_json::json;
use weir_tests::{Account, Answer, Plan, journey};

fn check_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json["status"], status);
    assert!(answer.json["title"].is_string() && answer.json["detail"].is_string());
    assert!(answer.json["code"].is_string());
}

#[test]
fn a_body_that_is_neither_an_array_nor_an_object_is_400() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        for body in [
            "", "x", "{", "{}{}", "\"[]\"", "[", "[{}", "[{}]]", "[{}] x", "[{},]", "[,{}]", "null",
        ] {
            for path in ["/v1/identify", "/v1/track"] {
                let answer = account.post(path, body).await;
                check_problem(&answer, 400);
            }
        }
    });
}

#[test]
fn an_empty_array_is_207_without_results() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        for body in ["[]", " [ \n ] "] {
            let answer = account.post("/v1/identify", body).await;
            assert_eq!(answer.status, 207);
            assert_eq!(answer.json, json!({"results": [], "errors": []}));
            assert!(answer.header("content-type").contains("application/json"));
        }
    });
}

#[test]
fn batches_and_bodies_have_a_largest_size() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let events = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
        assert_eq!(
            account.post("/v1/track", events(1_000)).await.statuses(),
            [400; 1_000]
        );
        check_problem(&account.post("/v1/track", events(1_001)).await, 413);
        let large = format!("[\"{}\"]", "x".repeat(17 << 20));
        check_problem(&account.post("/v1/track", large).await, 413);
    });
}

#[test]
fn keys_are_checked() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let me = |key: Option<&'static str>| weir.send("GET", "/v1/me", key, Default::default());
        for key in [None, Some("pau-wrong"), Some("")] {
            let answer = me(key).await;
            check_problem(&answer, 401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        let good = weir
            .send("GET", "/v1/me", Some(&account.key), Default::default())
            .await;
        assert_eq!(good.status, 200);
        let body = "[]".into();
        check_problem(
            &weir
                .send("POST", "/v1/identify", Some("pau-wrong"), body)
                .await,
            401,
        );
    });
}

#[test]
fn paths_methods_and_content_types_are_checked() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let key = Some(account.key.as_str());
        check_problem(
            &weir.send("POST", "/v1/nothing", key, "[]".into()).await,
            404,
        );
        let answer = weir
            .send("GET", "/v1/identify", key, Default::default())
            .await;
        check_problem(&answer, 405);
        assert!(answer.header("allow").contains("POST"));
        let answer = weir
            .send_as(
                "POST",
                "/v1/identify",
                key,
                "[]".into(),
                &[("content-type", "text/plain")],
            )
            .await;
        check_problem(&answer, 415);
        let answer = weir
            .send_as(
                "POST",
                "/v1/identify",
                key,
                "[]".into(),
                &[("content-type", "application/json; charset=utf-8")],
            )
            .await;
        assert_eq!(answer.status, 207);
    });
}

#[test]
fn the_edge_tells_its_health() {
    journey(async |weir| {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(
                weir.send("GET", path, None, Default::default())
                    .await
                    .status,
                200
            );
        }
    });
}
