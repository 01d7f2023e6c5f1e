//! `import contacts`: historic contacts from a file, row by row.
//!
//! Rows are sent in batches, a few at a time. What became of them is noted beside the file, so
//! that an import which ended anywhere goes on there; rows that were sent and not noted are sent
//! again, and change nothing.

mod csv;
mod file;
mod input;
mod progress;
mod refused;
mod rows;
mod send;
mod unread;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use tokio::task::JoinHandle;
use weir_proto::contact::v1::transfer_service_client::TransferServiceClient;
use weir_proto::contact::v1::{ImportContactsResponse, ImportStatus};
use weir_proto::mapping::v1::Source;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::settings::v1::MergeStrategy;
use weir_reasons::Reason;
use weir_stack::{Channel, Service};

use self::progress::{Counts, Progress};
use self::refused::Refused;
use self::rows::{Content, FileRow, Kind, Rows};
use self::send::Sender;
use super::meter::{Meter, grouped};
use super::output::{place, unwritable};
use crate::accounts;
use crate::address::Addresses;
use crate::arguments::{ImportContactsOptions, Merge};
use crate::failure::Failure;
use crate::output::say;

/// Rows of a request, and their bytes: large enough that what a batch costs by itself is shared
/// by many.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Batches that are under way at once: while one is mapped another is stored.
const UNDER_WAY: usize = 3;

pub async fn run(options: &ImportContactsOptions) -> Result<ExitCode, Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let opened = file::open(options)?;
    let progress_path = progress::path_beside(&options.file);
    let refused_path = refused_path(options, &opened, &progress_path)?;
    // Of a pipe nothing is noted: all of it comes again, and is known again by its rows' numbers.
    let progress_path = (!options.dry_run && !opened.is_pipe()).then_some(progress_path);
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let source = match &options.source {
        Some(named) => accounts::source(&mut mapping, &account_id, named).await?,
        None => Source::default(),
    };
    if options.merge.is_some() && options.source.is_some() {
        let message = "--merge goes without --source: a source has merge settings of its own";
        return Err(Failure::Input(message.to_owned()));
    }
    if options.source.is_some() {
        warn_of_unread(&mut mapping, &account_id, &source, &opened.columns).await?;
    }
    let appends =
        options.merge == Some(Merge::Append) || source.merge_strategy() == MergeStrategy::Append;
    let plan = opened.plan(options, account_id, source.source_id);
    let known = match &progress_path {
        Some(path) => progress::read(path, &plan)?,
        None => None,
    };
    let progress = known.unwrap_or_else(|| Progress {
        offset: opened.first.offset,
        line: opened.first.line,
        rows: 0,
        counts: Counts::default(),
        refused_bytes: 0,
        plan,
    });
    if progress.rows > 0 {
        let rows = grouped(progress.rows);
        eprintln!("going on behind row {rows}, where this import ended before");
    }
    let channel = addresses.connect(Service::ContactUpsert).await?;
    let mut import = Import {
        sender: Sender::new(TransferServiceClient::new(channel), &progress.plan, options)?,
        refused: Refused::new(
            refused_path,
            opened.kind,
            progress.plan.columns.clone(),
            progress.refused_bytes,
        ),
        meter: Meter::new(progress.counts.rows()),
        size: progress.plan.size,
        progress,
        progress_path,
        under_way: VecDeque::new(),
        // Under `append` the first one counts that arrives; and where each costs a unit, later
        // rows must not take what earlier ones need.
        at_once: match appends || options.charge {
            true => 1,
            false => UNDER_WAY,
        },
        units_left: None,
    };
    let mut rows = opened.rows(import.progress.position())?;
    import.all(&mut rows).await?;
    import.end(options)
}

/// Values of a column that is misspelled would be lost without a word.
async fn warn_of_unread(
    mapping: &mut MappingServiceClient<Channel>,
    account_id: &str,
    source: &Source,
    columns: &[String],
) -> Result<(), Failure> {
    let rows = accounts::contact_mapping(mapping, account_id, &source.source_id).await?;
    let name = &source.name;
    for column in unread::unread(columns, &rows) {
        eprintln!("column {column:?}: the mapping of {name:?} reads nothing from it");
    }
    Ok(())
}

/// Where refused rows go: never into the file that they come from, nor into what is noted of it.
fn refused_path(
    options: &ImportContactsOptions,
    opened: &file::Opened,
    noted: &Path,
) -> Result<PathBuf, Failure> {
    let path = options.refused.clone().unwrap_or_else(|| {
        let ending = match opened.kind {
            Kind::Csv(_) => "refused.csv",
            Kind::JsonLines => "refused.jsonl",
        };
        match opened.is_pipe() {
            // Beside a pipe nothing can be written.
            true => PathBuf::from("import").with_extension(ending),
            false => options.file.with_extension(ending),
        }
    });
    if file::are_one(&path, &options.file) || path == noted || file::are_one(&path, noted) {
        return Err(Failure::Input(format!(
            "{} is the import's own file, and refused rows would be written over it: \
             name another one with --refused",
            path.display()
        )));
    }
    // A folder is told of at once, not with the first row that is refused.
    place(&path).map_err(|error| unwritable(&path, &error))?;
    Ok(path)
}

type Sent = JoinHandle<Result<ImportContactsResponse, Failure>>;

struct Import {
    sender: Sender,
    progress: Progress,
    /// None of a dry run, and of a pipe.
    progress_path: Option<PathBuf>,
    refused: Refused,
    meter: Meter,
    size: u64,
    /// Batches and their answers, in the order of the file.
    under_way: VecDeque<(Vec<FileRow>, Sent)>,
    /// How many there may be.
    at_once: usize,
    /// Of a dry run that is to be charged: what the account had left when it began.
    units_left: Option<u64>,
}

impl Import {
    async fn all(&mut self, rows: &mut Rows<impl std::io::BufRead>) -> Result<(), Failure> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        loop {
            let row = rows.next().context("the file can't be read")?;
            let is_last = row.is_none();
            if let Some(row) = row {
                bytes += row.raw.len();
                batch.push(row);
            }
            let is_full = batch.len() == BATCH_ROWS || bytes > BATCH_BYTES;
            if (is_full || is_last) && !batch.is_empty() {
                let sent = self.sender.send(&batch);
                self.under_way.push_back((std::mem::take(&mut batch), sent));
                bytes = 0;
            }
            while self.under_way.len() >= self.at_once || (is_last && !self.under_way.is_empty()) {
                self.take().await?;
            }
            if is_last {
                self.meter.close();
                return Ok(());
            }
        }
    }

    /// Takes the answer of the first batch that is under way.
    async fn take(&mut self) -> Result<(), Failure> {
        let Some((rows, sent)) = self.under_way.pop_front() else {
            return Ok(());
        };
        let answer = sent.await.context("a batch was not sent");
        let answer = answer.map_err(Failure::from).and_then(|answer| answer);
        let answer = answer.inspect_err(|_| self.meter.close())?;
        if answer.results.len() != rows.len() {
            return Err(anyhow!("the service answered another number of rows").into());
        }
        let limit = Reason::ProfileLimit.code();
        let limited = answer.results.iter().position(|row| row.code == limit);
        if let Some(at) = limited {
            self.meter.close();
            return Err(anyhow!(
                "row {}: the limit of contact profile events in 24 hours is reached ({limit}). \
                 The same command goes on there in the next window, or once the plan is raised",
                rows[at].number
            )
            .into());
        }
        let units = |units: i64| u64::try_from(units).unwrap_or(0);
        self.progress.counts.units += units(answer.units);
        self.units_left = self.units_left.or(answer.units_left.map(units));
        for (row, result) in rows.iter().zip(answer.results) {
            self.count(row, &result)?;
        }
        if let Some(last) = rows.last() {
            let next = last.next;
            (self.progress.offset, self.progress.line) = (next.offset, next.line);
            self.progress.rows = next.rows;
        }
        self.progress.refused_bytes = self.refused.bytes();
        if let Some(path) = &self.progress_path {
            progress::write(path, &self.progress)?;
        }
        let counts = &self.progress.counts;
        let part = match self.size {
            0 => String::new(),
            size => format!(" ({}%)", self.progress.offset * 100 / size),
        };
        self.meter.at(counts.rows(), |rate| {
            let (rows, refused) = (grouped(counts.rows()), grouped(counts.refused));
            format!("{rows} rows{part}, {rate:.0} a second, {refused} refused")
        });
        Ok(())
    }

    fn count(
        &mut self,
        row: &FileRow,
        result: &weir_proto::contact::v1::ImportResult,
    ) -> Result<(), Failure> {
        let counts = &mut self.progress.counts;
        for one in &result.ignored {
            let what = format!("{} {}", one.column, one.code);
            Counts::count(&mut counts.ignored, what, row.number);
        }
        let (code, reason) = match (&row.content, result.status()) {
            // It was never sent as what it is.
            (Content::Bad(code), _) => (*code, words(code)),
            (_, ImportStatus::Stored) => {
                counts.stored += 1;
                return Ok(());
            }
            (_, ImportStatus::Unchanged) => {
                match result.stored_before {
                    true => counts.stored_before += 1,
                    false => counts.unchanged += 1,
                }
                return Ok(());
            }
            (_, ImportStatus::Refused | ImportStatus::Unspecified) => {
                (result.code.as_str(), result.reason.clone())
            }
        };
        counts.refused += 1;
        if !self.refused.can_mend(row) {
            counts.beyond_mending += 1;
        }
        Counts::count(&mut counts.reasons, code.to_owned(), row.number);
        self.refused.add(row, code, &reason)
    }

    fn end(self, options: &ImportContactsOptions) -> Result<ExitCode, Failure> {
        let counts = &self.progress.counts;
        let done = if options.dry_run {
            "would be stored"
        } else {
            "stored"
        };
        let before = match counts.stored_before {
            0 => String::new(),
            before => format!("{} stored before, ", grouped(before)),
        };
        say!(
            "{} rows: {} {done}, {before}{} unchanged, {} refused; {:.0} rows a second",
            grouped(counts.rows()),
            grouped(counts.stored),
            grouped(counts.unchanged),
            grouped(counts.refused),
            self.meter.rate(counts.rows()),
        );
        if options.charge && !options.dry_run {
            let beside = match counts.stored_before {
                0 => "",
                _ => ", beside those of rows that were stored before",
            };
            say!("{} profile units charged{beside}", grouped(counts.units));
        }
        if let Some(left) = self.units_left {
            say!("{}", of_units(counts.units, left));
        }
        for (code, (count, first)) in &counts.reasons {
            say!(
                "  refused  {:>9}  {code}, first in row {first}: {}",
                grouped(*count),
                words(code)
            );
        }
        for (what, (count, first)) in &counts.ignored {
            say!(
                "  ignored  {:>9}  {what}, first in row {first}",
                grouped(*count)
            );
        }
        if let Some(path) = &self.progress_path {
            let _ = std::fs::remove_file(path);
        }
        if counts.refused == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let path = self.refused.path().display();
        match counts.beyond_mending {
            0 => {
                say!("The rows that were refused are in {path}; mended, it can be imported itself.")
            }
            beyond => say!(
                "The rows that were refused are in {path}; {} of them have to be put right in the \
                 original file (it says which), the others can be mended and imported from there.",
                grouped(beyond)
            ),
        }
        Ok(ExitCode::from(2))
    }
}

/// What a dry run says of units.
fn of_units(wanted: u64, left: u64) -> String {
    let (wants, has) = (grouped(wanted), grouped(left));
    match wanted.saturating_sub(left) {
        0 => format!("{wants} profile units would be charged, of {has} that are left"),
        none => format!(
            "{wants} profile units would be charged, and {has} are left: {} rows would find none. \
             The import would stop there, and go on in the next window or once the plan is raised",
            grouped(none)
        ),
    }
}

/// What a reason means, and what to do.
fn words(code: &str) -> String {
    Reason::of_code(code).map_or_else(String::new, |reason| {
        format!("{} {}", reason.meaning(), reason.cure())
    })
}
