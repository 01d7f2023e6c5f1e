//! What becomes of kept events, as pages tell it.

use weir_proto::mapping::v1 as wire;

use crate::harness::{Console, SOURCE};
use crate::stub::ACCOUNT;

fn of_source(page: &str) -> String {
    format!("/accounts/{ACCOUNT}/sources/{SOURCE}/{page}")
}

#[tokio::test]
async fn a_replay_that_is_done_is_not_said_to_be_stopped() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let replay = wire::GetReplayResponse {
        replay: Some(wire::Replay {
            state: wire::ReplayState::Ended.into(),
            event_count: 3,
            ..Default::default()
        }),
    };
    let get = "/weir.mapping.v1.ReplayService/GetReplay";
    console.stub.answer(get, &replay);
    console.stub.forget_calls();
    let page = of_source("replays/r");
    let form = [("form_token", &*token), ("do", "stop")];
    let answer = console.post(&page, &cookie, &form).await;
    assert!(
        answer.location().ends_with("done=replay-ended"),
        "{answer:?}"
    );
    let stops = console.stub.calls();
    assert!(stops.iter().all(|(path, _)| !path.ends_with("StopReplay")));
    let shown = console.get(&page, &cookie).await.text;
    assert!(!shown.contains("it goes on"), "{shown}");
}

#[tokio::test]
async fn nothing_that_is_not_asked_for_becomes_of_a_replay() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    console.stub.forget_calls();
    for said in [None, Some(("do", "")), Some(("do", "again"))] {
        let form: Vec<_> = [("form_token", &*token)].into_iter().chain(said).collect();
        let answer = console.post(&of_source("replays/r"), &cookie, &form).await;
        assert_eq!(answer.status, 422, "{said:?}");
    }
    let calls = console.stub.calls();
    let ends = |path: &str| path.ends_with("StopReplay") || path.ends_with("ResumeReplay");
    assert!(calls.iter().all(|(path, _)| !ends(path)), "{calls:?}");
}

#[tokio::test]
async fn whoever_starts_a_second_replay_is_led_to_the_first() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let running = weir_rpc::refused(
        tonic::Code::FailedPrecondition,
        weir_reasons::Reason::ReplayRunning,
        "the replay 01a2 of this source has not ended",
    );
    let start = "/weir.mapping.v1.ReplayService/StartReplay";
    console.stub.refuse(start, running);
    let replay = |id: &str, source: &str, state: wire::ReplayState| wire::Replay {
        replay_id: id.to_owned(),
        source_id: source.to_owned(),
        state: state.into(),
        ..Default::default()
    };
    let source = SOURCE.to_string();
    let list = wire::ListReplaysResponse {
        replays: vec![
            replay("r-other", "another", wire::ReplayState::Running),
            replay("r-done", &source, wire::ReplayState::Ended),
            replay("r-now", &source, wire::ReplayState::Running),
        ],
        ..Default::default()
    };
    let method = "/weir.mapping.v1.ReplayService/ListReplays";
    console.stub.answer(method, &list);
    let form = [("form_token", &*token), ("wish", "w")];
    let answer = console
        .post(&of_source("kept/replay"), &cookie, &form)
        .await;
    let says = "Another replay of this source has not ended";
    assert!(answer.text.contains(says), "{}", answer.text);
    let led = "/replays/r-now\">Look at the replay that runs";
    assert!(answer.text.contains(led), "{}", answer.text);
}

#[tokio::test]
async fn a_value_that_is_ignored_again_is_said_before_a_replay_and_after() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let code = "INTEGER_INVALID".to_owned();
    let count = wire::ReplayCount {
        status: 200,
        code: code.clone(),
        count: 10,
    };
    let event = wire::PreviewedEvent {
        event: Some(wire::KeptEvent {
            status: 200,
            code: code.clone(),
            stored: true,
            ..Default::default()
        }),
        status: 200,
        ignored: vec![wire::LogEntry {
            code,
            field_id: "str::first".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let preview = wire::PreviewReplayResponse {
        events: vec![event],
        counts: vec![count.clone()],
        ..Default::default()
    };
    let method = "/weir.mapping.v1.ReplayService/PreviewReplay";
    console.stub.answer(method, &preview);
    let page = of_source("kept/replay?code=INTEGER_INVALID");
    let told = console.get(&page, &cookie).await.text;
    for says in [
        "Stored, but a value of it is ignored (again).",
        "stored, but a value is ignored again: <code>INTEGER_INVALID</code>, <bdi>First name</bdi>",
        "As many as 50 a second of each reason are kept for a week",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let replay = wire::GetReplayResponse {
        replay: Some(wire::Replay {
            state: wire::ReplayState::Ended.into(),
            event_count: 10,
            counts: vec![count],
            ..Default::default()
        }),
    };
    let get = "/weir.mapping.v1.ReplayService/GetReplay";
    console.stub.answer(get, &replay);
    let told = console.get(&of_source("replays/r"), &cookie).await.text;
    let says = "Stored, but a value of it was ignored (again)";
    assert!(told.contains(says), "{told}");
}
