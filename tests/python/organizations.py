"""An organization through boto3: every call that reads it, and what came back, as one JSON object.

`forms` holds, for each call, the names and types of all that its answers hold; `wrong` what botocore's models do not allow there
(patterns, enumerations); `accounts` and `tree` what the organization consists of; `ends` how calls end that may be refused.
Settings (first argument): `endpoint`, `make`, which makes a small organization first, and `role`, whose ARN is assumed.
"""

import json
import re
import sys

import boto3
from botocore.exceptions import ClientError

SETTINGS = json.loads(sys.argv[1])
FORMS, WRONG = {}, []
MANAGEMENT = "123456789012"


def client(key, service="organizations"):
    return boto3.client(
        service,
        endpoint_url=SETTINGS["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="testing",
    )


ORGANIZATIONS = client("testing")


def make():
    ORGANIZATIONS.create_organization(FeatureSet="ALL")
    root = ORGANIZATIONS.list_roots()["Roots"][0]["Id"]
    above = ORGANIZATIONS.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
    below = ORGANIZATIONS.create_organizational_unit(ParentId=above, Name="Production")["OrganizationalUnit"]["Id"]
    made = ORGANIZATIONS.create_account(AccountName="one", Email="one@example.com", Tags=[{"Key": "team", "Value": "x"}])
    account = made["CreateAccountStatus"]["AccountId"]
    ORGANIZATIONS.move_account(AccountId=account, SourceParentId=root, DestinationParentId=below)
    ORGANIZATIONS.register_delegated_administrator(AccountId=account, ServicePrincipal="ssm.amazonaws.com")


def walk(shape, value, path, forms):
    if shape.type_name == "structure":
        for name, member in value.items():
            walk(shape.members[name], member, f"{path}.{name}".lstrip("."), forms)
    elif shape.type_name == "list":
        for item in value:
            walk(shape.member, item, f"{path}[]", forms)
    else:
        forms.add(f"{path}: {type(value).__name__}")
        pattern, allowed = shape.metadata.get("pattern"), shape.metadata.get("enum")
        # Python has no classes of Unicode's properties.
        if pattern and "\\p{" not in pattern and not re.search(pattern, value):
            WRONG.append(f"{path}: {value} is not {pattern}")
        if allowed and value not in allowed:
            WRONG.append(f"{path}: {value} is none of {allowed}")


def every(operation, member, **arguments):
    """All items of a listing, whichever pages they come on."""
    items, token = [], {}
    while True:
        answer = ask(operation, **arguments, **token)
        items += answer[member]
        if "NextToken" not in answer:
            return items
        token = {"NextToken": answer["NextToken"]}


def ask(operation, **arguments):
    answer = getattr(ORGANIZATIONS, operation)(**arguments)
    answer.pop("ResponseMetadata")
    name = ORGANIZATIONS.meta.method_to_api_mapping[operation]
    shape = ORGANIZATIONS.meta.service_model.operation_model(name).output_shape
    forms = FORMS.setdefault(name, set())
    walk(shape, {name: value for name, value in answer.items() if name != "NextToken"}, "", forms)
    return answer


def tree(parent, path):
    """The accounts below a parent, by the names of the units on the way."""
    found = {}
    accounts = [account["Id"] for account in every("list_accounts_for_parent", "Accounts", ParentId=parent)]
    if accounts:
        found[path or "/"] = sorted(accounts)
    for child in accounts:
        assert every("list_parents", "Parents", ChildId=child)[0]["Id"] == parent
    for unit in every("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent):
        described = ask("describe_organizational_unit", OrganizationalUnitId=unit["Id"])["OrganizationalUnit"]
        assert described["Name"] == unit["Name"]
        found |= tree(unit["Id"], f"{path}/{unit['Name']}")
    return found


def code(call, **arguments):
    try:
        call(**arguments)
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


if SETTINGS.get("make"):
    make()
accounts = every("list_accounts", "Accounts")
paginated = ORGANIZATIONS.get_paginator("list_accounts").paginate().build_full_result()["Accounts"]
assert [account["Id"] for account in paginated] == [account["Id"] for account in accounts]
root = every("list_roots", "Roots")[0]["Id"]
ask("describe_organization")
administrators = [one["Id"] for one in every("list_delegated_administrators", "DelegatedAdministrators")]
units = tree(root, "")
for account in accounts:
    assert ask("describe_account", AccountId=account["Id"])["Account"]["Name"] == account["Name"]
    every("list_tags_for_resource", "Tags", ResourceId=account["Id"])
members = [account["Id"] for account in accounts if account["Id"] not in (MANAGEMENT, *administrators)]
# A key of twelve digits names its account in the simulator.
member = client(members[0] if members else "testing")
print(
    json.dumps(
        {
            "forms": {name: sorted(forms) for name, forms in FORMS.items()},
            "wrong": WRONG,
            "accounts": [account["Id"] for account in accounts],
            "tree": units,
            "administrators": administrators,
            "ends": {
                "ListAccounts": code(member.list_accounts),
                "DescribeOrganization": code(member.describe_organization),
                "DescribeAccount": code(ORGANIZATIONS.describe_account, AccountId="999999999999"),
                "ListAccountsForParent": code(ORGANIZATIONS.list_accounts_for_parent, ParentId="r-none"),
                "ListTagsForResource": code(ORGANIZATIONS.list_tags_for_resource, ResourceId="999999999999"),
                "AssumeRole": code(client("testing", "sts").assume_role, RoleArn=SETTINGS["role"], RoleSessionName="boto3"),
            },
        }
    )
)
