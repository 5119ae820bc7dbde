//! The cases: what a client does, and what it must see, what AWS must see, and what the log must hold.

use serde_json::{Value, json};

use super::path::WritePath;
use crate::harness::caller::Way;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// It calls, and agrees to nothing.
    Call,
    /// It calls, and agrees to what it is shown.
    Agree,
    /// It calls, and the person who is asked gives this answer; `fail` if the client cannot ask.
    Say(&'static str),
    /// It agrees, and comes again with the same confirmation.
    Replay,
    /// It calls, and comes with a confirmation that was altered.
    Alter,
    /// It comes with a token that nobody gave it.
    Forge,
    /// It calls, what the plan shows changes, and it agrees.
    Change,
    /// It changes another instance, calls, and agrees.
    Another,
}

/// What must come of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The verdict of each instance, or the code of the failure.
    pub(super) verdict: &'static str,
    /// What the text names.
    pub(super) says: &'static [&'static str],
    /// What the log holds before any call of AWS. `WAY` stands for the way of the client.
    pub(super) before: &'static [&'static str],
    /// What became of each call of AWS; `None`: there was none.
    pub(super) sent: Option<Sent>,
}

/// What became of a call of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// As CloudTrail has it; `None`: it never got there, or CloudTrail records no such call.
    pub(super) seen: Option<&'static str>,
    /// As the log has it.
    pub(super) ended: &'static str,
}

/// A row of the table, for each path and way.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) ways: &'static [Way],
    /// The flags of the client's front end.
    pub(super) flags: &'static [&'static str],
    /// A tag that the instances get before.
    pub(super) tag: Option<(&'static str, &'static str)>,
    /// The faults of AWS, for the action of the path.
    pub(super) faults: fn(&str) -> Value,
    pub(super) steps: Steps,
    /// What comes of it where somebody has to agree.
    pub(super) agreed: Expected,
    /// What comes of it where nobody has to, with the reason why that differs.
    pub(super) free: Expected,
}

const WRITES: &[&str] = &["--allow-writes"];
const HUMAN: &[&str] = &["--allow-writes", "--require-human"];
const DONE: Sent = Sent { seen: Some("OK"), ended: "requested, succeeded" };
const ACCEPTED: &[&str] = &["accepted by WAY"];

fn none(_: &str) -> Value {
    json!({})
}

const fn expected(verdict: &'static str, says: &'static [&'static str], before: &'static [&'static str]) -> Expected {
    Expected { verdict, says, before, sent: None }
}

/// It was carried out.
const fn done(before: &'static [&'static str]) -> Expected {
    Expected { verdict: "done", says: &[], before, sent: Some(DONE) }
}

/// Nothing interrupts and one instance alone is reached, so that the first call acts, and nothing is left to confirm.
const FREE: Expected = done(&[]);

/// A rule refuses, whether or not somebody would have to agree.
const fn ruled(
    name: &'static str,
    flags: &'static [&'static str],
    tag: Option<(&'static str, &'static str)>,
    steps: Steps,
    refused: Expected,
) -> Case {
    Case { name, ways: &[Way::Token], flags, tag, faults: none, steps, agreed: refused, free: refused }
}

/// What the rules refuse.
pub(super) const RULES: [Case; 7] = [
    ruled(
        "no flag",
        &[],
        None,
        Steps::Agree,
        expected("writes_off", &["--allow-writes", "a person"], &["refused by --allow-writes (connection)"]),
    ),
    ruled(
        "wrong tag",
        &["--allow-writes", "--write-tag", "mcp-managed=true"],
        Some(("mcp-managed", "false")),
        Steps::Agree,
        expected(
            "policy_refused",
            &["--write-tag mcp-managed=true", "`false`", "AWS was not called", "Only a person"],
            &["refused by --write-tag mcp-managed=true (connection)"],
        ),
    ),
    ruled(
        "no tag",
        &["--allow-writes", "--write-tag", "mcp-managed=true"],
        Some(("other", "true")),
        Steps::Agree,
        expected(
            "policy_refused",
            &["--write-tag mcp-managed=true", "AWS was not called", "Only a person"],
            &["refused by --write-tag mcp-managed=true (connection)"],
        ),
    ),
    ruled(
        "denied tag",
        &["--allow-writes", "--deny-write", "tag:Env=prod"],
        Some(("Env", "prod")),
        Steps::Agree,
        expected(
            "policy_refused",
            &["--deny-write tag:Env=prod", "that is denied", "AWS was not called", "Only a person"],
            &["refused by --deny-write tag:Env=prod (connection)"],
        ),
    ),
    ruled(
        "cap hit",
        &["--allow-writes", "--write-cap", "1/1h"],
        None,
        Steps::Another,
        expected(
            "policy_refused",
            &["--write-cap 1/1h", "1 other instance", "AWS was not called", "Only a person"],
            &["refused by --write-cap 1/1h (connection)"],
        ),
    ),
    Case {
        name: "nobody to ask, a person required",
        ways: TOKENS,
        flags: HUMAN,
        tag: None,
        faults: none,
        steps: Steps::Agree,
        agreed: expected(
            "policy_refused",
            &["--require-human", "AWS was not called", "Only a person"],
            &["refused by --require-human (connection)"],
        ),
        free: FREE,
    },
    Case {
        name: "a person required and asked",
        ways: PEOPLE,
        flags: HUMAN,
        tag: None,
        faults: none,
        steps: Steps::Agree,
        agreed: done(ACCEPTED),
        free: FREE,
    },
];

const ALL: &[Way] = &[Way::Token, Way::OldToken, Way::Input, Way::Elicitation];
const TOKENS: &[Way] = &[Way::Token, Way::OldToken];
const PEOPLE: &[Way] = &[Way::Input, Way::Elicitation];

const fn asked(name: &'static str, ways: &'static [Way], steps: Steps, agreed: Expected, free: Expected) -> Case {
    Case { name, ways, flags: WRITES, tag: None, faults: none, steps, agreed, free }
}

/// What a person answers, and what a client does that has nobody to ask.
pub(super) const ANSWERS: [Case; 6] = [
    asked("agreed", ALL, Steps::Agree, done(ACCEPTED), FREE),
    asked(
        "nobody to ask, nothing confirmed",
        TOKENS,
        Steps::Call,
        expected("unconfirmed", &["Nothing is done yet", "ask whether to do it", "confirmation \""], &[]),
        FREE,
    ),
    asked(
        "declined",
        PEOPLE,
        Steps::Say("decline"),
        expected(
            "unconfirmed",
            &["did not agree", "Nothing was sent to AWS", "Do not call again"],
            &["declined by WAY"],
        ),
        FREE,
    ),
    asked(
        "closed",
        PEOPLE,
        Steps::Say("cancel"),
        expected(
            "unconfirmed",
            &["closed without a yes or a no", "Nothing was sent to AWS", "Do not call again"],
            &["cancelled by WAY"],
        ),
        FREE,
    ),
    asked(
        "not ticked",
        PEOPLE,
        Steps::Say("untick"),
        expected("unconfirmed", &["did not agree", "Nothing was sent to AWS"], &["declined by WAY"]),
        FREE,
    ),
    asked(
        "failed question",
        PEOPLE,
        Steps::Say("fail"),
        expected("unconfirmed", &["could not ask it", "Nothing was sent to AWS"], &["cancelled by WAY"]),
        FREE,
    ),
];

const ALTERED: Expected =
    expected("unconfirmed", &["is not the one that this server gave", "Nothing was sent to AWS"], &["altered by WAY"]);

/// What becomes of confirmations that are not those of the plan.
pub(super) const CLAIMS: [Case; 4] = [
    asked(
        "replayed",
        &[Way::Token, Way::Input],
        Steps::Replay,
        Expected {
            verdict: "unconfirmed",
            says: &["was used before", "Nothing was sent to AWS"],
            before: &["accepted by WAY", "replayed by WAY"],
            sent: Some(DONE),
        },
        FREE,
    ),
    asked("altered", &[Way::Token, Way::Input], Steps::Alter, ALTERED, FREE),
    // What comes with a confirmation is refused if that does not count, also where none is needed.
    asked("made up", TOKENS, Steps::Forge, ALTERED, ALTERED),
    Case {
        name: "changed since the plan",
        ways: &[Way::Token, Way::Input, Way::Elicitation],
        // The plan shows the tags that rules read.
        flags: &["--allow-writes", "--deny-write", "tag:Env=prod"],
        tag: None,
        faults: none,
        steps: Steps::Change,
        agreed: expected(
            "unconfirmed",
            &["has changed since it was shown", "Nothing was sent to AWS"],
            &["changed by WAY"],
        ),
        free: FREE,
    },
];

const fn faulty(name: &'static str, faults: fn(&str) -> Value, expected: Expected) -> Case {
    let free = Expected { before: &[], ..expected };
    Case { name, ways: &[Way::Token], flags: WRITES, tag: None, faults, steps: Steps::Agree, agreed: expected, free }
}

/// What AWS does.
pub(super) const FAULTS: [Case; 5] = [
    faulty(
        "AWS denies",
        |action| json!({"denied": [action]}),
        Expected {
            verdict: "refused",
            says: &["UnauthorizedOperation"],
            before: ACCEPTED,
            sent: Some(Sent { seen: Some("Client.UnauthorizedOperation"), ended: "requested, refused" }),
        },
    ),
    faulty(
        "AWS has no capacity",
        |action| json!({"no_capacity": [action]}),
        Expected {
            verdict: "refused",
            says: &["InsufficientInstanceCapacity", "nothing happened"],
            before: ACCEPTED,
            sent: Some(Sent { seen: Some("Server.InsufficientInstanceCapacity"), ended: "requested, refused" }),
        },
    ),
    faulty(
        "AWS throttles",
        |action| json!({"throttle": {"share": 1, "actions": [action]}}),
        Expected {
            verdict: "refused",
            says: &["RequestLimitExceeded"],
            before: ACCEPTED,
            sent: Some(Sent { seen: None, ended: "requested, refused" }),
        },
    ),
    faulty(
        "AWS does it and the answer is lost",
        |action| json!({"truncate": {"share": 1, "actions": [action]}}),
        Expected {
            verdict: "unknown",
            says: &["It may have happened"],
            before: ACCEPTED,
            sent: Some(Sent { seen: Some("OK"), ended: "requested, unknown" }),
        },
    ),
    faulty(
        "the call is lost",
        |action| json!({"cut": {"share": 1, "actions": [action]}}),
        Expected {
            verdict: "unknown",
            says: &["It may have happened"],
            before: ACCEPTED,
            sent: Some(Sent { seen: None, ended: "requested, unknown" }),
        },
    ),
];

impl Case {
    /// What must come of it.
    pub(super) fn expected(&self, path: WritePath) -> Expected {
        if !path.needs_agreement() {
            return self.free;
        }
        match self.steps {
            // What is in the requested state already is not called for, whatever the confirmation is.
            Steps::Replay if matches!(path.tool, "start_instance" | "stop_instance") => {
                Expected { verdict: "already", says: &["already"], before: ACCEPTED, ..self.agreed }
            }
            _ => self.agreed,
        }
    }
}
