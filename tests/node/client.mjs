// Drives the npm client `@modelcontextprotocol/client`. Settings: `mode` (auto, legacy), and `url` or `command`, `args`, `env`;
// `person` is what a person who is asked does: accept, decline or cancel. `token` is sent as a bearer token, and with `oauth` the client
// logs in where the server leads it.
// The line protocol is that of tests/python/driver.py.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const settings = JSON.parse(process.argv[2]);
const emit = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const event = (name, fields) => emit({ event: name, at: Date.now() / 1000, ...fields });
const failure = (error) => ({
  type: error?.constructor?.name,
  code: error?.code ?? null,
  message: error?.message ?? String(error),
  data: error?.data ?? null,
});

// Follows a page to that of the client, as a person with a browser does who logs in as alice and agrees to everything.
async function browse(page, home) {
  const cookies = new Map();
  let [url, form] = [page, {}];
  for (let pages = 0; pages < 20; pages += 1) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await fetch(url, { ...form, redirect: "manual", headers: cookie ? { cookie } : {} });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const location = answer.headers.get("location");
    if (location) {
      [url, form] = [new URL(location, url), {}];
      if (url.href.startsWith(home)) return url;
      continue;
    }
    const text = await answer.text();
    const action = /<form [^>]*action="([^"]+)"/.exec(text)?.[1];
    const prompt = /name="prompt" value="([^"]+)"/.exec(text)?.[1];
    if (!action || !prompt) throw new Error(`${url} answers ${answer.status} without a form: ${text}`);
    form = { method: "POST", body: new URLSearchParams({ prompt, login: "alice", password: "any" }) };
    url = new URL(action, url);
  }
  throw new Error(`${page} leads nowhere`);
}

// What the client has of an issuer. It registers itself there.
class Wallet {
  redirectUrl = "http://127.0.0.1:1/callback";
  clientMetadata = {
    client_name: "muster-tests",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  #sent = randomUUID();
  #held = {};
  state = () => this.#sent;
  clientInformation = () => this.#held.client;
  saveClientInformation = (client) => void (this.#held.client = client);
  tokens = () => this.#held.tokens;
  saveTokens = (tokens) => void (this.#held.tokens = tokens);
  codeVerifier = () => this.#held.verifier;
  saveCodeVerifier = (verifier) => void (this.#held.verifier = verifier);
  discoveryState = () => this.#held.discovery;
  saveDiscoveryState = (discovery) => void (this.#held.discovery = discovery);
  async redirectToAuthorization(page) {
    this.answer = (await browse(page, this.redirectUrl)).searchParams;
    if (this.answer.get("state") !== this.#sent) throw new Error(`another state came back: ${this.answer}`);
  }
}

const wallet = settings.oauth ? new Wallet() : undefined;

function target() {
  if (!settings.url) {
    return new StdioClientTransport({ command: settings.command, args: settings.args, env: settings.env, stderr: "inherit" });
  }
  const headers = settings.token ? { headers: { Authorization: `Bearer ${settings.token}` } } : {};
  return new StreamableHTTPClientTransport(new URL(settings.url), { requestInit: headers, authProvider: wallet });
}

function made() {
  const client = new Client(
    { name: "muster-tests", version: "1" },
    {
      versionNegotiation: { mode: settings.mode },
      listMaxPages: 1000,
      capabilities: settings.person ? { elicitation: { form: {} } } : {},
    },
  );
  if (settings.person) {
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      event("asked", { message: params.message });
      return settings.person === "accept" ? { action: "accept", content: { confirm: true } } : { action: settings.person };
    });
  }
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => event("updated", { uri: params.uri }));
  client.setNotificationHandler("notifications/resources/list_changed", () => event("list_changed", {}));
  return client;
}

// A client that is connected, after a person has logged in where that is asked for.
async function connected() {
  const [client, transport] = [made(), target()];
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!wallet || !(error instanceof UnauthorizedError)) throw error;
  }
  await transport.finishAuth(wallet.answer);
  const again = made();
  await again.connect(target());
  return again;
}

async function main() {
  const client = await connected();
  const isModern = client.getNegotiatedProtocolVersion() >= "2026-07-28";
  let listening;
  const operations = {
    tools: () => client.listTools(),
    resources: () => client.listResources(),
    templates: () => client.listResourceTemplates(),
    read: ({ uri }) => client.readResource({ uri }),
    call: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),
    async subscribe({ uris }) {
      if (isModern) {
        listening = await client.listen({ resourceSubscriptions: uris });
        return listening.honoredFilter.resourceSubscriptions ?? [];
      }
      for (const uri of uris) await client.subscribeResource({ uri });
      return uris;
    },
    async unsubscribe({ uris }) {
      if (isModern) await listening.close();
      else for (const uri of uris) await client.unsubscribeResource({ uri });
      return uris;
    },
  };
  event("ready", {
    protocol: client.getNegotiatedProtocolVersion(),
    server: client.getServerVersion(),
    instructions: client.getInstructions() ?? null,
    capabilities: client.getServerCapabilities(),
  });
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...given } = JSON.parse(line);
    try {
      emit({ ok: (await operations[op](given)) ?? null });
    } catch (error) {
      emit({ error: failure(error) });
    }
  }
  await client.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    event("failed", { error: failure(error) });
    process.exit(1);
  },
);
