//! The admin listener: where it is, who may ask, and what counts as ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{many, one, secret_file};
use crate::admin::{Address, Settings, Token};
use crate::config::addresses::AdminAddress;
use crate::config::error::{Place, Problem};
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::config::value::{Ceiling, Name};

/// For this machine alone: without a token it answers without asking who is there.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Everything about the admin listener, and its address with its place if it has one.
pub(super) fn admin(said: &mut Layers) -> (Settings, Option<(SocketAddr, Place)>) {
    let (address, place) = match said.one(|raw| &raw.admin) {
        Some(Given {
            value: AdminAddress::At(address),
            place,
            ..
        }) => (Address::Asked(address), Some((address, place))),
        Some(Given {
            value: AdminAddress::Off,
            ..
        }) => (Address::Off, None),
        None => (Address::Default(DEFAULT), Some((DEFAULT, Place::Missing("admin")))),
    };
    let token = said.one(|raw| &raw.admin_token_file);
    let hosts = many(said, |raw| &raw.admin_hosts);
    let settings = Settings {
        address,
        token: token.and_then(|file| self::token(file, said)),
        hosts: hosts
            .into_iter()
            .map(|Name(host)| host.to_ascii_lowercase().into())
            .collect(),
        ready_days: one(said, |raw| &raw.ready_days, Ceiling::Off).at(),
    };
    (settings, place)
}

fn token(file: Given<PathBuf>, said: &mut Layers) -> Option<Token> {
    let place = file.place.clone();
    let path = file.path();
    let problem = match secret_file::read(&path) {
        Ok(bytes) => match Token::first_line(&bytes) {
            Ok(token) => return Some(token),
            Err(error) => {
                Problem::new(format!("{} is no token: {error}", path.display())).hint(secret_file::HOW_TO_MAKE_ONE)
            }
        },
        Err(error) => Problem::new(format!("{} cannot be read: {error}", path.display())),
    };
    said.faults.push(problem.at(place));
    None
}
