//! Where services are: as the command line says, else as the environment does, as services have it,
//! else as `stack.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use weir_stack::{Channel, Reach, Service, Shown, StackFile};

use weir_tls::ClientOptions;

use crate::arguments::AddressOptions;
use crate::failure::Failure;
use crate::folder::hint;

mod token;

pub use token::given as given_token;

/// No method of ours takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// gRPC addresses, and what calls show there.
#[derive(Debug, Default)]
pub struct Addresses {
    by_service: BTreeMap<String, String>,
    /// For every service that is not named.
    any: Option<String>,
    shown: Shown,
    reach: Reach,
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
            addresses.by_service = by_environment(|name| std::env::var(name).ok());
        }
        if options.addresses.is_empty() && addresses.by_service.is_empty() {
            let file = StackFile::read(folder)?.ok_or_else(|| {
                anyhow!(
                    "Weir is not running on {}; start it with `{}`, or say where it is with \
                     --address, or WEIR_MAPPING_URL and so on",
                    folder.display(),
                    hint("up --detach", folder)
                )
            })?;
            addresses.shown = Shown::token(given.as_deref().unwrap_or(&file.token))?;
            addresses.reach = file.reach()?;
            addresses.by_service = file.grpc;
            // They speak no gRPC, but may be asked whether they are ready.
            let pages = [(Service::Edge, file.edge), (Service::Console, file.console)];
            let known = pages.into_iter().filter(|(_, url)| !url.is_empty());
            let known = known.map(|(service, url)| (service.name().to_owned(), url));
            addresses.by_service.extend(known);
            return Ok(addresses);
        }
        let file = StackFile::read(folder).ok().flatten();
        let file = file.filter(|file| addresses.urls().all(|url| token::is_of(file, url)));
        addresses.reach = match &file {
            Some(file) if !file.tls_ca.is_empty() => file.reach()?,
            _ => reach(&options.tls, addresses.urls())?,
        };
        let token = given.or(file.map(|file| file.token));
        if let Some(token) = token {
            addresses.shown = Shown::token(&token)?;
        }
        Ok(addresses)
    }

    /// All that are known, by service, with a token.
    pub fn from_map(
        by_service: BTreeMap<String, String>,
        token: &str,
        reach: Reach,
    ) -> Result<Self, Failure> {
        Ok(Self {
            by_service,
            any: None,
            shown: Shown::token(token)?,
            reach,
        })
    }

    /// How they are reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
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
        if self.reach.lazily(url).is_err() {
            return Err(Failure::Input(format!(
                "{url:?} is not an address such as http://host:port"
            )));
        }
        let connected = self.reach.connect(url, TIMEOUT).await;
        let channel = connected.with_context(|| service.name())?;
        Ok(self.shown.clone().by(channel))
    }
}

/// As services are told where the others are; of several replicas the first.
fn by_environment(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let services = Service::ALL.into_iter();
    let known = services.filter_map(|service| {
        let urls = variable(service.url_variable()?)?;
        let first = urls.split(',').map(str::trim).find(|url| !url.is_empty())?;
        Some((service.name().to_owned(), first.to_owned()))
    });
    known.collect()
}

/// How these addresses are reached that somebody gave.
pub fn reach<'a>(
    options: &ClientOptions,
    mut urls: impl Iterator<Item = &'a str>,
) -> Result<Reach, Failure> {
    if !urls.any(|url| url.starts_with("https://")) {
        return Ok(Reach::default());
    }
    let trusted = options.trust().map_err(anyhow::Error::from);
    trusted?;
    Ok(Reach::own())
}

/// A connection to mapping, for what is only told where it answers.
pub async fn mapping(file: &StackFile) -> Option<Channel> {
    let reach = file.reach().ok()?;
    let addresses = Addresses::from_map(file.grpc.clone(), &file.token, reach).ok()?;
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
            tls: ClientOptions::default(),
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
    fn services_are_where_the_environment_of_a_service_says() {
        let found = by_environment(|name| match name {
            "WEIR_QUOTA_URL" => Some("http://q1:7005, http://q2:7005".to_owned()),
            "WEIR_MAPPING_URL" => Some(String::new()),
            _ => None,
        });
        let quota = ("quota".to_owned(), "http://q1:7005".to_owned());
        assert_eq!(found, BTreeMap::from([quota]));
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
