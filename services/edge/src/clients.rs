//! The five services the edge drives, as it needs them: one method for each hop, domain
//! values in and out. The only room that knows their messages.
//!
//! A hop whose connection broke is tried again while time is left: every call may be
//! repeated, since the services recognise repeats and reservations have names. What may be
//! unknown afterwards is whether an earlier try was stored; [`Called`] and [`Failure`] say so.

mod convert;
mod events;
mod failure;
mod hops;
mod recent;
mod replay;
mod types;
mod wire;

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_proto::mapping::v1::story_service_client::StoryServiceClient;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

pub use failure::{Called, Cause, Failure};
pub use hops::MAX_SETTLEMENTS;
pub use replay::ReplayWork;
pub use types::{
    ActivityToRecord, Ask, Audience, AudienceRefused, Caller, ContactSettings, ContactToUpsert,
    Entitlement, EventToMap, KeyRefused, MapRequest, RequestToMap, Reservation, Settlement,
    SourceKind, UpdateToApply, UpsertMode, UpsertedContact,
};

use crate::config::Addresses;

/// Connections to all services; cheap to clone.
#[derive(Clone)]
pub struct Clients {
    mapping: MappingServiceClient<Channel>,
    replay: ReplayServiceClient<Channel>,
    story: StoryServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
    /// For the calls that carry every event: these are encoded here (see `events`).
    mapping_events: Channel,
    contact_events: Channel,
    activity_events: Channel,
    audience_events: Channel,
    quota: QuotaServiceClient<Channel>,
    health: [(&'static str, HealthClient<Channel>); 5],
}

impl Clients {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where an address is not one.
    pub fn connect(addresses: &Addresses) -> Result<Self, NotAnAddress> {
        const MAX: usize = weir_rpc::MAX_MESSAGE;
        let mapping = Peer::MAPPING.connect(&addresses.mapping)?;
        let contact = Peer::CONTACT.connect(&addresses.contact)?;
        let activity = Peer::ACTIVITY.connect(&addresses.activity)?;
        let audience = Peer::AUDIENCE.connect(&addresses.audience)?;
        let quota = Peer::QUOTA.connect(&addresses.quota)?;
        let health = [
            ("mapping", HealthClient::new(mapping.clone())),
            ("contact-upsert", HealthClient::new(contact.clone())),
            ("activity", HealthClient::new(activity.clone())),
            ("audience", HealthClient::new(audience.clone())),
            ("quota", HealthClient::new(quota.clone())),
        ];
        Ok(Self {
            mapping_events: mapping.clone(),
            contact_events: contact,
            activity_events: activity,
            audience_events: audience.clone(),
            replay: ReplayServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            story: StoryServiceClient::new(mapping.clone()),
            mapping: MappingServiceClient::new(mapping).max_decoding_message_size(MAX),
            audience: AudienceServiceClient::new(audience).max_decoding_message_size(MAX),
            quota: QuotaServiceClient::new(quota).max_decoding_message_size(MAX),
            health,
        })
    }

    /// The services that can't serve now.
    pub async fn away(&self, deadline: Deadline) -> Vec<&'static str> {
        let checks = self.health.iter().map(async |(name, client)| {
            let request = deadline.request(HealthCheckRequest::default()).ok()?;
            let mut client = client.clone();
            let answer = tokio::time::timeout(deadline.remaining(), client.check(request)).await;
            let serving = answer
                .ok()
                .and_then(Result::ok)
                .is_some_and(|answer| answer.get_ref().status() == ServingStatus::Serving);
            (!serving).then_some(*name)
        });
        let found = futures_util::future::join_all(checks).await;
        found.into_iter().flatten().collect()
    }
}
