//! The metrics as a page of help.

use super::metric_spec::MetricSpec;

/// How wide a page of help is.
const WIDTH: usize = 110;

/// The metrics in the order of `specs`, each with its form, its labels and what it says, in lines that fit a page.
pub(super) fn table<'a>(specs: impl Iterator<Item = &'a MetricSpec>) -> String {
    let mut text = String::new();
    for spec in specs {
        let labels = match spec.labels {
            [] => String::new(),
            labels => format!(" by {}", labels.join(", ")),
        };
        let item = format!("`{}`: a {}{labels}. {}.", spec.series(), spec.form.name(), spec.help);
        let mut line = "-".to_owned();
        for word in item.split_whitespace() {
            if line.len() + word.len() + 1 > WIDTH {
                text.push_str(&line);
                text.push('\n');
                " ".clone_into(&mut line);
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
