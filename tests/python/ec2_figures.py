"""Measures EC2's read API of Muster beside AWS's own, in one run: boto3 describes everything from both, and many clients at once from
Muster. Prints a JSON object a line: `{"figure", "value", "unit"}`, then `{"done": true}`; what must not be ends it with an error.

Settings (first argument): `aws`, `muster`, `region`; `aws_pid` and `muster_pid`, whose CPU time and memory are told; `instances`, how
many there are; `page`, the size of pages; `latencies`, in milliseconds, of AWS's answers; `clients`, how many ask at once; `actions`, the
describes whose answers are compared, field for field.
"""

import concurrent.futures
import http.client
import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request

import ec2_api

SETTINGS = json.loads(sys.argv[1])
PAGE = SETTINGS["page"]
TICKS = os.sysconf("SC_CLK_TCK")
TOKEN = re.compile(rb"<nextToken>([^<]*)</nextToken>")


def told(figure, value, unit):
    print(json.dumps({"figure": figure, "value": value, "unit": unit}), flush=True)


def cpu(pid):
    """The CPU time of a process since its start, in seconds; its grain is 10 ms."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid, field):
    """Resident memory in MB: now (`VmRSS`), or at most (`VmHWM`)."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1000


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{SETTINGS['aws']}/_simulator{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def calls():
    """How many describes AWS got so far; the server listens to its events as well."""
    asked = control("GET", "/requests")["requests"]
    return sum(line["total"] for line in asked if line["action"].startswith("Describe"))


def describe(client, page):
    """All instances, in pages or in one answer; how many there are."""
    if page:
        pages = client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": page})
    else:
        pages = [client.describe_instances()]
    return sum(len(reservation["Instances"]) for one in pages for reservation in one["Reservations"])


def walk(name, client, pid, page):
    """Walks once, and answers the wall time and the server's CPU time in seconds."""
    begun, before = time.monotonic(), cpu(pid)
    count = describe(client, page)
    took, spent = time.monotonic() - begun, cpu(pid) - before
    if count != SETTINGS["instances"]:
        raise SystemExit(f"{name}: {count} instances are described, not {SETTINGS['instances']}")
    told(f"{name}, time", took, "s")
    told(f"{name}, CPU of the server", spent, "s")
    return took, spent


def side_by_side():
    ours = {}
    for how, page in [("in pages", PAGE), ("in one answer", None)]:
        before = calls()
        ours[how] = walk(f"Muster, {how}", ec2_api.MUSTER, SETTINGS["muster_pid"], page)
        if calls() != before:
            raise SystemExit(f"AWS was asked {calls() - before} times")
    for latency in SETTINGS["latencies"]:
        control("PATCH", "/faults", {"latency": {"fixed": f"{latency}ms"}})
        for how, page in [("in pages", PAGE), ("in one answer", None)]:
            took, spent = walk(f"AWS at {latency} ms, {how}", ec2_api.AWS, SETTINGS["aws_pid"], page)
            told(f"AWS at {latency} ms, {how}, time over Muster's", took / ours[how][0], "x")
            if latency == SETTINGS["latencies"][0]:
                told(f"Muster's CPU over the simulator's, {how}", ours[how][1] / max(spent, 1 / TICKS), "x")
    control("PATCH", "/faults", {"latency": {"fixed": "0s"}})


class Raw:
    """A client that reads what it is answered and understands nothing of it but tokens: it costs the machine as little as can be."""

    def __init__(self):
        url = urllib.parse.urlsplit(SETTINGS["muster"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=600)
        scope = f"testing/20261130/{SETTINGS['region']}/ec2/aws4_request"
        self.headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "content-type": "application/x-www-form-urlencoded",
        }

    def ask(self, **parameters):
        form = urllib.parse.urlencode({"Action": "DescribeInstances", "Version": "2016-11-15", **parameters})
        self.connection.request("POST", "/", form, self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {body[:2000]!r}")
        return answer, body

    def walk(self, page):
        """How many instances there are, and how long each page took, in seconds."""
        count, token, times = 0, None, []
        while True:
            parameters = {"MaxResults": page} if page else {}
            if token:
                parameters["NextToken"] = token
            begun = time.monotonic()
            _, body = self.ask(**parameters)
            times.append(time.monotonic() - begun)
            count += body.count(b"<instanceId>")
            found = TOKEN.search(body, max(0, len(body) - 4096))
            if not found:
                return count, times
            token = found[1].decode()


def crowd(how, page, clients):
    pid = SETTINGS["muster_pid"]
    before = memory(pid, "VmRSS")
    forget_peak(pid)
    begun, spent, asked = time.monotonic(), cpu(pid), calls()
    with concurrent.futures.ThreadPoolExecutor(clients) as threads:
        walks = list(threads.map(lambda _: Raw().walk(page), range(clients)))
    took, spent, asked = time.monotonic() - begun, cpu(pid) - spent, calls() - asked
    counts = {count for count, _ in walks}
    if len(counts) != 1:
        raise SystemExit(f"{clients} clients do not read the same: {counts}")
    times = sorted(time for _, times in walks for time in times)
    name = f"{clients} clients at once, {how}"
    told(f"{name}, time", took, "s")
    told(f"{name}, an answer, median", times[len(times) // 2] * 1000, "ms")
    told(f"{name}, an answer, worst", times[-1] * 1000, "ms")
    told(f"{name}, CPU of the server", spent, "s")
    told(f"{name}, calls made to AWS", asked, "calls")
    told(f"{name}, memory before", before, "MB")
    told(f"{name}, memory at most", memory(pid, "VmHWM"), "MB")


def compare(action):
    action = action.removeprefix("ec2:")
    client = ec2_api.AWS
    operation = next(name for name, api in client.meta.method_to_api_mapping.items() if api == action)
    model = client.meta.service_model.operation_model(action)
    member = next(name for name, shape in model.output_shape.members.items() if shape.type_name == "list")
    takes = model.input_shape.members
    arguments = {owners: ["self"] for owners in ("Owners", "OwnerIds") if owners in takes}
    if "IncludeAllInstances" in takes:
        arguments["IncludeAllInstances"] = True
    count = 0
    pages = [None]
    if client.can_paginate(operation) and "MaxResults" in takes:
        pages.append(min(PAGE, takes["MaxResults"].metadata.get("max", PAGE)))
    for page in pages:
        said = ec2_api.compare({"operation": operation, "member": member, "arguments": arguments, "page": page})
        if not said["same"] or said["split"] or not said["ours"]:
            raise SystemExit(f"{action}, pages of {page}: {json.dumps(said)[:4000]}")
        count = said["ours"]
    told(f"{action}, equal to AWS's", count, "items")


side_by_side()
for how, page in [("in pages", PAGE), ("in one answer", None)]:
    crowd(how, page, SETTINGS["clients"])
for action in SETTINGS["actions"]:
    compare(action)
print(json.dumps({"done": True}), flush=True)
