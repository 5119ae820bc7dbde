use proptest::prelude::*;
use rmcp::model::JsonObject;
use serde_json::json;

use super::*;
use crate::mcp::tools::TOOLS;
use crate::mcp::tools::spec::ToolSpec;

/// What a form of an argument has to come to.
enum Comes {
    /// The clean form.
    To(Value),
    /// As good as left out.
    Absent,
    /// An error that names the argument.
    Refused,
}

use Comes::{Absent, Refused, To};

/// The arguments of every tool, with what their schemas declare.
fn every_argument() -> impl Iterator<Item = (&'static ToolSpec, String, ArgumentType)> {
    TOOLS.iter().flat_map(|tool| {
        let schema = Value::Object(JsonObject::clone(tool.input.json()));
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        properties.into_iter().map(|(name, schema)| {
            let form = ArgumentType::of(&schema).unwrap_or_else(|| panic!("{} {name}: {schema}", tool.name));
            (*tool, name, form)
        })
    })
}

/// Forms of a text, and what each comes to.
fn of_text(is_trimmed: bool) -> Vec<(Value, Comes)> {
    let trimmed = if is_trimmed { "instance" } else { " instance " };
    vec![
        (json!("instance"), To(json!("instance"))),
        (json!(" instance "), To(json!(trimmed))),
        // Text only: what looks like JSON stays what it is.
        (json!("[\"a\"]"), To(json!("[\"a\"]"))),
        (json!("null"), To(json!("null"))),
        (json!("10"), To(json!("10"))),
        (json!(1.5), Refused),
        (json!(true), Refused),
        (json!(["instance"]), Refused),
        (json!({"a": 1}), Refused),
    ]
}

/// Forms of a flag.
fn of_flag() -> Vec<(Value, Comes)> {
    vec![
        (json!(true), To(json!(true))),
        (json!(false), To(json!(false))),
        (json!("true"), To(json!(true))),
        (json!("True"), To(json!(true))),
        (json!(" FALSE "), To(json!(false))),
        (json!("yes"), Refused),
        (json!("on"), Refused),
        (json!("tru"), Refused),
        (json!("[true]"), Refused),
        (json!(2), Refused),
        (json!(-1), Refused),
        (json!(0.5), Refused),
        (json!([true]), Refused),
        (json!({}), Refused),
    ]
}

/// Forms of a whole number, of which 0 may be one.
fn of_whole(takes_zero: bool) -> Vec<(Value, Comes)> {
    vec![
        (json!(10), To(json!(10))),
        (json!(10.0), To(json!(10))),
        (json!(1e1), To(json!(10))),
        (json!("10"), To(json!(10))),
        (json!(" 10 "), To(json!(10))),
        (json!("10.0"), To(json!(10))),
        (json!("1e1"), To(json!(10))),
        (json!("-0"), if takes_zero { To(json!(0)) } else { Refused }),
        (json!(-3), Refused),
        (json!(u64::MAX), Refused),
        (json!(10.5), Refused),
        (json!("10.5"), Refused),
        (json!("ten"), Refused),
        (json!("NaN"), Refused),
        (json!("Infinity"), Refused),
        (json!("0x10"), Refused),
        (json!("010"), Refused),
        (json!("1,000"), Refused),
        (json!("1e400"), Refused),
        (json!("10 20"), Refused),
        (json!(1e300), Refused),
        (json!(true), Refused),
        (json!([10]), Refused),
        (json!({"limit": 10}), Refused),
    ]
}

/// Forms of a list of texts; `names` are also listed with commas between them.
fn of_texts(names: bool) -> Vec<(Value, Comes)> {
    let listed = || if names { To(json!(["a", "b"])) } else { Refused };
    vec![
        (json!(["a", "b"]), To(json!(["a", "b"]))),
        (json!("a"), To(json!(["a"]))),
        (json!("[\"a\", \"b\"]"), To(json!(["a", "b"]))),
        (json!("  [\"a\"]\n"), To(json!(["a"]))),
        (json!([]), To(json!([]))),
        (json!("a,b"), listed()),
        (json!("a, b"), listed()),
        (json!("[a, b]"), Refused),
        (json!("['a']"), Refused),
        (json!("[\"a\""), Refused),
        (json!("[1]"), Refused),
        (json!([1]), Refused),
        (json!([null]), Refused),
        (json!(["a", ["b"]]), Refused),
        (json!(7), Refused),
        (json!(false), Refused),
        (json!({"0": "a"}), Refused),
    ]
}

/// Forms of a list of objects, or of an object.
fn of_objects() -> Vec<(Value, Comes)> {
    let (listed, object) = (json!([{"Name": "a", "Values": ["b"]}]), json!({"a": ["b"]}));
    vec![
        (listed.clone(), To(listed.clone())),
        (object.clone(), To(object.clone())),
        (json!(listed.to_string()), To(listed.clone())),
        (json!(format!(" {object} ")), To(object.clone())),
        (json!([listed[0].to_string()]), To(listed)),
        (json!("[]"), To(json!([]))),
        (json!("a=b"), Refused),
        (json!("{a: b}"), Refused),
        (json!("{\"a\": [\"b\"]"), Refused),
        (json!("[\"a\"]"), Refused),
        (json!("\"{}\""), Refused),
        (json!("7"), Refused),
        (json!(["a"]), Refused),
        (json!(7), Refused),
        (json!(true), Refused),
    ]
}

/// Forms that clients send, and what each comes to for an argument of this type.
fn table(form: &ArgumentType, care: Care) -> Vec<(Value, Comes)> {
    let mut table = match form {
        ArgumentType::Text { listed } => of_text(*listed || care == Care::Read),
        ArgumentType::Flag => of_flag(),
        ArgumentType::Whole { minimum, .. } => of_whole(minimum.is_none_or(|least| least <= 0)),
        ArgumentType::Texts { names } => of_texts(*names),
        ArgumentType::Objects => of_objects(),
    };
    let blank = |refused: bool| {
        [Value::Null, json!(""), json!("  \n")].map(|value| (value, if refused { Refused } else { Absent }))
    };
    table.extend(blank(*form == ArgumentType::Flag && care == Care::Write));
    // Where AWS is changed, a number is no flag and no text.
    let numbers = [(json!(1), true), (json!("1"), true), (json!(1.0), true), (json!(0), false), (json!("0"), false)];
    match (form, care) {
        (ArgumentType::Flag, Care::Read) => table.extend(numbers.map(|(given, flag)| (given, To(json!(flag))))),
        (ArgumentType::Flag, Care::Write) => table.extend(numbers.map(|(given, _)| (given, Refused))),
        (ArgumentType::Text { .. }, Care::Read) => {
            table.extend([(json!(123_456_789_012_u64), To(json!("123456789012"))), (json!(7.0), To(json!("7")))]);
        }
        (ArgumentType::Text { .. }, Care::Write) => table.extend([(json!(7), Refused), (json!(7.0), Refused)]),
        _ => {}
    }
    table
}

#[test]
fn every_form_of_every_argument_of_every_tool_is_read_as_its_clean_form_or_refused_by_name() {
    let mut tried = 0;
    for (tool, name, form) in every_argument() {
        let care = if tool.is_write() { Care::Write } else { Care::Read };
        for (given, comes) in table(&form, care) {
            let required = tool.input.json().get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            let example: JsonObject = serde_json::from_str(tool.example).unwrap();
            let mut call: JsonObject =
                example.into_iter().filter(|(name, _)| required.contains(&json!(name))).collect();
            call.insert(name.clone(), given.clone());
            let read = tool.clean(call).map_err(|error| error.with_example(tool.example));
            let what = format!("{} {name}: {given}", tool.name);
            match (comes, read) {
                (To(clean), Ok(read)) => assert_eq!(read.get(&name), Some(&clean), "{what}"),
                (Absent, Err(error)) if required.contains(&json!(name)) => {
                    let said = error.to_string();
                    assert!(said.contains(&format!("needs the argument `{name}`")), "{what}: {said}");
                }
                (Absent, Ok(read)) => assert_eq!(read.get(&name), None, "{what}"),
                (Refused, Err(error)) => {
                    let said = error.to_string();
                    assert!(
                        said.contains(&format!("`{name}` must be ")) && said.contains("Example: "),
                        "{what}: {said}"
                    );
                }
                (_, read) => panic!("{what}: {read:?}"),
            }
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn a_flag_of_a_tool_that_changes_aws_is_never_taken_from_what_does_not_say_it() {
    let mut flags = 0;
    for (tool, name, form) in every_argument().filter(|(tool, _, form)| tool.is_write() && *form == ArgumentType::Flag)
    {
        let unclear = [json!(""), Value::Null, json!(0), json!(1), json!("0"), json!("no"), json!([]), json!("flase")];
        for given in unclear {
            assert!(form.read(Care::Write, &given).is_err(), "{} {name}: {given}", tool.name);
        }
        flags += 1;
    }
    assert!(flags >= 4, "{flags}");
}

#[test]
fn a_number_out_of_range_names_its_range() {
    let limit = ArgumentType::of(&json!({"type": "integer", "minimum": 1, "maximum": 500})).unwrap();
    assert_eq!(limit.read(Care::Read, &json!("lots")), Err("a whole number from 1 to 500".to_owned()));
    for given in [json!(-3.0), json!(u64::MAX), json!("-3"), json!(0), json!(501)] {
        assert_eq!(limit.read(Care::Read, &given), Err("a whole number from 1 to 500".to_owned()), "{given}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ \"\\[\\]{}:,a-z0-9.e+-]{0,12}", Just("[\"a\"]".to_owned()), Just("True".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..100_u32).prop_map(|number| Value::from(f64::from(number))),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is sent: what comes out is of the declared type, and reading it again changes nothing.
    #[test]
    fn what_is_read_is_of_the_declared_type_and_stays_the_same_when_read_again(given in any_json()) {
        let forms = [
            ArgumentType::Text { listed: false },
            ArgumentType::Text { listed: true },
            ArgumentType::Flag,
            ArgumentType::Whole { minimum: None, maximum: None },
            ArgumentType::Whole { minimum: Some(1), maximum: Some(50) },
            ArgumentType::Texts { names: false },
            ArgumentType::Texts { names: true },
            ArgumentType::Objects,
        ];
        for form in forms {
            for care in [Care::Read, Care::Write] {
                let Ok(read) = form.read(care, &given) else { continue };
                let Some(clean) = read else {
                    let is_blank = given.as_str().is_some_and(|text| text.trim().is_empty());
                    prop_assert!(given.is_null() || is_blank, "{given} was taken for nothing");
                    prop_assert!(form != ArgumentType::Flag || care == Care::Read);
                    continue;
                };
                let fits = match &form {
                    ArgumentType::Text { .. } => clean.is_string(),
                    ArgumentType::Flag => clean.is_boolean(),
                    ArgumentType::Whole { minimum: None, .. } => clean.is_u64() || clean.is_i64(),
                    ArgumentType::Whole { .. } => clean.as_u64().is_some_and(|number| (1..=50).contains(&number)),
                    ArgumentType::Texts { .. } => clean.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
                    ArgumentType::Objects => {
                        clean.is_object() || clean.as_array().is_some_and(|list| list.iter().all(Value::is_object))
                    }
                };
                prop_assert!(fits, "{form:?} of {given} gave {clean}");
                prop_assert_eq!(form.read(care, &clean), Ok(Some(clean.clone())));
            }
        }
    }
}
