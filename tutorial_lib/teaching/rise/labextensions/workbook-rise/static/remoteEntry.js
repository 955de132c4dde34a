// Lets ipywidgets work on the slides of jupyterlab-rise, whose page is an application of its own.
//
// The extension of ipywidgets imports @jupyterlab/console, of which it needs one token only. JupyterLab shares that module, the
// page of jupyterlab-rise does not, and so no widget would be shown (jupyterlab-contrib/rise, issue 119). Here the module is
// shared with a token that no plugin provides: widgets of consoles are left out, those of the slides work. Where the real
// module is shared, nothing changes.
//
// And lets their keys reach them: an arrow on a slider would go to the next cell, or turn the slide. JupyterLab leaves the keys to
// an element with the attribute below; of the others those are kept from the slides that the widget has used.
(() => {
  const standIn = { __esModule: true, IConsoleTracker: { name: 'workbook-rise:no-consoles' } };
  const plugin = { id: 'workbook-rise:plugin', autoStart: true, activate: () => {} };
  document.addEventListener('focusin', ({ target }) => {
    if (!target.closest('.jupyter-widgets') || target.hasAttribute('data-lm-suppress-shortcuts')) return;
    target.setAttribute('data-lm-suppress-shortcuts', 'true');
    target.addEventListener('keydown', event => event.defaultPrevented && event.stopPropagation());
  });
  const extension = { __esModule: true, default: [plugin] };
  (window._JUPYTERLAB ??= {})['workbook-rise'] = {
    init: scope => {
      scope['@jupyterlab/console'] ??= {
        '4.0.0': { get: async () => () => standIn, from: 'workbook-rise', eager: false }
      };
    },
    get: async () => () => extension
  };
})();
