//! What accounts used of their limits, and on what.

use chrono::TimeDelta;
use weir_proto::mapping::v1 as wire;
use weir_proto::quota::v1 as quota;
use weir_reasons::Reason;

use super::convert::{stamp, time};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::Time;
use crate::domain::model::{History, Spender, Spending, Usage, Used, Window};

/// As many days as are told.
const DAYS: i32 = 90;
const PAGE: i32 = 50;

impl Calls {
    /// Of the present window.
    pub async fn usage(&self, account: &str) -> Answer<Usage> {
        let request = quota::GetUsageRequest {
            account_id: account.to_owned(),
            entitlement: None,
        };
        let answer = call!("quota", self.quota, get_usage, request)?;
        let used = |usage: Option<quota::Usage>| {
            let usage = usage.unwrap_or_default();
            Used {
                used: usage.used,
                reserved: usage.reserved,
                limit: usage.limit,
                formula: usage.limit_formula,
            }
        };
        Ok(Usage {
            window: answer.window,
            end: time(answer.window_end_time),
            profile: used(answer.profile),
            activity: used(answer.activity),
        })
    }

    /// Of the 90 windows before, with a forecast of the present one.
    pub async fn usage_history(&self, account: &str) -> Answer<History> {
        let request = quota::ListUsageRequest {
            account_id: account.to_owned(),
            days: DAYS,
        };
        let answer = call!("quota", self.quota, list_usage, request)?;
        let windows = answer.windows.into_iter().map(|one| Window {
            day: one.window,
            profile: one.profile_units,
            activity: one.activity_units,
            rejected: one.rejected_events,
        });
        Ok(History {
            profile_forecast: answer.profile_forecast,
            activity_forecast: answer.activity_forecast,
            rejected: answer.rejected_events,
            windows: windows.collect(),
        })
    }

    /// What spent the units of these days (`2026-11-27`), both included.
    pub async fn spending(
        &self,
        account: &str,
        (first, last): (&str, &str),
        page_token: &str,
    ) -> Answer<Spending> {
        let request = wire::ListSpendingRequest {
            account_id: account.to_owned(),
            first_window: first.to_owned(),
            last_window: last.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("mapping", self.log, list_spending, request)?;
        let sum = |of: fn(&wire::WindowSpending) -> i64| answer.windows.iter().map(of).sum();
        Ok(Spending {
            profile: sum(|one| one.profile_units),
            activity: sum(|one| one.activity_units),
            rejected: sum(|one| one.rejected_events),
            spenders: answer.spending.into_iter().map(spender).collect(),
            next: answer.next_page_token,
        })
    }

    /// How many events of a source a limit met in the last 30 days: as a whole (429), and with
    /// their contacts alone (206).
    pub async fn limited(&self, (account, source): (&str, &str), now: Time) -> Answer<(i64, i64)> {
        let codes = [
            Reason::ProfileLimit,
            Reason::ActivityLimit,
            Reason::ContactLimit,
        ];
        let request = wire::SummarizeLogRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            start_time: Some(stamp(now - TimeDelta::days(30) + TimeDelta::hours(1))),
            codes: codes.map(|code| code.code().to_owned()).to_vec(),
            ..Default::default()
        };
        let answer = call!("mapping", self.log, summarize_log, request)?;
        let of = |status| {
            let summaries = answer.summaries.iter();
            let wanted = summaries.filter(|one| one.status == status);
            wanted.map(|one| one.count).sum()
        };
        Ok((of(429), of(206)))
    }
}

fn spender(one: wire::Spending) -> Spender {
    Spender {
        source_id: one.source_id,
        event_name: one.event_name,
        is_rest: one.other,
        profile: one.profile_units,
        activity: one.activity_units,
        rejected: one.rejected_events,
    }
}
