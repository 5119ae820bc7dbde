"""Asks two EC2 endpoints the same through boto3, and compares what they answer: a JSON command a line in, a JSON answer a line out.

`{"compare": {"operation", "member", "arguments", "page"}}` answers how many items each has (`theirs`, `ours`) and the first that
`differ`; `page` is the size of pages, or null for one call. Values differ if their types do. `{"fail": {"operation", "arguments",
"mode"}}` answers the `theirs` and `ours` of an error: status, code, message, attempts. `{"crowd": {"clients", "operation",
"member", "arguments"}}` has so many clients ask at once, and answers how many items each got. `{"walk": {"operation", "member",
"arguments", "page"}}` answers one page after the other, as long as the next line is `{"more": true}`: its items, and its headers.
`{"head": {"operation", "arguments"}}` answers Muster's headers. `{"tags":
{"filters", "page"}}` compares the tags of volumes and instances, filtered by their keys. Settings (first argument): `aws`, `muster`, `region`, and `key`,
`secret` and `token` to sign with.
"""

import concurrent.futures
import datetime
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SETTINGS = json.loads(sys.argv[1])


def connect(endpoint, mode="standard"):
    return boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name=SETTINGS["region"],
        aws_access_key_id=SETTINGS.get("key", "testing"),
        aws_secret_access_key=SETTINGS.get("secret", "testing"),
        aws_session_token=SETTINGS.get("token"),
        config=Config(retries={"mode": mode, "max_attempts": 5}, max_pool_connections=60),
    )


AWS, MUSTER = connect(SETTINGS["aws"]), connect(SETTINGS["muster"])


def typed(value):
    """A value with the types of everything in it. AWS promises no order of lists, and documents keep one of their own."""
    if isinstance(value, dict):
        return {name: typed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted((typed(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    if isinstance(value, datetime.datetime):
        return f"time {value.isoformat()}"
    return f"{type(value).__name__} {value}"


def items(client, how):
    """What is described, in an order of its own; and whether a reservation came in several parts."""
    call = getattr(client, how["operation"])
    if how.get("page"):
        pages = list(client.get_paginator(how["operation"]).paginate(**how["arguments"], PaginationConfig={"PageSize": how["page"]}))
    else:
        pages = [call(**how["arguments"])]
    found = [item for page in pages for item in page[how["member"]]]
    sizes = [sum(len(item.get("Instances", [1])) for item in page[how["member"]]) for page in pages]
    parts = len(found)
    if how["member"] == "Reservations":
        whole = {}
        for reservation in found:
            known = whole.setdefault(reservation["ReservationId"], {**reservation, "Instances": []})
            known["Instances"] = sorted(known["Instances"] + reservation["Instances"], key=lambda one: one["InstanceId"])
        found = list(whole.values())
    return sorted((typed(item) for item in found), key=lambda item: json.dumps(item, sort_keys=True)), parts > len(found), sizes


def compare(how):
    theirs, _, _ = items(AWS, how)
    ours, is_split, sizes = items(MUSTER, how)
    differ = [[one, other] for one, other in zip(theirs, ours) if one != other]
    same = theirs == ours
    return {
        "theirs": len(theirs),
        "ours": len(ours),
        "same": same,
        "differ": differ[:1],
        "split": is_split,
        "sizes": sizes,
    }


def failed(client, how):
    attempts = []
    client.meta.events.register("before-send.ec2", lambda **_: attempts.append(1), unique_id="count")
    try:
        getattr(client, how["operation"])(**how["arguments"])
        return {"answered": True}
    except ClientError as error:
        meta = error.response["ResponseMetadata"]
        said = error.response["Error"]
        return {"status": meta["HTTPStatusCode"], "code": said["Code"], "message": said["Message"], "attempts": len(attempts)}
    finally:
        client.meta.events.unregister("before-send.ec2", unique_id="count")


def fail(how):
    mode = how.get("mode", "standard")
    return {name: failed(connect(SETTINGS[at], mode), how) for name, at in [("theirs", "aws"), ("ours", "muster")]}


def crowd(how):
    def ask(_):
        client = connect(SETTINGS["muster"])
        return sum(len(item.get("Instances", [1])) for item in getattr(client, how["operation"])(**how["arguments"])[how["member"]])

    with concurrent.futures.ThreadPoolExecutor(how["clients"]) as threads:
        return {"counts": list(threads.map(ask, range(how["clients"])))}


def tags(how):
    """The tags of two kinds, as Muster lists them and as AWS shows them on the resources."""
    filters = [{"Name": "resource-type", "Values": ["volume", "instance"]}, *how["filters"]]
    pages = list(MUSTER.get_paginator("describe_tags").paginate(Filters=filters, PaginationConfig={"PageSize": how["page"]}))
    ours = [[tag["ResourceType"], tag["ResourceId"], tag["Key"], tag["Value"]] for page in pages for tag in page["Tags"]]
    volumes = [("volume", volume["VolumeId"], volume) for volume in AWS.describe_volumes()["Volumes"]]
    launched = [one for reservation in AWS.describe_instances()["Reservations"] for one in reservation["Instances"]]
    instances = [("instance", instance["InstanceId"], instance) for instance in launched]
    theirs = [[kind, id, tag["Key"], tag["Value"]] for kind, id, item in volumes + instances for tag in item.get("Tags", [])]
    theirs = [tag for tag in theirs if all(tag[2] in one["Values"] for one in how["filters"])]
    return {"same": sorted(ours) == sorted(theirs), "ours": len(ours), "pages": len(pages)}


def headers(answer):
    return {name: value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items() if name.startswith("x-")}


def walk(how):
    token = None
    while True:
        arguments = {**how["arguments"], "MaxResults": how["page"]}
        if token:
            arguments["NextToken"] = token
        answer = getattr(MUSTER, how["operation"])(**arguments)
        token = answer.get("NextToken")
        print(json.dumps({"items": typed(answer[how["member"]]), "headers": headers(answer), "more": bool(token)}), flush=True)
        if not token:
            return
        sys.stdin.readline()


def main():
    for line in sys.stdin:
        [(what, how)] = json.loads(line).items()
        if what == "walk":
            walk(how)
            continue
        if what == "head":
            reply = headers(getattr(MUSTER, how["operation"])(**how["arguments"]))
        else:
            reply = {"compare": compare, "crowd": crowd, "fail": fail, "tags": tags}[what](how)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
