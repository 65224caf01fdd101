// Segments scans from Node: several at once, each answer used as it comes.
//
//   synthseg-client proto .          # writes messages.proto and services.proto here
//   npm ci --ignore-scripts
//   node caller.mjs localhost:8500 scans/*.nii.gz
//
// One line of JSON for each scan comes to standard output when it is done.

import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

import { readScan } from "./nifti.mjs";

const LONGEST_PAUSE_MS = 15_000;
const AGAIN = [grpc.status.UNAVAILABLE, grpc.status.RESOURCE_EXHAUSTED];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "at-once": { type: "string", default: "10" },
    timeout: { type: "string", default: "600" }, // deadline of a try, in seconds
    attempts: { type: "string", default: "8" },
    "min-size": { type: "string", default: "128" }, // least network grid per axis
    proto: { type: "string", default: "." }, // where services.proto is
  },
});
const [address, ...scans] = positionals;
const definition = await protoLoader.load("services.proto", {
  includeDirs: [options.proto],
  defaults: true, // what is not sent is empty, not undefined
  enums: String,
  keepCase: true,
  longs: Number,
});
const { PredictionService } = grpc.loadPackageDefinition(definition).tensorflow.serving;
const client = new PredictionService(address, grpc.credentials.createInsecure(), {
  // The default limit, 4 MB, is less than a label map.
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
});
const stopped = new AbortController();

function pack(dtype, shape, content) {
  return { dtype, tensor_shape: { dim: shape.map((size) => ({ size })) }, tensor_content: content };
}

/** How often each value stands in a label map, packed or as one field per value. */
function countVoxels(tensor) {
  const size = { DT_UINT8: 1, DT_UINT16: 2, DT_INT32: 4 }[tensor.dtype];
  const total = tensor.tensor_shape.dim.reduce((product, { size: n }) => product * n, 1);
  const content = tensor.tensor_content;
  const last = tensor.int_val.length - 1; // stands for all that follow
  const counts = {};
  for (let i = 0; i < total; i++) {
    const value = content.length
      ? content.readUIntLE(i * size, size)
      : tensor.int_val[Math.min(i, last)];
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}

/** One try; cancelled when the process is told to end. */
function predict(request) {
  return new Promise((resolve, reject) => {
    // Always with a deadline: a server computes on for callers that have gone.
    const deadline = Date.now() + 1000 * Number(options.timeout);
    const call = client.Predict(request, { deadline }, (error, answer) => {
      stopped.signal.removeEventListener("abort", cancel);
      if (error) reject(error);
      else resolve(answer);
    });
    const cancel = () => call.cancel();
    stopped.signal.addEventListener("abort", cancel);
  });
}

/** Whether the same request may be answered later. */
function isWorthAnotherTry(error) {
  const [reason] = error.metadata?.get("synthseg-reason") ?? [];
  return AGAIN.includes(error.code) && reason !== "too-large";
}

/** The label map of a scan; a busy server is asked again, with growing pauses. */
async function segment(path) {
  const { shape, values } = await readScan(path);
  const least = Buffer.from(new Int32Array(3).fill(Number(options["min-size"])).buffer);
  const request = {
    model_spec: { name: "synthseg" },
    inputs: {
      image: pack("DT_FLOAT", shape, values),
      min_size: pack("DT_INT32", [3], least),
    },
    output_filter: ["labels"],
  };
  for (let attempt = 0; ; attempt++) {
    try {
      return (await predict(request)).outputs.labels;
    } catch (error) {
      if (attempt + 1 >= Number(options.attempts) || !isWorthAnotherTry(error)) throw error;
    }
    const longest = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** attempt);
    await pause(longest * (0.5 + Math.random() / 2), undefined, { signal: stopped.signal });
  }
}

let failed = false;

/** Takes scans until none is left: as many of these run as requests may be under way. */
async function work(left) {
  for (let path = left.shift(); path && !stopped.signal.aborted; path = left.shift()) {
    try {
      console.log(JSON.stringify({ scan: path, voxels: countVoxels(await segment(path)) }));
    } catch (error) {
      failed = true;
      const name = grpc.status[error.code] ?? "SCAN";
      console.log(JSON.stringify({ scan: path, error: name, details: error.details ?? error.message }));
    }
  }
}

for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => stopped.abort());
const left = [...scans];
await Promise.all(Array.from({ length: Number(options["at-once"]) }, () => work(left)));
client.close();
if (stopped.signal.aborted) console.error("cancelled");
process.exitCode = stopped.signal.aborted ? 143 : Number(failed);
