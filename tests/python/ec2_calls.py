"""Asks Muster's EC2 API through boto3 and tells how it answered: a JSON command a line in, a JSON answer a line out.

A command is `{"call": operation, "arguments": {...}}`, with `mode` (of retries), `key`, `secret`, `token`, `region` and `path` if they
differ from the settings, `skew` (the seconds by which the clock of the client is ahead), `change` (two texts of the same length: the
first is replaced by the second in the body once it is signed), and `url` (a signed URL is fetched, in place of a request). The answer
has `attempts`, and either `answer` and `headers`, or `status`, `code` and `message`. `{"crowd": n, "of": command}` has so many clients
ask at once, each the same, and answers what each was answered. Settings (first argument): `endpoint`, `region`, `key`, `secret`.
"""

import concurrent.futures
import json
import os
import ssl
import sys
import threading
import urllib.error
import urllib.request
from datetime import timedelta
from xml.etree import ElementTree

import boto3
import botocore.auth
from botocore.config import Config
from botocore.exceptions import ClientError

SETTINGS = json.loads(sys.argv[1])
NOW = botocore.auth.get_current_datetime
SKEW = threading.local()
botocore.auth.get_current_datetime = lambda *given, **named: NOW(*given, **named) + timedelta(seconds=getattr(SKEW, "seconds", 0))


def connect(how):
    def setting(name):
        return how.get(name, SETTINGS.get(name))

    return boto3.session.Session().client(
        "ec2",
        endpoint_url=SETTINGS["endpoint"] + how.get("path", ""),
        region_name=setting("region"),
        aws_access_key_id=setting("key"),
        aws_secret_access_key=setting("secret"),
        aws_session_token=how.get("token"),
        config=Config(signature_version="v4", retries={"mode": how.get("mode", "standard"), "max_attempts": 5}),
    )


def fetched(client, how):
    """What a signed URL answers."""
    url = client.generate_presigned_url(how["call"], Params=how.get("arguments", {}), ExpiresIn=how.get("good_for", 60), HttpMethod="GET")
    trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if "AWS_CA_BUNDLE" in os.environ else None
    try:
        with urllib.request.urlopen(url, context=trusted) as answer:
            return {"attempts": 1, "answer": answer.read().decode(), "headers": dict(answer.headers)}
    except urllib.error.HTTPError as error:
        said = {part.tag: part.text for part in ElementTree.fromstring(error.read()).iter()}
        return {"attempts": 1, "status": error.code, "code": said["Code"], "message": said["Message"]}


def call(how, client=None):
    client = client or connect(how)
    SKEW.seconds = how.get("skew", 0)
    if how.get("url"):
        return fetched(client, how)
    attempts = []

    def sending(request, **_):
        attempts.append(1)
        if "change" in how:
            one, other = (text.encode() for text in how["change"])
            body = request.body if isinstance(request.body, bytes) else request.body.encode()
            assert len(one) == len(other) and one in body, body
            request.body = body.replace(one, other)

    client.meta.events.register("before-send.ec2", sending)
    try:
        answer = getattr(client, how["call"])(**how.get("arguments", {}))
        headers = answer.pop("ResponseMetadata")["HTTPHeaders"]
        return {"attempts": len(attempts), "answer": answer, "headers": headers}
    except ClientError as error:
        meta, said = error.response["ResponseMetadata"], error.response["Error"]
        headers = {"headers": meta["HTTPHeaders"], "message": said["Message"]}
        return {"attempts": len(attempts), "status": meta["HTTPStatusCode"], "code": said["Code"], **headers}


def crowd(how):
    clients = [connect(how["of"]) for _ in range(how["crowd"])]
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(lambda client: call(how["of"], client), clients))


for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(crowd(command) if "crowd" in command else call(command), default=str), flush=True)
