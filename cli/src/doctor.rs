//! `doctor`: whether what is stored agrees; reads, and changes nothing.

use std::collections::BTreeMap;
use std::process::ExitCode;

use weir_doctor::{Counter, Report, Scope, Step, Sum, Wrong, examine};
use weir_redis::RedisOptions;
use weir_stack::StackFile;

use crate::arguments::DoctorOptions;
use crate::failure::Failure;
use crate::output::say;
use crate::table::render;

/// Accounts whose sums are printed: those that used most.
const SHOWN: usize = 20;

pub async fn run(options: &DoctorOptions) -> Result<ExitCode, Failure> {
    let (database, redis, certificates) = places(options)?;
    let scope = Scope {
        account: options.account.clone(),
        redis,
        certificates,
    };
    let report = Box::pin(examine(&database, &scope, told)).await;
    let report = report.map_err(|error| match error.downcast::<Wrong>() {
        Ok(wrong) => Failure::Input(wrong.to_string()),
        Err(error) => error.into(),
    })?;
    for fault in &report.faults {
        say!("  FAULT {fault}");
    }
    if let Some(table) = sums(&report) {
        say!("\n{}", table.trim_end());
    }
    if report.left_out > 0 {
        say!(
            "\n{} with something still to be told to other services: what follows from it was \
             not looked at there. Ask again when they are quiet.",
            accounts(report.left_out)
        );
    }
    let skipped = match report.skipped {
        0 => String::new(),
        count => format!(", {count} could not be made here"),
    };
    let count = report.faults.len();
    say!(
        "\n{count} faults; {} checks were made{skipped}.",
        report.made
    );
    match report.redis {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::from(u8::from(count > 0))),
    }
}

/// What is named, or else what runs here.
fn places(options: &DoctorOptions) -> Result<(String, Option<String>, RedisOptions), Failure> {
    if let Some(database) = &options.database {
        let (redis, certificates) = (options.redis.clone(), options.certificates.clone());
        return Ok((database.clone(), redis, certificates));
    }
    let folder = std::path::absolute(&options.data.folder).map_err(anyhow::Error::from)?;
    let Some(file) = StackFile::read(&folder)? else {
        return Err(Failure::Input(format!(
            "nothing was started on {}: name a database (--database)",
            folder.display()
        )));
    };
    let (redis, certificates) = match &options.redis {
        Some(redis) => (redis.clone(), options.certificates.clone()),
        None => {
            let authority = Some(file.redis_ca).filter(|path| !path.is_empty());
            let of_stack = RedisOptions {
                redis_ca: authority.map(Into::into),
                ..options.certificates.clone()
            };
            (file.redis, of_stack)
        }
    };
    Ok((file.postgres, Some(redis), certificates))
}

fn told(step: Step<'_>) {
    match step {
        Step::Begins(number, total, promise) => say!("[{number}/{total}] {promise}"),
        Step::Done(0, time) if time.as_secs() == 0 => {}
        Step::Done(faults, time) => say!("        {faults} faults, {:.1} s", time.as_secs_f64()),
        Step::Skipped(why) => say!("        not made: {why}"),
    }
}

/// What was charged and counted of late, by account and window.
fn sums(report: &Report) -> Option<String> {
    let mut counters: BTreeMap<_, &Counter> = BTreeMap::new();
    for counter in &report.counters {
        counters.insert((counter.account, counter.window), counter);
    }
    let mut sums: Vec<&Sum> = report.sums.iter().collect();
    sums.sort_by_key(|sum| std::cmp::Reverse((sum.window, sum.profile + sum.activity)));
    let more = sums.len().saturating_sub(SHOWN);
    sums.truncate(SHOWN);
    if sums.is_empty() {
        return None;
    }
    let row = |sum: &&Sum| {
        let counter = counters.get(&(sum.account, sum.window));
        let limits = report.limits.get(&sum.account);
        let units = |of: fn(&Counter) -> (i64, i64)| match counter.map(|counter| of(counter)) {
            Some((used, reserved)) => format!("{used} + {reserved}"),
            None => "-".to_owned(),
        };
        let limit = |of: fn(&(i64, i64)) -> i64, stored: i64| match limits.map(of) {
            Some(limit) if stored > limit => format!("{limit} (lowered since)"),
            Some(limit) => limit.to_string(),
            None => "-".to_owned(),
        };
        vec![
            sum.account.to_string(),
            sum.window.to_string(),
            sum.profile.to_string(),
            units(|counter| counter.profile),
            limit(|limits| limits.0, sum.profile),
            sum.activity.to_string(),
            units(|counter| counter.activity),
            limit(|limits| limits.1, sum.activity),
        ]
    };
    let rows: Vec<Vec<String>> = sums.iter().map(row).collect();
    let heading = [
        "account",
        "window",
        "profile units",
        "used + reserved",
        "limit",
        "activity units",
        "used + reserved",
        "limit",
    ];
    let mut table = render(&heading, &rows);
    if more > 0 {
        table += &format!("  and {more} more\n");
    }
    Some(table)
}

fn accounts(count: i64) -> String {
    match count {
        1 => "1 account".to_owned(),
        count => format!("{count} accounts"),
    }
}
