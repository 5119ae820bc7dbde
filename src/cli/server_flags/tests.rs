use super::*;

use clap::Parser;

use crate::aws::{Purpose, Regions};
use crate::model::{AccountRule, Region};

#[derive(Parser)]
struct FlagLine {
    #[command(flatten)]
    connection: ServerFlags,
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Config {
    let line = FlagLine::try_parse_from([OsString::from("muster")].into_iter().chain(arguments)).unwrap();
    line.connection.config(&Environment::of(&[], Some("/home/me/.local/state"))).unwrap()
}

#[test]
fn flags_made_from_a_configuration_lead_back_to_it() {
    let given = "--profile dev --account 123456789012 --region eu-west-1 --list all --kinds instance,AWS::EC2::VPC --interval instance=30s --interval vpc=1h --aws-share 0.5 \
         --retain-age 7d --retain-size 32MiB --keep-free 1GiB --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/events \
         --events --relaxed instance=10m --canary-interval 30s --quiet-interval 2h --quiet-after 12h --redact-tag-keys *login*,pin --audit-file /var/log/muster-audit.jsonl --audit-required";
    let config = parse(given.split_whitespace().map(OsString::from));
    assert_eq!(parse(ServerFlags::of(&config).words()), config);
    assert_eq!(config.events.as_deref(), Some("muster"), "without a name it is the default one");
    for regions in ["us-west-2,eu-west-1", "all"] {
        let config = parse(["--regions", regions, "--region", "eu-west-3"].map(OsString::from));
        assert_eq!(parse(ServerFlags::of(&config).words()), config, "{regions}");
    }
    let bare = parse([]);
    assert_eq!(parse(ServerFlags::of(&bare).words()), bare);
}

/// The configuration of a file, beside these flags.
fn of_file(text: &str, flags: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muster.toml");
    std::fs::write(&path, text).unwrap();
    let words = ["muster", "--config", path.to_str().unwrap()].into_iter().chain(flags.split_whitespace());
    let line = FlagLine::try_parse_from(words).unwrap();
    let environment = Environment::of(&[], Some("/home/me/.local/state"));
    let config = line.connection.config(&environment)?;
    // A process that gets these flags, and reads the file, has the same configuration.
    let words = [OsString::from("muster")].into_iter().chain(ServerFlags::handed_on(&config));
    let again = FlagLine::try_parse_from(words).unwrap().connection.config(&environment)?;
    assert_eq!(again, config);
    Ok(config)
}

/// What is wrong with a file, a line each, without its name.
fn faults(text: &str) -> Vec<String> {
    let error = of_file(text, "").unwrap_err().to_string();
    error.lines().map(|line| line.split_once("muster.toml").unwrap().1.to_owned()).collect()
}

#[test]
fn settings_of_a_file_are_those_of_the_flags_of_the_same_names() {
    let text = r#"
profile = "dev"
account = "123456789012"
regions = ["eu-west-1", "us-east-1"]
list = "all"
kinds = ["vpc", "instance"]
aws_share = 0.5
events = true
queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
canary_interval = "30s"
retain_age = "7d"
retain_size = "32MiB"
keep_free = "1GiB"
redact_tag_keys = ["*login*", "pin"]
audit_file = "audit.jsonl"
audit_required = true
source_identity = true
data_dir = "/srv/muster"
quiet_interval = "2h"
quiet_after = "12h"
allow_writes = ["start_instance", "stop_instance"]
write_tag = "mcp-managed=true"
deny_write = ["tag:Env=prod", "tool:reboot_instance"]
write_cap = ["20/1h"]
require_human = true

[interval]
instance = "30s"
all = "1m"

[relaxed]
instance = "10m"
"#;
    let config = of_file(text, "").unwrap();
    let flags = "--profile dev --account 123456789012 --regions eu-west-1,us-east-1 --list all --kinds instance,vpc --aws-share 0.5 --events \
         --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/events --canary-interval 30s --retain-age 7d \
         --retain-size 32MiB --keep-free 1GiB --redact-tag-keys *login*,pin --audit-file AUDIT --audit-required \
         --source-identity --data-dir /srv/muster --quiet-interval 2h --quiet-after 12h --allow-writes=start_instance,stop_instance --write-tag mcp-managed=true \
         --deny-write tag:Env=prod,tool:reboot_instance --write-cap 20/1h --require-human --interval instance=30s \
         --interval all=1m --relaxed instance=10m";
    let audit = config.audit.as_ref().unwrap().path.to_str().unwrap();
    assert!(audit.ends_with("/audit.jsonl") && !audit.starts_with("/work"), "beside the file: {audit}");
    let plain = parse(flags.replace("AUDIT", audit).split_whitespace().map(OsString::from));
    assert!(config.file.is_some() && config.named.is_empty());
    let selection = plain.selection.clone().of_file(config.selection.file().clone());
    assert_eq!(config, Config { file: config.file.clone(), selection, ..plain });
}

#[test]
fn a_flag_replaces_what_the_file_says_and_nothing_else() {
    let text = r#"
list = "all"
regions = ["eu-west-1", "us-east-1"]
aws_share = 0.5
source_identity = true
interval = { instance = "30s", vpc = "1h" }
"#;
    let config = of_file(text, "--region sa-east-1 --interval instance=2m --source-identity=false").unwrap();
    assert_eq!((config.selection.region.as_deref(), config.selection.regions()), (Some("sa-east-1"), &[][..]));
    assert_eq!((config.list, config.aws_share.percent(), config.source_identity), (ListMode::All, 50, false));
    assert_eq!(config.intervals, [("instance".to_owned(), Duration::from_mins(2))].into());
}

#[test]
fn accounts_of_a_file_say_how_to_get_at_each() {
    let text = r#"
regions = "all"
aws_share = 0.1

[[accounts]]
name = "prod"
role_arn = "arn:aws:iam::111122223333:role/muster"
external_id = "muster-7"
via = [{ role_arn = "arn:aws:iam::444455556666:role/hub", session_name = "hop" }]
regions = ["eu-west-1"]
aws_share = "0.5"

[[accounts]]
profile = "dev"
account = "1234-5678-9012"
"#;
    let config = of_file(text, "--profile base").unwrap();
    let [prod, dev] = config.accounts.as_slice() else { panic!("{:?}", config.accounts) };
    assert_eq!((prod.label().as_str(), prod.account.as_ref().unwrap().as_str()), ("prod", "111122223333"));
    assert_eq!(prod.credentials.profile.as_deref(), Some("base"));
    let roles: Vec<&str> = prod.credentials.roles.iter().map(|role| role.arn.as_str()).collect();
    assert_eq!(roles, ["arn:aws:iam::444455556666:role/hub", "arn:aws:iam::111122223333:role/muster"]);
    assert_eq!((prod.regions.clone(), prod.share_percent), (Regions::Named(vec![Region::new("eu-west-1")]), Some(50)));
    assert_eq!((dev.credentials.profile.as_deref(), dev.regions.clone()), (Some("dev"), Regions::All { home: None }));
    assert_eq!(dev.account.as_ref().unwrap().as_str(), "123456789012");
    assert!(config.selection.has_accounts() && config.key_place.is_none());
    assert!(config.data_dir.starts_with("/home/me/.local/state/muster"));
    for flags in ["--region eu-west-1", "--regions all", "--account 123456789012"] {
        let error = of_file(text, flags).unwrap_err().to_string();
        assert!(error.starts_with(flags.split(' ').next().unwrap()) && error.contains("lists accounts"), "{error}");
    }
}

#[test]
fn an_organization_says_how_its_accounts_are_found_and_reached() {
    let text = r#"
regions = "all"

[organization]
profile = "hub"
role_name = "team/muster-{account}"
external_id = "muster-7"
include = ["/Workloads", "r-ab12", "ou-ab12-34cd56ef", "1111-2222-3333"]
exclude = "tag:muster=no=never"
refresh = "10m"

[[accounts]]
profile = "dev"
account = "123456789012"
"#;
    let config = of_file(text, "").unwrap();
    let plan = config.organization.clone().unwrap();
    assert_eq!((plan.profile.as_deref(), plan.role_name.as_str()), (Some("hub"), "team/muster-{account}"));
    assert_eq!((plan.external_id.as_deref(), plan.own_role), (Some("muster-7"), false));
    assert_eq!((plan.refresh, plan.forget_after), (Duration::from_mins(10), Duration::from_hours(24)));
    assert_eq!(plan.regions, Regions::All { home: None });
    assert_eq!(plan.rules.include.len(), 4);
    let tag = AccountRule::Tag { key: "muster".to_owned(), value: "no=never".to_owned() };
    assert_eq!(plan.rules.exclude, [tag]);
    assert_eq!((config.accounts.len(), config.selection.has_accounts()), (1, true));
    assert_eq!(config.aws_settings().purpose, Purpose::Source);
    let alone = of_file("[organization]\nrole_name = \"muster\"\nregions = \"eu-west-1\"\n", "--profile base").unwrap();
    assert_eq!(alone.organization.unwrap().profile.as_deref(), Some("base"));
    assert!(alone.accounts.is_empty() && alone.selection.has_accounts());
}

#[test]
fn an_organization_that_cannot_be_read_is_named_with_the_reason() {
    let role = "role_name = \"muster\"";
    for (section, expected) in [
        ("profile = \"hub\"", "there is no role_name"),
        ("role_name = \"arn:aws:iam::111122223333:role/muster\"", "give the name of a role"),
        ("role_nam = \"muster\"", "organization.role_nam: there is no such key: did you mean role_name?"),
        (&format!("{role}\ninclude = [\"Workloads\"]"), "`Workloads` selects no account"),
        (&format!("{role}\nexclude = []"), "it is empty"),
        (&format!("{role}\nexclude = [\"tag:=x\"]"), "`tag:=x` selects no account"),
        (&format!("{role}\nrefresh = \"1ms\""), "organization.refresh: 1ms is too short"),
        (&format!("{role}\nown_role = \"yes\""), "organization.own_role: it must be true or false"),
        (&format!("{role}\naws_share = 3"), "organization.aws_share: `3` is not a share"),
        (&format!("{role}\n[[accounts]]\nprofile = \"a\""), "an account with a profile needs its number"),
    ] {
        let told = faults(&format!("regions = \"eu-west-1\"\n\n[organization]\n{section}\n"));
        assert!(told.iter().any(|fault| fault.contains(expected)), "{told:?} is not {expected}");
    }
    let told = faults(&format!("[organization]\n{role}\n"));
    assert!(told[0].contains("there are no regions to watch"), "{told:?}");
    assert!(faults("organization = \"o-1\"\nregions = \"all\"\n")[0].contains("write [organization]"));
}

#[test]
fn all_regions_of_another_partition_are_asked_for_there() {
    let text = |partition: &str| {
        format!("[[accounts]]\nrole_arn = \"arn:{partition}:iam::111122223333:role/muster\"\nregions = \"all\"\n")
    };
    let of = |partition: &str| of_file(&text(partition), "").unwrap().accounts[0].regions.clone();
    assert_eq!(of("aws-cn"), Regions::All { home: Some(Region::new("cn-north-1")) });
    assert_eq!(of("aws-us-gov"), Regions::All { home: Some(Region::new("us-gov-west-1")) });
    assert_eq!(of("aws"), Regions::All { home: None });
}

#[test]
fn what_is_wrong_with_a_file_is_said_at_once_with_its_place() {
    let told = faults(
        "list = \"some\"\n\nretain_ag = \"7d\"\naws_share = 2\naws_secret_access_key = \"x\"\nprices = \"\"\n[relaxed]\n",
    );
    let expected = [
        ":3:1: retain_ag: there is no such key: did you mean retain_age?",
        ":5:1: aws_secret_access_key: credentials do not belong in this file",
        ":6:10: prices: it is empty",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{told:#?}");
    assert!(!told.concat().contains("\"x\""));
    let told = faults("list = \"some\"\naws_share = 2\ninterval = \"30s\"\nevents = [\"a\", \"b\"]\n");
    let expected = [
        ":1:1: list: `some` cannot be used: give one of auto, all, collections",
        ":2:1: aws_share: `2` is not a share",
        ":3:1: interval: it must be a table, such as interval = { instance = \"30s\" }",
        ":4:1: events: it takes one value, not a list",
    ];
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{told:#?}");
    for (text, expected) in [
        ("\nretain_age = \"0s\"", ":2:1: retain_age: 0ns is too short: give at least 1s"),
        ("\n[relaxed]\nsubnet = \"10m\"", ":2:2: relaxed: cannot be given for the kind `subnet`"),
        ("regions = [\"eu-cental-1\"]", ":1:1: regions: names the region `eu-cental-1`: did you mean"),
        ("audit_required = true", ": audit_required needs audit_file"),
        ("list = all", ":1:8: "),
        ("prices = \"none.json\"", ":1:1: prices: "),
    ] {
        let told = faults(text);
        assert!(told[0].starts_with(expected), "{told:?} is not {expected}");
    }
}

#[test]
fn an_account_that_cannot_be_read_is_named_with_the_reason() {
    let role = "role_arn = \"arn:aws:iam::111122223333:role/muster\"";
    for (entry, expected) in [
        ("", "the entry says nothing about credentials"),
        ("profile = \"a\"\nregons = \"all\"", "accounts.regons: there is no such key: did you mean regions?"),
        ("profile = \"a\"\naws_session_token = \"x\"", "credentials do not belong in this file"),
        ("role_arn = \"arn:aws:iam::1234:role/muster\"", "cannot be used: give the ARN of a role"),
        ("role_arn = \"arn:aws:sts::111122223333:assumed-role/a/b\"", "cannot be used: give the ARN of a role"),
        ("profile = \"a\"\nexternal_id = \"xy\"", "accounts.external_id: it belongs to role_arn"),
        ("profile = \"a\"\naccount = \"12\"", "accounts.account: `12` is not an AWS account"),
        ("profile = \"a\"\naws_share = 7", "accounts.aws_share: `7` is not a share"),
        ("profile = \"a\"\nregions = [\"all\", \"eu-west-1\"]", "`all` stands alone"),
        ("profile = \"a\"\nregions = []", "give the names of regions"),
        ("profile = \"a\"\nregions = [\"eu-cental-1\"]", "did you mean `eu-central-1`?"),
        ("profile = \"a\"\nname = \"111122223333\"", "a name must not look like the number of an account"),
        (&format!("{role}\nprofile = \"a\""), "write source_profile"),
        (&format!("{role}\naccount = \"444455556666\""), "role_arn is a role of account 111122223333"),
        (&format!("{role}\nvia = [{{}}]"), "each role needs a role_arn"),
        (&format!("{role}\nvia = \"hub\""), "it must be a list of roles"),
        (&format!("{role}\nsession_name = \"a b\""), "the name of a session has"),
        (&format!("{role}\nregions = \"cn-north-1\""), "cn-north-1 is not a region of aws"),
        (&format!("{role}\n[[accounts]]\n{role}"), "the entry of line 3 has 111122223333 as well"),
        ("profile = \"a\"\n[[accounts]]\nprofile = \"a\"", "the entry of line 3 has a as well"),
    ] {
        let told = faults(&format!("regions = \"eu-west-1\"\n\n[[accounts]]\n{entry}\n"));
        assert!(told[0].contains(expected), "{told:?} is not {expected}");
    }
    for (text, expected) in [
        ("[[accounts]]\nprofile = \"a\"", "there are no regions to watch"),
        ("region = \"eu-west-1\"\n[[accounts]]\nprofile = \"a\"", "it says nothing beside accounts"),
        ("accounts = []", "it lists no account"),
    ] {
        let told = faults(text);
        assert!(told.iter().any(|fault| fault.contains(expected)), "{told:?} is not {expected}");
    }
}
