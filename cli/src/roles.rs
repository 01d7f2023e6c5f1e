//! `roles`: the roles and schemas of the services, in a PostgreSQL that somebody runs.

use weir_servers::Theirs;

use crate::arguments::RolesOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &RolesOptions) -> Result<(), Failure> {
    let passwords = options.passwords.by_schema();
    let theirs = Theirs::read(&options.database)
        .map_err(|error| Failure::Input(format!("--database: {error:#}")))?;
    Box::pin(theirs.bring_up(&passwords)).await?;
    say!(
        "the roles of the services are there, {} of them with the password that was given",
        passwords.len()
    );
    Ok(())
}
