//! How many tokens a text costs the model that reads it, without its vocabulary.
//!
//! A vocabulary takes megabytes of memory and differs between models. What tools answer is mostly IDs, times, numbers and
//! JSON, whose tokens follow from where letters, digits and signs change. Measured against o200k_base: texts and JSON of all
//! tools come out at 0.95 to 1.4 times their tokens, never less than 0.9 times; words of random letters may cost three times
//! what is counted here, and text in other scripts half of it.

/// About how many tokens `text` has.
#[must_use]
pub fn tokens(text: &str) -> usize {
    let mut counter = Counter::default();
    for char in text.chars() {
        counter.take(char);
    }
    counter.finish()
}

/// What a character does to the tokens around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Start,
    Digit,
    Upper,
    Lower,
    /// Signs that JSON puts between values, several of which are one token.
    Bracket,
    Sign,
    Blank,
    LineEnd,
    Other,
}

impl Class {
    fn of(char: char) -> Self {
        match char {
            '0'..='9' => Class::Digit,
            'A'..='Z' => Class::Upper,
            'a'..='z' => Class::Lower,
            '{' | '}' | '[' | ']' | '"' | ':' | ',' => Class::Bracket,
            ' ' => Class::Blank,
            '\n' => Class::LineEnd,
            char if char.is_ascii() => Class::Sign,
            _ => Class::Other,
        }
    }

    fn is_letter(self) -> bool {
        matches!(self, Class::Upper | Class::Lower)
    }
}

/// Counts run by run: a run is a stretch of characters of one class; capitals and the small letters after them are one.
#[derive(Debug, Default)]
struct Counter {
    total: usize,
    run: Class,
    length: usize,
    /// The class before the run.
    before: Class,
}

impl Counter {
    fn take(&mut self, char: char) {
        let class = Class::of(char);
        match class {
            Class::Other => {
                self.end(class);
                // Letters of other scripts take a token for each byte at the most, and seldom take that many.
                self.total += char.len_utf8() - 1;
            }
            _ if class == self.run && class != Class::LineEnd => self.length += 1,
            Class::Lower if self.run == Class::Upper => {
                self.run = Class::Lower;
                self.length += 1;
            }
            _ => {
                self.end(class);
                self.length = 1;
            }
        }
    }

    /// Counts the run that ends before a character of class `next`, and begins another.
    fn end(&mut self, next: Class) {
        let length = self.length;
        self.total += match self.run {
            Class::Start | Class::Other => 0,
            Class::Digit => length.div_ceil(3),
            Class::Bracket => length.div_ceil(5),
            Class::Sign => (2 * length).div_ceil(3),
            // One blank is a part of the word that follows.
            Class::Blank => usize::from(length > 1),
            Class::LineEnd => 1,
            Class::Upper | Class::Lower => word(length, self.before, next),
        };
        (self.before, self.run, self.length) = (self.run, next, 0);
    }

    fn finish(mut self) -> usize {
        self.end(Class::Start);
        self.total
    }
}

/// The tokens of `length` letters. Between digits, as in an ID, they are no word.
fn word(length: usize, before: Class, after: Class) -> usize {
    let is_among_digits = before == Class::Digit || after == Class::Digit;
    if is_among_digits && length < 6 {
        (3 * length).div_ceil(5)
    } else if before.is_letter() {
        length.div_ceil(2)
    } else {
        length.div_ceil(7)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tiktoken_rs::o200k_base_singleton;

    use super::*;

    fn exact(text: &str) -> usize {
        o200k_base_singleton().encode_ordinary(text).len()
    }

    #[track_caller]
    fn is_between(text: &str, least: f64, most: f64) {
        #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
        let ratio = tokens(text) as f64 / exact(text) as f64;
        assert!((least..=most).contains(&ratio), "{ratio}: {} for {} in {text}", tokens(text), exact(text));
    }

    #[test]
    fn the_committed_schemas_and_the_readme_are_counted_closely() {
        is_between(include_str!("../../../tests/fixtures/schemas.json"), 1.0, 1.4);
        is_between(include_str!("../../../README.md"), 1.0, 1.4);
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("\n"), 1);
    }

    fn id() -> impl Strategy<Value = String> {
        ("(i|vol|vpc|subnet|sg|eni|snap)", "[0-9a-f]{17}").prop_map(|(prefix, hex)| format!("{prefix}-{hex}"))
    }

    fn time() -> impl Strategy<Value = String> {
        "20[2-3][0-9]-(0[1-9]|1[0-2])-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z"
    }

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => id(),
            1 => time(),
            1 => "10\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
            1 => "(running|stopped|t3.large|us-east-1a|web-prod-000123|available|gp3|eu-west-1)",
            1 => "[0-9]{1,12}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn tables_and_rows_cost_no_more_than_a_tenth_above_what_is_counted(
            rows in prop::collection::vec(prop::collection::vec(cell(), 4), 20..40),
        ) {
            let table: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
            is_between(&table.join("\n"), 0.9, 1.5);
            let data: Vec<_> = rows.iter().map(|row| serde_json::json!({"id": row[0], "vpc_id": row[1], "state": row[2], "type": row[3]})).collect();
            is_between(&serde_json::Value::from(data).to_string(), 0.9, 1.5);
        }

        #[test]
        fn whatever_strangers_write_costs_at_most_four_times_what_is_counted(text in "\\PC{0,300}") {
            prop_assert!(exact(&text) <= 4 * tokens(&text) + 4, "{} {}", exact(&text), tokens(&text));
        }
    }
}
