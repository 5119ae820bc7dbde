//! A client that calls tools which change AWS, in either era, with somebody to ask or without.

use serde_json::{Value, json};

use super::PATIENCE;
use super::muster::Sandbox;
use super::process::Running;

/// How a client confirms a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It can ask nobody, and speaks the newer protocol: it is shown the plan, and brings back the token.
    Token,
    /// The same, with the older protocol.
    OldToken,
    /// It asks a person, and repeats the call with the answer.
    Input,
    /// It asks a person while the call waits, with the older protocol.
    Elicitation,
}

impl Way {
    fn is_old(self) -> bool {
        matches!(self, Way::OldToken | Way::Elicitation)
    }

    fn asks(self) -> bool {
        matches!(self, Way::Input | Way::Elicitation)
    }

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Token | Way::OldToken => "token",
            Way::Input => "input",
            Way::Elicitation => "elicitation",
        }
    }
}

/// What a call was answered with.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Its result.
    Told(Value),
    /// Its plan, and the token that confirms it.
    Offered(Value, String),
    /// A question to a person.
    Asked(Question),
}

/// A question to a person.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// The result of the call, with what is to be brought back.
    Result(String),
    /// A request while the call, with this id, waits.
    Request { call: u64, id: Value },
}

/// A client over `muster mcp`.
pub(crate) struct Caller {
    pub(crate) running: Running,
    way: Way,
    name: String,
    asked: u64,
}

impl Caller {
    /// Starts a front end with these flags.
    pub(crate) fn open(sandbox: &Sandbox, flags: &[&str], way: Way, name: &str) -> Caller {
        let arguments = sandbox.mcp_arguments(flags);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let running = Running::start("mcp", sandbox.muster(&arguments));
        let mut caller = Caller { running, way, name: name.to_owned(), asked: 0 };
        if way.is_old() {
            let params = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": caller.capabilities(),
                "clientInfo": caller.info(),
            });
            let opening = caller.ask("initialize", params);
            caller.result(opening);
            caller.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        caller
    }

    fn capabilities(&self) -> Value {
        if self.way.asks() { json!({"elicitation": {}}) } else { json!({}) }
    }

    fn info(&self) -> Value {
        json!({"name": self.name, "version": "1"})
    }

    pub(crate) fn say(&mut self, message: &Value) {
        assert!(self.running.say(&message.to_string()), "the front end has ended{}", self.running.tail());
    }

    /// Sends a request, and returns its id.
    pub(crate) fn ask(&mut self, method: &str, mut params: Value) -> u64 {
        self.asked += 1;
        if !self.way.is_old() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": self.capabilities(),
                "io.modelcontextprotocol/clientInfo": self.info(),
            });
        }
        self.say(&json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}));
        self.asked
    }

    /// The next message that is a question, or the answer to a request.
    pub(crate) fn hear(&mut self, id: u64) -> Value {
        loop {
            let message: Value = serde_json::from_str(&self.running.line(PATIENCE)).unwrap();
            let is_answer = message["id"] == id && message.get("method").is_none();
            if is_answer || message["method"] == "elicitation/create" {
                return message;
            }
        }
    }

    fn result(&mut self, id: u64) -> Value {
        let mut answer = self.hear(id);
        assert!(answer.get("result").is_some(), "{answer}{}", self.running.tail());
        answer["result"].take()
    }

    fn reply(&mut self, id: u64) -> Reply {
        let mut message = self.hear(id);
        if message["method"] == "elicitation/create" {
            return Reply::Asked(Question::Request { call: id, id: message["id"].take() });
        }
        assert!(message.get("result").is_some(), "{message}{}", self.running.tail());
        let result = message["result"].take();
        if result["resultType"] == "input_required" {
            return Reply::Asked(Question::Result(result["requestState"].as_str().unwrap().to_owned()));
        }
        match result["structuredContent"]["confirmation"]["token"].as_str() {
            Some(token) => Reply::Offered(result.clone(), token.to_owned()),
            None => Reply::Told(result),
        }
    }

    /// Calls a tool.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Reply {
        let id = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        self.reply(id)
    }

    /// Calls it with a token.
    pub(crate) fn bring(&mut self, tool: &str, arguments: &Value, token: &str) -> Value {
        let mut arguments = arguments.clone();
        arguments["confirmation"] = json!(token);
        match self.call(tool, &arguments) {
            Reply::Told(result) | Reply::Offered(result, _) => result,
            Reply::Asked(question) => panic!("a call with a token asks: {question:?}"),
        }
    }

    /// Gives a person's answer to a question: `accept`, `decline` or `cancel`.
    pub(crate) fn answer(&mut self, tool: &str, arguments: &Value, question: &Question, said: &str) -> Value {
        let given = match said {
            "accept" => json!({"action": "accept", "content": {"confirm": true}}),
            "untick" => json!({"action": "accept", "content": {"confirm": false}}),
            // What no client answers that has asked a person.
            "fail" => json!({"code": -32603, "message": "the form cannot be shown"}),
            said => json!({"action": said}),
        };
        match question {
            Question::Request { call, id } => {
                let part = if said == "fail" { "error" } else { "result" };
                self.say(&json!({"jsonrpc": "2.0", "id": id, part: given}));
                self.result(*call)
            }
            Question::Result(state) => {
                let params = json!({
                    "name": tool, "arguments": arguments, "inputResponses": {"confirm": given}, "requestState": state,
                });
                let id = self.ask("tools/call", params);
                self.result(id)
            }
        }
    }

    /// Agrees to what a call was answered with; the result, if nothing was to be agreed to.
    pub(crate) fn agree(&mut self, tool: &str, arguments: &Value, reply: &Reply) -> Value {
        match reply {
            Reply::Told(result) => result.clone(),
            Reply::Offered(_, token) => self.bring(tool, arguments, token),
            Reply::Asked(question) => self.answer(tool, arguments, question, "accept"),
        }
    }
}

/// The verdicts of a result, without repetitions; or, without rows, the code of the failure.
pub(crate) fn verdicts(result: &Value) -> Vec<String> {
    let Some(rows) = result["structuredContent"]["results"].as_array() else {
        return vec![result["_meta"]["muster/code"].as_str().unwrap_or_default().to_owned()];
    };
    let mut verdicts: Vec<String> = rows.iter().map(|row| row["verdict"].as_str().unwrap().to_owned()).collect();
    verdicts.dedup();
    verdicts
}

/// The text of a result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}
