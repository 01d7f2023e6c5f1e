//! The other services, asked where an id is not known here; never on the way of a batch.

mod source_log;

use tonic::{Code, Status};
use weir_ids::{AccountId, ContactId};
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::{GetContactRequest, get_contact_request};
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, Silent};

pub use source_log::SourceLog;
pub use weir_accounts::Accounts;
pub use weir_counts::ROUND;

/// Asks contact-upsert for contacts.
#[derive(Clone)]
pub struct Contacts(ContactServiceClient<Channel>);

impl Contacts {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        let client = ContactServiceClient::new(Peer::CONTACT.connect(url)?);
        // A contact may be larger than the usual limit.
        Ok(Self(
            client.max_decoding_message_size(weir_rpc::MAX_MESSAGE),
        ))
    }

    /// Whether the account has such a contact, or had it before it was merged into another.
    ///
    /// # Errors
    /// Where contact-upsert is away, or late.
    pub async fn exists(
        &self,
        account: AccountId,
        contact: ContactId,
        deadline: Deadline,
    ) -> Result<bool, Silent> {
        let request = deadline.request(GetContactRequest {
            show_provenance: false,
            account_id: account.to_string(),
            key: Some(get_contact_request::Key::ContactId(contact.to_string())),
        });
        let request = request.map_err(|status| silent(&status))?;
        match self.0.clone().get_contact(request).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => {
                tracing::warn!(code = ?status.code(), "contact-upsert could not be asked");
                Err(silent(&status))
            }
        }
    }
}

fn silent(status: &Status) -> Silent {
    Silent::of("contact-upsert", status)
}
