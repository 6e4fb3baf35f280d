//! On which connection a request goes, and which is kept for the client from then on.

use http::Request;

use super::credentials::Credentials;
use super::pins::{Pins, Whose};
use super::{WindowsAuth, offers};
use crate::proxy::body::RequestBody;
use crate::proxy::error::Error;
use crate::proxy::upstream::{Answer, Backend, Brought, Sent, Sharing};

/// Sends a request to `backend` on a connection that suits it and `whose` it is.
///
/// - A request with credentials goes over a connection that nobody else has used or will use.
/// - So does every later request of this client to this backend, whatever it asks for.
/// - Where an offer comes on a connection of the pool, that very connection is the client's from then on: a server may
///   have begun to keep something beside it.
///
/// # Errors
///
/// [`Error`] where no server answers with the head of a response.
pub(in crate::proxy) async fn exchange(
    pins: &Pins,
    mode: WindowsAuth,
    whose: Whose,
    backend: &Backend,
    mut request: Request<RequestBody>,
) -> Result<Answer, Error> {
    let brought = backend.take_off(&mut request);
    if mode == WindowsAuth::Remove {
        Credentials::remove(request.headers_mut());
        let mut answer = backend.send(request, brought, Sharing::Pooled).await?;
        offers::remove(answer.response.headers_mut());
        return Ok(answer);
    }
    let credentials = Credentials::of(request.headers());
    let pin = match credentials {
        None => pins.find(whose),
        Some(_) => Some(pins.find_or_make(whose)),
    };
    let Some(pin) = pin else {
        return anonymous(pins, whose, backend, request, brought).await;
    };
    let limit = backend.first_byte_timeout();
    let turn = pin.turn(limit).await.ok_or(Error::PinTimedOut(limit))?;
    let (turn, request) = match turn.send(request, credentials.is_some()).await {
        Sent::Answered(answer) => return Ok(answer),
        Sent::Failed(error) => return Err(error),
        Sent::Gone(turn, request) => (turn, request),
    };
    match (credentials, turn.begun_with()) {
        // Whoever was authenticated is so no more: this is a request like any other, and the server will ask again.
        (None, _) => {
            drop(turn);
            anonymous(pins, whose, backend, request, brought).await
        }
        // The other half of the handshake has gone with its connection. On another one a server could make nothing of
        // this half but a failed logon, and enough of those lock an account.
        (Some(Credentials::Continuing), Some(server)) => Err(Error::HandshakeLost { server }),
        // Nothing of this has been seen by any server, and it refers to nothing that was said before; or there was no
        // connection before at all, and it is for the server to say what it thinks of that.
        (Some(_), _) => {
            let mut answer = backend.send(request, brought, Sharing::Alone).await?;
            turn.answered(true, answer.response.status());
            answer.lease.pin(turn);
            Ok(answer)
        }
    }
}

/// Sends a request that has no credentials over the pool, and keeps the connection for the client if it turns out to be
/// one that is to be authenticated.
async fn anonymous(
    pins: &Pins,
    whose: Whose,
    backend: &Backend,
    request: Request<RequestBody>,
    brought: Brought,
) -> Result<Answer, Error> {
    let mut answer = backend.send(request, brought, Sharing::Pooled).await?;
    if offers::are_in(answer.response.headers()) {
        match pins.find_or_make(whose).vacant() {
            Some(turn) => answer.lease.pin(turn),
            // The client has one already, for another stream was answered first.
            None => answer.lease.leave_pool(),
        }
    }
    Ok(answer)
}
