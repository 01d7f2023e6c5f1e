//! `roles`: the roles and schemas of the services, in a PostgreSQL that somebody runs.

use anyhow::Context;
use weir_servers::postgres::{connect, make_roles, until_ready};

use crate::arguments::RolesOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &RolesOptions) -> Result<(), Failure> {
    let passwords = options.passwords.by_schema();
    until_ready(&options.database)
        .await
        .context("PostgreSQL does not let us in")?;
    let superuser = connect(&options.database).await?;
    make_roles(&superuser, &passwords)
        .await
        .context("the roles can't be made")?;
    say!(
        "the roles of the services are there, {} of them with the password that was given",
        passwords.len()
    );
    Ok(())
}
