//! Everything over HTTPS as others speak it: official clients, an issuer of others, and certificates that are replaced.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::harness::authority::{Authority, Signed, Tls, shown};
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually, node};

/// The official clients, each in the eras that it knows.
const OFFICIAL: [Flavour; 6] =
    [Flavour::Auto, Flavour::Modern, Flavour::Legacy, Flavour::Old, Flavour::Npm, Flavour::NpmLegacy];

/// What every client has to be able to do.
fn works(flavour: Flavour, client: &mut Driver) {
    assert_eq!(client.ready["protocol"], flavour.protocol(), "{flavour:?}");
    assert!(client.tools().iter().any(|tool| tool["name"] == "search_inventory"), "{flavour:?}");
    assert_eq!(client.read("ec2://inventory/summary")["uri"], "ec2://inventory/summary", "{flavour:?}");
    let answer = client.call("count_inventory", &json!({"kind": "instance"}));
    assert_ne!(answer["isError"], true, "{flavour:?}: {answer}");
}

#[test]
fn official_clients_with_a_token_come_in_over_https_and_without_trust_they_do_not() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let authority = Authority::new(sandbox.path());
    let (signed, file) = (authority.sign("server"), sandbox.path().join("tokens.toml"));
    let file = file.to_str().unwrap();
    let made = sandbox.muster(&["token", "add", "alice", "--token-file", file]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let server = sandbox.serve(&[&RARELY[..], &signed.flags(), &["--token-file", file]].concat());
    assert!(server.http.starts_with("https://127.0.0.1:"), "{}", server.http);
    for flavour in OFFICIAL {
        let known = Transport::Known(&server.http, &token);
        works(flavour, &mut Driver::trusting(flavour, &known, &authority.file()));
    }
    for flavour in [Flavour::Auto, Flavour::Npm] {
        for (token, trusted) in [(token.as_str(), None), ("muster_nobody", Some(authority.file()))] {
            let why = Driver::refused(flavour, &Transport::Known(&server.http, token), trusted.as_deref());
            assert_eq!(why["event"], "failed", "{flavour:?}");
        }
    }
}

/// The issuer `oidc-provider`, whose tokens are for `audience`. Returns its URL as well.
fn issuer(signed: &Signed, audience: &str) -> (Running, String) {
    let mut command = node::script("oidc.mjs");
    command.arg(json!({"cert": signed.certificate, "key": signed.key, "audience": audience}).to_string());
    let running = Running::start("oidc", command);
    let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
    let url = said["issuer"].as_str().unwrap().to_owned();
    (running, url)
}

#[test]
fn official_clients_are_led_over_https_to_an_issuer_where_a_person_logs_in_and_come_back() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let authority = Authority::new(sandbox.path());
    // The keys of the issuer are fetched with the authorities that AWS is called with.
    sandbox.set("AWS_CA_BUNDLE", authority.file().to_str().unwrap());
    let signed = authority.sign("server");
    // Port 0 is not known before it listens, and the audience has it in its name.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let audience = format!("https://127.0.0.1:{port}/mcp");
    let (_issuer, issuer) = issuer(&signed, &audience);
    let file = sandbox.path().join("muster.toml");
    let text = format!(
        "[[grants]]\nname = \"all\"\n\n[[issuers]]\nissuer = \"{issuer}\"\naudiences = [\"{audience}\"]\nscopes = [\"muster.read\"]\n\
         grants = {{ \"muster.read\" = \"all\" }}\n"
    );
    fs::write(&file, text).unwrap();
    let flags = [&RARELY[..], &signed.flags(), &["--config", file.to_str().unwrap()]].concat();
    let server = sandbox.serve_at(&format!("127.0.0.1:{port}"), &flags);
    assert_eq!(server.http, audience);
    for flavour in OFFICIAL {
        let login = Transport::Login(&server.http);
        works(flavour, &mut Driver::trusting(flavour, &login, &authority.file()));
    }
}

/// Asks for the health of a server on a connection that stays open.
fn is_healthy(connection: &mut Tls) -> bool {
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut reader = BufReader::new(connection);
    let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut status).unwrap();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let head = line.to_ascii_lowercase();
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    status.starts_with("HTTP/1.1 200") && body == b"ok\n"
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

#[test]
fn a_certificate_that_is_read_again_is_shown_to_new_connections_and_those_that_are_open_go_on() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let authority = Authority::new(sandbox.path());
    let signed = authority.sign("server");
    let server = sandbox.serve(&signed.flags());
    let address = server.http.strip_prefix("https://").unwrap().strip_suffix("/mcp").unwrap();
    let connect = || {
        let mut connection = authority.connect(address);
        assert!(is_healthy(&mut connection));
        connection
    };
    let data = sandbox.data();
    let reload = || {
        let output = sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let mut first = connect();
    let began = certificate(&signed.certificate);
    assert_eq!(shown(&first), began);

    authority.sign("server");
    let (code, said, errors) = reload();
    assert!(code == Some(0) && said.contains("read the certificate"), "{said}{errors}");
    let second = certificate(&signed.certificate);
    assert_ne!(second, began);
    assert_eq!(shown(&connect()), second);
    assert!(is_healthy(&mut first), "it goes on");
    assert_eq!(shown(&first), began);

    authority.sign("server");
    assert!(server.running.signal(Signal::HUP));
    let third = certificate(&signed.certificate);
    eventually("the signal has the files read again", || (shown(&connect()) == third).then_some(()));

    // One that is no certificate, and one whose key is another's.
    let text = fs::read_to_string(&signed.certificate).unwrap();
    let other = authority.sign("other").certificate;
    for wrong in ["no certificate".to_owned(), fs::read_to_string(other).unwrap()] {
        fs::write(&signed.certificate, wrong).unwrap();
        let (code, said, errors) = reload();
        assert_eq!((code, said.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains("the server goes on as it is") && errors.contains("server.pem"), "{errors}");
        assert_eq!(shown(&connect()), third);
        assert!(is_healthy(&mut first), "it goes on");
    }
    let log = server.running.errors();
    assert!(log.contains("what it said before still counts") && log.contains("server.pem"), "{log}");
    fs::write(&signed.certificate, text).unwrap();
    assert_eq!(reload().0, Some(0));
    assert_eq!(shown(&connect()), third);
}

#[test]
fn a_file_that_cannot_be_read_again_keeps_no_other_back_and_both_are_said() {
    let simulator = Simulator::start(1, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let authority = Authority::new(sandbox.path());
    let signed = authority.sign("server");
    let [config, tokens] = ["muster.toml", "tokens.toml"].map(|name| sandbox.path().join(name));
    let [config_file, token_file] = [&config, &tokens].map(|path| path.to_str().unwrap());
    let data = sandbox.data();
    let run = |words: &[&str]| {
        let output = sandbox.muster(&[words, &["--data-dir", data.to_str().unwrap()]].concat()).output().unwrap();
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code().unwrap(), texts)
    };
    let token = |words: &[&str]| run(&[&["token"], words, &["--token-file", token_file]].concat());
    for name in ["alice", "bob", "carol"] {
        assert_eq!(token(&["add", name]).0, 0);
    }
    fs::write(&config, "").unwrap();
    let flags = [&RARELY[..], &signed.flags(), &["--config", config_file, "--token-file", token_file]].concat();
    let server = sandbox.serve(&flags);

    // The configuration file is broken: a revocation counts all the same, and is said to.
    fs::write(&config, "list = 1\n").unwrap();
    let (code, [_, errors]) = token(&["revoke", "alice"]);
    assert!(code == 0 && errors.contains("goes by it now"), "{errors}");
    let (code, [said, errors]) = run(&["reload"]);
    assert!(said.contains("tokens for HTTP: 2") && said.contains("read the certificate"), "{said}");
    assert!(!said.contains("muster.toml again"), "{said}");
    assert!(
        code == 1 && errors.contains("what could be read counts now") && errors.contains("muster.toml:1"),
        "{errors}"
    );
    let (code, [said, _]) = run(&["reload", "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert!(code == 1 && report["tokens"] == 2, "{report}");
    assert!(report["refused"]["config"].as_str().unwrap().contains("muster.toml:1"), "{report}");
    assert_eq!(report["refused"].as_object().unwrap().len(), 1, "{report}");

    // The tokens are broken: the configuration file and the certificate count.
    fs::write(&config, "list = \"all\"\n").unwrap();
    let kept = fs::read_to_string(&tokens).unwrap();
    fs::write(&tokens, "tokens = 1").unwrap();
    let (code, [said, errors]) = run(&["reload"]);
    assert!(code == 1 && said.contains("muster.toml again") && errors.contains("tokens.toml"), "{said}{errors}");
    assert!(errors.contains("`muster restart`: list") && !said.contains("tokens for HTTP"), "{said}{errors}");

    // The certificate is broken.
    fs::write(&tokens, kept).unwrap();
    fs::write(&signed.key, "").unwrap();
    let (code, [said, errors]) = run(&["reload"]);
    assert!(code == 1 && said.contains("tokens for HTTP: 2") && errors.contains("server.key"), "{said}{errors}");
    let log = server.running.errors();
    for file in ["muster.toml:1", "tokens.toml", "server.key"] {
        assert!(log.contains(file), "{file}: {log}");
    }
}
