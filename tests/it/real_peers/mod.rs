//! Backends and clients that others wrote, before and behind the real binary.

mod apache;
mod grpc;
mod h2load;
mod nginx;
mod websocket;

use crate::rig::family::Family;
use crate::rig::house::{House, Running};
use crate::rig::peer::Peer;

/// The binary in front of `peer`; `alter` gives it further flags.
fn in_front_of(peer: &Peer, alter: impl FnOnce(House) -> House) -> Running {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--upstream", &format!("http://{}", peer.address));
    alter(house).start()
}
