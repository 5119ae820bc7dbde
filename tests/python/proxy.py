"""Runs microburst before the endpoint given, on a free loopback port, says where on its first line, and ends when standard
input does. It remembers far more requests than all tests make, so that none evicts another's. Its rules are set at run time, at `/_microburst/rules`.
"""

import asyncio
import json
import os
import sys

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst


async def main(upstream):
    runner = web.AppRunner(make_app(Microburst(upstream, fired_capacity=100_000)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(json.dumps({"endpoint": f"http://{host}:{port}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


asyncio.run(main(sys.argv[1]))
