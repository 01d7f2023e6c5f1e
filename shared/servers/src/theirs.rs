//! A PostgreSQL that somebody else runs: what is asked of it, the roles and schemas that are made
//! there, and nothing beside. It is never started, stopped or set up otherwise.
//!
//! **Invariant:** roles that another installation works with keep their passwords.

mod alone;
mod dialing;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use weir_postgres::Unfit;

use crate::postgres::{DATABASE, SCHEMAS, make_roles};
use dialing::{dial, dial_patiently, is, said};

/// Named where no database is to be worked in.
const MAINTENANCE: &str = "postgres";
/// How a database of ours is made: an index on text outlives the next version of the machine's
/// collations.
const BY_BYTES: &str = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'";
/// So many are open at a time of the administrator's.
const OWN_CONNECTIONS: usize = 1;
/// What an administrator's URL has that is not for the services.
const HIS_OWN: [&str; 5] = [
    "user",
    "password",
    "other_password",
    "options",
    "application_name",
];

/// Where it is, and as whom it is administered. Not shown by `Debug`.
#[derive(Clone)]
pub struct Theirs {
    /// With the password, as it stands in a URL.
    user: String,
    /// `host:port`, or several with commas in between.
    hosts: String,
    database: String,
    /// `a=b` each.
    words: Vec<String>,
}

impl std::fmt::Debug for Theirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place())
    }
}

impl Theirs {
    /// Reads an administrator's URL; one without a database means `weir`.
    ///
    /// # Errors
    /// It is none; the text does not repeat it.
    pub fn read(url: &str) -> anyhow::Result<Self> {
        let rest = ["postgres://", "postgresql://"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.context("a URL of PostgreSQL begins with postgres://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, place) = place
            .rsplit_once('@')
            .context("it names nobody: postgres://ADMINISTRATOR:PASSWORD@HOST/DATABASE")?;
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        // One that is reached by a socket may stand behind the question mark.
        let names_a_host =
            !hosts.is_empty() || query.split('&').any(|word| word.starts_with("host"));
        if user.is_empty() || !names_a_host {
            bail!("it names no host or nobody: postgres://ADMINISTRATOR:PASSWORD@HOST/DATABASE");
        }
        let database = if database.is_empty() {
            DATABASE
        } else {
            database
        };
        let words = query.split('&').filter(|word| !word.is_empty());
        Ok(Self {
            user: user.to_owned(),
            hosts: hosts.to_owned(),
            database: database.to_owned(),
            words: words.map(str::to_owned).collect(),
        })
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        name.clone_into(&mut self.database);
        self
    }

    /// The same database, by another way: `host:port`.
    #[must_use]
    pub fn by(mut self, hosts: &str) -> Self {
        hosts.clone_into(&mut self.hosts);
        self
    }

    /// Without a password: `host:port/database`.
    pub fn place(&self) -> String {
        format!("{}/{}", self.hosts, self.database)
    }

    /// Of the administrator, with the password.
    pub fn url(&self) -> String {
        let words = self.words.join("&");
        let mark = if words.is_empty() { "" } else { "?" };
        format!("postgres://{}@{}{mark}{words}", self.user, self.place())
    }

    /// As whom it is administered, with the password.
    pub fn administrator(&self) -> &str {
        &self.user
    }

    /// Of a service's role.
    pub fn service_url(&self, schema: &str, password: &str) -> String {
        let words = self.words.iter().filter(|word| {
            let name = word.split('=').next().unwrap_or_default();
            !HIS_OWN.contains(&name)
        });
        let words = words.map(String::as_str).collect::<Vec<_>>().join("&");
        let mark = if words.is_empty() { "" } else { "?" };
        let (password, place) = (encoded(password), self.place());
        format!("postgres://weir_{schema}:{password}@{place}{mark}{words}")
    }

    /// Looks whether it can be worked with, with so many connections, makes the database where
    /// there is none, and the roles and schemas with these passwords.
    ///
    /// # Errors
    /// Why not, in a sentence without any password; nothing is changed then, but that an empty
    /// database may have been made.
    pub async fn set_up(
        &self,
        passwords: &BTreeMap<String, String>,
        connections: usize,
    ) -> anyhow::Result<()> {
        let done = Box::pin(self.try_set_up(passwords, connections)).await;
        done.with_context(|| format!("PostgreSQL at {} can't be used", self.place()))
    }

    async fn try_set_up(
        &self,
        passwords: &BTreeMap<String, String>,
        connections: usize,
    ) -> anyhow::Result<()> {
        let administrator = match dial(&self.url()).await {
            Err(error) if is(&error, &SqlState::INVALID_CATALOG_NAME) => {
                self.create_database(BY_BYTES).await?;
                dial(&self.url()).await
            }
            connected => connected,
        };
        let administrator = administrator.map_err(|error| said(&error))?;
        weir_postgres::check(&administrator, OWN_CONNECTIONS).await??;
        takes(&administrator, connections).await?;
        may_make_roles(&administrator).await?;
        let _alone = self.alone().await;
        let new = self.new_roles(&administrator, passwords).await?;
        make_roles(&administrator, &new)
            .await
            .context("the roles of the services can't be made")?;
        for (schema, password) in passwords {
            let entered = dial(&self.service_url(schema, password)).await;
            let entered = entered.map_err(|error| said(&error));
            entered.with_context(|| format!("the role weir_{schema} is not let in"))?;
        }
        Ok(())
    }

    /// Looks whether it can be worked with, and makes the roles and schemas in a database that is
    /// there, or brings them up to date; a role whose password is not given keeps the one that it
    /// has. One that is only being started is waited for, for a few seconds.
    ///
    /// # Errors
    /// Why not, in a sentence without any password; nothing is changed then.
    pub async fn bring_up(&self, passwords: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let done = Box::pin(self.try_bring_up(passwords)).await;
        done.with_context(|| format!("PostgreSQL at {} can't be used", self.place()))
    }

    async fn try_bring_up(&self, passwords: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let administrator = match dial_patiently(&self.url()).await {
            Err(error) if is(&error, &SqlState::INVALID_CATALOG_NAME) => bail!(
                "there is no database {0}: make it (CREATE DATABASE \"{0}\" TEMPLATE template0 ENCODING \
                 'UTF8') and come again",
                self.database
            ),
            connected => connected.map_err(|error| said(&error))?,
        };
        weir_postgres::check(&administrator, OWN_CONNECTIONS).await??;
        may_make_roles(&administrator).await?;
        let _alone = self.alone().await;
        make_roles(&administrator, passwords)
            .await
            .context("the roles of the services can't be made")
    }

    /// Makes the database, as `how` says, where there is none.
    pub(crate) async fn create_database(&self, how: &str) -> anyhow::Result<()> {
        let url = self.clone().database(MAINTENANCE).url();
        let server = dial(&url).await.map_err(|error| said(&error))?;
        // What an older one does not know of is not to be asked of it, nor a row of a standby. How
        // this database is made says nothing of ours.
        let fit = weir_postgres::check(&server, OWN_CONNECTIONS).await?;
        if let Err(unfit @ (Unfit::Old(_) | Unfit::Recovery | Unfit::ReadOnly)) = fit {
            return Err(unfit.into());
        }
        let name = self.database.replace('"', "\"\"");
        let create = format!("CREATE DATABASE \"{name}\" {how}");
        match server.batch_execute(&create).await {
            // The second code where another one made it in this very moment.
            Err(error)
                if [&SqlState::DUPLICATE_DATABASE, &SqlState::UNIQUE_VIOLATION]
                    .map(Some)
                    .contains(&error.code()) =>
            {
                Ok(())
            }
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => bail!(
                "there is no database {}, and its administrator may not make one (CREATEDB)",
                self.database
            ),
            done => Ok(done?),
        }
    }

    /// The passwords of those that are not there yet. Roles belong to the whole server: those that
    /// are there and don't know our passwords are another installation's; of the others a pooler may
    /// know how their passwords are kept, which a password that is given again changes.
    async fn new_roles(
        &self,
        administrator: &Client,
        passwords: &BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let there = "SELECT FROM pg_roles WHERE rolname = 'weir_' || $1";
        let mut new = BTreeMap::new();
        for (schema, password) in passwords {
            if administrator.query_opt(there, &[schema]).await?.is_none() {
                new.insert(schema.clone(), password.clone());
                continue;
            }
            match dial(&self.service_url(schema, password)).await {
                Err(error) if is(&error, &SqlState::INVALID_PASSWORD) => bail!(
                    "the role weir_{schema} is there with another password, so another \
                     installation of Weir may be working with it: give its password \
                     (WEIR_{}_DATABASE_PASSWORD), or set a new one with `./weir roles`",
                    schema.to_uppercase()
                ),
                entered => {
                    let entered = entered.map_err(|error| said(&error));
                    entered.with_context(|| format!("the role weir_{schema} is not let in"))?;
                }
            }
        }
        Ok(new)
    }

    /// Drops the databases whose names begin so, and then the roles that nothing is left of.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub async fn clean_up(&self, prefix: &str) -> anyhow::Result<usize> {
        let url = self.clone().database(MAINTENANCE).url();
        let server = dial(&url).await.map_err(|error| said(&error))?;
        let named = "SELECT quote_ident(datname) AS name FROM pg_database
                     WHERE starts_with(datname, $1)";
        let databases = server.query(named, &[&prefix]).await?;
        for row in &databases {
            let name: String = row.get("name");
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            server.batch_execute(&drop).await?;
        }
        for schema in SCHEMAS {
            for role in [format!("weir_{schema}"), format!("weir_{schema}_owner")] {
                // Where another database has something of them, they stay.
                let drop = format!("DROP ROLE IF EXISTS {role}");
                let _ = server.batch_execute(&drop).await;
            }
        }
        Ok(databases.len())
    }
}

async fn may_make_roles(administrator: &Client) -> anyhow::Result<()> {
    let rights = "SELECT current_user::text AS name, rolsuper OR rolcreaterole AS roles,
                      has_database_privilege(current_database(), 'CREATE') AS schemas
                  FROM pg_roles WHERE rolname = current_user";
    let row = administrator.query_one(rights, &[]).await?;
    let name: String = row.get("name");
    if !row.get::<_, bool>("roles") {
        bail!("{name} may not make roles: name an administrator (a superuser, or CREATEROLE)");
    }
    if !row.get::<_, bool>("schemas") {
        bail!("{name} may not make schemas in this database (GRANT CREATE ON DATABASE)");
    }
    Ok(())
}

/// Whether the server and the database take so many. What the administrator's own role may have is
/// not what the services have: each comes in by its own, and says itself what that one lacks.
async fn takes(administrator: &Client, needed: usize) -> anyhow::Result<()> {
    let limits = "SELECT least(current_setting('max_connections')::bigint
                          - current_setting('superuser_reserved_connections')::bigint
                          - coalesce(current_setting('reserved_connections', true)::bigint, 0),
                      NULLIF(datconnlimit, -1)) AS found
                  FROM pg_database WHERE datname = current_database()";
    let row = administrator.query_one(limits, &[]).await?;
    let (found, needed) = (row.get("found"), i64::try_from(needed)?);
    match found < needed {
        true => Err(Unfit::Connections { found, needed }.into()),
        false => Ok(()),
    }
}

/// As it stands in a URL.
fn encoded(text: &str) -> String {
    let mut done = String::new();
    for byte in text.bytes() {
        match byte {
            plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
                done.push(char::from(plain));
            }
            other => done.push_str(&format!("%{other:02x}")),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_an_administrator_becomes_those_of_the_services() {
        let theirs = Theirs::read(
            "postgresql://boss:se%40cret@a:1,b:2/data?sslmode=require&options=-c%20x%3Dy",
        );
        let theirs = theirs.unwrap();
        assert_eq!(theirs.place(), "a:1,b:2/data");
        assert_eq!(
            theirs.service_url("mapping", "a/b"),
            "postgres://weir_mapping:a%2fb@a:1,b:2/data?sslmode=require"
        );
        assert_eq!(
            theirs.url(),
            "postgres://boss:se%40cret@a:1,b:2/data?sslmode=require&options=-c%20x%3Dy"
        );
        assert!(!format!("{theirs:?}").contains("cret"));
        let socket = "postgres://boss@/data?host=/run/postgresql";
        assert_eq!(Theirs::read(socket).unwrap().url(), socket);
        let usual = Theirs::read("postgres://boss@h").unwrap();
        assert_eq!(usual.url(), "postgres://boss@h/weir");
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "redis://u:secret@h",
            "postgres://secret/h",
            "secret",
            "postgres://@h",
        ] {
            let error = Theirs::read(wrong).unwrap_err();
            assert!(!format!("{error:#}").contains("secret"), "{wrong}");
        }
    }
}
