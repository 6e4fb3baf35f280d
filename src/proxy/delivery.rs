//! How a request's body gets to a backend: as it comes, with its length, on demand, or once more.
//!
//! Streaming is the rule. A body is put aside first where the backend cannot take one of unknown length, which is known
//! from its protocol, or learnt from its answers: from a 411, or from one in HTTP/1.0, to which no chunk may be sent once
//! that is known (RFC 9112 section 6.1). What has been sent of a body of unknown length before a 411 is kept, up to what a
//! spool keeps in memory, so that even that request can be sent again: the backend has told that it refuses the request as
//! it is (RFC 9110 section 15.5.12), and so has not acted on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, Version};

use super::body::{Continue, RequestBody, Spool, Upload, spool};
use super::error::Error;
use super::headers::framing;
use super::upstream::Answer;

/// How request bodies get to a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Which bodies are put aside until all of them is here.
    pub buffering: Buffering,
    /// How they are put aside.
    pub spool: Spool,
    /// What becomes of `Expect: 100-continue`.
    pub expect: Expect,
}

/// Which bodies are put aside until all of them is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buffering {
    /// Those of unknown length for a backend that cannot take them.
    #[default]
    Auto,
    /// All of them.
    On,
    /// None.
    Off,
}

/// What becomes of `Expect: 100-continue`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// It is met here, once there is a connection to the backend, and goes no further.
    #[default]
    Answer,
    /// The backend is asked, and may refuse a body before it is sent.
    Forward,
}

/// What is particular about a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The client waits to be asked for the body.
    pub(super) expects: bool,
    /// The backend's protocol has bodies of unknown length.
    pub(super) takes_chunked: bool,
    /// The body is a channel, which has no end to wait for.
    pub(super) streams: bool,
}

/// Delivers to one backend, for one worker.
#[derive(Debug)]
pub(super) struct Courier {
    backend: Box<str>,
    settings: Delivery,
    learnt: Arc<Learnt>,
}

/// What all workers have learnt of one backend: whether it wants to be told the length of bodies.
#[derive(Debug, Default)]
pub(super) struct Learnt(AtomicBool);

/// The answer to what was delivered.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) answer: Answer,
    /// The body it answers, as it was sent last.
    pub(super) upload: Option<Upload>,
}

impl Courier {
    /// A courier to `backend`, who knows what was `learnt` of it.
    pub(super) fn new(backend: &str, settings: &Delivery, learnt: &Arc<Learnt>) -> Self {
        Self {
            backend: backend.into(),
            settings: settings.clone(),
            learnt: Arc::clone(learnt),
        }
    }

    /// Sends a request by `send`.
    ///
    /// # Errors
    ///
    /// What `send` comes to, or [`Error::RequestBody`] where a body cannot be put aside.
    pub(super) async fn deliver(
        &self,
        head: Parts,
        mut body: RequestBody,
        manner: Manner,
        send: impl AsyncFn(Parts, RequestBody) -> Result<Answer, Error>,
    ) -> Result<Delivered, Error> {
        let Manner {
            expects,
            takes_chunked,
            streams,
        } = manner;
        if !streams && self.spools(&body, takes_chunked) {
            body = self.spool(body).await?;
        }
        // RFC 9110 section 10.1.1: not to HTTP/1.0, which has bodies of known length alone.
        let asks = expects && takes_chunked && self.settings.expect == Expect::Forward;
        let opens = if asks { body.hold() } else { None };
        let asks = opens.is_some();
        let may_want_length = !streams && self.settings.buffering == Buffering::Auto && body.length().is_none();
        let room = match may_want_length {
            true => Some(self.settings.spool.memory),
            // Nothing is sent before it is asked for.
            false => asks.then_some(0),
        };
        let again = room
            .and_then(|room| body.recallable(room))
            .map(|recall| (recall, head.clone()));
        let delivered = pass(head, body, opens, &send).await?;
        self.learn(&delivered.answer);
        let Some((recall, head)) = again else {
            return Ok(delivered);
        };
        match delivered.answer.response.status() {
            StatusCode::LENGTH_REQUIRED if may_want_length => {
                let Some(body) = recall.recall() else {
                    return Ok(delivered);
                };
                drop(delivered);
                pass(head, self.spool(body).await?, None, &send).await
            }
            StatusCode::EXPECTATION_FAILED if asks => {
                let Some(body) = recall.recall() else {
                    return Ok(delivered);
                };
                drop(delivered);
                pass(head, body, None, &send).await
            }
            _ => {
                recall.forget();
                Ok(delivered)
            }
        }
    }

    fn spools(&self, body: &RequestBody, takes_chunked: bool) -> bool {
        match self.settings.buffering {
            Buffering::Auto => body.length().is_none() && (!takes_chunked || self.learnt.wants_lengths()),
            Buffering::On => !body.is_empty(),
            Buffering::Off => false,
        }
    }

    async fn spool(&self, body: RequestBody) -> Result<RequestBody, Error> {
        spool(body, &self.settings.spool).await.map_err(Error::RequestBody)
    }

    fn learn(&self, Answer { response, .. }: &Answer) {
        let reason = match (response.version(), response.status()) {
            _ if self.settings.buffering != Buffering::Auto => return,
            (Version::HTTP_09 | Version::HTTP_10, _) => "it speaks HTTP/1.0",
            // Over HTTP/2 there is always a way to say where a body ends: it is the application that wants to know.
            (Version::HTTP_11, StatusCode::LENGTH_REQUIRED) => "it answers 411",
            _ => return,
        };
        if self.learnt.that_it_wants_lengths() {
            tracing::info!(
                backend = &*self.backend,
                reason,
                "the backend is sent bodies with their length from here on"
            );
        }
    }
}

impl Learnt {
    fn wants_lengths(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether that is news.
    fn that_it_wants_lengths(&self) -> bool {
        // The load keeps what all workers read from being written to with every answer.
        !self.wants_lengths() && !self.0.swap(true, Ordering::Relaxed)
    }
}

async fn pass(
    mut head: Parts,
    body: RequestBody,
    opens: Option<Continue>,
    send: impl AsyncFn(Parts, RequestBody) -> Result<Answer, Error>,
) -> Result<Delivered, Error> {
    framing::set_request(&head.method, &mut head.headers, body.length());
    if let Some(opens) = opens {
        head = ask(head, opens);
    }
    let upload = body.upload();
    let answer = send(head, body).await?;
    Ok(Delivered { answer, upload })
}

/// Puts the client's question to the backend.
fn ask(mut head: Parts, opens: Continue) -> Parts {
    head.headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    // For whoever finds that nothing will be heard.
    head.extensions.insert(opens.clone());
    let mut request = Request::from_parts(head, ());
    hyper::ext::on_informational(&mut request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            opens.open();
        }
    });
    request.into_parts().0
}
