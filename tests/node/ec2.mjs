// Reads EC2 with the SDK for JavaScript, unchanged, and prints what it saw as JSON: instances and volumes by pages, how waiters end,
// and errors with how often each was asked for. Settings: `unknown`, an id that no instance has; `refused`, whether to ask for what may
// be refused alone.

import {
  DescribeInstancesCommand,
  DescribeKeyPairsCommand,
  EC2Client,
  paginateDescribeInstances,
  paginateDescribeVolumes,
  waitUntilInstanceRunning,
  waitUntilVolumeInUse,
} from "@aws-sdk/client-ec2";

const settings = JSON.parse(process.argv[2]);
const client = new EC2Client({});

async function failure(command) {
  try {
    await client.send(command);
    return null;
  } catch (error) {
    return { name: error.name, message: error.message, status: error.$metadata?.httpStatusCode, attempts: error.$metadata?.attempts };
  }
}

if (settings.refused) {
  console.log(JSON.stringify(await failure(new DescribeInstancesCommand({}))));
} else {
  const instances = [];
  for await (const page of paginateDescribeInstances({ client, pageSize: 5 }, {})) {
    instances.push(...page.Reservations.flatMap((reservation) => reservation.Instances));
  }
  const volumes = [];
  for await (const page of paginateDescribeVolumes({ client, pageSize: 5 }, {})) volumes.push(...page.Volumes);
  const running = instances.find((instance) => instance.State.Name === "running").InstanceId;
  const used = volumes.find((volume) => volume.State === "in-use").VolumeId;
  const waits = { client, maxWaitTime: 60 };
  const states = [
    (await waitUntilInstanceRunning(waits, { InstanceIds: [running] })).state,
    (await waitUntilVolumeInUse(waits, { VolumeIds: [used] })).state,
  ];
  const unknown = await failure(new DescribeInstancesCommand({ InstanceIds: [settings.unknown] }));
  const keys = await failure(new DescribeKeyPairsCommand({}));
  console.log(JSON.stringify({ instances, volumes, states, unknown, keys }));
}
