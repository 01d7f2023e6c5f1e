//! The whole of Weir on one machine: PostgreSQL, Redis and the seven services, under a supervisor
//! that starts again what ends; one way for `./weir up`, for journeys and for measurements.
//! PostgreSQL and Redis may be somebody else's ([`Engines`]).
//!
//! Everything listens on the loopback interface alone, has passwords of its own, and dies
//! with the process that started it, however that ends. Several stacks may run at once.
//!
//! ```no_run
//! use weir_stack::{Service, Stack, StackOptions};
//!
//! # async fn example() -> anyhow::Result<()> {
//! // Seven real processes, whose binaries lie beside the running one, on free ports.
//! let stack = Stack::start(StackOptions::temporary()).await?;
//! let (edge, quota) = (stack.edge_url(), stack.url(Service::Quota));
//! stack.kill9("contact-upsert").await?; // is started again by its supervisor
//! stack.wait_ready("contact-upsert").await?;
//! stack.kill9_and_hold("redis").await?; // stays down
//! stack.start_process("redis").await?;
//! stack.stop().await;
//! # drop((edge, quota));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod install;
mod ports;
mod reach;
mod reached;
mod stack;
mod token;

pub use install::{ensure_installed, install_packages};
pub use ports::{CLASSIC, CONSOLE, PortPlan, USUAL};
pub use reach::Reach;
pub use reached::Reached;
pub use stack::{
    Engines, Instance, Listens, Report, Reporter, Service, Stack, StackFile, StackOptions,
    find_programs, holder, until_ended, until_ready,
};
pub use token::{Channel, Shown};
