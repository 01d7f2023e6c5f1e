//! What a file of configuration would change.

use std::time::Duration;

use weir_configuration::plan::{self, Reader, has_contacts, render};
use weir_configuration::{file, plan::Standing};

use super::trouble::of;
use super::{Answer, Calls, Personal};
use crate::domain::Trouble;
use crate::domain::model::Planned;

/// A file of many accounts is read account by account.
const PATIENCE: Duration = Duration::from_secs(20);
/// As people call it.
const NAME: &str = "weir.yaml";

impl Calls {
    /// As `./weir plan` says it; nothing is changed.
    pub async fn plan(&self, text: &str, prune: bool) -> Answer<Planned> {
        let configuration = match file::read(NAME, text) {
            Ok(configuration) => configuration,
            Err(faults) => return Ok(Planned::Faulty(faults)),
        };
        let standing = tokio::time::timeout(PATIENCE, self.standing(&configuration)).await;
        let away = Trouble::Away { service: "mapping" };
        let plan = plan::plan(&configuration, standing.map_err(|_| away)??, prune);
        let faults = plan::faults(&plan, NAME);
        Ok(match faults.is_empty() {
            true => Planned::So {
                changes: plan.steps.len(),
                text: render::text(&plan),
            },
            // What is left over may be what is in the way.
            false => {
                let left_over = render::left_over(&plan).into_iter();
                Planned::Faulty(left_over.chain([faults]).collect::<Vec<_>>().join("\n"))
            }
        })
    }

    async fn standing(&self, wanted: &file::model::Configuration) -> Answer<Standing> {
        let by = |channel: &weir_rpc::Channel| Personal::new(channel.clone(), self.shown.clone());
        let mut reader = Reader::new(by(&self.peers.mapping), by(&self.peers.audience));
        let standing = reader.standing(wanted).await;
        let mut standing = standing.map_err(|status| of("mapping", &status))?;
        for account in standing.with_open_questions(wanted) {
            let contact = by(&self.peers.contact);
            let found = has_contacts(contact, &account.account.account_id).await;
            account.has_contacts = found.map_err(|status| of("contact-upsert", &status))?;
        }
        Ok(standing)
    }
}
