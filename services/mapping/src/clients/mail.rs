//! Mail by SMTP, and the `.eml` files that stand for it while there is no server.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use url::Url;
use uuid::Uuid;

use crate::domain::delivery::Failed;
use crate::domain::news::News;

/// Of one step of the exchange; a mail has seven.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a mail as a whole.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where mail goes.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// `smtp://user:password@host:587?tls=required`; none: mails are kept.
    pub server: Option<MailServer>,
    pub from: Mailbox,
    /// Where `.eml` files are kept; none: in the database alone.
    pub folder: Option<PathBuf>,
    /// For links; without a slash at its end, empty where there is none.
    pub console: String,
}

/// A mail server. What is secret in its URL is not shown.
#[derive(Clone)]
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    shown: String,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl MailServer {
    /// Reads a URL; connects with each mail.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating it.
    pub fn read(text: &str) -> Result<Self, String> {
        let expected = "must be smtp://user:password@host:587?tls=required, smtps://… or, without \
                        TLS, smtp://host:25";
        let url = Url::parse(text.trim()).map_err(|_| expected.to_owned())?;
        // Of a scheme that it does not know, the library reads no addresses.
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(expected)?;
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        let tls = url.query_pairs().find(|(name, _)| name == "tls");
        let may_be_plain =
            url.scheme() == "smtp" && tls.is_none_or(|(_, value)| value != "required");
        if may_be_plain && url.password().is_some() && !is_here {
            return Err(
                "would send its password in the clear: add ?tls=required, or use smtps://"
                    .to_owned(),
            );
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
        let transport = transport.map_err(|_| expected.to_owned())?;
        let port = url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self {
            transport: transport.timeout(Some(TIMEOUT)).build(),
            shown: format!("{host}{port}"),
        })
    }
}

/// Writes and sends mail.
#[derive(Debug, Clone)]
pub struct Mailer(MailOptions);

impl Mailer {
    pub fn new(options: MailOptions) -> Self {
        Self(options)
    }

    /// `host:port`; none where there is no server.
    pub fn server(&self) -> Option<&str> {
        let server = self.0.server.as_ref();
        server.map(|server| server.shown.as_str())
    }

    pub fn sender(&self) -> String {
        self.0.from.to_string()
    }

    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    pub fn console(&self) -> &str {
        &self.0.console
    }

    /// Hands a mail over to the server.
    ///
    /// # Errors
    /// Why it did not take it.
    pub async fn send(&self, id: Uuid, news: &News, to: &str) -> Result<(), Failed> {
        let Some(server) = &self.0.server else {
            return Err(Failed::for_good("no mail server is configured"));
        };
        let address: Address = to
            .parse()
            .map_err(|_| Failed::for_good("the notification address is none"))?;
        let message = self.message(id, news, Some(address.clone()))?;
        let envelope = Envelope::new(Some(self.0.from.email.clone()), vec![address]);
        let envelope = envelope.map_err(|_| Failed::for_good("the mail has no receiver"))?;
        let formatted = message.formatted();
        let sending = server.transport.send_raw(&envelope, &formatted);
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Failed::away("the mail server does not answer")),
        }
    }

    /// Keeps a mail as a file `NAME.eml`, whole or not there; answers its path, or none where no
    /// folder is configured.
    ///
    /// # Errors
    /// Where it can't be written.
    pub async fn keep(
        &self,
        name: &str,
        id: Uuid,
        news: &News,
        to: &str,
    ) -> Result<Option<PathBuf>, Failed> {
        let Some(folder) = &self.0.folder else {
            return Ok(None);
        };
        let message = self.message(id, news, to.parse().ok())?.formatted();
        let (path, new) = (
            folder.join(format!("{name}.eml")),
            folder.join(format!("{name}.new")),
        );
        let written: io::Result<()> = async {
            tokio::fs::create_dir_all(folder).await?;
            tokio::fs::write(&new, &message).await?;
            tokio::fs::rename(&new, &path).await
        }
        .await;
        written.map_err(|error| {
            Failed::for_now(format!("can't write to {}: {error}", folder.display()))
        })?;
        Ok(Some(path))
    }

    /// The file of a mail that was sent, or is forgotten; another replica's machine may have it.
    pub async fn discard(&self, file: &str) {
        let path = Path::new(file);
        if let Some(folder) = &self.0.folder
            && path.parent() == Some(folder)
        {
            let _ = tokio::fs::remove_file(path).await;
        }
    }

    fn message(&self, id: Uuid, news: &News, to: Option<Address>) -> Result<Message, Failed> {
        let unusual = || Failed::for_good("the mail can't be written");
        let mut message = Message::builder()
            .from(self.0.from.clone())
            .subject(news.headline())
            .date(system_time(news.time))
            // The same with each try, so that programs show a mail once that came twice.
            .message_id(Some(format!("<{id}@{}>", self.0.from.email.domain())))
            // Nobody's holiday wants to answer it.
            .raw_header(header("Auto-Submitted", "auto-generated"));
        // Kept mail of an account without an address names nobody, and has an envelope all the
        // same: it is never sent as it is.
        let receiver = to.clone().unwrap_or_else(|| self.0.from.email.clone());
        if let Some(to) = to {
            message = message.to(Mailbox::new(None, to));
        }
        let envelope = Envelope::new(Some(self.0.from.email.clone()), vec![receiver]);
        message
            .envelope(envelope.map_err(|_| unusual())?)
            .multipart(MultiPart::alternative_plain_html(
                news.text(&self.0.console),
                news.html(&self.0.console),
            ))
            .map_err(|_| unusual())
    }
}

fn header(name: &'static str, value: &str) -> lettre::message::header::HeaderValue {
    let name = lettre::message::header::HeaderName::new_from_ascii_str(name);
    lettre::message::header::HeaderValue::new(name, value.to_owned())
}

fn system_time(time: DateTime<Utc>) -> std::time::SystemTime {
    time.into()
}

/// What a server says of a receiver is for that mail; the rest is for all.
fn failed(error: &smtp::Error) -> Failed {
    let message = described(error);
    // Who refuses our password today may take it tomorrow: that is for the operator to mend.
    let is_of_login = error
        .status()
        .is_some_and(|code| [530, 534, 535, 538].contains(&u16::from(code)));
    if error.is_permanent() && !is_of_login {
        return Failed::for_good(message);
    }
    match error.is_transient() {
        true => Failed::for_now(message),
        false => Failed::away(message),
    }
}

fn described(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_shown_nor_sent_in_the_clear() {
        let server = MailServer::read("smtp://me:secret@mail.example:587?tls=required").unwrap();
        assert_eq!(format!("{server:?}"), "mail.example:587");
        let error = MailServer::read("smtp://me:secret@mail.example:25").unwrap_err();
        assert!(error.contains("in the clear") && !error.contains("secret"));
        assert!(MailServer::read("smtp://me:secret@127.0.0.1:25").is_ok());
        assert!(MailServer::read("smtps://me:secret@mail.example").is_ok());
    }

    #[test]
    fn what_is_no_server_is_refused_without_repeating_it() {
        for url in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://:secret@",
            "smtp://a?tls=x",
        ] {
            let error = MailServer::read(url).unwrap_err();
            assert!(
                error.contains("must be") && !error.contains("secret"),
                "{url}: {error}"
            );
        }
    }
}
