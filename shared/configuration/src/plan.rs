//! Both ways: what a file would change, and the file that says what stands.
//!
//! `state` is what stands, `load` reads it from the services, `planner` compares it with a checked
//! file (pure), `render` shows the plan, `export` writes a file.

pub mod export;
pub mod load;
pub mod planner;
pub mod render;
pub mod state;

pub use export::yaml;
pub use load::{Peer, Reader, has_contacts};
pub use planner::{Change, Plan, Standing, plan};

/// What can't be applied, as lines with the file's name; empty where all of it can.
pub fn faults(plan: &Plan, file: &str) -> String {
    let faults = plan.faults.iter();
    let lines = faults.map(|fault| format!("{file}:{}: {}", fault.line, fault.message));
    lines.collect::<Vec<_>>().join("\n")
}
