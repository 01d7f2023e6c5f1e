//! `mail`: where mail goes, what did not get there, and whether a test gets through.

use std::process::ExitCode;

use anyhow::anyhow;
use tonic::{Code, Status};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::{Delivery, DeliveryChannel, DeliveryState, GetMailStatusResponse};
use weir_stack::{Channel, Service, StackFile};

use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{MailCommand, MailTestOptions};
use crate::call::describe_status;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(command: &MailCommand) -> Result<ExitCode, Failure> {
    match command {
        MailCommand::Test(options) => test(options).await,
    }
}

/// Exit code 0 where everything was sent.
async fn test(options: &MailTestOptions) -> Result<ExitCode, Failure> {
    let channel = Addresses::read(&options.addresses)?
        .connect(Service::Mapping)
        .await?;
    let account_id = account(options, channel.clone()).await?;
    let request = mapping::SendTestMailRequest {
        account_id: account_id.clone(),
        request_id: String::new(),
    };
    let answer = AlertServiceClient::new(channel.clone())
        .send_test_mail(request)
        .await;
    let answer = match answer {
        Ok(answer) => answer.into_inner(),
        // That of `stack.json` was deleted.
        Err(status) if status.code() == Code::NotFound => {
            return Err(
                accounts::unknown(&mut MappingServiceClient::new(channel), &account_id).await,
            );
        }
        Err(status) => return Err(anyhow!("no test mail: {}", describe_status(&status)).into()),
    };
    let mut all_sent = true;
    for delivery in &answer.deliveries {
        all_sent &= delivery.state() == DeliveryState::Sent;
        say!("{}", told(delivery));
    }
    Ok(ExitCode::from(u8::from(!all_sent)))
}

/// The one that is named, that of `stack.json`, or the only one that there is.
async fn account(options: &MailTestOptions, channel: Channel) -> Result<String, Failure> {
    let mut client = MappingServiceClient::new(channel);
    if let Some(name) = &options.account {
        return accounts::account(&mut client, name).await;
    }
    if options.addresses.addresses.is_empty()
        && let Some(file) = StackFile::read(&options.addresses.data.folder)?
        && !file.account_id.is_empty()
    {
        return Ok(file.account_id);
    }
    let listed = client
        .list_accounts(mapping::ListAccountsRequest::default())
        .await;
    let accounts = listed
        .map_err(|status| anyhow!("accounts: {}", describe_status(&status)))?
        .into_inner()
        .accounts;
    match accounts.as_slice() {
        [only] => Ok(only.account_id.clone()),
        several => {
            let names = several.iter().map(|account| account.name.clone());
            let there = accounts::names_of(names);
            Err(Failure::Input(format!("which account? There {there}")))
        }
    }
}

fn told(delivery: &Delivery) -> String {
    let (what, receiver) = match delivery.channel() {
        DeliveryChannel::Webhook => ("the webhook", &delivery.receiver),
        _ => ("the mail", &delivery.receiver),
    };
    match delivery.state() {
        DeliveryState::Sent => format!("{what} to {receiver} was taken."),
        DeliveryState::Kept => format!(
            "{what} to {receiver} was kept{}: no mail server is configured (WEIR_SMTP_URL).",
            in_file(delivery)
        ),
        _ => format!("{what} to {receiver} FAILED: {}", delivery.error),
    }
}

fn in_file(delivery: &Delivery) -> String {
    match delivery.file.as_str() {
        "" => " in the database".to_owned(),
        file => format!(" in {file}"),
    }
}

/// For `up` and `status`.
pub async fn status(channel: Channel) -> Result<Vec<String>, Status> {
    let mut client = AlertServiceClient::new(channel);
    let status = client
        .get_mail_status(mapping::GetMailStatusRequest {})
        .await;
    Ok(lines(&status?.into_inner()))
}

fn lines(status: &GetMailStatusResponse) -> Vec<String> {
    let place = match (status.server.as_str(), status.folder.as_str()) {
        ("", "") => "kept in the database: no server is configured (WEIR_SMTP_URL)".to_owned(),
        ("", folder) => format!("kept in {folder}: no server is configured (WEIR_SMTP_URL)"),
        (server, _) => format!("sent through {server}"),
    };
    let counts = [
        (status.waiting, "waiting"),
        (status.kept, "kept"),
        (status.given_up, "given up"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let mut lines = vec![match counts.is_empty() {
        true => place,
        false => format!("{place}; {}", counts.join(", ")),
    }];
    lines.extend(status.undelivered.iter().map(undelivered));
    lines
}

fn undelivered(delivery: &Delivery) -> String {
    let state = match delivery.state() {
        DeliveryState::Kept => "kept",
        DeliveryState::GivenUp => "GIVEN UP",
        _ => "waiting",
    };
    let receiver = match delivery.receiver.as_str() {
        "" => "(the account has no notification address)",
        receiver => receiver,
    };
    let mut line = format!("  {state}: \"{}\" to {receiver}", delivery.headline);
    if !delivery.file.is_empty() {
        line += &format!(", {}", delivery.file);
    }
    if !delivery.error.is_empty() {
        line += &format!(": {}", delivery.error);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_mail_is_named_with_its_file() {
        let kept = Delivery {
            state: DeliveryState::Kept.into(),
            headline: "Data has arrived".to_owned(),
            receiver: "owner@example.org".to_owned(),
            file: "/data/mail/1.eml".to_owned(),
            ..Default::default()
        };
        let status = GetMailStatusResponse {
            folder: "/data/mail".to_owned(),
            kept: 1,
            undelivered: vec![kept],
            ..Default::default()
        };
        let expected = [
            "kept in /data/mail: no server is configured (WEIR_SMTP_URL); 1 kept",
            "  kept: \"Data has arrived\" to owner@example.org, /data/mail/1.eml",
        ];
        assert_eq!(lines(&status), expected);
    }

    #[test]
    fn where_all_is_well_one_line_says_where_mail_goes() {
        let status = GetMailStatusResponse {
            server: "mail.example:587".to_owned(),
            ..Default::default()
        };
        assert_eq!(lines(&status), ["sent through mail.example:587"]);
    }
}
