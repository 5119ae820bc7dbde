//! `who_can_reach`: from where a port of instances is open.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, json};

use super::call::{call, quoted};
use super::given::{AskedInstances, plain};
use super::spec::{CompletedArgument, PromptSpec, read};
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::arguments::ArgumentError;
use crate::mcp::tools::schema::ToolSchema;
use crate::query::exposure::{self, AskedPorts, LEAVES_OUT};

/// The prompt.
pub(super) static SPEC: PromptSpec = PromptSpec {
    name: "who_can_reach",
    title: "Who can reach a port",
    description: "Finds out from where a port of one instance, or of all instances, can be reached.",
    input: ToolSchema::of_arguments::<Arguments>(),
    example: r#"{"port": "22", "instance_id": "i-0123456789abcdef0"}"#,
    completed: &[
        ("port", CompletedArgument::Port),
        ("instance_id", CompletedArgument::Instance),
        ("tag", CompletedArgument::Tag),
        ("region", CompletedArgument::Region),
    ],
    write,
};

/// Which port of which instances.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// The port, such as 22, 8000-8100 or udp/53
    port: String,
    /// Only this EC2 instance
    instance_id: Option<String>,
    /// Only instances with this tag, as KEY=VALUE; the value may hold * and ?
    tag: Option<String>,
    /// Only instances in this region
    region: Option<String>,
}

fn write(given: JsonObject, _: &Writes) -> Result<String, RequestError> {
    let Arguments { port, instance_id, tag, region } = read(given)?;
    let Some(asked) = AskedPorts::parse(&port) else {
        return Err(ArgumentError::form("port", "a port such as 22, 8000-8100 or udp/53", port).into());
    };
    let id =
        instance_id.map(|id| plain("instance_id", "an instance ID such as i-0123456789abcdef0", id)).transpose()?;
    let narrowed = AskedInstances::read(tag, region)?;
    let exposed = Map::from_iter([(exposure::FILTER.to_owned(), json!([asked.to_string()]))]);
    let arguments = Map::from_iter([("kind".to_owned(), json!("instance")), ("limit".to_owned(), json!(100))]);
    let mut filters = exposed;
    if let Some(id) = &id {
        filters.insert("instance-id".to_owned(), json!([id]));
    }
    let internet = narrowed.arguments(arguments, filters);
    let AskedPorts { protocol, ports } = asked;
    let one = id.as_ref().map_or_else(String::new, |id| format!(" AND i.id = {}", quoted(id)));
    let rules = format!(
        "SELECT r.group_id, r.group_name, r.cidr_ipv4, r.cidr_ipv6, r.prefix_list_id, r.referenced_group_id, r.from_port, \
         r.to_port, count(DISTINCT i.id) AS instances FROM instance i{} JOIN instance_security_group s ON s.instance_id = i.id \
         AND s.account = i.account AND s.region = i.region JOIN security_group_rule r ON r.group_id = s.group_id AND r.account = \
         s.account AND r.region = s.region WHERE NOT r.is_egress AND r.protocol IN ('-1', '{protocol}') AND r.from_port <= {} \
         AND r.to_port >= {}{one}{} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY instances DESC",
        narrowed.joined(),
        ports.to,
        ports.from,
        narrowed.conditions()
    );
    let whose = id.map_or_else(|| "my EC2 instances".to_owned(), |id| format!("the EC2 instance {id}"));
    Ok(format!(
        "Find out who can reach {asked} of {whose}. Change nothing.\n\
         1. {}. It lists the instances that the internet can reach there; if it says that some are left out because a hop is \
         not known, say so and do not call them safe.\n\
         2. {}. It lists the security group rules that open the port, by source, with the number of instances.\n\
         3. Report who can reach it: the internet, address ranges, prefix lists, other security groups; for each the rule and \
         the number of instances. A rule alone is not a way in: the internet also needs a public address, a route and the network \
         ACL, which only step 1 looks at. For one instance, get_resource names every hop.\n\
         4. Say what was not looked at: the answer covers {LEAVES_OUT}.",
        call("search_inventory", &internet),
        call("query_inventory", &json!({"sql": rules})),
    ))
}
