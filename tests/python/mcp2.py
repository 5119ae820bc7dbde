"""Drives the PyPI `mcp` 2.x client. Settings: `mode`, and `url` or `command`, `args`, `env`; `person` is what a person who is asked does:
accept, decline or cancel. `token` is sent as a bearer token, and with `oauth` the client logs in where the server leads it. See
driver.py."""

import warnings

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

import driver
from browser import HOME, Wallet, browse

warnings.filterwarnings("ignore", category=DeprecationWarning)


def login(url):
    """Logs in where the server leads."""
    told = {}

    async def open_page(page):
        async with httpx2.AsyncClient() as browser:
            told.update(await browse(browser, page))

    async def come_back():
        return AuthorizationCodeResult(code=told["code"], state=told["state"], iss=told.get("iss"))

    metadata = OAuthClientMetadata(client_name="muster-tests", redirect_uris=[HOME])
    return OAuthClientProvider(url, metadata, Wallet(), redirect_handler=open_page, callback_handler=come_back)


def target(settings):
    if "url" in settings:
        url = settings["url"]
        if token := settings.get("token"):
            return streamable_http_client(url, http_client=httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}))
        if settings.get("oauth"):
            return streamable_http_client(url, http_client=httpx2.AsyncClient(auth=login(url)))
        return url
    return StdioServerParameters(command=settings["command"], args=settings["args"], env=settings["env"])


async def on_message(message):
    match getattr(message, "method", None):
        case "notifications/resources/updated":
            driver.event("updated", uri=str(message.params.uri))
        case "notifications/resources/list_changed":
            driver.event("list_changed")


async def main(settings):
    legacy = settings["mode"] == "legacy"
    # In the newer era a subscription's own stream reports; the handler would report the same notification again.
    handler = on_message if legacy else None
    connecting = Client(
        target(settings), mode=settings["mode"], message_handler=handler, elicitation_callback=driver.person(settings)
    )
    async with connecting as client:
        async with anyio.create_task_group() as tasks:

            async def tools():
                return await driver.every_page(lambda cursor: client.list_tools(cursor=cursor), "tools")

            async def resources():
                return await driver.every_page(lambda cursor: client.list_resources(cursor=cursor), "resources")

            async def templates():
                return await driver.every_page(
                    lambda cursor: client.list_resource_templates(cursor=cursor), "resourceTemplates"
                )

            async def read(uri):
                return driver.as_json(await client.read_resource(uri))

            async def call(name, arguments):
                return driver.as_json(await client.call_tool(name, arguments))

            async def subscribe(uris, list_changed=False):
                if legacy:
                    for uri in uris:
                        await client.subscribe_resource(uri)
                    return uris
                return await tasks.start(listen, uris, list_changed)

            scopes = []

            async def unsubscribe(uris):
                if legacy:
                    for uri in uris:
                        await client.unsubscribe_resource(uri)
                else:
                    scopes.pop().cancel()
                return uris

            async def listen(uris, list_changed, *, task_status):
                with anyio.CancelScope() as scope:
                    scopes.append(scope)
                    await hear(uris, list_changed, task_status)

            async def hear(uris, list_changed, task_status):
                opened = False
                try:
                    listening = client.listen(resource_subscriptions=uris, resources_list_changed=list_changed)
                    async with listening as subscription:
                        opened = True
                        task_status.started(subscription.honored.resource_subscriptions or [])
                        async for change in subscription:
                            if uri := getattr(change, "uri", None):
                                driver.event("updated", uri=str(uri))
                            else:
                                driver.event("list_changed")
                    driver.event("listen_ended", reason="graceful")
                except Exception as error:
                    if not opened:
                        raise
                    driver.event("listen_ended", reason="lost", error=driver.failure(error))

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
            tasks.cancel_scope.cancel()


driver.run(main)
