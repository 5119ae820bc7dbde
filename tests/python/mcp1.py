"""Drives the PyPI `mcp` 1.x client. Settings: `url` or `command`, `args`, `env`; `person` is what a person who is asked does: accept,
decline or cancel; `token` is sent as a bearer token, and with `oauth` the client logs in where the server leads it. See driver.py."""

import warnings
from contextlib import AsyncExitStack

import httpx
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from mcp.types import PaginatedRequestParams
from pydantic import AnyUrl

import driver
from browser import HOME, Wallet, browse

warnings.filterwarnings("ignore", category=DeprecationWarning)


def login(url):
    """Logs in where the server leads."""
    told = {}

    async def open_page(page):
        async with httpx.AsyncClient() as browser:
            told.update(await browse(browser, page))

    async def come_back():
        return told["code"], told["state"]

    metadata = OAuthClientMetadata(client_name="muster-tests", redirect_uris=[HOME])
    return OAuthClientProvider(url, metadata, Wallet(), redirect_handler=open_page, callback_handler=come_back)


def transport(settings):
    if settings.get("oauth"):
        return streamable_http_client(settings["url"], http_client=httpx.AsyncClient(auth=login(settings["url"]), timeout=60))
    if "url" in settings:
        known = {"Authorization": f"Bearer {settings['token']}"} if "token" in settings else {}
        return streamable_http_client(settings["url"], http_client=httpx.AsyncClient(headers=known, timeout=60))
    server = StdioServerParameters(command=settings["command"], args=settings["args"], env=settings["env"])
    return stdio_client(server)


async def on_message(message):
    notification = getattr(message, "root", None)
    match getattr(notification, "method", None):
        case "notifications/resources/updated":
            driver.event("updated", uri=str(notification.params.uri))
        case "notifications/resources/list_changed":
            driver.event("list_changed")


async def main(settings):
    async with AsyncExitStack() as stack:
        streams = await stack.enter_async_context(transport(settings))
        session = ClientSession(
            streams[0], streams[1], message_handler=on_message, elicitation_callback=driver.person(settings)
        )
        client = await stack.enter_async_context(session)
        greeting = await client.initialize()

        async def tools():
            return await driver.every_page(
                lambda cursor: client.list_tools(params=PaginatedRequestParams(cursor=cursor)), "tools"
            )

        async def resources():
            return await driver.every_page(
                lambda cursor: client.list_resources(params=PaginatedRequestParams(cursor=cursor)), "resources"
            )

        async def templates():
            return await driver.every_page(
                lambda cursor: client.list_resource_templates(params=PaginatedRequestParams(cursor=cursor)),
                "resourceTemplates",
            )

        async def read(uri):
            return driver.as_json(await client.read_resource(AnyUrl(uri)))

        async def call(name, arguments):
            return driver.as_json(await client.call_tool(name, arguments))

        async def subscribe(uris, list_changed=False):
            for uri in uris:
                await client.subscribe_resource(AnyUrl(uri))
            return uris

        async def unsubscribe(uris):
            for uri in uris:
                await client.unsubscribe_resource(AnyUrl(uri))
            return uris

        driver.event(
            "ready",
            protocol=greeting.protocolVersion,
            server=driver.as_json(greeting.serverInfo),
            instructions=greeting.instructions,
            capabilities=driver.as_json(greeting.capabilities),
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
