//! Which address is which page.

use std::sync::Arc;

use ::http::StatusCode;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use super::{
    accounts, activities, assets, audiences, contacts, events, health, kept, logs, map, people,
    plan, reindex, respond, samples, settings, sign_in, single, sources, tokens, usage, wizard,
};
use crate::app::App;

pub fn all(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", get(async || StatusCode::OK))
        .route("/assets/console.css", get(assets::style))
        .route("/assets/console.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route(sign_in::GO_ON, get(sign_in::carried))
        .route(
            "/sign-in/{link}",
            get(sign_in::link_page).post(sign_in::with_link),
        )
        .route("/sign-in/oidc", get(single::begin))
        .route("/sign-in/oidc/callback", get(single::back))
        .route("/sign-in-links", post(sign_in::make_link))
        .route("/sign-out", post(sign_in::out))
        .route("/theme", post(sign_in::set_theme))
        .route("/", get(accounts::home))
        .route("/accounts", get(accounts::list).post(accounts::find))
        .route("/accounts/{account}", get(accounts::account))
        .merge(of_sources())
        .merge(of_people())
        .merge(of_accounts())
        .fallback(missing)
        .layer(from_fn(respond::around))
        .with_state(app)
}

fn of_sources() -> Router<Arc<App>> {
    const LIST: &str = "/accounts/{account}/sources";
    const ONE: &str = "/accounts/{account}/sources/{source}";
    let below = |name: &str| format!("{ONE}/{name}");
    Router::new()
        .route(LIST, get(sources::list))
        .route(
            "/accounts/{account}/sources/new",
            get(wizard::form).post(wizard::create),
        )
        .route(ONE, get(sources::one))
        .route(&below("waiting"), get(wizard::waiting))
        .route(&below("new-key"), post(wizard::renew))
        .route(&below("samples"), get(samples::list))
        .route(
            &below("settings"),
            get(sources::settings).post(sources::change),
        )
        .route(&below("map"), get(map::map).post(map::change))
        .route(
            &below("map/versions"),
            get(map::versions).post(map::restore),
        )
        .route(&below("activities"), get(activities::list))
        .route(&below("activities/add"), get(activities::add))
        .route(
            &below("activities/edit"),
            get(activities::edit).post(activities::change),
        )
        .route(
            &below("activities/unmap"),
            get(activities::unmap_page).post(activities::unmap),
        )
        .route(&below("logs"), get(logs::of_source))
        .route(&below("events"), get(events::recent))
        .route(&below("events/story"), get(events::story))
        .route(&below("kept"), get(kept::list))
        .route(&below("kept/replay"), get(kept::preview).post(kept::start))
        .route(
            &below("replays/{replay}"),
            get(kept::progress).post(kept::steer),
        )
}

fn of_people() -> Router<Arc<App>> {
    const ONE: &str = "/accounts/{account}/contacts/{contact}";
    let below = |name: &str| format!("{ONE}/{name}");
    Router::new()
        .route(
            "/accounts/{account}/contacts",
            get(contacts::list).post(contacts::search),
        )
        .route(ONE, get(contacts::one))
        .route(&below("merge"), get(people::merge_form).post(people::merge))
        .route(&below("split"), get(people::split_form).post(people::split))
        .route(
            &below("delete"),
            get(people::delete_form).post(people::delete),
        )
        .route(
            "/accounts/{account}/deletions/{deletion}",
            get(people::deletion),
        )
        .route(
            "/accounts/{account}/audiences",
            get(audiences::list).post(audiences::change_all),
        )
        .route(
            "/accounts/{account}/audiences/{audience}",
            get(audiences::one).post(audiences::change),
        )
}

fn of_accounts() -> Router<Arc<App>> {
    let below = |name: &str| format!("/accounts/{{account}}/{name}");
    Router::new()
        .route(&below("activities"), get(activities::of_account))
        .route(&below("logs"), get(logs::of_account))
        .route(&below("usage"), get(usage::page).post(usage::resolve))
        .route(
            &below("settings"),
            get(settings::page).post(settings::change),
        )
        .route(
            &below("settings/tokens"),
            get(tokens::list).post(tokens::change),
        )
        .route(&below("settings/changes"), get(settings::changes))
        .route(&below("settings/weir.yaml"), get(settings::download))
        .route(&below("settings/plan"), get(plan::form).post(plan::look))
        .route(&below("reindex"), get(reindex::page))
        .route(&below("health"), get(health::page))
        // Where mails lead.
        .route(&below("alerts"), get(usage::alerts))
}

async fn missing(visit: super::visit::Visit) -> super::failure::Page {
    let says = "this address leads to no page; look in the navigation".to_owned();
    Err(visit
        .failed("", crate::domain::Trouble::Missing { says })
        .await)
}
