//! Disk -> snapshot.
//!
//! Two phases: [`Survey`] and what follows it may fail and touch nothing; then one store makes the result visible.
//! The snapshot before it is the last-good state, so there is no second copy to keep in step.

mod akin;
mod client_auth;
mod clock;
mod departures;
mod endings;
mod error;
mod guard;
mod handle;
mod history;
mod judge;
mod lack;
mod metrics;
mod naming;
mod prepare;
mod publish;
mod read;
mod reason;
mod repair;
mod report;
mod served;
mod serving;
mod settings;
mod stapled;
mod staples;
mod survey;
mod surveyor;
mod task;
mod tickets;
mod trust_endings;
mod watch;

pub use client_auth::{ClientAuth, ClientAuthSettings, PolicyInForce};
pub use clock::Clock;
pub use endings::is_near;
pub use error::{Error, Unservable};
pub use handle::{Handle, Outcome};
pub use history::{Cause, History, Record};
pub use lack::Lack;
pub use metrics::Metrics;
pub use served::{Generation, Served};
pub use settings::{Commit, Plan, Reconfiguration, Settings};
pub use stapled::Stapled;
pub use survey::{Prospect, Survey};
pub use surveyor::Surveyor;
pub use task::{Reconfigure, Task};
pub use tickets::{TicketKeyInForce, TicketKeys, TicketsInForce};
