//! Opens connections to one server, and knows those that are shared.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::connect::{ConnectError, Target};
use super::connection::Connection;
use super::dialect::Dialect;
use super::introduction::Introduction;
use super::received::Received;
use super::room::{Place, Room};
use super::sockets::Sockets;
use super::streams::{self, Opening, Shared, Streams};
use crate::proxy::metrics::ServerMetrics;
use crate::proxy::settings::{self, BackendTimeouts, HttpVersion, ProxyProtocol, ServerAddress};
use crate::proxy::stream::Stream;
use crate::telemetry::metrics::Raised;
use crate::tls::{ApplicationProtocol, Connector};

/// Opens connections to one server.
#[derive(Debug)]
pub(super) struct Opener {
    target: Target,
    http: HttpVersion,
    proxy_protocol: Option<ProxyProtocol>,
    dialect: Rc<Dialect>,
    timeouts: BackendTimeouts,
    room: Rc<Room>,
    /// Where the connections to the server are limited.
    sockets: Option<Arc<Sockets>>,
    metrics: Arc<ServerMetrics>,
    streams: Rc<Streams>,
    opening: Opening,
    /// What ALPN chose last, where it has a choice.
    chosen: Cell<Option<ApplicationProtocol>>,
    /// Where a connection that turns out to be HTTP/1 goes, for the first who waited for it: those who wait keep it.
    unshared: RefCell<Weak<Unshared>>,
}

type Unshared = RefCell<Option<Connection>>;

enum Opened {
    Http1(Connection),
    Http2(Shared),
}

impl Opener {
    /// Nothing is connected to yet; the server's name, if it has one, is resolved from now on. `sockets` counts
    /// connections to it where those are limited.
    pub(super) fn new(
        address: &ServerAddress,
        backend: &settings::Backend,
        dialect: &Rc<Dialect>,
        connector: Option<&Arc<Connector>>,
        sockets: Option<&Arc<Sockets>>,
        room: &Rc<Room>,
        metrics: &Arc<ServerMetrics>,
    ) -> Self {
        let streams = Rc::new(Streams::new(
            backend.timeouts.idle,
            backend.choice.requests_per_connection,
            metrics,
        ));
        room.enter(&streams);
        Self {
            target: Target::new(address, &backend.protocol, connector),
            http: backend.protocol.http,
            proxy_protocol: backend.protocol.proxy_protocol,
            dialect: Rc::clone(dialect),
            timeouts: backend.timeouts,
            room: Rc::clone(room),
            sockets: sockets.cloned(),
            metrics: Arc::clone(metrics),
            streams,
            opening: Opening::default(),
            chosen: Cell::default(),
            unshared: RefCell::default(),
        }
    }

    /// The connections that are shared.
    pub(super) fn streams(&self) -> &Rc<Streams> {
        &self.streams
    }

    /// A stream on a connection that is there.
    pub(super) fn shared(&self) -> Option<Connection> {
        self.streams.take().map(|stream| self.on(stream))
    }

    /// A new connection, or a stream on one that is opened for all who wait.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] where there is none.
    pub(super) async fn open(self: &Rc<Self>, introduction: Option<Introduction>) -> Result<Connection, ConnectError> {
        if self.may_be_shared() {
            if let Some(connection) = self.shared() {
                return Ok(connection);
            }
            let unshared = self.unshared();
            let opener = Rc::clone(self);
            self.opening
                .opened(|| async move {
                    match opener.connect(None, false).await? {
                        Opened::Http1(connection) => opener.leave(connection),
                        Opened::Http2(connection) => opener.streams.share(connection),
                    }
                    Ok(())
                })
                .await?;
            let unshared = unshared.take();
            if let Some(connection) = unshared.or_else(|| self.shared()) {
                return Ok(connection);
            }
            // The server takes no more streams on that one, or does not speak HTTP/2.
        }
        match self.connect(introduction, false).await? {
            Opened::Http1(connection) => Ok(connection),
            Opened::Http2(connection) => Ok(self.on(self.streams.first(connection))),
        }
    }

    /// A new connection that is never shared: of HTTP/1.1 where the server has a choice, for only there can it be used
    /// again by the same client.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] where there is none.
    pub(super) async fn open_alone(&self, introduction: Option<Introduction>) -> Result<Connection, ConnectError> {
        Ok(match self.connect(introduction, true).await? {
            Opened::Http1(connection) => connection,
            Opened::Http2(connection) => self.on(Rc::new(connection).stream()),
        })
    }

    /// What all who wait now keep together.
    fn unshared(&self) -> Rc<Unshared> {
        let mut known = self.unshared.borrow_mut();
        known.upgrade().unwrap_or_else(|| {
            let unshared = Rc::default();
            *known = Rc::downgrade(&unshared);
            unshared
        })
    }

    /// Leaves a connection of HTTP/1 to the first who waited. Where all have gone, it closes: nobody else looks for it.
    fn leave(&self, connection: Connection) {
        if let Some(unshared) = self.unshared.borrow().upgrade() {
            unshared.replace(Some(connection));
        }
    }

    fn on(&self, stream: streams::Stream) -> Connection {
        Connection::http2(stream, self.timeouts.progress, &self.dialect)
    }

    fn may_be_shared(&self) -> bool {
        match self.http {
            HttpVersion::Http10 | HttpVersion::Http11 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => self.target.is_tls() && self.chosen.get() != Some(ApplicationProtocol::Http1),
        }
    }

    async fn connect(&self, introduction: Option<Introduction>, rather_http1: bool) -> Result<Opened, ConnectError> {
        let opened = self.try_to_connect(introduction, rather_http1).await;
        match &opened {
            Ok(_) => self.metrics.opened.add(1),
            // Nobody was asked.
            Err(ConnectError::NoRoom) => {}
            Err(_) => self.metrics.failed.add(1),
        }
        opened
    }

    async fn try_to_connect(
        &self,
        introduction: Option<Introduction>,
        rather_http1: bool,
    ) -> Result<Opened, ConnectError> {
        let BackendTimeouts { connect, progress, .. } = self.timeouts;
        let at_server = match &self.sockets {
            Some(sockets) => Some(sockets.place(connect).await.ok_or(ConnectError::NoRoom)?),
            None => None,
        };
        let in_process = self.room.place(connect).await.ok_or(ConnectError::NoRoom)?;
        let received = Received::new(Place::new(in_process, at_server));
        let wrap = |socket| Stream::new(socket, received.clone(), progress);
        // Without a word first, such a server understands nothing.
        let introduction = introduction.or_else(|| self.proxy_protocol.map(Introduction::of_nobody));
        let said = introduction.as_ref().map(Introduction::as_bytes);
        let (wire, chosen) = self.target.connect(said, rather_http1, connect, wrap).await?;
        received.opened(Raised::by(&self.metrics, |metrics| &metrics.open));
        if self.http == HttpVersion::Auto && !rather_http1 {
            self.chosen.set(chosen);
        }
        let is_http2 = match self.http {
            HttpVersion::Http2 => true,
            HttpVersion::Auto => chosen == Some(ApplicationProtocol::Http2),
            HttpVersion::Http10 | HttpVersion::Http11 => false,
        };
        if is_http2 {
            let connection = self.streams.open(wire, received, self.target.is_tls()).await?;
            return Ok(Opened::Http2(connection));
        }
        let connection = Connection::http1(wire, received, introduction, &self.dialect).await?;
        Ok(Opened::Http1(connection))
    }
}
