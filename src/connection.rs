//! How the processes of one data directory find each other and talk: the [`lock`], the [`socket`], the [`handshake`] and
//! [`attach`], by which a client gets to the server.

pub mod admin;
pub mod attach;
pub mod clients;
pub mod data_dir;
pub mod handshake;
pub mod lock;
pub mod socket;
