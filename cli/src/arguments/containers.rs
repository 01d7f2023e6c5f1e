//! What is written behind `./weir health` and `./weir roles`: for containers, and for whoever runs
//! the processes by themselves.

use std::collections::BTreeMap;

use clap::Args;

use crate::arguments::AddressOptions;

/// Ask whether a service is ready: the probe of containers.
///
/// Where WEIR_LISTEN is set, as for a service, what listens there on this machine is asked: as the
/// service that is named. Otherwise each replica of all whose addresses are known, or of that one.
/// Exit code 0 where all of them are ready, 1 where one is not, or does not answer within two
/// seconds.
#[derive(Debug, Args)]
pub struct HealthOptions {
    /// edge, mapping, contact-upsert, activity, audience, quota or console.
    pub service: Option<String>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Make the roles and schemas of the services in a PostgreSQL, or bring them up to date.
///
/// May run again at any time, and is to run with every new version, before the services are
/// started. A password that is not given stays as it is. Nothing is made in a PostgreSQL that can't
/// be worked with, and it is said why; one that does not answer is waited for, for eight seconds.
#[derive(Debug, Args)]
pub struct RolesOptions {
    /// The database that the services share, as an administrator (a superuser, or CREATEROLE and
    /// CREATE on the database): postgres://postgres:…@host/weir.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_ADMIN_DATABASE_URL",
        hide_env_values = true
    )]
    pub database: String,
    #[command(flatten)]
    pub passwords: RolePasswords,
}

/// What the services log in with. By variables, since others see the arguments of programs.
#[derive(Clone, Args)]
pub struct RolePasswords {
    /// Of weir_mapping.
    #[arg(
        long = "mapping-password",
        env = "WEIR_MAPPING_DATABASE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub mapping: Option<String>,
    /// Of weir_contact.
    #[arg(
        long = "contact-password",
        env = "WEIR_CONTACT_DATABASE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub contact: Option<String>,
    /// Of weir_activity.
    #[arg(
        long = "activity-password",
        env = "WEIR_ACTIVITY_DATABASE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub activity: Option<String>,
    /// Of weir_audience.
    #[arg(
        long = "audience-password",
        env = "WEIR_AUDIENCE_DATABASE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub audience: Option<String>,
}

impl std::fmt::Debug for RolePasswords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RolePasswords")
    }
}

impl RolePasswords {
    /// Those that are given, by the schemas of the services.
    pub fn by_schema(&self) -> BTreeMap<String, String> {
        let given = [
            ("mapping", &self.mapping),
            ("contact", &self.contact),
            ("activity", &self.activity),
            ("audience", &self.audience),
        ];
        let given = given
            .into_iter()
            .filter_map(|(schema, password)| Some((schema.to_owned(), password.clone()?)));
        given.filter(|(_, password)| !password.is_empty()).collect()
    }
}
