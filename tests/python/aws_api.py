"""Asks awslabs' aws-api-mcp-server: a command of the AWS CLI a line in, what a model gets as JSON a line out.

At its start that server fetches which operations only read from servicereference.us-east-1.amazonaws.com, and refuses to start
without. Here `Describe*` of EC2 is all that reads; everything else of it is as published. With the argument `serve` this is the
server, on standard input and output; otherwise it starts the server and is its client.
"""

import asyncio
import json
import os
import sys


def serve():
    from awslabs.aws_api_mcp_server import server

    class Reading(dict):
        def has(self, service, operation):
            return service == "ec2" and operation.startswith("Describe")

    server.get_read_only_operations = Reading
    server.main()


async def ask():
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    environment = dict(os.environ, AWS_API_MCP_TELEMETRY="false", FASTMCP_LOG_LEVEL="ERROR")
    transport = StdioTransport(sys.executable, [__file__, "serve"], env=environment)
    async with Client(transport) as client:
        for line in sys.stdin:
            answer = await client.call_tool("call_aws", {"cli_command": line.strip()}, raise_on_error=False)
            text = "\n".join(block.text for block in answer.content)
            print(json.dumps({"text": text, "failed": answer.is_error}), flush=True)


if sys.argv[1:] == ["serve"]:
    serve()
else:
    asyncio.run(ask())
