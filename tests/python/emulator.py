"""Runs moto's server on a free loopback port, says where on its first line, and ends when standard input does.

With `--page N` a page holds N reservations at most, however many were asked for: AWS may answer fewer, too.
"""

import json
import os
import sys

from moto.ec2.responses.instances import InstanceResponse
from moto.server import ThreadedMotoServer


def page(most):
    param = InstanceResponse._get_param

    def fewer(self, name, if_none=None):
        value = param(self, name, if_none)
        asked = name == "MaxResults" and param(self, name) is not None
        return min(int(value), most) if asked else value

    InstanceResponse._get_param = fewer


if "--page" in sys.argv:
    page(int(sys.argv[sys.argv.index("--page") + 1]))
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"endpoint": f"http://{host}:{port}"}), flush=True)
sys.stdin.read()
os._exit(0)
