//! `health`: whether services are ready, as probes ask.

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use weir_stack::{Listens, Reach, Service, until_ready};

use crate::address::Addresses;
use crate::arguments::HealthOptions;
use crate::failure::Failure;
use crate::output::say;

/// Who does not say that it is ready in this time is not.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn run(options: &HealthOptions) -> Result<ExitCode, Failure> {
    let service = match &options.service {
        None => None,
        Some(name) => Some(Service::named(name).ok_or_else(|| {
            let names: Vec<_> = Service::ALL.into_iter().map(Service::name).collect();
            Failure::Input(format!(
                "there is no service {name:?}; there are {}",
                names.join(", ")
            ))
        })?),
    };
    let own = options.addresses.addresses.is_empty();
    let own = own.then(|| variable("WEIR_LISTEN")).flatten();
    let (asked, reach) = match (service, own) {
        (Some(service), Some(listen)) => {
            let secure = variable("WEIR_TLS_CERT").is_some();
            // Its certificate is for the name that others call it by, and this is ourselves.
            let reach = if secure {
                Reach::anybody()
            } else {
                Reach::default()
            };
            (vec![(service, here(&listen, secure)?)], reach)
        }
        (service, _) => {
            let addresses = Addresses::read(&options.addresses)?;
            let known = known(&addresses, service);
            if let (Some(service), true) = (service, known.is_empty()) {
                addresses.of(service)?;
            }
            for (service, url) in &known {
                addresses.check(*service, url)?;
            }
            (known, addresses.reach().clone())
        }
    };
    let asked: Vec<_> = asked.into_iter().map(at).collect();
    let answers = ask(&asked, &reach).await;
    for ((service, listens), healthy) in asked.iter().zip(&answers) {
        let (name, state) = (service.name(), state(*healthy));
        say!("{name:<15} {state:<12} {}", listens.address);
    }
    Ok(ExitCode::from(u8::from(answers.contains(&false))))
}

/// Every replica of every service, or of this one.
pub fn known(addresses: &Addresses, service: Option<Service>) -> Vec<(Service, String)> {
    let asked = Service::ALL.into_iter();
    let asked = asked.filter(|one| service.is_none_or(|service| *one == service));
    let known = asked.flat_map(|one| {
        let urls = addresses.of(one).unwrap_or_default();
        urls.iter().map(move |url| (one, url.clone()))
    });
    known.collect()
}

/// As somebody is asked of whom no more is known than where it is.
pub fn at((service, address): (Service, String)) -> (Service, Listens) {
    let metrics = format!("{address}/readyz");
    (service, Listens { address, metrics })
}

/// Whether each of them is ready. All are asked at once: it takes no longer where several are away.
pub async fn ask(asked: &[(Service, Listens)], reach: &Reach) -> Vec<bool> {
    let asking: Vec<_> = asked
        .iter()
        .cloned()
        .map(|(service, listens)| {
            let reach = reach.clone();
            tokio::spawn(async move {
                let ready = until_ready(service, &listens, &reach);
                matches!(tokio::time::timeout(PATIENCE, ready).await, Ok(Ok(())))
            })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap_or(false));
    }
    answers
}

/// In a word.
pub fn state(healthy: bool) -> &'static str {
    if healthy { "healthy" } else { "NOT HEALTHY" }
}

/// What listens there, as this machine reaches it.
fn here(listen: &str, secure: bool) -> Result<String, Failure> {
    let address: SocketAddr = listen
        .parse()
        .map_err(|_| Failure::Input(format!("WEIR_LISTEN: {listen:?} is no address")))?;
    let scheme = if secure { "https" } else { "http" };
    let mut at = address;
    if address.ip().is_unspecified() {
        at.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("{scheme}://{at}"))
}

/// Unless it is empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_on_this_machine() {
        let at = |listen: &str, secure| here(listen, secure).unwrap();
        assert_eq!(at("0.0.0.0:7001", false), "http://127.0.0.1:7001");
        assert_eq!(at("[::]:8080", true), "https://[::1]:8080");
        assert_eq!(at("10.0.0.7:7005", false), "http://10.0.0.7:7005");
        assert!(matches!(here("7001", false), Err(Failure::Input(_))));
    }
}
