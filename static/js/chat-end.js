// This script runs before the first paint, so that a session opens at its end instead of jumping there.
{
  const scroller = document.querySelector("[data-scroller]");
  if (scroller && !location.hash.startsWith("#turn-")) scroller.scrollTop = scroller.scrollHeight;
}
