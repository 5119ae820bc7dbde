"""A person with a browser, who logs in as alice and agrees to everything."""

import re
from urllib.parse import parse_qs, urljoin, urlsplit

HOME = "http://127.0.0.1:1/callback"


async def browse(browser, page):
    """Follows a page to that of the client, by way of every form, and returns what it is told there."""
    answer = await browser.get(page)
    for _ in range(20):
        if location := answer.headers.get("location"):
            page = urljoin(page, location)
            if page.startswith(HOME):
                return {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
            answer = await browser.get(page)
            continue
        action = re.search(r'<form [^>]*action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
        if not action or not prompt:
            raise RuntimeError(f"{page} answers {answer.status_code} without a form: {answer.text}")
        page = urljoin(page, action[1])
        answer = await browser.post(page, data={"prompt": prompt[1], "login": "alice", "password": "any"})
    raise RuntimeError(f"{page} leads nowhere")


class Wallet:
    """What the client has of an issuer."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client
