// Everything is there without this: it only adds the reader's own time to times in UTC.
for (const it of document.querySelectorAll("time[datetime]")) {
  const at = new Date(it.dateTime);
  if (!Number.isNaN(at.getTime())) {
    it.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) + " local";
  }
}
