"""Reads what Muster prints for Prometheus with the parsers of others, and prints what they found as JSON.

Settings: `openmetrics`, `classic` or `alerts`. The text is read from standard input.
"""

import json
import sys

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic


def families(found):
    """Each family with its series. Reading them to the end is what finds faults."""
    for family in found:
        yield {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "unit": family.unit,
            "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
        }


def main():
    text = sys.stdin.read()
    match sys.argv[1]:
        case "openmetrics":
            print(json.dumps(list(families(openmetrics(text)))))
        case "classic":
            print(json.dumps(list(families(classic(text)))))
        case "alerts":
            print(json.dumps(yaml.safe_load(text)))
        case other:
            raise SystemExit(f"{other} is none of openmetrics, classic and alerts")


main()
