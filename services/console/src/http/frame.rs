//! What stands around every page: where am I, whose account is it, who am I.

use super::assets;
use super::html::{self, Markup};
use super::visit::Visit;
use crate::app::Me;
use crate::domain::model::{Account, Source};
use crate::domain::{Glance, Time, Trouble, glance, said};

/// Around a page.
pub struct Frame {
    pub title: String,
    /// Which entry of the navigation is the present one.
    pub section: &'static str,
    /// Names and addresses of the pages above this one.
    pub crumbs: Vec<(String, String)>,
    pub me: Me,
    pub is_open: bool,
    /// Where the pages of the account are that is looked at: of the address, so that the navigation
    /// leads on where nobody can say now what the account is called. Empty: of none.
    base: String,
    /// The one that is looked at.
    pub account: Option<Account>,
    pub accounts: Vec<Account>,
    /// Why the accounts are not there.
    pub trouble: String,
    /// What stands beside the sections' names.
    pub glance: Glance,
    /// What was just done.
    pub notice: Option<String>,
    pub theme: &'static str,
    pub path: String,
    pub now: Time,
}

impl Visit {
    pub async fn frame(&self, title: &str, section: &'static str) -> Frame {
        let wanted = self.account();
        let glance = async {
            match wanted {
                "" => Glance::default(),
                account => {
                    let is_changed = !self.query.get("done").is_empty();
                    let glances = &self.app.glances;
                    glances.of(&self.calls, account, self.now, is_changed).await
                }
            }
        };
        let (accounts, glance) = tokio::join!(self.calls.accounts(""), glance);
        let (mut accounts, mut trouble) = match accounts {
            Ok(page) => (page.items, None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        let mut account = accounts.iter().find(|one| one.id == wanted).cloned();
        if account.is_none() && !wanted.is_empty() && trouble.is_none() {
            // Behind the first 50, or none of theirs.
            match self.calls.account(wanted).await {
                Ok(found) => {
                    accounts.push(found.clone());
                    account = Some(found);
                }
                Err(why) => trouble = Some(why),
            }
        }
        let frame = self.framed(title, section, (account, accounts), trouble);
        Frame { glance, ..frame }
    }

    /// Around what needs a service that was waited for already: the accounts are not asked for
    /// again, which would take as long once more.
    pub fn frame_of_address(&self, title: &str, section: &'static str) -> Frame {
        self.framed(title, section, (None, Vec::new()), None)
    }

    fn framed(
        &self,
        title: &str,
        section: &'static str,
        (account, accounts): (Option<Account>, Vec<Account>),
        trouble: Option<Trouble>,
    ) -> Frame {
        let wanted = self.account();
        let is_none_of_theirs = matches!(
            trouble,
            Some(
                Trouble::Missing { .. }
                    | Trouble::Forbidden { .. }
                    | Trouble::Invalid(_)
                    | Trouble::SignedOut
            )
        );
        let is_id = wanted
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-');
        let base = match wanted {
            "" => String::new(),
            id if is_id && !is_none_of_theirs => format!("/accounts/{id}"),
            _ => String::new(),
        };
        let said = said::done(self.query.get("done"), self.query.number("n"));
        let notice = said.filter(|_| self.is_led_here);
        Frame {
            title: title.to_owned(),
            section,
            crumbs: Vec::new(),
            me: self.me.clone(),
            is_open: self.app.sign_in.is_open(),
            base,
            account,
            accounts,
            trouble: trouble.map_or_else(String::new, |trouble| trouble.says()),
            glance: Glance::default(),
            notice,
            theme: self.theme,
            path: self.path.clone(),
            now: self.now,
        }
    }
}

impl Frame {
    /// `/accounts/ACCOUNT`; empty where no account is looked at.
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// With a page above this one.
    #[must_use]
    pub fn under(mut self, name: &str, path: &str) -> Self {
        self.crumbs.push((name.to_owned(), path.to_owned()));
        self
    }

    /// As [`Self::under`], of a source.
    #[must_use]
    pub fn under_source(self, source: &Source) -> Self {
        let base = self.base();
        self.under("Data sources", &format!("{base}/sources"))
            .under(&source.name, &format!("{base}/sources/{}", source.id))
    }

    /// What every form of a page brings back.
    pub fn form(&self) -> Markup {
        html::hidden("form_token", &self.me.form_token)
    }

    /// As well, of a form that makes something: the same when it is sent twice.
    pub fn wish(&self) -> Markup {
        html::hidden("wish", &weir_ids::random().to_string())
    }

    pub fn time(&self, time: impl html::When) -> Markup {
        html::time(time, self.now)
    }

    pub fn when(&self, time: impl html::When) -> Markup {
        html::time_in_full(time, self.now)
    }

    /// Of one of its sources.
    pub fn source_path(&self, source: &Source) -> String {
        format!("{}/sources/{}", self.base(), source.id)
    }

    pub fn version(&self) -> &'static str {
        assets::version()
    }

    pub fn is(&self, section: &str) -> bool {
        self.section == section
    }

    /// What stands beside a section's name; nothing where it is not known, or there is nothing.
    pub fn figure(&self, section: &str) -> Markup {
        let told = match section {
            "sources" => self.glance.sources.map(|sources| {
                let says = html::count(sources, "data source");
                (sources.to_string(), says, "")
            }),
            "logs" => self.glance.not_stored.filter(|many| *many > 0).map(|many| {
                let says = html::count(many, "event");
                let says = format!("{says} not stored within 24 hours");
                (glance::short(many), says, "")
            }),
            "usage" => self.glance.used.map(|used| {
                let used = format!("{used}%");
                let says = format!("{used} of the limit that is nearer");
                (used, says, "")
            }),
            "health" => self.glance.well.map(|well| match well {
                true => ("●".to_owned(), "all services answer".to_owned(), "ok"),
                false => ("!".to_owned(), "not all services answer".to_owned(), "fail"),
            }),
            _ => None,
        };
        let marked =
            |(shown, says, class): (String, String, &str)| html::figure(&shown, &says, class);
        told.map_or_else(Markup::default, marked)
    }

    pub fn may_write(&self) -> bool {
        self.me.may_write()
    }

    /// A field's name.
    pub fn account_name(&self) -> &str {
        self.account.as_ref().map_or("", |account| &account.name)
    }
}
