//! What an account's people are told, and in which words (semantics 7.2).

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use super::alert::AlertKind;

/// Headlines are cut to this: some programs show no more.
const MAX_HEADLINE: usize = 180;

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub account_id: AccountId,
    pub account: String,
    pub source: Option<NewsSource>,
    pub what: What,
    pub time: DateTime<Utc>,
}

/// The source that it is about. Without a name it is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsSource {
    pub source_id: SourceId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The first identify of a source without a mapping.
    Arrived,
    Alert(AlertNews),
    /// Somebody wants to see whether news arrives.
    Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertNews {
    pub alert_id: Uuid,
    pub kind: AlertKind,
    pub subject: String,
    pub message: String,
    pub value: String,
}

impl News {
    /// One line.
    pub fn headline(&self) -> String {
        let account = &self.account;
        let source = self.source_name();
        let line = match &self.what {
            What::Arrived => format!("Data has arrived from {source}, ready to be mapped"),
            What::Test => format!("Test: news of {account} arrives here"),
            What::Alert(alert) => match alert.kind {
                AlertKind::SourceSilent => format!("{source} of {account} has fallen silent"),
                AlertKind::ReasonJumped => {
                    format!("{source} of {account}: far more events go wrong than usual")
                }
                AlertKind::ContactAbsorbs => {
                    format!("A contact of {account} takes over too many others")
                }
                AlertKind::LimitNear => format!("{account} has used 80 % of a day's units"),
                AlertKind::LimitReached => format!("{account} has used up a day's units"),
            },
        };
        // A header has no line breaks, whatever a name has.
        let one_line = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        one_line.take(MAX_HEADLINE).collect()
    }

    /// Where the reader goes on; `console` is the console's address, without a slash at its end.
    pub fn link(&self, console: &str) -> Option<String> {
        if console.is_empty() {
            return None;
        }
        let account = format!("{console}/accounts/{}", self.account_id);
        Some(match (&self.what, &self.source) {
            (What::Arrived, Some(source)) => format!("{account}/sources/{}/map", source.source_id),
            (What::Alert(_), _) => format!("{account}/alerts"),
            _ => account,
        })
    }

    /// What is written, paragraph by paragraph.
    fn paragraphs(&self) -> Vec<String> {
        let source = self.source_name();
        match &self.what {
            What::Arrived => vec![
                format!(
                    "The data source {source} of the account {} has received its first identify, \
                     at {}.",
                    self.account,
                    self.written_time()
                ),
                "Until you say which trait goes into which field of a contact, its events are \
                 answered 422 and no contact is stored. What came in is kept as samples to map by."
                    .to_owned(),
            ],
            What::Alert(alert) => {
                let mut said = vec![alert.message.clone()];
                if !alert.value.is_empty() {
                    said.push(format!("The value: {}", alert.value));
                }
                said.push(format!(
                    "Account {}, {}.",
                    self.account,
                    self.written_time()
                ));
                said
            }
            What::Test => vec![format!(
                "Somebody asked Weir for a test mail of the account {}, at {}. Nothing needs to be \
                 done.",
                self.account,
                self.written_time()
            )],
        }
    }

    /// What to do where no console is known.
    fn command(&self) -> Option<String> {
        let account_id = self.account_id;
        match (&self.what, &self.source) {
            (What::Arrived, Some(source)) => Some(format!(
                "./weir call mapping/ListSamples '{{\"account_id\": \"{account_id}\", \
                 \"source_id\": \"{}\"}}'",
                source.source_id
            )),
            (What::Alert(_), _) => Some(format!(
                "./weir call mapping/ListAlerts '{{\"account_id\": \"{account_id}\"}}'"
            )),
            _ => None,
        }
    }

    /// The mail for programs that show text.
    pub fn text(&self, console: &str) -> String {
        let mut text = self.paragraphs().join("\n\n");
        match (self.link(console), self.command()) {
            (Some(link), _) => {
                let _ = write!(text, "\n\n{}:\n{link}", self.invitation());
            }
            (None, Some(command)) => {
                let _ = write!(text, "\n\n{}:\n{command}", self.invitation());
            }
            (None, None) => {}
        }
        text.push('\n');
        text
    }

    /// The mail for programs that show HTML.
    pub fn html(&self, console: &str) -> String {
        let mut body = String::new();
        for paragraph in self.paragraphs() {
            let _ = writeln!(body, "<p>{}</p>", escaped(&paragraph));
        }
        let invitation = escaped(self.invitation());
        match (self.link(console), self.command()) {
            (Some(link), _) => {
                let _ = writeln!(
                    body,
                    "<p><a href=\"{}\" style=\"display:inline-block;padding:10px 18px;\
                     background:#1f5fbf;color:#ffffff;text-decoration:none;border-radius:4px\">\
                     {invitation}</a></p>",
                    escaped(&link)
                );
            }
            (None, Some(command)) => {
                let _ = writeln!(
                    body,
                    "<p>{invitation}:</p>\n<pre style=\"white-space:pre-wrap\">{}</pre>",
                    escaped(&command)
                );
            }
            (None, None) => {}
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\
             </head>\n<body style=\"font-family:sans-serif;line-height:1.5;max-width:36em\">\n\
             <h1 style=\"font-size:1.2em\">{0}</h1>\n{body}</body></html>\n",
            escaped(&self.headline())
        )
    }

    /// The body of a webhook call.
    pub fn json(&self, console: &str) -> String {
        let mut data = json!({
            "account_id": self.account_id.to_string(),
            "account": self.account,
            "headline": self.headline(),
        });
        let mut add = |name: &str, value: String| {
            if !value.is_empty() {
                data[name] = value.into();
            }
        };
        if let Some(source) = &self.source {
            add("source_id", source.source_id.to_string());
            add("source", source.name.clone());
        }
        if let What::Alert(alert) = &self.what {
            add("alert_id", alert.alert_id.to_string());
            add("subject", alert.subject.clone());
            add("message", alert.message.clone());
            add("value", alert.value.clone());
        }
        add("link", self.link(console).unwrap_or_default());
        json!({
            "type": self.type_name(),
            "timestamp": self.written_time(),
            "data": data,
        })
        .to_string()
    }

    /// `type` of a webhook call.
    pub fn type_name(&self) -> &'static str {
        match &self.what {
            What::Arrived => "source.waiting_for_mapping",
            What::Test => "test",
            What::Alert(alert) => match alert.kind {
                AlertKind::SourceSilent => "alert.source_silent",
                AlertKind::ReasonJumped => "alert.reason_jumped",
                AlertKind::ContactAbsorbs => "alert.contact_absorbs",
                AlertKind::LimitNear => "alert.limit_near",
                AlertKind::LimitReached => "alert.limit_reached",
            },
        }
    }

    fn invitation(&self) -> &'static str {
        match self.what {
            What::Arrived => "Map what came in",
            What::Alert(_) => "See all alerts",
            What::Test => "See the account",
        }
    }

    fn source_name(&self) -> &str {
        match &self.source {
            Some(source) if !source.name.is_empty() => &source.name,
            _ => "A data source",
        }
    }

    fn written_time(&self) -> String {
        self.time.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// Names and values are somebody else's text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn news(what: What) -> News {
        News {
            account_id: AccountId(Uuid::nil()),
            account: "Demo".to_owned(),
            source: Some(NewsSource {
                source_id: SourceId(Uuid::max()),
                name: "Website".to_owned(),
            }),
            what,
            time: DateTime::UNIX_EPOCH,
        }
    }

    fn absorbs(message: &str, value: &str) -> What {
        What::Alert(AlertNews {
            alert_id: Uuid::nil(),
            kind: AlertKind::ContactAbsorbs,
            subject: "contact".to_owned(),
            message: message.to_owned(),
            value: value.to_owned(),
        })
    }

    #[test]
    fn the_mail_that_data_arrived_leads_to_the_map_page() {
        let news = news(What::Arrived);
        assert_eq!(
            news.headline(),
            "Data has arrived from Website, ready to be mapped"
        );
        let link = format!(
            "https://weir.example/accounts/{}/sources/{}/map",
            Uuid::nil(),
            Uuid::max()
        );
        for body in [
            news.text("https://weir.example"),
            news.html("https://weir.example"),
        ] {
            assert!(body.contains(&link) && body.contains("Website"), "{body}");
        }
        // Where there is no console, a command does.
        assert!(news.text("").contains("./weir call mapping/ListSamples"));
        assert!(news.html("").contains("./weir call mapping/ListSamples"));
    }

    #[test]
    fn a_webhook_gets_the_same_news() {
        let json = news(absorbs("Too many.", "noemail@example.org")).json("https://weir.example");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["type"], "alert.contact_absorbs");
        assert_eq!(read["timestamp"], "1970-01-01T00:00:00Z");
        let data = &read["data"];
        assert_eq!(data["message"], "Too many.");
        assert_eq!(data["value"], "noemail@example.org");
        assert_eq!(data["source"], "Website");
        assert!(data["link"].as_str().unwrap().ends_with("/alerts"));
    }

    proptest! {
        #[test]
        fn what_others_wrote_is_text_in_a_mail_and_its_headline_one_line(name: String, value: String) {
            let mut news = news(absorbs(&name, &value));
            news.account = format!("{name}<script>\r\nBcc: all");
            prop_assert!(!news.headline().chars().any(char::is_control));
            let html = news.html("");
            prop_assert!(!html.contains("<script>"));
            let tags = html.matches('<').count();
            news.account = String::new();
            news.what = absorbs("plain", if value.is_empty() { "" } else { "plain" });
            prop_assert_eq!(tags, news.html("").matches('<').count());
            serde_json::from_str::<serde_json::Value>(&news.json("")).unwrap();
        }
    }
}
