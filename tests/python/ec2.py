"""An EC2 client at an endpoint of a test, and what it describes. Settings: `endpoint`, `region`."""

import boto3
from botocore.config import Config


def client(settings, attempts=3):
    return boto3.client(
        "ec2",
        endpoint_url=settings["endpoint"],
        region_name=settings["region"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": attempts}),
    )


def described(client, operation, member, **arguments):
    """The items of all pages, under the field `member` of each."""
    if client.can_paginate(operation):
        pages = client.get_paginator(operation).paginate(**arguments)
    else:
        pages = [getattr(client, operation)(**arguments)]
    return [item for page in pages for item in page[member]]


def tags(item):
    return {tag["Key"]: tag.get("Value", "") for tag in item.get("Tags", item.get("TagSet", []))}
