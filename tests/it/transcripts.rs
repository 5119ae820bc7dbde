//! Conversations that Muster has to carry, as committed transcripts: each call of a tool with its arguments, and the text that
//! the model reads. They run against a simulated account, and whatever changes in an answer shows as a difference in
//! `tests/fixtures/transcripts`. `UPDATE_TRANSCRIPTS=1 cargo test --test it transcripts` writes them anew; read the difference
//! before it is committed.

mod conversation;
mod impaired_web_server;
mod snapshot_before_restart;
mod stopped_for_a_month;
