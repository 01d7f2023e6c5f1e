//! From messages to types that can't be wrong, and back.

use tonic::Status;
use weir_ids::AccountId;
use weir_proto::quota::v1::{
    GetUsageResponse, ListUsageResponse, Meter, PastUsage, ReserveRequest, ReserveResponse,
    SettleRequest, Settlement as WireSettlement, Usage as WireUsage,
};
use weir_proto::settings::v1::Entitlement as WireEntitlement;
use weir_rpc::wire::{NOT_AN_ID, id, read_id, timestamp};

use crate::app::{Ask, Grant, History, Usage};
use crate::domain::{Entitlement, MAX_SETTLEMENTS, Settlement, Units, Window};

/// A batch has 1,000 events at most, each of which costs one unit of a kind.
const MAX_WANTED: i64 = 1_000;

pub(super) fn ask(request: &ReserveRequest) -> Result<Ask, Status> {
    let entitlement = request
        .entitlement
        .as_ref()
        .ok_or_else(|| weir_rpc::invalid("entitlement", "must be given"))?;
    if request.ledger_epoch < 0 {
        return Err(weir_rpc::invalid("ledger_epoch", "must not be negative"));
    }
    Ok(Ask {
        ledger_epoch: request.ledger_epoch,
        account: id("account_id", &request.account_id)?,
        batch: id("batch_id", &request.batch_id)?,
        units: units(request.profile_units, request.activity_units)
            .map_err(|(field, reason)| weir_rpc::invalid(field, reason))?,
        entitlement: entitled(entitlement)?,
        settlements: settlements(&request.settlements)?,
    })
}

pub(super) fn settled(request: &SettleRequest) -> Result<(AccountId, Vec<Settlement>), Status> {
    if request.settlements.is_empty() {
        return Err(weir_rpc::invalid("settlements", "must be given"));
    }
    let account = id("account_id", &request.account_id)?;
    Ok((account, settlements(&request.settlements)?))
}

fn settlements(wire: &[WireSettlement]) -> Result<Vec<Settlement>, Status> {
    if wire.len() > MAX_SETTLEMENTS {
        let reason = format!("must be at most {MAX_SETTLEMENTS}");
        return Err(weir_rpc::invalid("settlements", &reason));
    }
    let settlements = wire.iter().enumerate();
    settlements
        .map(|(index, one)| {
            settlement(one).map_err(|(field, reason)| {
                weir_rpc::invalid(&format!("settlements[{index}].{field}"), reason)
            })
        })
        .collect()
}

/// A field, and what is wrong with it.
type Violation = (&'static str, &'static str);

fn settlement(wire: &WireSettlement) -> Result<Settlement, Violation> {
    // The reservation knows its window; a settlement that names none that can be is still wrong.
    let _: Window = wire
        .window
        .parse()
        .map_err(|_| ("window", "must be a day, YYYY-MM-DD"))?;
    Ok(Settlement {
        batch: read_id(&wire.batch_id).ok_or(("batch_id", NOT_AN_ID))?,
        epoch: wire.epoch,
        stored: units(wire.profile_units, wire.activity_units)?,
    })
}

fn units(profile: i64, activity: i64) -> Result<Units, Violation> {
    for (units, field) in [(profile, "profile_units"), (activity, "activity_units")] {
        if !(0..=MAX_WANTED).contains(&units) {
            return Err((field, "must be from 0 to 1000"));
        }
    }
    Ok(Units { profile, activity })
}

pub(super) fn entitled(wire: &WireEntitlement) -> Result<Entitlement, Status> {
    let counts = [
        (wire.contacts, "entitlement.contacts"),
        (wire.mapped_activities, "entitlement.mapped_activities"),
        (wire.profile_factor, "entitlement.profile_factor"),
        (wire.activity_factor, "entitlement.activity_factor"),
    ];
    for (count, field) in counts {
        if count < 0 {
            return Err(weir_rpc::invalid(field, "must not be negative"));
        }
    }
    Ok(Entitlement {
        contacts: wire.contacts,
        mapped_activities: wire.mapped_activities,
        profile_factor: wire.profile_factor,
        activity_factor: wire.activity_factor,
    })
}

pub(super) fn granted(grant: &Grant) -> ReserveResponse {
    let reservation = grant.reservation;
    let meter = |of: fn(Units) -> i64| Meter {
        used: of(reservation.used),
        granted: of(reservation.granted),
        limit: of(grant.limits),
        remaining: (of(grant.limits) - of(reservation.used) - of(reservation.reserved)).max(0),
    };
    ReserveResponse {
        window: reservation.window.to_string(),
        epoch: reservation.progress.epoch,
        profile: Some(meter(|units| units.profile)),
        activity: Some(meter(|units| units.activity)),
        window_end_time: Some(timestamp(reservation.window.end())),
        lease_expire_time: Some(timestamp(grant.lease_end)),
    }
}

pub(super) fn usage(usage: &Usage) -> GetUsageResponse {
    let limits = usage.entitlement.limits();
    let formulas = usage.entitlement.formulas();
    let of_kind = |of: fn(Units) -> i64, limit_formula| WireUsage {
        used: of(usage.units.used),
        reserved: of(usage.units.reserved),
        limit: of(limits),
        limit_formula,
    };
    GetUsageResponse {
        window: usage.window.to_string(),
        window_end_time: Some(timestamp(usage.window.end())),
        profile: Some(of_kind(|units| units.profile, formulas.profile)),
        activity: Some(of_kind(|units| units.activity, formulas.activity)),
    }
}

/// What a page of a month shows.
const USUAL_DAYS: u64 = 30;
const MOST_DAYS: u64 = 90;

pub(super) fn days(wire: i32) -> Result<u64, Status> {
    match u64::try_from(wire) {
        Ok(0) => Ok(USUAL_DAYS),
        Ok(days) if days <= MOST_DAYS => Ok(days),
        _ => Err(weir_rpc::invalid("days", "must be from 0 to 90")),
    }
}

pub(super) fn history(history: &History) -> ListUsageResponse {
    let past = history.windows.iter().map(|past| PastUsage {
        window: past.window.to_string(),
        profile_units: past.units.profile,
        activity_units: past.units.activity,
        rejected_events: past.rejected,
    });
    ListUsageResponse {
        today: Some(usage(&history.today)),
        profile_forecast: history.forecasts.0,
        activity_forecast: history.forecasts.1,
        rejected_events: history.rejected,
        windows: past.collect(),
    }
}
