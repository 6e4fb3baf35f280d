//! Everything a handshake can see.

use std::sync::Arc;

use rustls::ServerConfig;

/// Everything a handshake can see; immutable.
#[derive(Debug)]
pub struct Snapshot {
    server_config: Arc<ServerConfig>,
}

impl Snapshot {
    /// What rustls is told for each handshake.
    pub fn server_config(&self) -> &Arc<ServerConfig> {
        &self.server_config
    }
}

impl From<ServerConfig> for Snapshot {
    fn from(server_config: ServerConfig) -> Self {
        Self {
            server_config: Arc::new(server_config),
        }
    }
}
