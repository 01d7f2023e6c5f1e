//! What can be written behind `export` and `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use prost_types::Timestamp;

use super::AddressOptions;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header, then a row each.
    Csv,
    /// A JSON object each line.
    Jsonl,
}

/// How what is known and what comes are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Merge {
    /// The newer value counts.
    Overwrite,
    /// Only what is empty is filled.
    Append,
    /// Contacts that are there stay as they are.
    Ignore,
}

/// Write contacts, activities or members of audiences into a file.
#[derive(Debug, Args)]
pub struct ExportOptions {
    #[command(subcommand)]
    pub what: ExportWhat,
}

#[derive(Debug, Subcommand)]
pub enum ExportWhat {
    Contacts(ExportContactsOptions),
    Members(ExportMembersOptions),
    Activities(ExportActivitiesOptions),
    Person(ExportPersonOptions),
}

/// Write all contacts of an account, as they are at one moment.
#[derive(Debug, Args)]
pub struct ExportContactsOptions {
    /// The account's name or id.
    #[arg(long)]
    pub account: String,
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Ids of fields, and contact_id, user_id, user_ids, anonymous_id, anonymous_ids, create_time,
    /// update_time, in the order of the columns. Every field when absent.
    #[arg(long, value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Where to; it is there once it is whole. Standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Write who belongs to audiences, as it is at one moment: audience, contact, since when, and the
/// event that brought it about.
#[derive(Debug, Args)]
pub struct ExportMembersOptions {
    /// Names or ids of audiences. All of the account when absent.
    #[arg(value_name = "AUDIENCE")]
    pub audiences: Vec<String>,
    /// The account's name or id.
    #[arg(long)]
    pub account: String,
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Where to; it is there once it is whole. Standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Write what the contacts of an account did, as it is at one moment, oldest first.
#[derive(Debug, Args)]
pub struct ExportActivitiesOptions {
    /// The account's name or id.
    #[arg(long)]
    pub account: String,
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Only this one, by its name. All when absent.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Only what was done at this time or later, such as 2025-07-10T06:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// Only what was done before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// activity_record_id, activity_id, event_name, contact_id, event_time, receive_time,
    /// message_id, expire_day, attributes (all as one JSON object), and attributes.NAME, in the
    /// order of the columns. When absent what tells who did what and when, and the attributes: with
    /// --event one column for each that its mappings have.
    #[arg(long, value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Where to; it is there once it is whole. Standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Write what is stored of one person, as JSON: contact with where its fields came from,
/// identifiers, merges, activities, when each was done first and last, memberships and their
/// history; and what sources keep as it came: events for a replay, samples, lines of the log, also
/// of what was refused. Of a user id or anonymous id that is no contact's: what waits for it, and
/// what sources keep.
#[derive(Debug, Args)]
pub struct ExportPersonOptions {
    /// The account's name or id.
    #[arg(long)]
    pub account: String,
    #[command(flatten)]
    pub who: Who,
    /// Where to; it is there once it is whole. Standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// By what a person is found; e-mail address, phone and field where they are unique identifiers.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    /// The contact's id, or that of one that was merged into it.
    pub id: Option<String>,
    #[arg(long)]
    pub user_id: Option<String>,
    #[arg(long)]
    pub anonymous_id: Option<String>,
    #[arg(long)]
    pub email: Option<String>,
    #[arg(long)]
    pub phone: Option<String>,
    /// Of another unique identifier: `str:cm:no=17`.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub field: Option<String>,
}

/// Read historic contacts from a file.
#[derive(Debug, Args)]
pub struct ImportOptions {
    #[command(subcommand)]
    pub what: ImportWhat,
}

#[derive(Debug, Subcommand)]
pub enum ImportWhat {
    Contacts(ImportContactsOptions),
}

/// Store the rows of a file as contacts, by the rules of identifies: mapped, told apart, merged.
///
/// Begin with --dry-run: it says what would become of each row, and stores nothing. An import
/// that ended anywhere goes on there when the same command is given again; a row is never stored
/// twice. Rows that are refused are written into a file of their own, with the reason (exit code
/// 2); all others are stored. Columns are `user_id`, `anonymous_id`, `timestamp` and, with
/// --source, trait paths as its contact mapping has them, else ids of fields such as str::email.
/// A row without ids is found by its unique identifiers, such as an e-mail address.
#[derive(Debug, Args)]
pub struct ImportContactsOptions {
    /// CSV (with a header) or a JSON object each line; UTF-8. `-` is standard input, which takes
    /// --format and --as-of, and is given whole again where an import ended.
    pub file: PathBuf,
    /// The account's name or id.
    #[arg(long)]
    pub account: String,
    /// The source whose contact mapping and merge settings count, by name or id.
    #[arg(long)]
    pub source: Option<String>,
    /// Only say what would become of the rows.
    #[arg(long)]
    pub dry_run: bool,
    /// Charge rows as identifies are charged; with --dry-run say what that would come to, and
    /// whether so much is left.
    #[arg(long)]
    pub charge: bool,
    /// How they are merged, without a source.
    #[arg(long, value_enum)]
    pub merge: Option<Merge>,
    /// The moment of which the file tells, such as 2025-07-10T06:00:00Z: what contacts learned
    /// later stays. When absent, when the file was changed; a pipe has no such time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub as_of: Option<Timestamp>,
    /// By the file's ending when absent.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What stands between the cells of a CSV file; comma, semicolon or tab, whatever the header
    /// has, when absent.
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<char>,
    /// Where to write rows that are refused; beside the file when absent, and where there is none
    /// import.refused.csv (or .jsonl).
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let read = text.parse::<Timestamp>();
    read.map_err(|_| "must be a time such as 2025-07-10T06:00:00Z".to_owned())
}
