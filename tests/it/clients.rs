//! Every client reaches everything, over stdio and HTTP.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::moto::{ACCOUNT, Moto};
use crate::harness::muster::{MUSTER, RARELY, Sandbox, Serve};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, node};

/// Instances of the account of the matrix, which with what they have are more than a page of the list.
const INSTANCES: usize = 400;

/// Flags of a server that lists everything, and sees within seconds that an instance changed.
const SEES_INSTANCES: [&str; 8] =
    ["--interval", "all=1h", "--interval", "instance=2s", "--aws-share", "1", "--list", "all"];

/// Long enough for several sweeps of instances.
const SEVERAL_SWEEPS: Duration = Duration::from_secs(5);

#[test]
fn every_client_walks_tools_templates_and_resources_and_reads_what_it_finds() {
    let moto = Moto::start();
    let launched = moto.launch(3);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    for flavour in Flavour::ALL {
        for transport in [Transport::Http(&server.http), Transport::Stdio(&sandbox, &[])] {
            let mut client = Driver::connect(flavour, &transport);
            assert_eq!(client.ready["protocol"], flavour.protocol(), "{}", client.ready);
            assert_eq!(client.ready["server"]["name"], "muster", "{}", client.ready);
            let resources = &client.ready["capabilities"]["resources"];
            assert!(resources["subscribe"] == true && resources["listChanged"] == true, "{}", client.ready);

            for tool in client.tools() {
                let hints = &tool["annotations"];
                for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                    assert!(hints[hint].is_boolean(), "{flavour:?}: {} leaves {hint} to be guessed", tool["name"]);
                }
            }
            let templates: Vec<Value> = client.templates().iter().map(|one| one["uriTemplate"].clone()).collect();
            for template in ["ec2://instance/{id}", "ec2://instance/{id}/status", "ec2://vpc/{id}"] {
                assert!(templates.contains(&json!(template)), "{flavour:?}: {templates:?}");
            }
            let resources = client.resources();
            let uris: Vec<&str> = resources.iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
            for instance in &launched {
                assert!(uris.contains(&format!("ec2://instance/{instance}").as_str()), "{flavour:?}: {uris:?}");
            }
            for uri in uris {
                assert_eq!(client.read(uri)["uri"], uri, "{flavour:?}: a body names its URI as the client spelled it");
            }
            let found = client.call("search_inventory", &json!({"kind": "instance"}));
            assert_eq!(found["structuredContent"]["total"], 3, "{flavour:?}: {found}");
        }
    }
}

#[test]
fn what_a_write_can_change_is_never_cached_by_a_client() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let read = |client: &mut Client, uri: &str| client.must("resources/read", &json!({ "uri": uri }));
    let instance = read(&mut client, &format!("ec2://instance/{instance}"));
    assert_eq!((&instance["ttlMs"], &instance["cacheScope"]), (&json!(0), &json!("private")));
    let vpc = moto.every("ec2.describe_vpcs", "Vpcs", &json!({})).remove(0);
    let vpc = read(&mut client, &format!("ec2://vpc/{}", vpc["VpcId"].as_str().unwrap()));
    assert!(vpc["ttlMs"].as_u64().is_some_and(|ttl| (1..=5000).contains(&ttl)), "{vpc}");
    for method in ["tools/list", "resources/templates/list"] {
        assert_eq!(client.must(method, &json!({}))["ttlMs"], 3_600_000, "{method}");
    }
}

#[test]
fn the_emulator_answers_boto3_and_keeps_regions_apart() {
    let (here, there) = (Moto::start(), Moto::start());
    let launched = here.launch(2);
    assert_eq!(here.state_of(&launched[0]), "running");
    assert_eq!(here.call("sts.get_caller_identity", &json!({}))["Account"], ACCOUNT);
    assert!(there.every("ec2.describe_instances", "Reservations", &json!({})).is_empty());
    assert_eq!(here.every("ec2.describe_instances", "Reservations", &json!({})).len(), 1);
}

/// What a client of people's does all day, and what it gets wrong.
fn walk(flavour: Flavour, transport: &Transport<'_>, account: &Account, instance: &str) {
    let mut client = Driver::connect(flavour, transport);
    assert_eq!(client.ready["protocol"], flavour.protocol(), "{flavour:?}: {}", client.ready);
    // Whoever takes the protocol for granted has not asked who serves it.
    let name = &client.ready["server"]["name"];
    assert!(name == "muster" || flavour == Flavour::Modern, "{flavour:?}: {}", client.ready);
    assert!(client.tools().iter().any(|tool| tool["name"] == "search_inventory"), "{flavour:?}");
    assert!(!client.templates().is_empty(), "{flavour:?}");
    let resources = client.resources();
    let listed = resources.iter().filter(|entry| entry["uri"].as_str().unwrap().starts_with("ec2://instance/")).count();
    assert!(resources.len() > 1000 && listed == INSTANCES, "{flavour:?}: {listed} of {}", resources.len());

    let uri = format!("ec2://instance/{instance}");
    assert_eq!(client.read(&uri)["document"]["InstanceId"], *instance, "{flavour:?}");
    let found = client.call("search_inventory", &json!({"filters": {"instance-id": [instance]}}));
    assert_eq!(found["structuredContent"]["total"], 1, "{flavour:?}: {found}");
    let unknown = client.try_read("ec2://instance/i-00000000000dead00").unwrap_err();
    assert_eq!(unknown["data"], json!({"uri": "ec2://instance/i-00000000000dead00"}), "{flavour:?}: {unknown}");
    let no_tool = client.try_call("serch_inventory", &json!({})).unwrap_err();
    assert_eq!(no_tool["code"], -32602, "{flavour:?}: {no_tool}");
    assert!(no_tool["message"].as_str().unwrap().contains("search_inventory"), "{flavour:?}: {no_tool}");
    let wrong = client.try_call("search_inventory", &json!({"region": "mars-1"})).unwrap();
    assert_eq!(wrong["isError"], true, "{flavour:?}: {wrong}");

    if flavour.subscribes() {
        let uris = [uri.clone()];
        client.subscribe(&uris);
        account.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
        let (heard, _) = client.updated(PATIENCE).unwrap_or_else(|| panic!("{flavour:?} hears nothing"));
        assert_eq!(heard, uri, "{flavour:?}");
        // It is stopping, then stopped; nothing changes after that.
        while client.updated(SEVERAL_SWEEPS).is_some() {}
        client.unsubscribe(&uris);
        account.call("ec2.start_instances", &json!({"InstanceIds": [instance]}));
        let heard = client.updated(SEVERAL_SWEEPS);
        assert_eq!(heard, None, "{flavour:?} hears of what it no longer subscribes to");
    }
}

/// A simulated account that is swept, its endpoint as boto3 sees it, and ids of running instances.
struct Matrix {
    simulator: Simulator,
    sandbox: Sandbox,
    server: Serve,
    running: Vec<String>,
}

impl Matrix {
    fn start() -> Matrix {
        let simulator = Simulator::start(INSTANCES, &[]);
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&SEES_INSTANCES);
        server.swept();
        let filters = json!({"filters": {"instance-state-name": ["running"]}, "limit": 40});
        let found = Client::http(&server.http).call("search_inventory", &filters).unwrap();
        let rows = found.structured["rows"].as_array().unwrap();
        let running = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        Matrix { simulator, sandbox, server, running }
    }
}

#[test]
fn every_client_lists_reads_searches_subscribes_and_is_refused_over_stdio_and_http() {
    let Matrix { simulator, sandbox, server, running } = Matrix::start();
    let account = Account::at(&simulator.endpoint());
    let (account, sandbox, http) = (&account, &sandbox, server.http.as_str());
    let mut instances = running.iter();
    std::thread::scope(|scope| {
        for flavour in Flavour::MATRIX {
            let mut own = || instances.next().expect("enough running instances").as_str();
            let (first, second, third) = (own(), own(), own());
            scope.spawn(move || {
                walk(flavour, &Transport::Http(http), account, first);
                walk(flavour, &Transport::Stdio(sandbox, &[]), account, second);
                // mcp-remote speaks the older protocol only.
                if flavour == Flavour::Old {
                    walk(flavour, &Transport::Remote(sandbox, http), account, third);
                }
            });
        }
    });
}

/// Runs a command-line client to its end.
fn ran(mut command: Command, arguments: &[&str]) -> Output {
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The JSON that a command-line client prints.
fn printed(command: Command, arguments: &[&str]) -> Value {
    let output = ran(command, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{said}{complaint}", output.status);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

#[test]
fn command_line_clients_list_call_and_read_and_find_no_fault_in_the_schemas() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let front = sandbox.mcp_arguments(&[]);
    let mcporter = || {
        let mut command = node::program("mcporter/dist/cli.js");
        command.envs(sandbox.environment().iter().cloned()).current_dir(sandbox.path());
        command
    };
    let stdio = std::iter::once(MUSTER).chain(front.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    for target in [["--http-url", server.http.as_str(), "--allow-http"].as_slice(), &["--stdio", &stdio]] {
        let listed = printed(mcporter(), &[&["list", "--json", "--name", "m"], target].concat());
        assert_eq!(listed["status"], "ok", "{listed}");
        assert!(listed["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "search_inventory"), "{listed}");
        let call = ["call", "count_inventory", "kind=instance", "--name", "m"];
        assert_eq!(printed(mcporter(), &[&call, target].concat())["total"], 12);
        let wrong = ran(mcporter(), &[&["call", "serch_inventory", "--name", "m"], target].concat());
        let said = [wrong.stdout, wrong.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("search_inventory"), "{said}");
    }

    let inspector = |target: &[&str], arguments: &[&str]| {
        let mut command = node::program("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
        command.envs(sandbox.environment().iter().cloned()).env("MCP_INSPECTOR_SECRET_STORE", "memory");
        command.current_dir(sandbox.path()).arg("--cli").args(target);
        printed(command, arguments)
    };
    let front: Vec<&str> = std::iter::once(MUSTER).chain(front.iter().map(String::as_str)).collect();
    for target in [[server.http.as_str()].as_slice(), &front] {
        for era in ["legacy", "modern"] {
            let era = ["--protocol-era", era];
            let tools = inspector(target, &[&era[..], &["--method", "tools/list", "--strict"]].concat());
            assert!(tools["tools"].as_array().unwrap().len() > 5, "{tools}");
            let uri = ["--method", "resources/read", "--uri", "ec2://inventory/summary"];
            assert_eq!(inspector(target, &[&era[..], &uri].concat())["contents"][0]["uri"], "ec2://inventory/summary");
        }
    }
}
