//! The key that events are sent with: given, the demo account's, or one that is made for it.

use anyhow::anyhow;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service, StackFile};

use crate::accounts;
use crate::address::Addresses;
use crate::arguments::SendOptions;
use crate::call::describe_status;
use crate::failure::Failure;

pub enum Key {
    Given(String),
    /// Only its hash is kept, so that of a source can't be looked up: it gets another one, for as
    /// long as this takes.
    Made {
        client: Box<MappingServiceClient<Channel>>,
        account_id: String,
        key_id: String,
        text: String,
    },
}

impl Key {
    pub fn text(&self) -> &str {
        match self {
            Self::Given(text) | Self::Made { text, .. } => text,
        }
    }

    /// Revokes one that was made.
    pub async fn give_back(self) -> Result<(), Failure> {
        let Self::Made {
            mut client,
            account_id,
            key_id,
            ..
        } = self
        else {
            return Ok(());
        };
        let revoked = client
            .revoke_key(mapping::RevokeKeyRequest {
                account_id,
                key_id: key_id.clone(),
            })
            .await;
        revoked.map(drop).map_err(|status| {
            anyhow!(
                "the key that was made for this could not be revoked ({key_id}): {}",
                describe_status(&status)
            )
            .into()
        })
    }
}

pub async fn find(options: &SendOptions) -> Result<Key, Failure> {
    if let Some(key) = &options.key {
        return Ok(Key::Given(key.clone()));
    }
    let file = StackFile::read(&options.addresses.data.folder)?;
    if let Some(source) = &options.source {
        let account_id = file.map(|file| file.account_id).unwrap_or_default();
        return make(options, source, account_id).await;
    }
    let key = file.map(|file| file.api_key).filter(|key| !key.is_empty());
    key.map(Key::Given).ok_or_else(|| {
        Failure::Input("say whose events these are, with --source or --key".to_owned())
    })
}

async fn make(options: &SendOptions, named: &str, demo: String) -> Result<Key, Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let channel = addresses.connect(Service::Mapping).await?;
    let mut client = MappingServiceClient::new(channel);
    let (account_id, source) = match named.rsplit_once('/') {
        Some((account, source)) => (accounts::account(&mut client, account).await?, source),
        None if demo.is_empty() => {
            return Err(Failure::Input(format!(
                "--source {named}: of which account? Say ACCOUNT/SOURCE"
            )));
        }
        None => (demo, named),
    };
    let source = accounts::source(&mut client, &account_id, source).await?;
    let request = mapping::CreateKeyRequest {
        account_id: account_id.clone(),
        source_id: source.source_id,
        ..Default::default()
    };
    let made = client.create_key(request).await;
    let made = made
        .map_err(|status| refused("no key can be made", &status))?
        .into_inner();
    Ok(Key::Made {
        client: Box::new(client),
        account_id,
        key_id: made.key.map(|key| key.key_id).unwrap_or_default(),
        text: made.secret,
    })
}

fn refused(what: &str, status: &tonic::Status) -> Failure {
    anyhow!("{what}: {}", describe_status(status)).into()
}
