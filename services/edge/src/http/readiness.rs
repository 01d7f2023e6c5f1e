//! Whether the services can serve, asked a few times a second however often that is probed.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use weir_rpc::Deadline;

use crate::clients::Clients;

/// Health is asked of services that answer within this, or not at all.
const TIME: Duration = Duration::from_secs(1);
/// Short beside the period of any probe: nobody sees the difference.
const REMEMBERED: Duration = Duration::from_millis(300);

/// What the services said when they were last asked. Anybody may probe, so one asks at a time,
/// and who waits for it takes its answer.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Vec<&'static str>)>>);

impl Readiness {
    /// The services that can't serve now.
    pub async fn away(&self, clients: &Clients) -> Vec<&'static str> {
        let mut last = self.0.lock().await;
        if let Some((asked, away)) = &*last
            && asked.elapsed() < REMEMBERED
        {
            return away.clone();
        }
        let away = clients.away(Deadline::after(TIME)).await;
        *last = Some((Instant::now(), away.clone()));
        away
    }
}
