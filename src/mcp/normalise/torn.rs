//! Finds the ids of requests in bytes that are not valid JSON.

use serde_json::Value;

/// The most requests that are searched for in one line.
const MAX_REQUESTS: usize = 64;

/// The ids of the top-level objects that have a method, as far as they can be read.
///
/// It looks at brackets and strings only, so a surplus comma, an incomplete escape or bytes that are not UTF-8 do not matter
/// unless they are in the id.
pub(super) fn ids(bytes: &[u8]) -> Vec<Value> {
    let mut found = Vec::new();
    let mut seen = ObjectScan::default();
    let mut depth = 0_usize;
    // The last string at the top level of an object, and the key before a colon.
    let (mut text, mut key): (&[u8], &[u8]) = (b"", b"");
    let mut rest = bytes;
    while let (Some((first, after)), true) = (rest.split_first(), found.len() < MAX_REQUESTS) {
        match first {
            b'"' => {
                let length = string(rest);
                text = rest.get(..length).unwrap_or(rest);
                rest = rest.get(length..).unwrap_or_default();
                if depth == 1 {
                    seen.value(key, text);
                }
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                key = b"";
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend(std::mem::take(&mut seen).id());
                }
            }
            b':' if depth == 1 => {
                key = text;
                seen.member(key);
            }
            b',' if depth == 1 => key = b"",
            b'-' | b'0'..=b'9' if depth == 1 => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                seen.value(key, rest.get(..length).unwrap_or_default());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            _ => {}
        }
        rest = after;
    }
    found.extend(seen.id());
    found
}

/// The length of the string that the bytes begin with, including its quotes.
fn string(bytes: &[u8]) -> usize {
    let mut is_escaped = false;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// What a scan has found of one object.
#[derive(Default)]
struct ObjectScan {
    id: Option<Value>,
    has_method: bool,
    is_response: bool,
}

impl ObjectScan {
    fn member(&mut self, key: &[u8]) {
        self.has_method |= key == b"\"method\"";
        self.is_response |= key == b"\"result\"" || key == b"\"error\"";
    }

    fn value(&mut self, key: &[u8], value: &[u8]) {
        if key == b"\"id\"" && self.id.is_none() {
            self.id = serde_json::from_slice(value).ok();
        }
    }

    fn id(self) -> Option<Value> {
        self.id.filter(|_| self.has_method && !self.is_response)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_id_is_seen_around_what_is_broken() {
        for (line, expected) in [
            (br#"{"id":7,"method":"ping","params":{"a":"\ud83d"}}"#.as_slice(), vec![json!(7)]),
            (br#"{"method":"ping","id":"seven",}"#, vec![json!("seven")]),
            (br#"{"id": -3 ,"method":"ping""#, vec![json!(-3)]),
            (br#"{"method":"ping","params":{"id":9},"id":7,,}"#, vec![json!(7)]),
            (b"{\"id\":7,\"method\":\"\xff\"}", vec![json!(7)]),
            (br#"{"id":1,"method":"a"}{"id":2,"method":"b"}"#, vec![json!(1), json!(2)]),
            (br#"{"id":1,"method":"a"} trailing"#, vec![json!(1)]),
        ] {
            assert_eq!(ids(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_is_no_request_or_has_no_readable_id_has_none() {
        for line in [
            br#"{"id":7,"result":{},}"#.as_slice(),
            br#"{"id":7,"error":{"method":"x"},}"#,
            br#"{"method":"notifications/initialized",}"#,
            br#"{"id":"\ud83d","method":"ping"}"#,
            br#"{"id":{"id":7},"method":"ping",}"#,
            br#"{"id":1e999,"method":"ping"}"#,
            br#"{"params":{"id":7,"method":"x"},}"#,
            b"",
            b"\0\0\0",
            b"GET / HTTP/1.1\r\n",
        ] {
            assert_eq!(ids(line), Vec::<Value>::new(), "{}", String::from_utf8_lossy(line));
        }
    }

    proptest! {
        #[test]
        fn the_id_is_seen_wherever_a_request_is_cut_off_after_it(
            id in prop_oneof![any::<i64>().prop_map(Value::from), ".{0,12}".prop_map(Value::from)],
            text in ".{0,20}",
            cut in 0..100_usize,
        ) {
            let whole = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"x": text, "id": 5}}).to_string();
            let head = whole.find(",\"params\"").unwrap();
            let cut = head + cut % (whole.len() - head);
            prop_assert_eq!(ids(&whole.as_bytes()[..cut]), vec![id]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            ids(&bytes);
        }
    }
}
