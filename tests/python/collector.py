"""A collector of traces on loopback: reads what it is sent with OpenTelemetry's own messages, and prints each span as a line of JSON.

The first line is the address. With `refuse` as the setting every request is answered with 503.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

REFUSES = sys.argv[1:] == ["refuse"]


def plain(attributes):
    """Attributes as a map of plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def shown(span, resource):
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "links": [link.span_id.hex() for link in span.links],
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": Status.StatusCode.Name(span.status.code),
        "attributes": plain(span.attributes),
        "events": [event.name for event in span.events],
        "resource": resource,
    }


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if REFUSES:
            self.answer(503, b"")
            return
        assert self.headers["content-type"] == "application/x-protobuf", self.headers["content-type"]
        request = ExportTraceServiceRequest.FromString(body)
        for batch in request.resource_spans:
            resource = plain(batch.resource.attributes)
            for scope in batch.scope_spans:
                for span in scope.spans:
                    line = shown(span, resource) | {"path": self.path, "key": self.headers["x-key"]}
                    print(json.dumps(line), flush=True)
        self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
