//! Few people whose identifiers collide, over two replicas of everything: what events, merges by
//! hand, splits and deletions come to is what a small sequential model says (semantics 3.1-3.10,
//! 4.7-4.9).

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use weir_stack::StackOptions;
use weir_tests::{Weir, full_length, journey_alone_with};

mod driving;
mod making;
mod seeing;
mod together;

use driving::{Difference, live};
use making::{History, Step};

/// In `./weir test`, and under `./weir test long`.
const SHORT: Duration = Duration::from_secs(25);
const FULL: Duration = Duration::from_secs(1_800);
/// The same histories in every run; those of a long one begin the same.
const SEED: u64 = 13_000;
/// Histories at once, each in an account of its own.
const AT_ONCE: u64 = 6;
/// However slow it goes.
const AT_LEAST: u64 = 12;
/// For so long a history is made smaller.
const SMALLER: Duration = Duration::from_secs(60);

fn two() -> StackOptions {
    StackOptions::temporary().replicas(NonZeroU16::new(2).unwrap())
}

#[test]
fn whatever_happens_one_after_another_comes_to_what_the_rules_say() {
    journey_alone_with(two(), async |weir| {
        let until = Instant::now() + full_length(SHORT, FULL);
        let mut seed = SEED;
        while seed < SEED + AT_LEAST || Instant::now() < until {
            let histories = (seed..seed + AT_ONCE).map(History::of);
            let lives = histories.map(async |history| {
                let lived = live(weir, &history).await;
                (history, lived)
            });
            for (history, lived) in futures_util::future::join_all(lives).await {
                if let Err(difference) = lived {
                    eprintln!("history {}: {}", history.seed, difference.what);
                    let (history, difference) = smaller(weir, history, difference).await;
                    let History { seed, rules, steps } = history;
                    let what = difference.what;
                    let steps: Vec<String> = steps.iter().map(|one| format!("{one:?}")).collect();
                    let steps = steps.join("\n");
                    panic!("history {seed}: {what}\nunder {rules:?}, after\n{steps}");
                }
            }
            weir.assert_sound().await;
            seed += AT_ONCE;
        }
    });
}

/// Leaves out what the difference does not need.
async fn smaller(
    weir: &'static Weir,
    mut history: History,
    mut difference: Difference,
) -> (History, Difference) {
    history.steps.truncate(difference.step + 1);
    let until = Instant::now() + SMALLER;
    let mut at = history.steps.len();
    while at > 0 && Instant::now() < until {
        at -= 1;
        let mut events = match &history.steps[at] {
            Step::Batch(events) => events.len(),
            _ => 0,
        };
        loop {
            let mut less = history.clone();
            let is_whole = match &mut less.steps[at] {
                Step::Batch(few) if events < few.len() => {
                    few.remove(events);
                    false
                }
                _ => {
                    less.steps.remove(at);
                    true
                }
            };
            let lived = live(weir, &less).await;
            let is_needless = lived.is_err();
            if let Err(still) = lived {
                less.steps.truncate(still.step + 1);
                (history, difference) = (less, still);
            }
            if is_whole && is_needless || events == 0 || at >= history.steps.len() {
                break;
            }
            events -= 1;
        }
    }
    (history, difference)
}
