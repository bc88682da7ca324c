
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
    player.currentTime = Math.max(0, Math.min(time, player.duration || time));
    show(player.currentTime);
  };
  const rows = [...document.querySelectorAll(".row")].map((row) => ({
    now: row.querySelector("[data-now]"),
    segments: [...row.querySelectorAll(".segment")].map((mark) => ({
      from: Number(mark.dataset.from), to: Number(mark.dataset.to), say: mark.dataset.say, mark,
    })),
  })).filter((row) => row.now && row.segments.length);

  const show = (time) => {
    document.documentElement.classList.add("playing");
    for (const axis of axes) {
      const head = axis.querySelector(".playhead");
      if (!head) continue;
      const start = Number(axis.dataset.start), end = Number(axis.dataset.end);
      head.hidden = time < start || time > end;
      head.style.left = `${100 * (time - start) / (end - start)}%`;
    }
    for (const row of rows) {
      const current = row.segments.find((segment) => segment.from <= time && time <= segment.to);
      row.now.textContent = current ? current.say : "–";
      row.now.title = current ? current.mark.textContent : "no segment at this time";
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
  let waiting = false;
  const follow = () => {
    show(player.currentTime);
    waiting = !player.paused && !player.ended;
    if (waiting) requestAnimationFrame(follow);
  };
  player.addEventListener("play", () => { if (!waiting) follow(); });
  player.addEventListener("timeupdate", () => show(player.currentTime));
})();
