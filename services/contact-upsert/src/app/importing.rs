//! Historic contacts, from rows of a file (semantics 3.13).

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytestring::ByteString;
use chrono::NaiveDate;
use uuid::Uuid;
use weir_changes::Author;
use weir_ids::{AccountId, BatchId, SourceId};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_values::{BlockedRule, BlockedValues};

use super::{App, Error, Outcome, Upserted};
use crate::clients::{MappedBy, MappedRows, NotMapped, Reserved, Rows};
use crate::domain::import::{
    Given, Header, Left, Mapped, Reader, Row, event_key, is_too_late, message_id,
};
use crate::domain::{Batch, Event, Facts, ImportOf, MergeStrategy, Mode, NOBODY, Settings, Status};

/// How often rows are mapped and stored anew: unique identifiers changed, or the epoch.
const TRIES: usize = 3;
/// Of one row, members that are named although they lead nowhere, and of each the characters of
/// its name and value that are shown.
const MOST_STRANGERS: usize = 20;
const MAX_NAMED: usize = 255;
/// For a word to quota that nobody waits for.
const SETTLE: Duration = Duration::from_secs(2);

/// Rows that belong together.
#[derive(Debug)]
pub struct Import {
    pub account: AccountId,
    /// None: columns are ids of fields.
    pub source: Option<SourceId>,
    pub fields: Vec<String>,
    /// Without a source.
    pub merge_strategy: MergeStrategy,
    pub import: Uuid,
    pub first_row: i64,
    /// Of rows that have no time of their own.
    pub as_of_micros: i64,
    pub header: Header,
    pub rows: Vec<Row>,
    pub charge: bool,
    pub dry_run: bool,
    pub author: Author,
}

/// What became of a row.
#[derive(Debug, Clone)]
pub struct Imported {
    pub status: RowStatus,
    /// Empty where there is none, or where it is not there yet.
    pub contact_id: String,
    pub ignored: Vec<Left>,
}

/// See there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStatus {
    Stored,
    /// By an earlier try of the same row.
    StoredBefore,
    Unchanged,
    Refused(Reason),
}

/// What became of all rows of a request.
#[derive(Debug)]
pub struct Done {
    /// One for each row, in order.
    pub rows: Vec<Imported>,
    /// That were charged, or (of a dry run) would be.
    pub units: i64,
    /// That the account has left, of a dry run that asks for it.
    pub units_left: Option<i64>,
}

/// Imports, through the same door as every other batch.
#[derive(Clone)]
pub struct Imports {
    app: App,
    rows: Rows,
}

impl Imports {
    pub fn new(app: App, rows: Rows) -> Self {
        Self { app, rows }
    }

    /// Stores the rows, or says what would become of them.
    ///
    /// # Errors
    /// Where nothing of it was stored.
    pub async fn import(&self, import: &Import, deadline: Deadline) -> Result<Done, Error> {
        let now = self.app.clock.now().timestamp_micros();
        if is_too_late(import.as_of_micros, now) {
            let fault = ("as_of_time", "must not be more than 24 hours ahead");
            let fault = (fault.0.to_owned(), fault.1.to_owned());
            return Err(Error::InvalidRequest(vec![fault]));
        }
        let reader = Reader::new(import.header.clone(), now);
        let given = import.rows.iter().map(|row| reader.read(row));
        let given: Vec<Result<Given, Reason>> = given.collect();
        let (mut refused, mut epoch) = (None, 0);
        for _ in 0..TRIES {
            let mapped = self.map(import, &given, refused, deadline).await?;
            let version = mapped.identifiers_version;
            let done = self.store(import, &given, mapped, epoch, deadline).await;
            match done {
                Err(Error::IdentifiersChanged) => refused = Some(version),
                Err(Error::EpochPast(stands)) => epoch = stands,
                done => return done,
            }
        }
        Err(Error::Conflict)
    }

    async fn map(
        &self,
        import: &Import,
        given: &[Result<Given, Reason>],
        refused: Option<i64>,
        deadline: Deadline,
    ) -> Result<MappedRows, Error> {
        let good = given.iter().filter_map(|row| row.as_ref().ok());
        let traits: Vec<String> = good.map(|row| row.traits.clone()).collect();
        let by = match import.source {
            Some(source) => MappedBy::Source(source),
            None => {
                let nulls_clear = import.merge_strategy == MergeStrategy::Overwrite;
                MappedBy::Fields(import.fields.clone(), nulls_clear)
            }
        };
        let mapped = self
            .rows
            .map(import.account, &by, traits, refused, deadline);
        let mut mapped = mapped.await.map_err(not_mapped)?;
        let unknown = mapped.unknown_fields.iter();
        let columns = unknown.filter(|field| import.header.has(field));
        let columns = columns.map(|field| {
            let what = format!("{field} is no field of this account");
            ("columns".to_owned(), what)
        });
        let columns: Vec<_> = columns.collect();
        if !columns.is_empty() {
            return Err(Error::InvalidRequest(columns));
        }
        if import.source.is_none() {
            mapped.settings.merge_strategy = import.merge_strategy;
        }
        Ok(mapped)
    }

    async fn store(
        &self,
        import: &Import,
        given: &[Result<Given, Reason>],
        mapped: MappedRows,
        epoch: i64,
        deadline: Deadline,
    ) -> Result<Done, Error> {
        let mut units_left = None;
        if import.charge && import.dry_run {
            let left = self.rows.left(import.account, mapped.entitlement, deadline);
            units_left = Some(left.await?);
        }
        let mut rows = Draft::of(
            import,
            given,
            (mapped.rows, mapped.unknown_fields),
            &mapped.settings,
            &mapped.blocked,
        );
        let events = std::mem::take(&mut rows.events);
        if events.is_empty() {
            return Ok(Done {
                rows: rows.results(VecDeque::new()),
                units: 0,
                units_left,
            });
        }
        let mut batch = Batch {
            account: import.account,
            id: BatchId::new(),
            window: NaiveDate::default(),
            // What costs nothing is of no epoch.
            epoch: i64::MAX,
            source: import.source,
            identifiers_version: mapped.identifiers_version,
            settings: mapped.settings,
            kept_removes_limit: 0,
            is_charged: import.charge,
            import: Some(ImportOf {
                id: import.import,
                author: import.author.clone(),
            }),
            events,
        };
        let app = &self.app;
        let upserted = if import.dry_run {
            app.rehearse(batch, deadline).await?
        } else if !import.charge {
            app.upsert(batch, deadline).await?
        } else {
            let wanted = batch.events.len();
            let reserved = self
                .rows
                .reserve(import.account, wanted, mapped.entitlement, epoch, deadline)
                .await?;
            fund(&mut batch, &reserved)?;
            let upserted = app.upsert(batch, deadline).await;
            self.settle(import.account, &reserved, &upserted).await;
            upserted?
        };
        Ok(Done {
            rows: rows.results(upserted.outcomes.into()),
            units: upserted.units,
            units_left,
        })
    }

    /// Where it is not certain what was stored, quota asks the ledger.
    async fn settle(
        &self,
        account: AccountId,
        reserved: &Reserved,
        upserted: &Result<Upserted, Error>,
    ) {
        let units = match upserted {
            Ok(upserted) => upserted.units,
            Err(Error::EpochPast(_) | Error::IdentifiersChanged) => 0,
            Err(_) => return,
        };
        let deadline = Deadline::after(SETTLE);
        self.rows.settle(account, reserved, units, deadline).await;
    }
}

fn not_mapped(why: NotMapped) -> Error {
    match why {
        NotMapped::Silent(silent) => silent.into(),
        NotMapped::NoMapping => Error::NoMapping,
        NotMapped::NoAccount => Error::AccountUnknown,
        NotMapped::NoSource => Error::SourceUnknown,
        NotMapped::TooLarge => Error::RowsTooLarge,
        NotMapped::Unexpected => Error::Internal,
    }
}

/// The batch as it was admitted.
fn fund(batch: &mut Batch, reserved: &Reserved) -> Result<(), Error> {
    batch.id = reserved.batch;
    batch.epoch = reserved.epoch;
    batch.window = NaiveDate::parse_from_str(&reserved.window, "%Y-%m-%d").map_err(|_| {
        tracing::error!("quota answered a window that is no day");
        Error::Internal
    })?;
    let granted = usize::try_from(reserved.granted).unwrap_or(0);
    for (index, event) in batch.events.iter_mut().enumerate() {
        event.funded = index < granted;
    }
    Ok(())
}

/// Rows on their way to results.
struct Draft {
    /// Of those that are not refused yet, in order.
    events: Vec<Event>,
    /// One for each row; none where an event tells.
    refused: Vec<Option<Reason>>,
    /// As many.
    ignored: Vec<Vec<Left>>,
}

impl Draft {
    fn of(
        import: &Import,
        given: &[Result<Given, Reason>],
        (mapped, unknown): (Vec<Mapped>, Vec<String>),
        settings: &Settings,
        blocked: &BlockedValues,
    ) -> Self {
        let blocked = (blocked.of_user_ids(), blocked.of_anonymous_ids());
        let unknown: HashSet<String> = unknown.into_iter().collect();
        let mut mapped = mapped.into_iter();
        let mut draft = Self {
            events: Vec::with_capacity(given.len()),
            refused: Vec::with_capacity(given.len()),
            ignored: Vec::with_capacity(given.len()),
        };
        let rows = given.iter().zip(&import.rows).zip(import.first_row..);
        for ((row, sent), number) in rows {
            let (refused, ignored) = match row {
                Err(reason) => (Some(*reason), Vec::new()),
                Ok(row) => {
                    let mapped = mapped.next().unwrap_or_default();
                    let event = event_of(import, row, number, &mapped, &blocked);
                    let mut ignored = mapped.ignored;
                    ignored.extend(row.anonymous_is_unusable.then(unusable_anonymous));
                    if import.source.is_none() {
                        ignored.extend(strangers(sent, &unknown));
                    }
                    match names_somebody(&event, settings) {
                        true => {
                            draft.events.push(event);
                            (None, ignored)
                        }
                        false => (Some(Reason::NoIdentifier), ignored),
                    }
                }
            };
            draft.refused.push(refused);
            draft.ignored.push(ignored);
        }
        draft
    }

    fn results(self, mut outcomes: VecDeque<Outcome>) -> Vec<Imported> {
        let rows = self.refused.into_iter().zip(self.ignored);
        let results = rows.map(|(refused, ignored)| {
            let outcome = refused.is_none().then(|| outcomes.pop_front()).flatten();
            let mut result = match outcome {
                Some(outcome) => imported(outcome),
                None => Imported {
                    status: RowStatus::Refused(refused.unwrap_or(Reason::Internal)),
                    contact_id: String::new(),
                    ignored: Vec::new(),
                },
            };
            result.ignored.splice(0..0, ignored);
            result
        });
        results.collect()
    }
}

fn event_of(
    import: &Import,
    row: &Given,
    number: i64,
    mapped: &Mapped,
    blocked: &(BlockedRule, BlockedRule),
) -> Event {
    // A blocked id is absent (semantics 3.1).
    let unless = |rule: &BlockedRule, id: &ByteString| match rule.blocks(id) {
        true => ByteString::new(),
        false => id.clone(),
    };
    let message_id = message_id(import.import, number);
    let event_micros = row.micros.unwrap_or(import.as_of_micros);
    Event {
        mode: Mode::Identify,
        user_id: unless(&blocked.0, &row.user_id),
        anonymous_id: unless(&blocked.1, &row.anonymous_id),
        fields_json: mapped.fields_json.clone(),
        event_micros,
        update: None,
        undated: false,
        no_values: !mapped.has_values,
        never_creates: mapped.all_ignored,
        funded: true,
        key: event_key(&message_id, event_micros, row).0,
        correction: false,
        message_id,
    }
}

/// A row without ids has to bring a unique identifier, or nobody would ever find its contact.
fn names_somebody(event: &Event, settings: &Settings) -> bool {
    if !event.user_id.is_empty() || !event.anonymous_id.is_empty() {
        return true;
    }
    let facts = Facts::of(std::slice::from_ref(event), settings);
    facts.is_ok_and(|facts| !facts.keys.is_empty())
}

/// What a row of JSON has that leads to no field: of a file of cells its columns are checked
/// before.
fn strangers<'r>(row: &'r Row, unknown: &HashSet<String>) -> impl Iterator<Item = Left> + use<'r> {
    let strangers = match row {
        Row::Json(json) => Header::strangers(json, unknown),
        Row::Cells(_) => Vec::new(),
    };
    let named = strangers.into_iter().take(MOST_STRANGERS);
    named.map(|(name, value)| {
        let [name, value] = [&*name, value].map(|text| text.chars().take(MAX_NAMED).collect());
        left(Reason::ColumnUnknown, name, value)
    })
}

fn unusable_anonymous() -> Left {
    left(
        Reason::AnonymousIdUnusable,
        "anonymous_id".to_owned(),
        String::new(),
    )
}

fn left(reason: Reason, column: String, value: String) -> Left {
    Left {
        column,
        code: reason.code().to_owned(),
        reason: format!("{} {}", reason.meaning(), reason.cure()),
        value,
    }
}

fn imported(outcome: Outcome) -> Imported {
    let status = match outcome.status {
        Status::Stored => RowStatus::Stored,
        Status::Repeated => RowStatus::StoredBefore,
        Status::NothingNew => RowStatus::Unchanged,
        Status::NotFunded => RowStatus::Refused(Reason::ProfileLimit),
        Status::Refused => RowStatus::Refused(Reason::ExistingOnly),
        Status::NotFound | Status::Kept => RowStatus::Refused(Reason::NothingValid),
        Status::Deleted => RowStatus::Refused(Reason::ContactDeleted),
        Status::Unstorable => RowStatus::Refused(Reason::Unstorable),
    };
    let contact = outcome.contact.filter(|contact| *contact != NOBODY);
    let ignored = outcome.ignored.into_iter();
    Imported {
        status,
        contact_id: contact.map(|id| id.to_string()).unwrap_or_default(),
        ignored: ignored
            .map(|one| left(one.reason, one.field, one.value))
            .collect(),
    }
}
