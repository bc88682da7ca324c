"use strict";

// What was found, drawn over the original clip while it plays, in layers that can be switched on and off.
// `overlay.json` says who was seen and where in `overlay.jsonl` the frames of each ten seconds stand; only those that
// are needed are fetched. Coordinates are pixels of the analysed frames, times milliseconds.
(() => {
  const stage = document.getElementById("stage");
  const video = document.getElementById("player");
  if (!stage || !stage.dataset.layers) return;

  const canvas = document.getElementById("layers");
  const pen = canvas.getContext("2d");
  const boxes = [...stage.querySelectorAll("[data-layer]")];
  const told = document.getElementById("told");
  const LIMBS = [
    [15, 13], [13, 11], [16, 14], [14, 12], [11, 12], [5, 11], [6, 12], [5, 6], [5, 7], [6, 8], [7, 9], [8, 10],
    [1, 2], [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6],
  ];
  const INK = "#0d1117", PAPER = "#ffffff", WEAPON = "#f0e442", FIRE = "#ff8c1a", HEAT = "255, 94, 20";
  const UNSURE = 30; // joints less sure than this percentage are hollow
  const EDGE_MS = 20; // a film's own times and those of the analysis differ by rounding
  const SHORTEST_ALERT_MS = 1000; // a shorter one still stays long enough to be read
  const MOST_PIECES = 8;
  let known = null; // overlay.json
  const pieces = new Map(); // position in known.pieces to the promise of its frames
  const loaded = new Map(); // the same to the frames
  let missing = false;

  const isOn = (layer) => boxes.some((box) => box.dataset.layer === layer && box.checked && !box.disabled);

  function say(text) {
    told.textContent = text;
    told.hidden = text === "";
  }

  function load(position) {
    if (position < 0 || position >= known.pieces.length) return;
    if (pieces.has(position)) return;
    const { offset, size_bytes: size } = known.pieces[position];
    const wanted = fetch(stage.dataset.frames, { headers: { Range: `bytes=${offset}-${offset + size - 1}` } })
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        const bytes = await answer.arrayBuffer();
        const part = answer.status === 206 ? bytes : bytes.slice(offset, offset + size);
        loaded.set(position, JSON.parse(new TextDecoder().decode(part)));
        draw();
      })
      .catch(() => {
        missing = true;
        say("Skeletons and boxes could not be fetched; load the page again.");
      });
    pieces.set(position, wanted);
    if (pieces.size > MOST_PIECES) {
      const oldest = pieces.keys().next().value;
      pieces.delete(oldest);
      loaded.delete(oldest);
    }
  }

  function frames(ms) {
    const position = known.pieces.findIndex((piece) => ms < piece.to_ms);
    const here = position < 0 ? known.pieces.length - 1 : position;
    if (missing) return null;
    load(here);
    load(here + 1);
    return loaded.get(here) ?? null;
  }

  // A person in one frame: as analysed, or on the straight line between two analysed frames.
  function poseAt(person, ms) {
    const times = person.ms;
    let after = times.findIndex((time) => time >= ms);
    if (after < 0) after = times.length;
    const near = [after, after - 1].find((i) => i >= 0 && i < times.length && Math.abs(times[i] - ms) <= 1);
    if (near !== undefined) return sample(person, near, near, 0);
    if (after === 0 || after === times.length) {
      const edge = after === 0 ? 0 : times.length - 1;
      return Math.abs(times[edge] - ms) <= EDGE_MS ? sample(person, edge, edge, 0) : null;
    }
    const gap = times[after] - times[after - 1];
    if (gap > known.max_gap_ms) return null;
    return sample(person, after - 1, after, (ms - times[after - 1]) / gap);
  }

  function sample(person, before, after, share) {
    const between = (list, size, i) => {
      const first = list[size * before + i];
      return first + (list[size * after + i] - first) * share;
    };
    const joints = [];
    for (let joint = 0; joint < 17; joint += 1) {
      const sure = Math.min(person.joints[51 * before + 3 * joint + 2], person.joints[51 * after + 3 * joint + 2]);
      joints.push({ x: between(person.joints, 51, 3 * joint), y: between(person.joints, 51, 3 * joint + 1), sure });
    }
    return { id: person.id, box: [0, 1, 2, 3].map((i) => between(person.boxes, 4, i)), joints };
  }

  // The segment that covers a time and whose middle is nearest to it.
  function segmentAt(person, ms) {
    let best = null;
    for (const segment of person.segments) {
      if (segment.start_ms > ms || segment.end_ms < ms) continue;
      const far = Math.abs((segment.start_ms + segment.end_ms) / 2 - ms);
      if (best === null || far < best.far) best = { segment, far };
    }
    return best?.segment ?? null;
  }

  function nearest(items, ms, reach) {
    let best = Infinity;
    for (const item of items) best = Math.min(best, Math.abs(item.ms - ms));
    return best <= reach ? items.filter((item) => Math.abs(item.ms - ms) === best) : [];
  }

  // Where the picture lies in the element: it keeps its shape, and there may be bars beside it.
  function fit() {
    const ratio = window.devicePixelRatio || 1;
    const width = video.clientWidth, height = video.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const shown = Math.min(width / video.videoWidth, height / video.videoHeight);
    const view = { width: video.videoWidth * shown, height: video.videoHeight * shown };
    pen.setTransform(ratio, 0, 0, ratio, ratio * (width - view.width) / 2, ratio * (height - view.height) / 2);
    view.x = view.width / known.width; // pixels with other sides than equal ones: two scales
    view.y = view.height / known.height;
    view.text = Math.max(11, Math.min(18, view.height / 26));
    view.taken = [];
    view.stroke = Math.max(1.5, view.height / 300);
    return view;
  }

  // A label: where it was asked for, or below the labels that stand there already.
  function plate(view, text, x, y, color, ground) {
    pen.font = `600 ${view.text}px system-ui, sans-serif`;
    const width = pen.measureText(text).width + view.text * 0.7, height = view.text * 1.45;
    const left = Math.max(0, Math.min(x, view.width - width));
    let top = Math.max(0, Math.min(y, view.height - height));
    for (const [x0, y0, x1, y1] of view.taken.sort((a, b) => a[1] - b[1])) {
      if (left < x1 && x0 < left + width && top < y1 && y0 < top + height) top = y1 + 1;
    }
    view.taken.push([left, top, left + width, top + height]);
    pen.fillStyle = ground;
    pen.fillRect(left, top, width, height);
    pen.fillStyle = color;
    pen.fillText(text, left + view.text * 0.35, top + view.text * 1.08);
  }

  function outline(view, box, color) {
    const [x0, y0, x1, y1] = [box[0] * view.x, box[1] * view.y, box[2] * view.x, box[3] * view.y];
    for (const [ink, width] of [[INK, view.stroke + 2], [color, view.stroke]]) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  }

  function drawSkeleton(view, pose, color) {
    const thick = Math.max(1.5, Math.min(3 * view.stroke, 0.016 * (pose.box[3] - pose.box[1]) * view.y));
    const limbs = LIMBS.filter(([a, b]) => pose.joints[a].sure > 0 && pose.joints[b].sure > 0);
    pen.lineCap = "round";
    for (const [ink, width] of [[INK, thick + 2], [color, thick]]) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.beginPath();
      for (const [a, b] of limbs) {
        pen.moveTo(pose.joints[a].x * view.x, pose.joints[a].y * view.y);
        pen.lineTo(pose.joints[b].x * view.x, pose.joints[b].y * view.y);
      }
      pen.stroke();
    }
    pose.joints.forEach(({ x, y, sure }, joint) => {
      if (sure === 0) return;
      pen.beginPath();
      pen.arc(x * view.x, y * view.y, (joint > 4 ? 1 : 0.7) * thick, 0, 2 * Math.PI);
      pen.fillStyle = sure < UNSURE ? INK : color;
      pen.fill();
      pen.strokeStyle = PAPER;
      pen.lineWidth = 1;
      pen.stroke();
    });
  }

  // Attention of the recogniser: the parts of the body that it looked at most in this segment glow most.
  function drawAttention(view, pose, segment) {
    if (!segment?.attention) return;
    const most = Math.max(...segment.attention, 1), size = pose.box[3] - pose.box[1];
    Object.values(known.body_parts).forEach((joints, part) => {
      const share = segment.attention[part] / most;
      const torso = joints.length > 2;
      for (const joint of joints) {
        const { x, y, sure } = pose.joints[joint];
        if (sure === 0 || (torso && joint > 0 && joint < 5)) continue;
        const radius = (torso ? 0.12 : 0.085) * size;
        pen.save();
        pen.translate(x * view.x, y * view.y);
        pen.scale(view.x, view.y);
        const glow = pen.createRadialGradient(0, 0, 0, 0, 0, radius);
        glow.addColorStop(0, `rgba(${HEAT}, ${(0.85 * share).toFixed(3)})`);
        glow.addColorStop(1, `rgba(${HEAT}, 0)`);
        pen.fillStyle = glow;
        pen.fillRect(-radius, -radius, 2 * radius, 2 * radius);
        pen.restore();
      }
    });
  }

  function drawName(view, pose, ms) {
    const person = known.people.find(({ id }) => id === pose.id);
    const segment = segmentAt(person, ms);
    const share = segment ? ` ${segment.label} ${Math.round(100 * segment.probabilities[segment.label])}%` : "";
    plate(view, `${pose.id}${share}`, pose.box[0] * view.x, pose.box[1] * view.y - view.text * 1.6, INK, person.color);
  }

  function drawFireMap(view, map) {
    const high = view.height / map.length, wide = view.width / map[0].length;
    map.forEach((row, y) => row.forEach((percent, x) => {
      if (percent <= 10) return;
      pen.fillStyle = `rgba(255, 140, 26, ${(0.005 * percent).toFixed(3)})`;
      pen.fillRect(x * wide, y * high, wide, high);
    }));
  }

  function drawObjects(view, found, ms) {
    for (const item of nearest(found.objects, ms, known.reach_ms)) {
      outline(view, item.box, WEAPON);
      const who = item.held_by === null ? "" : ` · held by ${item.held_by}`;
      plate(view, `${item.label} ${item.score}%${who}`, item.box[0] * view.x, item.box[1] * view.y - view.text * 1.6, INK, WEAPON);
    }
    for (const item of nearest(found.fire, ms, known.fire_reach_ms)) {
      if (item.box === null) continue;
      outline(view, item.box, FIRE);
      plate(view, `fire ${item.score}%`, item.box[0] * view.x, item.box[1] * view.y - view.text * 1.6, INK, FIRE);
    }
  }

  const isOwn = (alert) =>
    alert.rule === stage.dataset.rule && alert.start_ms === Math.round(1000 * Number(stage.dataset.start));

  function drawAlerts(view, alerts) {
    if (alerts.length > 0) {
      const width = 3 * view.stroke;
      pen.strokeStyle = alerts[0].color;
      pen.lineWidth = width;
      pen.strokeRect(width / 2, width / 2, view.width - width, view.height - width);
    }
    alerts.slice(0, 3).forEach((alert, row) => {
      const who = alert.people.length ? ` · ${alert.people.length === 1 ? "person" : "people"} ${alert.people.join(", ")}` : "";
      plate(view, `ALERT ${alert.label}${who}`, 0, row * view.text * 1.6, PAPER, alert.color);
    });
  }

  let shownMs = 0;
  function draw(ms = shownMs) {
    shownMs = ms;
    if (!known || !video.videoWidth) return;
    const view = fit();
    const alerts = known.alerts
      .filter((alert) => alert.start_ms <= ms && ms <= Math.max(alert.end_ms, alert.start_ms + SHORTEST_ALERT_MS))
      .sort((a, b) => isOwn(b) - isOwn(a)); // that of this page first
    const found = frames(ms);
    let people = 0;
    if (isOn("alert")) drawAlerts(view, alerts);
    if (found) {
      if (isOn("attention")) {
        for (const item of nearest(found.fire, ms, known.fire_reach_ms)) if (item.map) drawFireMap(view, item.map);
      }
      const poses = found.people.map((person) => poseAt(person, ms)).filter((pose) => pose !== null);
      people = poses.length;
      for (const pose of poses.sort((a, b) => a.box[3] - b.box[3])) {
        const person = known.people.find(({ id }) => id === pose.id);
        const segment = segmentAt(person, ms);
        if (isOn("attention")) drawAttention(view, pose, segment);
        if (isOn("boxes")) outline(view, pose.box, person.color);
        if (isOn("skeletons")) drawSkeleton(view, pose, person.color);
      }
      if (isOn("boxes")) {
        drawObjects(view, found, ms);
        for (const pose of poses) drawName(view, pose, ms);
      }
    }
    // for those who test, and for those who wonder what stands on the canvas
    canvas.dataset.ms = Math.round(ms);
    canvas.dataset.people = people;
    canvas.dataset.alerts = alerts.length;
    canvas.dataset.ready = found ? "yes" : "no";
  }

  function follow() {
    if ("requestVideoFrameCallback" in video) {
      const onFrame = (_now, frame) => {
        draw(1000 * frame.mediaTime);
        video.requestVideoFrameCallback(onFrame);
      };
      video.requestVideoFrameCallback(onFrame);
    } else {
      const onTick = () => {
        draw(1000 * video.currentTime);
        if (!video.paused && !video.ended) requestAnimationFrame(onTick);
      };
      video.addEventListener("play", onTick);
      for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, () => draw(1000 * video.currentTime));
    }
    video.addEventListener("loadeddata", () => draw(1000 * video.currentTime));
    new ResizeObserver(() => draw()).observe(video);
  }

  // Some clips no browser can play; their annotated film has everything drawn in.
  function fallBack() {
    if (known === null) return;
    known = null;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (const box of boxes) box.disabled = true;
    const film = stage.dataset.film;
    if (film) video.src = `${film}#t=${stage.dataset.start}`;
    say(
      film
        ? "This browser cannot play the original clip. Below is the annotated film, with everything drawn in."
        : "This browser cannot play the original clip, and there is no annotated film; download the clip.",
    );
  }

  function toggle(layer) {
    const box = boxes.find((each) => each.dataset.layer === layer);
    if (!box || box.disabled) return;
    box.checked = !box.checked;
    draw();
  }

  function playAlert() {
    video.currentTime = Number(stage.dataset.start);
    video.play();
  }

  function step(frames) {
    video.pause();
    video.currentTime = Math.max(0, video.currentTime + frames / Number(stage.dataset.rate));
  }

  function toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.getElementById("screen").requestFullscreen();
  }

  const keys = {
    s: () => toggle("skeletons"),
    b: () => toggle("boxes"),
    h: () => toggle("attention"),
    i: () => toggle("alert"),
    r: playAlert,
    f: toggleFullScreen,
    k: () => (video.paused ? video.play() : video.pause()),
    ",": () => step(-1),
    ".": () => step(1),
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key.toLowerCase() in keys)) return;
    keys[event.key.toLowerCase()]();
    event.preventDefault();
  });
  for (const box of boxes) box.addEventListener("change", () => draw());
  document.getElementById("replay").addEventListener("click", playAlert);
  document.getElementById("fullscreen").addEventListener("click", toggleFullScreen);

  fetch(stage.dataset.layers)
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
    .then((layers) => {
      known = layers;
      video.addEventListener("error", fallBack);
      video.addEventListener("loadedmetadata", () => video.videoWidth || fallBack()); // sound without a picture
      if (video.error || (video.readyState >= 1 && !video.videoWidth)) fallBack();
      else {
        follow();
        draw(1000 * video.currentTime);
      }
    })
    .catch(() => say("What was found could not be fetched; load the page again."));
})();
