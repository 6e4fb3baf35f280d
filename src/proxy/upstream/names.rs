//! The addresses of a server's name, kept up in the background.
//!
//! getaddrinfo, which the system's resolver is asked by, tells no time to live. So a name is asked for again after a
//! fixed interval, and as soon as nothing can be connected to under the addresses known: changes of `/etc/hosts` count
//! as those of the DNS do. Once there are addresses, no request waits for the resolver, and they stay in use until there
//! are others: a resolver that fails takes no backend down.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::connect::ConnectError;
use crate::proxy::contain;
use crate::telemetry::Causes;

/// How often a name is asked for at most: a backend that is down must not become a load on the resolver.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The addresses of a name.
#[derive(Debug)]
pub(super) struct Names {
    known: watch::Receiver<Known>,
    wanted: Rc<Notify>,
    turn: Cell<usize>,
}

/// What the resolver said so far.
#[derive(Clone, Debug, Default)]
struct Known {
    /// How often it has answered.
    answers: u64,
    /// The last that were good.
    addresses: Vec<SocketAddr>,
    /// Why there are none since when.
    failure: Option<(Instant, ConnectError)>,
}

impl Names {
    /// Asks `lookup` for `name` now, every `interval`, and when [`refresh`](Self::refresh) says so, until dropped.
    pub(super) fn follow<F>(name: Rc<str>, interval: Duration, lookup: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + 'static,
    {
        let (sender, known) = watch::channel(Known::default());
        let wanted = Rc::new(Notify::new());
        let asked = Rc::clone(&wanted);
        contain::spawn(None, async move {
            loop {
                let answer = lookup().await;
                let asked_at = Instant::now();
                sender.send_modify(|known| known.learn(&name, answer, asked_at));
                let next = async {
                    tokio::select! {
                        () = tokio::time::sleep(interval) => {}
                        () = asked.notified() => tokio::time::sleep_until(asked_at + SHORTEST_INTERVAL.min(interval)).await,
                    }
                };
                tokio::select! {
                    () = next => {}
                    () = sender.closed() => return,
                }
            }
        });
        Self {
            known,
            wanted,
            turn: Cell::default(),
        }
    }

    /// The addresses, beginning with the one whose turn it is. Waits only where there have never been any.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Resolve`] or [`ConnectError::NoAddress`] where the resolver has none.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let mut known = self.known.clone();
        let seen = {
            let now = known.borrow();
            if !now.addresses.is_empty() {
                return Ok(self.in_turn(&now.addresses));
            }
            // What was heard just now need not be asked for again.
            match &now.failure {
                Some((at, error)) if at.elapsed() < SHORTEST_INTERVAL => return Err(error.clone()),
                _ => now.answers,
            }
        };
        self.refresh();
        // The task ends with the worker's runtime, and this request with it.
        let answered = known.wait_for(|known| known.answers > seen).await;
        let known = answered.map_err(|_| ConnectError::NoAddress)?;
        match &known.failure {
            Some((_, error)) if known.addresses.is_empty() => Err(error.clone()),
            _ => Ok(self.in_turn(&known.addresses)),
        }
    }

    /// Asks soon, since the addresses may be those of yesterday.
    pub(super) fn refresh(&self) {
        self.wanted.notify_one();
    }

    fn in_turn(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let mut addresses = addresses.to_vec();
        if let Some(first) = turn.checked_rem(addresses.len()) {
            addresses.rotate_left(first);
        }
        addresses
    }
}

impl Known {
    fn learn(&mut self, name: &str, answer: io::Result<Vec<SocketAddr>>, at: Instant) {
        self.answers += 1;
        let failure = match answer {
            Ok(mut addresses) if !addresses.is_empty() => {
                // One address may be told once for each kind of socket.
                let mut seen = Vec::new();
                addresses.retain(|address| {
                    let is_new = !seen.contains(address);
                    seen.push(*address);
                    is_new
                });
                self.take(name, addresses);
                return;
            }
            Ok(_) => ConnectError::NoAddress,
            Err(error) => ConnectError::Resolve(Arc::new(error)),
        };
        if self.failure.is_none() && !self.addresses.is_empty() {
            tracing::warn!(name, error = %Causes(&failure), "a server's name does not resolve any more: its last addresses stay in use");
        }
        self.failure = Some((at, failure));
    }

    fn take(&mut self, name: &str, addresses: Vec<SocketAddr>) {
        self.failure = None;
        let is_known = |address| self.addresses.contains(address);
        // Resolvers shuffle.
        let is_same = addresses.len() == self.addresses.len() && addresses.iter().all(is_known);
        if is_same {
            return;
        }
        if !self.addresses.is_empty() {
            tracing::info!(name, ?addresses, "a server's name has other addresses");
        }
        self.addresses = addresses;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    /// A resolver whose answer a test changes.
    #[derive(Clone, Default)]
    struct Resolver {
        answer: Rc<RefCell<Option<Vec<SocketAddr>>>>,
        asked: Rc<Cell<usize>>,
    }

    impl Resolver {
        fn names(&self, interval: Duration) -> Names {
            let resolver = self.clone();
            Names::follow("backend".into(), interval, move || {
                let resolver = resolver.clone();
                async move {
                    resolver.asked.set(resolver.asked.get() + 1);
                    let answer = resolver.answer.borrow().clone();
                    answer.ok_or_else(|| io::Error::other("no such name"))
                }
            })
        }

        fn says(&self, ports: &[u16]) {
            let addresses = ports.iter().map(|port| SocketAddr::from(([192, 0, 2, 1], *port)));
            *self.answer.borrow_mut() = Some(addresses.collect());
        }

        async fn is_asked_again(&self) {
            let before = self.asked.get();
            while self.asked.get() == before {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn addresses_take_turns() {
        run(async {
            let resolver = Resolver::default();
            resolver.says(&[1, 2, 2]);
            let names = resolver.names(LONG);
            assert_eq!(ports(&names).await.unwrap(), [1, 2]);
            assert_eq!(ports(&names).await.unwrap(), [2, 1]);
            assert_eq!(ports(&names).await.unwrap(), [1, 2]);
        });
    }

    #[test]
    fn a_name_is_asked_for_again_after_the_interval() {
        run(async {
            let resolver = Resolver::default();
            resolver.says(&[1]);
            let names = resolver.names(Duration::from_millis(1));
            assert_eq!(ports(&names).await.unwrap(), [1]);
            resolver.says(&[2]);
            resolver.is_asked_again().await;
            assert_eq!(ports(&names).await.unwrap(), [2]);
        });
    }

    #[test]
    fn the_last_good_addresses_stay_while_the_resolver_fails() {
        run(async {
            let resolver = Resolver::default();
            resolver.says(&[1]);
            let names = resolver.names(Duration::from_millis(1));
            assert_eq!(ports(&names).await.unwrap(), [1]);
            for answer in [None, Some(Vec::new())] {
                *resolver.answer.borrow_mut() = answer;
                resolver.is_asked_again().await;
                assert_eq!(ports(&names).await.unwrap(), [1]);
            }
        });
    }

    #[test]
    fn a_resolver_that_does_not_answer_holds_up_nobody_who_has_addresses() {
        run(async {
            let slow = Rc::new(Cell::new(false));
            let is_slow = Rc::clone(&slow);
            let names = Names::follow("backend".into(), Duration::from_millis(1), move || {
                let is_slow = is_slow.replace(true);
                async move {
                    if is_slow {
                        std::future::pending::<()>().await;
                    }
                    Ok(vec![SocketAddr::from(([192, 0, 2, 1], 1))])
                }
            });
            assert_eq!(ports(&names).await.unwrap(), [1]);
            names.refresh();
            assert_eq!(ports(&names).await.unwrap(), [1]);
        });
    }

    #[test]
    fn a_name_that_comes_later_is_found_by_the_request_that_needs_it() {
        run(async {
            let resolver = Resolver::default();
            let names = resolver.names(LONG);
            assert!(matches!(ports(&names).await, Err(ConnectError::Resolve(_))));
            resolver.says(&[1]);
            // It is not asked for more often than once a second.
            assert!(ports(&names).await.is_err());
            while ports(&names).await.is_err() {
                tokio::time::advance(Duration::from_millis(100)).await;
            }
            assert_eq!(ports(&names).await.unwrap(), [1]);
        });
    }

    const LONG: Duration = Duration::from_secs(3600);

    async fn ports(names: &Names) -> Result<Vec<u16>, ConnectError> {
        let addresses = names.addresses().await?;
        Ok(addresses.iter().map(SocketAddr::port).collect())
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(test);
    }
}
