"""Drives the fastmcp client. Settings: `mode`, and `url` or `command`, `args`, `env`. See driver.py."""

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

import driver


def target(settings):
    if "url" in settings:
        return settings["url"]
    return StdioTransport(command=settings["command"], args=settings["args"], env=settings["env"])


async def on_message(message):
    match getattr(message, "method", None):
        case "notifications/resources/updated":
            driver.event("updated", uri=str(message.params.uri))
        case "notifications/resources/list_changed":
            driver.event("list_changed")


async def main(settings):
    async with Client(target(settings), mode=settings["mode"], message_handler=on_message) as client:

        async def tools():
            return {"tools": [driver.as_json(tool) for tool in await client.list_tools()]}

        async def resources():
            return {"resources": [driver.as_json(resource) for resource in await client.list_resources()]}

        async def templates():
            found = await client.list_resource_templates()
            return {"resourceTemplates": [driver.as_json(template) for template in found]}

        async def read(uri):
            return {"contents": [driver.as_json(content) for content in await client.read_resource(uri)]}

        async def call(name, arguments):
            return driver.as_json(await client.call_tool_mcp(name, arguments))

        async def subscribe(uris):
            for uri in uris:
                await client.session.subscribe_resource(uri)
            return uris

        async def unsubscribe(uris):
            for uri in uris:
                await client.session.unsubscribe_resource(uri)
            return uris

        driver.event(
            "ready",
            protocol=client.protocol_version,
            server=driver.as_json(client.server_info) if client.server_info else None,
            instructions=client.instructions,
            capabilities=driver.as_json(client.server_capabilities),
        )
        await driver.obey(
            {
                "tools": tools,
                "resources": resources,
                "templates": templates,
                "read": read,
                "call": call,
                "subscribe": subscribe,
                "unsubscribe": unsubscribe,
            }
        )


driver.run(main)
