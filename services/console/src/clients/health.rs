//! Whether services answer.

use std::time::{Duration, Instant};

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Clients;
use super::shown::within;

/// Who does not answer in this time is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a service says of itself.
#[derive(Debug, Clone)]
pub struct ServiceHealth {
    pub name: &'static str,
    /// What is missing where it is away.
    pub what: &'static str,
    pub serves: bool,
    pub took: Duration,
}

impl Clients {
    /// Of all services. Health takes no credentials (semantics 9.1).
    pub async fn health(&self) -> Vec<ServiceHealth> {
        let all = [
            (
                "mapping",
                "Configuration, samples, logs, sign-in",
                &self.mapping,
            ),
            ("contact-upsert", "Contacts, merges, search", &self.contact),
            ("activity", "Activities and the backlog", &self.activity),
            ("audience", "Audiences and their members", &self.audience),
            ("quota", "Limits and what was used of them", &self.quota),
        ];
        let asked = all.map(async |(name, what, channel)| {
            let begun = Instant::now();
            let mut client = HealthClient::new(channel.clone());
            let asking = client.check(within(HealthCheckRequest::default(), PATIENCE));
            let answer = tokio::time::timeout(PATIENCE, asking).await;
            let answer = answer.ok().and_then(Result::ok);
            ServiceHealth {
                name,
                what,
                serves: answer
                    .is_some_and(|answer| answer.get_ref().status() == ServingStatus::Serving),
                took: begun.elapsed(),
            }
        });
        futures_util::future::join_all(asked).await
    }
}
