// The OAuth issuer `oidc-provider` over HTTPS, as others run it: it registers any client (RFC 7591), has people log in and agree on
// pages of its own, and signs access tokens (RFC 9068) for the resource that is asked for (RFC 8707). Settings: `cert` and `key` are
// files, and `audience` is the only resource that it knows. The first line says where it is, and the end of standard input ends it.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import Provider, { errors } from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const SCOPE = "muster.read";
// Standard output is the test's.
console.info = console.warn = console.error;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signing = { ...privateKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" };

const server = createServer({ cert: readFileSync(settings.cert), key: readFileSync(settings.key) });
server.listen(0, "127.0.0.1", () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [signing] },
    cookies: { keys: ["tests"] },
    scopes: ["openid", "offline_access", SCOPE],
    pkce: { required: () => true },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_context, resource) {
          if (resource !== settings.audience) throw new errors.InvalidTarget();
          return { scope: SCOPE, audience: resource, accessTokenTTL: 300, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };
        },
      },
    },
  });
  provider.on("server_error", (_context, error) => console.error(error));
  server.on("request", provider.callback());
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
