"use strict";

// Uploads with their progress, and analyses as they go on.
// Pages come whole from the server; this only moves what would otherwise need a reload.

const MOST_FOLLOWED = 3; // a browser keeps six connections to one host, and pages need some of them
const following = new Set();
const steps = JSON.parse(document.getElementById("clips")?.dataset.steps ?? "{}"); // in words

function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

async function refreshRow(id) {
  const answer = await fetch("/clips", { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(`job-${id}`);
  if (!fresh) return;
  const old = document.getElementById(`job-${id}`);
  if (old) old.replaceWith(fresh);
  else document.querySelector("#clips tbody").prepend(fresh);
  document.getElementById("clips").hidden = false;
  document.getElementById("none")?.remove();
}

function followRows() {
  for (const row of document.querySelectorAll("tr[data-final=no]")) {
    if (following.size >= MOST_FOLLOWED) return;
    if (!following.has(row.dataset.job)) follow(row.dataset.job);
  }
}

function follow(id) {
  following.add(id);
  const events = new EventSource(`/v1/jobs/${id}/events`);
  const row = () => document.getElementById(`job-${id}`);
  events.addEventListener("job", async (event) => {
    const job = JSON.parse(event.data);
    if (["succeeded", "failed", "cancelled"].includes(job.state)) {
      events.close();
      following.delete(id);
      await refreshRow(id);
      followRows();
      return;
    }
    row().querySelector("progress").value = job.progress;
    row().querySelector(".step").textContent = steps[job.step ?? ""];
    const tag = row().querySelector(".tag");
    tag.textContent = job.state;
    tag.className = `tag state-${job.state}`;
  });
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return; // the browser tries again
    following.delete(id);
    row().querySelector(".step").textContent = "connection lost; load the page again";
  });
}

function send(file, list, camera) {
  const bar = element("progress", { max: "1", value: "0", "aria-label": `Sending ${file.name}` });
  const text = element("span", { class: "quiet" }, "waits");
  const item = element("li", {}, element("span", {}, file.name), bar, text);
  list.append(item);
  return new Promise((resolve) => {
    const refuse = (why) => {
      item.className = "refused";
      item.setAttribute("role", "alert");
      item.replaceChildren(element("b", {}, file.name), why);
      resolve();
    };
    const request = new XMLHttpRequest(); // fetch does not tell how much was sent
    request.upload.addEventListener("progress", (event) => {
      bar.value = event.loaded / Math.max(event.total, 1);
      text.textContent = `${Math.round(100 * bar.value)}% sent`;
    });
    request.addEventListener("load", async () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // not from the service; the status is all that is known
      }
      if (request.status !== 202) {
        refuse(answer.detail ?? `refused with status ${request.status}`);
        return;
      }
      await refreshRow(answer.job.id);
      item.remove();
      followRows();
      resolve();
    });
    request.addEventListener("error", () => refuse("the connection broke off; send it again"));
    const from = camera ? `&camera_id=${camera}` : "";
    request.open("POST", `/v1/clips?name=${encodeURIComponent(file.name.slice(-200) || "clip")}${from}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRF-Token", document.querySelector("meta[name=csrf-token]").content);
    request.send(file);
  });
}

function watchUploads(form) {
  const list = form.querySelector("#sending");
  const input = form.querySelector("input[type=file]");
  let line = Promise.resolve(); // one after the other
  const take = (files) => {
    const camera = document.getElementById("camera")?.value ?? "";
    for (const file of files) line = line.then(() => send(file, list, camera));
  };
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragenter", "dragover"]) {
    form.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
}

const upload = document.getElementById("upload");
if (upload) watchUploads(upload);
followRows();
