"""Configuration files held against their JSON schema.

The first argument is the schema, the others are files in TOML. Answers, as JSON, what is wrong with each: nothing, if nothing is.
"""

import json
import sys
import tomllib

import jsonschema


def faults(validator, path):
    with open(path, "rb") as file:
        document = tomllib.load(file)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]


with open(sys.argv[1]) as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([faults(validator, path) for path in sys.argv[2:]]))
