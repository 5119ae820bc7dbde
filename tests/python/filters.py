"""Asks an EC2 endpoint by filters: a JSON question a line in, a JSON answer a line out.

`{"kind": "volume", "filters": [{"Name": "status", "Values": ["in-use"]}]}` answers `{"ids": [...]}`, in order, or
`{"error": "400 InvalidParameterValue"}`. `{"documented": true}` answers the filters that botocore's model of EC2 documents, by
kind. Settings (first argument): `endpoint`, `region`, `kinds` (by kind: the `operation`,
the `member` of its answer, the field of the `id`, what it calls its `filters`, its other `arguments`).
"""

import json
import re
import sys

import ec2
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

SETTINGS = json.loads(sys.argv[1])
EC2 = ec2.client(SETTINGS, attempts=1)


def ask(kind, filters):
    how = SETTINGS["kinds"][kind]
    items = getattr(EC2, how["operation"])(**{how["filters"]: filters}, **how["arguments"])[how["member"]]
    if kind == "instance":
        items = [instance for reservation in items for instance in reservation["Instances"]]
    return sorted(item[how["id"]] for item in items)


def documented():
    model = EC2.meta.service_model
    found = {}
    for kind, how in SETTINGS["kinds"].items():
        text = model.operation_model(EC2.meta.method_to_api_mapping[how["operation"]]).input_shape.members[how["filters"]].documentation
        found[kind] = re.findall(r"<code>([a-z0-9.:<>-]+?)</code> (?:-|–|—)", text)
    return found


for line in sys.stdin:
    question = json.loads(line)
    try:
        reply = documented() if "documented" in question else {"ids": ask(question["kind"], question["filters"])}
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        reply = {"error": f"{status} {error.response['Error']['Code']}"}
    except (BotoCoreError, ResponseParserError) as error:
        reply = {"error": type(error).__name__}
    print(json.dumps(reply), flush=True)
