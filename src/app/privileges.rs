//! What the process may no longer do once its addresses are bound: be root, and leave its memory to others.

use std::ffi::CString;
use std::io;

use nix::unistd::{Group, User, initgroups, setgid, setuid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getegid, geteuid, set_dumpable_behavior, setrlimit};

use crate::config::Account;

/// Why the process cannot be somebody else.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// There is no such user.
    #[error("there is no user {0}")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group {0}")]
    NoGroup(String),
    /// Somebody else than root was to become another.
    #[error("only root can become {name}; this process runs as uid {uid}: leave `user` out, or start it as root")]
    NotRoot {
        /// Who it was to become.
        name: String,
        /// Who it is.
        uid: u32,
    },
    /// The operating system refuses.
    #[error("cannot become {name}: {source}")]
    Refused {
        /// Who it was to become.
        name: String,
        /// What it says.
        source: io::Error,
    },
}

/// Becomes the user and group of `account`, every thread of the process, for good. To be called once the ports that take
/// privileges are bound.
///
/// # Errors
///
/// [`PrivilegeError`]; a successor, which is who it is to become already, is none.
pub(super) fn become_account(account: &Account) -> Result<(), PrivilegeError> {
    let refused = |source: nix::Error| PrivilegeError::Refused {
        name: account.user.clone(),
        source: source.into(),
    };
    let user = user(&account.user).map_err(refused)?;
    let user = user.ok_or_else(|| PrivilegeError::NoUser(account.user.clone()))?;
    let group = match &account.group {
        None => user.gid,
        Some(name) => {
            let group = group(name).map_err(refused)?;
            group.ok_or_else(|| PrivilegeError::NoGroup(name.clone()))?.gid
        }
    };
    if geteuid().as_raw() == user.uid.as_raw() && getegid().as_raw() == group.as_raw() {
        return Ok(());
    }
    if !geteuid().is_root() {
        return Err(PrivilegeError::NotRoot {
            name: account.user.clone(),
            uid: geteuid().as_raw(),
        });
    }
    let name = CString::new(user.name).map_err(|_| PrivilegeError::NoUser(account.user.clone()))?;
    // In this order: whoever is no longer root cannot change groups. The C library takes every thread along.
    initgroups(&name, group).map_err(refused)?;
    setgid(group).map_err(refused)?;
    setuid(user.uid).map_err(refused)?;
    tracing::info!(
        user = account.user,
        uid = user.uid.as_raw(),
        gid = group.as_raw(),
        "no longer root"
    );
    Ok(())
}

fn user(name: &str) -> nix::Result<Option<User>> {
    match name.parse::<u32>() {
        Ok(id) => User::from_uid(id.into()),
        Err(_) => User::from_name(name),
    }
}

fn group(name: &str) -> nix::Result<Option<Group>> {
    match name.parse::<u32>() {
        Ok(id) => Group::from_gid(id.into()),
        Err(_) => Group::from_name(name),
    }
}

/// Says that a process that speaks with strangers need not be root.
pub(super) fn warn_if_root() {
    if geteuid().is_root() {
        tracing::warn!(
            "running as root, which nothing here needs: set `user`, or start it as another user, by systemd for example; \
             ports below 1024 are then for CAP_NET_BIND_SERVICE, a socket of systemd, or net.ipv4.ip_unprivileged_port_start"
        );
    }
}

/// Keeps keys out of core dumps, and the memory of the process from other processes of the same user. Where that is
/// refused, it stays as it was.
pub(super) fn forbid_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = setrlimit(Resource::Core, none);
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    for error in [limited.err(), hidden.err()].into_iter().flatten() {
        tracing::warn!(%error, "core dumps are not turned off");
    }
}
