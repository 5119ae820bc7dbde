"""An OAuth issuer for tests, which lets everybody in as alice. The first line says where it is; requests follow on standard input.

It registers any client (RFC 7591), answers the authorization code flow with PKCE, and signs access tokens (RFC 9068) for the resource
that is asked for (RFC 8707). A line `{"claims": {...}, "header": {...}, "key": "old" | "new" | "foreign"}` answers a token with these
claims over the usual ones, and `{"keys": ["new"]}` says which keys it shows from now on.
"""

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEYS = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("old", "new", "foreign")}
SHOWN = ["old"]
CODES = {}


def public(name):
    shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[name].public_key()))
    return shown | {"kid": name, "use": "sig", "alg": "RS256"}


def token(claims=None, header=None, key="old"):
    now = int(time.time())
    usual = {"iss": ISSUER, "sub": "alice", "client_id": "tests", "scope": "muster.read", "iat": now, "exp": now + 300}
    claims = {name: value for name, value in (usual | (claims or {})).items() if value is not None}
    return jwt.encode(claims, KEYS[key], algorithm="RS256", headers={"typ": "at+jwt", "kid": key} | (header or {}))


class Issuer(BaseHTTPRequestHandler):
    def answer(self, status, body, **headers):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"content-type": "application/json", "content-length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/oauth-authorization-server":
            self.answer(200, {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "registration_endpoint": f"{ISSUER}/register",
                "jwks_uri": f"{ISSUER}/keys",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["none"],
                "scopes_supported": ["muster.read"],
            })
        elif url.path == "/keys":
            self.answer(200, {"keys": [public(name) for name in SHOWN]})
        elif url.path == "/authorize":
            code = secrets.token_urlsafe(16)
            CODES[code] = asked
            back = urlencode({"code": code, "state": asked.get("state", "")})
            self.answer(302, {}, location=f"{asked['redirect_uri']}?{back}")
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/register":
            self.answer(201, json.loads(body) | {"client_id": secrets.token_urlsafe(8), "token_endpoint_auth_method": "none"})
        elif self.path == "/token":
            asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            begun = CODES.pop(asked.get("code"), None)
            digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if begun is None or begun.get("code_challenge") != challenge:
                self.answer(400, {"error": "invalid_grant"})
                return
            resource = asked.get("resource") or begun.get("resource")
            access = token({"aud": resource, "scope": begun.get("scope")})
            self.answer(200, {"access_token": access, "token_type": "Bearer", "expires_in": 300, "scope": begun.get("scope")})
        else:
            self.answer(404, {"error": "not_found"})

    def log_message(self, *_):
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
ISSUER = f"http://127.0.0.1:{SERVER.server_address[1]}"
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
print(json.dumps({"issuer": ISSUER}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "keys" in asked:
        SHOWN[:] = asked["keys"]
        print(json.dumps({"keys": SHOWN}), flush=True)
    else:
        print(json.dumps({"token": token(**asked)}), flush=True)
