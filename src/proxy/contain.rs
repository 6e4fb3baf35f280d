//! A panic ends one task, is logged, and nothing else.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::peer::Peer;

/// Spawns `future` on this worker. `peer` is the client for whose sake it runs, where there is one.
pub(super) fn spawn(peer: Option<Peer>, future: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(contain(peer, future));
}

async fn contain(peer: Option<Peer>, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|context| {
        // Unwind safety: the future is not polled again, and what it shares with others are cells that are set in one
        // go.
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or_else(|payload| {
            let peer = peer.map(tracing::field::display);
            tracing::error!(peer, panic = message(&*payload), "a task panicked and was ended");
            Poll::Ready(())
        })
    })
    .await;
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_reach_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(contain(None, async { panic!("on purpose") }));
    }

    #[test]
    fn the_message_is_found_in_either_form() {
        assert_eq!(message(&"text"), "text");
        assert_eq!(message(&"owned".to_owned()), "owned");
        assert_eq!(message(&1), "");
    }
}
