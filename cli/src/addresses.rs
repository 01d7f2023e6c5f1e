//! Where the services listen: from `.weir/stack.json`, or as given.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use crate::failure::Usage;

/// Addresses by the name of the process (`contact-upsert`).
#[derive(Debug)]
pub struct Addresses(BTreeMap<String, String>);

impl Addresses {
    /// What `stack.json` in `data` says, and `given` (`SERVICE=URL`) instead of it.
    ///
    /// # Errors
    /// Where neither says anything, or something given can't be read.
    pub fn load(data: &Path, given: &[String]) -> anyhow::Result<Self> {
        let mut addresses = BTreeMap::new();
        let file = data.join("stack.json");
        match std::fs::read(&file) {
            Ok(bytes) => {
                let stack: serde_json::Value = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is not JSON", file.display()))?;
                for (name, url) in stack["grpc"].as_object().into_iter().flatten() {
                    addresses.insert(name.clone(), url.as_str().unwrap_or_default().to_owned());
                }
            }
            Err(_) if !given.is_empty() => {}
            Err(_) => {
                return Err(anyhow::anyhow!(
                    "{} is not there: start Weir with `./weir up`, or give --address SERVICE=URL",
                    file.display()
                ));
            }
        }
        for pair in given {
            let Some((service, url)) = pair.split_once('=') else {
                return Err(Usage::new(format!("--address {pair}: expected SERVICE=URL")).into());
            };
            addresses.insert(process_of(service).to_owned(), url.to_owned());
        }
        Ok(Self(addresses))
    }

    /// The address of a service by any of its names.
    ///
    /// # Errors
    /// Where there is no such service.
    pub fn of(&self, service: &str) -> Result<&str, Usage> {
        let process = process_of(package_of(service));
        self.0.get(process).map(String::as_str).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(|name| package_of(name)).collect();
            Usage::new(format!(
                "no address of a service {service}; known: {}",
                known.join(", ")
            ))
        })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, url)| (name.as_str(), url.as_str()))
    }
}

/// `weir.contact.v1.ContactService`, `contact-upsert` and `contact` are all `contact`.
pub fn package_of(service: &str) -> &str {
    let package = match service.strip_prefix("weir.") {
        Some(rest) => rest.split('.').next().unwrap_or(rest),
        None => service,
    };
    package.strip_suffix("-upsert").unwrap_or(package)
}

fn process_of(package: &str) -> &str {
    match package {
        "contact" => "contact-upsert",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_goes_by_several_names() {
        let given = ["contact=http://127.0.0.1:7002".to_owned()];
        let addresses = Addresses::load(Path::new("/nowhere"), &given).unwrap();
        for name in [
            "contact",
            "contact-upsert",
            "weir.contact.v1.ContactService",
        ] {
            assert_eq!(addresses.of(name).unwrap(), "http://127.0.0.1:7002");
        }
        assert!(
            addresses
                .of("quota")
                .unwrap_err()
                .to_string()
                .contains("contact")
        );
    }

    #[test]
    fn without_a_stack_or_an_address_it_says_what_to_do() {
        let error = Addresses::load(Path::new("/nowhere"), &[]).unwrap_err();
        assert!(error.to_string().contains("./weir up"), "{error}");
    }
}
