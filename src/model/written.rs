//! How times are written: in documents as the AWS CLI prints them, in filters as AWS documents them.
//!
//! Documents have `2026-03-30T15:15:21+00:00`, or `2026-03-30T15:15:21.120000+00:00` if there are fractions of a second. Filters
//! have `2026-03-30T15:15:21.000Z`, always with milliseconds.

use jiff::Timestamp;

/// A time as in documents: as Python's `datetime.isoformat()` prints it in UTC, with microseconds only if there are any. A time
/// outside the calendar keeps its number of seconds.
#[must_use]
pub fn as_document(seconds: i64, nanos: u32) -> String {
    let micros = nanos / 1000;
    match Timestamp::new(seconds, 0) {
        Ok(whole) if micros == 0 => whole.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        Ok(whole) => format!("{}.{micros:06}+00:00", whole.strftime("%Y-%m-%dT%H:%M:%S")),
        Err(_) => seconds.to_string(),
    }
}

/// A document's time as AWS's filters write it; `None` for any other text.
#[must_use]
pub fn as_filter(document: &str) -> Option<String> {
    let at = document.strip_suffix("+00:00")?;
    match at.split_once('.') {
        None => Some(format!("{at}.000Z")),
        Some((second, micros)) => Some(format!("{second}.{}Z", micros.get(..3)?)),
    }
}

/// Both written forms of RFC 3339 text; `None` for other text. The second form is absent if milliseconds cannot hold the time.
#[must_use]
pub fn both(text: &str) -> Option<(String, Option<String>)> {
    let at: Timestamp = text.parse().ok()?;
    // Rounds towards the past, as the calendar does.
    let (seconds, nanos) = (at.as_nanosecond().div_euclid(1_000_000_000), at.as_nanosecond().rem_euclid(1_000_000_000));
    let document = as_document(i64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
    let filter = if nanos % 1_000_000 == 0 { as_filter(&document) } else { None };
    Some((document, filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_aws_cli_prints_them_and_as_filters_write_them() {
        for (seconds, nanos, document, filter) in [
            (1_795_353_310, 0, "2026-11-22T13:15:10+00:00", "2026-11-22T13:15:10.000Z"),
            (1_795_353_310, 120_000_000, "2026-11-22T13:15:10.120000+00:00", "2026-11-22T13:15:10.120Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.500000+00:00", "1969-12-31T23:59:59.500Z"),
        ] {
            assert_eq!(as_document(seconds, nanos), document);
            assert_eq!(as_filter(document).as_deref(), Some(filter));
            assert_eq!(both(filter), Some((document.to_owned(), Some(filter.to_owned()))));
            assert_eq!(both(document), both(filter));
        }
        assert_eq!(as_document(i64::MAX, 0), i64::MAX.to_string());
        assert_eq!(as_filter("running"), None);
        assert_eq!(both("2026-11-22T14:15:10+01:00"), both("2026-11-22T13:15:10Z"));
        assert_eq!(both("2026-11-22"), None);
        assert_eq!(both("2026-11-22T13:15:10.123456Z").unwrap().1, None);
    }
}
