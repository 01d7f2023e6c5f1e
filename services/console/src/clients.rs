//! The services that are asked, as pages need them: the only room that knows their messages.
//!
//! **Invariant:** every call but that for health (gRPC's own, which takes none) shows what the person shows who signed in.

mod account;
mod contact;
mod convert;
mod event;
mod health;
mod issuer;
mod mapping;
mod more;
mod plan;
mod request;
mod shown;
mod source;
mod token;
mod trouble;
mod usage;
mod web;

use weir_proto::access::v1::change_service_client::ChangeServiceClient;
use weir_proto::access::v1::token_service_client::TokenServiceClient;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::curation_service_client::CurationServiceClient;
use weir_proto::audience::v1::membership_service_client::MembershipServiceClient;
use weir_proto::audience::v1::sync_service_client::SyncServiceClient;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::identity_service_client::IdentityServiceClient;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_proto::contact::v1::search_service_client::SearchServiceClient;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::preview_service_client::PreviewServiceClient;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_proto::mapping::v1::story_service_client::StoryServiceClient;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_rpc::{Channel, MAX_MESSAGE, NotAnAddress, Peer};

use crate::config::Addresses;
use crate::domain::Trouble;
use shown::Shown;

pub use account::AccountPart;
pub use health::EdgeDoor;
pub use issuer::{Issuer, IssuerAway};
pub use request::{request_id, within_request};

/// What a call comes to.
pub type Answer<T> = Result<T, Trouble>;

type Personal = tonic::service::interceptor::InterceptedService<Channel, Shown>;

/// Connections to all services.
#[derive(Clone)]
pub struct Clients {
    mapping: Channel,
    contact: Channel,
    activity: Channel,
    audience: Channel,
    quota: Channel,
}

/// Calls of one person.
#[derive(Clone)]
pub struct Calls {
    peers: Clients,
    shown: Shown,
    mapping: MappingServiceClient<Personal>,
    configuration: ConfigurationServiceClient<Personal>,
    preview: PreviewServiceClient<Personal>,
    log: LogServiceClient<Personal>,
    replay: ReplayServiceClient<Personal>,
    story: StoryServiceClient<Personal>,
    alert: AlertServiceClient<Personal>,
    token: TokenServiceClient<Personal>,
    change: ChangeServiceClient<Personal>,
    contact: ContactServiceClient<Personal>,
    search: SearchServiceClient<Personal>,
    people: PeopleServiceClient<Personal>,
    identity: IdentityServiceClient<Personal>,
    activity: ActivityServiceClient<Personal>,
    audience: AudienceServiceClient<Personal>,
    curation: CurationServiceClient<Personal>,
    membership: MembershipServiceClient<Personal>,
    sync: SyncServiceClient<Personal>,
    quota: QuotaServiceClient<Personal>,
}

impl Clients {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where an address is not one.
    pub fn connect(addresses: &Addresses) -> Result<Self, NotAnAddress> {
        Ok(Self {
            mapping: Peer::MAPPING.connect(&addresses.mapping)?,
            contact: Peer::CONTACT.connect(&addresses.contact)?,
            activity: Peer::ACTIVITY.connect(&addresses.activity)?,
            audience: Peer::AUDIENCE.connect(&addresses.audience)?,
            quota: Peer::QUOTA.connect(&addresses.quota)?,
        })
    }

    /// For whoever shows this token.
    pub fn of(&self, token: &str) -> Calls {
        let shown = Shown::token(token);
        let by = |channel: &Channel| Personal::new(channel.clone(), shown.clone());
        let mapping = by(&self.mapping);
        let contact = by(&self.contact);
        let audience = by(&self.audience);
        const MAX: usize = MAX_MESSAGE;
        Calls {
            peers: self.clone(),
            shown: shown.clone(),
            configuration: ConfigurationServiceClient::new(mapping.clone())
                .max_decoding_message_size(MAX),
            preview: PreviewServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            log: LogServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            replay: ReplayServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            story: StoryServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            alert: AlertServiceClient::new(mapping.clone()),
            token: TokenServiceClient::new(mapping.clone()),
            change: ChangeServiceClient::new(mapping.clone()).max_decoding_message_size(MAX),
            mapping: MappingServiceClient::new(mapping).max_decoding_message_size(MAX),
            search: SearchServiceClient::new(contact.clone()).max_decoding_message_size(MAX),
            people: PeopleServiceClient::new(contact.clone()).max_decoding_message_size(MAX),
            identity: IdentityServiceClient::new(contact.clone()),
            contact: ContactServiceClient::new(contact).max_decoding_message_size(MAX),
            activity: ActivityServiceClient::new(by(&self.activity)).max_decoding_message_size(MAX),
            curation: CurationServiceClient::new(audience.clone()),
            membership: MembershipServiceClient::new(audience.clone()),
            sync: SyncServiceClient::new(audience.clone()),
            audience: AudienceServiceClient::new(audience).max_decoding_message_size(MAX),
            quota: QuotaServiceClient::new(by(&self.quota)),
        }
    }
}
