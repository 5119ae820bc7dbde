"""Runs moto's server on a free loopback port, says where on its first line, and ends when standard input does.

Whoever asks for pages gets one reservation on each, however many were asked for, as AWS may answer fewer, too: so every test
goes from page to page.
"""

import json
import os
import sys

from moto.ec2.responses.instances import InstanceResponse
from moto.server import ThreadedMotoServer

param = InstanceResponse._get_param


def small(self, name, if_none=None):
    paged = name == "MaxResults" and param(self, name) is not None
    return 1 if paged else param(self, name, if_none)


InstanceResponse._get_param = small
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"endpoint": f"http://{host}:{port}"}), flush=True)
sys.stdin.read()
os._exit(0)
