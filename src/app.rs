//! The processes: everything that starts tasks, takes locks, listens or starts other processes.
//!
//! - [`serve`] runs the one server of a data directory: its [`listener`] accepts clients while its [`engine`] keeps the store up
//!   to date.
//! - [`access`] says who is let in over HTTP.
//! - [`discovery`] finds the accounts of an organization, and [`reload`] reads the configuration file again.
//! - [`front`] is what MCP clients start; it attaches to that server.
//! - [`client`] asks for commands: the server, or the store where no server runs ([`offline`]).
//! - [`admin`] carries out admin requests: exports, figures, backups.
//! - `ec2_route` answers EC2's own read API.
//! - [`metrics_route`] shows operators what a server does, and `probes` whether it is well.
//! - [`inspection`] looks at a store that may be damaged.
//! - [`demo`] runs a simulated account, a server and a client in one process.

pub mod access;
mod account_names;
pub mod admin;
mod answer_stream;
mod answer_turns;
pub mod client;
#[cfg(feature = "simulator")]
pub mod demo;
mod discovery;
pub mod ec2_keys;
mod ec2_pass;
mod ec2_route;
pub mod engine;
pub mod examination;
pub mod front;
mod http_socket;
pub mod inspection;
mod keys;
pub mod listener;
mod live_look;
pub mod metrics_route;
mod named_place;
pub mod next_server;
mod offered_keys;
pub mod offline;
mod open_files;
mod probes;
mod read_api_door;
mod redaction;
mod references;
pub mod reload;
pub mod reload_report;
pub mod serve;
pub mod server_process;
mod service_manager;
pub mod signals;
pub mod stop_order;
mod timed_part;
pub mod tls_files;
mod turn_body;
mod unready;
