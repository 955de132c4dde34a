// The browser's half of MaskPainter (painter.py): paints on a copy of `known` and sends it back after each stroke.
// Only anywidget's documented interface is used: initialize({ model }), render({ model, el }), model.get, set,
// save_changes, on, off and send.

const SIDE = 448; // CSS pixels of the longer side, 7 x 64; less where the page is narrower
const SIZES = [1, 15]; // of the brush, in the picture's pixels
const LARGEST_PHOTO = 50e6; // bytes
const PART = 4e6; // bytes sent at once: Jupyter's server closes a connection over which more than 10 MiB come
const FAR = 8; // pixels that an arrow key moves with Shift
const TOOLS = { brush: "b", rectangle: "r", eraser: "e" };

function initialize({ model }) { // once, however often the picture is shown: a file is saved once
  let parts = []; // of a file that Python sends
  function onDownload(content, buffers) {
    if (content.kind !== "download") return;
    if (content.part === 0) parts = [];
    parts.push(buffers[0]);
    if (content.part + 1 < content.parts || parts.length !== content.parts) return;
    const url = URL.createObjectURL(new Blob(parts, { type: content.type }));
    parts = [];
    const link = Object.assign(document.createElement("a"), { href: url, download: content.name });
    document.body.append(link); // Firefox saves only what a link on the page points to
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60e3); // the browser may still be reading it
  }
  model.on("msg:custom", onDownload);
  return () => model.off("msg:custom", onDownload);
}

function render({ model, el }) {
  const rows = () => model.get("rows");
  const columns = () => model.get("columns");
  const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();

  let known = bytesOf(model.get("known"));
  let past = []; // earlier masks, the latest last
  let tool = "brush";
  let size = 5;
  let stroke = null; // { before, last, corner } while a pointer is down
  let corner = null; // first corner of a rectangle made with keys
  let cursor = { row: rows() >> 1, column: columns() >> 1 };
  let focused = false;
  let pointed = null; // where a mouse or pen hovers
  let note = ""; // said by this view alone, until Python says something

  // ---- the page ------------------------------------------------------------------------------------------------------

  const make = (name, properties = {}, parent = el) => {
    const element = Object.assign(document.createElement(name), properties);
    parent.append(element);
    return element;
  };
  el.classList.add("mask-painter-view");
  // JupyterLab's one-letter commands (b adds a cell, x cuts one) must not act while keys paint
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  const bar = make("div", { className: "mask-painter-bar" });
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "tools");
  const button = (label, name, title, onclick) => {
    const made = make("button", { type: "button", textContent: label, title, onclick }, bar);
    made.classList.add(`mask-painter-${name}`);
    return made;
  };
  const choices = Object.entries(TOOLS).map(([name, key]) =>
    button(name, name, `${name} (key ${key.toUpperCase()})`, () => choose(name)));
  const sizeLabel = make("label", { textContent: "size " }, bar);
  const slider = make("input", { type: "range", min: SIZES[0], max: SIZES[1], step: 2, value: size,
    title: "brush size in pixels (keys + and -)" }, sizeLabel);
  slider.classList.add("mask-painter-size");
  slider.oninput = () => resize(Number(slider.value));
  const undoButton = button("undo", "undo", "take back (Ctrl+Z or Cmd+Z)", () => undo());
  button("clear", "clear", "no hole (key C)", () => clear());
  button("photo\u2026", "photo", "choose a photo that shows a face; or drop one on the picture", () => file.click());
  const file = make("input", { type: "file", accept: "image/*", hidden: true }, bar);
  file.setAttribute("aria-label", "photo");
  file.onchange = () => { if (file.files.length) take(file.files[0]); file.value = ""; };

  const canvas = make("canvas", { className: "mask-painter-canvas", tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Picture to paint a hole on. Arrow keys move, Space or Enter paints, B brush, R rectangle, " +
    "E eraser, plus and minus brush size, C clear, Control Z undo.");
  const status = make("div", { className: "mask-painter-status" });
  status.setAttribute("role", "status");
  const message = make("div", { className: "mask-painter-message" });
  message.setAttribute("role", "status");
  const context = canvas.getContext("2d");
  const picture = new Image();

  // Gray with dark diagonals: a hole is told apart from a gray picture as well.
  const hatch = document.createElement("canvas");
  hatch.width = hatch.height = 8;
  const ink = hatch.getContext("2d");
  const gray = model.get("gray");
  ink.fillStyle = `rgb(${gray}, ${gray}, ${gray}, 0.8)`;
  ink.fillRect(0, 0, 8, 8);
  ink.strokeStyle = "rgb(0, 0, 0, 0.45)";
  for (const shift of [-8, 0, 8]) { // three, so that the corners of neighboring tiles meet
    ink.moveTo(shift, 8);
    ink.lineTo(shift + 8, 0);
  }
  ink.stroke();

  function draw() {
    const scale = Math.max(1, Math.floor(SIDE / Math.max(rows(), columns())));
    if (canvas.width !== columns() * scale || canvas.height !== rows() * scale) {
      canvas.width = columns() * scale;
      canvas.height = rows() * scale;
    }
    context.imageSmoothingEnabled = false;
    if (picture.complete && picture.naturalWidth) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    context.fillStyle = context.createPattern(hatch, "repeat");
    context.beginPath();
    known.forEach((value, index) => {
      if (!value) context.rect((index % columns()) * scale, Math.floor(index / columns()) * scale, scale, scale);
    });
    context.fill();
    const at = focused ? cursor : pointed;
    if (at && !stroke) {
      const shown = tool === "rectangle" ? rectangle(focused && corner ? corner : at, at) : disk(at);
      outline(shown, scale);
    }
    const missing = known.length - known.reduce((sum, value) => sum + value, 0);
    const place = focused ? `row ${cursor.row}, column ${cursor.column}, ${known[cursor.row * columns() + cursor.column]
      ? "known" : "hole"}; ` : "";
    tell(status, `${place}${tool}; the hole has ${missing} of ${known.length} pixels`);
    tell(message, note || model.get("message"));
    undoButton.disabled = !past.length;
    choices.forEach((choice, index) => choice.setAttribute("aria-pressed", Object.keys(TOOLS)[index] === tool));
  }

  function tell(element, text) { // set only when new, or a screen reader would read it again
    if (element.textContent !== text) element.textContent = text;
  }

  function outline(indices, scale) { // black beside white is seen on any picture
    const inside = new Set(indices);
    context.beginPath();
    for (const index of indices) {
      const column = index % columns();
      const left = column * scale;
      const top = Math.floor(index / columns()) * scale;
      const line = (x1, y1, x2, y2) => { context.moveTo(x1, y1); context.lineTo(x2, y2); };
      if (!inside.has(index - columns())) line(left, top, left + scale, top);
      if (!inside.has(index + columns())) line(left, top + scale, left + scale, top + scale);
      if (column === 0 || !inside.has(index - 1)) line(left, top, left, top + scale);
      if (column === columns() - 1 || !inside.has(index + 1)) line(left + scale, top, left + scale, top + scale);
    }
    for (const [style, width] of [["white", 3], ["black", 1]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke();
    }
  }

  // ---- what the tools cover: indices into `known` --------------------------------------------------------------------

  function disk({ row, column }) { // pixels whose center is no further than half the size from the center of this one
    const reach = size >> 1;
    const covered = [];
    for (let y = Math.max(0, row - reach); y <= Math.min(rows() - 1, row + reach); y++) {
      for (let x = Math.max(0, column - reach); x <= Math.min(columns() - 1, column + reach); x++) {
        if ((y - row) ** 2 + (x - column) ** 2 <= (size / 2) ** 2) covered.push(y * columns() + x);
      }
    }
    return covered;
  }

  function line(from, to) { // disks along a straight line, at least one a pixel
    const steps = Math.max(1, Math.abs(to.row - from.row), Math.abs(to.column - from.column));
    return Array.from({ length: steps + 1 }, (_, step) => disk({
      row: Math.round(from.row + ((to.row - from.row) * step) / steps),
      column: Math.round(from.column + ((to.column - from.column) * step) / steps),
    })).flat();
  }

  function rectangle(from, to) { // both corners included, cut at the picture's edge
    const clamp = (value, top) => Math.min(Math.max(value, 0), top - 1);
    const [y1, y2] = [clamp(from.row, rows()), clamp(to.row, rows())].sort((a, b) => a - b);
    const [x1, x2] = [clamp(from.column, columns()), clamp(to.column, columns())].sort((a, b) => a - b);
    const covered = [];
    for (let y = y1; y <= y2; y++) for (let x = x1; x <= x2; x++) covered.push(y * columns() + x);
    return covered;
  }

  // ---- changes -------------------------------------------------------------------------------------------------------

  const cover = (indices) => indices.forEach((index) => { known[index] = tool === "eraser" ? 1 : 0; });
  const same = (one, other) => one.length === other.length && one.every((value, index) => value === other[index]);

  function send() { // a copy: the model must not see it change while the next stroke is painted
    model.set("known", new DataView(known.slice().buffer));
    model.save_changes();
    draw();
  }

  function done(before) { // one step of undo for each change, none for a stroke that changes nothing
    if (same(before, known)) return draw();
    past.push(before);
    send();
  }

  function undo() {
    if (stroke || !past.length) return;
    known = past.pop();
    send();
  }

  function clear() {
    const before = known.slice();
    known.fill(1);
    done(before);
  }

  function choose(name) {
    tool = name;
    corner = null;
    draw();
  }

  function resize(value) {
    size = Math.min(Math.max(value, SIZES[0]), SIZES[1]);
    slider.value = size;
    draw();
  }

  // ---- mouse, finger and pen -----------------------------------------------------------------------------------------

  const pixelAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return { row: Math.floor(((event.clientY - box.top) / box.height) * rows()),
      column: Math.floor(((event.clientX - box.left) / box.width) * columns()) };
  };

  canvas.onpointerdown = (event) => {
    if (!event.isPrimary || event.button !== 0 || stroke) return;
    canvas.focus({ preventScroll: true });
    focused = false; // the pointer shows where it is; the keys' cursor comes back with the first key
    canvas.setPointerCapture(event.pointerId);
    const at = pixelAt(event);
    stroke = { before: known.slice(), last: at, corner: at, pointer: event.pointerId };
    paint(at);
  };
  canvas.onpointermove = (event) => {
    pointed = event.pointerType === "touch" ? null : pixelAt(event);
    if (!stroke) return draw();
    if (event.pointerId !== stroke.pointer) return;
    // fast strokes: the browser keeps the points between two events
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length ? events : [event]) paint(pixelAt(part));
  };
  canvas.onpointerup = (event) => {
    if (!stroke || event.pointerId !== stroke.pointer) return;
    paint(pixelAt(event));
    const { before, last } = stroke;
    stroke = null;
    cursor = { row: Math.min(Math.max(last.row, 0), rows() - 1), column: Math.min(Math.max(last.column, 0), columns() - 1) };
    done(before);
  };
  canvas.onpointercancel = (event) => { // the system took the finger away: as if nothing had been painted
    if (!stroke || event.pointerId !== stroke.pointer) return;
    known = stroke.before;
    stroke = null;
    draw();
  };
  canvas.onpointerleave = () => { pointed = null; draw(); };

  function paint(at) {
    if (tool === "rectangle") {
      known = stroke.before.slice();
      cover(rectangle(stroke.corner, at));
    } else {
      cover(line(stroke.last, at));
    }
    stroke.last = at;
    draw();
  }

  // ---- keys ----------------------------------------------------------------------------------------------------------

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  function use() {
    if (tool === "rectangle" && !corner) {
      corner = { ...cursor };
      return draw();
    }
    const before = known.slice();
    cover(tool === "rectangle" ? rectangle(corner, cursor) : disk(cursor));
    corner = null;
    done(before);
  }

  el.onkeydown = (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const handled = (() => {
      if (event.ctrlKey || event.metaKey) return key === "z" && !event.shiftKey && !event.altKey ? undo : null;
      if (event.target !== canvas || event.altKey) return null; // buttons and the slider have keys of their own
      if (key in MOVES) {
        return () => {
          const [down, right] = MOVES[key].map((way) => way * (event.shiftKey ? FAR : 1));
          cursor = { row: Math.min(Math.max(cursor.row + down, 0), rows() - 1),
            column: Math.min(Math.max(cursor.column + right, 0), columns() - 1) };
          draw();
        };
      }
      const name = Object.keys(TOOLS).find((candidate) => TOOLS[candidate] === key);
      if (name) return () => choose(name);
      return { " ": use, Enter: use, c: clear, "+": () => resize(size + 2), "=": () => resize(size + 2),
        "-": () => resize(size - 2), Escape: () => choose(tool) }[key] ?? null;
    })();
    if (!handled) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.target === canvas) focused = true;
    if (!stroke) handled();
  };
  canvas.onfocus = () => { focused = canvas.matches(":focus-visible"); draw(); };
  canvas.onblur = () => { focused = false; corner = null; draw(); };

  // ---- photos --------------------------------------------------------------------------------------------------------

  function say(text) {
    note = "";
    model.set("message", text);
    model.save_changes();
  }

  async function take(photo) {
    if (photo.size > LARGEST_PHOTO) {
      return say(`not taken: ${photo.name} has ${Math.round(photo.size / 1e6)} MB, the limit is ${LARGEST_PHOTO / 1e6} MB; ` +
        "save it smaller");
    }
    note = `looking for a face in ${photo.name}`; // not in the model, where it could come after Python's answer
    draw();
    try {
      const bytes = await photo.arrayBuffer();
      const parts = Math.max(1, Math.ceil(bytes.byteLength / PART));
      for (let part = 0; part < parts; part++) {
        model.send({ kind: "photo", part, parts }, undefined, [bytes.slice(part * PART, (part + 1) * PART)]);
      }
    } catch (error) {
      say(`not taken: ${photo.name} cannot be read (${error.message})`);
    }
  }

  el.ondragover = (event) => {
    event.preventDefault(); // or the browser would open the file
    event.dataTransfer.dropEffect = "copy";
  };
  el.ondrop = (event) => {
    event.preventDefault();
    event.stopPropagation();
    const [photo] = event.dataTransfer.files;
    if (photo) take(photo);
    else say("not taken: drop a file of a photo, not a part of a page");
  };

  // ---- what Python changes -------------------------------------------------------------------------------------------

  function onKnown() {
    const now = bytesOf(model.get("known"));
    const before = stroke ? stroke.before : known;
    if (same(now, before)) return; // what this view sent
    stroke = null; // it began on another hole
    past = now.length === before.length ? [...past, before] : []; // of another size there is nothing to go back to
    known = now;
    draw();
  }
  function onPicture() {
    const url = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
    picture.onload = () => { URL.revokeObjectURL(url); draw(); };
    picture.src = url;
  }
  function onMessage() {
    if (model.get("message")) note = "";
    draw();
  }
  model.on("change:known", onKnown);
  model.on("change:picture", onPicture);
  model.on("change:message", onMessage);
  onPicture();
  draw();

  return () => {
    model.off("change:known", onKnown);
    model.off("change:picture", onPicture);
    model.off("change:message", onMessage);
  };
}

export default { initialize, render };
