//! What was used before, and what today comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error, Usage};
use crate::domain::{USUAL_WINDOWS, UnitKind, Units, Window, forecast};

/// Units and rejections of a window that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    pub window: Window,
    pub units: Units,
    /// None: mapping is away.
    pub rejected: Option<i64>,
}

/// [`App::list_usage`].
#[derive(Debug, Clone)]
pub struct History {
    pub today: Usage,
    pub rejected: Option<i64>,
    /// Of both kinds; none where there is nothing to tell it by.
    pub forecasts: (Option<i64>, Option<i64>),
    /// Newest first.
    pub windows: Vec<Past>,
}

impl App {
    /// The present window and so many before it.
    pub async fn list_usage(
        self: &Arc<Self>,
        account: AccountId,
        days: u64,
        deadline: Deadline,
    ) -> Result<History, Error> {
        let now = self.clock.now();
        let window = Window::of(now);
        let first = window.earlier(days.max(USUAL_WINDOWS));
        let (today, sums, rejected) = tokio::join!(
            self.usage(account, None, deadline),
            self.others.ledgers.windows(account, first, deadline),
            self.others.rejections.by_window(account, first, deadline),
        );
        let (today, sums, rejected) = (today?, sums?, rejected.ok());
        let forecast_of = |kind: UnitKind| {
            let usual = usual(&sums, window, kind);
            forecast(kind.of(today.units.used), &usual, now)
        };
        let rejected_in = |window: Window| {
            let rejected = rejected.as_ref()?;
            Some(rejected.get(&window).copied().unwrap_or_default())
        };
        let shown = window.earlier(days)..window;
        let mut windows: BTreeMap<Window, Units> = BTreeMap::new();
        windows.extend(
            sums.range(shown.clone())
                .map(|(window, units)| (*window, *units)),
        );
        for (window, _) in rejected.iter().flat_map(|all| all.range(shown.clone())) {
            windows.entry(*window).or_default();
        }
        let past = |(window, units): (Window, Units)| Past {
            window,
            units,
            rejected: rejected_in(window),
        };
        Ok(History {
            rejected: rejected_in(today.window),
            forecasts: (
                forecast_of(UnitKind::Profile),
                forecast_of(UnitKind::Activity),
            ),
            windows: windows.into_iter().rev().map(past).collect(),
            today,
        })
    }
}

/// Units of the last windows, from the first on in which there were any.
fn usual(sums: &BTreeMap<Window, Units>, today: Window, kind: UnitKind) -> Vec<i64> {
    let first = today.earlier(USUAL_WINDOWS);
    let Some((begun, _)) = sums.range(first..today).next() else {
        return Vec::new();
    };
    let windows = (1..=USUAL_WINDOWS).map(|days| today.earlier(days));
    let of = |window: Window| sums.get(&window).map_or(0, |units| kind.of(*units));
    windows.filter(|window| window >= begun).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_the_first_are_not_usual_and_quiet_ones_since_are() {
        let today: Window = "2026-11-24".parse().unwrap();
        let units = |profile| Units {
            profile,
            activity: 1,
        };
        let mut sums = BTreeMap::new();
        assert_eq!(usual(&sums, today, UnitKind::Profile), [0; 0]);
        sums.insert(today, units(9));
        sums.insert(today.earlier(3), units(6));
        sums.insert(today.earlier(1), units(4));
        assert_eq!(usual(&sums, today, UnitKind::Profile), [4, 0, 6]);
        assert_eq!(usual(&sums, today, UnitKind::Activity), [1, 0, 1]);
    }
}
