//! How the demo looks: one line a step, with what happened and how long it took.

use std::io::{self, Write};
use std::time::Duration;

/// Columns of a line: number, what is done, what came of it, how long it took. Together they fit into 80.
const NAME: usize = 17;
const DETAIL: usize = 46;

/// Tells the steps as they happen. Colours only where the output is a terminal.
pub(super) struct Story<'a> {
    out: &'a mut (dyn Write + Send),
    colours: bool,
    steps: usize,
}

impl<'a> Story<'a> {
    /// Tells to `out`.
    pub(super) fn new(out: &'a mut (dyn Write + Send), colours: bool) -> Self {
        Story { out, colours, steps: 0 }
    }

    /// A paragraph of its own.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}\n")?;
        self.out.flush()
    }

    /// A step that is done.
    pub(super) fn step(&mut self, name: &str, detail: &str, took: Duration) -> io::Result<()> {
        self.steps += 1;
        let name = self.bold(&format!("{name:NAME$}"));
        writeln!(self.out, "{:>2}  {name}  {detail:DETAIL$}  {:>8}", self.steps, shown(took))?;
        self.out.flush()
    }

    /// What the same costs without Muster, below a step that took `ours`.
    pub(super) fn beside(&mut self, detail: &str, took: Duration, ours: Duration) -> io::Result<()> {
        let times = took.as_secs_f64() / ours.as_secs_f64().max(1e-9);
        let times = if times >= 10.0 { format!("{times:.0}") } else { format!("{times:.1}") };
        let detail = self.dim(&format!("{:DETAIL$}", format!("{detail}, {times} x as long")));
        writeln!(self.out, "    {:NAME$}  {detail}  {:>8}", "", shown(took))?;
        self.out.flush()
    }

    fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.styled("2", text)
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// So many of something: 1 page, 2,000 pages.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// The middle one, so that one slow answer does not count.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A time with about two digits, in the unit that suits it.
pub(super) fn shown(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1000.0;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.2} s", millis / 1000.0)
    }
}

/// A number with commas: 2,000.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && at % 3 == first {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([1, 999, 1000, 12_345, 1_234_567].map(grouped), ["1", "999", "1,000", "12,345", "1,234,567"]);
        let times = [400, 9_999, 41_000, 1_900_000].map(|micros| shown(Duration::from_micros(micros)));
        assert_eq!(times, ["0.40 ms", "10.00 ms", "41 ms", "1.90 s"]);
    }

    #[test]
    fn without_a_terminal_there_are_no_colour_codes() {
        let mut out = Vec::new();
        let mut story = Story::new(&mut out, false);
        story.step("read", "it is there", Duration::from_millis(1)).unwrap();
        story.beside("from AWS", Duration::from_millis(40), Duration::from_millis(2)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("20 x as long"), "{text}");
    }
}
