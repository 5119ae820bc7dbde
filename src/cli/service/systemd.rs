//! A user unit of systemd.

use std::path::{Path, PathBuf};

use crate::cli::client_config::ServerEntry;
use crate::cli::exit_codes::TAKEN;

/// How long the server may say nothing before systemd starts it again.
const WATCHDOG_SECONDS: u32 = 60;

/// The flags with a file that the server reads again on SIGHUP.
const READ_AGAIN: [&str; 4] = ["--config", "--token-file", "--tls-cert", "--ec2-api-keys"];

/// The unit that runs `server`.
pub(super) fn unit(server: &ServerEntry, mark: &str) -> String {
    let mut words = vec![quoted(server.command(), false)];
    words.extend(server.arguments().iter().map(|word| quoted(word, true)));
    let environment: Vec<String> = server
        .environment()
        .iter()
        .map(|(name, value)| format!("Environment={}", quoted(&format!("{name}={value}"), false)))
        .collect();
    // Without a file there is nothing to read again, and SIGHUP ends the server.
    let has_file = server.arguments().iter().any(|word| READ_AGAIN.contains(&word.as_str()));
    let reload = if has_file { "ExecReload=/bin/kill -HUP $MAINPID\n" } else { "" };
    format!(
        "# {mark}; `muster service uninstall` removes it.\n\
         [Unit]\n\
         Description=Muster, the EC2 inventory for MCP clients\n\
         StartLimitIntervalSec=120\n\
         StartLimitBurst=5\n\
         \n\
         [Service]\n\
         Type=notify\n\
         NotifyAccess=main\n\
         ExecStart={}\n\
         {reload}{}\n\
         WatchdogSec={WATCHDOG_SECONDS}\n\
         Restart=on-failure\n\
         RestartPreventExitStatus={TAKEN}\n\
         RestartSec=5\n\
         TimeoutStopSec=30\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" "),
        environment.join("\n")
    )
}

/// Whether systemd runs a program at `path`, however it is quoted.
pub(super) fn can_run(path: &str) -> bool {
    !path.chars().any(|letter| letter.is_control() || ['"', '\'', '\\'].contains(&letter))
}

/// The link that `systemctl --user enable` made for the unit at `path`.
pub(super) fn wanted(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.join("default.target.wants").join(path.file_name()?))
}

/// Quotes a word for a unit: systemd reads `%` as a specifier, and in arguments `$` as a variable.
fn quoted(word: &str, is_argument: bool) -> String {
    let mut out = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '%' => out.push_str("%%"),
            '$' if is_argument => out.push_str("$$"),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    out.extend(format!("\\x{byte:02x}").chars());
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_is_read_as_something_else() {
        assert_eq!(quoted("/opt/my dir/100%/muster", false), "\"/opt/my dir/100%%/muster\"");
        assert_eq!(quoted("a\"b\\c$HOME\n", true), "\"a\\\"b\\\\c$$HOME\\x0a\"");
        assert_eq!(quoted("$x", false), "\"$x\"");
    }

    #[test]
    fn a_program_that_systemd_refuses_is_known_before() {
        assert!(can_run("/opt/100% my $bin/muster"));
        for path in ["/opt/my \"bin\"/muster", "/opt/it's/muster", "/opt/a\\b/muster", "/opt/a\nb/muster"] {
            assert!(!can_run(path), "{path}");
        }
    }

    #[test]
    fn the_link_of_a_unit_lies_beside_it() {
        let link = wanted(Path::new("/h/.config/systemd/user/muster.service")).unwrap();
        assert_eq!(link, Path::new("/h/.config/systemd/user/default.target.wants/muster.service"));
    }
}
