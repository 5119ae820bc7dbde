// Drives the npm client `@modelcontextprotocol/client`. Settings: `mode` (auto, legacy), and `url` or `command`, `args`, `env`;
// `person` is what a person who is asked does: accept, decline or cancel.
// The line protocol is that of tests/python/driver.py.

import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
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
const transport = settings.url
  ? new StreamableHTTPClientTransport(new URL(settings.url), {
      requestInit: settings.token ? { headers: { Authorization: `Bearer ${settings.token}` } } : {},
    })
  : new StdioClientTransport({ command: settings.command, args: settings.args, env: settings.env, stderr: "inherit" });

async function main() {
  await client.connect(transport);
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
