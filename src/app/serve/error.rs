//! Why there is no server, or no longer one.

use std::io;

use super::doors::DoorError;
use super::ownership::TakenDirectory;
use crate::app::ec2_keys::Ec2KeysError;
use crate::app::engine::StartError;
use crate::app::tls_files::TlsError;
use crate::connection::data_dir::DataDirError;
use crate::connection::lock::LockError;
use crate::connection::socket::SocketError;
use crate::mcp::auth::token_file::TokenFileError;

/// Why there is no server, or no longer one.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory is not usable.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// It cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another server serves it, and goes on.
    #[error(transparent)]
    Taken(TakenDirectory),
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// It cannot listen where it should.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The certificate of HTTP cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of the keys of EC2's read API is not usable.
    #[error(transparent)]
    Ec2Keys(#[from] Ec2KeysError),
    /// The file of tokens is not usable.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The store is not usable.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The writer ended by itself.
    #[error("the writer failed by a fault of Muster: report it with the log; everything acknowledged is stored")]
    Writer,
    /// The system refused a signal handler.
    #[error("cannot listen for signals: the system refuses a handler")]
    Signals(#[source] io::Error),
}

impl ServerError {
    /// Whether it keeps a server from starting to serve.
    #[must_use]
    pub fn is_before_serving(&self) -> bool {
        match self {
            ServerError::Directory(_)
            | ServerError::Lock(_)
            | ServerError::Taken(_)
            | ServerError::Socket(_)
            | ServerError::Door(_)
            | ServerError::Tls(_)
            | ServerError::Ec2Keys(_)
            | ServerError::Tokens(_)
            | ServerError::Signals(_) => true,
            ServerError::Start(_) | ServerError::Writer => false,
        }
    }
}
