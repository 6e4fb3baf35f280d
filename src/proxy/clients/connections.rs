//! Concurrent connections of each client.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::TooManyConnections;
use super::address::ClientAddress;
use super::shards::Shards;

/// Concurrent connections of each client that has any.
#[derive(Debug)]
pub(super) struct Connections {
    most: NonZeroUsize,
    open: Arc<Shards<usize>>,
}

/// One connection among those of its client, until dropped.
#[derive(Debug)]
pub(in crate::proxy) struct Place {
    open: Arc<Shards<usize>>,
    client: ClientAddress,
}

impl Connections {
    /// No connections yet, and `most` for each client.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// The same connections, and `most` for each client. Whoever has more keeps them.
    pub(super) fn with(&self, most: NonZeroUsize) -> Self {
        Self {
            most,
            open: Arc::clone(&self.open),
        }
    }

    /// How many each client may have.
    pub(super) fn most(&self) -> NonZeroUsize {
        self.most
    }

    /// Counts one more.
    pub(super) fn enter(&self, client: ClientAddress) -> Result<Place, TooManyConnections> {
        let mut open = self.open.of(client);
        let count = open.entry(client).or_default();
        // The first is always let in, so that no empty entry is left behind.
        if *count >= self.most.get() {
            return Err(TooManyConnections(self.most));
        }
        *count += 1;
        Ok(Place {
            open: Arc::clone(&self.open),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.of(self.client);
        match open.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_client_gets_as_many_places_as_it_may_and_others_get_theirs() {
        let connections = Connections::new(NonZeroUsize::new(2).unwrap());
        let (one, other) = (client(1), client(2));
        let first = connections.enter(one).unwrap();
        let _second = connections.enter(one).unwrap();
        assert_eq!(
            connections.enter(one).unwrap_err().to_string(),
            "the client has 2 connections already"
        );
        let _others = connections.enter(other).unwrap();
        drop(first);
        let _third = connections.enter(one).unwrap();
        assert!(connections.enter(one).is_err());
    }

    #[test]
    fn nothing_is_kept_of_a_client_that_left() {
        let connections = Arc::new(Connections::new(NonZeroUsize::MIN));
        let place = connections.enter(client(1)).unwrap();
        assert!(connections.enter(client(1)).is_err());
        drop(place);
        assert!(connections.open.of(client(1)).is_empty());
    }

    fn client(last: u8) -> ClientAddress {
        ClientAddress::of(IpAddr::from([192, 0, 2, last]))
    }
}
