//! What commands print about the process of a server.

use crate::connection::server_facts::ServerFacts;
use crate::model::shell_word::command_line;
use crate::model::text::shown;

/// The longest command line that is shown.
const LONGEST: usize = 2_000;

/// Which process it is, of which version, and who started it.
pub(super) fn whole(facts: &ServerFacts) -> String {
    let ServerFacts { pid, version, started_by, .. } = facts;
    format!("process {pid}, muster {}, {started_by}", shown(version, 40))
}

/// How many MCP clients are connected to the socket.
pub(super) fn clients(count: usize) -> String {
    match count {
        0 => "no MCP client was connected to its socket".to_owned(),
        1 => "1 MCP client was connected to its socket".to_owned(),
        count => format!("{count} MCP clients were connected to its socket"),
    }
}

/// The command that started it.
pub(super) fn command(facts: &ServerFacts) -> String {
    let program = facts.program.to_string_lossy();
    let words = facts.arguments.iter().flatten().map(String::as_str);
    shown(&command_line([program.as_ref()].into_iter().chain(words)), LONGEST)
}
