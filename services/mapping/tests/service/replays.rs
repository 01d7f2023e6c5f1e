//! Taking kept events anew (semantics 7.5).

use tonic::Code;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::{Service, event, mapped, rejected, tenant};
use crate::keeping::*;

#[tokio::test]
async fn a_replay_runs_in_portions_and_each_event_has_one_outcome() {
    let (mut service, mapping) = Service::start().await;
    let tenant = tenant(&mapping, "Demo").await;
    let client = service.replays();
    service.another().await;
    let other = service.replays();
    for second in 0..6 {
        let events = second * 50..second * 50 + 50;
        let events = events.map(|n| track(n, 1_000 - second as i64, 422, "NO_MAPPING"));
        keep(&client, &tenant, events.collect()).await;
    }
    assert!(claim(&client).await.is_none());
    let filter = KeptEventFilter::default();
    let replay = call!(client, start_replay, start(&tenant, filter.clone(), "one")).unwrap();
    let replay = replay.replay.unwrap();
    assert_eq!((replay.event_count, replay.waiting_count), (300, 300));
    assert_eq!(counts(&replay), []);
    // Again, by the same request: the same replay.
    let again = call!(other, start_replay, start(&tenant, filter.clone(), "one")).unwrap();
    assert_eq!(again.replay.unwrap().replay_id, replay.replay_id);
    let status = call!(client, start_replay, start(&tenant, filter.clone(), "two")).unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::ReplayRunning));
    let named = KeptEventFilter {
        codes: vec!["NO_MAPPING".into()],
        ..filter.clone()
    };
    let status = call!(client, start_replay, start(&tenant, named, "one")).unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::RequestIdTaken));

    let first = claim(&client).await.unwrap();
    assert_eq!((first.events.len(), first.repair), (250, false));
    let whole = first.events[0].event.clone().unwrap();
    assert_eq!(
        (&*whole.message_id, whole.event_key.to_vec()),
        ("m0", key(0))
    );
    // It is one edge's.
    assert!(claim(&other).await.is_none());
    call!(client, report_work, report(&first, 200, "")).unwrap();
    // Told twice, or too late: the first word counts.
    call!(client, report_work, report(&first, 429, "ACTIVITY_LIMIT")).unwrap();
    let second = claim(&other).await.unwrap();
    assert_eq!(second.events.len(), 50);
    let mut said = report(&second, 422, "PAST_RETENTION");
    // One is stored, and a value of it ignored again.
    let ignored = &mut said.outcomes[0];
    (ignored.status, ignored.code) = (200, String::new());
    ignored.ignored_code = "INTEGER_INVALID".to_owned();
    call!(other, report_work, said).unwrap();
    assert!(claim(&client).await.is_none());
    let replay = get(&client, &tenant, &replay.replay_id).await;
    assert_eq!(replay.state(), ReplayState::Ended);
    assert!(replay.end_time.is_some() && replay.waiting_count == 0);
    let ignored = (200, "INTEGER_INVALID", 1);
    let expected = [(200, "", 250), ignored, (422, "PAST_RETENTION", 49)];
    assert_eq!(counts(&replay), expected);
    let left = list(&client, &tenant, filter.clone()).await;
    assert_eq!(left.len(), 50);
    let past = left.iter().filter(|event| event.code == "PAST_RETENTION");
    assert_eq!(past.count(), 49);
    let nothing = KeptEventFilter {
        codes: vec!["NO_MAPPING".into()],
        ..filter
    };
    let status = call!(client, start_replay, start(&tenant, nothing, "three")).unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::NothingToReplay));
}

#[tokio::test]
async fn what_was_stored_is_given_out_as_a_correction_and_stays_stored() {
    let (service, mapping) = Service::start().await;
    let tenant = tenant(&mapping, "Demo").await;
    let client = service.replays();
    let mut stored = track(1, 10, 200, "EMAIL_INVALID");
    stored.stored = true;
    let partial = track(2, 9, 206, "CONTACT_LIMIT");
    keep(&client, &tenant, vec![stored, partial]).await;
    let replay = async |name: &str, include_done: bool| {
        let filter = KeptEventFilter {
            include_done,
            ..Default::default()
        };
        call!(client, start_replay, start(&tenant, filter, name)).unwrap();
        let work = claim(&client).await.unwrap();
        let corrections = work.events.iter().map(|event| event.correction);
        (corrections.collect::<Vec<_>>(), work)
    };
    let (corrections, work) = replay("one", false).await;
    assert_eq!(corrections, [true, false]);
    // The mapping is worse than it was: that does not undo what was stored.
    call!(client, report_work, report(&work, 422, "NO_MAPPING")).unwrap();
    let (corrections, work) = replay("two", false).await;
    assert_eq!(corrections, [true, false]);
    call!(client, report_work, report(&work, 200, "")).unwrap();
    let filter = KeptEventFilter {
        include_done: true,
        ..Default::default()
    };
    let done = list(&client, &tenant, filter).await;
    assert!(
        done.iter()
            .all(|event| event.stored && event.done_time.is_some())
    );
    // Whoever asks for what is done has it corrected.
    let (corrections, _) = replay("three", true).await;
    assert_eq!(corrections, [true, true]);
}

#[tokio::test]
async fn a_portion_whose_edge_died_is_given_out_again() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    keep(&client, &tenant, vec![track(1, 10, 422, "NO_MAPPING")]).await;
    let request = start(&tenant, KeptEventFilter::default(), "one");
    let replay = call!(client, start_replay, request)
        .unwrap()
        .replay
        .unwrap();
    let lost = claim(&client).await.unwrap();
    assert!(claim(&client).await.is_none());
    service
        .sql("UPDATE mapping.replay_work SET lease_end = lease_end - interval '1 minute'")
        .await;
    let work = claim(&client).await.unwrap();
    assert_eq!(work.events, lost.events);
    // Something is away: it is tried again, and a little later.
    call!(client, report_work, report(&work, 500, "ACTIVITIES_AWAY")).unwrap();
    assert!(claim(&client).await.is_none());
    assert_eq!(
        get(&client, &tenant, &replay.replay_id).await.waiting_count,
        1
    );
    // Whoever comes back late is heard as well.
    call!(client, report_work, report(&lost, 200, "")).unwrap();
    assert_eq!(
        get(&client, &tenant, &replay.replay_id).await.state(),
        ReplayState::Ended
    );
}

#[tokio::test]
async fn a_replay_is_stopped_and_resumed() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let events = (0..2).map(|n| track(n, 100 - n as i64, 422, "NO_MAPPING"));
    keep(&client, &tenant, events.collect()).await;
    let request = start(&tenant, KeptEventFilter::default(), "one");
    let replay = call!(client, start_replay, request)
        .unwrap()
        .replay
        .unwrap();
    let work = claim(&client).await.unwrap();
    let stop = StopReplayRequest {
        account_id: tenant.account_id.clone(),
        replay_id: replay.replay_id.clone(),
    };
    for _ in 0..2 {
        let stopped = call!(client, stop_replay, stop.clone())
            .unwrap()
            .replay
            .unwrap();
        assert_eq!(stopped.state(), ReplayState::Stopped);
    }
    // What is under way is finished.
    let mut half = report(&work, 200, "");
    half.outcomes.truncate(1);
    call!(client, report_work, half).unwrap();
    assert!(claim(&client).await.is_none());
    let stopped = get(&client, &tenant, &replay.replay_id).await;
    assert_eq!(
        (stopped.state(), stopped.waiting_count),
        (ReplayState::Stopped, 1)
    );
    let resume = ResumeReplayRequest {
        account_id: tenant.account_id.clone(),
        replay_id: replay.replay_id.clone(),
    };
    // Its event is gone meanwhile.
    service
        .sql("DELETE FROM mapping.kept_events WHERE message_id = 'm1'")
        .await;
    call!(client, resume_replay, resume.clone()).unwrap();
    assert!(claim(&client).await.is_none());
    let ended = get(&client, &tenant, &replay.replay_id).await;
    assert_eq!(ended.state(), ReplayState::Ended);
    assert_eq!(counts(&ended), [(0, "KEPT_EVENT_UNKNOWN", 1), (200, "", 1)]);
    let resumed = call!(client, resume_replay, resume)
        .unwrap()
        .replay
        .unwrap();
    assert_eq!(resumed.state(), ReplayState::Ended);
    let list = ListReplaysRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    let listed = call!(client, list_replays, list).unwrap().replays;
    assert_eq!(listed, [ended]);
    let gone = KeptEventFilter {
        kept_event_ids: vec![kept_id(1)],
        ..Default::default()
    };
    let status = call!(client, start_replay, start(&tenant, gone, "two")).unwrap_err();
    assert_eq!(
        (status.code(), reason_of(&status)),
        (Code::NotFound, Some(Reason::KeptEventUnknown))
    );
    assert!(status.message().contains(&kept_id(1)), "it is named");
    let nobody = GetReplayRequest {
        account_id: tenant.account_id.clone(),
        replay_id: kept_id(7),
    };
    let status = call!(client, get_replay, nobody).unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::ReplayUnknown));
}

/// Who saves a mapping, and has replayed at once what it refused, means that mapping.
#[tokio::test]
async fn what_is_replayed_goes_by_what_was_saved_a_moment_ago() {
    let (mut service, mapping) = Service::start().await;
    let other = service.another().await;
    let tenant = tenant(&mapping, "Demo").await;
    let identify = || {
        let lana = r#"{"traits":{"firstName":"Lana"}}"#;
        vec![event(EventKind::Identify, lana)]
    };
    // Both replicas know that nothing is mapped.
    for client in [&mapping, &other] {
        let answer = tenant.map(client, identify()).await;
        assert_eq!(rejected(&answer.results[0]).code, "NO_MAPPING");
    }
    tenant.map_contact(&mapping).await;
    for client in [&mapping, &other] {
        let request = MapEventsRequest {
            replayed: true,
            ..tenant.batch(identify())
        };
        let answer = call!(client, map_events, request).unwrap();
        let fields = &mapped(&answer.results[0]).fields_json;
        assert_eq!(fields, r#"{"str::first":"Lana"}"#);
    }
}
