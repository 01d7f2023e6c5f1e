//! What is kept, and for how long (semantics 7.5, 1.7).

use prost_types::Timestamp;
use weir_proto::mapping::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;

use crate::call;
use crate::harness::{Service, tenant};
use crate::keeping::*;

/// Semantics 7.5.
#[tokio::test]
async fn an_event_is_kept_once_and_a_later_200_marks_it_done() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    keep(
        &client,
        &tenant,
        vec![
            track(1, 10, 422, "NO_MAPPING"),
            track(2, 5, 429, "ACTIVITY_LIMIT"),
        ],
    )
    .await;
    keep(&client, &tenant, vec![track(1, 3, 429, "ACTIVITY_LIMIT")]).await;
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    let seen: Vec<_> = events
        .iter()
        .map(|one| (&*one.message_id, one.status))
        .collect();
    // The first receipt counts, and the last word.
    assert_eq!(seen, [("m2", 429), ("m1", 429)]);
    assert!(events[0].raw.contains("\"Login\"") && events[0].kept_event_id == kept_id(2));
    keep_and_done(&client, &tenant, vec![], vec![1, 99]).await;
    assert_eq!(
        message_ids(&client, &tenant, KeptEventFilter::default()).await,
        ["m2"]
    );
    let with_done = KeptEventFilter {
        include_done: true,
        ..Default::default()
    };
    let all = list(&client, &tenant, with_done).await;
    assert_eq!(all.len(), 2);
    assert!(all[0].done_time.is_none() && all[1].done_time.is_some());
    let request = ListKeptEventsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        with_counts: true,
        ..Default::default()
    };
    let counted = call!(client, list_kept_events, request).unwrap().counts;
    let counted = counted.iter().map(|one| {
        let (code, name) = (&*one.code, &*one.event_name);
        (code, name, one.count, one.done_count)
    });
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted, [("ACTIVITY_LIMIT", "Login", 2, 1)]);
}

/// What is told behind an answer may come when a replay has stored the event already.
#[tokio::test]
async fn what_was_stored_since_it_came_stays_done_whenever_it_is_told() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let refused = |ago| vec![track(1, ago, 422, "NO_MAPPING")];
    keep(&client, &tenant, refused(10)).await;
    keep_and_done(&client, &tenant, vec![], vec![1]).await;
    keep(&client, &tenant, refused(3)).await;
    let open = message_ids(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(open, [""; 0]);
    // It came again behind that, and was refused.
    keep(&client, &tenant, refused(-3_600)).await;
    let open = message_ids(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(open, ["m1"]);
}

#[tokio::test]
async fn every_filter_that_is_said_must_hold() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let mut other = track(3, 30, 400, "TIMESTAMP_UNREADABLE");
    other.event_name = "Logout".to_owned();
    let mut nameless = track(4, 40, 422, "NO_MAPPING");
    nameless.event.as_mut().unwrap().nameless = true;
    let events = vec![
        track(1, 10, 422, "NO_MAPPING"),
        track(2, 20, 422, "NOTHING_VALID"),
        other,
        nameless,
    ];
    keep(&client, &tenant, events).await;
    for (filter, expected) in filters() {
        assert_eq!(
            message_ids(&client, &tenant, filter.clone()).await,
            expected,
            "{filter:?}"
        );
    }
}

fn ago(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: now() - seconds,
        nanos: 0,
    })
}

/// With what they let through.
fn filters() -> Vec<(KeptEventFilter, &'static [&'static str])> {
    let filter = KeptEventFilter::default;
    vec![
        (filter(), &["m1", "m2", "m3", ""][..]),
        (
            KeptEventFilter {
                codes: vec!["NO_MAPPING".into()],
                ..filter()
            },
            &["m1", ""],
        ),
        (
            KeptEventFilter {
                event_names: vec!["Logout".into()],
                ..filter()
            },
            &["m3"],
        ),
        (
            KeptEventFilter {
                from_time: ago(25),
                ..filter()
            },
            &["m1", "m2"],
        ),
        (
            KeptEventFilter {
                to_time: ago(25),
                ..filter()
            },
            &["m3", ""],
        ),
        (
            KeptEventFilter {
                message_id: "m2".into(),
                ..filter()
            },
            &["m2"],
        ),
        // An id of ours is nobody's.
        (
            KeptEventFilter {
                message_id: "m4".into(),
                ..filter()
            },
            &[],
        ),
        (
            KeptEventFilter {
                kept_event_ids: vec![kept_id(3), kept_id(1)],
                ..filter()
            },
            &["m1", "m3"],
        ),
        (
            KeptEventFilter {
                codes: vec!["NO_MAPPING".into()],
                message_id: "m2".into(),
                ..filter()
            },
            &[],
        ),
    ]
}

#[tokio::test]
async fn all_that_is_wrong_with_a_filter_is_said_at_once() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let wrong = KeptEventFilter {
        codes: vec!["NO_MAPPING".into(), "NO_SUCH".into()],
        from_time: ago(0),
        to_time: ago(60),
        kept_event_ids: vec!["x".into()],
        ..Default::default()
    };
    let request = StartReplayRequest {
        request_id: String::new(),
        ..start(&tenant, wrong, "")
    };
    let status = call!(client, start_replay, request).unwrap_err();
    let fields = violations(&status);
    let expected = [
        "filter.codes[1]",
        "filter.to_time",
        "filter.kept_event_ids[0]",
        "request_id",
    ];
    assert_eq!(fields, expected, "all at once");
}

/// Semantics 7.5.
#[tokio::test]
async fn one_flood_pushes_out_nothing_else() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let other = track(1, 3_600, 400, "TIMESTAMP_UNREADABLE");
    let old = track(2, 8 * 86_400, 422, "NO_MAPPING");
    let mut large = track(3, 10, 422, "NO_MAPPING");
    large.event.as_mut().unwrap().raw = vec![b'x'; 32 * 1024 + 1].into();
    let kept = keep(&client, &tenant, vec![other, old, large]).await;
    assert_eq!((kept.left_out, kept.pushed_out), (1, 1));
    // Of one second fifty are kept.
    let flood = (100..300).map(|number| track(number, 10, 422, "NO_MAPPING"));
    let kept = keep(&client, &tenant, flood.collect()).await;
    assert_eq!((kept.left_out, kept.pushed_out), (150, 0));
    let mut pushed_out = 0;
    for second in 0..41 {
        let first = 1_000 + second * 50;
        let events = first..first + 50;
        let events = events.map(|number| track(number, 1_000 - second as i64, 422, "NO_MAPPING"));
        let kept = keep(&client, &tenant, events.collect()).await;
        assert_eq!(kept.left_out, 0);
        pushed_out += kept.pushed_out;
    }
    assert_eq!(pushed_out, 100, "the oldest of its reason");
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(events.len(), 2_001);
    assert_eq!(events.last().unwrap().message_id, "m1");
}

/// Semantics 1.7.
#[tokio::test]
async fn a_deferred_contact_is_kept_apart_until_it_is_made_up_for() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let client = service.replays();
    let deferred = |n| track(n, 10, 206, "CONTACT_DEFERRED");
    let mut large = deferred(3);
    large.event.as_mut().unwrap().raw = vec![b'x'; 32 * 1024 + 1].into();
    let kept = defer(
        &client,
        &tenant,
        vec![deferred(1), deferred(2), large, deferred(1)],
    )
    .await;
    assert_eq!(kept, [true, true, false, true]);
    // Again: it is kept, once.
    assert_eq!(defer(&client, &tenant, vec![deferred(2)]).await, [true]);
    // Nothing that is kept of it otherwise takes it away.
    keep_and_done(
        &client,
        &tenant,
        vec![track(1, 1, 429, "ACTIVITY_LIMIT")],
        vec![2],
    )
    .await;
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    assert!(
        events
            .iter()
            .all(|event| event.deferred && event.code == "CONTACT_DEFERRED")
    );
    let status = call!(
        client,
        start_replay,
        start(&tenant, KeptEventFilter::default(), "one")
    );
    assert_eq!(
        reason_of(&status.unwrap_err()),
        Some(Reason::NothingToReplay)
    );
    due(&service).await;
    let work = claim(&client).await.unwrap();
    assert!(work.repair && work.events.len() == 2);
    // It is still away.
    call!(client, report_work, report(&work, 500, "CONTACTS_AWAY")).unwrap();
    due(&service).await;
    let work = claim(&client).await.unwrap();
    let mut said = report(&work, 200, "");
    (said.outcomes[1].status, said.outcomes[1].code) = (206, "CONTACT_LIMIT".into());
    call!(client, report_work, said).unwrap();
    // The next window is waited for.
    assert!(claim(&client).await.is_none());
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(events.len(), 1);
    due(&service).await;
    let work = claim(&client).await.unwrap();
    call!(client, report_work, report(&work, 422, "PAST_RETENTION")).unwrap();
    // Then it is one like all others.
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(
        (events[0].deferred, &*events[0].code),
        (false, "PAST_RETENTION")
    );
    assert!(claim(&client).await.is_none());
    // No room: it is not kept, and nothing goes for it.
    service
        .sql("UPDATE mapping.kept_accounts SET deferred_events = 99999 + deferred_events")
        .await;
    assert_eq!(
        defer(&client, &tenant, vec![deferred(5), deferred(6)]).await,
        [true, false]
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_become_of_each_and_what_it_can_not_know() {
    let (service, mapping) = Service::start().await;
    let tenant = tenant(&mapping, "Demo").await;
    let client = service.replays();
    let mut stored = track(3, 30, 200, "EMAIL_INVALID");
    stored.stored = true;
    let events = vec![
        track(1, 10, 422, "NO_MAPPING"),
        track(2, 20, 400, "TIMESTAMP_UNREADABLE"),
        stored,
    ];
    keep(&client, &tenant, events).await;
    let request = PreviewReplayRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let before = call!(client, preview_replay, request.clone()).unwrap();
    assert_eq!(
        (before.events[0].status, &*before.events[0].code),
        (422, "NO_MAPPING")
    );
    assert!(before.events[0].depends_on.is_empty(), "the word is final");
    tenant.map_contact(&mapping).await;
    call!(mapping, put_activity_mapping, tenant.activity("Login")).unwrap();
    // At once, though what events of now are mapped by may be half a second old.
    let seen = call!(client, preview_replay, request.clone()).unwrap();
    assert_eq!(seen.events[0].status, 200);
    let unknown: Vec<_> = seen.events[0].depends_on().collect();
    assert_eq!(unknown, [ReplayUnknown::Units, ReplayUnknown::Repeat]);
    let ignored = &seen.events[0].ignored;
    assert_eq!(
        (&*ignored[0].path, &*ignored[0].code),
        ("properties.count", "INTEGER_INVALID")
    );
    assert_eq!(seen.events[0].attributes_json, "{}");
    assert_eq!(
        (seen.events[1].status, &*seen.events[1].code),
        (400, "TIMESTAMP_UNREADABLE")
    );
    // What was stored is corrected, free of charge.
    assert_eq!((seen.events[2].status, &*seen.events[2].code), (200, ""));
    let unknown: Vec<_> = seen.events[2].depends_on().collect();
    assert_eq!(unknown, [ReplayUnknown::Stored]);
    let counts = seen.counts.iter();
    let counts: Vec<_> = counts
        .map(|one| (one.status, &*one.code, one.count))
        .collect();
    // That a value would be ignored is said with what would be stored.
    let ignored = (200, "INTEGER_INVALID", 2);
    assert_eq!(counts, [ignored, (400, "TIMESTAMP_UNREADABLE", 1)]);
    assert!(seen.mapping_version > before.mapping_version);
    // It left nothing: no line, no change.
    let log = call!(mapping, list_log, tenant.log_request()).unwrap();
    assert_eq!(log.entries, []);
    let events = list(&client, &tenant, KeptEventFilter::default()).await;
    assert_eq!(events[0].code, "NO_MAPPING");
}

#[tokio::test]
async fn what_is_kept_of_a_source_goes_with_it_and_makes_room() {
    let (service, mapping) = Service::start().await;
    let tenant = tenant(&mapping, "Demo").await;
    let client = service.replays();
    defer(
        &client,
        &tenant,
        vec![track(1, 10, 206, "CONTACT_DEFERRED")],
    )
    .await;
    keep(&client, &tenant, vec![track(2, 10, 422, "NO_MAPPING")]).await;
    let request = start(&tenant, KeptEventFilter::default(), "one");
    call!(client, start_replay, request).unwrap();
    let mut configuration = service.configuration();
    let delete = DeleteSourceRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
    };
    configuration.delete_source(delete).await.unwrap();
    assert!(claim(&client).await.is_none());
    service
        .sql(
            "DO $$ BEGIN
                ASSERT NOT EXISTS (SELECT FROM mapping.kept_events);
                ASSERT NOT EXISTS (SELECT FROM mapping.replay_events);
                ASSERT NOT EXISTS (SELECT FROM mapping.replay_work);
                ASSERT (SELECT deferred_events + deferred_bytes = 0 FROM mapping.kept_accounts);
            END $$",
        )
        .await;
}
