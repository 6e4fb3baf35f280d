//! How a connection to a client ends.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// How long a client may take to read the end and close: nginx' `lingering_timeout`.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// Says the end (close_notify and FIN) and waits a moment for the client's: closing with bytes unread would send a
/// reset, which makes clients forget the response they have not read yet.
pub(super) async fn end<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let say_and_wait = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    // The connection is over either way.
    let _ = tokio::time::timeout(LINGER, say_and_wait).await;
}
