//! How the processes of one data directory find each other and talk.
//!
//! - [`data_dir`] prepares the directory and names the files in it.
//! - [`lock`] decides which process serves it.
//! - [`socket`] is where the server listens and how clients find it.
//! - [`handshake`] is the first line in each direction: versions, writes, and an [`admin`] request in place of MCP.
//! - [`attach`] gets a client to the server, and starts one where that is wanted.
//! - [`client_count`] tells a server how long nobody has been connected.

pub mod admin;
pub mod attach;
pub mod client_count;
pub mod data_dir;
pub mod handshake;
pub mod lock;
pub mod socket;
