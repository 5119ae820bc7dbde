"""Prints requests to EC2 as boto3 signs and sends them, one a line, without sending any.

Each is `{"what", "now", "method", "url", "headers": [[name, value]], "body"}`, signed with the key and secret in the first two arguments
at the time `now`.
"""

import datetime
import json
import sys

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

KEY, SECRET = sys.argv[1:3]
ENDPOINT = "http://127.0.0.1:8377"


class Nothing:
    """The body of an answer that nobody gave."""

    def stream(self, **_):
        yield b"<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"


def tell(what, method, url, headers, body):
    now = datetime.datetime.now(datetime.UTC).isoformat()
    headers = [[name, value.decode() if isinstance(value, bytes) else value] for name, value in headers.items()]
    body = body.decode() if isinstance(body, bytes) else body or ""
    print(json.dumps({"what": what, "now": now, "method": method, "url": url, "headers": headers, "body": body}))


def client(endpoint, token=None):
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": token}
    return boto3.client("ec2", endpoint_url=endpoint, region_name="eu-west-1", config=Config(signature_version="v4"), **keys)


def sent(what, endpoint, token=None, **arguments):
    ec2 = client(endpoint, token)

    def catch(request, **_):
        tell(what, request.method, request.url, request.headers, request.body)
        return AWSResponse(request.url, 200, {}, Nothing())

    ec2.meta.events.register("before-send.ec2", catch)
    ec2.describe_vpcs(**arguments)


sent("plain", ENDPOINT)
sent("path", f"{ENDPOINT}/123456789012/", VpcIds=["vpc-1"])
sent("filters", ENDPOINT, Filters=[{"Name": "tag:a b+c", "Values": ["é*", "~/%", ""]}])
sent("token", ENDPOINT, token="session")
for what, arguments in {"url": {}, "url with filters": {"Filters": [{"Name": "tag:a b+c", "Values": ["é*~/%"]}]}}.items():
    url = client(ENDPOINT).generate_presigned_url("describe_vpcs", Params=arguments, ExpiresIn=60, HttpMethod="GET")
    tell(what, "GET", url, {}, "")
