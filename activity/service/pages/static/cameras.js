"use strict";

// Zones of a camera, drawn on a frame of its latest clip by pointer or keyboard. Corners are shares of the picture's
// width and height. What is drawn stands in the form's field `zones`, which is all that is sent.
(() => {
  const field = document.querySelector("#raw textarea");
  const frame = document.getElementById("zones");
  if (!field || !frame) return;

  const SVG = "http://www.w3.org/2000/svg";
  const USES = { named: "rules may ask for it", watch: "only this counts", ignore: "this does not count" };
  const STEP = 0.01, FINE_STEP = 0.001, FEWEST = 3, MOST = 200;
  const shapes = frame.querySelector(".shapes");
  const corners = document.getElementById("corners");
  const list = document.getElementById("zone-list");
  const hint = document.getElementById("hint");
  const backdrop = document.getElementById("backdrop");
  let zones = [];
  let selected = 0;

  try {
    zones = JSON.parse(field.value);
    const canBeDrawn = (zone) => Array.isArray(zone?.polygon) && zone.polygon.every((corner) => Array.isArray(corner));
    if (!Array.isArray(zones) || !zones.every(canBeDrawn)) throw new TypeError("no zones");
  } catch {
    return; // left as text, to be mended there
  }
  document.getElementById("raw").hidden = true;
  document.getElementById("zone-tools").hidden = false;

  const round = (share) => Math.round(Math.min(1, Math.max(0, share)) * 10000) / 10000;
  const percent = (share) => `${Math.round(1000 * share) / 10}%`;

  function make(name, attributes, parent) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent?.append(made);
    return made;
  }

  function tell(text) {
    hint.textContent = text;
  }

  function store() {
    field.value = JSON.stringify(zones);
  }

  // Shapes and corners anew; the corner that had the focus keeps it.
  function draw(focus) {
    shapes.replaceChildren();
    zones.forEach((zone, position) => {
      const points = zone.polygon.map((corner) => corner.join(",")).join(" ");
      const shape = make("polygon", { points, class: `zone use-${zone.use ?? "named"}` }, shapes);
      shape.classList.toggle("selected", position === selected);
    });
    corners.replaceChildren();
    const zone = zones[selected];
    for (const [position, [x, y]] of (zone?.polygon ?? []).entries()) {
      const label = `${zone.name}, corner ${position + 1} of ${zone.polygon.length}: ${percent(x)} from the left, ${percent(y)} from the top`;
      const handle = make(
        "circle",
        { cx: `${100 * x}%`, cy: `${100 * y}%`, r: 8, tabindex: 0, role: "button", "aria-label": label, class: "corner" },
        corners,
      );
      handle.dataset.corner = position;
      if (position === focus) handle.focus({ preventScroll: true });
    }
    store();
  }

  function move(position, x, y, focus = position) {
    zones[selected].polygon[position] = [round(x), round(y)];
    draw(focus);
  }

  function insert(position, x, y) {
    const { polygon } = zones[selected];
    if (polygon.length >= MOST) {
      tell(`A zone has ${MOST} corners at most.`);
      return;
    }
    polygon.splice(position, 0, [round(x), round(y)]);
    draw(position);
    tell(`Corner ${position + 1} added; ${polygon.length} corners.`);
  }

  function take(position) {
    const { polygon } = zones[selected];
    if (polygon.length <= FEWEST) {
      tell("A zone has three corners at least.");
      return;
    }
    polygon.splice(position, 1);
    draw(Math.min(position, polygon.length - 1));
    tell(`Corner ${position + 1} taken away; ${polygon.length} corners.`);
  }

  function place(event) {
    const box = corners.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  // The side of the selected zone that is nearest to a point, as the position of a corner between its ends.
  function nearestSide([x, y]) {
    const { polygon } = zones[selected];
    const ratio = corners.clientWidth / Math.max(1, corners.clientHeight);
    let best = { far: Infinity, position: polygon.length };
    polygon.forEach(([x0, y0], position) => {
      const [x1, y1] = polygon[(position + 1) % polygon.length];
      const [dx, dy] = [(x1 - x0) * ratio, y1 - y0];
      const along = ((x - x0) * ratio * dx + (y - y0) * dy) / Math.max(1e-12, dx * dx + dy * dy);
      const share = Math.min(1, Math.max(0, along));
      const far = Math.hypot((x - x0) * ratio - share * dx, y - y0 - share * dy);
      if (far < best.far) best = { far, position: position + 1 };
    });
    return best.position;
  }

  corners.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !zones[selected]) return;
    const { corner } = event.target.dataset;
    event.preventDefault();
    if (corner === undefined) {
      const point = place(event);
      insert(nearestSide(point), ...point);
      return;
    }
    const position = Number(corner);
    draw(position);
    corners.setPointerCapture(event.pointerId);
    const drag = (moved) => move(position, ...place(moved));
    const drop = () => {
      corners.removeEventListener("pointermove", drag);
      for (const name of ["pointerup", "pointercancel"]) corners.removeEventListener(name, drop);
    };
    corners.addEventListener("pointermove", drag);
    for (const name of ["pointerup", "pointercancel"]) corners.addEventListener(name, drop);
  });

  corners.addEventListener("keydown", (event) => {
    const position = Number(event.target.dataset.corner);
    if (Number.isNaN(position)) return;
    const { polygon } = zones[selected];
    const [x, y] = polygon[position];
    const [nextX, nextY] = polygon[(position + 1) % polygon.length];
    const step = event.shiftKey ? FINE_STEP : STEP;
    const keys = {
      ArrowLeft: () => move(position, x - step, y),
      ArrowRight: () => move(position, x + step, y),
      ArrowUp: () => move(position, x, y - step),
      ArrowDown: () => move(position, x, y + step),
      Enter: () => insert(position + 1, (x + nextX) / 2, (y + nextY) / 2),
      Insert: () => insert(position + 1, (x + nextX) / 2, (y + nextY) / 2),
      Delete: () => take(position),
      Backspace: () => take(position),
    };
    if (!(event.key in keys)) return;
    event.preventDefault(); // Enter would send the form
    keys[event.key]();
  });

  function select(position) {
    if (selected === position) return;
    selected = position;
    for (const [row, item] of [...list.children].entries()) item.classList.toggle("selected", row === position);
    draw();
  }

  function control(name, label, attributes) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (label) made.setAttribute("aria-label", label);
    return made;
  }

  function write() {
    list.replaceChildren();
    zones.forEach((zone, position) => {
      const row = control("div", "", { class: "zone-row", role: "group" });
      row.setAttribute("aria-label", `Zone ${zone.name}`);
      row.classList.toggle("selected", position === selected);
      const pick = control("input", `Draw zone ${zone.name}`, { type: "radio", name: "", class: "pick" });
      pick.checked = position === selected;
      pick.addEventListener("change", () => {
        for (const other of list.querySelectorAll(".pick")) other.checked = other === pick;
        select(position);
      });
      const name = control("input", "Name of the zone", { maxlength: 100, required: "" });
      name.value = zone.name;
      name.addEventListener("input", () => {
        zone.name = name.value.trim();
        draw();
      });
      const use = control("select", "What the zone is for", {});
      for (const [value, means] of Object.entries(USES)) {
        const option = control("option", "", { value });
        option.textContent = `${value}: ${means}`;
        use.append(option);
      }
      use.value = zone.use ?? "named";
      use.addEventListener("change", () => {
        zone.use = use.value;
        draw();
      });
      const remove = control("button", `Remove zone ${zone.name}`, { type: "button", class: "plain" });
      remove.textContent = "Remove";
      remove.addEventListener("click", () => {
        zones.splice(position, 1);
        selected = Math.max(0, Math.min(selected, zones.length - 1));
        write();
        draw();
        tell(`Zone ${zone.name} removed; it is gone once you save.`);
        document.getElementById("add-zone").focus();
      });
      row.addEventListener("focusin", () => {
        pick.checked = true;
        for (const other of list.querySelectorAll(".pick")) other.checked = other === pick;
        select(position);
      });
      row.append(pick, name, use, remove);
      list.append(row);
    });
    if (zones.length === 0) {
      const none = control("p", "", { class: "quiet" });
      none.textContent = "No zone: the whole picture counts.";
      list.append(none);
    }
  }

  document.getElementById("add-zone").addEventListener("click", () => {
    let number = zones.length + 1;
    while (zones.some(({ name }) => name === `Zone ${number}`)) number += 1;
    zones.push({ name: `Zone ${number}`, use: "named", polygon: [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]] });
    selected = zones.length - 1;
    write();
    draw(0);
    tell("Drag the corners, or move them with the arrow keys.");
  });

  if (backdrop) {
    const scrub = document.getElementById("scrub");
    backdrop.addEventListener("loadedmetadata", () => {
      scrub.max = Math.max(0, backdrop.duration - 0.05);
      document.getElementById("scrub-label").hidden = !Number.isFinite(backdrop.duration);
    });
    scrub.addEventListener("input", () => {
      backdrop.currentTime = Number(scrub.value);
    });
    backdrop.addEventListener("error", () => {
      frame.classList.add("empty");
      backdrop.remove();
      tell("This browser cannot play the camera's latest clip; zones are drawn on an empty picture.");
    });
  }
  write();
  draw();
})();
