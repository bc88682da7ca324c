
(() => {
  "use strict";
  const player = document.getElementById("player");
  const axes = [...document.querySelectorAll("[data-axis]")];
  const slider = document.querySelector("[data-slider]");
  if (!player) return;

  const clock = (time) => {
    const tenths = Math.round(Math.max(time, 0) * 10);
    const minutes = String(Math.floor(tenths / 600)).padStart(2, "0");
    return `${minutes}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
  };
  const seek = (time) => {
    playing = true;
    player.currentTime = Math.max(0, Math.min(time, player.duration || time));
    show(player.currentTime);
  };
  const rows = [...document.querySelectorAll(".row")].map((row) => ({
    now: row.querySelector("[data-now]"),
    segments: [...row.querySelectorAll(".segment")].map((mark) => ({
      from: Number(mark.dataset.from), to: Number(mark.dataset.to), mark,
    })),
    seen: [...row.querySelectorAll(".presence")].map((mark) => ({
      from: Number(mark.dataset.from), to: Number(mark.dataset.to),
    })),
    live: document.querySelector(`[data-live="${row.dataset.person}"]`),
  })).filter((row) => row.now);
  const readout = document.querySelector("[data-clock]");

  let playing = false; // until then the timeline shows each person's strongest class
  const show = (time) => {
    document.documentElement.classList.toggle("playing", playing);
    for (const axis of axes) {
      const head = axis.querySelector(".playhead");
      if (!head) continue;
      const start = Number(axis.dataset.start), end = Number(axis.dataset.end);
      head.hidden = time < start || time > end;
      head.style.left = `${100 * (time - start) / (end - start)}%`;
    }
    if (readout) readout.textContent = clock(time);
    for (const row of rows) {
      const within = (span) => span.from <= time && time <= span.to;
      const current = row.segments.find(within);
      const seen = row.seen.some(within);
      const say = current ? current.mark.dataset.say : seen ? "not judged" : "not in view";
      const share = current ? Math.round(100 * Number(current.mark.dataset.score)) : 0;
      const text = current ? `${say} ${share}%` : say;
      if (playing) row.now.textContent = text;
      if (!row.live) continue;
      row.live.classList.toggle("away", !current);
      row.live.querySelector("[data-say]").textContent = text;
      const bar = row.live.querySelector(".bar i");
      bar.style.width = `${share}%`;
      bar.style.background = current ? current.mark.getAttribute("fill") : "";
    }
    if (slider) {
      slider.setAttribute("aria-valuenow", time.toFixed(1));
      slider.setAttribute("aria-valuetext", clock(time));
    }
  };

  for (const axis of axes) {
    axis.classList.add("clickable");
    axis.addEventListener("click", (event) => {
      const box = axis.getBoundingClientRect();
      const start = Number(axis.dataset.start), end = Number(axis.dataset.end);
      seek(start + (end - start) * (event.clientX - box.left) / box.width);
    });
  }
  for (const button of document.querySelectorAll("[data-seek]")) {
    button.addEventListener("click", () => {
      seek(Number(button.dataset.seek));
      player.scrollIntoView({ block: "center", behavior: "smooth" });
    });
  }
  if (slider) {
    const last = Number(slider.getAttribute("aria-valuemax"));
    const steps = { ArrowLeft: -0.5, ArrowRight: 0.5, ArrowDown: -0.5, ArrowUp: 0.5, PageDown: -5, PageUp: 5 };
    slider.addEventListener("keydown", (event) => {
      if (event.key === "Home") seek(0);
      else if (event.key === "End") seek(last);
      else if (event.key in steps) seek(player.currentTime + steps[event.key]);
      else return;
      event.preventDefault();
    });
  }
  show(0);
  let waiting = false;
  const follow = () => {
    show(player.currentTime);
    waiting = !player.paused && !player.ended;
    if (waiting) requestAnimationFrame(follow);
  };
  player.addEventListener("play", () => { playing = true; if (!waiting) follow(); });
  player.addEventListener("timeupdate", () => { if (playing) show(player.currentTime); });
  player.addEventListener("seeking", () => { playing = true; show(player.currentTime); });
})();
