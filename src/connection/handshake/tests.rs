use super::*;

use tokio::io::BufReader;

fn permitting(allow: bool) -> ServerTerms {
    let (restart, stop) = ("muster restart --data-dir /d".to_owned(), "muster stop --data-dir /d".to_owned());
    ServerTerms { writes: WritePolicy::of(allow), restart, stop, ..ServerTerms::default() }
}

async fn answered_on(said: &str, terms: &ServerTerms) -> (Result<AdmittedClient, HandshakeError>, String) {
    let mut reader = BufReader::new(said.as_bytes());
    let mut written = Vec::new();
    let result = answer(&mut reader, &mut written, terms).await;
    (result, String::from_utf8(written).unwrap())
}

async fn answered(said: &str, allows: bool) -> (Result<HandshakeGrant, HandshakeError>, String) {
    let (result, written) = answered_on(said, &permitting(allows)).await;
    (result.map(|admitted| admitted.grant), written)
}

fn request_with(version: &str, wire: u32, rest: &str) -> String {
    format!("{{\"muster\":\"{version}\",\"wire\":{wire}{rest}}}\n")
}

fn request_of(writes: bool) -> String {
    request_with(current(), WIRE, &format!(",\"writes\":{{\"allow\":{writes}}}"))
}

async fn remarks(rest: &str, terms: &ServerTerms) -> Vec<String> {
    answered_on(&request_with(current(), WIRE, rest), terms).await.0.unwrap().grant.remarks
}

#[tokio::test]
async fn a_rule_that_the_server_does_not_know_grants_no_writes_and_is_named() {
    let said = request_with(current(), WIRE, ",\"writes\":{\"allow\":true,\"quantum\":[1]}");
    let admitted = answered_on(&said, &permitting(true)).await.0.unwrap();
    assert!(admitted.writes.allow && admitted.writes.unknown() == ["quantum"] && !admitted.grant.writes);
    assert!(admitted.grant.remarks[0].contains("write rule quantum"), "{:?}", admitted.grant.remarks);
    let reads = remarks(",\"writes\":{\"allow\":false,\"quantum\":[1]}", &permitting(true)).await;
    assert_eq!(reads, Vec::<String>::new(), "it asks for nothing that is refused");
}

#[tokio::test]
async fn a_front_end_keeps_its_name_and_an_older_one_has_none() {
    for (rest, name) in [(",\"front_end\":\"a\"", Some("a")), ("", None)] {
        let said = request_with(current(), WIRE, rest);
        let admitted = answered_on(&said, &permitting(true)).await.0.unwrap();
        assert_eq!(admitted.front_end.as_deref(), name);
    }
}

#[tokio::test]
async fn flags_that_differ_are_said_with_the_command_that_changes_them() {
    let flags = FlagSet::of(["--list", "auto", "--interval", "vpc=1s"]);
    let terms = ServerTerms { flags, ..permitting(false) };
    assert_eq!(remarks("", &terms).await, Vec::<String>::new());
    assert_eq!(remarks(",\"flags\":{\"--list\":[\"auto\"]}", &terms).await, Vec::<String>::new());
    let said = remarks(",\"flags\":{\"--list\":[\"all\"],\"--interval\":[\"vpc=1s\"]}", &terms).await;
    assert_eq!(
        said,
        ["--list is auto at the running server, not all. A running server keeps its flags: \
          `muster restart --data-dir /d -- --list all` changes them"]
    );
}

#[tokio::test]
async fn a_model_is_told_what_differs_without_a_command_to_change_it() {
    let flags = FlagSet::of(["--redact-tag-keys", "*secret*"]);
    let terms = ServerTerms { flags, ..permitting(true) };
    let rest = ",\"writes\":{\"allow\":true,\"quantum\":[1]},\"flags\":{\"--redact-tag-keys\":[\"none\"]}";
    for version in ["99.0.0", "0.0.1"] {
        let admitted = answered_on(&request_with(version, WIRE, rest), &terms).await.0.unwrap();
        assert_eq!((admitted.for_model.len(), admitted.grant.remarks.len()), (3, 3), "{:?}", admitted.for_model);
        let told = admitted.for_model.join(" ");
        assert!(told.contains("--redact-tag-keys is '*secret*' at the running server, not none"), "{told}");
        assert!(told.contains("a person can") && !told.contains("muster restart"), "{told}");
    }
}

#[tokio::test]
async fn programs_of_two_versions_go_on_together_and_say_so() {
    let newer = answered(&request_with("99.0.0", WIRE, ""), false).await.0.unwrap();
    assert!(newer.remarks[0].contains("`muster restart --data-dir /d` starts the new version"), "{:?}", newer.remarks);
    let older = answered(&request_with("0.0.1", WIRE, ""), false).await.0.unwrap();
    assert!(older.remarks[0].contains("restart this MCP server"), "{:?}", older.remarks);
}

#[tokio::test]
async fn keys_reach_the_server_and_no_answer() {
    let said = request_with(current(), WIRE, ",\"keys\":{\"id\":\"AKIDX\",\"secret\":\"hushed\"}");
    let (admitted, written) = answered_on(&said, &permitting(false)).await;
    assert_eq!(admitted.unwrap().keys.unwrap().id, "AKIDX");
    assert!(!written.contains("AKIDX") && !written.contains("hushed"), "{written}");
}

#[tokio::test]
async fn what_is_about_the_process_is_done_for_every_version() {
    for (admin, is_done) in [("describe", true), ("stop", true), ("stat", false)] {
        let said = request_with("99.0.0", WIRE + 1, &format!(",\"admin\":{{\"do\":\"{admin}\"}}"));
        assert_eq!(answered(&said, false).await.0.is_ok(), is_done, "{admin}");
    }
}

#[tokio::test]
async fn writes_are_granted_only_when_wanted_and_allowed() {
    for (wanted, allowed) in [(true, true), (true, false), (false, true), (false, false)] {
        let (grant, _) = answered(&request_of(wanted), allowed).await;
        assert_eq!(grant.unwrap().writes, wanted && allowed);
    }
}

#[tokio::test]
async fn another_wire_is_told_both_versions_and_the_fix() {
    for line in [request_with("9.9.9", WIRE + 1, ""), request_with("9.9.9", WIRE, ",\"admin\":{\"do\":\"of_later\"}")] {
        let (result, written) = answered(&line, false).await;
        assert!(matches!(result, Err(HandshakeError::Version { .. })));
        for part in ["9.9.9", current(), "`muster stop --data-dir /d`", "\"code\":\"version\""] {
            assert!(written.contains(part), "{written}");
        }
    }
}

#[tokio::test]
async fn what_is_not_a_handshake_is_refused_and_silence_is_closed() {
    let (result, written) = answered("GET / HTTP/1.1\r\n", true).await;
    assert!(matches!(result, Err(HandshakeError::Unreadable(_))));
    assert!(written.starts_with("{\"error\""));
    assert!(matches!(answered("", true).await, (Err(HandshakeError::Closed), written) if written.is_empty()));
    let endless = "x".repeat(100_000);
    assert!(matches!(answered(&endless, true).await.0, Err(HandshakeError::Unreadable(_))));
}

#[tokio::test]
async fn client_and_server_agree_and_leave_the_rest_of_the_stream() {
    let (client, server) = tokio::io::duplex(1024);
    let (client_reader, mut client_writer) = tokio::io::split(client);
    let (server_reader, mut server_writer) = tokio::io::split(server);
    let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
    let serving = async {
        answer(&mut server_reader, &mut server_writer, &permitting(true)).await.unwrap();
        server_writer.write_all(b"first\n").await.unwrap();
    };
    let asking = ConnectionTerms::of_writes(true);
    let (grant, ()) = tokio::join!(request(&mut client_reader, &mut client_writer, &asking, None), serving);
    assert_eq!(grant.unwrap().pid, std::process::id());
    let mut line = String::new();
    client_reader.read_line(&mut line).await.unwrap();
    assert_eq!(line, "first\n");
}

#[tokio::test]
async fn an_admin_request_is_heard_and_agreed_to() {
    let admin = AdminRequest::Export { since: None, follow: true, log: None };
    let (client, server) = tokio::io::duplex(1024);
    let (client_reader, mut client_writer) = tokio::io::split(client);
    let (server_reader, mut server_writer) = tokio::io::split(server);
    let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
    let terms = permitting(true);
    let receiving = answer(&mut server_reader, &mut server_writer, &terms);
    let asking = ConnectionTerms::default();
    let greeting = request(&mut client_reader, &mut client_writer, &asking, Some(&admin));
    let (grant, received) = tokio::join!(greeting, receiving);
    assert!(grant.unwrap().admin);
    assert_eq!(received.unwrap().admin, Some(admin));
    assert!(!answered(&request_of(true), true).await.1.contains("admin"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let (client, _server) = tokio::io::duplex(1024);
    let (reader, mut writer) = tokio::io::split(client);
    let greeted = request(&mut BufReader::new(reader), &mut writer, &ConnectionTerms::default(), None).await;
    assert!(matches!(greeted, Err(HandshakeError::Silent)));
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_a_server_that_does_not_know_admin_requests_is_named() {
    let refused = |line: &'static str| async move {
        let terms = ConnectionTerms::default();
        request(&mut BufReader::new(line.as_bytes()), &mut Vec::new(), &terms, Some(&AdminRequest::Stat)).await
    };
    let of_version = refused("{\"error\":\"e\",\"code\":\"version\"}\n").await.unwrap_err();
    assert_eq!((of_version.code(), of_version.to_string().as_str()), (HandshakeCode::Version, "e"));
    for line in ["{\"error\":\"e\"}\n", "{\"error\":\"e\",\"code\":\"of_a_later_version\"}\n"] {
        assert_eq!(refused(line).await.unwrap_err().code(), HandshakeCode::Refused);
    }
    let grant = HandshakeGrant { muster: current().to_owned(), pid: 7, ..HandshakeGrant::default() };
    let line: &'static str = format!("{}\n", serde_json::to_string(&grant).unwrap()).leak();
    assert!(matches!(refused(line).await, Err(HandshakeError::Unsupported { pid: 7, .. })));
}
