// Follows the store: what is listed is listed anew when something was stored.
"use strict";
const source = new EventSource("events");
source.addEventListener("runs", async (event) => {
  const body = document.querySelector("#runs tbody"), told = JSON.parse(event.data);
  if (body.dataset.stamp === undefined || body.dataset.stamp === told.stamp) {
    body.dataset.stamp = told.stamp;
    return;
  }
  const reply = await fetch("").catch(() => null);
  if (!reply?.ok) return;
  const focused = document.activeElement?.getAttribute("href");
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("#runs tbody");
  fresh.dataset.stamp = told.stamp;
  body.replaceWith(fresh);
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
});
