// Shows a scan and its labels in planes and in 3-D. Their data come in a script of their own, since
// a page that is opened from a disk may load scripts, but no other files.
"use strict";

const byId = (id) => document.getElementById(id);
const slug = decodeURIComponent(location.hash.slice(1));
const HEADER_BYTES = 352;
const UINT8 = 2;
const INTENT_NONE = 0;
const INTENT_LABEL = 1002; // NiiVue then neither mixes neighbouring labels nor draws label 0

function tell(text) {
  byId("told").textContent = text;
  byId("told").hidden = !text;
}

// The slices of a picture, in the order of a volume's voxels.
async function voxelsOf({ shape, columns, picture }) {
  const image = new Image();
  image.src = `data:image/webp;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  const [nx, ny, nz] = shape;
  const voxels = new Uint8Array(nx * ny * nz);
  let to = 0;
  for (let z = 0; z < nz; z += 1) {
    const left = (z % columns) * nx;
    const top = Math.floor(z / columns) * ny;
    for (let y = 0; y < ny; y += 1) {
      let from = 4 * ((top + y) * image.width + left);
      for (let x = 0; x < nx; x += 1, from += 4, to += 1) voxels[to] = pixels[from];
    }
  }
  return voxels;
}

// A NIfTI-1 file in memory.
function asNifti({ shape, affine }, voxels, intent) {
  const file = new Uint8Array(HEADER_BYTES + voxels.length);
  const header = new DataView(file.buffer);
  header.setInt32(0, 348, true);
  [3, ...shape, 1, 1, 1, 1].forEach((n, i) => header.setInt16(40 + 2 * i, n, true));
  header.setInt16(68, intent, true);
  header.setInt16(70, UINT8, true);
  header.setInt16(72, 8, true);
  const step = Math.hypot(affine[0][0], affine[1][0], affine[2][0]);
  [1, step, step, step].forEach((size, i) => header.setFloat32(76 + 4 * i, size, true));
  header.setFloat32(108, HEADER_BYTES, true);
  header.setFloat32(112, 1, true);
  header.setUint8(123, 2);
  header.setInt16(254, 1, true);
  affine.slice(0, 3).flat().forEach((number, i) => header.setFloat32(280 + 4 * i, number, true));
  file.set([0x6e, 0x2b, 0x31, 0], 344);
  file.set(voxels, HEADER_BYTES);
  return file.buffer;
}

function colourMap(table) {
  const [labels, R, G, B] = [0, 1, 2, 3].map((i) => table.map((row) => row[i]));
  const places = table.map((_, i) => i);
  return { R, G, B, A: places.map((i) => (i ? 255 : 0)), I: places, labels };
}

async function open(told) {
  const { Niivue, NVImage, SLICE_TYPE } = window.niivue;
  const viewer = new Niivue({
    backColor: [0, 0, 0, 1], show3Dcrosshair: true, crosshairWidth: 0.8, crosshairWidthUnit: "mm", multiplanarLayout: 2, isColorbar: false,
    dragAndDropEnabled: false, multiplanarShowRender: 1, isRadiologicalConvention: false,
    crosshairColor: [1, 1, 1, 0.55], loadingText: "", fontMinPx: 12, logLevel: "error",
  });
  await viewer.attachToCanvas(byId("canvas"));
  const labels = await voxelsOf(told.labels);
  const grey = told.scan ? await voxelsOf(told.scan) : new Uint8Array(labels.length);
  const scan = await NVImage.new(asNifti(told.scan ?? told.labels, grey, INTENT_NONE), "scan.nii", "gray");
  const overlay = await NVImage.new(asNifti(told.labels, labels, INTENT_LABEL), "labels.nii", "gray", 0.45);
  viewer.addVolume(scan);
  viewer.addVolume(overlay);
  viewer.volumes[0].cal_min = 0;
  viewer.volumes[0].cal_max = 255;
  viewer.volumes[1].setColormapLabel(colourMap(told.table));
  viewer.updateGLVolume();
  addControls(viewer, told, SLICE_TYPE);
}

function addControls(viewer, told, types) {
  const views = { multi: types.MULTIPLANAR, axial: types.AXIAL, coronal: types.CORONAL, sagittal: types.SAGITTAL, render: types.RENDER };
  for (const [id, volume] of [["scan-opacity", 0], ["opacity", 1]]) {
    byId(id).addEventListener("input", (event) => viewer.setOpacity(volume, Number(event.target.value) / 100));
  }
  byId("view").addEventListener("input", (event) => viewer.setSliceType(views[event.target.value]));
  byId("outline").addEventListener("input", (event) => viewer.setAtlasOutline(event.target.checked ? 1 : 0));
  viewer.onLocationChange = ({ mm, values }) => {
    const name = told.table[Math.round(values[1]?.value ?? 0)]?.[0] ?? "";
    const at = Array.from(mm).slice(0, 3).map((n) => n.toFixed(0).replace("-", "\u2212")).join(", ");
    byId("place").textContent = `${name} \u00b7 ${at} mm`;
  };
  const steps = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
  byId("canvas").addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    viewer.moveCrosshairInVox(...steps[event.key]);
  }, { capture: true });
  byId("controls").hidden = false;
  document.body.dataset.ready = "yes";
  tell("");
}

window.synthsegVolume = (told) => {
  byId("name").textContent = told.name;
  document.title = `${told.name} \u00b7 viewer`;
  open(told).catch((error) => tell(`The viewer cannot show this scan: ${error.message}. It needs WebGL 2, which this browser may lack.`));
};

function load() {
  if (!/^[\w.-]+$/.test(slug)) {
    tell("No scan is named: open one from the table of all scans.");
    return;
  }
  byId("scan-page").href = `scans/${slug}.html`;
  byId("scan-page").hidden = false;
  const script = document.createElement("script");
  script.src = `volumes/${slug}.js`;
  script.onerror = () => tell("There are no data of this scan for the viewer: the report keeps them for some scans of a large run.");
  document.head.append(script);
}

window.addEventListener("hashchange", () => location.reload());
load();
