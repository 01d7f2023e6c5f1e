//! `send`: events of a file to the edge, and what each of them was answered.

mod input;
mod key;
mod outcome;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use weir_stack::{Reach, StackFile};

use crate::address::reach;
use crate::arguments::SendOptions;
use crate::failure::Failure;
use crate::folder::hint;
use crate::http::{Http, client};
use crate::output::say;
pub use input::To;
use input::{Batch, Batches};
use outcome::{Answer, Outcomes, Row};

/// The edge's own deadline is 8 s.
const TIMEOUT: Duration = Duration::from_secs(12);
/// So often a batch is sent again that came at a bad time (503, or no connection).
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// Who waits longer than this is told how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

pub async fn run(options: &SendOptions) -> Result<ExitCode, Failure> {
    let mut batches = Batches::open(&options.file, options.to)?;
    let (edge, reach) = edge(options)?;
    let key = key::find(options).await?;
    let done = send_all(
        &client(&reach),
        &edge,
        key.text(),
        &mut batches,
        options.all,
    )
    .await;
    // Whatever became of the events: the key that was made for them goes.
    let given_back = key.give_back().await;
    let outcomes = done?;
    given_back?;
    say!("{}", outcomes.table().trim_end());
    Ok(ExitCode::from(u8::from(!outcomes.are_all_taken())))
}

fn edge(options: &SendOptions) -> Result<(String, Reach), Failure> {
    if let Some(edge) = options.edge.as_ref().filter(|edge| !edge.is_empty()) {
        if !edge.starts_with("http://") && !edge.starts_with("https://") {
            return Err(Failure::Input(format!(
                "--edge {edge}: must be an address such as http://host:8080 or https://host"
            )));
        }
        let edge = edge.trim_end_matches('/').to_owned();
        let file = StackFile::read(&options.addresses.data.folder)
            .ok()
            .flatten();
        let reach = match file.filter(|file| file.edge == edge) {
            Some(file) => file.reach()?,
            None => reach(&options.addresses.tls, std::iter::once(&*edge))?,
        };
        return Ok((edge, reach));
    }
    let folder = &options.addresses.data.folder;
    let file = StackFile::read(folder)?.ok_or_else(|| {
        anyhow!(
            "Weir is not running on {}; start it with `{}`, or say where its edge is with --edge",
            folder.display(),
            hint("up --detach", folder)
        )
    })?;
    let reach = file.reach()?;
    Ok((file.edge, reach))
}

async fn send_all(
    client: &Http,
    edge: &str,
    key: &str,
    batches: &mut Batches,
    all: bool,
) -> Result<Outcomes, Failure> {
    let mut outcomes = Outcomes::new(all);
    let (begun, mut told) = (Instant::now(), Instant::now());
    while let Some(batch) = batches.next()? {
        for (number, why) in &batch.unsent {
            outcomes.add(Row::unsent(*number, why));
        }
        if !batch.numbers.is_empty() {
            let (status, answer) = send(client, edge, key, &batch).await?;
            outcomes.answered(&batch.numbers, status, answer)?;
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            progress(&outcomes, batches, begun.elapsed());
        }
    }
    if outcomes.count() == 0 {
        return Err(Failure::Input("there is no event in the file".to_owned()));
    }
    Ok(outcomes)
}

/// On standard error: what is printed is for programs, too.
fn progress(outcomes: &Outcomes, batches: &Batches, since: Duration) {
    let (count, bad) = (outcomes.count(), outcomes.not_taken());
    let part = batches
        .percent()
        .map_or_else(String::new, |part| format!(" ({part} %)"));
    let rate = count as f64 / since.as_secs_f64();
    eprintln!("  {count} events{part}, {bad} of them not 200, {rate:.0}/s …");
}

/// What a batch was answered; sent again while the edge has no room or does not answer, which is
/// safe where events have a message_id.
async fn send(
    client: &Http,
    edge: &str,
    key: &str,
    batch: &Batch,
) -> Result<(u16, Answer), Failure> {
    let url = format!("{edge}{}", batch.to.path());
    let body = Bytes::from(batch.body());
    let mut tried = 0;
    loop {
        tried += 1;
        let answered = exchange(client, &url, batch, key, body.clone()).await;
        let is_last = tried == TRIES;
        match answered {
            Ok((status, _)) if status == StatusCode::SERVICE_UNAVAILABLE && !is_last => {}
            Ok((StatusCode::UNAUTHORIZED, _)) => {
                return Err(anyhow!("the edge does not know the key (401)").into());
            }
            Ok((status, body)) => {
                let answer = serde_json::from_slice(&body).with_context(|| {
                    format!("the answer of {url} ({status}) is not what it should be")
                })?;
                return Ok((status.as_u16(), answer));
            }
            Err(error) if is_last => {
                let first = batch.numbers.first().copied().unwrap_or_default();
                return Err(error
                    .context(format!(
                        "the edge does not answer at {url}; not sent from event {first} on"
                    ))
                    .into());
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn exchange(
    client: &Http,
    url: &str,
    batch: &Batch,
    key: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::builder()
        .method(batch.to.method())
        .uri(url)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, exchange).await?
}
