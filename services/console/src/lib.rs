//! The console: pages for the people who set Weir up and look after it.
//!
//! It is made on the server, useful without a script, and owns nothing: what is shown is asked of
//! the other services' gRPC APIs, and what is changed is changed by them, each time with what the
//! person who signed in shows. Who may do what is theirs to say (semantics 9).
//!
//! **Invariant:** no call for a page is made with the console's own rights, nothing is changed by
//! a request of another origin, and no value of an event is in an address, a title or a log.
//!
//! Reading order: [`domain`] (what is shown, drafts, notices), [`clients`] (the services),
//! [`app`] (who is signed in, steps that belong together), [`http`] (routes and pages).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod clients;
pub mod config;
pub mod domain;
pub mod http;
pub mod metrics;

use std::sync::Arc;

use tokio::net::TcpListener;
use weir_service::{Background, Clock, Serving, Shutdown};
use weir_tls::HTTP1;

pub use config::Config;

/// Serves until `shutdown`.
///
/// # Errors
/// A configuration that can't be used, a listener that fails, or a loop that ended or hung.
pub fn serve(config: Config, clock: Clock, listener: TcpListener, shutdown: Shutdown) -> Serving {
    Box::pin(async move {
        metrics::describe();
        let tls = config.tls.enter(&[HTTP1])?;
        let by_certificate = config.tls.shows_certificate();
        let access = config
            .access
            .enter(listener.local_addr()?, &clock, by_certificate)?;
        let seal = app::Seal::of(&config.secrets()?)?;
        let background = Background::new();
        if !access.is_open() {
            let tokens = weir_service::MappingTokens::connect(&config.addresses.mapping)?;
            weir_service::know_tokens(&background, &access, tokens, &clock);
        }
        let app = Arc::new(app::App {
            clients: clients::Clients::connect(&config.addresses)?,
            single: app::Single::of(&config)?,
            sign_in: app::SignIn::new(access, seal, &config)?,
            edge: clients::EdgeDoor::new(config.edge_health_url()),
            glances: app::Glances::default(),
            doors: config.doors(),
            clock,
        });
        let serve = move |until| http::serve(app, listener, tls, until);
        background.serve_by(serve, shutdown).await
    })
}
