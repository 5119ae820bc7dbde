//! How the processes of one data directory find each other and talk.
//!
//! - [`data_dir`] prepares the directory and names the files in it.
//! - [`lock`] decides which process serves it.
//! - [`socket`] is where the server listens and how clients find it.
//! - [`handshake`] is the first line in each direction: versions, writes, flags, and an [`admin`] request in place of MCP.
//! - [`server_facts`] are what a server says of itself, and [`holder`] finds the process of one that says nothing.
//! - [`version`] and [`newest_program`] decide what happens when programs of two versions meet.
//! - [`kept_accounts`] holds what the accounts are called, and why some are no longer watched.
//! - [`kept_roll`] holds the accounts of an organization as AWS named them last.
//! - [`kept_rules`] are the rules for writes that outlast a server which a person started.
//! - [`attach`] gets a client to the server, and starts one where that is wanted.
//! - [`client_count`] tells a server how long nobody has been connected, and [`unfinished_handshakes`] keeps those few that say nothing.

pub mod admin;
pub mod attach;
pub mod client_count;
pub mod data_dir;
pub mod flag_set;
pub mod handshake;
pub mod holder;
mod json_file;
pub mod kept_accounts;
pub mod kept_roll;
pub mod kept_rules;
pub mod key_offer;
pub mod lock;
pub mod newest_program;
pub mod server_facts;
pub mod serving_record;
pub mod socket;
pub mod unfinished_handshakes;
pub mod version;
