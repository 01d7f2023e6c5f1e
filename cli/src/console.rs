//! `console`: where the pages are, and a link that signs in there.

mod password;

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use weir_stack::{Reach, StackFile};

use crate::address::{given_token, reach};
use crate::arguments::{ConsoleOptions, ConsoleWhat};
use crate::failure::Failure;
use crate::output::say;

const TIMEOUT: Duration = Duration::from_secs(5);

pub async fn run(options: &ConsoleOptions) -> Result<(), Failure> {
    if options.what == Some(ConsoleWhat::Password) {
        return password::run();
    }
    let file = StackFile::read(&options.data.folder)?;
    let own = file.as_ref().map(|file| file.console.clone());
    let given = options.console.clone().filter(|url| !url.is_empty());
    let console = given.or(own).filter(|url| !url.is_empty());
    let Some(console) = console else {
        return Err(Failure::Input(
            "where is the console? Say --console http://host:8000, or WEIR_CONSOLE_URL, or start one \
             with `./weir up`"
                .to_owned(),
        ));
    };
    let console = console.trim_end_matches('/').to_owned();
    let reach = match &file {
        Some(file) if file.console == console => file.reach()?,
        _ => reach(&options.tls, std::iter::once(&*console))?,
    };
    let token = match given_token(&options.token)? {
        Some(token) => token,
        // To nobody else the stack's own token is told.
        None => match file {
            Some(file) if file.console == console => file.token,
            _ => {
                return Err(Failure::Input(
                    "whom is the link to sign in? Say --token, or WEIR_TOKEN".to_owned(),
                ));
            }
        },
    };
    say!("{console}");
    say!("{}", link(&console, &token, &reach).await?);
    Ok(())
}

/// A link that signs in whoever this token is of.
///
/// # Errors
/// The console is away, or does not know the token.
pub async fn link(console: &str, token: &str, reach: &Reach) -> anyhow::Result<String> {
    let client = crate::http::client(reach);
    let request = Request::post(format!("{console}/sign-in-links"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::default())
        .with_context(|| format!("{console} is no address such as http://host:8000"))?;
    let asking = async {
        let (head, body) = client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        anyhow::Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
    };
    let answered = tokio::time::timeout(TIMEOUT, asking).await;
    let (status, body) = answered
        .map_err(|_| anyhow!("{console} does not answer"))?
        .with_context(|| format!("{console} does not answer"))?;
    match status {
        StatusCode::OK => Ok(format!("{console}{body}")),
        StatusCode::UNAUTHORIZED => bail!("the console does not know this token"),
        status => bail!("the console answered {status}"),
    }
}
