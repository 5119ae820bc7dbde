//! An agent of launchd.

use std::path::Path;

use crate::cli::client_config::ServerEntry;

/// The name by which launchd knows the service `name`.
pub(super) fn label(name: &str) -> String {
    format!("muster.{name}")
}

/// The property list that runs `server`.
pub(super) fn agent(server: &ServerEntry, name: &str, home: &Path, mark: &str) -> String {
    let words = [server.command()].into_iter().chain(server.arguments().iter().map(String::as_str));
    let words: Vec<String> = words.map(|word| format!("\t\t{}", text(word))).collect();
    let environment = server.environment().iter();
    let environment: Vec<String> =
        environment.map(|(name, value)| format!("\t\t<key>{}</key>\n\t\t{}", escaped(name), text(value))).collect();
    let log = home.join("Library/Logs").join(format!("{}.log", label(name)));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {mark}; `muster service uninstall` removes it. -->\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \t<key>Label</key>\n\
         \t{}\n\
         \t<key>ProgramArguments</key>\n\
         \t<array>\n\
         {}\n\
         \t</array>\n\
         \t<key>EnvironmentVariables</key>\n\
         \t<dict>\n\
         {}\n\
         \t</dict>\n\
         \t<key>RunAtLoad</key>\n\
         \t<true/>\n\
         \t<key>KeepAlive</key>\n\
         \t<dict>\n\
         \t\t<key>SuccessfulExit</key>\n\
         \t\t<false/>\n\
         \t</dict>\n\
         \t<key>StandardErrorPath</key>\n\
         \t{}\n\
         </dict>\n\
         </plist>\n",
        text(&label(name)),
        words.join("\n"),
        environment.join("\n"),
        text(&log.to_string_lossy())
    )
}

fn text(word: &str) -> String {
    format!("<string>{}</string>", escaped(word))
}

/// Escapes text for XML, which has no form for other control characters.
fn escaped(word: &str) -> String {
    let mut out = String::new();
    for letter in word.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push_str("&#10;"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
