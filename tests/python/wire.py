"""Reads answers of EC2 as boto3 does: a line of JSON in, a line of JSON out, without any connection.

`{"action": "DescribeVpcs", "status": 200, "body": "<DescribeVpcsResponse>..."}` answers `{"ok": result}` with times as the AWS CLI
prints them, or `{"error": why}` if botocore cannot read the body. An error of EC2 is a result with `Error`.
"""

import datetime
import json
import sys

import botocore.session
from botocore.parsers import create_parser

MODEL = botocore.session.get_session().get_service_model("ec2")
PARSER = create_parser("ec2")


def printed(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} has no JSON form")


def read(answer):
    shape = MODEL.operation_model(answer["action"]).output_shape
    response = {"status_code": answer["status"], "headers": {}, "body": answer["body"].encode()}
    return PARSER.parse(response, shape)


for line in sys.stdin:
    try:
        result = {"ok": read(json.loads(line))}
    except Exception as error:
        result = {"error": repr(error)}
    print(json.dumps(result, default=printed))
