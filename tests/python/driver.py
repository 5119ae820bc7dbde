"""The line protocol between a test and an MCP client: one JSON command a line in, one JSON answer a line out.

A command is `{"op": name, ...arguments}`; its answer is `{"ok": ...}` or `{"error": {"type", "code", "message", "data"}}`,
in order. Between answers come events: `{"event": "updated", "uri": ..., "at": seconds}` and the like. The end of standard
input ends the client.
"""

import json
import os
import sys
import time
import traceback

import anyio

# Far above what any call takes on a busy machine; below it, a hang would look like a slow test.
CALL_SECONDS = 60


def emit(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def event(name, **fields):
    emit({"event": name, "at": time.time(), **fields})


def as_json(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def failure(error):
    detail = getattr(error, "error", error)
    return {
        "type": type(error).__name__,
        "code": getattr(detail, "code", None),
        "message": str(getattr(detail, "message", error)),
        "data": getattr(detail, "data", None),
    }


def person(settings):
    """Answers every question alike; none where nobody is there to ask."""
    from mcp.types import ElicitResult  # Not every client of this protocol has it.

    does = settings.get("person")
    if does is None:
        return None

    async def answer(_context, params):
        event("asked", message=params.message)
        return ElicitResult(action=does, content={"confirm": True} if does == "accept" else None)

    return answer


async def every_page(fetch, field):
    """All members of a listing, following cursors; fails on a cursor that comes back."""
    members, pages, seen, cursor = [], [], set(), None
    while True:
        page = as_json(await fetch(cursor))
        members += page[field]
        pages.append({key: value for key, value in page.items() if key != field} | {"count": len(page[field])})
        cursor = page.get("nextCursor")
        # An empty cursor is a cursor: only its absence ends the listing.
        if cursor is None:
            return {field: members, "pages": pages}
        if cursor in seen:
            raise RuntimeError(f"cursor {cursor!r} came back: the listing would never end")
        seen.add(cursor)


async def obey(operations):
    """Runs commands from standard input, each a coroutine function of `operations`, until it ends."""
    while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        command = json.loads(line)
        operation = operations[command.pop("op")]
        try:
            with anyio.fail_after(CALL_SECONDS):
                emit({"ok": await operation(**command)})
        except Exception as error:
            traceback.print_exc()
            emit({"error": failure(error)})


def run(main):
    """Runs `main(settings)` with the JSON of the first argument, and ends the process whatever threads wait."""
    code = 0
    try:
        anyio.run(main, json.loads(sys.argv[1]))
    except BaseException as error:
        # A group of one error is that error: the test wants its message, not "1 sub-exception".
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        traceback.print_exception(error)
        emit({"event": "failed", "at": time.time(), "error": failure(error)})
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
