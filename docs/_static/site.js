// What scrolls sideways can be reached, and so scrolled, with the keyboard.
function reachable() {
  for (const part of document.querySelectorAll('pre, table, .table-wrapper, .formula'))
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
}
window.addEventListener('load', reachable);
window.addEventListener('resize', reachable);
document.addEventListener('toggle', reachable, true);
