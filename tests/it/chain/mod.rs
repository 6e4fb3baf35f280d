//! Chain assembly, one file a topic.

mod constraints;
mod cross_signed;
mod forecast;
mod key_ids;
mod limbo;
mod missing;
mod order;
mod random_graph;
mod time;
mod trail;
mod traps;
