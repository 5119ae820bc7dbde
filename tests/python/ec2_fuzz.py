"""Sends what no client sends to Muster's EC2 API, and tells what is wrong with how it is answered, one JSON object a line.

`{"what", "status", "code", "message", "problem"}` for each of the named cases, and at the end `{"random": n, "problems": [...]}` for as
many random ones. An answer is well if it is XML that expat reads: an error with a code, a message and a request id, or an answer
whose root names its action. HTTP that is none may be refused without a document, or the connection be closed. Arguments: host, port,
region, how many random requests, seed.
"""

import json
import random
import socket
import sys
from xml.parsers import expat

HOST, PORT, REGION, COUNT, SEED = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
GOOD = "Action=DescribeVpcs&Version=2016-11-15"
SIGNED = f"AWS4-HMAC-SHA256 Credential=testing/20261130/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature=0"
INJECTED = "</Message><Code>Injected</Code>]]><!--\"'&"


def exchange(sent, is_over=False):
    """What comes back until the connection is closed; `is_over` says to the server that nothing more follows."""
    with socket.create_connection((HOST, PORT), timeout=60) as connection:
        try:
            connection.sendall(sent)
            if is_over:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def request(method="POST", target="/", body=b"", headers=(), length=True):
    body = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
    lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}:{PORT}", "Connection: close", f"Authorization: {SIGNED}", *headers]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("Content-Type: application/x-www-form-urlencoded; charset=utf-8")
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def document(body):
    """The root of a document, and the texts of its elements; raises expat.ExpatError if it is none."""
    path, texts, root = [], {}, []

    def begin(name, _):
        path.append(name)
        if not root:
            root.append(name)

    def text(data):
        texts.setdefault("/".join(path), []).append(data)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = begin, text
    parser.EndElementHandler = lambda _: path.pop()
    parser.Parse(body, True)
    return root[0], {name: "".join(parts) for name, parts in texts.items()}


def judge(what, answer, is_http=True, is_head=False):
    told = {"what": what, "status": None, "code": None, "message": None, "problem": None}
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not answer:
        return {**told, "problem": "no answer" if is_http else None}
    told["status"] = int(lines[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if not body and (is_head or not is_http):
        return told
    if not headers.get("content-type", "").startswith("text/xml"):
        return {**told, "problem": f"content type {headers.get('content-type')}: {body[:200]!r}"}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    try:
        root, texts = document(body)
    except expat.ExpatError as error:
        return {**told, "problem": f"{error}: {body[:500]!r}"}
    if told["status"] == 200:
        return told if root.endswith("Response") and root != "Response" else {**told, "problem": f"root {root}"}
    base = "Response/Errors/Error/"
    told["code"], told["message"] = texts.get(base + "Code"), texts.get(base + "Message")
    if not told["code"] or not told["message"] or not texts.get("Response/RequestID"):
        told["problem"] = f"it lacks a part: {body[:500]!r}"
    return told


def unchunked(body):
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


def form(*pairs):
    return "&".join([GOOD, *pairs])


def chunked(data):
    return request(headers=["Transfer-Encoding: chunked"], length=False) + data


HTTP = {
    "plain": request(body=GOOD),
    "get": request("GET", f"/?{GOOD}"),
    "get with a body": request("GET", f"/?{GOOD}", body="MaxResults=5"),
    "get and body say the same": request("GET", f"/?{GOOD}", body=GOOD),
    "head": request("HEAD", f"/?{GOOD}"),
    "options": request("OPTIONS", "/"),
    "put": request("PUT", "/", body=GOOD),
    "delete": request("DELETE", f"/?{GOOD}"),
    "many parameters": request(body=form(*(f"Tag.{n}=1" for n in range(80_000)))),
    "many filters": request(body=form(*(f"Filter.{n}.Name=tag:a&Filter.{n}.Value.1=b" for n in range(1, 20_000)))),
    "deep value": request(body=form("Filter.1.Name=vpc-id", "Filter.1.Value.99999=vpc-1")),
    "deeper value": request(body=form("Filter.1.Name=vpc-id", "Filter.1.Value.1.2.3.4.5=vpc-1")),
    "huge index": request(body=form("Filter.99999999999999999999.Name=vpc-id")),
    "negative index": request(body=form("VpcId.-1=vpc-1")),
    "nul in a name": request(body=form("a%00b=1")),
    "nul in a value": request(body=form("VpcId.1=%00")),
    "controls in an action": request(body="Action=%01%02%1f%7f%ef%bf%be%ef%bf%bf&Version=2016-11-15"),
    "not utf-8": request(body=form("VpcId.1=%ff%fe")),
    "raw bytes": request(body=GOOD.encode() + b"&VpcId.1=\xff\x00\x01"),
    "surrogate": request(body=form("VpcId.1=%ed%a0%80")),
    "percent": request(body=form("VpcId.1=%zz")),
    "twice": request(body=form("VpcId.1=vpc-1", "VpcId.1=vpc-2")),
    "action twice": request(body=form("Action=DescribeVpcs")),
    "injected action": request(body="Version=2016-11-15&Action=" + INJECTED.replace("&", "%26")),
    "injected filter": request(body=form("Filter.1.Name=" + INJECTED.replace("&", "%26"), "Filter.1.Value.1=x")),
    "injected id": request(body=form("VpcId.1=" + INJECTED.replace("&", "%26"))),
    "injected parameter": request(body=form(INJECTED.replace("&", "%26") + "=1")),
    "injected token": request(body=form("MaxResults=5", "NextToken=" + INJECTED.replace("&", "%26"))),
    "injected version": request(body="Action=DescribeVpcs&Version=" + INJECTED.replace("&", "%26")),
    "json": request(body=json.dumps({"Action": "DescribeVpcs"}), headers=["Content-Type: application/x-amz-json-1.1", "X-Amz-Target: AmazonEC2.DescribeVpcs"]),
    "target alone": request(headers=["X-Amz-Target: AmazonEC2.DescribeVpcs"]),
    "multipart": request(body=f"--x\r\nContent-Disposition: form-data; name=\"Action\"\r\n\r\nDescribeVpcs\r\n--x--", headers=["Content-Type: multipart/form-data; boundary=x"]),
    "xml": request(body="<DescribeVpcs/>", headers=["Content-Type: text/xml"]),
    "path": request(target="/../../etc/passwd", body=GOOD),
    "encoded path": request(target="/%00%3Cb%3E", body=GOOD),
    "too long": request(body=form("VpcId.1=" + "x" * (1 << 20))),
    "chunks": chunked(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [GOOD[:5].encode(), GOOD[5:].encode()]) + b"0\r\n\r\n"),
    "no chunks": chunked(b"ZZ\r\nnonsense\r\n"),
    "endless chunk": chunked(b"ffffffffffffffff\r\nAction=DescribeVpcs"),
    "two lengths": request(body=GOOD, headers=["Content-Length: 3"]),
    "length and chunks": request(body=GOOD, headers=["Transfer-Encoding: chunked"]),
}
# These are no HTTP, or none that hyper takes.
NONE = {
    "not http": b"\x00\x01\x02\x03\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "no version": b"GET /\r\n\r\n",
    "many headers": request(body=GOOD, headers=[f"X-{n}: 1" for n in range(5000)]),
    "long header": request(body=GOOD, headers=["X-Long: " + "x" * 1_000_000]),
    "header with nul": request(body=GOOD, headers=["X-Nul: \0"]),
    "bad method": request("G\u00e9T", f"/?{GOOD}"),
}
MAY_BE_NONE = {"chunks", "no chunks", "endless chunk", "two lengths", "length and chunks", "encoded path", "path"}

for name, sent in {**HTTP, **NONE}.items():
    is_http = name in HTTP and name not in MAY_BE_NONE
    print(json.dumps(judge(name, exchange(sent, name == "endless chunk"), is_http, name == "head")), flush=True)

dice = random.Random(SEED)
PIECES = [
    "Action=", "DescribeInstances", "DescribeTags", "&", "&", "&", "=", "Version=2016-11-15", "Filter.1.Name=", "Filter.1.Value.1=", "tag:a",
    "instance-state-name", "%", "%00", "%0", "%ff", "\u00e9", "\u2028", "\ufffe", "InstanceId.1=i-0123", "MaxResults=5", "NextToken=", "AAAA",
    "<!--", "]]>", "&amp;", "\0", "\x1b", "DryRun=true", "Owner.1=self", ".", ".1", "resource-type", "resource-id", "Filter.2.Name=key", "+",
]
ACTIONS = ["DescribeVolumes", "DescribeInstances", "DescribeTags", "DescribeSnapshots", "DescribeSecurityGroups", "DescribeVpcs"]
problems = []
for number in range(COUNT):
    body = "".join(dice.choice(PIECES) for _ in range(dice.randrange(16)))
    if dice.random() < 0.6:
        body = f"Action={dice.choice(ACTIONS)}&Version=2016-11-15&{body}"
    body = bytearray(body.encode())
    if body and dice.random() < 0.3:
        body[dice.randrange(len(body))] = dice.randrange(256)
    told = judge(bytes(body).decode("latin-1"), exchange(request(body=bytes(body))))
    if told["problem"] or told["status"] not in (200, 400, 403, 412):
        problems.append(told)
print(json.dumps({"random": COUNT, "problems": problems[:5]}), flush=True)
