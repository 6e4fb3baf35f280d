//! One process takes the place of another without a connection being refused.
//!
//! The running process starts its successor and passes it every listening socket, the very same ones: the kernel resets
//! what waits in the queue of a socket that is closed, so that binding again beside the old sockets would lose clients. When
//! the successor serves, the two agree on who is in charge, and the older one drains.
//!
//! ```text
//! predecessor                                successor
//!   starts it, its end of a socket pair as its standard input
//!   "sandboxed", where it is               ->  keeps its sandbox
//!   "socket NAME" + descriptor, for each  ->  keeps them for the listeners that are configured
//!   "start"                               ->  loads certificates, listens, serves
//!                                         <-  "serving"
//!   tells the service manager             
//!   "yours"                               ->  tells the service manager that it is ready
//!   drains and ends
//! ```
//!
//! Where the successor ends before it serves, nothing has happened to the predecessor.

mod channel;
mod inheritance;
mod upgrade;

pub use self::inheritance::Inheritance;
pub(super) use self::inheritance::Predecessor;
pub(super) use self::upgrade::{Successor, Upgrade};

/// Which process it was that started this one, to hand over to it: its id. So that nothing else that inherits the
/// variable takes its standard input for a channel.
const VARIABLE: &str = "FULLCHAIN_HANDOVER";

/// What the name of the admin listener's socket begins with; other names are the proxy's.
const ADMIN: &str = "admin ";

/// The word for a successor that is in a sandbox already: it inherits that of its predecessor, and the kernel puts at most
/// sixteen of them into one another.
const SANDBOXED: &str = "sandboxed";

/// A listening socket with its name.
type Named = (String, std::os::fd::OwnedFd);
