//! What can be written behind `./weir`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use weir_tls::ClientOptions;

use crate::folder;
use crate::send::To;

mod certs;
mod containers;
mod token;
mod transfer;
mod up;

pub use certs::CertsOptions;
pub use containers::{HealthOptions, RolePasswords, RolesOptions};
pub use token::{CreateTokenOptions, RevokeTokenOptions, RoleName, TokenCommand};
pub use transfer::{
    ExportActivitiesOptions, ExportContactsOptions, ExportMembersOptions, ExportOptions,
    ExportPersonOptions, ExportWhat, Format, ImportContactsOptions, ImportOptions, ImportWhat,
    Merge, Who,
};
pub use up::{TestOptions, UpOptions};

/// Weir: the self-hosted receiving side of Segment's "Ortto (Actions)" destination.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use or wrong input, 3 `plan` found changes.
#[derive(Debug, Parser)]
#[command(name = "weir", bin_name = "./weir", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Up(UpOptions),
    /// Stop what `up` started, in order; data are kept.
    Down(DataOptions),
    /// Restart all services, one process after another: with `up --replicas 2` nobody notices.
    Restart(DataOptions),
    /// Show which services are healthy, where mail goes, and which sources are paused.
    ///
    /// Of what runs where --address says, or WEIR_MAPPING_URL and so on, each replica of a list with
    /// commas in between; else of what `up` started. Exit code 0 where all are healthy, else 1. What
    /// mapping does not tell within two seconds is named as not known.
    Status(AddressOptions),
    Health(HealthOptions),
    Roles(RolesOptions),
    /// Write .env with new secrets for `docker compose up`; an .env that is there stays.
    InitCompose,
    Console(ConsoleOptions),
    Doctor(DoctorOptions),
    Logs(LogsOptions),
    Apply(ApplyOptions),
    Plan(PlanOptions),
    ExportConfig(ExportConfigOptions),
    /// Print the JSON schema of weir.yaml, for editors (docs/weir.schema.json is a copy).
    Schema,
    Send(SendOptions),
    /// Mail and webhooks that tell people of their accounts.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Tokens, with which programs and teams call the services.
    #[command(subcommand)]
    Token(TokenCommand),
    Certs(CertsOptions),
    Call(CallOptions),
    Export(ExportOptions),
    Import(ImportOptions),
    Test(TestOptions),
    /// Check everything: format, lints, and all tests.
    Check,
    Bench(BenchOptions),
}

/// Which stack.
#[derive(Debug, Clone, Args)]
pub struct DataOptions {
    /// Where data, logs and stack.json lie.
    #[arg(long = "data", value_name = "DIR", env = "WEIR_DATA", default_value_os_t = folder::default_data())]
    pub folder: PathBuf,
}

/// Print where the console is, and a link that signs in there; or make the hash of a password.
///
/// The link is good for 15 minutes and once; it signs in as whoever the token is: the
/// administrator of the running stack, where nothing else is said.
#[derive(Debug, Args)]
pub struct ConsoleOptions {
    /// `password`: ask for one, and print its hash for `WEIR_CONSOLE_ADMIN_PASSWORD_HASH`, with
    /// which a local administrator signs in by name and password.
    pub what: Option<ConsoleWhat>,
    /// Where the console is, instead of what stack.json says: http://host:8000.
    #[arg(long, value_name = "URL", env = "WEIR_CONSOLE_URL")]
    pub console: Option<String>,
    #[command(flatten)]
    pub token: TokenOptions,
    #[command(flatten)]
    pub tls: ClientOptions,
    #[command(flatten)]
    pub data: DataOptions,
}

/// What else `console` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ConsoleWhat {
    Password,
}

/// Check whether everything that is stored agrees; reads, and changes nothing.
///
/// Identifiers, redirects, backlog, memberships, and what was charged against what is counted:
/// each check is named as it begins, and what it finds is printed with its account (never with a
/// value of anybody's), then the sums of both ledgers and of the counters. Services may be at work
/// meanwhile. Takes as long as reading all tables once or twice; put it on a replica of the
/// database where that is too much. Exit code 0 where all agrees, 1 where something does not.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// The database with the schemas of the services, as a role that sees all rows: a superuser,
    /// or one that may read all tables and has BYPASSRLS. Without it: what `up` runs.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_DOCTOR_DATABASE_URL",
        hide_env_values = true
    )]
    pub database: Option<String>,
    /// The Redis of quota, with the counters. Without it they are not looked at, unless they are
    /// those of what `up` runs.
    #[arg(
        long,
        value_name = "URL",
        env = "WEIR_DOCTOR_REDIS_URL",
        hide_env_values = true
    )]
    pub redis: Option<String>,
    /// Only this account, by its name or id.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    #[command(flatten)]
    pub certificates: weir_redis::RedisOptions,
    #[command(flatten)]
    pub data: DataOptions,
}

/// Show what the processes wrote.
#[derive(Debug, Args)]
pub struct LogsOptions {
    /// edge, mapping, contact-upsert, activity, audience, quota, console (all replicas, or one of them:
    /// quota-2), postgres, redis, or up (what a detached `up` printed); all when absent.
    pub service: Option<String>,
    /// Go on as more is written, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each.
    #[arg(short = 'n', long, default_value_t = 40)]
    pub lines: usize,
    #[command(flatten)]
    pub data: DataOptions,
}

/// Apply a configuration: accounts, sources, fields, mappings, activities, audiences.
///
/// The whole file is checked and compared with what stands first; messages name the line, and
/// nothing is applied when there is one (exit code 2). Applying a file again changes nothing. A
/// key that the file does not give is generated and shown once.
#[derive(Debug, Args)]
pub struct ApplyOptions {
    /// A YAML file such as weir.yaml.
    pub file: PathBuf,
    /// Remove sources, activities and fields that the file's lists no longer name, after showing
    /// them and asking. Without it they are named. Accounts, audiences and keys always stay.
    #[arg(long)]
    pub prune: bool,
    /// Do not ask before removing.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Show what `apply` would change, and change nothing.
///
/// Exit codes: 0 nothing would change, 3 something would, 2 the file can't be applied, 1 failed.
#[derive(Debug, Args)]
pub struct PlanOptions {
    /// A YAML file such as weir.yaml.
    pub file: PathBuf,
    /// As `apply --prune`.
    #[arg(long)]
    pub prune: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Print the configuration that stands as a file that `apply` takes.
///
/// Keys are secret and not in it: where it is applied to another installation, sources of Segment
/// (Actions) get new ones. A plan of it shows nothing.
#[derive(Debug, Args)]
pub struct ExportConfigOptions {
    /// Only the account of this name.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Send events to the edge, and show what each of them was answered.
///
/// The file holds one event as JSON, an array of events, an object with a `batch` of them, or one
/// event a line (of any length). They go to /v1/track where they have an `event` (or say `type`:
/// `track`), and to /v1/identify otherwise. Exit code 0 where all of them were 200, else 1.
#[derive(Debug, Args)]
pub struct SendOptions {
    /// `-` reads standard input.
    pub file: PathBuf,
    /// Whose events these are: ACCOUNT/SOURCE, by name or id, or a source of the demo account.
    /// A key is made for it, and revoked at the end. Without this and --key: the demo account's.
    #[arg(long, conflicts_with = "key")]
    pub source: Option<String>,
    /// A key of the source.
    #[arg(long, env = "WEIR_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Where all of them go, whatever they are.
    #[arg(long)]
    pub to: Option<To>,
    /// Of many events show all, not only those that were not 200.
    #[arg(long)]
    pub all: bool,
    /// Where the edge is, instead of what stack.json says: http://host:8080, https://host.
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    pub edge: Option<String>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// What to do about mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    Test(MailTestOptions),
}

/// Send a test mail to an account's notification address, and a test call to its webhook.
///
/// Exit code 0 where both were taken, 1 where one failed, or was kept since no mail server is
/// configured.
#[derive(Debug, Args)]
pub struct MailTestOptions {
    /// Its name or id; where it is absent, the demo account, or the only one that there is.
    pub account: Option<String>,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Call any gRPC method: JSON in, JSON out.
///
/// The services tell by reflection what they understand. Names may be short:
/// `contact/GetContact`, `quota/GetUsage`, or `weir.contact.v1.ContactService/GetContact`.
/// Exit code 2 where the request was wrong, 1 where the call failed otherwise.
#[derive(Debug, Args)]
pub struct CallOptions {
    /// SERVICE/METHOD
    #[arg(required_unless_present = "list")]
    pub method: Option<String>,
    /// The request as JSON; `-` reads it from standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
    pub request: String,
    /// Print an error as JSON as well, on standard output: its code, message and details.
    #[arg(long = "json", conflicts_with = "list")]
    pub errors_as_json: bool,
    /// List the methods of all services, or of the one named, with their requests.
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// Where services are.
#[derive(Debug, Args)]
pub struct AddressOptions {
    /// Where to call: `http://host:port`, or `service=http://host:port` (may be repeated),
    /// instead of what WEIR_MAPPING_URL and so on say, or stack.json; `https://` as well. Of
    /// several replicas, with commas in between, the first that is ready is called.
    #[arg(long = "address", value_name = "[SERVICE=]URL")]
    pub addresses: Vec<String>,
    #[command(flatten)]
    pub token: TokenOptions,
    #[command(flatten)]
    pub tls: ClientOptions,
    #[command(flatten)]
    pub data: DataOptions,
}

/// What calls show, instead of what stack.json says.
#[derive(Debug, Clone, Default, Args)]
pub struct TokenOptions {
    /// A token of the services.
    #[arg(long, env = "WEIR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// A file that holds it.
    #[arg(long, env = "WEIR_TOKEN_FILE", value_name = "FILE", value_parser = file)]
    pub token_file: Option<PathBuf>,
}

/// An empty one is none.
fn file(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// Measure Weir against the raw cost of storing the same rows.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct BenchOptions {
    /// What to measure, and how; `./weir bench --help` lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ports_that_do_not_exist_are_wrong_use() {
        for (base, good) in [
            ("1024", true),
            ("65519", true),
            ("80", false),
            ("65520", false),
        ] {
            let read = Cli::try_parse_from(["weir", "up", "--ports", base]);
            assert_eq!(read.is_ok(), good, "{base}");
            assert!(read.err().is_none_or(|error| error.exit_code() == 2));
        }
    }

    #[test]
    fn replicas_are_one_to_eight() {
        for (count, good) in [("1", true), ("8", true), ("0", false), ("9", false)] {
            let read = Cli::try_parse_from(["weir", "up", "--replicas", count]);
            assert_eq!(read.is_ok(), good, "{count}");
        }
    }

    #[test]
    fn a_call_may_leave_the_request_out() {
        let cli = Cli::try_parse_from(["weir", "call", "quota/GetUsage"]).unwrap();
        let Command::Call(options) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!(options.request, "{}");
        assert!(Cli::try_parse_from(["weir", "call"]).is_err());
        assert!(Cli::try_parse_from(["weir", "call", "--list"]).is_ok());
    }

    #[test]
    fn the_measuring_program_reads_its_own_options() {
        let cli = Cli::try_parse_from(["weir", "bench", "mixed", "--help", "--batch", "9"]);
        let Command::Bench(options) = cli.unwrap().command else {
            panic!("another command")
        };
        assert_eq!(options.arguments, ["mixed", "--help", "--batch", "9"]);
    }
}
