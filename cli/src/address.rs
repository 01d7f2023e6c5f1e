//! Where services are: as the command line says, else as the environment does, as services have it,
//! else as `stack.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use weir_stack::{
    Channel, Instance, Listens, Reach, Reached, Service, Shown, StackFile, until_ready,
};

use weir_tls::ClientOptions;

use crate::arguments::AddressOptions;
use crate::failure::Failure;
use crate::folder::hint;

mod token;

pub use token::given as given_token;

/// No method of ours takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of several replicas, one that does not say that it is ready in this time is passed over.
const PATIENCE: Duration = Duration::from_secs(1);

/// gRPC addresses, and what calls show there.
#[derive(Debug, Default)]
pub struct Addresses {
    /// Of each all replicas.
    by_service: BTreeMap<String, Vec<String>>,
    /// For every service that is not named.
    any: Vec<String>,
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
                    let known = addresses.by_service.entry(service.name().to_owned());
                    known.or_default().extend(replicas(url));
                }
                _ => addresses.any.extend(replicas(address)),
            }
        }
        let folder = &options.data.folder;
        let given = token::given(&options.token)?;
        if options.addresses.is_empty() {
            addresses.by_service = of_environment();
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
            addresses.by_service = of_stack(&file);
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
        let by_service = by_service.into_iter();
        Ok(Self {
            by_service: by_service.map(|(name, url)| (name, vec![url])).collect(),
            any: Vec::new(),
            shown: Shown::token(token)?,
            reach,
        })
    }

    /// How they are reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    fn urls(&self) -> impl Iterator<Item = &str> {
        let all = self.by_service.values().flatten().chain(&self.any);
        all.map(String::as_str)
    }

    /// Of one service all replicas that are known; at least one.
    pub fn of(&self, service: Service) -> Result<&[String], Failure> {
        let known = self.by_service.get(service.name());
        let known = known.unwrap_or(&self.any);
        if known.is_empty() {
            return Err(Failure::Input(format!(
                "where is {0}? Say --address {0}=http://host:port",
                service.name()
            )));
        }
        Ok(known)
    }

    /// Whether that is an address at all.
    pub fn check(&self, service: Service, url: &str) -> Result<(), Failure> {
        let checked = self.reach.lazily(url).map(drop);
        checked.map_err(|_| {
            Failure::Input(format!(
                "{}: {url:?} is not an address such as http://host:port",
                service.name()
            ))
        })
    }

    /// A connection to one service: of several replicas to the first that is ready, or else the
    /// first that is there.
    pub async fn connect(&self, service: Service) -> Result<Channel, Failure> {
        let urls = self.of(service)?;
        for url in urls {
            self.check(service, url)?;
        }
        let (mut there, mut away) = (None, Vec::new());
        for url in urls {
            match self.reach.connect(url, TIMEOUT).await {
                Ok(channel) if urls.len() == 1 || self.is_ready(service, url).await => {
                    return Ok(self.shown.clone().by(Reached::at(url, channel)));
                }
                Ok(channel) => there = there.or(Some(Reached::at(url, channel))),
                Err(error) => away.push(format!("{error:#}")),
            }
        }
        match there {
            Some(channel) => Ok(self.shown.clone().by(channel)),
            None => Err(anyhow!("{}: {}", service.name(), away.join("; ")).into()),
        }
    }

    /// A connection to this one of them, on first use.
    pub fn channel(&self, url: &str) -> anyhow::Result<Channel> {
        let channel = Reached::at(url, self.reach.lazily(url)?);
        Ok(self.shown.clone().by(channel))
    }

    async fn is_ready(&self, service: Service, url: &str) -> bool {
        let listens = Listens {
            address: url.to_owned(),
            metrics: format!("{url}/readyz"),
        };
        let ready = until_ready(service, &listens, &self.reach);
        matches!(tokio::time::timeout(PATIENCE, ready).await, Ok(Ok(())))
    }
}

/// Of a list with commas in between.
fn replicas(urls: &str) -> impl Iterator<Item = String> {
    let urls = urls.split(',').map(str::trim);
    urls.filter(|url| !url.is_empty()).map(str::to_owned)
}

/// Where the variables of services say that they are; nothing where they say nothing.
pub fn of_environment() -> BTreeMap<String, Vec<String>> {
    by_environment(|name| std::env::var(name).ok())
}

/// As services are told where the others are.
fn by_environment(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, Vec<String>> {
    let services = Service::ALL.into_iter();
    let known = services.filter_map(|service| {
        let urls: Vec<_> = replicas(&variable(service.url_variable()?)?).collect();
        (!urls.is_empty()).then(|| (service.name().to_owned(), urls))
    });
    known.collect()
}

/// Every process of a stack. Edge and console speak no gRPC, but may be asked whether they are ready.
fn of_stack(file: &StackFile) -> BTreeMap<String, Vec<String>> {
    let known = file.processes.iter();
    let known = known.filter_map(|(name, listens)| Some((Instance::named(name)?, listens)));
    let known: BTreeMap<_, _> = known.collect();
    let mut by_service = BTreeMap::<_, Vec<String>>::new();
    for (instance, listens) in known {
        let urls = by_service.entry(instance.service.name().to_owned());
        let urls = urls.or_default();
        // All edges share one.
        if !urls.contains(&listens.address) {
            urls.push(listens.address.clone());
        }
    }
    by_service
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
        let found = read(&["contact=http://a:1,http://a:2", "http://b:2"]).unwrap();
        let contact = found.of(Service::ContactUpsert).unwrap();
        assert_eq!(contact, ["http://a:1", "http://a:2"]);
        assert_eq!(found.of(Service::Quota).unwrap(), ["http://b:2"]);
        let found = read(&["quota=http://a:1", "quota=http://b:2"]).unwrap();
        assert_eq!(found.of(Service::Quota).unwrap().len(), 2);
    }

    #[test]
    fn services_are_where_the_environment_of_a_service_says() {
        let found = by_environment(|name| match name {
            "WEIR_QUOTA_URL" => Some("http://q1:7005, http://q2:7005".to_owned()),
            "WEIR_MAPPING_URL" => Some(String::new()),
            _ => None,
        });
        let quota = ["http://q1:7005", "http://q2:7005"].map(str::to_owned);
        let quota = ("quota".to_owned(), quota.to_vec());
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
