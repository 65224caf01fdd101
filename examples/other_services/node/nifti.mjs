// Just enough of NIfTI-1: one volume, axes right, anterior, superior, voxels of 1 mm.

import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

const HEADER_BYTES = 348;
// Reader and size of a voxel by the header's number of its type.
const TYPES = {
  2: ["getUint8", 1],
  4: ["getInt16", 2],
  8: ["getInt32", 4],
  16: ["getFloat32", 4],
  64: ["getFloat64", 8],
  512: ["getUint16", 2],
};

/** The image of a scan: its shape, and its values in C order as little endian float32. */
export async function readScan(path) {
  let content = await readFile(path);
  if (path.endsWith(".gz")) content = await promisify(gunzip)(content);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content.length < HEADER_BYTES || view.getInt32(0, true) !== HEADER_BYTES) {
    throw new Error(`${path}: no NIfTI-1 file of a little endian machine.`);
  }
  const shape = [42, 44, 46].map((at) => view.getInt16(at, true));
  // The rows of the sform: from voxels to millimetres.
  for (const [row, at] of [280, 296, 312].entries()) {
    for (let column = 0; column < 3; column++) {
      const expected = row === column ? 1 : 0;
      if (Math.abs(view.getFloat32(at + 4 * column, true) - expected) > 0.05) {
        throw new Error(`${path}: expected axes right, anterior, superior and voxels of 1 mm.`);
      }
    }
  }
  const [read, size] = TYPES[view.getInt16(70, true)] ?? [];
  const start = view.getFloat32(108, true);
  const [X, Y, Z] = shape;
  if (!read || Math.min(...shape) < 1 || start + X * Y * Z * size > content.length) {
    throw new Error(`${path}: of another type, or cut off.`);
  }
  const slope = view.getFloat32(112, true) || 1;
  const offset = view.getFloat32(116, true) || 0;
  const values = Buffer.alloc(4 * X * Y * Z);
  // NIfTI runs along x first, the request along z.
  for (let z = 0, from = start; z < Z; z++) {
    for (let y = 0; y < Y; y++) {
      for (let x = 0; x < X; x++, from += size) {
        values.writeFloatLE(view[read](from, true) * slope + offset, 4 * ((x * Y + y) * Z + z));
      }
    }
  }
  return { shape, values };
}
