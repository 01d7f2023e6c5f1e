//! Where services are: as the command line says, else as `stack.json` does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use tonic::transport::Endpoint;
use weir_stack::{Channel, Service, Shown, StackFile};

use crate::arguments::AddressOptions;
use crate::failure::Failure;
use crate::folder::hint;

mod token;

pub use token::given as given_token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// No method of ours takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// gRPC addresses, and what calls show there.
#[derive(Debug, Default)]
pub struct Addresses {
    by_service: BTreeMap<String, String>,
    /// For every service that is not named.
    any: Option<String>,
    shown: Shown,
}

impl Addresses {
    /// Reads options and, where they leave something open, `stack.json`.
    pub fn read(options: &AddressOptions) -> Result<Self, Failure> {
        let mut addresses = Self::default();
        for address in &options.addresses {
            match address.split_once('=') {
                Some((name, url)) if !name.contains(':') => {
                    let service = Service::named(name).ok_or_else(|| {
                        Failure::Input(format!(
                            "--address {address}: there is no service {name:?}; there are {}",
                            names()
                        ))
                    })?;
                    addresses
                        .by_service
                        .insert(service.name().to_owned(), url.to_owned());
                }
                _ => addresses.any = Some(address.clone()),
            }
        }
        let folder = &options.data.folder;
        let given = token::given(&options.token)?;
        if options.addresses.is_empty() {
            let file = StackFile::read(folder)?.ok_or_else(|| {
                anyhow!(
                    "Weir is not running on {}; start it with `{}`, or say where it is with \
                     --address",
                    folder.display(),
                    hint("up --detach", folder)
                )
            })?;
            addresses.shown = Shown::token(given.as_deref().unwrap_or(&file.token))?;
            addresses.by_service = file.grpc;
        } else if let Some(given) = given {
            addresses.shown = Shown::token(&given)?;
        } else if let Ok(Some(file)) = StackFile::read(folder)
            && addresses.urls().all(|url| token::is_of(&file, url))
        {
            addresses.shown = Shown::token(&file.token)?;
        }
        Ok(addresses)
    }

    /// All that are known, by service, with a token.
    pub fn from_map(by_service: BTreeMap<String, String>, token: &str) -> Result<Self, Failure> {
        Ok(Self {
            by_service,
            any: None,
            shown: Shown::token(token)?,
        })
    }

    fn urls(&self) -> impl Iterator<Item = &str> {
        let all = self.by_service.values().chain(&self.any);
        all.map(String::as_str)
    }

    /// Of one service.
    pub fn of(&self, service: Service) -> Result<&str, Failure> {
        self.by_service
            .get(service.name())
            .or(self.any.as_ref())
            .map(String::as_str)
            .ok_or_else(|| {
                Failure::Input(format!(
                    "where is {0}? Say --address {0}=http://host:port",
                    service.name()
                ))
            })
    }

    /// A connection to one service.
    pub async fn connect(&self, service: Service) -> Result<Channel, Failure> {
        let url = self.of(service)?;
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| {
            Failure::Input(format!(
                "{url:?} is not an address such as http://host:port"
            ))
        })?;
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .connect()
            .await
            .map(|channel| self.shown.clone().by(channel))
            .map_err(|_| anyhow!("{} does not answer at {url}", service.name()).into())
    }
}

/// A connection to mapping, for what is only told where it answers.
pub async fn mapping(address: &str, token: &str) -> Option<Channel> {
    let addresses = [(Service::Mapping.name().to_owned(), address.to_owned())];
    let addresses = Addresses::from_map(addresses.into(), token).ok()?;
    addresses.connect(Service::Mapping).await.ok()
}

/// The services that speak gRPC, for messages.
pub fn names() -> String {
    let names: Vec<_> = Service::ALL
        .into_iter()
        .filter(|service| service.grpc_name().is_some())
        .map(Service::name)
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{DataOptions, TokenOptions};

    fn read(addresses: &[&str]) -> Result<Addresses, Failure> {
        Addresses::read(&AddressOptions {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            token: TokenOptions::default(),
            data: DataOptions {
                folder: "/does/not/exist".into(),
            },
        })
    }

    #[test]
    fn addresses_are_given_for_one_service_or_for_all() {
        let found = read(&["contact=http://a:1", "http://b:2"]).unwrap();
        assert_eq!(found.of(Service::ContactUpsert).unwrap(), "http://a:1");
        assert_eq!(found.of(Service::Quota).unwrap(), "http://b:2");
    }

    #[test]
    fn what_is_not_known_is_asked_for() {
        let found = read(&["mapping=http://a:1"]).unwrap();
        let Err(Failure::Input(message)) = found.of(Service::Audience) else {
            panic!("found")
        };
        assert!(message.contains("--address audience="), "{message}");
        assert!(matches!(
            read(&["nobody=http://a:1"]),
            Err(Failure::Input(_))
        ));
        assert!(matches!(read(&[]), Err(Failure::Failed(_))));
    }
}
