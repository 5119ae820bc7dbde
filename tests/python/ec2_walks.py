"""Walks all instances of Muster's copy page by page while they change, and judges every page by the log: a replay of its records says
what each instance was at the moment of each page. Prints one JSON object; what is not true ends it with an error.

Settings (first argument): `aws`, `muster`, `region`; `page`, the size of pages; `walks`, how many, and `unpaged`, how many more have all in
one answer; `changes`, how many a second happen meanwhile; `raw`, to read no more of each instance than its id, state and tags, and so much faster than boto3 does; `pause`, how
many seconds pass between two pages; `sample`, how many instances of each walk are held against AWS's own past; `export`, the command
that prints the log.

A walk that is of one moment shows exactly the instances of that moment, each as it was then. One that moved shows every instance that was
there from its first moment to its last, each as it was at the moment of its page. None shows an instance twice.
"""

import datetime
import json
import random
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import ec2_api

SETTINGS = json.loads(sys.argv[1])
SPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"
KIND = "AWS::EC2::Instance"
# Each flip changes an instance twice: as it begins, and as it ends.
EVENTS_A_FLIP = 2
TICK = 0.05


def post(url, form, headers):
    with urllib.request.urlopen(urllib.request.Request(url, form, headers)) as answer:
        return answer.headers, answer.read()


def control(method, path, body):
    asked = urllib.request.Request(
        f"{SETTINGS['aws']}/_simulator{path}", json.dumps(body).encode(), {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


# ---- What changes


class Changes(threading.Thread):
    """Flips instances at a rate, one after the other; a quarter of all changes are whatever else happens in an account."""

    def __init__(self, rate):
        super().__init__(daemon=True)
        self.rate, self.over, self.flipped = rate, threading.Event(), 0
        control("PATCH", "/churn", {"per_second": rate / 4})

    def run(self):
        begun, place, asked = time.monotonic(), 0, 0
        while not self.over.wait(TICK):
            due = int((time.monotonic() - begun) * self.rate * 3 / 4 / EVENTS_A_FLIP) - asked
            if due <= 0:
                continue
            answer = control("POST", "/flip", {"from": place, "count": min(due, 10_000)})
            place, asked = answer["next"], asked + due
            self.flipped += len(answer["flipped"])

    def stop(self):
        self.over.set()
        self.join()
        control("PATCH", "/churn", {"per_second": 0})


# ---- What is shown


def plain(value):
    """An item of boto3 as documents have it."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def whole(document):
    """A document as boto3 shows it: what is empty there is not in documents."""
    return json.dumps({name: value for name, value in document.items() if value != []}, sort_keys=True)


def brief(document):
    """What is read of an instance where boto3 would take too long."""
    tags = sorted((tag["Key"], tag["Value"]) for tag in document.get("Tags", []))
    return json.dumps([document["State"]["Name"], document["LaunchTime"][:19], tags])


def by_boto3(page, token):
    arguments = {**({"MaxResults": page} if page else {}), **({"NextToken": token} if token else {})}
    answer = ec2_api.MUSTER.describe_instances(**arguments)
    shown = []
    for reservation in answer["Reservations"]:
        of = {name: value for name, value in reservation.items() if name != "Instances"}
        for instance in reservation["Instances"]:
            shown.append((instance["InstanceId"], reservation["ReservationId"], whole(plain({**of, **instance}))))
    return answer["ResponseMetadata"]["HTTPHeaders"], shown, answer.get("NextToken")


def by_hand(page, token):
    form = {"Action": "DescribeInstances", "Version": "2016-11-15"}
    if page:
        form["MaxResults"] = page
    if token:
        form["NextToken"] = token
    scope = f"testing/20261130/{SETTINGS['region']}/ec2/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    headers, body = post(SETTINGS["muster"], urllib.parse.urlencode(form).encode(), headers)
    root, shown = ElementTree.fromstring(body), []
    for reservation in root.iterfind(f"{SPACE}reservationSet/{SPACE}item"):
        named = reservation.findtext(f"{SPACE}reservationId")
        for item in reservation.iterfind(f"{SPACE}instancesSet/{SPACE}item"):
            tags = [{"Key": tag.findtext(f"{SPACE}key"), "Value": tag.findtext(f"{SPACE}value") or ""} for tag in item.iterfind(f"{SPACE}tagSet/{SPACE}item")]
            document = {
                "State": {"Name": item.findtext(f"{SPACE}instanceState/{SPACE}name")},
                "LaunchTime": item.findtext(f"{SPACE}launchTime"),
                "Tags": tags,
            }
            shown.append((item.findtext(f"{SPACE}instanceId"), named, brief(document)))
    return headers, shown, root.findtext(f"{SPACE}nextToken")


class Page:
    def __init__(self, headers, shown, took):
        self.seq, self.moved = int(headers["x-muster-seq"]), headers.get("x-muster-walk") == "moved"
        self.as_of, self.shown, self.took = headers["x-muster-as-of"], shown, took
        self.at = time.time()


class Walk:
    def __init__(self, page):
        read, token, self.pages = by_hand if SETTINGS["raw"] else by_boto3, None, []
        begun = time.monotonic()
        while True:
            asked = time.monotonic()
            headers, shown, token = read(page, token)
            self.pages.append(Page(headers, shown, time.monotonic() - asked))
            if not token:
                break
            time.sleep(SETTINGS["pause"])
        self.took = time.monotonic() - begun
        self.seqs = sorted({page.seq for page in self.pages})
        self.moves = sum(page.moved for page in self.pages)
        ids = [id for page in self.pages for id, _, _ in page.shown]
        self.ids, self.twice = set(ids), len(ids) - len(set(ids))
        for before, page in zip(self.pages, self.pages[1:]):
            if (page.seq != before.seq) != page.moved or page.seq < before.seq:
                raise SystemExit(f"a page of {page.seq} follows one of {before.seq}, and says moved: {page.moved}")
        if self.twice:
            raise SystemExit(f"{self.twice} instances come again, after {self.moves} moves")
        if not self.moves:
            parts = [name for page in self.pages for name in {name for _, name, _ in page.shown}]
            if len(parts) != len(set(parts)):
                raise SystemExit("a reservation comes on two pages of one moment")


# ---- What was


def put(map, path, value):
    *outer, name = path.split(".")
    for step in outer:
        map = map.setdefault(step, {})
    if value is None:
        map.pop(name, None)
    else:
        map[name] = value


class Replay:
    """The log, record by record: what every instance was after the record that was read last."""

    def __init__(self, walks):
        self.walks, self.held, self.wrong, self.judged = walks, {}, [], 0
        self.first, self.last, self.records = walks[0].seqs[0], walks[-1].seqs[-1], 0
        # Those of a walk's first moment that are still there.
        self.stayed = {}
        self.due = sorted({seq for walk in walks for seq in walk.seqs})

    def run(self):
        with subprocess.Popen(SETTINGS["export"], stdout=subprocess.PIPE) as export:
            for line in export.stdout:
                seq = int(re.match(rb'\{"seq":(\d+)', line)[1])
                self.reach(seq - 1)
                if self.first < seq <= self.last:
                    self.records += 1
                event = json.loads(line)["event"] if KIND.encode() in line else {}
                if event.get("kind") == KIND:
                    self.apply(event)
                if not self.due:
                    export.kill()
                    break
            else:
                self.reach(float("inf"))

    def apply(self, event):
        id = event["id"]
        if event["event"] == "discovered":
            self.held[id] = json.dumps(event["document"])
        elif event["event"] in ("changed", "remapped"):
            document = json.loads(self.held[id])
            for change in event["changes"]:
                put(document, change["path"], change.get("after"))
            self.held[id] = json.dumps(document)
        elif event["event"] == "removed":
            del self.held[id]
            for ids in self.stayed.values():
                ids.discard(id)

    def reach(self, seq):
        """Judges everything of a moment up to this record."""
        while self.due and self.due[0] <= seq:
            moment = self.due.pop(0)
            for walk in self.walks:
                self.judge(walk, moment)

    def judge(self, walk, moment):
        if moment == walk.seqs[0]:
            self.stayed[id(walk)] = set(self.held)
            if not walk.moves and walk.ids != set(self.held):
                self.wrong.append(f"of {len(self.held)} instances at {moment} a walk shows {len(walk.ids)}, others: {list(walk.ids ^ set(self.held))[:3]}")
        of = brief if SETTINGS["raw"] else whole
        for page in walk.pages:
            if page.seq != moment:
                continue
            for shown, _, as_it_was in page.shown:
                held = self.held.get(shown)
                self.judged += 1
                if held is None or of(json.loads(held)) != as_it_was:
                    self.wrong.append(f"{shown} at {moment}: shown {as_it_was}, held {held}")
        if moment == walk.seqs[-1]:
            missing = self.stayed.pop(id(walk)) - walk.ids
            if missing:
                self.wrong.append(f"{len(missing)} that were there all the time are not shown: {list(missing)[:3]}")


def state_at(ms, instance):
    form = {"Action": "DescribeInstances", "Version": "2016-11-15", "InstanceId.1": instance}
    scope = f"testing/20261130/{SETTINGS['region']}/ec2/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    try:
        _, body = post(f"{SETTINGS['aws']}/_simulator/at/{ms}/", urllib.parse.urlencode(form).encode(), headers)
    except urllib.error.HTTPError:
        return None
    return ElementTree.fromstring(body).findtext(f".//{SPACE}instanceState/{SPACE}name")


def untrue(walk):
    """What is shown of a sample, and was AWS's at no time from the moment that the page says it is as of."""
    found, dice = [], random.Random(1)
    shown = [(page, *one) for page in walk.pages for one in page.shown]
    for page, instance, _, text in dice.sample(shown, min(SETTINGS["sample"], len(shown))):
        document = json.loads(text)
        state = document[0] if SETTINGS["raw"] else document["State"]["Name"]
        begins = int(datetime.datetime.fromisoformat(page.as_of).timestamp() * 1000)
        ends = int(page.at * 1000)
        with urllib.request.urlopen(f"{SETTINGS['aws']}/_simulator/journal?id={instance}") as answer:
            moments = json.load(answer)["moments"]
        then = [begins, *(moment for moment in moments if begins < moment <= ends)]
        # The newest first: most are as AWS is now.
        if not any(state_at(moment, instance) == state for moment in reversed(then)):
            found.append(f"{instance} is shown as {state}, and was that at no time from {page.as_of} to {ends}")
    return found


CHANGES = Changes(SETTINGS["changes"])
CHANGES.start()
time.sleep(1)
WALKS = [Walk(page) for page in [SETTINGS["page"]] * SETTINGS["walks"] + [None] * SETTINGS["unpaged"]]
CHANGES.stop()
REPLAY = Replay(WALKS)
REPLAY.run()
WRONG = REPLAY.wrong + [line for walk in WALKS for line in untrue(walk)]
if WRONG:
    raise SystemExit(f"{len(WRONG)} are wrong:\n" + "\n".join(line[:1500] for line in WRONG[:5]))
TIMES = sorted(page.took for walk in WALKS for page in walk.pages)
print(
    json.dumps(
        {
            "walks": [
                {
                    "seconds": round(walk.took, 2),
                    "pages": len(walk.pages),
                    "instances": len(walk.ids),
                    "twice": walk.twice,
                    "moves": walk.moves,
                    "records_passed": walk.seqs[-1] - walk.seqs[0],
                    "slowest_page": round(max(page.took for page in walk.pages), 3),
                    "last_over_first": round(walk.pages[-1].took / walk.pages[0].took, 2),
                }
                for walk in WALKS
            ],
            "judged": REPLAY.judged,
            "records": REPLAY.records,
            "flipped": CHANGES.flipped,
            "page_median": TIMES[len(TIMES) // 2],
        }
    ),
    flush=True,
)
