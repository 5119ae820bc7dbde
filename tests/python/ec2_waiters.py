"""Waits with every waiter of botocore whose action is one of those given, at AWS and at Muster, and prints how each ended, as JSON.

Each waits for a resource in each state that there is, and for an id that nothing has; without a pause, and twice. Settings (first
argument): `aws`, the URL of AWS; `region`; `actions`: by the name of an action the `arguments` that list everything, the `member` that
does, the parameter `ids`, and an `unknown` id. Muster is where the variable `AWS_ENDPOINT_URL_EC2` says. Prints a list of `waiter`, `id`,
`aws`, `muster`.
"""

import json
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import WaiterError
from botocore.session import get_session

SETTINGS = json.loads(sys.argv[1])
AWS = boto3.client("ec2", endpoint_url=SETTINGS["aws"], region_name=SETTINGS["region"])
MUSTER = boto3.client("ec2", region_name=SETTINGS["region"])
ONCE = {"Delay": 0, "MaxAttempts": 2}


def ended(client, waiter, parameter, id):
    try:
        client.get_waiter(xform_name(waiter)).wait(**{parameter: [id]}, WaiterConfig=ONCE)
        return "done"
    except WaiterError as error:
        return str(error)


def listed(action, how):
    """An id of every state."""
    items = getattr(AWS, xform_name(action))(**how["arguments"])[how["member"]]
    if how["member"] == "Reservations":
        items = [instance for reservation in items for instance in reservation["Instances"]]
    states = {}
    for item in items:
        state = [item.get(name) for name in ("State", "Status", "InstanceStatus", "SystemStatus")]
        states.setdefault(json.dumps(state, default=str), item[how["ids"].removesuffix("s")])
    return list(states.values())


ends = []
model = get_session().get_waiter_model("ec2")
for waiter in model.waiter_names:
    action = model.get_waiter(waiter).operation
    how = SETTINGS["actions"].get(action)
    if how is None:
        continue
    for id in [*listed(action, how), how["unknown"]]:
        theirs, ours = (ended(client, waiter, how["ids"], id) for client in (AWS, MUSTER))
        ends.append({"waiter": waiter, "id": id, "aws": theirs, "muster": ours})
print(json.dumps(ends))
