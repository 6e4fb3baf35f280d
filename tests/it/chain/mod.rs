//! Chain assembly, one file a topic.

mod constraints;
mod cross_signed;
mod forecast;
mod key_ids;
mod limbo;
mod missing;
mod order;
mod random_graph;
mod review;
mod time;
mod trail;
mod traps;
