//! What the command line says, each with its default and the reason for it.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::workload::Recipe;

/// `mixed` divides the contacts among three effects, and a pass over them ends anywhere.
const CONTACTS_PER_EVENT_UNDER_WAY: u64 = 4;

/// Measures Weir against the raw cost of storing the same rows.
#[derive(Debug, Clone, Parser)]
#[command(name = "weir-bench", bin_name = "./weir bench")]
pub struct Options {
    /// What to measure; those that have a baseline when nothing is named
    #[arg(value_enum)]
    pub scenarios: Vec<Scenario>,

    /// Events of each measured turn; of `batch-sizes` and `hotspot` at most so many
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub events: u64,

    /// Length of each measured turn instead, by the rate of the warm-up; of each part of `fair`
    #[arg(long, value_name = "S", conflicts_with = "events")]
    pub seconds: Option<u64>,

    /// Contacts that are known beforehand, over all accounts
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub contacts: u64,

    /// Accounts; batches go to them in turns
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub accounts: u64,

    /// Events of a request (the receiving side allows 1,000; Segment sends up to 500)
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub batch: u64,

    /// Connections, of the load as of the baseline
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub connections: u64,

    /// Pairs of turns: the system and the baseline, A B A B
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,

    /// Measures the system alone
    #[arg(long)]
    pub no_baseline: bool,

    /// Also prints the statements that took PostgreSQL the longest
    #[arg(long)]
    pub statements: bool,

    /// Requests per second of `single`
    #[arg(long, default_value_t = 200.0, value_name = "N")]
    pub rate: f64,

    /// Length of `soak`
    #[arg(long, default_value_t = 10.0)]
    pub minutes: f64,

    /// Activities that `activities` stores and looks among, and `pages`
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub activities: u64,

    /// Contacts at which `growth` measures
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 2_000_000])]
    pub growth_contacts: Vec<u64>,

    /// Numbers of accounts at which `growth` measures
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    pub growth_accounts: Vec<u64>,

    /// Contacts of each account where `growth` is over accounts, at the most accounts
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(500..))]
    pub growth_contacts_each: u64,

    /// Stored activities at which `growth` measures
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [10_000, 1_000_000, 5_000_000, 20_000_000]
    )]
    pub growth_activities: Vec<u64>,

    /// The same seed makes the same events
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// Where the programs of the services are; beside this one when absent
    #[arg(long)]
    pub binaries: Option<PathBuf>,

    /// Where the JSON and the charts go
    #[arg(long, default_value = ".weir")]
    pub output: PathBuf,
}

impl Options {
    /// Whether there are contacts enough that none is in two batches at once: which of these
    /// is stored first is anybody's guess, and with it what the right answers are.
    ///
    /// # Errors
    /// There are not; names the option.
    pub fn check(&self, asked: &[Scenario]) -> Result<()> {
        let growth = asked.contains(&Scenario::Growth);
        let others = asked.iter().any(|asked| asked.needs_contacts_apart());
        let smallest = self.growth_contacts.iter().min().copied();
        let most_accounts = self.growth_accounts.iter().max();
        let in_all = most_accounts.map(|accounts| accounts * self.growth_contacts_each);
        let needed = CONTACTS_PER_EVENT_UNDER_WAY * self.batch * self.connections;
        for (option, contacts) in [
            ("--contacts", others.then_some(self.contacts)),
            ("--growth-contacts", smallest.filter(|_| growth)),
            ("--growth-contacts-each", in_all.filter(|_| growth)),
        ] {
            ensure!(
                contacts.is_none_or(|contacts| contacts >= needed),
                "{option}: too few contacts for {} connections and batches of {}; \
                 it takes {needed} in all, so that none is in two batches at once",
                self.connections,
                self.batch,
            );
        }
        Ok(())
    }
}

/// Something to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Identifies of people nobody knows
    IdentifyNew,
    /// Identifies that bring nothing new; the registers move
    IdentifyKnownUnchanged,
    /// Identifies that change two fields
    IdentifyKnownChanged,
    /// Plain tracks of known contacts
    TrackKnown,
    /// Tracks of people nobody knows: the backlog
    TrackUnknown,
    /// Tracks of known contacts with changed traits and an audience
    TrackWithTraitsAndAudience,
    /// 60 % tracks, 40 % identifies; 5 % of them invalid, 10 % repeats
    Mixed,
    /// One event per request at a fixed rate
    Single,
    /// Requests of 1 to 500 events over 8 to 256 connections, to 1 and 32 accounts
    BatchSizes,
    /// A quiet account beside a loud one
    Fair,
    /// Most of an account's events are about a few of its contacts
    Hotspot,
    /// How two processes of each service share the work
    Replicas,
    /// Search, export and import among the contacts of one account
    People,
    /// Pages, first and last, and an export among the activities of one account
    Activities,
    /// Batches as SDKs send them, beside requests of Segment (Actions)
    Classic,
    /// The console's pages, of an account that has much of everything
    Pages,
    /// Events that are all refused, beside such that are stored
    Refused,
    /// Cost per event as contacts, accounts and activities grow
    Growth,
    /// Memory, connections, outbox, Redis and bloat over time
    Soak,
}

impl Scenario {
    /// Those that run when nothing is named.
    pub const USUAL: [Self; 8] = [
        Self::IdentifyNew,
        Self::IdentifyKnownUnchanged,
        Self::IdentifyKnownChanged,
        Self::TrackKnown,
        Self::TrackUnknown,
        Self::TrackWithTraitsAndAudience,
        Self::Mixed,
        Self::Single,
    ];

    /// Whether it holds cases against each other, not against a baseline.
    pub fn is_study(self) -> bool {
        matches!(
            self,
            Self::BatchSizes
                | Self::Fair
                | Self::Hotspot
                | Self::Replicas
                | Self::People
                | Self::Activities
                | Self::Classic
                | Self::Pages
                | Self::Refused
        )
    }

    /// Whether none of the contacts may be in two batches at once.
    fn needs_contacts_apart(self) -> bool {
        let contested = self.is_study() && self != Self::Replicas;
        !contested && self != Self::Growth
    }

    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .expect("no scenario is hidden")
            .get_name()
            .to_owned()
    }

    /// What its batches are made of.
    pub fn recipe(self) -> Recipe {
        match self {
            Self::IdentifyNew
            | Self::Growth
            | Self::People
            | Self::Activities
            | Self::Pages
            | Self::Refused => Recipe::IdentifyNew,
            Self::IdentifyKnownUnchanged => Recipe::IdentifyUnchanged,
            Self::IdentifyKnownChanged => Recipe::IdentifyChanged,
            Self::TrackKnown => Recipe::TrackKnown,
            Self::TrackUnknown => Recipe::TrackUnknown,
            Self::TrackWithTraitsAndAudience => Recipe::TrackWithContact,
            Self::Mixed | Self::Replicas | Self::Soak => Recipe::Mixed,
            Self::Single => Recipe::Alternating,
            Self::BatchSizes | Self::Fair | Self::Classic => Recipe::Crowded,
            Self::Hotspot => Recipe::Hotspot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> std::result::Result<Options, clap::Error> {
        Options::try_parse_from(["bench"].iter().chain(arguments))
    }

    #[test]
    fn scenarios_are_named_as_in_the_documentation() {
        let options = parse(&["identify-new", "batch-sizes", "--batch", "1000"]).unwrap();
        let scenarios = [Scenario::IdentifyNew, Scenario::BatchSizes];
        assert_eq!(options.scenarios, scenarios);
        for scenario in Scenario::USUAL {
            assert_eq!(parse(&[&scenario.name()]).unwrap().scenarios, [scenario]);
        }
    }

    #[test]
    fn sizes_that_can_not_be_are_refused() {
        assert!(parse(&["--batch", "1001"]).is_err());
        assert!(parse(&["--batch", "0"]).is_err());
        assert!(parse(&["--events", "0"]).is_err());
        assert!(parse(&["--events", "10", "--seconds", "3"]).is_err());
        assert!(parse(&["track-everything"]).is_err());
    }

    #[test]
    fn contacts_that_would_be_in_two_batches_at_once_are_refused() {
        let check = |arguments: &[&str], asked| parse(arguments).unwrap().check(&[asked]);
        check(&[], Scenario::Mixed).unwrap();
        check(&[], Scenario::Growth).unwrap();
        check(&["--contacts", "1000"], Scenario::Growth).unwrap();
        let error = check(&["--contacts", "1000"], Scenario::Mixed).unwrap_err();
        assert!(error.to_string().starts_with("--contacts: too few"));
        let error = check(&["--growth-accounts", "1"], Scenario::Growth).unwrap_err();
        assert!(error.to_string().contains("it takes 8000 in all"));
    }

    #[test]
    fn sizes_of_growth_are_lists() {
        let options = parse(&["growth", "--growth-contacts", "10,20"]).unwrap();
        assert_eq!(options.growth_contacts, [10, 20]);
    }
}
