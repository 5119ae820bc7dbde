"""Runs moto's server on a free loopback port, says where on its first line, and ends when standard input does.

Whoever asks for pages gets one reservation on each, however many were asked for, as AWS may answer fewer, too: so every test
goes from page to page. Where it checks permissions it does so as AWS does: a service that speaks JSON denies in JSON, and SQS's
batches need the action of a single message. Signatures are not checked: moto writes a body anew to sign it, and does not write it
as every client does.
"""

import json
import os
import sys

from moto.core.exceptions import JsonRESTError
from moto.ec2.responses.instances import InstanceResponse
from moto.iam.access_control import IAMRequest
from moto.server import ThreadedMotoServer

SPEAK_JSON = {"cloudtrail", "events", "servicequotas", "sqs"}

param = InstanceResponse._get_param


def small(self, name, if_none=None):
    paged = name == "MaxResults" and param(self, name) is not None
    return 1 if paged else param(self, name, if_none)


InstanceResponse._get_param = small
permitted, denied = IAMRequest.check_action_permitted, IAMRequest._raise_access_denied


def check(self, resource):
    if self._service == "sqs":
        self._action = self._action.removesuffix("Batch")
    permitted(self, resource)


def deny(self):
    if self._service not in SPEAK_JSON:
        denied(self)
    who, what = self._access_key.arn, self._action
    raise JsonRESTError("AccessDeniedException", f"User: {who} is not authorized to perform: {what}")


IAMRequest.check_action_permitted, IAMRequest._raise_access_denied = check, deny
IAMRequest.check_signature = lambda self: None
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"endpoint": f"http://{host}:{port}"}), flush=True)
sys.stdin.read()
os._exit(0)
