//! No value, no identifier and no key is in the edge's log, at any level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tonic::Status;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::Edge;
use crate::stub::{Fault, KEY};

const CANARY: &str = "canary7f3a";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn values_ids_and_keys_are_in_no_log_at_any_level() {
    // What another test's thread logs for the first time is asked of all subscribers only where
    // there are two; with one it would be off for this thread as well.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .finish();
    // Everything of this test runs on this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let edge = Edge::start().await;
    let event = |n: usize| {
        json!({
            "user_id": format!("{CANARY}-{n}"), "anonymous_id": format!("{CANARY}\u{200b}x"),
            "event": CANARY, "message_id": CANARY, "traits": {"email": CANARY},
            "properties": {"x": CANARY}, "timestamp": if n == 0 { CANARY } else { "" },
        })
    };
    let events = json!([event(0), event(1), CANARY]);
    assert_eq!(edge.track(events.clone()).await.statuses(), [400, 200, 400]);
    edge.identify(events.clone()).await.statuses();
    let named = json!({"name": CANARY}).to_string();
    edge.post("/v1/audiences/create", named).await;
    edge.stub.script(
        "map_events",
        [Fault::Say(Status::invalid_argument(format!(
            "{CANARY} is wrong"
        )))],
    );
    edge.track(events).await.check_problem(500);
    edge.settled().await;

    let text = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(text.contains("a hop failed"), "the log was captured");
    for secret in [CANARY, KEY] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "of {} lines", text.lines().count());
    }
}
