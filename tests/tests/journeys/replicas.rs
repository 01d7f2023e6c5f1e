//! Two of everything: who is killed or restarted is not missed.

use std::num::NonZeroU16;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use weir_stack::{Service, StackOptions};
use weir_tests::{full_length, journey_alone_with};

use crate::load::{EVENTS, Load, SENDERS};

/// In `./weir test`, and under `./weir test long`: restarts go on for so long.
const SHORT: Duration = Duration::ZERO;
const FULL: Duration = Duration::from_secs(600);

fn two() -> StackOptions {
    StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap())
}

#[test]
fn a_replica_of_each_service_is_killed_and_no_event_fails() {
    journey_alone_with(two(), async |weir| {
        let load = Load::new(weir).await;
        load.during(load.until_more(SENDERS * EVENTS * 12)).await;
        // Edges share a socket: who takes a connection is the system's choice.
        for service in Service::ALL.into_iter().filter(|one| *one != Service::Edge) {
            if let [one, two] = weir.calls_of(service).await[..] {
                let part = one.max(two) * 100 / (one + two).max(1);
                let name = service.name();
                // Requests that wait go on together: a call is of many events.
                assert!(one + two > 20 && part <= 60, "{name}: {one} and {two}");
            }
        }
        load.during(async {
            // There is one console, and no event goes through it.
            for service in Service::ALL
                .into_iter()
                .filter(|one| *one != Service::Console)
            {
                let second = format!("{}-2", service.name());
                for process in [service.name(), &second] {
                    // An edge takes the requests that it had accepted with it.
                    weir.stack.kill9(process).await.unwrap();
                    load.until_more(SENDERS * EVENTS).await;
                    weir.stack.wait_ready(process).await.unwrap();
                }
                if service != Service::Edge {
                    assert_eq!(load.unanswered.load(Ordering::Relaxed), 0);
                }
            }
        })
        .await;
        let unanswered = load.unanswered.load(Ordering::Relaxed);
        assert!(unanswered <= 2 * SENDERS, "{unanswered}");
        load.assert_nothing_lost_or_doubled().await;
    });
}

#[test]
fn everything_is_restarted_under_load_and_nobody_notices() {
    journey_alone_with(two(), async |weir| {
        let load = Load::new(weir).await;
        load.during(async {
            let until = Instant::now() + full_length(SHORT, FULL);
            loop {
                load.until_more(SENDERS * EVENTS).await;
                weir.stack.restart_services().await.unwrap();
                if Instant::now() >= until {
                    break;
                }
            }
        })
        .await;
        assert_eq!(load.unanswered.load(Ordering::Relaxed), 0);
        load.assert_nothing_lost_or_doubled().await;
    });
}
