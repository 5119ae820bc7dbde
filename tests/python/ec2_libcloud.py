"""Lists what Apache Libcloud lists of an EC2 endpoint, and prints it as JSON: by the name of the listing the ids, or the error.

Settings (first argument): `host`, `port`, `region`, and `signature`, the version of signatures.
"""

import json
import sys

from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

SETTINGS = json.loads(sys.argv[1])
LISTINGS = {
    "list_nodes": {},
    "list_volumes": {},
    "ex_list_networks": {},
    "ex_list_subnets": {},
    "ex_list_security_groups": {},
    "ex_get_security_groups": {},
    "ex_describe_all_addresses": {},
    "ex_list_route_tables": {},
    "ex_list_internet_gateways": {},
    "ex_list_network_interfaces": {},
    "list_snapshots": {"owner": "self"},
    "list_images": {"ex_owner": "self"},
    "list_locations": {},
    "list_key_pairs": {},
}
driver = get_driver(Provider.EC2)(
    "testing",
    "testing",
    region=SETTINGS["region"],
    host=SETTINGS["host"],
    port=SETTINGS["port"],
    secure=False,
    signature_version=SETTINGS["signature"],
)


def listed(name, arguments):
    try:
        items = getattr(driver, name)(**arguments)
    except (BaseHTTPError, InvalidCredsError) as error:
        return str(error)
    return sorted(str(getattr(item, "id", None) or getattr(item, "ip", None) or getattr(item, "name", item)) for item in items)


print(json.dumps({name: listed(name, arguments) for name, arguments in LISTINGS.items()}))
