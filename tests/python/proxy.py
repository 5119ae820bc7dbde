"""Runs microburst before the endpoint given, on a free loopback port, says where on its first line, and ends when standard
input does. Its rules are set at run time, at `/_microburst/rules`.
"""

import asyncio
import json
import os
import sys

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst


async def main(upstream):
    runner = web.AppRunner(make_app(Microburst(upstream)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(json.dumps({"endpoint": f"http://{host}:{port}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


asyncio.run(main(sys.argv[1]))
