"""Prints what describe commands of EC2 answer, as a model would get it: one JSON text a line, without the CLI's indentation.

An operation's name in boto3 a line in, such as `describe_instances`; a JSON text a line out, which holds every page. Settings
(first argument): `endpoint`, `region`.
"""

import json
import sys

import ec2

SETTINGS = json.loads(sys.argv[1])
EC2 = ec2.client(SETTINGS)

for line in sys.stdin:
    operation = line.strip()
    owned = {"OwnerIds" if operation == "describe_snapshots" else "Owners": ["self"]}
    arguments = owned if operation in ("describe_snapshots", "describe_images") else {}
    if EC2.can_paginate(operation):
        answer = EC2.get_paginator(operation).paginate(**arguments).build_full_result()
    else:
        answer = getattr(EC2, operation)(**arguments)
        del answer["ResponseMetadata"]
    print(json.dumps(answer, default=str), flush=True)
