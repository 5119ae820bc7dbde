"""Asks Muster for what it does not have, has Cloud Custodian's own code take the ids out of the errors, and prints what it takes.

The settings (first argument) are a list of `operation`, `arguments`, and `by`, the function of Cloud Custodian: its module, and its name
there. Muster is where the variable `AWS_ENDPOINT_URL_EC2` says. Prints a list of `code`, `message`, and `ids`.
"""

import importlib
import json
import sys

import boto3
from botocore.exceptions import ClientError

EC2 = boto3.client("ec2")


def taken(asked):
    module, *names = asked["by"]
    take = importlib.import_module(module)
    for name in names:
        take = getattr(take, name)
    try:
        getattr(EC2, asked["operation"])(**asked["arguments"])
    except ClientError as error:
        ids = take(error)
        told = error.response["Error"]
        return {"code": told["Code"], "message": told["Message"], "ids": [ids] if isinstance(ids, str) else list(ids or [])}
    return {"code": None, "message": "it is answered", "ids": []}


print(json.dumps([taken(asked) for asked in json.loads(sys.argv[1])]))
