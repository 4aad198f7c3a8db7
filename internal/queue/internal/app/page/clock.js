// Tells when a time is over, also in a tab that nobody looks at: there browsers let the page's own timers wait for up to a minute.
addEventListener("message", ({ data: { id, ms } }) => { setTimeout(() => postMessage(id), ms); });
